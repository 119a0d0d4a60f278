"""A long run on a slow disk with corrupt images, killed again and again: its memory stays flat, and nothing is left of it.

SOAK_STEPS sets the length (default 300) and SOAK_KILLS the number of kills (default 2).
"""
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from checkout import root
from PIL import Image

steps = int(os.environ.get("SOAK_STEPS", 300))
kills = int(os.environ.get("SOAK_KILLS", 2))
slope_limit = 1.0  # MiB per 100 steps
warm = 100         # steps after which memory has to be flat
program = """
import json, os, sys, time
import topofr_nb.data.folders as folders
from topofr_nb.data.images import read_image
from topofr_nb.training.loop import train
from topofr_nb.training.recipe import make_recipe

def slow(*values, **options):
    time.sleep(0.002)
    return read_image(*values, **options)

folders.read_image = slow
memory = open(sys.argv[2], "a")

def note(row):
    if row["step"] % 10: return
    with open("/proc/self/status") as status: resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
    memory.write(json.dumps([os.getpid(), row["step"], resident]) + "\\n")
    memory.flush()

train(make_recipe(**json.loads(sys.argv[1])), progress=False, checkpoint_seconds=0.5, listener=note)
"""


def faces(folder):
    "A folder a person; three of the files are no whole pictures"
    draw = np.random.default_rng(0)
    for person in range(12):
        (folder / f"p{person:02}").mkdir(parents=True)
        for shot in range(12):
            Image.fromarray(draw.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / f"p{person:02}" / f"{shot}.jpg")
    for broken in ("p03/5.jpg", "p07/1.jpg", "p11/11.jpg"):
        whole = (folder / broken).read_bytes()
        (folder / broken).write_bytes(whole[:len(whole) // 2])


def start(values, notes):
    return subprocess.Popen([sys.executable, "-c", program, json.dumps(values), str(notes)], stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, cwd=root)


def alive(mark):
    "Processes that have `mark` in their command line"
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try: told = (place / "cmdline").read_bytes().decode(errors="replace")
        except OSError: continue
        if mark in told: found.append(place.name)
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_soak(tmp_path):
    faces(tmp_path / "faces")
    out, notes = tmp_path / "out", tmp_path / "memory.jsonl"
    values = dict(method="topofr", data=str(tmp_path / "faces"), on_corrupt="skip", left_out=0.2, image_size=32, embedding_size=32,
                  batch_size=16, max_steps=steps, eval_pairs=20, workers=1, out_dir=str(out))
    shared_before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    draw = random.Random(0)
    for _ in range(kills):
        process = start(values, notes)
        seen = notes.stat().st_size if notes.exists() else 0
        while process.poll() is None and (not notes.exists() or notes.stat().st_size == seen): time.sleep(0.02)
        time.sleep(1 + 2*draw.random())
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    process = start(values, notes)
    _, said = process.communicate(timeout=1800)
    assert process.returncode == 0, said[-2000:]
    scores = json.loads(next(out.glob("*/scores.json")).read_text())
    assert scores["skipped_images"] == 3
    assert all(name in said for name in ("p03/5.jpg", "p07/1.jpg", "p11/11.jpg"))

    rows = [json.loads(line) for line in notes.read_text().splitlines()]
    last = [(step, kib / 1024) for pid, step, kib in rows if pid == rows[-1][0]]
    flat = [(step, mib) for step, mib in last if step >= last[0][0] + warm]
    if len(flat) >= 10:
        slope = 100*np.polyfit(*zip(*flat), 1)[0]
        print(f"memory: {flat[0][1]:.0f} to {flat[-1][1]:.0f} MiB over {flat[-1][0] - flat[0][0]} steps, {slope:+.2f} MiB per 100")
        assert slope < slope_limit
    time.sleep(0.5)
    assert alive(str(out)) == []
    left = [str(path) for path in out.rglob("*") if "partial" in path.name or path.suffix == ".lock"]
    assert left == []
    shared = set(os.listdir("/dev/shm")) - shared_before if os.path.isdir("/dev/shm") else set()
    assert not [name for name in shared if name.startswith("torch_")]

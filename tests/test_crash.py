"""Runs that are killed, told to stop, or started twice: they end bit for bit as the run that nobody touched.

CRASH_TRIALS sets the number of kills for each configuration (default 1).
"""
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from checkout import root

trials = int(os.environ.get("CRASH_TRIALS", 1))
small = dict(image_size=32, embedding_size=32, identities=8, shots=6, batch_size=16, max_steps=40, eval_pairs=20)
configurations = {
    "topofr": dict(method="topofr"),
    "partial_fc_unpg": dict(method="unpg", sample_rate=0.5),
    "gif": dict(method="gif", embedding_size=16),
    "topofr_2_workers": dict(method="topofr", workers=2),
}
program = """
import json, sys
from topofr_nb.training.loop import Stopped, train
from topofr_nb.training.recipe import make_recipe
try: run = train(make_recipe(**json.loads(sys.argv[1])), progress=False, checkpoint_seconds=float(sys.argv[2]))
except Stopped as stop: sys.exit(stop.code)
print(run.folder)
"""


def start(values, seconds=0.05):
    return subprocess.Popen([sys.executable, "-c", program, json.dumps(values), str(seconds)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, cwd=root)


def finish(values):
    "Run to the end; return the folder"
    process = start(values)
    out, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return Path(out.strip().splitlines()[-1])


def tensors(folder):
    from topofr_nb.training.checkpoints import load_checkpoint
    return load_checkpoint(folder / "last.safetensors").tensors


def losses(folder):
    from topofr_nb.training.runs import read_metrics
    return [(row["step"], row["loss"]) for row in read_metrics(folder / "metrics.jsonl")]


def same(a, b):
    "Whether two runs ended alike, in every bit of every tensor and every line of the log"
    first, second = tensors(a), tensors(b)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert losses(a) == losses(b)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    "The undisturbed run of a configuration, made once"
    made = {}

    def folder(name):
        if name not in made: made[name] = finish({**small, **configurations[name], "out_dir": str(tmp_path_factory.mktemp(name))})
        return made[name]
    return folder


def interrupted(values, number, draw):
    "Start a run, send it a signal at a random moment of its training, return its exit status"
    process, out = start(values), Path(values["out_dir"])
    while process.poll() is None and not any(log.stat().st_size for log in out.glob("*/metrics.jsonl")): time.sleep(0.01)
    time.sleep(draw.random())
    process.send_signal(number)
    process.communicate(timeout=120)
    return process.returncode


@pytest.mark.parametrize("name", configurations)
def test_two_runs_are_bit_equal(name, whole, tmp_path):
    same(whole(name), finish({**small, **configurations[name], "out_dir": str(tmp_path)}))


@pytest.mark.parametrize("name", configurations)
def test_killed_and_resumed_is_bit_equal(name, whole, tmp_path):
    draw = random.Random(name)
    for trial in range(trials):
        values = {**small, **configurations[name], "out_dir": str(tmp_path / str(trial))}
        assert interrupted(values, signal.SIGKILL, draw) in (0, -signal.SIGKILL)
        folder = finish(values)
        same(whole(name), folder)
        left = [path.name for path in folder.rglob("*") if "partial" in path.name or path.name.startswith(".tmp")]
        assert left == [], f"left behind: {left}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_told_to_stop(number, whole, tmp_path):
    "The step is finished, saved and gone on from"
    values = {**small, **configurations["topofr"], "out_dir": str(tmp_path)}
    status = interrupted(values, number, random.Random(0))
    assert status in (0, 128 + number)
    folder = finish(values)
    same(whole("topofr"), folder)

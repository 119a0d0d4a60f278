"""The same recipe by 1, 2, 3 and 4 processes: the same losses, the same weights, one sentence for an error, no step lost to a kill.

Processes are forked from one interpreter (`many.py`), meet through gloo and train a tiny net on a few drawn people.
PROCESS_KILLS sets the number of kills under torchrun (default 1), TORCHRUN_CASES that of bad inputs that torchrun gets (default 1 of 8).
"""
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import pytest
import torch
from checkout import root

small = dict(backbone="narrow", image_size=32, embedding_size=16, identities=7, shots=6, batch_size=13, max_steps=20, eval_pairs=20,
             sync_bn=True, lr=0.02)
settled = dict(mixture_rule="moments")  # the paper's steps of EM may wander for ever: they have turned 1e-16 into 1e-6 in ten steps
few = dict(image_size=16, lr=0.01, max_steps=5)
gentle = dict(precision="float32", lr=0.0005)  # a step of a net that learns fast turns 1e-7 into 1e-5
methods = {
    "arcface": dict(method="arcface"),
    "topofr": dict(method="topofr", **settled),
    "unpg": dict(method="unpg"),
    "gif": dict(method="gif"),
    "partial_fc": dict(method="arcface", sample_rate=0.3),
    "magface": dict(method="magface"),
    "pull": dict(method="topofr", **settled, pull=0.1, image_size=32, lr=0.02),
    "parts": dict(method="topofr", **settled, batch_size=18, accumulate=2),
}
spread = {  # weights of the backbone spread over the processes (FSDP2), beside a head that is spread by identities
    "all": dict(method="topofr", **settled, optimizer="adamw", lr=0.002, sample_rate=0.5, clip=0.1, ema=0.9, batch_size=14,
                accumulate=2, checkpoint_activations=True, freeze="until stem", max_steps=4, keep_every=2, validate_every=2),
    "gif": dict(method="gif", clip=0.1, max_steps=3),
    "vit": dict(method="arcface", backbone="narrow_vit", max_steps=2),
}
worlds = (1, 2, 3, 4)
everywhere = ("topofr", "partial_fc")  # the others in one process and in three, which share neither people nor batch evenly
single = ("arcface", "topofr", "unpg", "gif", "partial_fc", "magface")
kills = int(os.environ.get("PROCESS_KILLS", 1))
program = Path(__file__).with_name("many.py")


@pytest.fixture(scope="module")
def run_jobs():
    "Exit statuses by job and rank; jobs of a list are trained by the same processes. What each said is in its files"
    import narrow  # noqa: F401  the checkpoints name its backbones
    with subprocess.Popen([sys.executable, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) as server:
        def statuses(*jobs):
            late = Timer(1800, server.kill)
            late.start()
            print(json.dumps([one if isinstance(one, list) else [one] for one in jobs]), file=server.stdin, flush=True)
            answer = server.stdout.readline()
            late.cancel()
            assert answer, "the processes took more than 1,800 s, or their server broke"
            return json.loads(answer)
        yield statuses
        server.stdin.close()


def job(folder, name, processes, values, **more):
    return dict(processes=processes, said=str(folder / name), values={**small, "cache": str(folder / "cache"),
                                                                      "out_dir": str(folder / name) + ".runs", **values}) | more


def said(job, rank): return Path(f"{job['said']}.{rank}").read_text().strip()


def run_folder(job):
    recipe, = Path(job["values"]["out_dir"]).glob("*/recipe.json")
    return recipe.parent


def state(folder):
    "Weights, buffers and averages by name, rows of the head joined; losses by step"
    from topofr_nb.losses.head_shards import open_shards, read_rows
    from topofr_nb.training.checkpoints import load_checkpoint
    from topofr_nb.training.runs import read_metrics
    held = load_checkpoint(folder / "last.safetensors")
    tensors = {name: tensor for name, tensor in held.tensors.items() if name.startswith(("backbone", "head", "ema"))}
    if held.shards:
        files = open_shards([folder / name for name in held.shards], held.num_classes, held.recipe.embedding_size)
        tensors["head.weight"] = read_rows(files, "weight", 0, held.num_classes)
    tensors = {name: tensor.double() for name, tensor in tensors.items() if tensor.is_floating_point()}
    return tensors, torch.tensor([row["loss"] for row in read_metrics(folder / "metrics.jsonl")], dtype=torch.float64)


def gap(found, expected):
    "Largest differences of the losses and of the weights, relative to the largest number of a tensor (at least 1e-3)"
    weights, losses = found
    assert weights.keys() == expected[0].keys()
    size = {name: tensor.abs().max().clamp_min(1e-3) for name, tensor in expected[0].items()}
    by_tensor = [((weights[name] - tensor).abs().max() / size[name]).item() for name, tensor in expected[0].items()]
    return ((losses - expected[1]).abs() / expected[1].abs()).max().item(), max(by_tensor)


def kept_networks(folder):
    "Tensors of the networks that were kept, by step; the best is one of them"
    from safetensors.torch import load_file
    from topofr_nb.training.runs import read_metrics
    kept = {int(path.stem): load_file(path) for path in (folder / "steps").iterdir()}
    found = {row["step"] + 1: row["validation"] for row in read_metrics(folder / "metrics.jsonl") if "validation" in row}
    assert sorted(kept) == sorted(found) == [2, 4]
    best = load_file(folder / "best.safetensors")  # on as many pairs as a few seconds allow, so not the same in two runs
    assert all(tensor.equal(best[name]) for name, tensor in kept[max(found, key=found.get)].items())
    return kept


def worlds_of(name): return worlds if name in everywhere else (1, 3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, run_jobs):
    "All runs of the equality test, made in one interpreter"
    folder = tmp_path_factory.mktemp("processes")
    jobs = {(name, "float64", n): job(folder, f"{name}-float64-{n}", n, {**few, **values, "precision": "float64"})
            for name, values in methods.items() for n in worlds_of(name)}
    jobs |= {(name, "float32", n): job(folder, f"{name}-float32-{n}", n, {**few, **values, **gentle})
             for name, values in methods.items() if name in single for n in (1, 3)}
    jobs |= {("scope", n): job(folder, f"scope-{n}", n, dict(few, method="topofr_p", batch_size=14, scope="process",
                                                             precision="float64")) for n in (2,)}
    jobs["parts"] = job(folder, "parts", 1, dict(few, method="topofr_p", batch_size=14, structure_batch=7, precision="float64"))
    alike = [[one for one in jobs.values() if one["processes"] == n] for n in worlds]
    for n, statuses in zip(worlds, run_jobs(*alike)): assert set(statuses) == {0}, [said(one, 0) for one in alike[n - 1]]
    return jobs


@pytest.mark.parametrize("name", methods)
def test_equal_to_one_process(name, trained):
    expected = state(run_folder(trained[name, "float64", 1]))
    assert len(expected[1]) == few["max_steps"]
    for n in worlds_of(name)[1:]:
        found = state(run_folder(trained[name, "float64", n]))
        losses, weights = gap(found, expected)
        print(f"{name}: float64, {n} processes: {losses:.1e} of a loss, {weights:.1e} of a weight")
        assert max(losses, weights) < 1e-9, (n, losses, weights)
    if name not in single: return
    found = state(run_folder(trained[name, "float32", 3]))
    losses, weights = gap(found, state(run_folder(trained[name, "float32", 1])))
    print(f"{name}: float32, 3 processes: {losses:.1e} of a loss, {weights:.1e} of a weight")
    assert losses < 1e-5 and weights < 1e-4, (losses, weights)


def test_the_run_has_one_name(trained):
    names = {run_folder(trained["topofr", "float64", n]).name for n in worlds}
    assert len(names) == 1


def test_scope_process_is_structure_batch(trained):
    "Two processes that compare their own rows are one process that compares halves"
    assert max(gap(state(run_folder(trained["scope", 2])), state(run_folder(trained["parts"])))) < 1e-9


def test_spread_network(tmp_path, run_jobs):
    "FSDP2 in two processes is one process: weights, averages, clipped gradients, kept steps; a stop between, with another number and form"
    values = {name: {"precision": "float64", **more} for name, more in spread.items()}
    jobs = {(name, n): job(tmp_path, f"{name}-{n}", n, {**values[name], "shard": "fsdp" if n > 1 or name == "gif" else "none"},
                           checkpoint_seconds=0) for name in spread for n in (1, 2)}
    statuses = run_jobs(*jobs.values())
    for one, status in zip(jobs.values(), statuses): assert set(status) == {0}, said(one, 0)
    for name in spread:
        first, second = run_folder(jobs[name, 1]), run_folder(jobs[name, 2])
        assert first.name == second.name
        found = gap(state(second), state(first))
        print(f"{name}: shard = fsdp, 2 processes: {found[0]:.1e} of a loss, {found[1]:.1e} of a weight")
        assert max(found) < 1e-9, (name, found)
    assert "has nothing to share in a single process" in said(jobs["gif", 1], 0)
    kept = [kept_networks(run_folder(jobs["all", n])) for n in (1, 2)]
    for step in (2, 4):
        assert max((tensor - kept[1][step][name]).abs().max() for name, tensor in kept[0][step].items()) < 1e-9

    expected = state(run_folder(jobs["all", 1]))
    again = []
    for n in (1, 2):  # from the checkpoint before the last: spread as whole, and whole as spread
        folder = run_folder(jobs["all", n])
        (folder / "last.safetensors").unlink()
        (folder / "scores.json").unlink()
        other = jobs["all", 3 - n]
        again.append({**other, "said": f"{other['said']}.again",
                      "values": {**other["values"], "out_dir": jobs["all", n]["values"]["out_dir"]}})
    assert [set(status) for status in run_jobs(*again)] == [{0}, {0}], said(again[0], 0)
    for n in (1, 2): assert max(gap(state(run_folder(jobs["all", n])), expected)) < 1e-9


def test_another_number_of_processes_goes_on(tmp_path, run_jobs):
    "Three processes are stopped half-way by their length; two go on; a shard that is lost is told"
    values = dict(method="arcface", precision="float64")
    jobs = [job(tmp_path, "whole", 1, values)]
    half = job(tmp_path, "half", 3, values, checkpoint_seconds=0)
    statuses = run_jobs(*jobs, half)
    assert statuses == [[0], [0, 0, 0]], said(half, 0)
    folder = run_folder(half)
    shards = sorted(folder.glob("head.*-of-00003.safetensors"))
    assert len(shards) == 6, "two sets, of the last checkpoint and the one before"
    (folder / "scores.json").unlink()
    (folder / "last.safetensors").unlink()  # stands at the checkpoint before, step 19
    again = job(tmp_path, "half", 2, values)
    assert run_jobs(again) == [[0, 0]]
    assert max(gap(state(folder), state(run_folder(jobs[0])))) < 1e-9
    longer = [job(tmp_path, name, n, {**values, "max_steps": 24, "extends": str(run_folder(parent))})
              for name, n, parent in (("longer", 2, half), ("longer-whole", 1, jobs[0]))]
    assert run_jobs(*longer) == [[0, 0], [0]], said(longer[0], 0)
    assert max(gap(state(run_folder(longer[0])), state(run_folder(longer[1])))) < 1e-9
    for shard in folder.glob("head.*-of-00003.safetensors"): shard.unlink()
    for shard in list(folder.glob("head.*-of-00002.safetensors"))[:1]: shard.unlink()
    (folder / "scores.json").unlink()
    assert run_jobs(again) == [[1, 1]]
    assert "lacks its shard" in said(again, 0)
    assert said(again, 1) == ""


refused = {
    "batch": (3, dict(batch_size=5), {}, "batch_size = 5 is too small for 3 processes"),
    "people": (4, dict(identities=3, shots=12), {}, "the training set has 3 people, fewer than the 4 processes"),
    "recipes": (2, {}, {"1": dict(lr=0.5)}, "has lr = 0.5, process 0"),
    "number": (2, dict(processes=3), {}, "processes = 3, but torchrun started 2"),
    "parts": (3, dict(batch_size=14, accumulate=7), {}, "two samples of each of accumulate = 7 parts. Valid: 42 and up"),
    "weights": (2, dict(embedding_size=8), {}, "this recipe trains narrow with 8 numbers per feature at 32 px"),
    "folder": (2, {}, {}, "is in use"),
    "version": (2, {}, {}, "has torch = '0.1'"),
}


def test_bad_input_is_one_sentence(tmp_path, run_jobs):
    from topofr_nb.files import FolderLock
    jobs = {name: job(tmp_path, name, n, values, of=of) for name, (n, values, of, _) in refused.items()}
    first = {**jobs["folder"], "values": {**jobs["folder"]["values"], "max_steps": 2}}
    jobs["folder"] = first
    jobs["version"]["torch"] = {"1": "0.1"}
    assert run_jobs({**first, "said": str(tmp_path / "first")}) == [[0, 0]]
    (run_folder(first) / "scores.json").unlink()
    jobs["weights"]["values"]["weights"] = str(run_folder(first))
    with FolderLock(run_folder(first)): statuses = dict(zip(jobs, run_jobs(*jobs.values())))
    for name, (n, _, _, sentence) in refused.items():
        assert statuses[name] == [1]*n, (name, statuses[name], said(jobs[name], 0))
        assert sentence in said(jobs[name], 0), said(jobs[name], 0)
        assert "\n" not in said(jobs[name], 0)
        assert [said(jobs[name], rank) for rank in range(1, n)] == [""]*(n - 1)


def torchrun(values, program, restarts=0, processes=3):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes),
               "--max-restarts", str(restarts), str(program)]
    options = [part for name, value in values.items() for part in (f"--{name}", str(value))]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root)


told = {  # kind of bad input: processes, values of the recipe, what is done before training, the sentence
    "recipes": (2, {}, "if rank == 1: sys.argv += ['--lr', '0.5']", r"ValueError: process 1 on \S+ has lr = 0.5, process 0 on \S+ has 0.02;.*"),
    "version": (2, {}, "if rank == 1: torch.__version__ = '0.1'", r"ValueError: process 1 on \S+ has torch = '0.1', process 0 .*"),
    "batch": (2, dict(batch_size=3), "", r"ValueError: batch_size = 3 is too small for 2 processes.*"),
    "people": (3, dict(identities=2, shots=12), "", r"ValueError: the training set has 2 people, fewer than the 3 processes.*"),
    "shard": (2, {}, "", r"FileNotFoundError: checkpoint '.*' of 3 processes at step 2 lacks its shard 'head\..*-of-00003\.safetensors'.*"),
    "folder": (2, {}, "", r"InUse: .* is in use: process \d+ of \S+ on \S+ has been .* since [\d: -]+\. Wait until .* \"kill \d+\".*"),
    "weights": (2, dict(embedding_size=8), "", r"ValueError: weights '.*' are of tiny with 16 numbers .* this recipe trains tiny with 8 .*"),
    "option": (2, dict(bakbone="r50"), "", r"ValueError: unrecognized arguments: --bakbone.*"),
}
asked = int(os.environ.get("TORCHRUN_CASES", 1))


@pytest.mark.parametrize("name", list(told)[:asked])
def test_bad_input_under_torchrun(name, tmp_path, run_jobs):
    "One sentence from process 0, first of all and as the root cause that torchrun names at the end of its own page"
    from topofr_nb.files import FolderLock
    from topofr_nb.training.launch import said_of_run
    processes, values, twist, sentence = told[name]
    first = job(tmp_path, "run", 3, dict(backbone="tiny", max_steps=2))
    if name in ("shard", "folder", "weights"):
        assert run_jobs(first) == [[0, 0, 0]], said(first, 0)
        (run_folder(first) / "scores.json").unlink()
    if name == "weights": values = {**values, "weights": str(run_folder(first))}
    if name == "shard":
        for shard in run_folder(first).glob("head.*1-of-00003*"): shard.unlink()
    twisted = tmp_path / "program.py"
    twisted.write_text(f"import os, sys, torch\nrank = int(os.environ['RANK'])\n{twist}\n"
                       "from topofr_nb.training.__main__ import main\nmain()\n")
    with FolderLock(run_folder(first) if name == "folder" else tmp_path / "other"):
        process = torchrun({**first["values"], **values}, twisted, processes=processes)
        out, err = process.communicate(timeout=300)
    lines = err.strip().splitlines()
    assert process.returncode == 1 and out == "", err
    own, = [line for line in lines if said_of_run(line)]
    assert re.fullmatch(sentence, own), err
    assert lines[0] == own and lines[-2] == f"  traceback : {own}", err


@pytest.mark.skipif(asked < 2, reason="TORCHRUN_CASES is 1: a start of torchrun takes long")
def test_started_by_a_recipe(tmp_path):
    "`processes = 2` in a notebook: the rows are heard, the numbers are those of one process; asked again, nothing is trained"
    from topofr_nb.training.loop import train
    from topofr_nb.training.recipe import make_recipe
    values = {**small, **few, "backbone": "tiny", "precision": "float64", "cache": str(tmp_path / "cache")}
    alone = train(make_recipe(**values, out_dir=str(tmp_path / "one")), progress=False)
    heard = []
    pair = make_recipe(**values, out_dir=str(tmp_path / "two"), processes=2)
    run = train(pair, progress=False, listener=heard.append)
    assert heard == run.metrics and run.finished and run.folder.name == alone.folder.name
    assert max(gap(state(run.folder), state(alone.folder))) < 1e-9
    assert len(train(pair, progress=False).starts) == 1


def workers(parent):
    "Processes that torchrun has started, by its id"
    return [int(number) for task in Path(f"/proc/{parent}/task").glob("*/children") for number in task.read_text().split()]


def rank_of(number):
    "The rank that torchrun gave to a process, by its id"
    return re.search(r"\0RANK=(\d+)\0", Path(f"/proc/{number}/environ").read_text())[1]


def test_killed_under_torchrun(tmp_path, run_jobs):
    "kill -9 of one of three processes at random moments; torchrun restarts; the end is that of the undisturbed run, to the bit"
    draw = random.Random(0)
    values = dict(method="topofr", sample_rate=0.5, max_steps=20*kills + 20, sync_bn=False)  # each process by itself, as in the papers
    whole = job(tmp_path, "whole", 3, values)
    assert run_jobs(whole) == [[0, 0, 0]], said(whole, 0)
    broken = job(tmp_path, "broken", 3, {**values, "checkpoint_seconds": 0.05})
    process = torchrun(broken["values"], program.with_name("narrow.py"), kills + 1)
    done, killed = 0, set()
    while process.poll() is None and done < kills:
        logs = list((tmp_path / "broken.runs").glob("*/metrics.jsonl"))
        steps = len(logs[0].read_text().splitlines()) if logs else 0
        started = workers(process.pid)
        if len(started) == 3 and steps > 20*done + 2:
            time.sleep(draw.random() / 2)
            chosen = draw.choice(started)
            killed.add(rank_of(chosen))
            os.kill(chosen, signal.SIGKILL)
            done += 1
            while workers(process.pid) == started: time.sleep(0.05)
        time.sleep(0.05)
    _, err = process.communicate(timeout=1800)
    assert process.returncode == 0, err[-3000:]
    assert done == kills
    assert len(re.findall(r"exitcode: -9", err)) >= kills, err[-3000:]
    named = re.findall(r"LostProcess: process (\d) is gone", err)  # none where torchrun ends the others before they say it
    assert set(named) <= killed, err[-3000:]
    first, second = run_folder(whole), run_folder(broken)
    assert first.name == second.name
    a, b = state(first), state(second)
    assert [name for name in a[0] if not torch.equal(a[0][name], b[0][name])] == []
    assert torch.equal(a[1], b[1])
    starts = [start["step"] for start in json.loads((second / "environment.json").read_text())]
    print(f"{kills} kills; starts at the steps {starts}")
    assert max(starts) > 0

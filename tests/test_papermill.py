"The notebooks with parameters, run by papermill from end to end at their smallest size."
import json
import resource
from pathlib import Path

import pytest
from books import load, nbs, notebooks
from checkout import run, tools

smoke_seconds = 420  # of the clock, on a machine that does other things too
core_seconds = 60    # of one core, of a reproduction notebook
stored_seconds = 20  # the same, of one that shows its stored rows, papermill included, on a machine that does nothing else
smoke_parameters = {
    "train.ipynb": {"backbone": "tiny", "max_steps": 6, "identities": 16, "shots": 4, "eval_pairs": 60, "image_size": 112},
    "evaluate.ipynb": {"eval_pairs": 60},
    "80_reproduce": {"scale": "smoke"},
}
did_not_start = ("Address already in use", "Kernel died before replying")


def children_seconds():
    "Processor time of the processes that ended, and of those that they started"
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def execute(name, folder, **given):
    "Exit status and output of one notebook with these parameters; a kernel that did not start is tried once more"
    command = tools / "papermill", nbs / name, folder / "executed.ipynb", "-k", "python3", "--no-progress-bar", "-y", json.dumps(given)
    for _ in range(2):
        status, said = run(*command, timeout=smoke_seconds)
        if not any(sign in said for sign in did_not_start): break
    return status, said


def papermill(name, scratch, **parameters):
    "Run one notebook with its smoke parameters; return its out_dir"
    out = scratch / "runs" / name.with_suffix("")
    out.mkdir(parents=True, exist_ok=True)
    own = smoke_parameters.get(str(name), smoke_parameters.get(name.parts[0], {}))
    status, said = execute(name, out, **{**own, "out_dir": str(out), **parameters})
    assert status == 0, said
    return out


def test_train_then_evaluate(scratch):
    "The two doors: what the first leaves behind goes into the second"
    runs = papermill(Path("train.ipynb"), scratch)
    made = runs / load(runs / "latest.json")["run"]
    for left in ("recipe.json", "environment.json", "metrics.jsonl", "scores.json", "last.safetensors"):
        assert (made / left).exists(), f"the run left no {left}"
    papermill(Path("evaluate.ipynb"), scratch, checkpoint=str(made / "last.safetensors"))


def test_own_faces(scratch):
    "The whole way of one's own photographs, on procedural ones"
    out = scratch / "own_faces"
    command = tools / "papermill", nbs / "own_faces.ipynb", scratch / "own_faces.ipynb", "-k", "python3", "--no-progress-bar"
    status, said = run(*command, "-p", "out", str(out), timeout=smoke_seconds)
    assert status == 0, said
    assert list(out.rglob("threshold*.json")) and list(out.rglob("*.onnx"))


def below(folder): return [name for name in notebooks() if name.parts[0] == folder]


papers = sorted({name.parent for name in below("80_reproduce")})
first_of_each = [min(name for name in below("80_reproduce") if name.parent == paper) for paper in papers]


@pytest.mark.parametrize("name", [*first_of_each, *below("90_benchmarks")], ids=str)
def test_smoke(name, scratch): papermill(name, scratch)


@pytest.mark.reproduce
@pytest.mark.parametrize("name", below("80_reproduce"), ids=str)
def test_reproduce(name, scratch):
    "Each runs at smoke scale, within its budget of processor time"
    before = children_seconds()
    papermill(name, scratch)
    spent = children_seconds() - before
    assert spent <= core_seconds, f"{name} takes {spent:.0f} s of a core at smoke scale; valid: {core_seconds} s at most"


shown_always = ("findings", "figure1_diagrams", "pull", "table10_step_time", "other_images")


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name.stem in shown_always else pytest.mark.reproduce, id=str(name))
                                  for name in below("80_reproduce")])
def test_stored(name, scratch):
    "Shows what data/results holds, with a folder of one's own that is still empty, within its budget of processor time"
    before = children_seconds()
    papermill(name, scratch, scale="stored", out_dir=str(scratch / "nothing yet"))
    spent = children_seconds() - before
    print(f"{name}: {spent:.1f} s of a core")
    beside = 1.5 * stored_seconds  # two at a time share what a core has
    assert spent <= beside, f"{name} takes {spent:.0f} s of a core to show its stored rows; valid: {beside:.0f} s at most"


@pytest.mark.reproduce
def test_identification_is_measured_once(scratch):
    "A second call with the same parameters and code reads what the first one measured"
    name = Path("80_reproduce/gif/identification.ipynb")
    left = papermill(name, scratch) / "code_search" / "3" / "code_search.json"
    first = left.stat().st_mtime_ns
    papermill(name, scratch)
    assert left.stat().st_mtime_ns == first

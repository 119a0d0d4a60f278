"The notebooks are tests: each runs from top to bottom in a process of its own."
import os
from collections import Counter
from pathlib import Path

import pytest
import torch
from books import code_cells, directives, left_out, load, nbs, notebooks
from fresh import run_fresh, run_notebook

cell_seconds = 420
real_data = os.environ.get("TOPOFR_REAL_DATA", "")


def flags_here():
    "Cells with these flags run on this machine"
    assert not real_data or Path(real_data).is_dir(), f"TOPOFR_REAL_DATA = {real_data!r} is not a folder"
    return [flag for flag, here in (("data", bool(real_data)), ("cuda", torch.cuda.is_available())) if here]


def flagged(name): return Counter(flag for cell in code_cells(load(nbs / name)) for flag in directives(cell))


@pytest.fixture(scope="session")
def flags(): return flags_here()


run_bare = [name for name in notebooks() if not left_out(name)]


@pytest.mark.parametrize("name", run_bare, ids=str)
def test_notebook(name, flags, record_property):
    own = flagged(name)
    wanted = [flag for flag in flags if own[flag]]
    status, out = run_fresh(run_notebook, nbs / name, " ".join(wanted), timeout=cell_seconds)
    assert status == 0 and "Success." in out, out
    if "data" in wanted: record_property("real cells", own["data"])


reasons = {"data": "TOPOFR_REAL_DATA names no folder of real faces", "cuda": "no GPU here"}
with_flags = [(name, flag) for name in run_bare for flag in reasons if flagged(name)[flag]]


@pytest.mark.parametrize("name, flag", with_flags, ids=lambda value: str(value))
def test_flagged_cells(name, flag, flags):
    "Says which cells of `test_notebook` could not run here"
    if flag not in flags: pytest.skip(reasons[flag])

"""The doors in one kernel, as a person in JupyterLab uses them: all cells, edited cells, some cells, again and again."""
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

root = Path(__file__).resolve().parent.parent
small = dict(identities=8, shots=4, image_size=32, embedding_size=32, batch_size=8, max_steps=3, eval_pairs=20)


def code_cells(name):
    "{cell id: source} of a notebook of nbs/, in order"
    book = json.loads((root / "nbs" / name).read_text(encoding="utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"}


def parameters_id(name):
    book = json.loads((root / "nbs" / name).read_text(encoding="utf-8"))
    return next(cell["id"] for cell in book["cells"] if "parameters" in cell["metadata"].get("tags", []))


def with_values(source, **values):
    "The text of a parameters cell after a person has changed some of its lines"
    lines = source.splitlines()
    for key, value in values.items():
        at = next(i for i, line in enumerate(lines) if line.startswith(f"{key} = "))
        lines[at] = f"{key} = {value!r}"
    return "\n".join(lines)


class Lab:
    "A kernel and what was said in it"
    def __init__(self, folder):
        env = dict(os.environ, PYTHONPATH=str(root), OMP_NUM_THREADS="1", TQDM_DISABLE="1", MPLBACKEND="agg", IPYTHONDIR=str(folder / "ipython"))
        self.manager, self.client = start_new_kernel(env=env, cwd=str(folder))

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, source):
        "Run a cell; return what it showed, raise what it raised"
        said = []

        def hook(message):
            content = message["content"]
            if "data" in content: said.append(content["data"].get("text/markdown") or content["data"].get("text/plain", ""))
            elif "text" in content: said.append(content["text"])
        reply = self.client.execute_interactive(source, store_history=True, output_hook=hook, timeout=120)["content"]
        if reply["status"] == "error": raise RuntimeError(f"{reply['ename']}: {reply['evalue']}")
        return "\n".join(said)

    def run_all(self, cells, start=None, **edited):
        "Run cells in order, from the one with the id `start` on"
        ids = list(cells)
        said = [self.run(edited.get(i, cells[i])) for i in ids[ids.index(start) if start else 0:]]
        return "\n".join(said)

    def value(self, expression):
        "The JSON value of an expression in the kernel"
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))


@pytest.fixture
def lab():
    folder = Path(tempfile.mkdtemp(prefix="topofr_lab_"))
    kernel = Lab(folder)
    yield kernel
    kernel.close()
    shutil.rmtree(folder, ignore_errors=True)


def trained(lab): return lab.value("dict(steps=len(run.metrics), people=run.scores['training_identities'])")


def test_train_follows_its_parameters_cell(lab):
    cells, at = code_cells("train.ipynb"), parameters_id("train.ipynb")
    ids = list(cells)
    take = ids[ids.index(at) + 1]
    first = with_values(cells[at], **small, out_dir="runs")
    said = lab.run_all(cells, **{at: first})
    assert trained(lab) == dict(steps=3, people=8)
    assert "max_steps = 3" in said and "identities = 8" in said

    edited = with_values(cells[at], **{**small, "identities": 6, "max_steps": 2}, out_dir="runs")
    said = lab.run_all(cells, **{at: edited})
    assert trained(lab) == dict(steps=2, people=6)
    assert "max_steps = 2" in said and "max_steps = 3" not in said

    lab.run(with_values(edited, identities=5))
    lab.run_all(cells, start=take)
    assert trained(lab)["people"] == 5

    lab.run(with_values(edited, identities=7))
    training = next(i for i in ids if "train(plan," in cells[i])
    with pytest.raises(RuntimeError, match="identities changed after the recipe was made"): lab.run(cells[training])
    lab.run_all(cells, start=at, **{at: edited})
    assert trained(lab)["people"] == 6

    lab.run(edited)
    lab.run("# Parameters\nmax_steps = 1\n")
    lab.run_all(cells, start=take)
    assert trained(lab) == dict(steps=1, people=6)

    lab.run(edited.replace("max_steps = 2", "max_steps = 2\nbacbone = 'r50'"))
    with pytest.raises(RuntimeError, match="'bacbone' is unknown; did you mean 'backbone'"): lab.run(cells[take])
    lab.run(edited)
    with pytest.raises(RuntimeError, match="'max-steps' is unknown; did you mean 'max_steps'"): lab.run("# Parameters\nmax-steps = 2\n")


def test_evaluate_follows_its_parameters_cell(lab):
    lab.run("from topofr_nb.training import make_recipe, train\n"
            f"paths = [str(train(make_recipe(**{small!r}, seed=s, out_dir='runs'), progress=False).checkpoint.resolve()) for s in (0, 1)]")
    one, two = lab.value("paths")
    cells, at = code_cells("evaluate.ipynb"), parameters_id("evaluate.ipynb")
    take = list(cells)[list(cells).index(at) + 1]

    def scored(): return lab.value("[scoring.checkpoint, result.summary()['pairs']]")
    lab.run_all(cells, **{at: with_values(cells[at], checkpoint=one, eval_pairs=20)})
    assert scored() == [one, 20]
    lab.run_all(cells, **{at: with_values(cells[at], checkpoint=two, eval_pairs=40)})
    assert scored() == [two, 40]
    lab.run(with_values(cells[at], checkpoint=one, eval_pairs=40))
    with pytest.raises(RuntimeError, match="checkpoint changed"):
        lab.run(next(source for source in cells.values() if "score_checkpoint(scoring)" in source))
    lab.run_all(cells, start=take)
    assert scored() == [one, 40]


def test_a_kernel_without_parameters_says_so(lab):
    cells, at = code_cells("train.ipynb"), parameters_id("train.ipynb")
    with pytest.raises(RuntimeError, match="no parameters cell has run in this kernel"):
        lab.run(cells[list(cells)[list(cells).index(at) + 1]])

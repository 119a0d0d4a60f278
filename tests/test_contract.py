"What papermill needs of a notebook."
import ast
import json
from pathlib import Path

import pytest
from books import code_cells, left_out, load, nbs, notebooks, source, tagged, wants_parameters
from checkout import root, run, tools
from fresh import run_fresh

doors = (Path("train.ipynb"), Path("evaluate.ipynb"))
with_parameters = [name for name in notebooks() if wants_parameters(name)]
without = [name for name in notebooks() if not wants_parameters(name)]
reproduced = [name for name in notebooks() if name.parts[0] == "80_reproduce"]


def test_the_doors_are_there():
    assert set(doors) <= set(with_parameters)


def test_kernel_is_that_of_the_environment():
    "Nothing that a user has registered comes before the kernelspec of the environment"
    ask = "from jupyter_client.kernelspec import KernelSpecManager; print(KernelSpecManager().get_kernel_spec('python3').resource_dir)"
    status, out = run(tools / "python", "-c", ask)
    assert status == 0 and Path(out.strip()).resolve().is_relative_to((root / ".venv").resolve()), out


def test_papermill_refuses_an_unknown_parameter(scratch):
    "The whole way, through the command line"
    command = tools / "papermill", nbs / "train.ipynb", scratch / "refused.ipynb", "-k", "python3", "--no-progress-bar"
    status, out = run(*command, "-p", "bacbone", "r50", timeout=120)
    assert status not in (0, 124) and "ValueError" in out, out
    assert "bacbone" in out and "backbone" in out.replace("bacbone", ""), out


@pytest.mark.parametrize("name", without, ids=str)
def test_notebook_without_parameters(name):
    "It has no tagged cell and is run by a bare nbdev-test"
    assert not tagged(load(nbs / name)), "has a cell tagged 'parameters', but papermill is not meant to run it"
    assert not left_out(name), "nbdev-test leaves it out, and papermill does not run it either"


def defaults_of(book):
    "The assignments of the parameters cell"
    found = {}
    for line in ast.parse(source(tagged(book)[0])).body:
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        assert isinstance(target, ast.Name), f"the cell of parameters holds more than assignments: {ast.unparse(line)}"
        found[target.id] = ast.literal_eval(line.value)
    return found


def injected(path, **parameters):
    "The code cells as papermill would run them"
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook
    cells = parameterize_notebook(load_notebook_node(str(path)), parameters, kernel_name="python3").cells
    tags = [cell.metadata.tags for cell in cells]
    assert tags.index(["injected-parameters"]) == tags.index(["parameters"]) + 1, "parameters are not injected behind the defaults"
    return [cell.source for cell in cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", with_parameters, ids=str)
def test_parameters_cell(name):
    "One tagged cell of JSON values that papermill reads, each with a comment that its help prints"
    from papermill import inspect_notebook
    book = load(nbs / name)
    assert len(tagged(book)) == 1, f"{len(tagged(book))} cells are tagged 'parameters', one is needed"
    assert left_out(name), "a bare nbdev-test would run it too: put a .notest file beside it or 'skip_exec: true' in its front matter"
    defaults = defaults_of(book)
    for key, value in defaults.items():
        assert json.loads(json.dumps(value)) == value, f"the default of {key} is no JSON value: {value!r}"
    inspected = inspect_notebook(str(nbs / name))
    assert {key: ast.literal_eval(found["default"]) for key, found in inspected.items()} == defaults
    silent = [key for key, found in inspected.items() if not found["help"].strip()]
    assert not silent, f"no comment explains {', '.join(silent)}"


@pytest.mark.parametrize("name", with_parameters, ids=str)
def test_parameters_are_not_assigned_again(name):
    defaults = defaults_of(load(nbs / name))
    cells = injected(nbs / name, **defaults)
    at = next(i for i, text in enumerate(cells) if text.startswith("# Parameters\n"))
    for text in cells[at + 1:]:
        again = assigned(ast.parse(text)) & set(defaults)
        assert not again, f"{', '.join(sorted(again))} is assigned again after the parameters: {text.splitlines()[0]}"


def assigned(node):
    "Names that a cell binds in the notebook's own scope"
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)): return {node.name}
    if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)): return set()
    if isinstance(node, ast.alias): return {(node.asname or node.name).split(".")[0]}
    if isinstance(node, ast.Name): return {node.id} if isinstance(node.ctx, (ast.Store, ast.Del)) else set()
    return set().union(*map(assigned, ast.iter_child_nodes(node)))


def try_cells(unknown, known):
    "Run cells as papermill would: first with an unknown name, which has to fail, then with the defaults, which has to work"
    from IPython.core.interactiveshell import InteractiveShell

    def execute(cells):
        shell = InteractiveShell()
        for cell in cells:
            result = shell.run_cell(cell, store_history=True)
            if not result.success: return result.error_in_exec or result.error_before_exec
    error = execute(unknown)
    if not isinstance(error, ValueError): raise SystemExit(f"an unknown parameter gives {error!r}")
    print(error)
    error = execute(known)
    if error is not None: raise error


@pytest.mark.parametrize("name", with_parameters, ids=str)
def test_an_unknown_parameter_is_refused(name):
    "The cell behind the parameters refuses a misspelt name, naming the right one, and takes the defaults"
    defaults = defaults_of(load(nbs / name))
    right = max(defaults, key=lambda key: (key == "backbone", len(key)))
    wrong = right[:2] + right[3:]
    cells = injected(nbs / name, **defaults)
    behind = next(i for i, text in enumerate(cells) if text.startswith("# Parameters\n")) + 2
    status, out = run_fresh(try_cells, injected(nbs / name, **{wrong: "r50"})[:behind], cells[:behind], timeout=120)
    assert status == 0, out
    assert wrong in out and right in out.replace(wrong, ""), f"the error for {wrong} does not name it and {right}: {out}"


@pytest.mark.parametrize("name", reproduced, ids=str)
def test_every_table_is_exported(name):
    "A cell that shows a table writes it as Markdown and LaTeX, too"
    def shows(cell): return any("<table" in "".join(output.get("data", {}).get("text/html", "")) for output in cell["outputs"])
    silent = [source(cell).splitlines()[-1] for cell in code_cells(load(nbs / name)) if shows(cell) and "export_table(" not in source(cell)]
    assert not silent, f"tables that are shown and not exported: {'; '.join(silent)}"

"A notebook imports from notebooks with smaller numbers only: no floor knows those above it, and there is no circle."
import ast

import pytest
from books import code_cells, exports, load, module_of, nbs, notebooks, source

place_of = {module_of(load(nbs / name)): name for name in notebooks() if module_of(load(nbs / name))}
exporting = [name for name in place_of.values()]


def imported(text):
    "Modules of the package that a cell imports"
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("%", "!")))
    try: tree = ast.parse(lines)
    except SyntaxError: return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("topofr_nb"):
            package = node.module.removeprefix("topofr_nb.")
            found |= {f"{package}.{name.name}" if f"{package}.{name.name}" in place_of else package for name in node.names}
        if isinstance(node, ast.Import): found |= {name.name for name in node.names if name.name.startswith("topofr_nb")}
    return {module.removeprefix("topofr_nb.") for module in found}


def place(module):
    "The notebook that a module comes from; None for what no notebook exports"
    return place_of.get(module) or place_of.get(f"{module}.__init__")


def later(name, cells):
    "Notebooks with a larger number that these cells import from"
    found = {place(module) for cell in cells for module in imported(source(cell))}
    return sorted(str(other) for other in found if other and other.parts > name.parts)


@pytest.mark.parametrize("name", exporting, ids=str)
def test_exported_imports(name):
    cells = [cell for cell in code_cells(load(nbs / name)) if exports(cell)]
    assert not later(name, cells), f"its module imports from {', '.join(later(name, cells))}"


@pytest.mark.parametrize("name", exporting, ids=str)
def test_imports_of_examples(name):
    "A lesson needs nothing that a reader has not met yet; a notebook may import itself, for processes of its own"
    found = later(name, code_cells(load(nbs / name)))
    assert not found, f"its examples import from {', '.join(found)}"


def test_every_module_is_known():
    "No module of the package is missing in the map of this test"
    assert len(place_of) > 60 and "core" in place_of

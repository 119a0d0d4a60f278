"A wheel, unpacked elsewhere, holds everything and imports without the tools that it was written with."
import pytest
from checkout import copy_to, modules, root, run, tools

package = root / "topofr_nb"
written_with = "nbdev fastcore execnb"
heavy = "gudhi plotly ipywidgets anywidget papermill pandas sklearn IPython jupyterlab nbformat nbconvert"
training_path = ("core", "files", "parameters", "figures", "data", "models", "codes", "losses", "topology", "training", "evaluation")

# Runs outside the checkout: imports the modules named, from the folder given, with some packages out of reach.
import_all = """
import sys
from importlib import import_module
from pathlib import Path
folder, blocked, names = Path(sys.argv[1]).resolve(), set(sys.argv[2].split()), sys.argv[3].split()
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in blocked:
            raise ModuleNotFoundError(f'{name} is blocked: the package must import without it', name=name)
editable = [finder for finder in sys.meta_path if getattr(finder, '__module__', '').startswith('__editable__')]
sys.meta_path[:] = [Blocked()] + [finder for finder in sys.meta_path if finder not in editable]
sys.path.insert(0, str(folder))
for name in names:
    found = Path(import_module(name).__file__).resolve()
    assert found.is_relative_to(folder), f'{name} comes from {found}, not from the wheel'
"""


@pytest.fixture(scope="module")
def site(scratch):
    "A folder with the unpacked wheel of a copy of the checkout"
    copy = copy_to(scratch / "source")
    build = tools / "python", "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"
    status, out = run(*build, "--wheel-dir", scratch / "wheel", ".", cwd=copy)
    assert status == 0, out
    built, = (scratch / "wheel").glob("*.whl")
    target = scratch / "site"
    unpack = tools / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, built
    status, out = run(*unpack, PIP_USER="0")
    assert status == 0, out
    return target


def names():
    "Modules of the package in dotted form"
    dotted = (".".join(("topofr_nb", *name.with_suffix("").parts)) for name in modules(package) if name.suffix == ".py")
    return sorted(name.removesuffix(".__init__") for name in dotted)


def imports(site, blocked, wanted, then=""):
    status, out = run(tools / "python", "-I", "-c", import_all + then, site, blocked, " ".join(wanted), cwd=site)
    assert status == 0, out


def test_wheel_is_whole(site):
    lost = sorted(map(str, modules(package) - modules(site / "topofr_nb")))
    assert not lost, f"not in the wheel: {', '.join(lost)}"
    tables = {path.name for path in (root / "data" / "published").glob("*.csv")}
    assert tables == {path.name for path in (site / "topofr_nb" / "published").glob("*.csv")}
    assert not (site / "topofr_nb" / "_modidx.py").exists(), "nbdev's index is not needed by users"


def test_modules_import_without_nbdev(site): imports(site, written_with, names())


def test_training_imports_without_reporting_tools(site):
    trains = [name for name in names() if name.partition(".")[2].split(".")[0] in ("", *training_path)]
    imports(site, f"{written_with} {heavy}", trains)


def test_published_numbers_are_in_the_wheel(site):
    then = "table = sys.modules[names[0]].published()\nassert len(table) > 100 and table.value.notna().all()\n"
    imports(site, written_with, ["topofr_nb.report.published"], then)

"A wheel, unpacked elsewhere, holds everything and imports without the tools that it was written with."
import shutil
import tarfile

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

parts = sorted(path.stem for path in (root / "csrc").glob("*.c"))
compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")

# Answers of every caller; `missing`: two parts were never built, and one was before its calls changed.
answers = """
import sys, types, warnings
how, folder = sys.argv[1], sys.argv[2]
parts = 'prim', 'jpeg', 'products'
names = [f'topofr_nb.compiled.{name}' for name in parts]
editable = [finder for finder in sys.meta_path if getattr(finder, '__module__', '').startswith('__editable__')]
sys.meta_path[:] = [finder for finder in sys.meta_path if finder not in editable]
sys.path.insert(0, folder)
if how == 'missing':
    sys.modules.update(dict.fromkeys(names))
    sys.modules[names[0]] = types.ModuleType(names[0])
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter('always')
    import torch
    from torchvision.io import encode_jpeg
    from topofr_nb import products
    from topofr_nb.data import jpeg
    from topofr_nb.evaluation.templates import template_pair_scores
    from topofr_nb.topology import prim
    from topofr_nb.topology.persistence import h0_pairs
    from topofr_nb.topology.points import h0_deaths_from_points
used = [module.compiled is not None for module in (prim, jpeg, products)]
assert all(used) if how == 'built' else not any(used), used
assert sum('slower form' in str(warning.message) for warning in said) == (how == 'missing')
rng = torch.Generator().manual_seed(0)
rows = torch.nn.functional.normalize(torch.randn(300, 16, generator=rng))
image = bytes(encode_jpeg(torch.randint(0, 256, (3, 40, 40), dtype=torch.uint8, generator=rng)).tolist())
print(h0_pairs(torch.cdist(rows.double(), rows.double()).round(decimals=9)).tolist())
a, b = torch.randint(0, 300, (2, 500), generator=rng)
print(template_pair_scores(rows.double(), a, b).mul(1e9).round().tolist())
print(h0_deaths_from_points(rows.double()).mul(1e9).round().tolist())
print(jpeg.jpeg_damage(image), bool(jpeg.jpeg_damage(image[:-200])))
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


def said(folder, how):
    status, out = run(tools / "python", "-c", answers, how, folder, cwd=folder)
    assert status == 0, out
    return out


@pytest.mark.skipif(compiler is None, reason="no C compiler here")
def test_compiled_parts_are_a_matter_of_speed(site):
    "All are in the wheel; without them, or with an outdated one, the same answers come"
    built = {path.name.partition(".")[0] for path in (site / "topofr_nb" / "compiled").iterdir() if path.suffix in (".so", ".pyd")}
    assert built == set(parts)
    assert said(site, "built") == said(site, "missing")


def test_sources_build_without_a_compiler(scratch):
    "The source distribution holds every part's source; where no compiler works, the build leaves it out and goes on"
    copy = copy_to(scratch / "plain")
    status, out = run(tools / "python", "setup.py", "-q", "sdist", "--dist-dir", scratch / "sdist", cwd=copy)
    assert status == 0, out
    archive, = (scratch / "sdist").glob("*.tar.gz")
    with tarfile.open(archive) as packed: names = {"/".join(name.split("/")[1:]) for name in packed.getnames()}
    assert {f"csrc/{name}.c" for name in parts} <= names
    status, out = run(tools / "python", "setup.py", "build_ext", "--inplace", cwd=copy, CC="false", LDSHARED="false")
    assert status == 0 and all(f"{name}\" failed" in out for name in parts), out
    assert not list((copy / "csrc").glob("*.so"))

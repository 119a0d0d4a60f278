"Notebooks as data: which there are, their cells, directives and tags."
import json
import re

from checkout import root

nbs = root / "nbs"


def notebooks():
    "All notebooks, as paths relative to nbs/"
    paths = (path.relative_to(nbs) for path in nbs.rglob("*.ipynb"))
    return sorted(path for path in paths if not any(part[0] in "._" for part in path.parts))


def load(path): return json.loads(path.read_text(encoding="utf-8"))
def code_cells(book): return [cell for cell in book["cells"] if cell["cell_type"] == "code"]
def source(cell): return "".join(cell["source"])
def tagged(book): return [cell for cell in book["cells"] if "parameters" in cell["metadata"].get("tags", [])]


def directives(cell):
    "The `#| name` lines of a code cell"
    return set(re.findall(r"^#\|\s*([\w:]+)", source(cell), flags=re.M))


def module_of(book):
    "The module that a notebook exports to, as in `#| default_exp`; None where it exports nothing"
    found = (re.search(r"^#\|\s*default_exp\s+(\S+)", source(cell), flags=re.M) for cell in code_cells(book))
    return next((match.group(1) for match in found if match), None)


def exports(cell): return cell["cell_type"] == "code" and bool({"export", "exporti", "exports"} & directives(cell))


def wants_parameters(name):
    "Whether a notebook is one that papermill runs with parameters"
    return str(name) in ("train.ipynb", "evaluate.ipynb", "own_faces.ipynb") or name.parts[0] in ("80_reproduce", "90_benchmarks")


def left_out(name):
    "Whether a bare nbdev-test leaves this notebook out: by `skip_exec: true` in its front matter or a .notest file beside it"
    from nbdev.frontmatter import FrontmatterProc
    from nbdev.process import NBProcessor
    if (nbs / name.parent / ".notest").exists(): return True
    book = NBProcessor(nbs / name, procs=FrontmatterProc, process=True).nb
    return getattr(book, "frontmatter_", {}).get("skip_exec") is True

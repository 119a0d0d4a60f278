"""Every check of the project, two at a time. `make test` runs all stages, `make test ARGS="export wheel"` only those named.

A check is a function that returns on success (a returned text is shown), raises Skip, or raises anything else on failure.
"""
import ast, json, os, re, sys, tempfile, time, traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Lock

from checkout import copy_to, fresh_export, modules, root, run, tools

workers = 2
cell_seconds, smoke_seconds = 300, 420
most_bytes = 500_000
nbs = root / "nbs"
real_data = os.environ.get("TOPOFR_REAL_DATA", "")
temporary = tempfile.TemporaryDirectory(prefix="topofr_nb_")
scratch = Path(temporary.name)

# One optimiser thread per worker: kernels that oversubscribe two cores are many times slower.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1", TQDM_DISABLE="1")


class Skip(Exception):
    "This check cannot run here; the message says why"


# ---------------------------------------------------------------------------------------------------------------- notebooks

def notebooks():
    "All notebooks, as paths relative to nbs/"
    return sorted(path.relative_to(nbs) for path in nbs.rglob("*.ipynb") if not any(part[0] in "._" for part in path.relative_to(nbs).parts))


def load(path): return json.loads(path.read_text(encoding="utf-8"))
def code_cells(book): return [cell for cell in book["cells"] if cell["cell_type"] == "code"]
def source(cell): return "".join(cell["source"])
def tagged(book): return [cell for cell in book["cells"] if "parameters" in cell["metadata"].get("tags", [])]


def directives(cell):
    "The `#| name` lines of a code cell"
    return set(re.findall(r"^#\|\s*([\w:]+)", source(cell), flags=re.M))


def wants_parameters(name):
    "Whether a notebook is one that papermill runs with parameters"
    return str(name) in ("train.ipynb", "evaluate.ipynb") or name.parts[0] in ("80_reproduce", "90_benchmarks")


def left_out(name):
    "Whether a bare `nbdev-test` leaves this notebook out: by `skip_exec: true` in its front matter or a .notest file beside it"
    from nbdev.frontmatter import FrontmatterProc
    from nbdev.process import NBProcessor
    if (nbs / name).parent.joinpath(".notest").exists(): return True
    return getattr(NBProcessor(nbs / name, procs=FrontmatterProc, process=True).nb, "frontmatter_", {}).get("skip_exec") is True


# ------------------------------------------------------------------------------------------------------------------- stages

def export():
    "An export into an emptied copy gives the checked-in package, byte for byte"
    fresh, package = fresh_export(scratch / "export"), root / "topofr_nb"

    def same():
        stale = sorted(map(str, modules(package) - modules(fresh)))
        missing = sorted(map(str, modules(fresh) - modules(package)))
        differ = sorted(str(name) for name in modules(fresh) & modules(package) if (fresh / name).read_bytes() != (package / name).read_bytes())
        found = [f"{what}: {', '.join(names)}" for what, names in
                 (("no notebook exports", stale), ("not in topofr_nb/", missing), ("differ from their notebook", differ)) if names]
        assert not found, "; ".join(found) + " (make export)"

    yield "topofr_nb/ is what the notebooks export", same


def clean():
    "Notebooks are as nbdev-clean leaves them, small, titled, without errors or paths of a machine"
    copy = copy_to(scratch / "clean")
    before = {name: load(copy / "nbs" / name) for name in notebooks()}
    status, out = run(tools / "nbdev-clean", cwd=copy)
    assert status == 0, out
    for name in before: yield f"nbs/{name}", partial(is_clean, name, before[name], load(copy / "nbs" / name))


def is_clean(name, book, cleaned):
    "One notebook of stage `clean`"
    assert book == cleaned, "nbdev-clean changes it (.venv/bin/nbdev-clean)"
    size = (nbs / name).stat().st_size
    assert size <= most_bytes, f"{size} bytes, more than {most_bytes}: store smaller outputs"
    title = next((source(cell) for cell in book["cells"] if cell["cell_type"] == "markdown"), "")
    assert re.match(r"# \S.*\n\s*\n?> \S", title), "the first markdown cell is not '# Title' with a '> subtitle' line"
    outputs = [output for cell in code_cells(book) for output in cell["outputs"]]
    assert not any(output["output_type"] == "error" for output in outputs), "an error is stored in its outputs"
    texts = [json.dumps(value) for output in outputs for kind, value in [("text/plain", output.get("text", "")), *output.get("data", {}).items()]
             if not kind.startswith("image/")]
    paths = [path for text in texts for path in re.findall(r"(?<![\w.:/-])/(?:work|tmp|home|root|Users|usr|opt|var|mnt|private)/[\w./-]+", text)]
    assert not paths, f"a stored output holds {paths[0]}"


def contract():
    "What papermill needs of a notebook: see the checks below"
    yield "the kernel python3 is that of .venv", own_kernel
    yield "papermill refuses an unknown parameter of train.ipynb", papermill_refuses
    copy = copy_to(scratch / "contract")
    run(tools / "nbdev-clean", cwd=copy)
    for name in notebooks():
        yield f"nbs/{name}", partial(has_parameters if wants_parameters(name) else has_none, name, copy / "nbs" / name)
    for name in ("train.ipynb", "evaluate.ipynb"):
        if not (nbs / name).exists(): yield f"nbs/{name}", partial(missing, name)


def missing(name): raise AssertionError(f"nbs/{name} is not there")


def own_kernel():
    "Nothing registered by the user comes before the kernelspec of the environment"
    ask = "from jupyter_client.kernelspec import KernelSpecManager; print(KernelSpecManager().get_kernel_spec('python3').resource_dir)"
    status, out = run(tools / "python", "-c", ask)
    assert status == 0 and Path(out.strip()).is_relative_to(root / ".venv"), out


def has_none(name, path):
    "A notebook without parameters has no tagged cell and is run by a bare nbdev-test"
    assert not tagged(load(path)), "has a cell tagged 'parameters', but papermill is not meant to run it"
    assert not left_out(name), "nbdev-test leaves it out, and papermill does not run it either"


def papermill_refuses():
    "The whole way, through the command line"
    if not (nbs / "train.ipynb").exists(): missing("train.ipynb")
    status, out = run(tools / "papermill", nbs / "train.ipynb", scratch / "refused.ipynb", "-k", "python3", "--no-progress-bar", "-p", "bacbone", "r50",
                      timeout=120)
    assert status not in (0, 124) and "ValueError" in out and "bacbone" in out and "backbone" in out.replace("bacbone", ""), out


# Runs cells as papermill would: first with an unknown name, which has to fail, then with the defaults, which has to work.
try_cells = """
import json, sys
unknown, known = json.load(sys.stdin)
def execute(cells):
    space = {'__name__': '__main__'}
    for cell in cells: exec(compile(cell, '<cell>', 'exec'), space)
try: execute(unknown)
except ValueError as error: print(error)
else: sys.exit('an unknown parameter is accepted')
execute(known)
"""


def has_parameters(name, path):
    "One tagged cell of JSON values that papermill can read and nothing overwrites; an unknown name is refused"
    from papermill import inspect_notebook
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook
    book = load(path)
    assert len(tagged(book)) == 1, f"{len(tagged(book))} cells are tagged 'parameters' after nbdev-clean, one is needed"
    assert left_out(name), "a bare nbdev-test would run it too: say '- skip_exec: true' in its first cell or put a .notest file beside it"

    defaults = {}
    for line in ast.parse(source(tagged(book)[0])).body:
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        assert isinstance(target, ast.Name), f"the cell of parameters holds more than assignments: {ast.unparse(line)}"
        defaults[target.id] = ast.literal_eval(line.value)
    for key, value in defaults.items(): assert json.loads(json.dumps(value)) == value, f"the default of {key} is no JSON value: {value!r}"

    inspected = {key: ast.literal_eval(found["default"]) for key, found in inspect_notebook(path).items()}
    assert inspected == defaults, f"papermill reads {inspected}, the cell says {defaults}"

    def injected(**parameters):
        cells = parameterize_notebook(load_notebook_node(str(path)), parameters, kernel_name="python3").cells
        tags = [cell.metadata.tags for cell in cells]
        assert tags.index(["injected-parameters"]) == tags.index(["parameters"]) + 1, "parameters are not injected right after the defaults"
        return [cell.source for cell in cells if cell.cell_type == "code"]

    after = injected(**defaults)
    at = next(i for i, text in enumerate(after) if text.startswith("# Parameters"))
    for text in after[at + 1:]:
        again = assigned(ast.parse(text)) & set(defaults)
        assert not again, f"{', '.join(sorted(again))} is assigned again after the parameters: {text.splitlines()[0]}"
    checks = [i for i, text in enumerate(after) if "check_parameters(" in text]
    assert checks[:1] == [at + 1], "the cell after the parameters does not call check_parameters("

    right = max(defaults, key=lambda key: (key == "backbone", len(key)))
    wrong = right[:2] + right[3:]
    cells = json.dumps([injected(**{wrong: "r50"})[:at + 2], after[:at + 2]])
    status, out = run(tools / "python", "-c", try_cells, input=cells, timeout=120)
    assert status == 0, out
    assert wrong in out and right in out.replace(wrong, ""), f"the error for {wrong} does not name it and {right}: {out}"
    return f"{len(defaults)} parameters"


def assigned(node):
    "Names that a cell binds in the notebook's own scope"
    own = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if isinstance(node, own): return {node.name}
    if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)): return set()
    if isinstance(node, ast.alias): return {(node.asname or node.name).split(".")[0]}
    if isinstance(node, ast.Name): return {node.id} if isinstance(node.ctx, (ast.Store, ast.Del)) else set()
    return set().union(*map(assigned, ast.iter_child_nodes(node)))


def lint():
    "The exported code is free of what ruff finds"
    def ruff():
        status, out = run(tools / "ruff", "check", "--no-cache", "--output-format", "concise", "topofr_nb", ".ci", "setup.py")
        assert status == 0, out
    yield "ruff", ruff


def readme():
    "README.md is what index.ipynb says"
    def same():
        status, out = run(tools / "python", ".ci/readme.py", scratch / "README.md")
        assert status == 0, out
        assert (root / "README.md").exists(), "README.md is not there (make readme)"
        assert (root / "README.md").read_bytes() == (scratch / "README.md").read_bytes(), "README.md is not what nbs/index.ipynb gives (make readme)"
    yield "README.md is made from nbs/index.ipynb", same


# Runs outside the checkout: imports the modules named, from the folder given, with some packages out of reach.
import_all = """
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
folder, blocked, names = Path(sys.argv[1]).resolve(), set(sys.argv[2].split()), sys.argv[3].split()
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in blocked: raise ModuleNotFoundError(f'{name} is blocked: the package must import without it', name=name)
sys.meta_path[:] = [Blocked()] + [finder for finder in sys.meta_path if not getattr(finder, '__module__', '').startswith('__editable__')]
sys.path.insert(0, str(folder))
for name in names:
    found = Path(import_module(name).__file__).resolve()
    assert found.is_relative_to(folder), f'{name} comes from {found}, not from the wheel'
"""
heavy = "gudhi plotly ipywidgets anywidget papermill pandas sklearn matplotlib IPython jupyterlab nbformat nbconvert"
training_path = ("core", "data", "models", "codes", "losses", "topology", "training", "evaluation")


def wheel():
    "A wheel, unpacked elsewhere, imports without the tools it was written with"
    copy = copy_to(scratch / "source")
    status, out = run(tools / "python", "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--wheel-dir", scratch / "wheel", ".", cwd=copy)
    assert status == 0, out
    built, = (scratch / "wheel").glob("*.whl")
    target = scratch / "site"
    status, out = run(tools / "python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", target, built, PIP_USER="0")
    assert status == 0, out
    package = root / "topofr_nb"
    names = sorted(".".join(("topofr_nb", *name.with_suffix("").parts)).removesuffix(".__init__") for name in modules(package)
                   if name.suffix == ".py")

    def whole():
        lost = sorted(map(str, modules(package) - modules(target / "topofr_nb")))
        assert not lost, f"not in the wheel: {', '.join(lost)}"
        tables = {path.name for path in (root / "data" / "published").glob("*.csv")}
        assert tables == {path.name for path in (target / "topofr_nb" / "published").glob("*.csv")}, "data/published is not in the wheel"

    def imports(blocked, names, then=""):
        status, out = run(tools / "python", "-I", "-c", import_all + then, target, blocked, " ".join(names), cwd=scratch)
        assert status == 0, out
        return f"{len(names)} modules"

    trains = [name for name in names if name.partition(".")[2].split(".")[0] in ("", *training_path)]
    yield "holds every module and published table", whole
    yield "all modules import without nbdev and fastcore", partial(imports, "nbdev fastcore execnb", names)
    yield "the training path imports without reporting tools", partial(imports, f"nbdev fastcore execnb {heavy}", trains)
    yield "published numbers are read from the wheel", partial(
        imports, "nbdev fastcore execnb", ["topofr_nb.report.published"],
        "table = sys.modules[names[0]].published()\nassert len(table) > 100 and table.value.notna().all()\n")


def tests():
    "The notebooks as tests, each in a process of its own"
    flags = ["data"] if real_data and Path(real_data).is_dir() else []
    if real_data and not flags: yield "TOPOFR_REAL_DATA", partial(skip, f"{real_data} is not a folder")
    if run(tools / "python", "-c", "import sys, torch; sys.exit(not torch.cuda.is_available())")[0] == 0: flags.append("cuda")
    held = {name: Counter(flag for cell in code_cells(load(nbs / name)) for flag in directives(cell)) for name in notebooks() if not left_out(name)}
    reasons = {"data": "TOPOFR_REAL_DATA names no folder of real faces", "cuda": "no GPU here"}
    for name, own in held.items():
        yield f"nbs/{name}", partial(test_notebook, name, [flag for flag in flags if flag in own], own["data"])
        for flag in sorted(set(reasons) & set(own) - set(flags)): yield f"nbs/{name}, cells flagged {flag}", partial(skip, reasons[flag])


def skip(why): raise Skip(why)


def test_notebook(name, flags, real):
    "nbdev-test of one notebook, its cells flagged `flags` included; `real` of them look at real faces"
    status, out = run(tools / "nbdev-test", nbs / name, "--n-workers", "1", "--flags", " ".join(flags), timeout=cell_seconds)
    assert status == 0 and "Success." in out, out
    if "data" in flags: real_cells[name] = real
    return f"with cells flagged {' and '.join(flags)}" if flags else None


def fuzz():
    "Damaged records and verification sets: an error in one line or a result, no crash, no hang, no code run"
    yield "2,000 damaged inputs (make fuzz: 100,000)", fuzzed


def fuzzed():
    status, out = run(tools / "python", root / ".ci" / "fuzz.py", "--inputs", "1000", timeout=smoke_seconds)
    assert status == 0, out
    return out.strip().splitlines()[-1]


# Smallest parameters that still go all the way.
smoke_parameters = {
    "train.ipynb": {"backbone": "tiny", "max_steps": 6, "identities": 16, "shots": 4, "eval_pairs": 60, "image_size": 112},
    "evaluate.ipynb": {"eval_pairs": 60},
    "80_reproduce": {"scale": "smoke"},
}


def smoke():
    "train, evaluate, the first reproduction of each paper and the benchmarks, run by papermill from end to end"
    yield "nbs/train.ipynb, then nbs/evaluate.ipynb", train_and_evaluate
    for paper in sorted(path for path in (nbs / "80_reproduce").glob("*") if path.is_dir()):
        for name in sorted(paper.glob("*.ipynb"))[:1]: yield f"nbs/{name.relative_to(nbs)}", partial(papermill, name.relative_to(nbs))
    for name in notebooks():
        if name.parts[0] == "90_benchmarks": yield f"nbs/{name}", partial(papermill, name)


def reproduce():
    "Every notebook of 80_reproduce at smoke scale"
    for name in notebooks():
        if name.parts[0] == "80_reproduce": yield f"nbs/{name}", partial(papermill, name)


def train_and_evaluate():
    "The two doors: what the first leaves behind goes into the second"
    for name in ("train.ipynb", "evaluate.ipynb"):
        if not (nbs / name).exists(): missing(name)
    runs = papermill(Path("train.ipynb"))
    made = runs / load(runs / "latest.json")["run"]
    for left in ("recipe.json", "environment.json", "metrics.jsonl", "scores.json", "last.safetensors"):
        assert (made / left).exists(), f"the run left no {left}"
    papermill(Path("evaluate.ipynb"), checkpoint=str(made / "last.safetensors"))


def papermill(name, **parameters):
    "Run one notebook with its smoke parameters; a kernel that did not start is tried once more; return its out_dir"
    out = scratch / "runs" / name.with_suffix("")
    out.mkdir(parents=True, exist_ok=True)
    given = {**smoke_parameters.get(str(name), smoke_parameters.get(name.parts[0], {})), "out_dir": str(out), **parameters}
    for _ in range(2):
        status, said = run(tools / "papermill", nbs / name, out / "executed.ipynb", "-k", "python3", "--no-progress-bar", "-y", json.dumps(given),
                           timeout=smoke_seconds)
        if not any(sign in said for sign in ("Address already in use", "Kernel died before replying")): break
    assert status == 0, said
    return out


# ---------------------------------------------------------------------------------------------------------------------- run

stages = {stage.__name__: stage for stage in (export, clean, contract, lint, readme, wheel, fuzz, smoke, tests)}
others = {"reproduce": reproduce}
lock, results, prepared, real_cells = Lock(), [], {}, {}


def check(stage, name, thunk):
    "Run one check, print and keep its outcome"
    start = time.time()
    try: outcome, note = "passed", thunk() or ""
    except Skip as why: outcome, note = "skipped", str(why)
    except AssertionError as error: outcome, note = "failed", str(error)
    except Exception: outcome, note = "failed", traceback.format_exc()
    seconds = time.time() - start
    with lock:
        results.append((stage, name, outcome, seconds))
        lines = note.strip().splitlines()
        inline = f"  ({lines[0]})" if lines and outcome != "failed" else ""
        print(f"{outcome:<8}{stage:<10}{seconds:6.1f} s  {name}{inline}", flush=True)
        if outcome == "failed": print("\n".join(f"        | {line}" for line in lines[-40:]), flush=True)


def main(names):
    "Run the stages named, or all; return the exit status"
    unknown = [name for name in names if name not in stages | others]
    if unknown: sys.exit(f"stage {unknown[0]!r} is unknown. Valid: {', '.join(stages | others)}")
    start = time.time()
    pool = ThreadPoolExecutor(workers)
    try:
        for name in names or stages:
            begun = time.time()
            try:
                for what, thunk in (stages | others)[name](): pool.submit(check, name, what, thunk)
            except Exception as error: check(name, "preparation", partial(fail, error))
            prepared[name] = time.time() - begun
        pool.shutdown()
    except KeyboardInterrupt:
        pool.shutdown(cancel_futures=True)
        sys.exit("interrupted")

    print(f"\n{'stage':<10}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for name in names or stages:
        own = [(outcome, seconds) for stage, _, outcome, seconds in results if stage == name]
        count = [sum(outcome == kind for outcome, _ in own) for kind in ("passed", "failed", "skipped")]
        print(f"{name:<10}{count[0]:>8}{count[1]:>8}{count[2]:>9}{prepared[name] + sum(seconds for _, seconds in own):>9.1f}")
    print(f"{time.time() - start:.0f} s in all, {workers} at a time")
    if "tests" in (names or stages): print(f"real faces: {sum(real_cells.values())} cells in {len(real_cells)} notebooks ran")
    for stage, name, outcome, _ in results:
        if outcome == "failed": print(f"failed: {stage}: {name}")
    total = {kind: sum(outcome == kind for *_, outcome, _ in results) for kind in ("passed", "failed", "skipped")}
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    print(f"{total['passed']} passed, {total['failed']} failed{skipped}")
    return 1 if total["failed"] or not total["passed"] else 0


def fail(error): raise error


if __name__ == "__main__":
    with temporary: sys.exit(main(sys.argv[1:]))

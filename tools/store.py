"Run reproduction notebooks again and store what they show: those that are older than the ledger, or the ones that are named."
import ast, base64, io, json, os, re, sys
from functools import lru_cache
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image

from checkout import root, run, tools

reproduced = root / "nbs" / "80_reproduce"


def lines_of(path):
    "Lines of code of a notebook"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [line for cell in cells if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()]


def text_of(path):
    "All that a notebook shows as text"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    shown = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return "\n".join("".join(data.get(kind, "")) for data in shown for kind in ("text/markdown", "text/plain"))


def counting():
    "Notebooks that tell how the claims of some experiments came out"
    return [path for path in sorted(reproduced.rglob("*.ipynb"))
            if re.search(r"^judged = .*^.*count_verdicts\(judged\)", "\n".join(lines_of(path)), re.MULTILINE | re.DOTALL)]


@lru_cache
def every_claim():
    "All claims in all regimes, judged once for all notebooks"
    from topofr_nb.report.verdicts import judge
    return judge()


def expected(path):
    "The sentence about the claims that a notebook would tell now"
    from topofr_nb.report.verdicts import count_verdicts
    names = {"of_experiments": lambda *chosen: [x for x in every_claim() if x.claim.experiment in chosen]}
    tree = ast.parse("\n".join(line for line in lines_of(path) if line[:1] not in "%!"))
    asked = next(x for x in tree.body if isinstance(x, ast.Assign) and ast.unparse(x.targets[0]) == "judged")
    exec(ast.unparse(asked), names)
    return count_verdicts(names["judged"])


def is_stale(path):
    "Whether the ledger says something else now"
    return expected(path) not in text_of(path)


def packed(output):
    "A picture in 256 colours, a third of its size: chosen so that no rare colour is lost, as a palette by frequency would"
    if "image/png" not in output.get("data", {}): return
    raw, small = base64.b64decode(output["data"]["image/png"]), io.BytesIO()
    picture = Image.open(io.BytesIO(raw)).convert("RGB")
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    if len(small.getvalue()) < len(raw): output["data"]["image/png"] = base64.b64encode(small.getvalue()).decode() + "\n"


def without_gpu(book):
    "The book as it runs here: cells that need a GPU keep what they showed where one was"
    import torch
    if torch.cuda.is_available(): return book
    return nbformat.from_dict(book | dict(cells=[cell for cell in book.cells if "#| cuda" not in cell.source.splitlines()]))


def store(path):
    "Run a notebook with its own parameters and keep its outputs"
    book = nbformat.read(path, 4)
    client = NotebookClient(without_gpu(book), timeout=1800, kernel_name="python3",
                            resources={"metadata": {"path": str(path.parent)}})
    done = {cell.id: cell for cell in client.execute().cells}
    book.cells = [done.get(cell.id, cell) for cell in book.cells]
    for cell in book.cells:
        for output in cell.get("outputs", []): packed(output)
    nbformat.write(book, path)
    status, out = run(tools / "nbdev-clean", "--fname", path)
    if status: sys.exit(f"nbdev-clean failed:\n{out}")


if __name__ == "__main__":
    os.environ["TQDM_DISABLE"] = "1"
    chosen = [Path(name).resolve() for name in sys.argv[1:]] or [path for path in counting() if is_stale(path)]
    failed = []
    for path in chosen:
        try: store(path)
        except CellExecutionError as error: failed.append(f"{path.relative_to(root)}: {error.ename}: {error.evalue}")
        else: print("stored", path.relative_to(root), flush=True)
    if not chosen: print("Every stored notebook says what the ledger says.")
    if failed: sys.exit("\n".join([f"not stored: {len(failed)} of {len(chosen)}", *failed]))

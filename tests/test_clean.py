"Notebooks are as nbdev-clean leaves them, small, titled, without errors or paths of a machine."
import json
import re

import pytest
from books import code_cells, load, nbs, notebooks, source
from checkout import copy_to, run, tools

most_bytes = 500_000
machine_path = re.compile(r"(?<![\w.:/-])/(?:work|tmp|home|root|Users|usr|opt|var|mnt|private)/[\w./-]+")


@pytest.fixture(scope="module")
def cleaned(scratch):
    "A copy of nbs/ after nbdev-clean"
    copy = copy_to(scratch / "clean")
    status, out = run(tools / "nbdev-clean", cwd=copy)
    assert status == 0, out
    return copy / "nbs"


def outputs(name): return [output for cell in code_cells(load(nbs / name)) for output in cell["outputs"]]


@pytest.mark.parametrize("name", notebooks(), ids=str)
def test_clean(name, cleaned):
    assert load(nbs / name) == load(cleaned / name), "nbdev-clean changes it (.venv/bin/nbdev-clean)"


@pytest.mark.parametrize("name", notebooks(), ids=str)
def test_written_as_jupyter_writes(name):
    "Keys in order, so that saving an unchanged notebook changes no line"
    text = (nbs / name).read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n", "store it again (tools/store.py)"


@pytest.mark.parametrize("name", notebooks(), ids=str)
def test_small(name):
    size = (nbs / name).stat().st_size
    assert size <= most_bytes, f"{size} bytes, more than {most_bytes}: store smaller outputs"


@pytest.mark.parametrize("name", notebooks(), ids=str)
def test_whole_tables(name):
    "pandas leaves out the middle of a long table: `use_style` shows all of up to 200 rows"
    shown = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs(name)]
    cut = [re.search(r"\d+ rows × \d+ columns", table).group() for table in shown if re.search(r"<t[hd]>\.\.\.</t[hd]>", table)]
    assert not cut, f"a table leaves out rows or columns: {cut}"


@pytest.mark.parametrize("name", notebooks(), ids=str)
def test_titled(name):
    title = next((source(cell) for cell in load(nbs / name)["cells"] if cell["cell_type"] == "markdown"), "")
    assert re.match(r"# \S.*\n\s*\n?> \S", title), "the first markdown cell is not '# Title' with a '> subtitle' line"


@pytest.mark.parametrize("name", notebooks(), ids=str)
def test_outputs(name):
    "No stored error, no path of the machine that ran it"
    stored = outputs(name)
    assert not any(output["output_type"] == "error" for output in stored), "an error is stored in its outputs"
    texts = [json.dumps(value) for output in stored for kind, value in [("text/plain", output.get("text", "")),
             *output.get("data", {}).items()] if not kind.startswith("image/")]
    paths = [path for text in texts for path in machine_path.findall(text)]
    assert not paths, f"a stored output holds {paths[0]}"


@pytest.mark.parametrize("name", notebooks(), ids=str)
def test_every_output_is_seen_on_a_plain_page(name):
    "Plotly's data draws nothing without its program: a picture of the same cell or the next one is stored instead"
    kinds = [set(output["data"]) for output in outputs(name) if "data" in output]
    assert not any(kind <= {"application/vnd.plotly.v1+json"} for kind in kinds), "a stored figure is Plotly's data alone"

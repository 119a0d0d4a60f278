"""What a person sees: JupyterLab in a real browser, with the mouse and the keyboard, and no other host asked.

Screenshots stay in the folder that TOPOFR_SCREENSHOTS names.
"""
import json
import os
import subprocess
from pathlib import Path

import pytest
from browser import Seen, browser, busy, chromium, copy_notebooks, into_view, lab, latencies, open_notebook, run_all, voila
from checkout import root, tools

pytestmark = pytest.mark.skipif(chromium is None, reason="no Chromium here (Debian: apt-get install chromium)")
explorers = ["85_explore/06_widget.ipynb", "85_explore/10_topology_explorer.ipynb", "85_explore/20_unpg_explorer.ipynb",
             "85_explore/30_mixture_explorer.ipynb", "85_explore/40_faces_explorer.ipynb", "85_explore/50_codes_explorer.ipynb",
             "85_explore/60_features_explorer.ipynb", "85_explore/70_runs_explorer.ipynb",
             "85_explore/80_pairs_explorer.ipynb"]
smoke = dict(backbone="tiny", max_steps=6, identities=16, shots=4, eval_pairs=60, image_size=112, batch_size=16)


def kept_folder():
    "Folder of what a person should look at; None where none was named"
    folder = os.environ.get("TOPOFR_SCREENSHOTS")
    if folder: Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder) if folder else None


def shot(page, name):
    folder = kept_folder()
    if folder: page.screenshot(path=str(folder / f"{name}.png"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    "JupyterLab on a folder with the notebooks of this file"
    folder = tmp_path_factory.mktemp("lab")
    copy_notebooks(folder, *explorers, "train.ipynb")
    with lab(folder) as (address, token): yield folder, address, token


def drawn(explorer): return explorer.locator(".explorer-view").inner_html()


def moved(page, explorer, move):
    "Whether the picture has changed after a move"
    before = drawn(explorer)
    frame = explorer.get_attribute("data-frame")
    move()
    page.wait_for_function("([element, frame]) => element.dataset.frame !== frame", arg=[explorer.element_handle(), frame],
                           timeout=20_000)
    page.wait_for_timeout(100)
    return drawn(explorer) != before


def check_explorer(page, explorer):
    "Drawn, not too wide, named for a screen reader, moved by the keyboard and by the mouse"
    explorer.scroll_into_view_if_needed()
    marks = explorer.locator(".explorer-view svg :is(circle, path, image)").count()
    assert marks >= 10, f"only {marks} marks are drawn"
    box = explorer.bounding_box()
    assert box["x"] + box["width"] <= 1280, "wider than the page"
    check_one_screen(page, explorer)
    check_moves(page, explorer)


def check_moves(page, explorer):
    "The first slider has a name, follows the keyboard and the mouse"
    slider = explorer.locator("input[type=range]").first
    label = explorer.locator(f"label[for={slider.get_attribute('id')}]").inner_text()
    assert label.strip(), "a slider has no name"
    slider.focus()
    at_end = slider.input_value() == slider.get_attribute("max")
    assert moved(page, explorer, lambda: page.keyboard.press("ArrowLeft" if at_end else "ArrowRight"))
    place = slider.bounding_box()
    low, high, value = map(float, (slider.get_attribute("min"), slider.get_attribute("max"), slider.input_value()))
    far = 0.05 if value > (low + high) / 2 else 0.95
    across, down = place["x"] + far * place["width"], place["y"] + place["height"] / 2
    assert moved(page, explorer, lambda: page.mouse.click(across, down))


latency = {} # explorer -> milliseconds from a key press to the painted picture


def check_latency(page, name):
    "A move is drawn within 150 ms: the fastest of a few presses, so that a busy moment of the machine does not count"
    explorer = page.locator(".explorer").first
    explorer.scroll_into_view_if_needed()
    quiet = latencies(page, explorer)
    latency[name] = dict(best=quiet[0], median=quiet[len(quiet) // 2], load_average=os.getloadavg()[0])
    folder = kept_folder()
    if folder:
        with busy(): loaded = latencies(page, explorer)
        latency[name] |= dict(under_load=loaded[len(loaded) // 2], longest=loaded[-1])
        (folder / "latency.json").write_text(json.dumps(latency, indent=1), encoding="utf-8")
    assert quiet[0] < 150, f"{name}: {quiet} ms at a load of {latency[name]['load_average']:.1f}"


def check_one_screen(page, explorer):
    "Controls and picture together fit into the cell's window"
    window = page.locator(".jp-WindowedPanel-outer").first.bounding_box()
    box = explorer.bounding_box()
    assert box["height"] <= window["height"], f"{box['height']:.0f} of {window['height']:.0f} pixels"


def check_bar(page, explorer):
    "A click on the end of a bar takes ρ to its death"
    hit = explorer.locator("circle.hit").first
    wanted = float(hit.get_attribute("data-key"))
    assert moved(page, explorer, lambda: hit.click(force=True))
    assert abs(float(explorer.locator("output").first.inner_text()) - wanted) < 0.01


def check_walk(page, explorer):
    "A click walks down the tree of codes, arrow keys go from node to node, and the focus survives the new picture"
    assert moved(page, explorer, lambda: explorer.locator('.hit[data-key="node 2"]').click())
    assert "Prefix 2:" in explorer.locator(".explorer-status").inner_text()
    focused = "() => document.activeElement.dataset.key"
    assert page.evaluate(focused) == "node 2"
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "node 3"
    assert moved(page, explorer, lambda: page.keyboard.press("Enter"))
    assert "Prefix 3:" in explorer.locator(".explorer-status").inner_text()
    assert page.evaluate(focused) == "node 3"
    shot(page, "codes_walked")


def check_face(page, explorer):
    "A click on a point of the plane chooses its face, and the slider follows"
    hit = explorer.locator("circle.hit").nth(20)
    assert moved(page, explorer, lambda: hit.click(force=True))
    assert explorer.locator("input[type=range]").first.input_value() == "20"
    assert "Face 20, person 4" in explorer.locator(".explorer-status").inner_text()
    assert moved(page, explorer, lambda: explorer.locator("input[type=checkbox]").check())
    shot(page, "features_faces")
    assert moved(page, explorer, lambda: explorer.locator("select").select_option("UMAP")) or "pip install" in (
        explorer.locator(".explorer-status").inner_text()), "without the package a sentence tells what to install"


def check_runs(page, explorer):
    "Another run brings its curve and what differs"
    third = explorer.locator("select").nth(2)
    name = third.locator("option").last.get_attribute("value")
    assert moved(page, explorer, lambda: third.select_option(name))
    assert explorer.locator("path[stroke-dasharray='2 3']").count(), "the third run has a curve"
    shot(page, "runs_three")


def check_pairs(page, explorer):
    "A list of pairs is chosen by name, and a dot leads to its pair"
    lists = explorer.locator("select").first
    assert moved(page, explorer, lambda: lists.select_option("both wrong"))
    assert explorer.locator("image").count() >= 10
    small = explorer.evaluate("""(explorer) => Math.min(...[...explorer.querySelectorAll("svg text")]
        .map((text) => parseFloat(getComputedStyle(text).fontSize)))""")
    assert small >= 11, "legible scores"
    assert moved(page, explorer, lambda: explorer.locator("circle.hit").first.click(force=True))
    shot(page, "pairs_both_wrong")


own_moves = {"10_topology_explorer": check_bar, "50_codes_explorer": check_walk, "60_features_explorer": check_face,
             "70_runs_explorer": check_runs, "80_pairs_explorer": check_pairs}


@pytest.mark.parametrize("name", explorers)
def test_explorer(name, server):
    "Every explorer is there at first sight and does what it is for; again after a second run of the kernel"
    _, address, token = server
    with browser() as page:
        seen = Seen(page, address)
        open_notebook(page, address, token, name)
        for _ in range(2):
            assert not run_all(page)
            page.wait_for_selector(".explorer svg", timeout=60_000)
            page.wait_for_timeout(1000)
            for explorer in page.locator(".explorer").all(): check_explorer(page, explorer)
        check_latency(page, Path(name).stem)
        shot(page, Path(name).stem)
        if Path(name).stem in own_moves: own_moves[Path(name).stem](page, page.locator(".explorer").first)
        assert not seen.problems, seen.problems


@pytest.mark.parametrize("name", explorers[1:])
def test_an_explorer_is_short(name):
    "What a reader has to read to add an explorer of their own"
    module = next(line for cell in json.loads((root / "nbs" / name).read_text(encoding="utf-8"))["cells"]
                  for line in cell["source"] if line.startswith("#| default_exp")).split()[-1]
    text = (root / "topofr_nb" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) < 150, f"{module}: {len(lines)} lines"


@pytest.mark.parametrize("name", explorers)
def test_visitor(name):
    "Who opens an explorer without running it finds its picture in the stored output"
    book = json.loads((root / "nbs" / name).read_text(encoding="utf-8"))
    shown = [text for cell in book["cells"] for output in cell.get("outputs", [])
             for text in "".join(output.get("data", {}).get("text/html", "")).split("<figure")[1:]]
    stills = [text for text in shown if "explorer-still" in text]
    assert stills and all('src="data:image/svg+xml;base64,' in text and "A still picture" in text for text in stills)


def test_still_picture(server, tmp_path):
    "A notebook that is not trusted, and a browser that does not get the widget, show the still picture"
    folder, address, token = server
    name = explorers[0]
    (folder / "visited.ipynb").write_text((root / "nbs" / name).read_text(encoding="utf-8"), encoding="utf-8")
    with browser() as page:
        page.route("**/extensions/anywidget/**", lambda route: route.abort())
        open_notebook(page, address, token, "visited.ipynb")
        still = page.locator(".jp-RenderedHTML img").last
        loaded = "(image) => image.complete && image.naturalWidth > 0"
        assert still.evaluate(loaded), "stored and not trusted"
        assert not run_all(page)
        still = page.locator(".explorer-still img").first
        still.scroll_into_view_if_needed()
        assert still.is_visible() and still.evaluate(loaded), "without the widget"
        assert page.locator(".explorer-still").first.inner_text().strip().endswith("move the controls.")
        shot(page, "still")


def test_voila(tmp_path):
    "The same notebook as an application"
    copy_notebooks(tmp_path, "85_explore/30_mixture_explorer.ipynb")
    with voila(tmp_path / "85_explore" / "30_mixture_explorer.ipynb") as address, browser() as page:
        page.route("**/*fortawesome*/**", lambda route: route.abort()) # the icon font of Voila's own template
        seen = Seen(page, address)
        page.goto(address, timeout=120_000)
        page.wait_for_selector(".explorer svg", timeout=120_000)
        page.wait_for_timeout(1000)
        explorer = page.locator(".explorer").first
        check_moves(page, explorer)
        assert not page.locator(".explorer-still").first.is_visible(), "the widget has taken its place"
        shot(page, "voila")
        assert not [problem for problem in seen.problems if "fortawesome" not in problem], seen.problems


def test_pages(tmp_path):
    "Pages without a kernel: all there, moved by keyboard, by mouse and by a click, asking nobody"
    code = "import sys; from topofr_nb.explore.pages import write_pages; write_pages(sys.argv[1])"
    done = subprocess.run([tools / "python", "-c", code, tmp_path], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    pages = sorted(tmp_path.glob("*.html"))
    assert len(pages) == 8
    with browser() as page:
        seen = Seen(page, "file:")
        for path in pages:
            page.goto(path.as_uri())
            explorer = page.locator(".explorer")
            assert explorer.locator("svg").count() == 1, path.name
            if explorer.locator("input[type=range]").count(): check_moves(page, explorer)
            else: assert moved(page, explorer, explorer.locator(".hit[data-key='node 3']").click), path.name
            shot(page, f"page_{path.stem}")
            assert not seen.problems, seen.problems


patient = """
const held = { controls: [{ kind: "slider", name: "x", label: "x", low: 0, high: 100, step: 1, value: 0 }],
               values: { x: 0 }, picture: "<svg></svg>", status: "", frame: 0 };
const listeners = [];
const asked = window.asked = []; // values that a kernel was sent; it hears of a change alone
const model = {
  get: (name) => held[name],
  set: (name, value) => { held[name] = value; },
  on: (name, listener) => { if (name === "change:frame") listeners.push(listener); },
  save_changes: () => { if (held.values.x !== asked.at(-1)) asked.push(held.values.x); },
};
window.answer = () => { held.frame += 1; listeners.forEach((listener) => listener()); };
render({ model, el: document.body });
"""


def test_drag_that_comes_back():
    "A drag that is back where it was when a slow kernel answers leaves nothing to wait for: the next move is sent"
    script = (root / "web" / "element.js").read_text(encoding="utf-8") + (root / "web" / "explorer.js").read_text(encoding="utf-8")
    with browser() as page:
        page.set_content(f"<script type='module'>{script.replace('export default { render };', '')}{patient}</script>")
        slider = page.locator("input[type=range]")
        place = slider.bounding_box()

        def to(part): page.mouse.move(place["x"] + part * place["width"], place["y"] + place["height"] / 2)
        to(0.5)
        page.mouse.down()
        asked = page.evaluate("() => window.asked.length")
        assert asked == 1, "the first move is under way"
        for part in (0.6, 0.9, 0.5): to(part)
        page.mouse.up()
        page.evaluate("() => window.answer()")
        assert page.evaluate("() => window.asked.length") == asked, "it is back: there is nothing to ask for"
        to(0.25)
        page.mouse.down()
        page.mouse.up()
        chosen = int(slider.input_value())
        assert chosen < 40 and page.evaluate("() => window.asked.at(-1)") == chosen, "the next move is sent"


def test_dark_theme(server):
    "Ink and paper follow JupyterLab's dark theme"
    _, address, token = server
    with browser() as page:
        open_notebook(page, address, token, explorers[0])
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
        assert not run_all(page)
        page.wait_for_selector(".explorer svg", timeout=60_000)
        page.wait_for_timeout(1000)
        explorer = page.locator(".explorer").first
        paper = explorer.locator("svg rect").first.evaluate("(rect) => getComputedStyle(rect).fill")
        ink = explorer.locator("svg text").first.evaluate("(text) => getComputedStyle(text).fill")
        into_view(page, explorer)
        assert explorer.locator("svg").first.is_visible()
        shot(page, "dark")
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
        page.wait_for_timeout(1000)
        def lightness(colour): return sum(int(part) for part in colour.strip("rgba()").split(",")[:3]) / 765
        assert lightness(paper) < 0.3 < 0.7 < lightness(ink), (paper, ink)


def test_parameters_as_a_form(server):
    "What is typed into the form is checked, reaches the parameters cell, and a cell that was edited since is left alone"
    folder, address, token = server
    book = json.loads((folder / "train.ipynb").read_text(encoding="utf-8"))
    kept = ("load_ext", "# Parameters of this notebook", "given = check_parameters", "parameter_form(globals()")
    book["cells"] = [cell for cell in book["cells"] if any(sign in "".join(cell["source"]) for sign in kept)]
    (folder / "form.ipynb").write_text(json.dumps(book), encoding="utf-8")
    source = """() => window.jupyterapp.shell.currentWidget.content.widgets
        .map((cell) => cell.model.sharedModel.getSource()).find((text) => text.startsWith("# Parameters of this notebook"))"""
    with browser() as page:
        seen = Seen(page, address)
        open_notebook(page, address, token, "form.ipynb")
        assert not run_all(page)
        form = page.locator(".parameter-form")
        form.wait_for(timeout=60_000)
        form.scroll_into_view_if_needed()
        write, said = form.get_by_role("button", name="Write into"), form.locator(".form-said")

        def enter(name, text):
            frame = form.get_attribute("data-frame")
            form.get_by_role("searchbox").fill(name)
            field = form.get_by_label(name, exact=True)
            field.select_option(text) if field.evaluate("(field) => field.tagName") == "SELECT" else field.fill(text)
            page.wait_for_function("([form, frame]) => form.dataset.frame !== frame", arg=[form.element_handle(), frame], timeout=20_000)
        enter("backbone", "r50")
        enter("max_steps", "many")
        assert "max_steps = 'many' is a str; expected int" in said.inner_text() and write.is_disabled()
        shot(page, "form_refused")
        enter("max_steps", "12")
        form.get_by_text("The command", exact=True).click()
        assert "-p max_steps 12 -p backbone r50" in form.inner_text() or "-p backbone r50 -p max_steps 12" in form.inner_text()
        write.click()
        assert "Written" in said.inner_text()
        text = page.evaluate(source)
        assert 'backbone = "r50"' in text and "max_steps = 12  # stop after so many steps" in text
        shot(page, "form")
        enter("max_steps", "13")
        write.click()
        assert "max_steps = 13 " in page.evaluate(source), "again, without running the cell in between"
        page.evaluate("""() => { const cell = window.jupyterapp.shell.currentWidget.content.widgets
            .find((cell) => cell.model.sharedModel.getSource().startsWith("# Parameters of this notebook"));
            cell.model.sharedModel.setSource(cell.model.sharedModel.getSource() + "\\nseed = 7"); }""")
        enter("max_steps", "14")
        write.click()
        assert "could not be written" in said.inner_text() and "max_steps = 13 " in page.evaluate(source)
        assert not run_all(page)
        form.wait_for(timeout=60_000)
        assert form.get_by_label("max_steps", exact=True).input_value() == "13"
        assert not seen.problems, seen.problems


def outputs_of(page, text):
    "The outputs of the code cell that holds `text`"
    return page.evaluate("""(text) => window.jupyterapp.shell.currentWidget.content.widgets
        .filter((cell) => cell.model.type === 'code' && cell.model.sharedModel.getSource().includes(text))
        .flatMap((cell) => cell.model.outputs.toJSON())""", text)


def test_live_training(server):
    "The curves grow while it trains; the stop button keeps a checkpoint; again, it goes on; again, it is found"
    folder, address, token = server
    values = dict(smoke, max_steps=700, image_size=32, embedding_size=64, out_dir=str(folder / "live"))
    copy_notebooks(folder / "watched", "train.ipynb")
    path = folder / "watched" / "train.ipynb"
    book = json.loads(path.read_text(encoding="utf-8"))
    given = "".join(f"\n{name} = {value!r}" for name, value in values.items())
    for cell in book["cells"]:
        if "parameters" in cell["metadata"].get("tags", []): cell["source"] = "".join(cell["source"]) + given
    path.write_text(json.dumps(book), encoding="utf-8")
    cell = "LiveCurves(plan) as view"
    with browser(height=1000) as page:
        open_notebook(page, address, token, "watched/train.ipynb")
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        growing = page.locator(".jp-OutputArea-output progress")
        growing.first.wait_for(timeout=120_000)
        page.wait_for_function("() => { const bar = document.querySelector('.jp-OutputArea-output progress'); "
                               "return bar && bar.value > 0.05 && bar.value < 0.9; }", timeout=120_000)
        growing.first.scroll_into_view_if_needed()
        page.wait_for_timeout(300)
        first = growing.first.evaluate("(bar) => bar.value")
        assert page.locator(".jp-OutputArea-output div[role=status] ~ svg").count() == 1
        shot(page, "live")
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:interrupt-kernel') }")
        page.wait_for_function("() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'",
                               timeout=60_000)
        page.wait_for_timeout(500)
        stopped = outputs_of(page, cell)
        shot(page, "stopped")
        errors = [output for output in stopped if output["output_type"] == "error"]
        assert len(errors) == 1 and len(errors[0]["traceback"]) == 1, errors
        assert "run this again to go on" in errors[0]["evalue"]
        assert "Stopped" in stopped[0]["data"]["text/plain"]
        assert list((folder / "live").glob("*/last.safetensors"))
        assert not run_all(page, 300)
        ended = outputs_of(page, cell)[0]["data"]["text/plain"]
        assert "Finished: 700 steps," in ended and 0 < first < 1, ended
        assert not run_all(page, 300)
        assert "found finished" in outputs_of(page, cell)[0]["data"]["text/plain"]
        into_view(page, page.locator(".jp-OutputArea-output progress").first)
        shot(page, "found")


def test_training_notebook(server):
    "train.ipynb runs from its menu at smoke size, and shows the first batch, curves and scores"
    folder, address, token = server
    book = json.loads((folder / "train.ipynb").read_text(encoding="utf-8"))
    given = "".join(f"\n{name} = {value!r}" for name, value in {**smoke, "out_dir": str(folder / "runs")}.items())
    for cell in book["cells"]:
        if "parameters" in cell["metadata"].get("tags", []): cell["source"] = "".join(cell["source"]) + given
    (folder / "train.ipynb").write_text(json.dumps(book), encoding="utf-8")
    with browser(height=1400) as page:
        seen = Seen(page, address)
        open_notebook(page, address, token, "train.ipynb")
        assert not run_all(page, 600)
        assert list((folder / "runs").glob("*/scores.json"))
        page.wait_for_timeout(1500)
        shot(page, "train")
        assert not [problem for problem in seen.problems if "another host" in problem], seen.problems

"""The documentation site: built without a warning, every link leads somewhere, every picture has words, no page asks another host.

Screenshots of five pages, light and dark, stay in the folder that TOPOFR_SCREENSHOTS names.
"""
import os
import re
import sys
import time
from pathlib import Path

import pytest
from browser import chromium
from checkout import root, run, tools
from website import books, check, katex, names, spelling

screens = ["index", "40_losses/30_ptsa", "api/losses.ptsa", "data/ijb", "85_explore/30_mixture_explorer"]
quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--host-resolver-rules=MAP * ~NOTFOUND"]


def available():
    try: katex.static()
    except katex.Missing as missing: return str(missing)
    return None


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    "The whole site, warnings as errors; where KaTeX cannot be had the reason is said"
    missing = available()
    if missing: pytest.skip(missing)
    out = tmp_path_factory.mktemp("docs")
    start = time.time()
    status, text = run(tools / "python", "tools/website/build.py", "--out", out, timeout=1800)
    assert status == 0, text
    assert "pages in" in text
    print(f"{text.strip()}; {time.time() - start:.0f} s")
    return out / "html"


def test_site(site):
    found = check.problems(site)
    assert not found, f"{len(found)} problems:\n" + "\n".join(found[:40])


def test_every_notebook_and_module_has_a_page(site):
    for path in (root / "nbs").rglob("*.ipynb"):
        name = path.relative_to(root / "nbs").with_suffix(".html")
        if not any(part[0] in "._" for part in name.parts): assert (site / name).exists(), name
    for name, module in names.modules().items():
        page = (site / "api" / f"{name.removeprefix('topofr_nb.')}.html").read_text(encoding="utf-8")
        for public in module.public: assert f'id="{public.full}"' in page, public.full


def test_the_first_page_shows_the_picture(site):
    assert "<img" in (site / "index.html").read_text(encoding="utf-8").split('id="start"')[0]


def test_prose_is_linked_and_hidden_cells_are_not_shown(site):
    page = (site / "40_losses" / "30_ptsa.html").read_text(encoding="utf-8")
    assert 'href="../api/' in page
    assert "#| export" not in re.sub(r"<[^>]+>", "", page)
    assert "katex" in page and "katex-error" not in page


def test_search_knows_the_words(site):
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    for word in ("isa_loss", "persistence", "galleri"): assert word in index


@pytest.mark.skipif(chromium is None, reason="no Chromium here (Debian: apt-get install chromium)")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_in_a_browser(site, dark):
    "Five pages with the network cut: nothing is asked for, nothing fails, nothing is wider than the window"
    from playwright.sync_api import sync_playwright
    shots = os.environ.get("TOPOFR_SCREENSHOTS")
    wrong = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=quiet)
        context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark" if dark else "light")
        page = context.new_page()
        page.on("request", lambda request: wrong.append(request.url) if not request.url.startswith(("file:", "data:", "blob:")) else None)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        for name in screens:
            page.goto((site / f"{name}.html").as_uri(), timeout=120_000)
            page.wait_for_timeout(500)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1"), f"{name} is wider than the window"
            assert page.evaluate("document.documentElement.dataset.theme") == ("dark" if dark else "light")
            if shots:
                Path(shots).mkdir(parents=True, exist_ok=True)
                page.screenshot(path=str(Path(shots) / f"site_{name.replace('/', '_')}_{'dark' if dark else 'light'}.png"))
        page.goto((site / "explorers" / "mixture.html").as_uri(), timeout=120_000)
        slider = page.locator("input[type=range]").first
        before = page.locator("body").inner_html()
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("before => document.body.innerHTML !== before", arg=before, timeout=30_000)
        if shots: page.screenshot(path=str(Path(shots) / f"site_explorer_{'dark' if dark else 'light'}.png"))
        page.goto((site / "search.html").as_uri() + "?q=isa_loss", timeout=120_000)
        page.wait_for_selector("#search-results li", timeout=60_000)
        assert "isa_loss" in page.inner_text("#search-results")
        browser.close()
    assert not wrong, wrong


def test_edit_button_leads_to_the_file(tmp_path):
    "Where an address is configured, and only there"
    if missing := available(): pytest.skip(missing)
    status, text = run(tools / "python", "tools/website/build.py", "--out", tmp_path, "--only", "30_ptsa", "--repository",
                       "https://git.example.org/lab/topofr_nb", "--loose", timeout=900)
    assert status == 0, text
    page = (tmp_path / "html" / "40_losses" / "30_ptsa.html").read_text(encoding="utf-8")
    assert "https://git.example.org/lab/topofr_nb/edit/main/nbs/40_losses/30_ptsa.ipynb" in page


def test_without_npm_the_build_says_so(tmp_path):
    "An empty cache and no npm: one sentence"
    program = ("import sys; sys.path.insert(0, 'tools')\nfrom pathlib import Path\nfrom website import katex\n"
               f"katex.cache = Path({str(tmp_path)!r})/'katex'\nimport shutil\nkatex.shutil.which = lambda name: name == 'node'\n"
               "try: katex.static()\nexcept katex.Missing as missing: print(missing)")
    status, text = run(sys.executable, "-c", program)
    assert status == 0 and text.startswith("npm is missing"), text


def test_commands_of_the_data_pages():
    "Every name that a command on a data set's page uses is there"
    public = names.Names(names.modules())
    commands = [line for path in (root / "docs" / "data").glob("*.md") for line in path.read_text(encoding="utf-8").splitlines()
                if line.startswith(".venv/bin/python -c")]
    assert len(commands) >= 15
    for command in commands:
        code = re.search(r'-c "(.*)"$', command).group(1)
        compile(code, command, "exec")
        for module, listed in re.findall(r"from (topofr_nb[\w.]*) import ([\w, ]+)", code):
            for name in listed.split(", "):
                assert public.exists(f"{module}.{name}") or f"{module}.{name}" in public.modules or module == "topofr_nb.data.protocols", (command, name)


def test_equations_lead_to_functions():
    "Every name on the page of equations is public, and TopoFR's numbered equations are those that docstrings name"
    text = (root / "docs" / "equations.md").read_text(encoding="utf-8")
    public = names.Names(names.modules())
    named = re.findall(r"`([\w.]+)`", text)
    assert len(named) >= 15
    for name in named: assert public.find(name, {}), f"{name} on the page of equations is no public name"
    numbers = {number for module in public.modules.values() for one in module.public for number in re.findall(r"TopoFR, eq\. (\d+)", one.said)}
    assert numbers and numbers <= set(re.findall(r"\| eq\. (\d+)", text))


def test_every_picture_has_a_sentence_of_its_own():
    "What is seen and what it shows, for those who cannot see it: `#| fig-alt: ...` in the cell that draws"
    silent = [f"{name}: {cell['id']}" for name in books.listed() for cell in books.pictures(books.load(name))
              if len(books.directives(books.source(cell)).get("fig-alt", "")) < 20]
    assert not silent, "\n".join(silent)


def test_spelling():
    "Words that neither the dictionary nor docs/words.txt has"
    found = spelling.unknown()
    assert not found, "\n".join(f"{word}: {', '.join(str(place) for place in sorted(where)[:3])}" for word, where in found.items()) + \
        "\nA word that is right belongs into docs/words.txt."

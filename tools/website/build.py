"""Build the documentation site into _docs/html: python tools/website/build.py [--only PART ...] [--repository ADDRESS] [--out FOLDER]

Nothing is executed and no page asks another host. `--only data losses` builds the pages whose names contain these parts, for a quick look.
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[part]) for part in (1, 2)]
from checkout import root, settings  # noqa: E402
from contents import FLOORS  # noqa: E402
from website import api, books, katex  # noqa: E402
from website.names import Names, modules  # noqa: E402

prose = root / "docs"
FRONT = ["contents", "own_faces", "train", "evaluate", "80_reproduce/findings"]
MADE = set()  # files of this build
PROJECT = ["CONTRIBUTING.md", "CHANGELOG.md"]
HIDDEN = {"index", *FRONT}


def write(path, text):
    "Write only what has changed: Sphinx reads again what is newer"
    MADE.add(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.read_text(encoding="utf-8") == text: return
    path.write_text(text, encoding="utf-8")


def toctree(names, caption="", depth=1, options=":hidden:"):
    head = [f":caption: {caption}"] if caption else []
    return "\n".join(["```{toctree}", options, ":titlesonly:", f":maxdepth: {depth}", *head, "", *names, "```", ""])


def repository(asked=None):
    "Address of the repository, where one is configured: `git_url` of settings.ini"
    return (asked or settings.get("git_url", "")).strip().rstrip("/")


def floor_page(folder, title, own, titles, subtitles):
    "A floor's table of notebooks"
    rows = ["| notebook | |", "|---|---|"]
    for name in own: rows.append(f"| [{titles[name]}](/{name.as_posix()}) | {subtitles[name].replace('|', chr(92) + '|')} |")
    tree = toctree([f"/{name.with_suffix('').as_posix()}" for name in own if name.with_suffix("").as_posix() not in HIDDEN])
    return f"# {title}\n\n" + "\n".join(rows) + "\n\n" + tree


def floors(names, titles, subtitles):
    "Folder -> page, for every floor that has notebooks"
    for folder, title in FLOORS.items():
        own = [name for name in names if (name.parts[0] if len(name.parts) > 1 else "") == folder]
        own = [name for name in own if folder or name.with_suffix("").as_posix() not in HIDDEN]
        if own: yield folder or "00_core", title if folder else "Core", floor_page(folder, title if folder else "Core", own, titles, subtitles)


def copy_pages(out, link, table):
    "Prose of docs/ with the table of equations, the changelog and the contributing guide"
    pages = {path.relative_to(prose): path for path in sorted(prose.rglob("*.md"))} | {Path(name): root / name for name in PROJECT}
    for name, path in pages.items():
        text = link(path.read_text(encoding="utf-8"), {}, path.relative_to(root))
        write(out / name, text.replace("<!-- table of docstrings -->", table))


def equations(names):
    "The public names whose docstrings name an equation or a section of a paper"
    rows = []
    for module in names.modules.values():
        for one in [part for public in module.public for part in (public, *public.members)]:
            for place in re.findall(r"\(([^()]*?(?:eq\.|section|Algorithm|N_\w+|L_\w+)[^()]*)\)", one.said):
                first = api.first_sentence(re.sub(r"\s*\([^()]*(?:eq\.|section|Algorithm|N_|L_)[^()]*\)", "", one.said.split("\n\n")[0]))
                rows.append((place, one.full, first))
    return sorted(rows)


def equation_table(names):
    lines = ["| said to be | name | |", "|---|---|---|"]
    for place, full, first in equations(names):
        lines.append(f"| {api.prose(place)} | {{py:obj}}`{full.removeprefix('topofr_nb.')} <{full}>` | {api.prose(first)} |")
    return "\n".join(lines)


def sources(out, only=(), address=""):
    "Everything Sphinx reads, in `out`"
    names = Names(modules())
    found = [name for name in books.listed() if not only or name.stem in ("index", "contents") or any(part in name.as_posix() for part in only)]
    kept = {name: books.load(name) for name in found}
    shown = {name: books.headings(book) for name, book in kept.items()}
    titles = {name: title for name, (title, _) in shown.items()}
    subtitles = {name: books.subtitle(book) for name, book in kept.items()}
    if only: names = Names({name: module for name, module in names.modules.items() if module.notebook in kept})
    link = books.Linker(names, titles, address)
    copy_pages(out, link, equation_table(names))
    floor_names = []
    for folder, _, text in floors(found, titles, subtitles):
        write(out / folder / "index.md", text)
        floor_names.append(f"/{folder}/index")
    for name, text in api.pages(names, shown): write(out / "api" / name, text)
    still = explorers(out.parent)
    if still: write(out / "explorers.md", still)
    front = [f"/{name}" for name in FRONT if Path(f"{name}.ipynb") in kept]
    reference = [*(["/explorers"] if still else []), "/data/index", "/equations", "/glossary", "/api/index"]
    trees = [toctree(front, "Start"), toctree(floor_names, "Lessons", 2), toctree(reference, "Reference", 2),
             toctree([f"/{Path(name).stem}" for name in PROJECT], "Project")]
    for name in found:
        book = books.page(name, link, ["\n".join(trees)] if name.as_posix() == "index.ipynb" else ())
        write(out / name, json.dumps(book, ensure_ascii=False))
    for path in out.rglob("*"):
        if path.is_file() and path not in MADE: path.unlink()


def explorer_pages():
    "Folder of the explorers as pages that need no kernel, and their titles; made anew when the package has changed"
    try: from topofr_nb.explore.pages import write_pages
    except ImportError: return None, {}
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted([*(root / "topofr_nb").rglob("*.py"), *(root / "web").iterdir()])
                                     if path.is_file())).hexdigest()[:16]
    folder = root / "data" / "cache" / "explorers" / digest
    titles = folder / "titles.json"
    if not titles.exists():
        shutil.rmtree(folder.parent, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        made = {Path(path).name: title for title, path in write_pages(folder, back="../explorers.html").values()}
        titles.write_text(json.dumps(made), encoding="utf-8")
    return folder, json.loads(titles.read_text(encoding="utf-8"))


def explorers(out):
    "Copy the explorers below out/extra; the page that lists them, or nothing where the package has none"
    folder, titles = explorer_pages()
    if not titles: return ""
    target = out / "extra" / "explorers"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns("*.json"))
    head = ["# Explorers without a kernel", "", "> Move the sliders: every state is computed already, nothing runs behind these pages.", ""]
    return "\n".join([*head, *[f'- <a href="explorers/{name}">{title}</a>' for name, title in titles.items()], ""])


def build(out, only=(), address="", strict=True, jobs=1):
    "Sources, then Sphinx; seconds that it took"
    start = time.time()
    static = katex.static()
    source = out / "source"
    if only: shutil.rmtree(out / "read", ignore_errors=True)
    shutil.rmtree(out / "html", ignore_errors=True)
    for folder in (source, out / "extra"): folder.mkdir(parents=True, exist_ok=True)
    sources(source, only, address)
    environment = {**os.environ, "TOPOFR_KATEX": str(static), "TOPOFR_EXTRA": str(out / "extra"), "TOPOFR_REPOSITORY": address,
                   "PYTHONPATH": str(root / "tools")}
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-q", "-j", str(jobs), "-c", str(Path(__file__).parent), "-d", str(out / "read"),
               *(["-W", "--keep-going"] if strict else []), str(source), str(out / "html")]
    done = subprocess.run(command, env=environment)
    if done.returncode: raise SystemExit(f"The site could not be built: Sphinx ended with {done.returncode}, its reasons stand above.")
    return time.time() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", default=(), help="parts of names of notebooks")
    parser.add_argument("--repository", default=None, help="address of the repository, for 'edit this page'")
    parser.add_argument("--out", type=Path, default=root / "_docs")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes")
    parser.add_argument("--loose", action="store_true", help="warnings are no errors; with --only links to pages that are not built")
    given = parser.parse_args()
    try: seconds = build(given.out.resolve(), given.only, repository(given.repository), not given.loose, given.jobs)
    except katex.Missing as missing: raise SystemExit(f"The site cannot be built: {missing}") from None
    html = given.out.resolve() / "html"
    size = sum(path.stat().st_size for path in html.rglob("*") if path.is_file())
    print(f"{len(list(html.rglob('*.html')))} pages in {seconds:.0f} s, {size / 1e6:.0f} MB: {html / 'index.html'}")


if __name__ == "__main__": main()

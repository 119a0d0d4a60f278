"Notebooks as pages: directives and hidden cells stripped, pictures named, code spans of the prose linked to the API."
import ast
import copy
import json
import os
import re
from pathlib import Path

from checkout import root

nbs = root / "nbs"
WIDGET = "application/vnd.jupyter.widget-view+json"
WHERE = {"data": "real faces only, where TOPOFR_REAL_DATA names them", "cuda": "a GPU only", "slow": "where slow lessons are asked for"}


def listed():
    "All notebooks, as paths relative to nbs/"
    paths = (path.relative_to(nbs) for path in nbs.rglob("*.ipynb"))
    return sorted(path for path in paths if not any(part[0] in "._" for part in path.parts))


def load(name): return json.loads((nbs / name).read_text(encoding="utf-8"))
def source(cell): return "".join(cell["source"])


def slug(text):
    "A heading's anchor, as MyST makes it"
    text = re.sub(r"[^\w\u4e00-\u9fff\- ]", "", re.sub(r"[`*]", "", text).strip().lower())
    return text.replace(" ", "-")


def headings(book):
    "Title, and id of a code cell -> (heading above it, its anchor)"
    title, above, found, used = "", ("", ""), {}, {}
    for cell in book["cells"]:
        if cell["cell_type"] != "markdown":
            found[cell.get("id", "")] = above
            continue
        fenced = False
        for line in source(cell).splitlines():
            if line.startswith("```"): fenced = not fenced
            match = None if fenced else re.match(r"(#+) (.+)", line)
            if not match: continue
            text = match.group(2).strip()
            anchor = slug(text)
            used[anchor] = used.get(anchor, 0) + 1
            if used[anchor] > 1: anchor = f"{anchor}-{used[anchor] - 1}"
            if not title: title = text
            above = (re.sub(r"[`*$\\]", "", text), anchor)
    return title, found


def subtitle(book):
    text = next(source(cell) for cell in book["cells"] if cell["cell_type"] == "markdown")
    found = re.match(r"# .+?\n\s*> (.+?)(?:\n\n|$)", text, flags=re.S)
    return re.sub(r"\s*\n>?\s*", " ", found.group(1)).strip() if found else ""


# What the prose says stays; only links are added.
PROTECTED = re.compile(r"(^```.*?^```|^~~~.*?^~~~|\$\$.*?\$\$|\$[^$\n]+\$|!?\[(?:[^\]\[]|\[[^\]]*\])*\]\([^)]*\)|^#+ .*?$|<[^>\n]+>)", flags=re.S | re.M)


class Linker:
    "Adds links to Markdown"
    def __init__(self, names, titles, repository):
        self.names = names
        self.titles = {title: path for path, title in titles.items()}
        self.known = set(titles)
        self.repository = repository

    def span(self, text, near, page):
        "A code span, linked where it names something"
        bare = re.sub(r"^(nbs/)?", "", text).removesuffix(".ipynb")
        if Path(f"{bare}.ipynb") in self.known and ("/" in text or text.endswith(".ipynb")): return f"[`{text}`](/{bare}.ipynb)"
        full = self.names.find(text, near)
        return f"{{py:obj}}`{text} <{full}>`" if full else f"`{text}`"

    def target(self, link, page):
        "Where a link of a notebook leads on the site, or None"
        path, mark, anchor = link.partition("#")
        anchor = anchor.lower()  # JupyterLab's anchors keep capitals
        if re.match(r"[a-z]+:", link): return link
        if not path: return f"#{anchor}"
        found = Path(os.path.normpath(page.parent / path))
        if found.parts[0] == "nbs": return f"/{Path(*found.parts[1:]).as_posix()}{mark}{anchor}"
        if found.as_posix() in ("CONTRIBUTING.md", "CHANGELOG.md"): return f"/{found.as_posix()}{mark}{anchor}"
        if found.parts[0] == "docs": return f"/{Path(*found.parts[1:]).as_posix()}{mark}{anchor}"
        if found.as_posix() == "README.md": return "/index.ipynb"
        return f"{self.repository}/blob/main/{found.as_posix()}" if self.repository else None

    def link(self, match, page):
        "A Markdown link whose target is known here; its text alone otherwise"
        to = self.target(match.group(2), page)
        return f"{match.group(1)}({to})" if to else match.group(1).lstrip("!")[1:-1]

    def __call__(self, text, near, page):
        "Links rewritten; code spans and titles in italics linked, the first time in each cell"
        done = set()

        def once(match):
            word = match.group(0)
            if word in done: return word
            made = self.span(match.group(1), near, page) if word[0] == "`" else self.italic(word, page)
            if made != word: done.add(word)
            return made

        pieces = PROTECTED.split(text)
        for i, piece in enumerate(pieces):
            if i % 2: pieces[i] = re.sub(r"^(!?\[.*\])\(([^)\s]+)\)$", lambda match: self.link(match, page), piece, flags=re.S)
            else: pieces[i] = re.sub(r"(?<![`\\}])`([^`\n]+)`(?!`)|(?<![*\w\\])\*([^*\n]+)\*(?![*\w])", once, piece)
        return "".join(pieces)

    def italic(self, word, page):
        path = self.titles.get(word[1:-1])
        return f"[{word}](/{path.as_posix()})" if path and Path("nbs") / path != page else word


def directives(text): return dict(re.findall(r"^#\|[ \t]*([\w-]+):?[ \t]*(.*?)[ \t]*$", text, flags=re.M))


def plain(text):
    "Markdown as a sentence or two without its marks"
    text = re.sub(r"```.*?```|^\|.*$|^#+ .*$|^> ", "", text, flags=re.S | re.M)
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"[`*$\\]|^[-\d.]+ ", "", " ".join(text.split()))
    if len(text) <= 240: return text
    return text[:240].rsplit(" ", 1)[0] + " …"


def alternative(text, before, heading):
    "What a picture shows: as said by the cell, or else by the prose above it"
    given = directives(text).get("fig-alt")
    if given: return given
    paragraphs = [part for part in re.split(r"\n\s*\n", before) if plain(part)]
    return f"Figure, {heading}: {plain(paragraphs[-1]) if paragraphs else ''}".rstrip(": ")


def pictures(book):
    "Code cells that show a picture"
    for cell in book["cells"]:
        kinds = [kind for output in cell.get("outputs", []) for kind in output.get("data", {})]
        if any(kind.startswith("image/") for kind in kinds) and "hide" not in directives(source(cell)): yield cell


def inline_svg(data, alt):
    "A drawing of an explorer, in the page itself, so that it follows the theme"
    text = "".join(data)
    if "aria-label" not in text: text = text.replace("<svg ", f'<svg role="img" aria-label="{alt.replace(chr(34), chr(39))}" ', 1)
    return f'<div class="drawing">{text}</div>'


# A link in an output leads from where the notebook ran, not from the page: its text stays.
LOCAL = re.compile(r'<a\b[^>]*?href="(?!#|[a-z]+:)([^"]*)"[^>]*>(.*?)</a>', flags=re.S)


def outputs(cell, alt):
    "Outputs as a page can show them: no live widgets, one form each"
    kept = []
    for output in cell["outputs"]:
        output = copy.deepcopy(output)
        data = output.get("data", {})
        data.pop(WIDGET, None)
        if "image/svg+xml" in data: data = {"text/html": inline_svg(data["image/svg+xml"], alt)}
        if "text/html" in data: data["text/html"] = LOCAL.sub(r"\2", "".join(data["text/html"]))
        if any(kind.startswith("image/") for kind in data): data = {kind: value for kind, value in data.items() if kind.startswith("image/")}
        if "data" in output: output["data"] = data
        if data or output["output_type"] in ("stream", "error"): kept.append(output)
    return kept


def only_imports(text):
    "Whether a cell only imports: such cells are folded"
    try: return all(isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.parse(text).body)
    except SyntaxError: return text.startswith("%load_ext")


def code(cell, before, heading):
    "A code cell as a reader sees it, or None"
    text = source(cell)
    marks = directives(text)
    if "hide" in marks: return None
    alt = alternative(text, before, heading)
    shown = "\n".join(line for line in text.splitlines() if not line.startswith("#|")).strip("\n")
    where = next((said for mark, said in WHERE.items() if mark in marks), None)
    if where: shown = f"# runs on {where}\n{shown}" if "slow" not in marks else f"# runs {where}\n{shown}"
    metadata = {"mystnb": {"image": {"alt": alt}}}
    if marks.get("echo") == "false": metadata["tags"] = ["remove-input"]
    elif only_imports(shown) and not cell["outputs"]: metadata["tags"] = ["hide-input"]
    kept = outputs(cell, alt)
    if not shown.strip() and not kept: return None
    return {**cell, "source": shown, "outputs": kept, "metadata": metadata, "execution_count": None}


def page(name, link, extra=()):
    "The notebook of a page, and which names it used"
    book = load(name)
    near = link.names.near(name, [source(cell) for cell in book["cells"] if cell["cell_type"] == "code"])
    cells, before, heading = [], "", ""
    for cell in book["cells"]:
        text = source(cell)
        if cell["cell_type"] == "raw" or not text.strip() and not cell.get("outputs"): continue
        if cell["cell_type"] == "code":
            made = code(cell, before, heading)
        else:
            found = re.match(r"#+ (.+)", text)
            if found: heading = plain(found.group(1))
            if not found or len(text.splitlines()) > 1: before = text
            made = {**cell, "source": link(text, near, Path("nbs") / name), "metadata": {}}
        if made: cells.append(made)
    for i, text in enumerate(extra): cells.append({"cell_type": "markdown", "id": f"site{i}", "metadata": {}, "source": text})
    kernel = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}

"Write README.md (or the file named) from nbs/index.ipynb, and its pictures into nbs/images/ (or a folder `images` beside the file)."
import os
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter

from checkout import root


def has(cell, directive): return bool(re.search(rf"^#\|\s*{directive}\s*$", cell.source, flags=re.M))


def shown(cell):
    "The cell as a reader sees it: no `#|` lines, tables as text; None for a hidden or empty cell"
    if cell.cell_type == "raw": return None
    if cell.cell_type == "code":
        if has(cell, "hide"): return None
        echoed = not has(cell, "echo: false")
        cell.source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("#|")).strip() if echoed else ""
        for output in cell.outputs:
            data = output.get("data", {})
            data.pop("text/html", None)
            if any(kind.startswith("image/") for kind in data): data.pop("text/plain", None)
        return cell if cell.source or cell.outputs else None
    return cell if cell.source.strip() else None


def from_root(match):
    "A link of the notebook as seen from the README"
    link = match.group(1)
    return match.group(0) if re.match(r"https?:|#|nbs/images/", link) else f"]({os.path.normpath(f'nbs/{link}')})"


def write(path, data):
    aside = Path(f"{path}.partial")
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.write_bytes(data)
    os.replace(aside, path)


def main(target, pictures):
    "Convert and replace"
    book = nbformat.read(root / "nbs" / "index.ipynb", 4)
    alternatives = [match.group(1) for cell in book.cells for match in re.finditer(r"^#\|\s*fig-alt: (.+)$", cell.source, flags=re.M)]
    book.cells = [cell for cell in map(shown, book.cells) if cell is not None]
    book.metadata["language_info"] = {"name": "python"}  # nbdev-clean removes it; it names the language of code blocks
    text, resources = MarkdownExporter().from_notebook_node(book)
    for (name, data), told in zip(resources["outputs"].items(), alternatives, strict=True):
        text = re.sub(rf"!\[[^\]]*\]\({re.escape(name)}\)", f"![{told}](nbs/images/{name})", text)
        write(Path(pictures) / name, data)
    text = re.sub(r"\]\(([^)\s]+)\)", from_root, text)
    text = re.sub(r"```python\n+```\n*", "", text)
    text = "\n".join(line.rstrip() for line in text.splitlines())
    text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    write(target, ("<!-- Made from nbs/index.ipynb by `make readme`. -->\n\n" + text).encode())


if __name__ == "__main__":
    if len(sys.argv) > 1: main(Path(sys.argv[1]), Path(sys.argv[1]).parent / "images")
    else: main(root / "README.md", root / "nbs" / "images")

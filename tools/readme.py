"Write README.md (or the file named) from nbs/index.ipynb."
import os
import re
import sys

import nbformat
from nbconvert import MarkdownExporter

from checkout import root


def shown(cell):
    "The cell as a reader sees it: no `#|` lines, tables as text; None for a hidden or empty cell"
    if cell.cell_type == "raw": return None
    lines = cell.source.splitlines()
    if cell.cell_type == "code":
        if any(re.match(r"#\|\s*hide\s*$", line) for line in lines): return None
        cell.source = "\n".join(line for line in lines if not line.startswith("#|")).strip()
        for output in cell.outputs: output.get("data", {}).pop("text/html", None)
    return cell if cell.source else None


def main(target):
    "Convert, write beside `target`, replace it"
    book = nbformat.read(root / "nbs" / "index.ipynb", 4)
    book.cells = [cell for cell in map(shown, book.cells) if cell is not None]
    book.metadata["language_info"] = {"name": "python"}  # nbdev_clean removes it; it names the language of code blocks
    exporter = MarkdownExporter()
    text, _ = exporter.from_notebook_node(book)
    text = "\n".join(line.rstrip() for line in text.splitlines())
    text = re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"
    aside = f"{target}.partial"
    with open(aside, "w", encoding="utf-8", newline="\n") as file: file.write("<!-- Made from nbs/index.ipynb by `make readme`. -->\n\n" + text)
    os.replace(aside, target)


if __name__ == "__main__": main(sys.argv[1] if len(sys.argv) > 1 else str(root / "README.md"))

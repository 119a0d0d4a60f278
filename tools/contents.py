"""Write nbs/contents.ipynb, or the file named: reading paths, then every notebook with its title and subtitle, floor by floor.

Titles come from the notebooks. Only the order of the paths is written here.
"""
import hashlib
import json
import os
import re
import sys
from pathlib import Path

from checkout import root

nbs = root / "nbs"

PATHS = {
    "Understand TopoFR": (
        "From the topology of a batch to the weighted loss, in the order of the paper's equations.",
        ["30_topology/10_persistence", "30_topology/20_diagrams", "10_data/16_perturb", "40_losses/30_ptsa", "40_losses/40_sde",
         "60_training/20_steps", "85_explore/10_topology_explorer", "85_explore/30_mixture_explorer", "80_reproduce/topofr/table3_ablation"]),
    "Understand UNPG": (
        "One softmax over class weights and the batch's own negatives.",
        ["40_losses/10_margins", "40_losses/50_unpg", "50_evaluation/55_similarity", "85_explore/20_unpg_explorer",
         "80_reproduce/unpg/ablation"]),
    "Understand GIF": (
        "From code vectors to tokens to the head whose cost grows with the logarithm of the people.",
        ["35_codes/50_vectors", "35_codes/60_homogenise", "35_codes/10_balanced_kmeans", "35_codes/20_trees", "35_codes/30_tokens",
         "40_losses/70_gif", "80_reproduce/gif/main"]),
    "Train on my data": (
        "What forms of training faces are read, how photographs are aligned, and the notebook that trains.",
        ["10_data/38_formats", "10_data/30_folders", "10_data/36_align", "train", "60_training/10_recipe", "60_training/40_loop"]),
    "Use my own photographs": (
        "From a folder of photographs to a network that says who is on the next one, or that it is nobody known.",
        ["own_faces", "75_own/20_align_folder", "75_own/10_detect", "train", "50_evaluation/53_folder_scores", "50_evaluation/59_threshold",
         "50_evaluation/72_verifier", "50_evaluation/74_index"]),
    "Score my model": (
        "A network of your own or somebody else's, as a checkpoint, an ONNX file or a function.",
        ["evaluate", "50_evaluation/60_onnx", "10_data/40_protocols/50_formats", "50_evaluation/20_verification",
         "50_evaluation/40_templates", "50_evaluation/50_compare"]),
    "Take one loss": (
        "Each piece works without the rest of the package.",
        ["40_losses/10_margins", "40_losses/30_ptsa", "40_losses/40_sde", "40_losses/50_unpg", "40_losses/55_pair_losses",
         "40_losses/70_gif", "40_losses/20_partial_fc"]),
    "Reproduce a table": (
        "Published beside measured, with the scale of each.",
        ["80_reproduce/findings", "70_report/10_published", "80_reproduce/topofr/table3_ablation", "80_reproduce/unpg/public",
         "80_reproduce/gif/main", "70_report/16_verdicts", "90_benchmarks/persistence"]),
    "Add something": (
        "A margin, a pair loss, a backbone, a format, a protocol, a table: one cell and one row each.",
        ["95_extend/10_margin", "95_extend/20_pair_loss", "95_extend/30_backbone", "95_extend/40_format", "95_extend/50_protocol",
         "95_extend/60_table"]),
}

FLOORS = {
    "": "The doors, and what everything leans on",
    "10_data": "Data",
    "20_models": "Backbones",
    "30_topology": "Topology",
    "35_codes": "Identity codes",
    "40_losses": "Losses",
    "50_evaluation": "Evaluation",
    "60_training": "Training",
    "70_report": "Reports",
    "75_own": "Your own photographs",
    "80_reproduce": "Reproductions",
    "85_explore": "Explorers",
    "90_benchmarks": "Benchmarks",
    "95_extend": "Extending",
}


def heading(path):
    "Title and subtitle of a notebook"
    book = json.loads(path.read_text(encoding="utf-8"))
    text = next("".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "markdown")
    title, subtitle = re.match(r"# (.+?)\n\s*> (.+?)(?:\n\n|$)", text, flags=re.S).groups()
    return title.strip(), re.sub(r"\s*\n>?\s*", " ", subtitle).strip()


def listed():
    "All notebooks but this page, as paths relative to nbs/"
    paths = (path.relative_to(nbs) for path in nbs.rglob("*.ipynb"))
    return sorted(path for path in paths if not any(part[0] in "._" for part in path.parts) and path.name != "contents.ipynb")


def path_lines(names, headings):
    for i, name in enumerate(names, 1):
        title, subtitle = headings[Path(f"{name}.ipynb")]
        yield f"{i}. [{title}]({name}.ipynb): {subtitle}"


def floor_table(names, headings):
    rows = ["| notebook | |", "|---|---|"]
    for name in names:
        title, subtitle = headings[name]
        rows.append(f"| [{title}]({name.as_posix()}) | {subtitle.replace('|', chr(92) + '|')} |")
    return "\n".join(rows)


def cells():
    "The page as markdown"
    headings = {name: heading(nbs / name) for name in listed()}
    yield "# Contents\n\n> Every notebook of the workbook, and the order in which to read them for a purpose."
    yield "Made from the notebooks' titles by `make readme`."
    yield "## Reading paths"
    for purpose, (why, names) in PATHS.items(): yield "\n".join([f"### {purpose}\n\n{why}\n", *path_lines(names, headings)])
    yield "## All notebooks"
    for folder, name in FLOORS.items():
        own = [path for path in headings if (path.parts[0] if len(path.parts) > 1 else "") == folder]
        if own: yield f"### {name}\n\n" + floor_table(own, headings)


def main(target):
    "Write beside `target`, replace it"
    made = []
    for text in cells():
        name = hashlib.sha256(text.splitlines()[0].encode()).hexdigest()[:8]
        made.append({"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)})
    kernel = {"kernelspec": {"display_name": "python3", "language": "python", "name": "python3"}}
    book = {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    aside = f"{target}.partial"
    with open(aside, "w", encoding="utf-8", newline="\n") as file: file.write(json.dumps(book, indent=1, ensure_ascii=False) + "\n")
    os.replace(aside, target)


if __name__ == "__main__": main(sys.argv[1] if len(sys.argv) > 1 else str(nbs / "contents.ipynb"))

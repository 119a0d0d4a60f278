"""How the notebooks are written: cells, lines, lessons. `python tests/style.py` prints the table, `--list` every place that is over.

tests/style_allowed.json lists what is over from earlier days. It only shrinks: a place that is not over any more has to leave it.
`python tests/style.py --shrink` removes these.
"""
import argparse
import ast
import json

import sys
from collections import Counter
from pathlib import Path
from statistics import median

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent.parent / "tools")]
from books import code_cells, exports, load, module_of, nbs, notebooks, source, wants_parameters  # noqa: E402

most_lines, most_definitions, longest_line = 40, 1, 120
allowed_path = Path(__file__).with_name("style_allowed.json")
definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def code_lines(text): return [line for line in text.splitlines() if line.strip() and not line.startswith("#|")]


def tree(text):
    "The syntax tree of a cell; None for what is no Python"
    lines = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in text.splitlines())
    try: return ast.parse(lines)
    except SyntaxError: return None


def public(text):
    "Public functions and classes that a cell defines, methods added by a decorator such as @patch included"
    body = getattr(tree(text), "body", [])
    return [node.name for node in body if isinstance(node, definitions) and not node.name.startswith("_")]


def checks(text):
    "How many checks a cell makes, and how many of these are of an error's text"
    nodes = list(ast.walk(tree(text))) if tree(text) else []
    calls = [node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    errors = sum(name == "expect_error" for name in calls)
    asserted = sum(isinstance(node, ast.Assert) for node in nodes)
    return asserted + sum(name.startswith("test_") for name in calls) + errors, errors


def statements(text):
    "Simple statements of a cell"
    simple = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return, ast.Raise, ast.Assert)
    return [node for node in ast.walk(tree(text)) if isinstance(node, simple)] if tree(text) else []


def is_parallel(node):
    "Whether an assignment has several targets and as many values"
    return (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple))


def without_lesson(cells):
    "Exported lines in a row between two cells of another kind that hold text or an example"
    runs = [0]
    for cell in cells:
        if exports(cell): runs[-1] += len(code_lines(source(cell)))
        elif runs[-1]: runs.append(0)
    return [run for run in runs if run]


def shown_behind(cells, i):
    "Whether an example and an assertion come before the next exported cell"
    example = checked = False
    for cell in cells[i + 1:]:
        if cell["cell_type"] != "code": continue
        if exports(cell): break
        example = True
        checked = checked or bool(checks(source(cell))[0])
    return example, checked


def floor(name): return name.parts[0] if len(name.parts) > 1 else "top"


def violations():
    "Places that are over, by kind: exported cells (by their first public name or number) and lines"
    found = {}
    for name in notebooks():
        for cell in code_cells(load(nbs / name)):
            text = source(cell)
            label = f"{name}: {first_name(text) or cell['id']}"
            if exports(cell) and len(code_lines(text)) > most_lines: found[f"lines {label}"] = len(code_lines(text))
            if exports(cell) and len(public(text)) > most_definitions: found[f"definitions {label}"] = len(public(text))
            if tagged_parameters(cell): continue
            long = max((len(line) for line in text.splitlines() if not line.startswith("#|")), default=0)
            if long > longest_line: found[f"width {label}"] = long
    return found


def first_name(text): return next(iter(public(text)), "")


def tagged_parameters(cell): return "parameters" in cell["metadata"].get("tags", [])


def allowed(): return set(json.loads(allowed_path.read_text(encoding="utf-8"))) if allowed_path.exists() else set()


def quantile(values, part): return sorted(values)[min(len(values) - 1, int(part*len(values)))] if values else 0


def table():
    "The measures of the project, a row each: (measure, value, aim)"
    cells, runs, lines, nodes, words = [], [], [], [], Counter()
    exported_lines, made, errors, shown, pictured, books = Counter(), 0, 0, [], 0, 0
    assigns, parallels = 0, 0
    for name in notebooks():
        book = load(nbs / name)
        if not module_of(book) or wants_parameters(name): continue
        books += 1
        outputs = [output.get("data", {}) for cell in code_cells(book) for output in cell["outputs"]]
        pictured += any(kind.startswith("image/") or "<img" in str(value) for data in outputs for kind, value in data.items())
        words[floor(name)] += sum(len(source(cell).split()) for cell in book["cells"] if cell["cell_type"] == "markdown")
        runs += without_lesson(book["cells"])
        for i, cell in enumerate(book["cells"]):
            if cell["cell_type"] != "code": continue
            text = source(cell)
            lines += [len(line) for line in code_lines(text)]
            own = checks(text)
            made, errors = made + own[0], errors + own[1]
            if not exports(cell): continue
            parts = getattr(tree(text), "body", [])
            exported_lines[floor(name)] += len(code_lines(text))
            simple = statements(text)
            nodes += [sum(1 for _ in ast.walk(node)) for node in simple if not isinstance(node, ast.Expr)]
            assigns += sum(isinstance(node, ast.Assign) for node in simple)
            parallels += sum(is_parallel(node) for node in simple)
            if not any(isinstance(node, definitions) for node in parts): continue
            cells.append((len(code_lines(text)), sum(isinstance(node, definitions) for node in parts)))
            if public(text): shown.append(shown_behind(book["cells"], i))
    total = sum(exported_lines.values())
    share = lambda part, whole: f"{100*part/max(whole, 1):.0f} %"
    sizes = [size for size, _ in cells]
    rows = [
        ("exported cell, lines: median / 90 % / longest", f"{median(sizes):.0f} / {quantile(sizes, .9)} / {max(sizes)}", "8 / 25 / 50"),
        ("exported cells with more than one definition", share(sum(n > 1 for _, n in cells), len(cells)), "<= 15 %"),
        ("exported lines before the next lesson: median / longest", f"{median(runs):.0f} / {max(runs)}", "10 / 60"),
        ("checks per 100 exported lines (of them of errors)", f"{100*made/total:.0f} ({share(errors, made)})", "25 (<= 15 %)"),
        ("public definition with an example / a check behind",
         f"{share(sum(e for e, _ in shown), len(shown))} / {share(sum(c for _, c in shown), len(shown))}", "85 / 75 %"),
        ("lines over 100 / 120 characters",
         f"{100*sum(n > 100 for n in lines)/len(lines):.1f} / {100*sum(n > 120 for n in lines)/len(lines):.1f} %", "5 / 0 %"),
        ("syntax-tree nodes per simple statement: median / 90 %", f"{median(nodes):.0f} / {quantile(nodes, .9)}", "10 / 22"),
        ("parallel assignments, share of all", share(parallels, assigns), "<= 4 %"),
        ("exporting notebooks with a picture", f"{pictured} of {books}", "where it can be seen"),
        ("exported lines", str(total), ""),
    ]
    rows += [(f"words of prose per exported line, {part}", f"{words[part]/n:.1f}", "4") for part, n in sorted(exported_lines.items())]
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="every place that is over")
    parser.add_argument("--shrink", action="store_true", help="remove what is not over any more from the allowed places")
    options = parser.parse_args()
    now = violations()
    for measure, value, aim in table(): print(f"{measure:<58}{value:>18}   {aim}")
    new = sorted(set(now) - allowed())
    print(f"{len(now)} places are over, {len(new)} of them not allowed")
    if options.list:
        for place in sorted(now): print(f"  {place}: {now[place]}{'' if place in allowed() else '  NEW'}")
    if options.shrink: allowed_path.write_text(json.dumps(sorted(set(now) & allowed()), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__": main()

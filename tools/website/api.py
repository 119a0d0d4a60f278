"API pages in MyST, one a module, from the docments."
import json
import re

from checkout import root

PARTS = {"": "Core", "data": "Data", "models": "Backbones", "topology": "Topology", "codes": "Identity codes", "losses": "Losses",
         "evaluation": "Evaluation", "training": "Training", "report": "Reports", "own": "Your own photographs", "explore": "Explorers"}


def prose(text):
    "Docstring or docment as Markdown: what is no code span is taken as it stands"
    pieces = re.split(r"(`[^`]+`)", text)
    return "".join(piece if piece.startswith("`") else re.sub(r"([\\*_<>$\[\]{}|~])", r"\\\1", piece) for piece in pieces)


def one_line(text): return " ".join(text.split())


def typed(text, near):
    "An annotation; names of the package are linked here, since Sphinx takes the first of several with one name"
    pieces = re.split(r"([A-Za-z_][\w.]*)", one_line(text))
    made = "".join(f"{{py:obj}}`{piece} <{near[piece]}>`" if piece in near else prose(piece) for piece in pieces)
    return made if made != prose(one_line(text)) else f"*{made}*"


def fields(public, link, near):
    "Arguments as a field list, which Sphinx sets as it does everywhere"
    for one in public.arguments:
        name = one.name.replace("*", "\\*")
        yield f":param {name}: {link(prose(one_line(one.said)))}".rstrip()
        if one.kind: yield f":type {name}: {typed(one.kind, near)}"
    if public.gives:
        if public.gives.said: yield f":returns: {link(prose(one_line(public.gives.said)))}"
        if public.gives.kind != "None": yield f":rtype: {typed(public.gives.kind, near)}"


def entry(public, link, near, where=""):
    "One definition as a directive"
    kind = public.kind
    call = f"({public.signature})" if kind in ("function", "class", "method") else ""
    lines = [f"````{{py:{kind}}} {public.name}{call}", f":module: {public.module}"]
    if kind == "data" and public.signature: lines.append(f":value: {json.dumps(one_line(public.signature))}")
    lines.append("")
    paragraphs = [link(prose(one_line(part))) for part in re.split(r"\n\s*\n", public.said) if part.strip()]
    lines += [paragraph + "\n" for paragraph in paragraphs]
    lines += fields(public, link, near)
    if where: lines += ["", where]
    return "\n".join([*lines, "````", ""])


def place(public, module, headings):
    "The lesson behind a definition"
    title, sections = headings[module.notebook]
    heading, slug = sections.get(public.cell, ("", ""))
    target = f"/{module.notebook.as_posix()}" + (f"#{slug}" if slug else "")
    return f"Lesson: [{title}{', ' + heading if heading and heading != title else ''}]({target})"


def page(module, headings, names):
    "The page of a module"
    title, _ = headings[module.notebook]
    near = names.near(module.notebook, [])

    def link(text):
        def found(match):
            full = names.find(match.group(1), near)
            return f"{{py:obj}}`{match.group(1)} <{full}>`" if full else match.group(0)
        return re.sub(r"(?<![`\\}])`([^`]+)`(?!`)", found, text)

    source = module.path.relative_to(root).as_posix()
    shown = [one.name for one in sorted(module.public, key=lambda one: one.kind == "data")[:3]]
    lines = [f"# {module.name.removeprefix('topofr_nb.')}", "", f"> {prose(one_line(module.said))}", "",
             f"```python\nfrom {module.name} import {', '.join(shown)}\n```", "",
             f"Lesson: [{title}](/{module.notebook.as_posix()}). Module: `{source}`, generated from it.", "",
             f"```{{py:module}} {module.name}\n```", ""]
    for one in module.public:
        lines.append(entry(one, link, near, place(one, module, headings)))
        lines += [entry(member, link, near) for member in one.members]
    if module.borrowed:
        seen = [f"{{py:obj}}`{name} <{names.exists(full)}>`" if names.exists(full) else f"`{name}`"
                for name, full in sorted(module.borrowed.items())]
        lines.append("Also importable from here: " + ", ".join(seen) + ".\n")
    return "\n".join(lines)


def first_sentence(text):
    text = one_line(text)
    return text if len(text) < 160 else re.split(r"(?<=[.:;]) ", text)[0]


def index(names):
    "The list of all modules, by package"
    lines = ["# API", "", "> Every public name, with its arguments as they are documented in the notebooks.", "",
             "Names in `code` anywhere on this site lead here; each entry leads back to its lesson. "
             "The {ref}`genindex` lists all names by letter.", ""]
    parts = {}
    for name, module in names.modules.items():
        pieces = name.split(".")[1:]
        parts.setdefault(pieces[0] if len(pieces) > 1 else "", []).append(module)
    order = [*[part for part in PARTS if part in parts], *sorted(set(parts) - set(PARTS))]
    for part in order:
        lines += [f"## {PARTS.get(part, part.capitalize())}", "", "| module | | names |", "|---|---|---|"]
        for module in parts[part]:
            short = module.name.removeprefix("topofr_nb.")
            listed = ", ".join(f"{{py:obj}}`{one.name} <{one.full}>`" for one in module.public)
            lines.append(f"| [{short}]({short}.md) | {prose(first_sentence(module.said))} | {listed} |")
        lines += ["", "```{toctree}", ":hidden:", ":titlesonly:", *[module.name.removeprefix("topofr_nb.") for module in parts[part]], "```", ""]
    return "\n".join(lines)


def pages(names, headings):
    "Name below api/ -> text"
    yield "index.md", index(names)
    for module in names.modules.values(): yield f"{module.name.removeprefix('topofr_nb.')}.md", page(module, headings, names)

"Public names of the package, read from its modules without importing them: docments (comments behind arguments) included."
import ast
import io
import re
import tokenize
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from checkout import root

package = root / "topofr_nb"


@dataclass
class Argument:
    "An argument, a field or what a function returns"
    name: str
    kind: str = ""  # as written: its annotation
    default: str = ""
    said: str = ""  # the docment


@dataclass
class Public:
    "A public function, class or constant"
    module: str
    name: str
    kind: str  # function, class, method, property, data
    said: str = ""  # docstring
    signature: str = ""
    arguments: list = field(default_factory=list)
    gives: Argument | None = None
    members: list = field(default_factory=list)
    cell: str = ""  # id of the notebook's cell
    bases: str = ""

    @property
    def full(self): return f"{self.module}.{self.name}"


def comments(text):
    "Line number -> comment of a source text, without its #"
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and token.line.strip() != token.string:
            found[token.start[0]] = re.sub(r"^noqa\b.*", "", token.string.lstrip("# ")).strip()
    return found


def arguments(node, said):
    "The arguments of a function without self, and what it gives"
    spec = node.args
    plain = spec.posonlyargs + spec.args
    defaults = [None] * (len(plain) - len(spec.defaults)) + spec.defaults
    pairs = [("", arg, default) for arg, default in zip(plain, defaults)]
    if spec.vararg: pairs.append(("*", spec.vararg, None))
    pairs += [("", arg, default) for arg, default in zip(spec.kwonlyargs, spec.kw_defaults)]
    if spec.kwarg: pairs.append(("**", spec.kwarg, None))
    last = {max(arg.end_lineno, default.end_lineno if default else 0): arg.arg for _, arg, default in pairs}
    result = node.returns and Argument("", ast.unparse(node.returns), "", said.get(node.returns.end_lineno, ""))
    if result and result.kind == "bool" and len(pairs) == 1 and pairs[0][1].end_lineno == node.returns.end_lineno:
        return [Argument(plain[0].arg, ast.unparse(plain[0].annotation or ast.Name("")), "", result.said)], Argument("", "bool")
    made = []
    for star, arg, default in pairs:
        if arg.arg in ("self", "cls"): continue
        line = max(arg.end_lineno, default.end_lineno if default else 0)
        own = last[line] == arg.arg and not (node.returns and node.returns.end_lineno == line)
        kind = ast.unparse(arg.annotation) if arg.annotation else ""
        made.append(Argument(star + arg.arg, kind, ast.unparse(default) if default else "", said.get(line, "") if own else ""))
    return made, result


def signature(made, only_names=False):
    "As Sphinx wants it: names and defaults"
    return ", ".join(one.name if only_names or not one.default else f"{one.name}={one.default}" for one in made)


def decorators(node): return [ast.unparse(one) for one in node.decorator_list]


def function(module, node, said, kind="function", owner=""):
    made, gives = arguments(node, said)
    name = f"{owner}.{node.name}" if owner else node.name
    return Public(module, name, kind, ast.get_docstring(node) or "", signature(made), made, gives)


def class_members(module, node, said):
    "Fields, and methods that are documented"
    fields, methods = [], []
    for part in node.body:
        if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id[0] != "_":
            default = "" if part.value is None else ast.unparse(part.value)
            fields.append(Argument(part.target.id, ast.unparse(part.annotation), default, said.get(part.end_lineno, "")))
        elif isinstance(part, ast.FunctionDef) and part.name[0] != "_":
            marks = decorators(part)
            kind = "property" if any("property" in mark for mark in marks) else "method"
            made = function(module, part, said, kind, node.name)
            if made.said or any(one.said for one in made.arguments) or (made.gives and made.gives.said): methods.append(made)
    return fields, methods


def public_class(module, node, said):
    fields, methods = class_members(module, node, said)
    start = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    made = arguments(start, said)[0] if start else fields
    recorded = {one.name for one in made}
    extra = [one for one in fields if one.name not in recorded]
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    text = signature(made) if len(made) < 25 else ""
    result = Public(module, node.name, "class", ast.get_docstring(node) or "", text, made + extra, None, methods, bases=bases)
    if start and not result.said: result.said = ast.get_docstring(start) or ""
    return result


@dataclass
class Module:
    "A generated module and the notebook it comes from"
    path: Path

    @cached_property
    def text(self): return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self): return ast.parse(self.text)

    @property
    def name(self): return ".".join(self.path.relative_to(root).with_suffix("").parts)

    @property
    def said(self): return ast.get_docstring(self.tree) or ""

    @cached_property
    def notebook(self):
        "Path relative to nbs/, or None for a module that no notebook makes"
        found = re.search(r"^# AUTOGENERATED.*?(\S+\.ipynb)\.?$", self.text, flags=re.M)
        return found and (self.path.parent / found.group(1)).resolve().relative_to(root / "nbs")

    @cached_property
    def exported(self):
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__": return list(ast.literal_eval(node.value))
        return []

    @cached_property
    def cells(self):
        "(first line, id) of each cell"
        marks = ((i, re.match(r"# %% \S+ #(\S+)$", line)) for i, line in enumerate(self.text.splitlines(), 1))
        return [(i, mark.group(1)) for i, mark in marks if mark]

    def cell(self, line):
        "Id of the cell that a line comes from"
        return next((name for start, name in reversed(self.cells) if start <= line), "")

    @cached_property
    def public(self):
        "Public definitions in the order of the module"
        said = comments(self.text)
        made = {}
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef) and node.name in self.exported: found = [function(self.name, node, said)]
            elif isinstance(node, ast.ClassDef) and node.name in self.exported: found = [public_class(self.name, node, said)]
            elif isinstance(node, (ast.Assign, ast.AnnAssign)): found = self.constants(node, said)
            else: continue
            for one in found:
                one.cell = self.cell(node.lineno)
                made[one.name] = one
        return list(made.values())

    def constants(self, node, said):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        flat = [part for target in targets for part in getattr(target, "elts", [target])]
        named = [part.id for part in flat if isinstance(part, ast.Name) and part.id in self.exported]
        value = ast.unparse(node.value) if node.value else ""
        short = value if len(value) <= 100 and len(named) == 1 else ""
        return [Public(self.name, name, "data", said.get(node.end_lineno, ""), short) for name in named]

    @cached_property
    def imported(self):
        "Names from other modules of the package: name -> full name there"
        found = {}
        for node in ast.walk(self.tree):
            if not isinstance(node, ast.ImportFrom): continue
            base = self.name.split(".")[:-node.level] if node.level else []
            source = ".".join(base + (node.module or "").split(".")).strip(".")
            if source.startswith("topofr_nb"): found |= {alias.asname or alias.name: f"{source}.{alias.name}" for alias in node.names}
        return found

    @cached_property
    def borrowed(self):
        "Exported names that another module of the package defines"
        own = {one.name for one in self.public}
        return {name: full for name, full in self.imported.items() if name in self.exported and name not in own}


def modules():
    "All modules of notebooks, by name"
    paths = (path for path in package.rglob("*.py") if not path.name.startswith("_"))
    return {module.name: module for module in sorted(map(Module, paths), key=lambda module: module.name) if module.notebook}


class Names:
    "Where a name of the prose leads to"
    def __init__(self, found):
        self.modules = found
        self.full = {one.full for module in found.values() for one in module.public}
        self.by_name = {}
        for module in found.values():
            for one in module.public: self.by_name.setdefault(one.name, []).append(one.full)
        self.by_notebook = {module.notebook: module for module in found.values()}

    def exists(self, full):
        "The definition behind a dotted name, borrowed ones followed"
        module, _, name = full.rpartition(".")
        if full in self.full: return full
        other = self.modules.get(module)
        if other and name in other.borrowed: return self.exists(other.borrowed[name])
        return None

    def near(self, notebook, sources):
        "Names that a notebook defines or imports: name -> full name"
        near = {}
        for text in sources:
            for module, listed in re.findall(r"^from (topofr_nb[\w.]*) import \(?([^)\n]+(?:\n[^)]+)?)\)?", text, flags=re.M):
                for part in re.findall(r"\w+", listed):
                    if full := self.exists(f"{module}.{part}"): near[part] = full
        if module := self.by_notebook.get(notebook):
            near |= {name: self.exists(full) for name, full in module.imported.items() if self.exists(full)}
            near |= {one.name: one.full for one in module.public}
        return near

    def find(self, text, near):
        "Full name that a code span of the prose names, or None"
        name = re.match(r"(?:topofr_nb\.)?([\w.]+)", text)
        if not name or not re.fullmatch(r"[\w.]+(\(.*\))?", text): return None
        word, called = name.group(1), text.endswith(")")
        if "." in word: return self.exists(word if word.startswith("topofr_nb.") else f"topofr_nb.{word}")
        if word in near: return near[word]
        plain = word.islower() and "_" not in word and not called
        everywhere = self.by_name.get(word, [])
        return everywhere[0] if len(everywhere) == 1 and not plain and len(word) > 3 else None

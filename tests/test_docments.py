"Arguments of public functions say what they are: shapes, units, ranges."
import ast
import io
import tokenize

from checkout import root

most = 85  # arguments without a comment; lower it whenever some get theirs


def comments(text):
    "Numbers of the lines that end in a comment"
    return {token.start[0] for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type == tokenize.COMMENT}


def bare(path):
    "Public functions' arguments that share their line's comment with a later one, or have none"
    text = path.read_text(encoding="utf-8")
    said = comments(text)
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"): continue
        spec = node.args
        found = [*spec.posonlyargs, *spec.args, *filter(None, [spec.vararg]), *spec.kwonlyargs, *filter(None, [spec.kwarg])]
        last = {arg.end_lineno: arg for arg in found}
        for arg in found:
            if arg.end_lineno not in said or last[arg.end_lineno] is not arg: yield f"{path.stem}.{node.name}({arg.arg})"


def test_arguments_are_described():
    found = sorted(name for path in (root / "topofr_nb").rglob("*.py") for name in bare(path))
    assert len(found) <= most, f"{len(found)} arguments without a comment, {most} are allowed: {', '.join(found)}"

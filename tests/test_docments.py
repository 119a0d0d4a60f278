"Arguments of public functions say what they are: shapes, units, ranges."
import ast
import io
import tokenize

from checkout import root


def comments(text):
    "Line -> what stands before its comment"
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.start[0]: token.line[:token.start[1]].rstrip() for token in tokens if token.type == tokenize.COMMENT}


def of_another(line, node, said):
    "Whether a line's comment is of the value that a function returns, or of its body"
    return said[line].endswith(":") or node.body[0].lineno == line


def bare(path):
    "Public functions' arguments that share their line's comment with a later one or with the value returned, or have none"
    text = path.read_text(encoding="utf-8")
    said = comments(text)
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"): continue
        spec = node.args
        found = [*spec.posonlyargs, *spec.args, *filter(None, [spec.vararg]), *spec.kwonlyargs, *filter(None, [spec.kwarg])]
        last = {arg.end_lineno: arg for arg in found}
        for arg in found:
            line = arg.end_lineno
            if line not in said or last[line] is not arg or of_another(line, node, said):
                yield f"{path.stem}.{node.name}({arg.arg})"


def test_arguments_are_described():
    found = sorted(name for path in (root / "topofr_nb").rglob("*.py") for name in bare(path))
    assert not found, f"{len(found)} arguments without a comment: {', '.join(found)}"

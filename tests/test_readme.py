"Pages that are made from notebooks are what their notebooks give."
from checkout import root, run, tools


def test_readme(scratch):
    status, out = run(tools / "python", "tools/readme.py", scratch / "README.md")
    assert status == 0, out
    made = (scratch / "README.md").read_bytes()
    assert (root / "README.md").read_bytes() == made, "README.md is not what nbs/index.ipynb gives (make readme)"


def test_contents(scratch):
    status, out = run(tools / "python", "tools/contents.py", scratch / "contents.ipynb")
    assert status == 0, out
    made = (scratch / "contents.ipynb").read_bytes()
    assert (root / "nbs" / "contents.ipynb").read_bytes() == made, "a title has changed (make readme)"

"Pages that are made from notebooks are what their notebooks give."
import re

import torch
from checkout import root, run, tools

from topofr_nb.training.recipe import make_recipe, resolve, run_id


def test_readme(scratch):
    status, out = run(tools / "python", "tools/readme.py", scratch / "README.md")
    assert status == 0, out
    made = (scratch / "README.md").read_bytes()
    assert (root / "README.md").read_bytes() == made, "README.md is not what nbs/index.ipynb gives (make readme)"
    for picture in (scratch / "images").iterdir():
        assert (root / "nbs" / "images" / picture.name).read_bytes() == picture.read_bytes(), f"{picture.name} is old (make readme)"


def test_first_training_is_the_default():
    "The run that the front page shows is the one that its command trains"
    named = run_id(resolve(make_recipe(max_steps=100), torch.device("cpu"))[0])
    assert f"runs/{named}/last.safetensors" in (root / "README.md").read_text(encoding="utf-8"), f"the command trains {named}"


def test_links():
    "Every relative link of the pages leads somewhere"
    for page in ("README.md", "CONTRIBUTING.md", "nbs/contents.ipynb", "nbs/index.ipynb"):
        path = root / page
        for link in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            if link.startswith(("http", "mailto")): continue
            assert (path.parent / link).exists(), f"{page} links to {link}, which is not there"


def test_contents(scratch):
    status, out = run(tools / "python", "tools/contents.py", scratch / "contents.ipynb")
    assert status == 0, out
    made = (scratch / "contents.ipynb").read_bytes()
    assert (root / "nbs" / "contents.ipynb").read_bytes() == made, "a title has changed (make readme)"

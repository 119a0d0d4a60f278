"What is said in two places is the same in both."
import re
import sys

from checkout import root, settings

if sys.version_info >= (3, 11): import tomllib
else: import tomli as tomllib


def pyproject(): return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def test_version():
    said = re.search(r'__version__ = "(.+)"', (root / "topofr_nb" / "__init__.py").read_text(encoding="utf-8")).group(1)
    assert said == settings["version"]


def test_folders():
    nbdev = pyproject()["tool"]["nbdev"]
    assert (root / nbdev["nbs_path"]).is_dir() and nbdev["lib_path"] == settings["lib_name"]


def test_changelog_knows_the_version():
    assert settings["version"] in (root / "CHANGELOG.md").read_text(encoding="utf-8")


def test_citation_knows_the_version():
    text = (root / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {settings['version']}" in text
    for title in ("TopoFR", "Unified Negative Pair", "GIF"): assert title in text

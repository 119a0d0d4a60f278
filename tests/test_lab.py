"`make lab`: the index opens, whoever calls it, and reading a notebook leaves it as it was."
import json
import os
import shutil
import warnings

from checkout import root, run


def test_address_and_root():
    "The printed address is that of the index, and root may call it"
    status, out = run("make", "-n", "lab", "ARGS=--no-browser")
    assert status == 0, out
    assert "/lab/tree/nbs/index.ipynb" in out and "--no-browser" in out
    assert ("--allow-root" in out) == (os.getuid() == 0)


def test_code_that_only_draws_is_folded():
    "Where the site and the README leave the code out, JupyterLab shows it when asked: the index begins with its picture"
    index = json.loads((root / "nbs" / "index.ipynb").read_text(encoding="utf-8"))
    quiet = [cell for cell in index["cells"] if any(line == "#| echo: false\n" for line in cell["source"])]
    assert quiet and all(cell["metadata"].get("jupyter") == {"source_hidden": True} for cell in quiet)


def test_reading_leaves_notebooks_as_they_were(scratch):
    "JupyterLab adds the kernel's name and version and saves; with the server's settings of `make lab` the file is the same"
    from jupyter_server.services.contents.largefilemanager import LargeFileManager
    from traitlets.config import PyFileConfigLoader
    folder = scratch / "read"
    shutil.copytree(root / "nbs", folder, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        manager = LargeFileManager(root_dir=str(folder), config=PyFileConfigLoader(str(root / "tools/jupyter_server_config.py")).load_config())
    for path in sorted(folder.rglob("*.ipynb")):
        name, before = path.relative_to(folder).as_posix(), path.read_bytes()
        content = manager.get(name)["content"]
        content["metadata"]["language_info"] = {"name": "python", "version": "3.11.7"}
        content["metadata"].setdefault("kernelspec", {"name": "python3"})["display_name"] = "Python 3 (ipykernel)"
        manager.save({"type": "notebook", "format": "json", "content": json.loads(json.dumps(content))}, name)
        assert path.read_bytes() == before, f"{name} is rewritten by reading it"

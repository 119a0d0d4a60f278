"Copies of the checkout to try things in, and the export of its notebooks."
import os, shutil, subprocess
from configparser import ConfigParser
from pathlib import Path

root = Path(__file__).resolve().parent.parent
tools = root / ".venv" / "bin"
config = ConfigParser(delimiters=["="], interpolation=None)
config.read(root / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]
ignored = {".git", ".venv", ".venv-lock", "runs", "build", "dist", "__pycache__", ".ipynb_checkpoints"}


def run(*command, cwd=root, timeout=600, input="", **env):
    "Run `command`; return (exit status, stdout and stderr together)"
    command = [str(part) for part in command]
    try:
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **env}, timeout=timeout, text=True, errors="replace",
                              input=input, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired as late:
        out = late.stdout or b""
        return 124, f"{out if isinstance(out, str) else out.decode(errors='replace')}\nstopped after {timeout} s"
    return done.returncode, done.stdout


def files():
    "Files of the checkout that git tracks or would track, relative to its root; without git every file that is no product"
    status, names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if status == 0: paths = [Path(name) for name in names.split("\0") if name]
    else: paths = [path.relative_to(root) for path in root.rglob("*") if not ignored & set(path.relative_to(root).parts)]
    return sorted(path for path in set(paths) if (root / path).is_file())


def copy_to(folder, *skipped):
    "Copy the checkout into `folder`, without the top folders named in `skipped`"
    for path in files():
        if path.parts[0] in skipped: continue
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / path, folder / path)
    return folder


def fresh_export(folder):
    "Export the notebooks into an emptied copy of the checkout under `folder`; return its topofr_nb, with settings.ini's version"
    copy = copy_to(folder, "topofr_nb")
    package = copy / "topofr_nb"
    package.mkdir()
    (package / "__init__.py").write_text(f'__version__ = "{settings["version"]}"\n', encoding="utf-8")
    (package / "py.typed").touch()
    status, out = run(tools / "nbdev-export", cwd=copy, IN_TEST="")
    if status: raise RuntimeError(f"nbdev_export failed:\n{out}")
    return package


def modules(package):
    "Every file of a package folder that is no by-product, relative to it"
    by_products = {"__pycache__", "_modidx.py"}
    return {path.relative_to(package) for path in package.rglob("*") if path.is_file() and not by_products & set(path.parts)}

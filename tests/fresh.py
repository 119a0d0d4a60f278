"""A function in a process of its own that does not have to import torch first.

Each of a few hundred notebooks, shells and runs would spend seconds of processor time on torch, pandas and matplotlib before it does
anything. Here one server per worker imports these once and forks a process for each. It loads nothing of topofr_nb.
"""
import contextlib
import faulthandler
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from checkout import root

preloaded = ["torch", "torch._dynamo", "torch.distributed.fsdp", "torchvision.io", "pandas", "matplotlib.pyplot", "scipy.optimize",
             "safetensors.torch", "nbdev.test", "pytest"]  # an optimiser imports torch._dynamo


def _begin(function, arguments, output):
    "Call a function; everything it says goes to the file `output`"
    gc.freeze()  # what the server has made is neither looked through nor copied
    os.setsid()
    os.chdir(root)
    multiprocessing.set_start_method(None, force=True)  # Python's own, not that of the server
    file = os.open(output, os.O_WRONLY | os.O_CREAT)
    for stream in (1, 2): os.dup2(file, stream)
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, closefd=False)
    faulthandler.register(signal.SIGUSR1, 2)
    sys.path[:] = [str(root), *(path for path in sys.path if Path(path).resolve() not in (root, root / "tests", root / "tools"))]
    function(*arguments)


def start_fresh(function, *arguments, output):
    "Call a function of a test in a process that leads a session; what it says goes to the file `output`"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(preloaded)
    process = context.Process(target=_begin, args=(function, arguments, output))
    process.start()
    return process


def _ask_where(session):
    "Every process of the session writes the stack of its threads, one after the other"
    listed = subprocess.run(["ps", "-o", "pid=", "--sid", str(session)], capture_output=True, text=True).stdout
    for pid in map(int, listed.split()):
        with contextlib.suppress(ProcessLookupError): os.kill(pid, signal.SIGUSR1)
        time.sleep(0.5)


def run_fresh(function, *arguments, timeout=600):
    """Call a function in a process of its own; return (exit status, stdout and stderr together).

    After `timeout` seconds it says where each of its threads was. It and the processes of its session are ended."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        process = start_fresh(function, *arguments, output=output)
        process.join(timeout)
        late = process.is_alive()
        if late: _ask_where(process.pid)
        with contextlib.suppress(ProcessLookupError): os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
        said = output.read_text(errors="replace") if output.exists() else ""
        return (124, f"{said}\nstopped after {timeout} s") if late else (process.exitcode, said)


def run_notebook(notebook, flags=""):
    "What the command nbdev-test does with one notebook"
    sys.argv = ["nbdev-test", str(notebook)]
    from nbdev.test import nbdev_test
    nbdev_test(str(notebook), flags=flags, n_workers=0)

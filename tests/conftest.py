"""What every test shares: thread caps, the options, one folder for what runs leave behind, and the count of cells on real faces.

    .venv/bin/pytest                    everything, one after the other
    .venv/bin/pytest -n 2               two at a time, as `make test` does
    .venv/bin/pytest -k contract -x     the tests with this in their name, up to the first failure
    .venv/bin/pytest -m reproduce       every reproduction notebook at smoke scale, and as it is stored
"""
import os
import sys
from pathlib import Path

import pytest

root = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(root / "tools"), str(root / "tests")]

# One optimiser thread per process: kernels that oversubscribe two cores are many times slower.
os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", TQDM_DISABLE="1",
                  JUPYTER_PREFER_ENV_PATH="1", PYTHONPATH=str(root))


def pytest_collection_modifyitems(config, items):
    "Reproductions run when they are asked for"
    if "reproduce" in config.getoption("-m"): return
    asked = [item for item in items if "reproduce" in item.keywords]
    items[:] = [item for item in items if "reproduce" not in item.keywords]
    if asked: config.hook.pytest_deselected(items=asked)


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    "A folder of this session"
    return tmp_path_factory.mktemp("topofr_nb")


together = {"test_browser.py": "browser", "test_try_it.py": "browser", "test_clean.py": "clean", "test_docs.py": "docs",
            "test_processes.py": "processes", "test_wheel.py": "wheel"}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of these files stay in one worker, which makes what they share once; others go where there is room.

    xdist's own groups say so by changing a test's name, which pytest 9.2 no longer lets it do (pytest-xdist, issue 1386)."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid): return together.get(Path(nodeid.split("::")[0]).name, nodeid)
    return Together(config, log)


def pytest_terminal_summary(terminalreporter):
    "How many cells looked at real faces"
    cells = [value for report in terminalreporter.stats.get("passed", []) for name, value in report.user_properties
             if name == "real cells"]
    if cells: terminalreporter.write_line(f"real faces: {sum(cells)} cells in {len(cells)} notebooks ran")

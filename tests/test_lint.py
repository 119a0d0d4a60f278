"The exported code, the tests and the tools are free of what ruff finds."
from checkout import run, tools


def test_ruff():
    status, out = run(tools / "ruff", "check", "--no-cache", "--output-format", "concise", "topofr_nb", "tests", "tools", "setup.py")
    assert status == 0, out

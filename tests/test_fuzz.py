"Damaged records and verification sets: an error in one line or a result; no crash, no hang, no code run."
from checkout import root, run, tools


def test_fuzz():
    "2,000 damaged inputs (make fuzz: 100,000)"
    status, out = run(tools / "python", root / "tests" / "fuzz.py", "--inputs", "1000", timeout=420)
    assert status == 0, out

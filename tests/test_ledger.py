"""The ledger of runs under attack: two writers at once, a writer that is killed in the middle, half a line."""
import os
import signal
import subprocess
import sys
from dataclasses import replace

from topofr_nb.report.ledger import Ledger, Row
from topofr_nb.report.verdicts import read_claims

row = Row("tiny-x-0", {"method": "arcface"}, 0, {"tar@0.001": 0.5}, {"loss": [2.0, 1.0]}, None, 1.0, "a machine", "cpu", 1,
          {"torch": "2"}, "2026-01-01 00:00:00", "tiny-x-00000000")
program = """
import sys
from dataclasses import replace
from pathlib import Path
from topofr_nb.report.ledger import Ledger, Row
row = Row.read(Path(sys.argv[2]).read_text())
for i in range(int(sys.argv[3]), int(sys.argv[4])):
    Ledger(sys.argv[1]).add(replace(row, id=f"tiny-x-{i}", seed=i, recipe=row.recipe | {"seed": i}))
    print(i, flush=True)
"""


def start(folder, first, last):
    command = [sys.executable, "-c", program, str(folder / "ledger"), str(folder / "row.json"), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_two_writers_and_a_killed_one(tmp_path):
    "Every row whose `add` returned is there, once, whoever was killed"
    (tmp_path / "row.json").write_text(row.line())
    writers = [start(tmp_path, 0, 30), start(tmp_path, 20, 50), start(tmp_path, 1000, 9000)]
    for line in writers[2].stdout:
        if int(line) >= 1005: break
    writers[2].send_signal(signal.SIGKILL)
    assert [writer.wait(120) for writer in writers] == [0, 0, -signal.SIGKILL]
    ledger = Ledger(tmp_path / "ledger")
    assert {found.seed for found in ledger.rows().values()} >= {*range(50), *range(1000, 1006)}
    assert len(ledger.problems) <= 1, "only the line that was being written may be half"


def test_half_a_line_is_named_and_nothing_is_lost(tmp_path):
    "Cut at every place, the last line is whole or named; what comes next stands on a line of its own"
    whole, second = row.line(), replace(row, id="tiny-x-1", seconds=2.0)
    for cut in range(1, len(whole), 37):
        ledger = Ledger(tmp_path / str(cut))
        ledger.folder.mkdir()
        ledger.path.write_text(whole + replace(row, id="tiny-x-2").line()[:cut])
        ledger.add(second)
        assert set(ledger.rows()) == {"tiny-x-0", "tiny-x-1"} and len(ledger.problems) == 1
        assert "line 2" in ledger.problems[0] and "does not count" in ledger.problems[0]


def test_every_claim_names_what_exists():
    "A claim that names an unknown variant, measure or gate does not load"
    claims = read_claims()
    assert len(claims) >= 70 and {claim.paper for claim in claims} == {"topofr", "unpg", "gif", "beyond"}

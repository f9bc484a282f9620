"""The battery in its quick size: every row, and the command that runs them."""

import sys

import pytest

from tests.battery import frame
from tests.battery.__main__ import main
from tests.battery.frame import ROOT, Case, Row
from tests.battery.mutation import FILES
from tests.battery.rows import ROWS


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"row {row.number}")
def test_quick_cases_pass(row):
    outcome = frame.run(row, quick=True)
    assert not outcome.failures
    assert outcome.cases or outcome.skipped


def test_rows_are_numbered_once():
    numbers = [row.number for row in ROWS]
    assert numbers == sorted(set(numbers))


def test_what_is_mutated_and_its_tests_are_there():
    files = [ROOT / "ehf_num" / f"{name}.py" for name in FILES]
    tests = [ROOT / "tests" / "num" / f"{test}.py" for names in FILES.values() for test in names]
    assert [path for path in (*files, *tests) if not path.exists()] == []


def forever():
    while True:
        pass


def failing(quick):
    yield Case("good", lambda: "a note")
    yield Case("bad", lambda: frame.require(False, "it is bad"))
    yield Case("slow", forever)
    yield Case("good again", lambda: None)
    raise ValueError("no more")


def test_a_failure_is_told_and_stops_nothing():
    outcome = frame.run(Row(1, "of tests", failing, patience=0.2), quick=True)
    assert (outcome.cases, outcome.passed) == (5, 2)
    bad, slow, making = outcome.failures
    assert "it is bad" in bad
    assert "TimeoutError" in slow
    assert "no more" in making
    assert outcome.line().startswith("| 1 | of tests | 5 | 2 |")


def test_lines_of_rows_that_did_not_run_stay():
    page = "| 1 | old | 3 | 3 | 0 |\ntext\n| 2 | old | 4 | 4 | 0 |\n"
    lines = frame.merged(page, [frame.run(Row(2, "new", lambda quick: []), quick=True)])
    assert lines == ["| 1 | old | 3 | 3 | 0 |", "| 2 | new | 0 | 0 | 0 |"]


def test_the_command_writes_its_table(monkeypatch, tmp_path, capsys):
    copy = tmp_path / "trust.md"
    copy.write_text(frame.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(frame, "PAGE", copy)
    monkeypatch.setattr(sys.modules[main.__module__], "ROWS", [Row(99, "bad", failing, 0.2)])
    assert main(["--rows", "99", "--write"]) == 1
    assert "| 99 | bad | 5 | 2 |" in copy.read_text(encoding="utf-8")
    assert "failures: bad: AssertionError: it is bad" in capsys.readouterr().out

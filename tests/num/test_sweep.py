"""Sweeps: one law whatever the executor, nothing run twice, failures and deaths set apart."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from sweep_specs import Changing, Dying, Failing, Mute, Returning, Walk

import ehf_num as en
from ehf_num.records import RecordError, record_path
from ehf_sym.errors import ArgumentError


def same(left, right) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k]) for k in left)


def test_results_do_not_depend_on_the_executor():
    specs = [Walk(seed) for seed in range(4)]
    expected = [spec.run() for spec in specs]
    with ThreadPoolExecutor(2) as threads:
        on_threads = en.sweep(specs, threads, progress=False)
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        on_processes = en.sweep(specs, processes, progress=False)
    by_default = en.sweep(specs, progress=False)
    for outcomes in (on_threads, on_processes, by_default):
        assert [outcome.spec for outcome in outcomes] == specs
        assert all(same(o.values, e) for o, e in zip(outcomes, expected, strict=True))


def test_a_failure_is_reported_and_stops_no_other(tmp_path):
    with ThreadPoolExecutor(1) as executor:
        outcomes = en.sweep(
            [Failing("out of luck"), Walk(1)], executor, folder=tmp_path, progress=False
        )
    failed, fine = outcomes
    assert not failed.ended_well
    assert "ValueError: out of luck" in failed.error
    assert "sweep_specs.py" in failed.error
    assert fine.ended_well
    assert len(list(tmp_path.iterdir())) == 1  # failures are run again


def test_a_record_is_read_and_not_run_again(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    specs = [Walk(seed, marks=str(marks)) for seed in (0, 1, 0)]
    with ThreadPoolExecutor(2) as executor:
        first = en.sweep(specs, executor, folder=tmp_path / "records", progress=False)
        again = en.sweep(specs, executor, folder=tmp_path / "records", progress=False)
    assert len(list(marks.iterdir())) == 2
    assert not any(outcome.reused for outcome in first)
    assert all(outcome.reused for outcome in again)
    assert all(same(a.values, b.values) for a, b in zip(first, again, strict=True))


def test_a_killed_sweep_continues(tmp_path):
    marks, records = tmp_path / "marks", tmp_path / "records"
    marks.mkdir()
    code = (
        "import sys\n"
        "import ehf_num as en\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from sweep_specs import Walk\n"
        f"specs = [Walk(seed, marks={str(marks)!r}, pause=0.3) for seed in range(6)]\n"
        f"en.sweep(specs, ThreadPoolExecutor(1), folder={str(records)!r}, progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parent)
    deadline = time.monotonic() + 60
    while len(list(records.glob("*.npz"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    ended = len(list(records.glob("*.npz")))
    assert 2 <= ended < 6
    specs = [Walk(seed, marks=str(marks), pause=0.3) for seed in range(6)]
    with ThreadPoolExecutor(6) as executor:
        outcomes = en.sweep(specs, executor, folder=records, progress=False)
    assert sum(outcome.reused for outcome in outcomes) == ended
    assert all(
        outcome.values["end"] == Walk(o.spec.seed).run()["end"]
        for o, outcome in zip(outcomes, outcomes, strict=True)
    )


def test_a_process_that_dies_is_replaced(tmp_path):
    once, ever = tmp_path / "once", tmp_path / "ever"
    once.mkdir()
    ever.mkdir()
    specs = [Dying(1, str(once)), Dying(100, str(ever)), *(Walk(seed) for seed in range(3))]
    survivor, dead, *walks = en.sweep(specs, progress=False)
    assert survivor.values == {"survived": True}
    assert "BrokenProcessPool" in dead.error
    assert len(list(ever.iterdir())) == 3
    assert all(walk.ended_well for walk in walks)


@pytest.mark.parametrize("bad", [Mute(), Changing(), "walk", Walk, Walk(seed=np.int64(1)), 3])
def test_what_cannot_be_swept_is_refused_before_anything_runs(bad, tmp_path):
    with pytest.raises(ArgumentError, match="spec"):
        en.sweep([Walk(0, marks=str(tmp_path)), bad], progress=False)
    assert not list(tmp_path.iterdir())


def test_values_that_no_record_holds_are_refused(tmp_path):
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(ArgumentError, match="thing was an array of dtype object"),
    ):
        en.sweep([Returning()], executor, folder=tmp_path, progress=False)


def test_a_damaged_record_is_not_taken_for_a_result(tmp_path):
    spec = Walk(3)
    with ThreadPoolExecutor(1) as executor:
        en.sweep([spec], executor, folder=tmp_path, progress=False)
        path = record_path(tmp_path, spec)
        whole = path.read_bytes()
        for length in range(0, len(whole), 97):
            path.write_bytes(whole[:length])
            with pytest.raises(RecordError, match="damaged"):
                en.sweep([spec], executor, folder=tmp_path, progress=False)
        record_path(tmp_path, Walk(4)).write_bytes(whole)
        with pytest.raises(RecordError, match="is the record of"):
            en.sweep([Walk(4)], executor, folder=tmp_path, progress=False)


def test_nothing_to_run():
    assert en.sweep([]) == ()

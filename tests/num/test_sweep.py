"""Sweeps: one law whatever the executor, nothing run twice, failures and deaths set apart."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from sweep_specs import Changing, Dying, Failing, Mute, Returning, Training, Walk

import ehf_num as en
from ehf_num.reproduce.records import RecordError, record_path
from ehf_sym.errors import ArgumentError


def same(left, right) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k]) for k in left)


@pytest.mark.parametrize(
    "specs",
    [
        [Walk(seed) for seed in range(4)],
        [Training(how, seed) for how in ("penalty", "exact") for seed in (0, 1)],
    ],
    ids=["walks", "trainings"],
)
def test_results_do_not_depend_on_the_executor(specs):
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


def alive(pid: int) -> bool:
    """Whether a process runs; one that only its parent has not yet buried does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def children(process):
    found = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/children")]
    return {int(child) for text in found for child in text.split()}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("executor", ["None", "ThreadPoolExecutor(2)"])
def test_a_killed_sweep_continues_and_repeats_nothing_that_had_ended(tmp_path, executor):
    marks, records = tmp_path / "marks", tmp_path / "records"
    marks.mkdir()
    specs = [Walk(seed, marks=str(marks), pause=0.15) for seed in range(12)]
    script = tmp_path / "script.py"
    script.write_text(
        "import ehf_num as en\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from sweep_specs import Walk\n"
        "if __name__ == '__main__':\n"
        f"    specs = [Walk(k, marks={str(marks)!r}, pause=0.15) for k in range(12)]\n"
        f"    en.sweep(specs, {executor}, folder={str(records)!r}, progress=False)\n",
        encoding="utf-8",
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    random = np.random.default_rng()
    for _ in range(2):
        begun = len(list(marks.iterdir()))
        process = subprocess.Popen(
            [sys.executable, script], env=environment, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while len(list(marks.iterdir())) == begun and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(random.uniform(0.0, 0.8))
        process.send_signal(signal.SIGSTOP)
        workers = children(process.pid)  # one that has only begun to import leaves no mark yet
        process.send_signal(signal.SIGKILL)
        process.wait()
        while any(map(alive, workers)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not any(map(alive, workers))
    ended = {spec for spec in specs if record_path(records, spec).exists()}
    before = {mark.name for mark in marks.iterdir()}
    with ThreadPoolExecutor(6) as threads:
        outcomes = en.sweep(specs, threads, folder=records, progress=False)
    assert {outcome.spec for outcome in outcomes if outcome.reused} == ended
    assert all(same(outcome.values, Walk(outcome.spec.seed).run()) for outcome in outcomes)
    again = [int(m.name.split("-")[0]) for m in marks.iterdir() if m.name not in before]
    assert sorted(again) == sorted(spec.seed for spec in specs if spec not in ended)


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


def test_values_that_no_record_holds_are_a_failure(tmp_path):
    with ThreadPoolExecutor(1) as executor:
        bad, fine = en.sweep([Returning(), Walk(0)], executor, folder=tmp_path, progress=False)
    assert not bad.ended_well
    assert "thing was an array of dtype object" in bad.error
    assert fine.ended_well


def test_what_an_executor_does_not_run_is_a_failure():
    class Losing(ThreadPoolExecutor):
        """Takes one run, and loses it."""

        def submit(self, *arguments):
            if self._shutdown:
                raise RuntimeError("no more")
            self.shutdown()
            lost = Future()
            lost.cancel()
            lost.set_running_or_notify_cancel()
            return lost

    lost, refused = en.sweep([Walk(0), Walk(1)], Losing(1), progress=False)
    assert "CancelledError" in lost.error
    assert "no more" in refused.error


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


@pytest.mark.parametrize("bad", [None, 3, Walk(0), Walk])
def test_specs_that_are_no_iterable_are_refused(bad):
    with pytest.raises(ArgumentError, match=r"^specs was .*; it should be an iterable"):
        en.sweep(bad, progress=False)


@pytest.mark.parametrize(
    ("name", "bad", "wanted"),
    [
        ("executor", 3, "concurrent.futures.Executor"),
        ("executor", ThreadPoolExecutor, "concurrent.futures.Executor"),
        ("folder", 3, "path of a folder"),
        ("progress", "no", "one of None, True, False"),
    ],
)
def test_other_arguments_are_checked_before_anything_runs(name, bad, wanted, tmp_path):
    with pytest.raises(ArgumentError, match=rf"^{name} was .*; it should be .*{wanted}"):
        en.sweep([Walk(0, marks=str(tmp_path))], **{"progress": False, name: bad})
    assert not list(tmp_path.iterdir())

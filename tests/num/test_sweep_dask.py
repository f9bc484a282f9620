"""Sweeps on Dask: a local cluster of two worker processes, one of which is killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from sweep_specs import Dying, Failing, Training, Walk

import ehf_num as en
from ehf_num.cli import main
from ehf_num.reproduce.efficiency import study as data_efficiency
from ehf_sym.errors import ArgumentError

pytest.importorskip("distributed")
from distributed import Client

PATIENCE = 90.0


def await_(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


@contextmanager
def cluster(folder, workers, *options):
    """A scheduler and workers, each a process; yields the address and the workers."""
    found = folder / "scheduler.json"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
        "DASK_DISTRIBUTED__ADMIN__TICK__LIMIT": "1h",  # a loaded machine is no news
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",  # 3 unless said otherwise
    }

    def start(name, *arguments):
        command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *arguments]
        with (folder / f"{name}-{len(started)}.log").open("w") as log:
            started.append(
                subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
            )

    started: list[subprocess.Popen] = []
    place = ("--host", "127.0.0.1", "--no-dashboard")
    try:
        start("scheduler", *place, "--port", "0", "--scheduler-file", str(found))
        await_(found.exists, "the scheduler")
        for _ in range(workers):
            start("worker", *place, "--scheduler-file", str(found), "--nthreads", "1", *options)
        with Client(scheduler_file=str(found), set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=PATIENCE)
            address = client.scheduler.address
        yield address, started[1:]
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster"), 2, "--no-nanny") as (found, _):
        yield found


def same(left, right):
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k]) for k in left)


def test_results_are_those_of_serial_runs(address):
    specs = [Walk(0), Walk(1), Training("penalty", 0), Training("exact", 1)]
    with en.executor_at(address) as executor:
        outcomes = en.sweep(specs, executor, progress=False)
    assert [outcome.spec for outcome in outcomes] == specs
    assert all(same(outcome.values, outcome.spec.run()) for outcome in outcomes)


def test_a_failure_comes_with_its_traceback_and_stops_no_other(address):
    with en.executor_at(address) as executor:
        failed, fine = en.sweep([Failing("out of luck"), Walk(1)], executor, progress=False)
    assert "ValueError: out of luck" in failed.error
    assert "sweep_specs.py" in failed.error
    assert fine.ended_well


def test_what_failed_runs_again_when_asked_again(address, tmp_path):
    spec = Walk(5, marks=str(tmp_path / "marks"))
    with en.executor_at(address) as executor:
        (first,) = en.sweep([spec], executor, progress=False)
        assert "FileNotFoundError" in first.error
        (tmp_path / "marks").mkdir()
        (second,) = en.sweep([spec], executor, progress=False)
    assert second.ended_well


def test_a_killed_worker_s_runs_go_to_the_other(tmp_path):
    marks, records = tmp_path / "marks", tmp_path / "records"
    marks.mkdir()
    specs = [Walk(seed, marks=str(marks), pause=0.3) for seed in range(12)]
    with cluster(tmp_path, 2, "--no-nanny") as (address, (victim, _)):

        def kill():
            await_(lambda: list(marks.glob(f"*-{victim.pid}-*")), "a run on the victim")
            time.sleep(0.1)
            victim.send_signal(signal.SIGKILL)

        killer = Thread(target=kill)
        killer.start()
        with en.executor_at(address) as executor:
            outcomes = en.sweep(specs, executor, folder=records, progress=False)
        killer.join()
    assert victim.returncode == -signal.SIGKILL
    assert all(same(outcome.values, Walk(outcome.spec.seed).run()) for outcome in outcomes)
    assert len(list(records.iterdir())) == len(specs)
    assert len(list(marks.iterdir())) > len(specs)  # what the victim was at was run once more


def test_a_run_that_kills_every_worker_fails_alone(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    specs = [Dying(100, str(marks)), *(Walk(seed) for seed in range(3))]
    with (
        cluster(tmp_path, 1) as (address, _),  # with a nanny, which starts a worker anew
        en.executor_at(address) as executor,
    ):
        dead, *walks = en.sweep(specs, executor, progress=False)
    assert "KilledWorker" in dead.error
    assert len(list(marks.iterdir())) == 2
    assert all(walk.ended_well for walk in walks)


@pytest.mark.parametrize("bad", ["somewhere", "nope://x:1", "tcp://127.0.0.1", ""])
def test_what_is_no_address_is_refused(bad):
    with pytest.raises(ArgumentError, match="address was"), en.executor_at(bad):
        pass


def test_nobody_there():
    with (
        pytest.raises(OSError, match=r"127\.0\.0\.1:1"),
        en.executor_at("tcp://127.0.0.1:1", timeout=1),
    ):
        pass


def test_the_command_takes_a_study_to_the_cluster(address, tmp_path, monkeypatch, capsys):
    """The study's own runs, of which there are none shorter than some seconds, are not needed."""
    seen = []

    def study(settings, folder, executor=None, *, command):
        seen.append([o.values["seed"] for o in en.sweep([Walk(3)], executor, progress=False)])
        return type(executor).__name__

    monkeypatch.setattr(data_efficiency, "run", study)
    command = ["reproduce", "data-efficiency", "--out", str(tmp_path), "--dask", address]
    assert main(command) == 0
    assert "ClientExecutor" in capsys.readouterr().out
    assert seen == [[3]]
    assert main([*command[:-1], "nowhere"]) == 3
    assert "address was 'nowhere'" in capsys.readouterr().err

"""Limits end work that does not ask about them: nested, in threads, beside profilers."""

import contextlib
import cProfile
import os
import subprocess
import sys
import threading
import time

import pytest

from ehf_sym import clock
from ehf_sym.clock import attempted, check_time, interrupted, time_limit


def endless():
    while True:
        abs(-1)


def test_limits_nest():
    """The inner one ends the inner work, the outer one everything."""

    def work(seconds):
        return attempted(endless, seconds), "done"

    assert attempted(lambda: work(0.05), 60) == (None, "done")
    assert attempted(lambda: work(60), 0.05) is None
    with time_limit(0.05), pytest.raises(clock.OutOfTimeError):
        attempted(endless, 60)


def test_the_nearest_limit_counts():
    def ask():
        while True:
            check_time()

    with time_limit(60), time_limit(0.02), pytest.raises(clock.OutOfTimeError):
        ask()
    check_time()


def test_it_holds_under_a_profiler():
    """Theirs goes on, and has seen the work."""
    before = sys.getprofile()
    sys.setprofile(None)
    profile = cProfile.Profile()
    try:
        assert profile.runcall(attempted, endless, 0.05) is None
    finally:
        sys.setprofile(before)
    seen = {entry.code.co_name for entry in profile.getstats() if hasattr(entry.code, "co_name")}
    assert {"attempted", "endless"} <= seen


def test_it_holds_under_a_debugger():
    before, seen = sys.gettrace(), []
    sys.settrace(lambda frame, event, argument: seen.append(frame.f_code.co_name))
    try:
        ended = attempted(endless, 0.05)
        still = sys.gettrace() is not None
    finally:
        sys.settrace(before)
    assert ended is None
    assert still
    assert "endless" in seen


@pytest.mark.parametrize(
    ("put", "get"), [(sys.setprofile, sys.getprofile), (sys.settrace, sys.gettrace)]
)
def test_it_holds_under_those_in_python_which_stay(put, get):
    """Most time passes in the watcher, which Python drops where something is raised in it."""
    before, seen = get(), set()

    def watcher(frame, event, argument):
        seen.add((event, frame.f_code.co_name))
        return watcher

    put(watcher)
    try:
        ended = [attempted(endless, 0.03) for _ in range(5)]
        still = get()
    finally:
        put(before)
    assert ended == [None] * 5
    assert still is watcher
    assert ("call", "endless") in seen


def test_it_holds_under_coverage(tmp_path):
    pytest.importorskip("coverage")
    code = "import test_clock as t; assert t.attempted(t.endless, 0.05) is None; print('ended')"
    script = tmp_path / "work.py"
    script.write_text(code)
    run = [sys.executable, "-m", "coverage", "run", f"--data-file={tmp_path / 'data'}"]
    run += ["--rcfile=", "--include=*/clock.py", str(script)]
    env = os.environ | {"PYTHONPATH": os.path.dirname(__file__)}
    done = subprocess.run(run, env=env, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "ended"
    report = [sys.executable, "-m", "coverage", "report", f"--data-file={tmp_path / 'data'}"]
    told = subprocess.run(report, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "clock.py" in told  # it has seen the work


def test_handlers_on_the_way_do_not_catch_it():
    def stubborn():
        while True:
            with contextlib.suppress(Exception):
                endless()

    assert attempted(stubborn, 0.05) is None


def test_what_a_finalizer_swallows_is_raised_again(monkeypatch):
    told, entered = [], []
    monkeypatch.setattr(clock, "_watchman", clock._Watchman())
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Slow:
        def __del__(self):
            if not entered:
                entered.append(True)
                endless()

    def work():
        Slow()
        endless()

    assert attempted(work, 0.05) is None
    assert (entered, told) == ([True], [])


def test_what_others_leave_unraised_is_told(monkeypatch):
    told = []
    monkeypatch.setattr(clock, "_watchman", clock._Watchman())
    monkeypatch.setattr(sys, "unraisablehook", told.append)

    class Wrong:
        def __del__(self):
            raise KeyError("of a user's")

    assert attempted(lambda: Wrong() and None, 60) is None
    assert [each.exc_type for each in told] == [KeyError]


def test_nothing_is_raised_after_the_work():
    """Work that ends when its limit does, over and over: what follows is left alone."""
    ended = []
    for k in range(60):
        seconds = 0.001 * (1 + k % 50)

        def work(until):
            while time.monotonic() < until:
                abs(-1)
            return "done"

        ended.append(attempted(lambda s=seconds: work(time.monotonic() + s), 0.02))
        until = time.monotonic() + 0.003
        while time.monotonic() < until:
            abs(-1)
    assert set(ended) == {None, "done"}
    time.sleep(3 * clock._TICK)


def test_each_thread_has_its_own():
    results = {}

    def run(name, seconds, work):
        results[name] = attempted(work, seconds)

    def finite():
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            abs(-1)
        return "done"

    threads = [
        threading.Thread(target=run, args=(k, 0.05 if k % 2 else 60, endless if k % 2 else finite))
        for k in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {0: "done", 1: None, 2: "done", 3: None}


def test_errors_of_the_work_are_its_own():
    with time_limit(60), pytest.raises(ZeroDivisionError):
        interrupted(lambda: 1 / 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_its_own_watchman():
    assert attempted(endless, 0.05) is None
    child = os.fork()
    if child == 0:
        os._exit(0 if attempted(endless, 0.05) is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

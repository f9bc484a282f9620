"""Bars: where there is somebody to see them, and of what takes long."""

import os
import subprocess
import sys
import textwrap
import time

import pytest
from tqdm.auto import tqdm

import ehf_num as en
import ehf_sym as es
from ehf_num.training import progress


@pytest.fixture
def terminal(monkeypatch):
    """Say that there is a terminal, and that anything takes long."""
    monkeypatch.setattr(progress, "is_shown", lambda wanted=None: wanted is not False)
    monkeypatch.setattr(progress, "_PATIENCE", 0.0)


@pytest.fixture(scope="module")
def flow():
    base = es.StandardNormal(es.PhaseSpace(2))
    return en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(4,), rng=0)


ASKED = {
    "likelihood": lambda flow, x: flow.likelihood(x, n_samples=100),
    "quadrature": lambda flow, x: flow.likelihood(x, method="quadrature"),
    "elbo": lambda flow, x: flow.elbo(x),
    "log_prob": lambda flow, x: flow.log_prob(x),
    "sample": lambda flow, _: flow.sample(10, rng=0),
    "momenta": lambda flow, _: flow.sample(10, rng=0, return_momenta=True),
    "diagnose": lambda flow, x: flow.diagnose(x, n_samples=25),
}


@pytest.mark.filterwarnings("ignore::ehf_num.inference.estimate.LikelihoodWarning")
@pytest.mark.parametrize("question", ASKED)
def test_what_may_take_long_shows_a_bar_on_a_terminal(question, flow, terminal, capsys):
    ASKED[question](flow, en.rings().sample(20, rng=0))
    assert "/s" in capsys.readouterr().err


def test_nothing_is_shown_where_nobody_looks(flow, capsys):
    for ask in ASKED.values():
        ask(flow, en.rings().sample(5, rng=0))
    flow.fit(en.rings().sample(9, rng=0), iterations=2)
    assert capsys.readouterr().err == ""


def test_a_bar_waits(monkeypatch, capsys):
    monkeypatch.setattr(progress, "is_shown", lambda wanted=None: True)
    assert list(progress.watched(range(3), 3, "it")) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "_PATIENCE", 0.05)
    for _ in progress.watched(range(3), 3, "it"):
        time.sleep(0.1)
    assert "it/s" in capsys.readouterr().err


def test_the_bar_of_a_notebook_is_a_widget(monkeypatch):
    assert not progress.is_shown()

    class Widget(tqdm):
        __module__ = "tqdm.notebook"

    monkeypatch.setattr(progress, "tqdm", Widget)
    assert progress.is_shown()
    assert not progress.is_shown(False)


def test_a_terminal_is_known():
    """In a process of its own, whose standard error is a terminal."""
    pty = pytest.importorskip("pty")
    main, other = pty.openpty()
    code = textwrap.dedent("""
        from ehf_num.training import progress
        print(progress.is_shown(), progress.is_shown(False))
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=other, stdout=subprocess.PIPE, text=True, check=True
    )
    os.close(main)
    os.close(other)
    assert done.stdout.split() == ["True", "False"]

"""The experiments end to end, small: a table with every row and pictures with every panel."""

from functools import partial

import numpy as np
import pytest
from matplotlib.image import imread

import ehf_num as en
from ehf_num.cli import main
from ehf_num.reproduce.chapter import chapters_in
from ehf_num.reproduce.common import centered, mean_and_spread
from ehf_num.reproduce.paper import fig2b, multimodal, so2
from ehf_num.reproduce.paper.circle_runs import Budget, CircleRun


def test_so2_writes_table_and_figures(tmp_path):
    settings = so2.Settings(iterations=4, test_points=50, progress=False)
    shown = so2.run(settings, tmp_path)
    assert (tmp_path / "so2.txt").read_text().strip() == shown
    rows = [line.split() for line in shown.splitlines()]
    assert [row[0] for row in rows[1:4]] == ["no", "penalty,", "exact"]
    for name, ink in (("so2.png", 0.1), ("so2_constraint.png", 0.05)):
        assert imread(tmp_path / name).std() > ink


def test_so2_outcomes_are_those_of_the_model():
    settings = so2.Settings(iterations=3, points=20, test_points=30, progress=False)
    exact = so2.train_one("exact", 5, settings)
    assert exact.flow.construction.proved
    assert exact.squared_bracket < 1e-6
    q = en.rings().sample(20, rng=0).astype("float32")
    assert np.ptp(exact.flow.flow.hamiltonians[0].potential(q)) > 1e-3  # there is an energy to draw
    outcome = so2.train_one("penalty", 5, settings)
    assert outcome.flow.settings.enforce == "penalty"
    assert outcome.flow.result_.seed == 5
    again = so2.train_one("penalty", 5, settings)
    assert (again.train, again.test) == (outcome.train, outcome.test)
    text = so2.chapter([outcome, again], settings).as_text()
    assert f"{outcome.test:.3f} ± 0.000" in text
    truth = en.rings().log_prob(en.rings().sample(30, rng=20_190_913)).mean()
    assert outcome.divergence == pytest.approx(truth - outcome.test)


def test_full_settings_are_those_that_the_design_names():
    assert so2.FULL.iterations == 15_000
    assert so2.FULL.seeds >= 3
    assert so2.FULL.kappa == 1e-3
    assert multimodal.FULL.iterations == 12_000
    assert set(multimodal.FULL.runs()) == set(fig2b.Settings(bases=("soft-uniform",)).runs())
    assert set(multimodal.Settings().runs()) < set(multimodal.FULL.runs())


def test_reproduce_multimodal_from_the_command_line(tmp_path, capsys, monkeypatch):
    """Its runs are those of fig2b, which takes them from their records."""
    monkeypatch.setattr(multimodal, "Settings", partial(multimodal.Settings, modes=(3,)))
    small = Budget(test_points=20, draws=2, samples=50, moving=5)
    monkeypatch.setattr(fig2b, "Budget", lambda: small)
    out = tmp_path / "deep" / "out"
    common = ["--iterations", "2", "--no-progress", "--out", str(out)]
    assert main(["reproduce", "multimodal", *common]) == 0
    assert "2 iterations" in capsys.readouterr().out
    assert imread(out / "multimodal_soft_uniform.png").std() > 0.1
    monkeypatch.setattr(CircleRun, "run", lambda self: 1 / 0)
    assert main(["reproduce", "fig2b", "--modes", "3", "--bases", "soft-uniform", *common]) == 0
    ours, paper = (chapters_in(out)[name] for name in ("multimodal", "fig2b"))
    assert ours.tables == paper.tables
    assert [row[:4] for row in ours.tables[1].rows[1:]] == [("soft-uniform", "5", "1", "3")]


def test_a_mean_has_its_spread():
    assert mean_and_spread([2.0]) == "2.000"
    assert mean_and_spread([1.0, 3.0]) == "2.000 ± 1.414"


def test_centered_energy_has_its_least_value_at_zero():
    values = centered(lambda x: x[:, 0] ** 2 + 5)(np.array([[1.0], [2.0]]))
    assert values == pytest.approx([0.0, 3.0])

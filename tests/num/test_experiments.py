"""The experiments end to end, small: a table with every row and pictures with every panel."""

import numpy as np
import pytest
from matplotlib.image import imread

from ehf_num.cli import main
from ehf_num.experiments import multimodal, so2
from ehf_num.experiments.common import aligned, centered, mean_and_spread


def test_so2_writes_table_and_figures(tmp_path):
    settings = so2.Settings(iterations=4, test_points=50, progress=False)
    shown = so2.run(settings, tmp_path)
    assert (tmp_path / "so2.txt").read_text().strip() == shown
    rows = [line.split() for line in shown.splitlines()]
    assert [row[:2] for row in rows[1:5]] == [
        ["100", "points"], ["100", "points"], ["endless", "none"], ["endless", "0.001"]
    ]  # fmt: skip
    for name in ("so2.png", "so2_constraint.png"):
        assert imread(tmp_path / name).std() > 0.1


def test_so2_outcomes_are_those_of_the_model():
    settings = so2.Settings(iterations=3, points=20, test_points=30, progress=False)
    outcome = so2.train_one("finite", "penalty", 5, settings)
    assert outcome.flow.settings.enforce == "penalty"
    assert outcome.flow.result_.seed == 5
    again = so2.train_one("finite", "penalty", 5, settings)
    assert (again.train, again.test) == (outcome.train, outcome.test)
    text = so2.chapter([outcome, again], settings).as_text()
    assert f"{outcome.test:.3f} ± 0.000" in text


def test_full_settings_are_those_that_the_design_names():
    assert so2.FULL.iterations == 15_000
    assert so2.FULL.seeds >= 3
    assert so2.FULL.kappa == 1e-3
    assert multimodal.FULL.iterations == 12_000


def test_reproduce_multimodal_from_the_command_line(tmp_path, capsys, monkeypatch):
    small = multimodal.Settings(modes=(3,), test_points=40)
    monkeypatch.setattr(multimodal, "Settings", lambda: small)
    arguments = ["reproduce", "multimodal", "--iterations", "2", "--no-progress"]
    assert main([*arguments, "--out", str(tmp_path / "deep" / "out")]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[1].split()[0] == "3"
    assert "2 iterations" in shown
    assert imread(tmp_path / "deep" / "out" / "multimodal.png").std() > 0.1


def test_displacement_of_the_whole_flow_is_that_of_the_model():
    settings = multimodal.Settings(modes=(3,), iterations=2, test_points=5, progress=False)
    flow = multimodal.train_one(3, settings).flow
    q = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    moved = multimodal.Displacement(flow, 2)(q)
    np.testing.assert_array_equal(moved, flow.forward(q, np.zeros_like(q))[0] - q)


def test_tables_line_up():
    assert aligned([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc  d"
    assert mean_and_spread([2.0]) == "2.000"
    assert mean_and_spread([1.0, 3.0]) == "2.000 ± 1.414"


def test_centered_energy_has_its_least_value_at_zero():
    values = centered(lambda x: x[:, 0] ** 2 + 5)(np.array([[1.0], [2.0]]))
    assert values == pytest.approx([0.0, 3.0])

"""The studies of molecules: what is measured against closed forms, the peers, and end to end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy import stats

import ehf_num as en
from ehf_num.cli import main
from ehf_num.reproduce.chapter import Chapter
from ehf_num.reproduce.efficiency.contender import Budget, Learned, Split
from ehf_num.reproduce.molecules import lj13, runs, study
from ehf_num.reproduce.molecules.pictures import STYLES
from ehf_num.reproduce.molecules.problems import PROBLEMS, ParticleProblem
from ehf_num.reproduce.molecules.runs import BUDGETS, CONTENDERS, FLOOR_WALKERS, Floor, Run
from ehf_num.reproduce.molecules.window_flows import WindowContender
from ehf_sym.errors import ArgumentError

# PyTorch's own, of a script that its forward mode imports.
scripted = pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
TINY = Budget(iterations=4, patience=6, test_points=40, draws=4)
PAIR = ParticleProblem(en.DoubleWell(2, 2), 2.0, (0.5, 1.0))


@pytest.fixture(autouse=True)
def threads_as_before():
    yield
    en.set_threads(None)


@pytest.fixture
def pair(monkeypatch):
    monkeypatch.setitem(PROBLEMS, "dw4", PAIR)


@dataclass(frozen=True)
class Normal:
    """A normal density, learned from nothing."""

    width: float

    def learn(self, problem, split, budget, seed):
        law = stats.multivariate_normal(np.zeros(problem.dim), self.width**2)

        def sample(n, seed):
            x = law.rvs(n, random_state=seed)
            return x, law.logpdf(x)

        return Learned(lambda x, _: law.logpdf(x), 7, 5, "iterations", 0.25, 3, sample=sample)


@dataclass(frozen=True)
class Truth:
    """e^{−U}/Z itself, with a Z that is known."""

    log_z: float

    def learn(self, problem, split, budget, seed):
        def log_prob(x, _):
            return -problem.energy.value(x) - self.log_z

        def sample(n, seed):
            x = problem.points(n, seed)
            return x, log_prob(x, 1)

        return Learned(log_prob, 7, 5, "iterations", 0.25, 3, sample=sample)


@dataclass(frozen=True)
class Failing:
    """Ends every run with an error."""

    def learn(self, problem, split, budget, seed):
        raise RuntimeError("out of luck")


# What contenders are given, and what is measured


@pytest.mark.parametrize("name", ["dw4", "lj13-2"])
def test_moved_points_have_the_same_energy_and_are_elsewhere(name):
    problem, rng = PROBLEMS[name], np.random.default_rng(0)
    x = 2 * rng.standard_normal((50, problem.dim))
    moved = problem.mover()(x, rng)
    np.testing.assert_allclose(problem.energy.value(moved), problem.energy.value(x), rtol=1e-9)
    assert np.linalg.norm(moved - x, axis=1).min() > 1e-6
    distances = problem.energy.distances
    assert not np.allclose(distances(moved), distances(x))  # in another order


def test_points_are_a_recipe():
    first = PAIR.points(20, 3)
    np.testing.assert_array_equal(first, PAIR.points(20, 3))
    assert not np.isclose(first, PAIR.points(20, 4)).any()
    assert "virial" in PAIR.checks(20, 3)


def test_a_normal_model_scores_what_its_formula_says(pair):
    values = Run("dw4", 50, Normal(3.0), 0, replace(TINY, test_points=2_000)).run()
    test = PAIR.points(2_000, 20_190_913)
    expected = np.log(2 * np.pi * 9.0) + (test**2).sum(axis=1).mean() / 18.0
    assert values["nll"] == pytest.approx(expected)
    exact = PAIR.floor(500, 0)
    assert values["log_z"] == pytest.approx(exact.log_z, abs=0.1)
    assert 0.01 < values["ess"] < 0.9
    assert values["nll"] > exact.entropy


def test_the_truth_is_at_the_floor_and_has_equal_weights(pair):
    floor = Floor("dw4", 1_000).run()
    truth = Truth(floor["log_z"])
    values = Run("dw4", 50, truth, 0, replace(TINY, test_points=1_000)).run()
    assert values["ess"] == pytest.approx(1)
    assert values["log_z"] == pytest.approx(floor["log_z"])
    assert values["excess"] == pytest.approx(floor["log_z"])
    error = np.hypot(values["nll_error"], floor["entropy_error"])
    assert abs(values["nll"] - floor["entropy"]) < 4 * error
    for what in ("distance", "energy"):
        density, edges = values[f"{what}_density"], values[f"{what}_edges"]
        assert 0.9 < (density * np.diff(edges)).sum() <= 1


def test_patience_counts_iterations():
    ours = WindowContender(
        1,
        hidden=(8,),
        site_hidden=(8,),
        gaussians=2,
        draws=1,
        precision="scalar",
        learning_rate=0.1,
    )
    budget = replace(TINY, iterations=900, patience=20, schedule="constant", batch_size=16)
    learned = ours.learn(PAIR, Split.of(PAIR.points(20, 1)), budget, 0)
    assert learned.stop_reason == "early_stopping"
    assert learned.iterations == learned.best + 20


# The peers


def learned_by(contender, problem, iterations, points=200):
    split = Split.of(problem.points(points, 1))
    return contender.learn(problem, split, replace(TINY, iterations=iterations, patience=300), 0)


@scripted
@pytest.mark.parametrize("name", ["spline-moved", "graph-flow"])
def test_peers_learn_a_normalized_density_and_know_that_of_their_draws(name):
    pytest.importorskip("zuko")
    small = {
        "spline-moved": {"hidden": (16,), "transforms": 2},
        "graph-flow": {"hidden": 8, "layers": 1, "steps": 10},
    }
    contender = replace(CONTENDERS[name], **small[name])
    learned = learned_by(contender, PAIR, 60)
    x, log_density = learned.sample(200, 0)
    np.testing.assert_allclose(learned.log_prob(x, 1), log_density, atol=0.02)
    axis = np.linspace(-12, 12, 50)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    mass = np.exp(learned.log_prob(grid, 1)).sum() * (axis[1] - axis[0]) ** 2
    assert mass == pytest.approx(1, abs=0.03)
    test = PAIR.points(300, 2)
    early = learned_by(contender, PAIR, 1)
    assert learned.log_prob(test, 1).mean() > early.log_prob(test, 1).mean() + 0.05


@scripted
def test_the_graph_network_is_equally_likely_to_make_moved_copies():
    pytest.importorskip("torch")
    contender = replace(CONTENDERS["graph-flow"], hidden=8, layers=2, steps=4)
    problem = PROBLEMS["dw4"]
    learned = learned_by(contender, problem, 20)
    x = problem.points(40, 5)
    moved = problem.mover()(x, np.random.default_rng(0))
    np.testing.assert_allclose(learned.log_prob(moved, 1), learned.log_prob(x, 1), atol=1e-3)


# The studies


def test_the_study_from_the_command_line(tmp_path, capsys, monkeypatch):
    """In the sweep's own processes, as users run it; then again, from records alone."""
    monkeypatch.setitem(BUDGETS, "quick", TINY)
    monkeypatch.setitem(FLOOR_WALKERS, "quick", 150)
    options = ["--contenders", "windows", "--sizes", "40", "--seeds", "1", "--budget", "quick"]
    line = ["reproduce", "dw4", *options, "--no-progress", "--out", str(tmp_path)]
    assert main(line) == 0
    shown = capsys.readouterr().out
    assert "dw4: entropy" in shown
    chapter = Chapter.read(tmp_path / "dw4.chapter.json")
    head, row = chapter.tables[0].rows
    cells = dict(zip(head, row, strict=True))
    assert (cells["N"], cells["contender"], cells["iterations"]) == ("40", "windows", "4")
    assert float(cells["gap"]) > 0
    assert {p.file for p in chapter.pictures} == {p.name for p in tmp_path.glob("*.png")}
    assert len(list((tmp_path / "records").iterdir())) == 2
    assert main(line) == 0
    assert capsys.readouterr().out == shown


def test_thirteen_particles_have_a_study_of_two_targets(tmp_path, monkeypatch):
    """Three of them here: the run of ours, tables and pictures with a panel a target."""
    for name, epsilon in (("lj13", 1.0), ("lj13-2", 2.0)):
        small = ParticleProblem(en.LennardJones(3, 2, epsilon=epsilon), 1.0, (0.3, 0.6))
        monkeypatch.setitem(PROBLEMS, name, small)
    monkeypatch.setitem(BUDGETS, "quick", TINY)
    monkeypatch.setitem(FLOOR_WALKERS, "quick", 150)
    settings = lj13.Settings(
        contenders=("windows-fine",), sizes=(40,), seeds=1, budget="quick", progress=False
    )
    with ThreadPoolExecutor(1) as executor:
        text = lj13.run(settings, tmp_path, executor)
    assert text.count("windows-fine  1") == 2
    assert {p.name for p in tmp_path.glob("lj13_*.png")} == {
        f"lj13_{what}.png" for what in ("nll", "distributions", "potentials")
    }


def test_a_study_reports_what_failed(tmp_path, monkeypatch, pair):
    chosen = {"windows": Normal(3.0), "spline-moved": Failing()}
    for module in (runs, study):
        monkeypatch.setattr(module, "CONTENDERS", chosen)
        monkeypatch.setattr(module, "BUDGETS", {"default": TINY})
        monkeypatch.setattr(module, "FLOOR_WALKERS", {"default": 300})
    monkeypatch.setattr(study, "zuko_versions", lambda: {"torch": "0"})
    settings = study.Settings(contenders=tuple(chosen), sizes=(20,), seeds=2, progress=False)
    with ThreadPoolExecutor(1) as executor:
        text = study.run(settings, tmp_path, executor)
    assert "failed: spline-moved on dw4, N = 20, seed 1: RuntimeError: out of luck" in text
    assert "20  windows    2" in text


def test_missing_peers_are_noticed_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setattr(study, "zuko_versions", dict)
    with pytest.raises(ArgumentError, match="contenders had spline-moved, graph-flow"):
        study.run(study.Settings(), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ("lj55",)}, r"targets had \['lj55'\]"),
        ({"contenders": ()}, "contenders"),
        ({"budget": "endless"}, "budget"),
        ({"sizes": (9,)}, "sizes"),
        ({"seeds": 0}, "seeds"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ArgumentError, match="^" + message):
        study.Settings(**options)


def test_default_studies_are_those_that_are_described():
    assert len(study.Settings().named()) == 5 * 3 * 6
    assert len(lj13.Settings().named()) == 2 * 3 * 3 * 5
    assert set(study.Settings().contenders) | set(lj13.Settings().contenders) == set(CONTENDERS)
    assert set(STYLES) == set(CONTENDERS)  # pictures draw each
    assert BUDGETS["full"].iterations > BUDGETS["default"].iterations

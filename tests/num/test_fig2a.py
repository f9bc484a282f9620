"""Figure 2A: verdicts against Student's t by hand, runs against plain ones, all of it small."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

import ehf_num as en
from ehf_num.cli import main
from ehf_num.experiments import fig2a, rings_figures
from ehf_num.experiments.chapter import chapters_in
from ehf_num.experiments.claims import Claim, as_table, decide, interval
from ehf_num.experiments.rings_claims import Row, Rows, effects, judgements
from ehf_num.experiments.rings_runs import Budget, Looks, RingsRun
from ehf_num.experiments.so2 import declare
from ehf_num.sweep import Outcome
from ehf_sym.errors import ArgumentError

TINY = Budget(
    iterations=6, looks=3, look_points=10, look_draws=2, test_points=30, draws=4, turned=8,
    turned_draws=4, samples=50,
)  # fmt: skip


@pytest.fixture(autouse=True)
def threads_as_before():
    yield
    en.set_threads(None)


# Verdicts


def test_interval_is_student_s():
    """t at 0.975 and two degrees of freedom has a closed form: 2 (2 · 0.975 − 1) / √(2 · …)."""
    share = 0.95
    quantile = share * math.sqrt(2 / (1 - share**2))
    low, high = interval(2.0, 0.5, 3)
    assert (low, high) == (
        pytest.approx(2 - 0.5 * quantile), pytest.approx(2 + 0.5 * quantile)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "low", "high", "verdict"),
    [
        ([1.0, 1.1, 0.9], 0, math.inf, "holds"),
        ([-1.0, -1.1, -0.9], 0, math.inf, "does not hold"),
        ([1.0, -0.5, 0.9], 0, math.inf, "not decided"),
        ([1.0, 1.1], 0, math.inf, "not decided"),
        ([1.0], 0, math.inf, "not decided"),
        ([], 0, math.inf, "not decided"),
        ([0.01, 0.0, 0.02], -0.1, 0.1, "holds"),
        ([0.01, 0.3, -0.2], -0.1, 0.1, "not decided"),
        ([0.3, 0.31, 0.32], -0.1, 0.1, "does not hold"),
        ([-0.3, -0.31, -0.32], -0.1, 0.1, "does not hold"),
        ([-3.0, -3.1, -3.2], -math.inf, 0.1, "holds"),
    ],
)
def test_verdicts_follow_the_rule(values, low, high, verdict):
    found = decide(Claim("it is so", "effect [nats]", low, high), values)
    assert found.verdict == verdict
    assert found.seeds == len(values)
    if len(values) > 1:
        assert found.error == pytest.approx(np.std(values, ddof=1) / np.sqrt(len(values)))
    assert verdict in as_table([found]).as_text()


# What claims are judged by


def row(kappa, points, seed, train=0.0, test=0.0, change=0.0, bracket=1e-3):
    values = {
        "train": train, "test": test, "turned_change": change, "truth": -2.5,
        "squared_bracket": np.full(10, bracket), "bracket_base": bracket, "bracket_data": bracket,
        "seconds": 1.0, "stop_reason": "iterations", "look": np.arange(4.0),
        "train_curve": np.linspace(-4, train, 4), "test_curve": np.linspace(-4, test, 4),
        "iteration": np.arange(10), "multiplier": np.ones(10),
        "samples": np.random.default_rng(seed).standard_normal((50, 2)),
        "kinetic": np.arange(61.0**2), "potential": np.arange(61.0**2),
    }  # fmt: skip
    return Row(RingsRun(kappa, points, seed, TINY), values)


def paired(gain=0.6, late=0.0, bracket=1e-3):
    """Runs whose seeds differ by far more than κ makes: only pairs show what it does."""
    rows = []
    for seed in range(4):
        luck, noise = 5.0 * seed, 0.01 * (-1) ** seed
        rows += [
            row(None, 100, seed, luck, luck - 2),
            row(1e-3, 100, seed, luck, luck - 2 + gain + noise, -0.5 + noise, bracket),
            row(None, None, seed, luck, luck),
            row(1e-3, None, seed, luck, luck + late + noise, 0.0, bracket),
        ]
    return Rows(tuple(rows))


def test_effects_are_paired_by_seed():
    found = judgements(paired())
    assert [f.verdict for f in found] == ["holds"] * 7
    better, smaller, efficient, rounder, agree, held, settled = found
    assert better.mean == pytest.approx(0.6)
    assert better.error == pytest.approx(np.std([0.01, -0.01, 0.01, -0.01], ddof=1) / 2)
    assert smaller.mean == pytest.approx(0.6)
    assert efficient.mean == pytest.approx(0.6)
    assert rounder.mean == pytest.approx(0.5)
    assert agree.mean == pytest.approx(0, abs=1e-12)
    assert held.mean == settled.mean == pytest.approx(0, abs=1e-12)


def test_what_comes_out_against_the_paper_is_said():
    found = [f.verdict for f in judgements(paired(gain=-0.6, late=0.5, bracket=1e-5))]
    assert found == [
        "does not hold", "does not hold", "does not hold", "holds", "does not hold", "holds",
        "does not hold",
    ]  # fmt: skip


def test_what_was_not_run_is_not_judged():
    rows = paired().rows
    free = Rows(tuple(r for r in rows if r.spec.kappa is None))
    assert judgements(free) == []
    few = Rows(tuple(r for r in rows if r.spec.points == 100))
    assert len(judgements(few)) == 5
    bounded = Rows(tuple(r for r in rows if r.spec.kappa is not None))
    assert {f.verdict for f in judgements(bounded)} == {"not decided", "holds"}


def test_effects_of_each_kappa_are_laid_out():
    table = effects(paired())
    assert [line[:2] for line in table.rows[1:]] == [("100", "0.001"), ("endless", "0.001")]
    assert table.rows[1][2].startswith("+0.600 ± 0.006 [+0.582, +0.618]")


# Runs


@pytest.mark.parametrize("points", [60, 300, None])
def test_looks_do_not_change_what_is_learned(points):
    target, options = en.rings(), {"iterations": 7, "learning_rate": 1e-2, "progress": False}
    data = target.sample if points is None else target.sample(points, rng=1)
    watched = (target.sample(5, rng=2), target.sample(6, rng=3))
    plain, looked = (
        en.EquivariantHamiltonianFlow(*declare(), hidden=(8,), rng=4) for _ in range(2)
    )
    looks = Looks(looked, data, replace(TINY, iterations=7), watched)
    plain.fit(data, batch_size=TINY.batch_size, **options)
    looked.fit(looks, batch_size=TINY.batch_size, **options)
    for left, right in zip(plain.weights, looked.weights, strict=True):
        np.testing.assert_array_equal(left, right)
    looks.look()
    curves = looks.curves()
    np.testing.assert_array_equal(curves["look"], [0, 2, 4, 6, 7])
    assert curves["test_curve"][-1] == plain.log_prob(watched[1], n_samples=2).mean()
    assert curves["train_curve"][-1] == plain.log_prob(watched[0], n_samples=2).mean()


def test_a_run_returns_its_model_s_figures():
    values = RingsRun(1e-2, 40, 3, TINY).run()
    flow = en.EquivariantHamiltonianFlow(*declare(), kappa=1e-2, dtype="float32", rng=3)
    training = en.rings().sample(40, rng=1_003)
    flow.fit(training, iterations=6, learning_rate=1e-3, progress=False)
    assert values["train"] == pytest.approx(flow.log_prob(training, n_samples=4).mean(), rel=1e-6)
    np.testing.assert_array_equal(values["samples"], flow.sample(50, rng=3))
    history = flow.result_.history
    np.testing.assert_array_equal(values["squared_bracket"], history.squared_brackets[:, 0])
    # Other base states than the run's: a mean of as many.
    q, p = np.random.default_rng(9).standard_normal((2, 4000, 2)).astype(np.float32)
    squares = np.square(flow.brackets(q, p))
    assert values["bracket_base"] == pytest.approx(squares.mean(), rel=0.2)
    assert values["turned_change"] > 0


def test_free_runs_have_no_multipliers():
    values = RingsRun(None, None, 0, TINY).run()
    assert values["multiplier"].size == values["squared_bracket"].size == 0
    assert values["stop_reason"] == "iterations"


# The experiment


def test_from_the_command_line(tmp_path, capsys, monkeypatch):
    """In the sweep's own processes, as users run it."""
    monkeypatch.setattr(fig2a, "Budget", lambda: TINY)
    arguments = ["--kappas", "none", "1e-2", "--points", "20", "--seeds", "1", "--iterations", "4"]
    command = ["reproduce", "fig2a", *arguments, "--no-progress", "--out", str(tmp_path)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "from 20 points, the constraint generalizes better" in shown
    assert "not decided" in shown
    (chapter,) = chapters_in(tmp_path).values()
    assert chapter.command == (
        "ehf reproduce fig2a --kappas none 1e-2 --points 20 --seeds 1 --iterations 4 "
        f"--out {tmp_path}"
    )
    assert len(list((tmp_path / "records").iterdir())) == 2
    assert len(chapter.pictures) == 6
    for picture in chapter.pictures:
        assert imread(tmp_path / picture.file).std() > 0.02


def test_failed_runs_are_named_and_the_others_told(tmp_path):
    settings = fig2a.Settings(points=("100",), seeds=1)
    runs = settings.runs()
    outcomes = [
        Outcome(runs[0], row(None, 100, 0).values, None, 1.0),
        Outcome(runs[1], None, "Traceback\nRuntimeError: out of luck", 1.0),
    ]
    text = fig2a.chapter(settings, outcomes, tmp_path, "").as_text()
    assert "failed: data 100, κ 0.001, seed 0: RuntimeError: out of luck" in text
    assert "100   none" in text
    nothing = fig2a.chapter(settings, [outcomes[1]] * 2, tmp_path, "")
    assert (nothing.tables, len(nothing.remarks)) == ((), 2)


def test_what_has_a_record_is_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(fig2a, "Budget", lambda: TINY)
    settings = fig2a.Settings(points=("20",), seeds=1, iterations=2, progress=False)
    with ThreadPoolExecutor(1) as executor:
        first = fig2a.run(settings, tmp_path, executor)
        monkeypatch.setattr(RingsRun, "run", lambda self: 1 / 0)
        assert fig2a.run(settings, tmp_path, executor) == first


def halves():
    """Of two sizes and two κ, one cell each: the other two have no run."""
    return row(None, 100, 0), row(1e-3, None, 0, bracket=2e-3)


def test_cells_without_a_run_stay_empty():
    rows = Rows(halves())
    names = ("train", "test")
    curves = rings_figures.curves(rows).axes
    assert [sum(line.get_label() in names for line in ax.lines) for ax in curves] == [2, 0, 0, 2]
    densities = rings_figures.densities(rows).axes[:6]  # the data's, then one a κ
    assert [ax.axison for ax in densities] == [True, True, False, True, False, True]
    energies = rings_figures.energies(rows, "kinetic").axes[:4]
    assert [ax.axison for ax in energies] == [True, False, False, True]
    constraint = rings_figures.constraint(rows).axes
    assert [len(ax.lines) for ax in constraint] == [0, 2, 0, 1]


def test_runs_that_ended_early_are_named_and_empty_cells_have_no_line(tmp_path):
    early, other = halves()
    early.values["stop_reason"] = "non_finite"
    outcomes = [Outcome(r.spec, r.values, None, 1.0) for r in (early, other)]
    text = fig2a.chapter(fig2a.Settings(seeds=1), outcomes, tmp_path, "").as_text()
    said = "training ended early, last good weights: data 100, κ none, seed 0"
    assert said in text
    assert "endless   none" not in text


def test_bands_span_the_seeds():
    rows = Rows(tuple(row(None, 100, seed, test=value) for seed, value in enumerate((1.0, 3.0))))
    canvas = rings_figures.curves(rows)
    (ax,) = canvas.axes
    test = next(line for line in ax.lines if line.get_label() == "test")
    assert test.get_ydata()[-1] == 2.0
    heights = ax.collections[1].get_paths()[0].vertices
    last = heights[heights[:, 0] == 3.0, 1]
    assert (last.min(), last.max()) == (1.0, 3.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kappas": ("0",)}, "kappas had '0'"),
        ({"kappas": ("some",)}, "kappas had 'some'"),
        ({"kappas": ("inf",)}, "kappas had 'inf'"),
        ({"kappas": ()}, "kappas was empty"),
        ({"points": ("1.5",)}, "points had '1.5'"),
        ({"points": ("none",)}, "points had 'none'"),
        ({"seeds": 0}, "seeds"),
        ({"iterations": 0}, "iterations"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ArgumentError, match=message):
        fig2a.Settings(**options)


def test_full_study_is_the_one_that_the_issue_names():
    runs = fig2a.FULL.runs()
    assert len(runs) == 5 * 3 * 5
    assert {run.kappa for run in runs} == {None, 1e-1, 1e-2, 1e-3, 1e-4}
    assert {run.points for run in runs} == {100, 500, None}
    assert runs[0].budget.iterations == 15_000

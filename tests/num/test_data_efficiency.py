"""The study of data efficiency: what is measured against closed forms, and the study end to end."""

from __future__ import annotations

import ast
import json
import re
import runpy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from scipy import integrate, stats
from study_contenders import Failing, Remembering, Shifted, WiderRings

import ehf_num as en
from ehf_num.cli import main
from ehf_num.reproduce.efficiency import runs as efficiency_runs
from ehf_num.reproduce.efficiency import study as data_efficiency
from ehf_num.reproduce.efficiency.contender import Budget, Split
from ehf_num.reproduce.efficiency.hamiltonian_flows import FrontDoor, HamiltonianContender
from ehf_num.reproduce.efficiency.problems import PROBLEMS
from ehf_num.reproduce.efficiency.report import Findings, Row, as_chapter, as_markdown, figure
from ehf_num.reproduce.efficiency.runs import BUDGETS, CONTENDERS, Run
from ehf_num.reproduce.efficiency.study import Settings
from ehf_sym.errors import ArgumentError

ROOT = Path(__file__).parents[2]
TINY = Budget(iterations=6, patience=6, test_points=40, draws=4)
every_problem = pytest.mark.parametrize("name", PROBLEMS)


@pytest.fixture(autouse=True)
def threads_as_before():
    yield
    en.set_threads(None)


@pytest.fixture
def stand_ins(monkeypatch):
    """Contenders that need no training; the study's own names, so that figures have styles."""
    chosen = {"exact": Shifted(0.1), "none": Shifted(0.4), "penalty": Failing("out of luck")}
    for module in (efficiency_runs, data_efficiency):
        monkeypatch.setattr(module, "CONTENDERS", chosen)
        monkeypatch.setattr(module, "BUDGETS", {"default": TINY})
    return chosen


def study(folder, **options):
    with ThreadPoolExecutor(1) as executor:
        return data_efficiency.run(Settings(progress=False, **options), folder, executor)


# What contenders are given


@every_problem
def test_turned_points_are_as_likely_and_elsewhere(name):
    """What the peers with rotated data are given."""
    problem = PROBLEMS[name]()
    x = problem.target.sample(500, rng=0)
    moved = en.orbit_sampler(problem.symmetry)(x, 1)
    np.testing.assert_allclose(problem.target.log_prob(moved), problem.target.log_prob(x))
    assert np.linalg.norm(moved - x, axis=1).min() > 1e-6


@every_problem
def test_declared_symmetry_is_the_target_s(name):
    problem = PROBLEMS[name]()
    x = problem.target.sample(20, rng=3)
    states = np.concatenate([x, np.zeros_like(x)], axis=1)
    for generator in problem.symmetry.generators:
        moved = en.finite_action(problem.symmetry.space, generator, 0.6)(states)[:, : x.shape[1]]
        np.testing.assert_allclose(problem.target.log_prob(moved), problem.target.log_prob(x))


def test_split_keeps_points_apart():
    points = np.arange(100.0).reshape(50, 2)
    split = Split.of(points)
    assert (len(split.training), len(split.validation)) == (40, 10)
    np.testing.assert_array_equal(np.concatenate([split.training, split.validation]), points)
    copies = split.validation_copies(38)
    assert len(copies) == 30
    assert len(Split.of(np.zeros((10_000, 2))).validation) == 500
    assert len(Split.of(np.zeros((10_000, 2))).validation_copies(38)) == 500
    np.testing.assert_array_equal(np.unique(copies, axis=0), split.validation)


# What is measured


def test_divergence_of_a_shifted_truth_is_the_shift():
    values = Run("shells", 50, Shifted(0.3), 0, TINY).run()
    assert values["kl"] == pytest.approx(0.3, abs=1e-12)
    assert values["kl_error"] < 1e-12


def test_divergence_of_wider_rings_is_that_of_quadrature():
    truth, wider = en.rings(), en.rings(noise=0.2)

    def integrand(r):
        at = np.array([[r, 0.0]])
        log_p = truth.log_prob(at)[0]
        return 2 * np.pi * r * np.exp(log_p) * (log_p - wider.log_prob(at)[0])

    expected, _ = integrate.quad(integrand, 1e-9, 5, points=[1.0, 2.5], limit=200)
    values = Run("rings", 50, WiderRings(0.2), 0, replace(TINY, test_points=20_000)).run()
    assert values["kl_error"] < 0.005
    assert abs(values["kl"] - expected) < 4 * values["kl_error"]


def test_contenders_of_one_seed_see_the_same_points_and_others_do_not():
    first, again, other = (
        Run("rings", size, Remembering(), seed, TINY).run()["kl"]
        for size, seed in ((50, 0), (50, 0), (50, 1))
    )
    assert first == again != other


def test_importance_weights_are_confirmed_by_quadrature():
    """Untrained weights: the two routes to ln p agree within the noise of the draws."""
    ours = HamiltonianContender("exact", hidden=(8,))
    budget = replace(TINY, iterations=1, test_points=60, draws=8_000)
    gap = Run("rings", 20, ours, 0, budget).run()["quadrature_gap"]
    assert 0 < abs(gap) < 0.02
    assert Run("shells", 20, ours, 0, TINY).run()["quadrature_gap"] is None
    assert Run("rings", 20, Shifted(0.1), 0, TINY).run()["quadrature_gap"] is None


# Ours and the peers


def test_ours_learns():
    problem = PROBLEMS["rings"]()
    split = Split.of(problem.target.sample(200, rng=0))
    ours = HamiltonianContender("exact", hidden=(16,), learning_rate=5e-3)
    budget = replace(TINY, iterations=100, patience=100)
    learned = ours.learn(problem, split, budget, seed=0)
    early = ours.learn(problem, split, replace(budget, iterations=1), seed=0)
    x = problem.target.sample(400, rng=1)
    assert learned.log_prob(x, 32).mean() > early.log_prob(x, 32).mean() + 0.1
    assert learned.iterations == 100
    assert 10 < learned.best <= 100


@pytest.mark.parametrize("enforce", ["auto", "penalty", "none"])
def test_the_front_door_learns_from_all_points(enforce):
    problem = PROBLEMS["rings"]()
    split = Split.of(problem.target.sample(60, rng=0))
    learned = FrontDoor(enforce).learn(problem, split, TINY, seed=0)
    assert (learned.iterations, learned.stop_reason) == (TINY.iterations, "iterations")
    own = None if enforce == "none" else problem.symmetry
    options = {} if enforce == "none" else {"enforce": enforce}
    model = en.SymmetricDensity(own, max_iter=TINY.iterations, rng=0, **options)
    x = problem.target.sample(40, rng=1)
    expected = model.fit(split.points).flow_.log_prob(model.units_.standardized(x), n_samples=8)
    np.testing.assert_allclose(learned.log_prob(x, 8), expected - model.units_.log_jacobian)
    gap = np.mean(learned.by_quadrature(x) - learned.log_prob(x, 4096))
    assert abs(gap) < 0.2  # hardly trained, weights have a tail


@every_problem
def test_orbits_are_told_apart_and_have_their_volume(name):
    """Of a standard normal x, |x| has the chi law; the place on a sphere is uniform."""
    problem = PROBLEMS[name]()
    x = np.random.default_rng(0).normal(size=(50, problem.target.dim))
    u, log_volume = problem.orbits(x)
    moved, _ = problem.orbits(en.orbit_sampler(problem.symmetry)(x, rng=1))
    np.testing.assert_allclose(moved, u, atol=1e-9)
    radius = np.linalg.norm(u, axis=1)
    uniform = np.log(4 * np.pi * radius**2) if u.shape[1] == 3 else 0
    expected = stats.chi(x.shape[1]).logpdf(radius) - uniform
    np.testing.assert_allclose(stats.norm.logpdf(x).sum(axis=1) + log_volume, expected)
    assert len(np.unique(u.round(9), axis=0)) == 50


@pytest.mark.parametrize("name", ["mixture", "kernels", "oracle"])
def test_contenders_without_a_network_learn_a_normalized_density(name):
    problem, few = PROBLEMS["rings"](), 300
    split = Split.of(problem.target.sample(few, rng=0))
    contender = CONTENDERS[name]
    contender = replace(contender, components=4) if hasattr(contender, "components") else contender
    learned = contender.learn(problem, split, TINY, seed=0)
    axis = np.linspace(-8, 8, 200) + 1e-6
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    mass = np.exp(learned.log_prob(grid, 1)).sum() * (axis[1] - axis[0]) ** 2
    assert mass == pytest.approx(1, abs=0.02)
    x = problem.target.sample(2000, rng=1)
    kl = np.mean(problem.target.log_prob(x) - learned.log_prob(x, 1))
    assert 0 < kl < (1 if name == "mixture" else 0.1)


def test_the_oracle_is_for_one_coordinate():
    problem = PROBLEMS["phase-orbits"]()
    split = Split.of(problem.target.sample(20, rng=0))
    with pytest.raises(ValueError, match="these have 3"):
        CONTENDERS["oracle"].learn(problem, split, TINY, seed=0)


@pytest.mark.parametrize("name", [n for n in CONTENDERS if n.startswith(("spline", "masked"))])
def test_peers_learn_a_normalized_density(name):
    pytest.importorskip("zuko")
    problem = PROBLEMS["rings"]()
    split = Split.of(problem.target.sample(200, rng=0))
    contender = replace(CONTENDERS[name], hidden=(16,), learning_rate=3e-3)
    learned = contender.learn(problem, split, replace(TINY, iterations=50), seed=0)
    axis = np.linspace(-8, 8, 200)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    mass = np.exp(learned.log_prob(grid, 1)).sum() * (axis[1] - axis[0]) ** 2
    assert mass == pytest.approx(1, abs=0.02)
    x = problem.target.sample(500, rng=1)
    untrained = contender.learn(problem, split, replace(TINY, iterations=1), seed=0)
    assert learned.log_prob(x, 1).mean() > untrained.log_prob(x, 1).mean() + 0.1


def test_a_peer_whose_loss_turns_non_finite_keeps_its_best_weights():
    """A step this large throws the spline's knots away, or the loss: it stops and says so."""
    pytest.importorskip("zuko")
    problem = PROBLEMS["rings"]()
    split = Split.of(problem.target.sample(30, rng=0))
    contender = replace(CONTENDERS["masked"], learning_rate=1e30)
    budget = replace(TINY, iterations=40, patience=40, schedule="constant")
    learned = contender.learn(problem, split, budget, seed=0)
    assert learned.stop_reason == "non_finite"
    assert learned.iterations < 40
    assert np.isfinite(learned.log_prob(split.validation, 1)).all()


def test_peers_stop_early_and_go_back_to_the_best_weights():
    pytest.importorskip("zuko")
    problem = PROBLEMS["rings"]()
    split = Split.of(problem.target.sample(30, rng=0))
    contender = replace(CONTENDERS["spline"], learning_rate=1e-2)
    budget = replace(TINY, iterations=300, patience=20, schedule="constant")
    learned = contender.learn(problem, split, budget, seed=0)
    assert learned.stop_reason == "early_stopping"
    assert learned.iterations == learned.best + budget.patience
    shorter = replace(budget, iterations=learned.best)
    again = contender.learn(problem, split, shorter, seed=0)
    np.testing.assert_allclose(
        again.log_prob(split.validation, 1), learned.log_prob(split.validation, 1), rtol=1e-5
    )


# The study


def test_study_from_the_command_line(tmp_path, capsys, monkeypatch):
    """In the sweep's own processes, as users run it."""
    monkeypatch.setitem(BUDGETS, "quick", TINY)
    arguments = ["--targets", "rings", "--sizes", "60", "--contenders", "exact", "none"]
    command = ["reproduce", "data-efficiency", *arguments, "--seeds", "1", "--budget", "quick"]
    assert main([*command, "--no-progress", "--out", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines()]
    assert rows[2] == ["target", "N", "exact", "none"]
    written = json.loads((tmp_path / "data_efficiency.json").read_text())["rows"]
    assert rows[3] == ["rings", "60", *(f"{row['kl']:.3f}" for row in written)]
    assert [row["iterations"] for row in written] == [6, 6]
    assert imread(tmp_path / "data_efficiency.png").std() > 0.05
    assert len(list((tmp_path / "records").iterdir())) == 2


def test_study_goes_on_where_it_was_and_reports_what_failed(tmp_path, stand_ins):
    text = study(tmp_path, targets=("rings",), contenders=tuple(stand_ins), sizes=(20,), seeds=2)
    assert "0.100 ± 0.000" in text
    assert "0.400 ± 0.000" in text
    assert "failed: penalty on rings, N = 20, seed 1: RuntimeError: out of luck" in text
    records = sorted((tmp_path / "records").iterdir())
    assert len(records) == 4
    stamps = [record.stat().st_mtime_ns for record in records]
    records[0].unlink()
    again = study(tmp_path, targets=("rings",), contenders=tuple(stand_ins), sizes=(20,), seeds=2)
    assert again == text
    assert [r.stat().st_mtime_ns == s for r, s in zip(records, stamps, strict=True)] == [
        False, True, True, True
    ]  # fmt: skip


def test_study_of_failures_alone_says_so(tmp_path, stand_ins):
    text = study(tmp_path, targets=("rings",), contenders=("penalty",), sizes=(20,), seeds=1)
    assert text == "failed: penalty on rings, N = 20, seed 0: RuntimeError: out of luck"
    assert not (tmp_path / "data_efficiency.png").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": ("ring",)}, r"targets had \['ring'\]"),
        ({"targets": ()}, "targets"),
        ({"contenders": ("best",)}, "contenders"),
        ({"budget": "endless"}, "budget"),
        ({"sizes": (100, 9)}, "sizes"),
        ({"sizes": ()}, "sizes"),
        ({"seeds": 0}, "seeds"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ArgumentError, match="^" + message):
        Settings(**options)


@pytest.mark.parametrize(
    ("versions", "package", "peer"),
    [("zuko_versions", "zuko", "spline"), ("scikit_learn_versions", "scikit-learn", "kernels")],
)
def test_missing_peers_are_noticed_before_any_work(versions, package, peer, tmp_path, monkeypatch):
    monkeypatch.setattr(data_efficiency, versions, dict)
    with pytest.raises(ArgumentError, match=f"had {peer}, which need {package}"):
        study(tmp_path, contenders=("exact", peer))
    assert not list(tmp_path.iterdir())


def test_default_study_is_the_one_that_the_issue_names():
    settings = Settings()
    assert settings.seeds == 3
    without = 3 * 3  # the oracle knows one coordinate: none of the orbits of a phase
    assert len(settings.runs()) == 3 * 3 * 3 * len(CONTENDERS) - without
    assert data_efficiency.FULL.seeds == 5
    assert BUDGETS["full"].iterations > BUDGETS["default"].iterations


# The report


def rows(contender, *values, size=100):
    return [
        Row("rings", contender, size, seed, kl, 0.01, 50, 40, "early_stopping", 2.0, 9)
        for seed, kl in enumerate(values)
    ]


FINDINGS = Findings(
    rows=(*rows("exact", 0.1, 0.3), *rows("spline", 1.0, 1.0), *rows("exact", 0.05, size=1000)),
    failures=("spline on rings, N = 1000, seed 0: Error",),
    notes=("a note",),
    truths={"rings": -2.5975},
)


def test_findings_read_back(tmp_path):
    FINDINGS.write(tmp_path / "found.json")
    assert Findings.read(tmp_path / "found.json") == FINDINGS


def test_tables_hold_means_spreads_and_gaps():
    lines = as_markdown(FINDINGS).splitlines()
    assert "| target | N | exact | spline |" in lines
    assert "| rings | 100 | 0.200 ± 0.141 | 1.000 ± 0.000 |" in lines
    assert "| rings | 1,000 | 0.050 | - |" in lines
    assert "- spline on rings, N = 1000, seed 0: Error" in lines
    text = as_chapter(FINDINGS, "").as_text()
    gaps = (-0.001, 0.003, None, None, 0.002)
    rows = [replace(row, quadrature_gap=g) for row, g in zip(FINDINGS.rows, gaps, strict=True)]
    confirmed = as_chapter(replace(FINDINGS, rows=tuple(rows)), "")
    assert "is -0.001 to +0.003" in confirmed.as_text()
    for word in ("a note", "-2.5975", "failed: spline", "5 of 5 runs stopped early"):
        assert word in text


def test_training_that_went_wrong_is_named():
    first, *others = FINDINGS.rows
    found = replace(FINDINGS, rows=(replace(first, stop_reason="non_finite"), *others))
    said = "training turned non-finite, best weights before that: exact on rings, N = 100, seed 0"
    assert said in as_chapter(found, "").as_text()
    assert "turned non-finite" not in as_chapter(FINDINGS, "").as_text()


def test_without_figures_the_page_says_so():
    nothing = "To be run: there are no figures of this version yet."
    assert as_markdown(None) == as_markdown(replace(FINDINGS, rows=())) == nothing


def test_figure_shows_means_and_bands():
    (panel,) = figure(FINDINGS).axes
    exact, spline = panel.lines
    np.testing.assert_allclose(exact.get_xydata(), [[100, 0.2], [1000, 0.05]])
    np.testing.assert_allclose(spline.get_xydata(), [[100, 1.0]])
    heights = panel.collections[0].get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (pytest.approx(0.05), pytest.approx(0.3))


def test_page_says_what_the_rows_say():
    """Figures on the page come from the rows beside it, or there are none."""
    script = runpy.run_path(str(ROOT / "docs" / "figures" / "data_efficiency.py"))
    _, mark, section = script["PAGE"].read_text("utf-8").partition(script["MARK"])
    assert mark
    assert section == script["section"]()


def test_the_printed_recipe_is_what_the_study_does():
    page = Path(__file__).parents[2] / "docs" / "exact.md"
    (block,) = re.findall(r"^```py\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    calls = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    printed = {
        keyword.arg: ast.literal_eval(keyword.value)
        for call in calls
        for keyword in call.keywords
        if isinstance(keyword.value, ast.Constant | ast.Tuple)
    }
    contender, budget = CONTENDERS["exact"], BUDGETS["default"]
    for name, value in printed.items():
        for owner in (contender, budget):
            if hasattr(owner, name):
                assert value == getattr(owner, name), name
    assert {"enforce", "encoder", "hamiltonians", "steps", "step_size", "hidden", "learning_rate",
            "iterations", "patience", "schedule"} <= printed.keys()  # fmt: skip
    split = Split.of(np.arange(100.0)[:, None])
    assert (len(split.training), len(split.validation_copies(1_000))) == (80, 1_000)
    assert "points[:-20], np.repeat(points[-20:], 50, axis=0)" in block

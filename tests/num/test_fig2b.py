"""Figure 2B: minima against closed forms and brute force, runs against the model, all small."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import sympy as sp
from matplotlib.image import imread

import ehf_num as en
import ehf_sym as es
from ehf_num.cli import main
from ehf_num.experiments import fig2b
from ehf_num.experiments.chapter import chapters_in
from ehf_num.experiments.circle_figures import Row, between, figure
from ehf_num.experiments.circle_runs import Budget, CircleRun, in_double, positions
from ehf_num.experiments.commuting_square import FormulaHamiltonian
from ehf_num.experiments.wells import match, minima
from ehf_num.plot_arguments import grid
from ehf_num.sweep import Outcome
from ehf_sym.errors import ArgumentError

SPACE = es.PhaseSpace(2)
(Q1, Q2), (P1, P2) = SPACE.q, SPACE.p
BOX = (-3.0, 3.0, -3.0, 3.0)
TINY = Budget(iterations=4, test_points=20, draws=2, samples=30, moving=5)


@pytest.fixture(autouse=True)
def threads_as_before():
    yield
    en.set_threads(None)


def wells_of(potential):
    return minima(FormulaHamiltonian(SPACE, P1**2 + P2**2, potential), BOX)


# Minima


def test_minima_are_all_found_and_nothing_else():
    """Cosines have maxima and saddles between their wells, which lie at 0 and ±2."""
    found = wells_of(-sp.cos(sp.pi * Q1) - sp.cos(sp.pi * Q2) + (Q1**2 + Q2**2) / 1_000)
    expected = np.array([(x, y) for x in (-2, 0, 2) for y in (-2, 0, 2)])
    assert len(found) == 9
    assert match(found, expected).distances.max() < 0.01
    np.testing.assert_allclose(found[0], 0, atol=1e-6)


@pytest.mark.parametrize("potential", [Q1**2 - Q2**2, -(Q1**2) - Q2**2, Q1 + Q2, Q1**2])
def test_saddles_slopes_edges_and_valleys_are_no_minima(potential):
    assert wells_of(potential).shape == (0, 2)


def test_minima_of_a_network_are_those_of_a_fine_grid():
    """A pixel lower than its eight neighbours: the same wells without any gradient."""
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(SPACE), enforce="none", hidden=(16, 16), rng=3
    )
    for array in flow.weights:
        array *= 3  # rougher than at the start
    hamiltonian = in_double(flow.flow.hamiltonians[0])
    found = minima(hamiltonian, BOX)
    size = 151
    values = hamiltonian.potential(grid(BOX, size)).reshape(size, size)
    inner = values[1:-1, 1:-1]
    shifts = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    low = np.all([inner < values[i : i + size - 2, j : j + size - 2] for i, j in shifts], axis=0)
    pixels = grid(BOX, size).reshape(size, size, 2)[1:-1, 1:-1][low]
    assert len(found) == len(pixels) > 0
    assert match(found, pixels).distances.max() < 0.05


# Matching


def test_matching_is_the_best_of_all():
    rng = np.random.default_rng(0)
    found, centers = rng.standard_normal((2, 5, 2))
    distances = np.linalg.norm(found[:, None] - centers, axis=2)
    least = min(distances[range(5), order].sum() for order in permutations(range(5)))
    assert match(found, centers).distances.sum() == pytest.approx(least)


def test_one_to_one_needs_as_many_and_near():
    centers = en.modes_on_circle(4).centers
    near = centers + 0.2
    assert match(near, centers).one_to_one
    assert not match(centers + 0.22, centers).one_to_one  # 0.31 away
    assert not match(near[:3], centers).one_to_one
    assert match(near[:3], centers).near == 3
    assert not match(np.concatenate([near, [[0.0, 0.0]]]), centers).one_to_one
    # Two minima at one mode leave another without.
    assert not match(near[[0, 0, 1, 2]], centers).one_to_one
    nothing = match(np.empty((0, 2)), centers)
    assert (nothing.one_to_one, nothing.near) == (False, 0)


# Runs


def test_a_run_returns_its_model_s_figures():
    spec = CircleRun(3, 5.0, 0.7, 2, budget=TINY)
    values = spec.run()
    flow = en.EquivariantHamiltonianFlow(
        spec.base(), enforce="none", steps=2, step_size=0.7, dtype="float32", rng=2
    )
    target = en.modes_on_circle(3)
    flow.fit(target.sample, iterations=4, learning_rate=1e-3, progress=False)
    test = target.sample(20, rng=20_190_913)
    expected = target.log_prob(test) - flow.log_prob(test, n_samples=2)
    assert values["kl"] == pytest.approx(expected.mean())
    np.testing.assert_array_equal(values["samples"], flow.sample(30, rng=2))
    q = grid((-4, 4, -4, 4), 21).astype(np.float32)
    np.testing.assert_array_equal(values["whole_flow"], flow.forward(q, np.zeros_like(q))[0] - q)
    np.testing.assert_allclose(values["moving"][-1], flow.sample(5, rng=2), rtol=1e-5)


def test_positions_are_those_on_the_way_and_lie_on_lines_in_between():
    """The drift of a step moves q evenly along one velocity."""
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(SPACE), enforce="none", steps=2, hidden=(8,), rng=0
    )
    stations = positions(flow, 6, 3)
    hamiltonian = flow.flow.hamiltonians[0]
    q, p = np.split(flow.objective.base.sample(6, np.random.default_rng(3)), 2, axis=1)
    np.testing.assert_array_equal(stations[0], q)
    p = p - 0.25 * hamiltonian.grad_potential(q)
    half = q + 0.25 * hamiltonian.grad_kinetic(p)
    np.testing.assert_allclose(between(stations, 0.5), half, rtol=1e-12)
    np.testing.assert_array_equal(between(stations, 2), stations[2])


# The experiment


def row(modes, width=5.0, dt=1.0, seed=0, one_to_one=True, kl=0.1):
    centers = en.modes_on_circle(modes).centers
    found = centers if one_to_one else centers[:1]
    values = {
        "kl": kl, "kl_error": 0.01, "minima": found, "near": len(found),
        "distances": np.zeros(len(found)), "one_to_one": one_to_one, "seconds": 1.0,
        "stop_reason": "iterations", "kinetic": np.arange(81.0**2),
        "potential": np.arange(81.0**2), "one_step": np.ones((441, 2)),
        "whole_flow": np.ones((441, 2)), "samples": np.random.default_rng(0).random((30, 2)),
        "moving": np.zeros((3, 4, 2)),
    }  # fmt: skip
    return Row(CircleRun(modes, width, dt, seed, budget=TINY), values)


def told(rows, folder):
    outcomes = [Outcome(r.spec, r.values, None, 1.0) for r in rows]
    return fig2b.chapter(fig2b.Settings(), outcomes, folder, "")


def test_runs_that_ended_early_are_named(tmp_path):
    early, whole = row(5), row(5, seed=1)
    early.values["stop_reason"] = "non_finite"
    text = told([early, whole], tmp_path).as_text()
    assert (
        "training ended early, last good weights: 5 modes, soft-uniform, width 5, dt 1, seed 0\n"
        in f"{text}\n"
    )


def test_one_base_alone_has_runs_of_its_own_widths():
    soft = fig2b.Settings(modes=(3,), bases=("soft-uniform",)).runs()
    assert {run.width for run in soft} == set(fig2b.Settings().widths)
    assert {run.width for run in fig2b.Settings(modes=(3,), bases=("normal",)).runs()} == {None}


def test_settings_that_do_it_are_named_with_their_seeds(tmp_path):
    rows = [
        row(5), row(5, seed=1, one_to_one=False), row(5, dt=0.5, one_to_one=False, kl=0.05),
        row(3, one_to_one=False), row(5, width=None, one_to_one=False, kl=0.7),
    ]  # fmt: skip
    first = told(rows, tmp_path).tables[0]
    assert first.rows[1:] == (
        ("soft-uniform", "3", "none of 1 tried", "0.100", "width 5, dt 1"),
        ("soft-uniform", "5", "width 5, dt 1 (1 of 2)", "0.050", "width 5, dt 0.5"),
        ("normal", "5", "none of 1 tried", "0.700", "dt 1"),
    )


def test_pictures_show_the_run_that_did_it():
    worse, better = row(5, kl=0.4), row(5, one_to_one=False, kl=0.1)
    assert min((better, worse), key=lambda r: r.rank) is worse
    canvas = figure([worse])
    potential = canvas.axes[3]
    assert potential.get_title() == "U(q): ○ modes, + 5 minima"
    modes, wells = potential.lines
    np.testing.assert_array_equal(modes.get_xydata(), en.modes_on_circle(5).centers)
    np.testing.assert_array_equal(wells.get_xydata(), modes.get_xydata())


def test_failed_runs_are_named(tmp_path):
    settings = fig2b.Settings(modes=(5,), bases=("normal",))
    outcome = Outcome(settings.runs()[0], None, "Traceback\nRuntimeError: out of luck", 1.0)
    text = fig2b.chapter(settings, [outcome], tmp_path, "").as_text()
    assert text == "failed: 5 modes, normal, dt 1, seed 0: RuntimeError: out of luck"


def test_from_the_command_line(tmp_path, capsys, monkeypatch):
    """In the sweep's own processes, as users run it."""
    monkeypatch.setattr(fig2b, "Budget", lambda: TINY)
    arguments = ["--modes", "2", "--widths", "4", "--step-sizes", "0.5", "--iterations", "3"]
    command = ["reproduce", "fig2b", *arguments, "--no-progress", "--out", str(tmp_path)]
    assert main(command) == 0
    assert "one minimum of U a mode" in capsys.readouterr().out
    (chapter,) = chapters_in(tmp_path).values()
    assert "--step-sizes 0.5 --iterations 3" in chapter.command
    assert len(list((tmp_path / "records").iterdir())) == 2
    assert [picture.file for picture in chapter.pictures] == [
        "fig2b_soft_uniform.png", "fig2b_soft_uniform.gif", "fig2b_normal.png", "fig2b_normal.gif"
    ]  # fmt: skip
    for picture in chapter.pictures:
        content = (tmp_path / picture.file).read_bytes()
        if picture.file.endswith(".gif"):
            assert content.startswith(b"GIF89a")
        else:
            assert imread(tmp_path / picture.file).std() > 0.05


def test_animation_moves(tmp_path):
    from PIL import Image

    still = row(2)
    moving = replace(
        still, values=still.values | {"moving": np.arange(3.0)[:, None, None] * np.ones((3, 4, 2))}
    )
    fig2b.animate([moving], tmp_path / "moving.gif")
    with Image.open(tmp_path / "moving.gif") as film:
        assert film.n_frames > 20
        frames = []
        for number in (0, film.n_frames - 1):
            film.seek(number)
            frames.append(np.asarray(film.convert("L"), dtype=float))
    assert np.abs(frames[0] - frames[1]).max() > 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modes": ()}, "modes was empty"),
        ({"modes": (0,)}, "modes"),
        ({"bases": ("uniform",)}, "bases"),
        ({"widths": (0.0,)}, "widths"),
        ({"step_sizes": (-1.0,)}, "step_sizes"),
        ({"seeds": 0}, "seeds"),
        ({"iterations": -1}, "iterations"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ArgumentError, match=message):
        fig2b.Settings(**options)


def test_full_study_is_the_one_that_the_issue_names():
    runs = fig2b.FULL.runs()
    assert {run.modes for run in runs} == {2, 3, 5, 8, 9}
    assert len({(run.width, run.step_size) for run in runs}) == 12
    assert len(runs) == len(set(runs)) == 12 * 5 * 3
    assert CircleRun(8, 5.0, 1.0, 0) in runs

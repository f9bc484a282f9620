"""DW4 and LJ13 from their energies: a pair against quadrature, limits of energies, the command."""

import math

import numpy as np
import pytest
from scipy import integrate

import ehf_num as en
from ehf_num.cli import main
from ehf_num.reproduce.molecules import from_energy, lj13_from_energy
from ehf_num.reproduce.molecules.problems import PROBLEMS, ParticleProblem
from ehf_num.reproduce.molecules.window_flows import WindowContender
from ehf_sym.errors import ArgumentError

PAIR = ParticleProblem(en.DoubleWell(2, 2), 2.0, (0.5, 1.0))
SMALL = WindowContender(hamiltonians=2, hidden=(8,), site_hidden=(8, 8), gaussians=4)


@pytest.fixture(autouse=True)
def threads_as_before():
    yield
    en.set_threads(None)


@pytest.fixture
def pair(monkeypatch):
    monkeypatch.setitem(PROBLEMS, "dw4", PAIR)
    monkeypatch.setattr(from_energy, "_ANNEALED", {})
    monkeypatch.setattr(from_energy, "_JUDGED", 4_000)


def by_quadrature():
    """ln Z and the share of far pairs: |x1 − x2| = √2 |q|, q in the plane."""

    def mass(low, high):
        return integrate.quad(
            lambda r: math.pi * r * math.exp(-PAIR.energy.pair(r)), low, high, limit=200
        )[0]

    return math.log(mass(0, 12)), mass(4, 12) / mass(0, 12)


def test_a_pair_has_the_law_of_its_energy_and_so_has_the_judge(pair):
    settings = from_energy.Settings(
        iterations=60, draws=2_000, momenta=4, model=SMALL, progress=False
    )
    outcome, log_z = from_energy.train_one(settings, 0), by_quadrature()
    assert list(outcome.weights) == [1, 4]
    found = [from_energy._means(settings, weights) for weights in outcome.weights.values()]
    for means in [*found, from_energy.judged(settings)]:
        for name, exact in zip(("ln Z", "far pairs"), log_z, strict=True):
            value, error = means[name]
            assert abs(value - exact) < 4 * error < 0.4
    assert outcome.weights[4].ess > outcome.weights[1].ess
    assert outcome.weights[4].bound > outcome.weights[1].bound


@pytest.mark.parametrize("name", ["dw4", "lj13"])
def test_what_is_learned_is_the_energy_up_to_a_limit_and_has_its_slope(name):
    problem, rng = PROBLEMS[name], np.random.default_rng(0)
    limit, scale = 2000.0, problem.width
    S, U = from_energy.InUnits(problem, limit), from_energy.InUnits(problem)
    for spread in (1.0, 3.0):
        z = spread * rng.standard_normal((60, problem.dim))
        exact = problem.energy.value(scale * z)
        np.testing.assert_allclose(U.value(z), exact)
        trap = problem.energy.trap * (scale * z**2).sum(axis=1) * scale / 2
        below = exact - trap < limit
        assert (exact[below] == pytest.approx(S.value(z)[below])) or not below.any()
        high = (exact - trap)[~below]
        np.testing.assert_allclose((S.value(z) - trap)[~below], limit + np.log1p(high - limit))
        step = 1e-7 * rng.standard_normal(z.shape)
        slope = (S.value(z + step) - S.value(z - step)) / 2
        np.testing.assert_allclose(slope, (S.gradient(z) * step).sum(axis=1), rtol=0.02, atol=1e-8)
    touching = np.zeros((1, problem.dim))
    assert np.isfinite(S.value(touching)).all()
    assert np.isfinite(S.gradient(touching)).all()


def test_the_command_has_an_option_for_the_energy(tmp_path, capsys, pair):
    command = ["reproduce", "dw4", "--energy", "--out", str(tmp_path)]
    sizes = ["--iterations", "3", "--draws", "50", "--momenta", "2", "--no-progress"]
    assert main([*command, *sizes]) == 0
    shown = capsys.readouterr().out
    assert "from its energy alone" not in shown  # the title is the report's
    assert "judge" in shown
    assert "2 momenta" in shown
    text = next(tmp_path.glob("*.json")).read_text(encoding="utf-8")
    assert "ehf reproduce dw4 --energy --iterations 3 --draws 50 --momenta 2" in text


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (["--energy", "--sizes", "100"], "--sizes was given, which dw4 with --energy"),
        (["--momenta", "3"], "--momenta was given, which dw4 without --energy"),
        (["--energy", "--dask", "tcp://x"], "--dask was given, which dw4 with --energy"),
        (["--energy", "--momenta", "0"], "momenta was 0"),
    ],
)
def test_options_of_the_other_study_are_refused(options, refused, tmp_path, capsys):
    assert main(["reproduce", "dw4", *options, "--out", str(tmp_path)]) == 3
    assert refused in capsys.readouterr().err


def test_thirteen_particles_are_a_smaller_study_of_the_same():
    assert lj13_from_energy.Settings().problem.energy == en.LennardJones()
    assert list(from_energy.observables("lj13")) == ["mean U", "mean distance"]
    with pytest.raises(ArgumentError, match="target was 'helium'"):
        from_energy.Settings(target="helium")

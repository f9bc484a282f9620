"""Conserved quantities from trajectories: exact formulas, algebras, and none that are not there."""

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy
import sympy as sp

import ehf_num as en
import ehf_sym as es


def oscillator(rng, frequencies, *, runs=24, times=120, noise=0.0):
    """Closed-form trajectories of Σ (p² + ω² q²)/2."""
    w = np.asarray(frequencies, float)
    t = np.linspace(0, 6, times)[:, np.newaxis]
    start, push = rng.standard_normal((2, runs, 1, len(w)))
    q = start * np.cos(w * t) + push / w * np.sin(w * t)
    p = push * np.cos(w * t) - w * start * np.sin(w * t)
    return tuple(x + noise * rng.standard_normal(x.shape) for x in (q, p))


def trajectories(energy, space, starts, dt, times):
    """Integrate Hamilton's equations to high accuracy."""
    velocity = es.to_numpy(
        [*(energy.diff(p) for p in space.p), *(-energy.diff(q) for q in space.q)],
        space.coordinates,
    )
    runs = [
        scipy.integrate.solve_ivp(
            lambda _, s: velocity(s[np.newaxis])[0],
            (0, dt * times),
            start,
            t_eval=dt * np.arange(times),
            method="DOP853",
            rtol=1e-11,
            atol=1e-12,
        ).y.T
        for start in starts
    ]
    return np.split(np.array(runs), 2, axis=2)


def kepler_starts(rng, n):
    for _ in range(n):
        q, p = rng.standard_normal((2, 3))
        q *= rng.uniform(0.8, 1.2) / np.linalg.norm(q)
        p -= 0.8 * q * (p @ q) / (q @ q)
        yield np.concatenate([q, p * rng.uniform(0.8, 1.1) / np.linalg.norm(p)])


@pytest.mark.parametrize("noise", [0.0, 1e-3, 1e-2])
@pytest.mark.parametrize(("n", "name"), [(1, "R"), (2, "u(2)"), (3, "u(3)")])
def test_the_isotropic_oscillator_has_u_n(n, name, noise):
    q, p = oscillator(np.random.default_rng(n + 10), np.ones(n), runs=40, times=200, noise=noise)
    found = en.conserved_quantities(q, p)
    assert found.status == "found"
    algebra = found.algebra
    assert len(algebra.generators) == n**2
    assert name in str(algebra.describe().identity)
    space = es.PhaseSpace(n)
    energy = sum(x**2 for x in space.coordinates)
    assert all(es.is_zero(space.bracket(g, energy)).proved for g in algebra.generators)


@pytest.mark.parametrize("scale", [1e-6, 1e-3, 1e3, 1e6])
@pytest.mark.parametrize("noise", [0.0, 1e-2])
def test_units_change_nothing(scale, noise):
    q, p = oscillator(np.random.default_rng(11), [1.0, 1.0], runs=40, times=200, noise=noise)
    found, scaled = (en.conserved_quantities(u * q, u * p) for u in (1.0, scale))
    assert found.status == scaled.status == "found"
    assert {c.formula for c in found.quantities} == {c.formula for c in scaled.quantities}


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_an_exact_row_that_changes_is_not_kept(monkeypatch, scale):
    """Where coefficients were exact and wrong, what changes along the runs would show it."""
    from ehf_num.symmetry import conserved

    q, p = oscillator(np.random.default_rng(11), [1.0, 1.0], runs=40, times=200, noise=1e-3)
    honest = conserved.null_space

    def wrong(*arguments):
        found = honest(*arguments)
        assert len(found.decided_rows) == 4
        rows = []
        for row in found.exact:
            last = max(k for k, x in enumerate(row) if x != 0)
            rows.append((*row[:last], 2 * row[last], *row[last + 1 :]))
        return replace(found, exact=tuple(rows))

    monkeypatch.setattr(conserved, "null_space", wrong)
    found = en.conserved_quantities(scale * q, scale * p)
    assert found.status == "undecided"
    assert found.algebra is None


def test_frequencies_that_differ_leave_two_energies():
    q, p = oscillator(np.random.default_rng(0), [1.0, 2.0])
    found = en.conserved_quantities(q, p)
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    assert {c.formula for c in found.quantities} == {p1**2 + q1**2, p2**2 + 4 * q2**2}
    # Frequencies 1 : 2 have one cubic more, so that there are 3 of 2d - 1.
    cubic = en.conserved_quantities(q, p, 3)
    assert len(cubic.quantities) == 4
    assert all(
        es.is_zero(space.bracket(c.formula, p1**2 + q1**2 + p2**2 + 4 * q2**2)).proved
        for c in cubic.quantities
    )


def test_a_frequency_that_is_no_simple_number_is_left_undecided():
    q, p = oscillator(np.random.default_rng(0), [1.0, 1.2345], noise=1e-3)
    found = en.conserved_quantities(q, p)
    assert found.status == "undecided"
    (undecided,) = (c for c in found.quantities if not c.exact)
    space = es.PhaseSpace(2)
    q2, p2 = space.q[1], space.p[1]
    ratio = undecided.formula.coeff(q2**2) / undecided.formula.coeff(p2**2)
    assert float(ratio) == pytest.approx(1.2345**2, abs=0.01)


def test_kepler_in_space_has_so_4_on_a_level_of_the_energy():
    space = es.PhaseSpace(3)
    r = sp.sqrt(sum(x**2 for x in space.q))
    energy = sum(x**2 for x in space.p) / 2 - 1 / r
    q, p = trajectories(energy, space, kepler_starts(np.random.default_rng(0), 16), 0.1, 40)
    pulls = [1 / r, *(x / r for x in space.q)]
    found = en.conserved_quantities(q, p, 3, functions=pulls, hamiltonian=energy)
    assert len(found.quantities) == 7
    assert all(c.verdict.proved for c in found.quantities)
    assert "so(4)" in str(found.algebra.describe().identity)


def test_henon_heiles_has_nothing_but_its_energy():
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    energy = (p1**2 + p2**2 + q1**2 + q2**2) / 2 + q1**2 * q2 - q2**3 / 3
    starts = 0.2 * np.random.default_rng(0).standard_normal((20, 4))
    q, p = trajectories(energy, space, starts, 0.2, 80)
    found = en.conserved_quantities(q, p, 3, hamiltonian=energy)
    (only,) = found.quantities
    assert es.is_zero(only.formula / only.formula.coeff(p1**2) - energy * 2).proved
    assert en.conserved_quantities(q, p, 1).status == "none"
    # Noise that hides H leaves it open, and does not exclude it.
    rng = np.random.default_rng(1)
    for noise in (1e-4, 1e-2):
        noisy = (x + noise * rng.standard_normal(x.shape) for x in (q, p))
        assert en.conserved_quantities(*noisy, 3).status != "none", noise


def test_two_bodies_keep_momentum_and_turn_together():
    space = es.PhaseSpace(4)
    (x1, y1, x2, y2), (a1, b1, a2, b2) = space.q, space.p
    square = (x1 - x2) ** 2 + (y1 - y2) ** 2
    energy = (a1**2 + b1**2 + a2**2 + b2**2) / 2 + square + square**2 / 4
    starts = np.random.default_rng(0).standard_normal((24, 8))
    q, p = trajectories(energy, space, starts, 0.05, 60)
    found = en.conserved_quantities(q, p, hamiltonian=energy)
    # P, L, and the angular momentum of the centre of mass, which moves straight on
    assert len(found.quantities) == len(found.algebra.generators) == 4
    known = [a1 + a2, b1 + b2, x1 * b1 - y1 * a1 + x2 * b2 - y2 * a2]
    both = es.LieAlgebra(space, [*found.algebra.generators, *known]).close()
    assert len(both.generators) == 4


def test_toda_has_a_third_integral():
    space = es.PhaseSpace(3)
    q, p = space.q, space.p
    bonds = [sp.exp(q[i] - q[(i + 1) % 3]) for i in range(3)]
    energy = sum(x**2 for x in p) / 2 + sum(bonds)
    starts = 0.5 * np.random.default_rng(0).standard_normal((16, 6))
    runs = trajectories(energy, space, starts, 0.1, 40)
    functions = [*bonds, *(x * bond for x in p for bond in bonds)]
    found = en.conserved_quantities(*runs, 3, functions=functions, hamiltonian=energy)
    assert [c.verdict.status for c in found.quantities] == ["proved"] * 3


def test_derivatives_serve_instead_of_runs():
    rng = np.random.default_rng(0)
    q, p = rng.standard_normal((2, 30, 5, 2))  # states that belong to no run
    found = en.conserved_quantities(q, p, derivatives=(p, -q))
    assert len(found.algebra.generators) == 4


def test_broken_symmetry_is_not_claimed():
    """Over 20 data sets whose frequencies differ by 5 %, none may be given rotations."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        noise = [1e-3, 1e-2][seed % 2]
        q, p = oscillator(rng, [1.0, 1.05], noise=noise, runs=12, times=60)
        found = en.conserved_quantities(q, p)
        exact = [c.formula for c in found.quantities if c.exact]
        q1, q2 = es.PhaseSpace(2).q
        assert not any(f.has(q1) and f.has(q2) for f in exact), seed


def test_the_report_is_text_and_json():
    found = en.conserved_quantities(*oscillator(np.random.default_rng(0), [1.0, 1.0]))
    assert "4 conserved quantities" in str(found)
    assert json.loads(found.to_json())["quantities"][0]["exact"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": np.zeros((4, 3))}, "both should be"),
        ({"q": np.ones((3, 9, 1)), "p": np.ones((3, 9, 1))}, "at least 4"),
        ({"q": np.ones((9, 20, 1))}, "q1 is the same"),
        ({"degree": 0}, "degree was 0"),
        ({"degree": 99}, "functions at the most"),
        ({"noise": -1.0}, "noise was"),
        ({"level": 2.0}, "level was"),
        ({"functions": "q1"}, "sequence of formulas"),
        ({"functions": [sp.Symbol("z")]}, "has z"),
        ({"functions": ["1/q1"], "q": np.zeros((9, 20, 1))}, "not finite"),
    ],
)
def test_bad_input_is_named(change, message):
    q, p = oscillator(np.random.default_rng(0), [1.0], runs=9, times=20)
    with pytest.raises(es.ArgumentError, match=message):
        en.conserved_quantities(**{"q": q, "p": p, **change})

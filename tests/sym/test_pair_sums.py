"""Sums over pairs of identical particles: proofs and refutations held to values at points."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from sympy import Abs, Piecewise, Rational, exp, log, sqrt, tanh

import ehf_sym as es
from ehf_sym.densities.gaussian import find_gaussian

FRAME = es.Particles(4, 3).relative()
SPACE = FRAME.space
A = sp.Symbol("a", positive=True)
PAIRS = list(combinations(range(4), 2))
KINETIC = sum(p**2 for p in SPACE.p) / 2
SYMMETRY = FRAME.symmetry()
KINDS = {
    "Gaussians": lambda r2: 3825 * exp(-8 * r2) - 12 * exp(-2 * r2),
    "Lennard-Jones": lambda r2: r2**-6 / 4 - r2**-3,
    "double well": lambda r2: (sqrt(r2) - 4) ** 4 - 4 * (sqrt(r2) - 4) ** 2,
    "logarithms": lambda r2: -log(r2) / 2 + log(1 + r2),
    "Yukawa": lambda r2: exp(-sqrt(r2)) / sqrt(r2),
    "cut off": lambda r2: Piecewise((1 / r2 - Rational(1, 4), r2 < 4), (0, True)),
    "quartic": lambda r2: (r2 - 1) ** 2,
    "kinks": lambda r2: Abs(r2 - 2) + sp.Max(r2, 3) + tanh(r2),
}


def squares(frame, expanded):
    """Squared distances of all pairs."""
    given_ = (frame.distance(a, b) ** 2 for a, b in combinations(range(len(frame.basis.row(0))), 2))
    return [sp.expand(r2) if expanded else r2 for r2 in given_]


def check(f, space=SPACE):
    """Verdicts of functions and of maps on exp(−f − |p|²/2)."""
    base = es.BaseDensity(space, log_density=-f - KINETIC, log_normalizer=0)
    lie = es.LieAlgebra(space, SYMMETRY.lie.generators)
    return lie.check(base), replace(SYMMETRY.finite, space=space).check(base)


def changes(f):
    """Whether f changes along each rotation and map from a scattered point, in floats."""
    value = sp.lambdify(SPACE.q, f, "math")
    start = np.random.default_rng(1).normal(0, 0.5, (3, 3))
    ends = [start @ Rotation.from_rotvec(0.3 * axis).as_matrix() for axis in np.eye(3)]
    ends += [(np.array(m, float) @ start.ravel()) for m in SYMMETRY.finite.generators]
    at = value(*start.ravel())
    return [abs(value(*end.ravel()) - at) > 1e-10 * abs(at) for end in ends]


def held_to_values(f):
    """Whether all is proved; each verdict agrees with values, each refutation with its point."""
    verdicts = [v for report in check(f) for v in report.verdicts]
    seen = changes(f)
    for found, change in zip(verdicts, seen, strict=True):
        assert found.verdict.status == ("refuted" if change else "proved")
        if change and found in verdicts[len(SYMMETRY.lie.generators) :]:
            at = dict.fromkeys(SPACE.q, sp.S.Zero) | dict(found.verdict.witness)
            q = sp.Matrix([at[x] for x in SPACE.q])
            moved = dict(zip(SPACE.q, found.matrix * q, strict=True))
            value = sp.N(f.xreplace(at) - f.xreplace(moved), 30)  # of −f
            wanted = found.verdict.value
            low, high = wanted if isinstance(wanted, tuple) else (wanted, wanted)
            assert low - abs(low) * 1e-9 <= value <= high + abs(high) * 1e-9
    return not any(seen)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_pair_function_is_proved(kind):
    assert held_to_values(sum(map(KINDS[kind], squares(FRAME, False))))
    assert held_to_values(sum(map(KINDS[kind], squares(FRAME, True))))


def test_a_common_factor_with_a_parameter_is_no_obstacle():
    space = replace(SPACE, parameters=(A,))
    inner = sum(exp(-8 * r2 / A) for r2 in squares(FRAME, True)) + sum(x**2 for x in SPACE.q)
    assert all(report.proved for report in check(sqrt(5) * A * inner, space))
    assert all(report.proved for report in check(log(inner), space))
    wrong = sqrt(5) * A * (inner + SPACE.q[0] ** 2 / 10**6)
    assert [report.status for report in check(wrong, space)] == ["refuted", "refuted"]


FAULTS = {
    "coefficient": lambda pair, r2: pair(r2) * (1 + Rational(1, 10**6)),
    "sign": lambda pair, r2: -pair(r2),
    "radical": lambda pair, r2: pair(r2 - r2.args[-1] * (1 - sqrt(2))),
    "left out": lambda _pair, _r2: sp.S.Zero,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", ["Gaussians", "Lennard-Jones"])
def test_one_wrong_pair_is_refuted(kind, fault):
    pair, (*rest, last) = KINDS[kind], squares(FRAME, True)
    assert not held_to_values(sum(map(pair, rest)) + FAULTS[fault](pair, last))


functions = st.sampled_from([exp, tanh, sp.cos, sp.atan, lambda u: sqrt(1 + u**2)])
numbers = st.fractions(min_value=-2, max_value=2, max_denominator=3).filter(bool).map(Rational)


@settings(max_examples=5, deadline=None)
@given(functions, functions, numbers, numbers, st.integers(0, 5), st.sampled_from([0, 0, 1]))
def test_random_pair_functions(outer, inner, a, b, place, fault):
    terms = [a * outer(b * inner(r2 / 4)) for r2 in squares(FRAME, False)]
    assert held_to_values(sum(terms) + fault * terms[place] / 7) is not bool(fault)


def test_where_it_is_defined_counts():
    space = es.PhaseSpace(2)
    x, y = space.q
    swap = es.FiniteSymmetry(space, [[[0, 1], [1, 0]]])
    cancelling = log(x * (x + 1)) - log(x**2 + x)  # 0 where x(x + 1) > 0, and nowhere else
    assert swap.check(cancelling).status == "refuted"
    assert swap.check(cancelling + cancelling.xreplace({x: y})).proved
    turn = es.LieAlgebra(space, [x * space.p[1] - y * space.p[0]])
    for partial in (1 / (x**2 + y**2), log(x**2 + y**2 - 3), sqrt(1 - x**2 - y**2)):
        base = es.BaseDensity(space, log_density=partial + x / 5)
        verdict = turn.check(base).verdicts[0].verdict
        assert verdict.refuted
        assert partial.xreplace(dict(verdict.witness)).is_real
        verdict = swap.check(partial + x / 5).verdicts[0].verdict
        assert verdict.refuted
        assert partial.xreplace(dict(verdict.witness)).is_real


def test_thirteen_particles_and_what_is_printed_of_them():
    frame = es.Particles(13, 3).relative()
    terms = [r2**-6 - 2 * r2**-3 for r2 in squares(frame, True)]
    base = es.BaseDensity(frame.space, log_density=-sum(terms), log_normalizer=0)
    lie, finite = frame.symmetry().lie, frame.symmetry().finite
    for report in (lie.check(base), finite.check(base)):
        assert report.proved
        assert len(str(report)) < 10_000
    assert len(repr(base)) < 1000
    assert "parts)" in repr(base)
    # The wrong pair is that of the particles 1 and 2: P_1,2 and those beyond leave it alone.
    wrong = es.BaseDensity(
        frame.space, log_density=-sum(terms) + terms[0] / 10**6, log_normalizer=0
    )
    status = [v.verdict.status for v in finite.check(wrong).verdicts]
    assert status == ["proved", "refuted", *["proved"] * (len(status) - 2)]


def test_a_hidden_gaussian_is_still_found():
    space = es.PhaseSpace(2)
    (x, y), (p1, p2) = space.q, space.p
    plain = -(x**2) - 2 * y**2 - p1**2 - p2**2
    hidden = plain + log(exp(-(x**2)) * sp.cosh(y) / sp.cosh(-y)) - (x + y) ** 4 + (y + x) ** 4
    found = find_gaussian(space.coordinates, hidden)
    assert found.precision == sp.diag(4, 4, 2, 2)
    for bent in (x**3, exp(-(x**2)), sqrt(1 + y**2), (x**2 + y**2 - 1) ** 2):
        assert find_gaussian(space.coordinates, plain - bent / 100) is None

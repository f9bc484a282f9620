"""Enclosures of flows contain what mpmath's Taylor integrator finds at 30 and more digits."""

from fractions import Fraction

import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import ehf_sym as es
from ehf_sym.actions import validated_flow
from ehf_sym.actions.validated_flow import TaylorSeries, enclose_flow
from ehf_sym.enclosures.intervals import interval

SPACE = es.PhaseSpace(1)
(q,), (p,) = SPACE.q, SPACE.p

GENERATORS = [
    p**2 / 2 - sp.cos(q),
    p**2 / 2 + q**4 / 4,
    sp.sqrt(1 + p**2) + q**2 / 2,
    p**2 / 2 - 1 / sp.sqrt(1 + q**2),
    p * sp.tanh(q) + sp.exp(-(q**2)),
    sp.log(2 + sp.cos(q * p)) + p / (1 + q**2),
    sp.erf(q) + p**2 / 2 + sp.atan(p),
    p**2 / 2 + (1 + q**2) ** sp.Rational(2, 3) + sp.Abs(p + 3),
]


def action_of(generator, space=SPACE):
    return es.LieAlgebra(space, [generator]).action(0)


def solution(generator, start, eps, digits):
    """mpmath's odefun: Taylor series by numerical differentiation, nothing of ours."""
    field = sp.lambdify(
        (q, p), list(SPACE.vector_field(generator).subs(sp.Abs(p + 3), p + 3)), "mpmath"
    )
    with mpmath.workdps(digits):
        numbers = [mpmath.mpf(u.numerator) / u.denominator for u in (*start, eps)]
        return mpmath.odefun(lambda _, s: field(*s), 0, numbers[:2])(numbers[2])


def contains(bounds, values):
    return all(
        mpmath.mpf(low) <= v <= mpmath.mpf(high)
        for (low, high), v in zip(bounds, values, strict=True)
    )


@pytest.mark.parametrize("generator", GENERATORS, ids=str)
def test_enclosures_contain_the_solution_at_30_digits(generator):
    start, eps = (Fraction(2, 5), Fraction(1, 2)), Fraction(1, 8)
    field = dict(zip((q, p), SPACE.vector_field(generator), strict=True))
    box = enclose_flow(field, dict(zip((q, p), start, strict=True)), eps, 15)
    bounds = [tuple(sp.Float._new(end, 200) for end in box[x]) for x in (q, p)]
    with mpmath.workdps(40):
        assert contains(bounds, solution(generator, start, eps, 30))
        assert all(high - low <= 1e-15 for low, high in bounds)


def test_a_planted_wrong_enclosure_is_caught():
    """Without its remainder term, a Taylor polynomial does not contain the solution."""

    class Truncated(validated_flow._Integration):
        def _advanced(self, series, outer, step):
            self.order, order = 3, self.order
            polynomial = TaylorSeries(self.field, outer, self.precision)
            polynomial.coefficient = lambda x, k: Fraction(0)
            end = {}
            for x in self.field:
                value = Fraction(0)
                for k in range(self.order, -1, -1):
                    scaled = validated_flow.intervals.multiply(value, step, self.precision)
                    term = series.coefficient(x, k)
                    value = validated_flow.intervals.add(term, scaled, self.precision)
                end[x] = self._interval(value)
            self.order = order
            return end

    generator = GENERATORS[0]
    field = dict(zip((q, p), SPACE.vector_field(generator), strict=True))
    start = {q: Fraction(2, 5), p: Fraction(1, 2)}
    box = Truncated(field, 80).run(start, Fraction(3, 10))
    bounds = [tuple(sp.Float._new(end, 200) for end in box[x]) for x in (q, p)]
    with mpmath.workdps(40):
        truth = solution(generator, tuple(start.values()), Fraction(3, 10), 40)
        assert not contains(bounds, truth)
        right = validated_flow._Integration(field, 80).run(start, Fraction(3, 10))
        assert contains([tuple(sp.Float._new(e, 200) for e in right[x]) for x in (q, p)], truth)


fractions = st.fractions(-1, 1, max_denominator=8)


@settings(max_examples=15)
@given(fractions, fractions, fractions)
def test_integration_agrees_with_closed_forms(a, b, eps):
    """Two routes to an interval with the true value must overlap: g = q²p + q."""
    generator = q**2 * p / 3 + q
    action = action_of(generator)
    assert action.proved
    closed = action.enclose([a, b], eps)
    field = dict(zip((q, p), SPACE.vector_field(generator), strict=True))
    box = enclose_flow(field, {q: a, p: b}, eps, 15)
    for (low, high), x in zip(closed, (q, p), strict=True):
        other = [sp.Float._new(end, 100) for end in box[x]]
        assert max(low, other[0]) <= min(high, other[1])
        assert high - low <= 1e-15 * max(1, abs(high))


def test_taylor_coefficients_on_a_box_contain_those_of_its_points():
    generator = GENERATORS[5]
    field = dict(zip((q, p), SPACE.vector_field(generator), strict=True))
    box = {q: (interval(Fraction(1, 4), 80)[0], interval(Fraction(1, 2), 80)[1]),
           p: interval(Fraction(1, 3), 80)}  # fmt: skip
    wide = TaylorSeries(field, box, 80)
    for u in (Fraction(1, 4), Fraction(2, 5), Fraction(1, 2)):
        narrow = TaylorSeries(field, {q: interval(u, 80), p: interval(Fraction(1, 3), 80)}, 80)
        for k in range(6):
            (low, high), (a, b) = (interval(s.coefficient(q, k), 80) for s in (wide, narrow))
            assert mpmath.mpf(low) <= mpmath.mpf(b)
            assert mpmath.mpf(a) <= mpmath.mpf(high)


def test_blow_up_and_singularities_are_errors():
    with pytest.raises(es.ActionError, match="does not exist up to"):
        action_of(q**2 * p).enclose([1, 1], 2)
    with pytest.raises(es.ActionError, match="beyond"):
        action_of(p**2 / 2 + sp.Abs(q)).enclose([1, 0], 2)
    low, high = action_of(q**2 * p).enclose([1, 1], -2)[0]
    assert low <= sp.Rational(1, 3) <= high


def test_a_domain_that_depends_on_time_is_followed():
    """q ↦ tan(atan q + ε) leaves every bound at ε = π/2 − atan q, and is finite after it."""
    action = action_of((1 + q**2) * p)
    low, high = action.enclose([0, 1], Fraction(3, 2))[0]
    assert low <= sp.tan(sp.Rational(3, 2)).evalf(40) <= high
    with pytest.raises(es.ActionError, match="does not exist"):
        action.enclose([0, 1], 2)


def test_many_digits_and_parameters():
    m = sp.Symbol("m", positive=True)
    space = es.PhaseSpace(1, parameters=[m])
    action = action_of(p**2 / (2 * m) - sp.cos(q), space)
    assert action.status == "numerical"
    bounds = action.enclose([1, 0], Fraction(1, 2), {m: 2}, digits=40)
    assert all(high - low <= sp.Float("1e-40", 50) for low, high in bounds)
    truth = solution(p**2 / 4 - sp.cos(q), (Fraction(1), Fraction(0)), Fraction(1, 2), 50)
    with mpmath.workdps(60):
        assert contains(bounds, truth)
    with pytest.raises(es.ArgumentError, match="m"):
        action.enclose([1, 0], 1)


def test_arguments_are_checked():
    action = action_of(p)
    for point, eps, digits in (
        ([1], 1, 15),
        ([1, "0"], 1, 15),
        ([1, float("nan")], 1, 15),
        ([1, 0], None, 15),
        ([1, 0], 1, 0),
        ([1, 0], 1, 1.5),
    ):
        with pytest.raises(es.ArgumentError):
            action.enclose(point, eps, digits=digits)

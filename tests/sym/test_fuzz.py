"""Random formulas: what is proved is zero in 50 digits, what is refuted is not zero there."""

import mpmath
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from ehf_sym.zero.zero_test import is_zero

x, y = sp.symbols("x y", real=True)
half = sp.Rational(1, 2)

leaves = st.sampled_from([x, y, sp.Integer(2), half, sp.Integer(-1), x + y, x * y])
unary = st.sampled_from(
    [
        *(sp.exp, sp.log, sp.sin, sp.cos, sp.tanh, sp.atan, sp.asin, sp.acos, sp.asinh, sp.acosh),
        *(sp.atanh, sp.Abs, sp.sqrt, sp.sign, sp.erf, lambda u: u**2, lambda u: sp.sqrt(1 + u**2)),
        *(lambda u: 1 / u if u != 0 else u, lambda u: sp.Max(u, 0)),
    ]
)


def real(formula):
    return not formula.has(sp.I, sp.zoo, sp.nan, sp.oo, -sp.oo)


trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(unary, inner).map(lambda p: p[0](p[1])),
        st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] * p[1]),
    ).filter(real),
    max_leaves=6,
)
REWRITINGS = [
    lambda f: f.rewrite(sp.exp),
    lambda f: f.rewrite(sp.log),
    lambda f: f.rewrite(sp.sqrt),
    lambda f: sp.expand(f, trig=True),
    lambda f: sp.expand_log(f, force=True),
    lambda f: f.replace(sp.Abs, lambda u: sp.sqrt(u**2)),
    lambda f: f.replace(sp.acos, lambda u: sp.pi / 2 - sp.asin(u)),
    lambda f: f.replace(sp.atan, lambda u: -sp.atan(1 / u) + sp.pi / 2 if u != 0 else sp.S.Zero),
    lambda f: f.replace(sp.asin, lambda u: 2 * sp.atan(u / (1 + sp.sqrt(1 - u**2)))),
    lambda f: f.subs(x, x + half),
]
SAMPLES = [(i, j) for i in (-2.7, -0.6, 0.3, 0.8, 1.9) for j in (-1.3, -0.2, 0.45, 2.2)]


def value(formula, at):
    """The value in 50 digits; None where it is not real, not defined or too large."""
    try:
        function = sp.lambdify((x, y), formula, "mpmath")
        with mpmath.workdps(50):
            found = mpmath.mpmathify(function(*map(mpmath.mpf, at)))
    except (ArithmeticError, ValueError, TypeError, NameError):
        return None
    finite = mpmath.isfinite(found) and abs(found) < 1e10
    return found if finite and mpmath.im(found) == 0 else None


def subexpressions_are_real(formula, at):
    """Whether every part is real: complex parts whose sum is real do not count."""
    return all(value(part, at) is not None for part in sp.preorder_traversal(formula))


@settings(max_examples=150)
@given(trees, st.sampled_from(REWRITINGS))
def test_verdicts_on_rewritten_formulas_hold_in_digits(formula, rewrite):
    difference = formula - rewrite(formula)
    if not real(difference):
        return
    verdict = is_zero(difference, time_limit=5)
    if verdict.proved:
        for at in SAMPLES:
            found = value(difference, at)
            if found is not None and abs(found) > 1e-25:
                assert not subexpressions_are_real(difference, at), at
    if verdict.refuted:
        point = [verdict.witness.get(s, sp.Integer(1)) for s in (x, y)]
        found = value(difference, [sp.N(number, 60) for number in point])
        low, high = verdict.certificate.enclosure
        if found is not None and abs(found) > 1e-30:
            assert mpmath.sign(found) == sp.sign(low) == sp.sign(high)

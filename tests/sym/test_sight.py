"""What a person decides at sight, kind by kind."""

import time
from fractions import Fraction

import mpmath
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from ehf_sym import clock, is_zero
from ehf_sym.enclosures.enclosure import enclose
from ehf_sym.normal_forms.inequalities import contradict
from ehf_sym.normal_forms.normal_form import sign_factors
from ehf_sym.zero.piecewise import residue_classes

x, y, z = sp.symbols("x y z", real=True)
a, b = sp.symbols("a b", positive=True)
u, v = sp.Symbol("u", negative=True), sp.Symbol("v", nonpositive=True)
n, m = sp.symbols("n m", integer=True)
pi, sign, Abs, Piecewise = sp.pi, sp.sign, sp.Abs, sp.Piecewise

ODD_INCREASING = {
    "asin": sp.asin, "atan": sp.atan, "sinh": sp.sinh, "tanh": sp.tanh, "erf": sp.erf,
    "asinh": sp.asinh, "atanh": sp.atanh, "cube": lambda w: w**3,
    "exp - 1": lambda w: sp.exp(w) - 1, "log(1 + x)": lambda w: sp.log(1 + w),
    "2**x - 1": lambda w: 2**w - 1, "scaled": lambda w: sp.sqrt(2) * sp.atan(3 * w),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD_INCREASING)
@pytest.mark.parametrize("inner", ["itself", "atan", "sinh", "cube", "difference"])
def test_increasing_functions_have_the_sign_of_their_argument(name, inner):
    f = ODD_INCREASING[name]
    w = {"itself": x, "difference": x - y}.get(inner) or ODD_INCREASING[inner](x)
    argument = x - y if inner == "difference" else x
    assert is_zero(Abs(f(w)) - f(w) * sign(argument)).proved
    assert is_zero(sign(f(w)) - sign(argument)).proved
    # sign(0) is 0, and not 1.
    false = is_zero(
        Abs(f(w)) * sign(argument) ** 2 - f(w) * sign(argument) + 1 - sign(argument) ** 2
    )
    assert false.refuted


@pytest.mark.parametrize(
    "f",
    [sp.exp, sp.atan, sp.asin, sp.sinh, sp.tanh, sp.erf, sp.asinh, lambda w: w**3, lambda w: w**5],
)
def test_increasing_functions_keep_order(f):
    assert is_zero(sign(f(x) - f(y)) - sign(x - y)).proved
    assert not is_zero(sign(f(x) - f(y)) - sign(y - x)).proved


def test_order_of_positive_numbers_is_that_of_logarithms_and_roots():
    assert is_zero(sign(sp.log(a) - sp.log(b)) - sign(a - b)).proved
    assert is_zero(sign(sp.sqrt(a) - sp.sqrt(b)) - sign(a - b)).proved


@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_reciprocals_of_signs(power):
    assert is_zero(sign(y) ** -power - sign(y) ** power).proved
    assert is_zero(sign(x * y) / sign(y) - sign(x)).proved
    assert is_zero(1 / sign(y) + sign(y)).refuted


def test_what_is_left_is_shown_and_kernels_once():
    verdict = is_zero(Abs(sp.asin(x)) - sp.asin(x) * sign(x))
    assert len(set(verdict.certificate.kernels)) == len(verdict.certificate.kernels)
    open_one = is_zero(sign(sp.exp(1 + sp.cos(x)) - 1) - 1)
    assert open_one.undecided
    assert open_one.residual != 0
    assert "normal form not zero" not in open_one.method


@given(st.fractions(min_value=Fraction(1, 30), max_value=2, max_denominator=30))
@settings(max_examples=60, deadline=None)
def test_complementary_angles(turn):
    angle = pi * sp.Rational(turn.numerator, turn.denominator)
    complement = pi / 2 - angle
    for f, g in ((sp.sin, sp.cos), (sp.tan, sp.cot), (sp.sec, sp.csc)):
        left, right = f(angle), g(complement)
        if not (left - right).has(sp.zoo, sp.nan):
            assert is_zero(x * (f(angle, evaluate=False) - g(complement, evaluate=False))).proved
            assert not is_zero(left - right + sp.Rational(1, 10**9)).proved


@pytest.mark.parametrize(
    "formula",
    [sp.tan(3 * pi / 7) - sp.cot(pi / 14), sp.sec(3 * pi / 7) - sp.csc(pi / 14),
     sp.csc(2 * pi / 11) - sp.sec(7 * pi / 22), sp.cot(2 * pi / 9) * sp.tan(2 * pi / 9) - 1,
     sp.cos(pi / 7) - sp.cos(2 * pi / 7) + sp.cos(3 * pi / 7) - sp.Rational(1, 2),
     sp.sec(pi / 9) - sp.sec(5 * pi / 9) - sp.sec(7 * pi / 9) - 6],
    ids=str,
)  # fmt: skip
def test_relations_of_trigonometric_numbers(formula):
    with mpmath.workdps(40):
        true = abs(sp.lambdify((), formula, "mpmath")()) < mpmath.mpf(10) ** -35
    assert is_zero(formula).proved == true
    assert is_zero(formula).refuted != true


@pytest.mark.parametrize(
    "formula",
    [
        Piecewise((0, (a > 1) & (a - b >= 1)), (3, a - b >= 1), (0, True)),
        Piecewise((0, x > y), (0, y > z), (1, x > z), (0, True)),
        Piecewise((0, x + y < 1), (0, x - y < 1), (1, x < 1), (0, True)),
        Piecewise((1, (x > y) & (y > z) & (z > x)), (0, True)),
        Piecewise((x - y, (x >= y) & (y >= x)), (0, True)),
        Piecewise((0, sp.sqrt(2) * (y - x) <= 0), (1, y <= x), (0, True)),
        Piecewise((0, 2**a > 1), (1, True)),
        Piecewise((0, 2**x > 1), (1, x > 0), (0, True)),
        Piecewise((0, sp.Rational(1, 2) ** x < 1), (1, x > 0), (0, True)),
        Piecewise((0, sp.exp(x) > sp.exp(y)), (1, x > y), (0, True)),
        Piecewise((0, sp.log(a) > 0), (1, a > 1), (0, True)),
        Piecewise((0, sp.atan(x) >= 0), (1, x >= 0), (0, True)),
        Piecewise((0, pi * x > pi * y), (1, x > y), (0, True)),
        Piecewise((x * y - 1, sp.Eq(x * y, 1)), (0, True)),
        Piecewise((x**2 + y**2 - 1, sp.Eq(x**2 + y**2, 1)), (0, True)),
        Piecewise((x, sp.Eq(x**2 + y**2, 0)), (0, True)),
        Piecewise((1, x**2 + y**2 < 0), (0, True)),
    ],
    ids=str,
)  # fmt: skip
def test_conditions_that_imply_others(formula):
    assert is_zero(formula).proved


@pytest.mark.parametrize(
    "formula",
    [
        Piecewise((0, (a > 1) & (a - b >= 1)), (3, a - b >= sp.Rational(1, 2)), (0, True)),
        Piecewise((0, x > y), (0, y > z), (1, x >= z), (0, True)),
        Piecewise((0, sp.sqrt(2) * (y - x) < 0), (1, y <= x), (0, True)),
        Piecewise((0, 2**x > 1), (1, x >= 0), (0, True)),
        Piecewise((0, sp.Rational(1, 2) ** x < 1), (1, x < 0), (0, True)),
        Piecewise((1, sp.Eq(x * y, 1)), (0, True)),
        Piecewise((1, sp.Eq(x**2 + y**2, 1)), (0, True)),
        Piecewise((y, sp.Eq(y, x**2)), (0, True)),
        Piecewise((x, sp.Eq(3 * x - 2 * y + z, 5)), (0, True)),
        Piecewise((1, sp.Eq(x * y, 2) & (x > 1)), (0, True)),
        1 - sign(x - y) ** 2,
        1 - sp.Heaviside((x * y - 2) ** 2, 0),
    ],
    ids=str,
)  # fmt: skip
def test_witnesses_on_curves_and_edges(formula):
    verdict = is_zero(formula)
    assert verdict.refuted
    assert formula.xreplace(dict(verdict.witness)) != 0


def test_a_root_that_is_real_at_one_point_is_not_forgotten():
    formula = Piecewise((1 + sp.sqrt(x * (x - y)), sp.Eq(y, 2 * x)), (0, True))
    assert not is_zero(formula).proved


@pytest.mark.parametrize("outer", [Abs, sp.sqrt, sign, lambda w: sp.sqrt(Abs(w)), sp.erf, sp.atan])
def test_zero_factors(outer):
    zero = sp.cos(1) ** 2 + sp.sin(1) ** 2 - 1
    assert is_zero(outer(x * zero)).proved
    assert is_zero(outer(x * (sp.exp(y) ** 2 - sp.exp(2 * y + z) * sp.exp(-z)))).proved


@pytest.mark.parametrize(
    "formula",
    [
        sp.cos(pi * n / 2) ** 2 - (1 + (-1) ** n) / 2,
        sp.sin(pi * n / 2) ** 2 - (1 - (-1) ** n) / 2,
        sp.cos(pi * n / 2) * sp.sin(pi * n / 2),
        4 * sp.cos(pi * n / 3) ** 3 - 3 * sp.cos(pi * n / 3) - (-1) ** n,
        sp.sin(pi * n / 4) ** 2 * sp.cos(pi * n / 2) * (1 - sp.cos(pi * n / 2)) * sp.sin(pi * n),
        sign(sp.exp(1 + sp.cos(pi * n / 3)) - 1) - sign(1 + sp.cos(pi * n / 3)),
        sp.cos(pi * n * m / 2) ** 2 - (1 + (-1) ** (n * m)) / 2,
    ],
    ids=str,
)  # fmt: skip
def test_integers_in_fractions_of_pi(formula):
    values = {sp.N(formula.subs({n: k, m: 1}), 30, chop=True) for k in range(-13, 14)}
    assert max(map(abs, values)) < 1e-25
    assert is_zero(formula).proved
    assert is_zero(formula + (1 + (-1) ** n) * (1 + sp.cos(pi * n / 2)) / 10**6).refuted


@pytest.mark.parametrize(
    "formula",
    [Abs(u) + u, Abs(v) + v, sp.sqrt(u**2) + u, Abs(sp.exp(u) - 1) + sp.exp(u) - 1,
     Abs(v**3 - 1) + v**3 - 1, sign(u * x) + sign(x), Abs(u + v) + u + v, sign(u + v) + 1,
     Piecewise((0, u < 1), (1, True)), Piecewise((0, u + v < 0), (1, True)),
     sp.log(-u) - sp.log(u**2) / 2, Abs(u * v * x) - u * v * Abs(x)],
    ids=str,
)  # fmt: skip
def test_symbols_below_zero(formula):
    assert is_zero(formula).proved
    assert is_zero(formula + sp.exp(u) / 1000).refuted


def test_every_integer_is_in_one_residue_class():
    formula = n * sp.cos(pi * n / 3) + sp.sin(pi * n / 4)
    found = []
    for part, place in residue_classes(formula):
        (k,) = place[n].free_symbols
        assert place[n].coeff(k) == 24
        found.append(place[n].subs(k, 0))
        for turn in (0, 1, -3):
            assert part.subs(k, turn) == formula.subs(n, place[n].subs(k, turn))
    assert found == list(range(24))


@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_powers_of_what_is_below_zero_in_conditions(power):
    negative = sp.exp(x) * u - 1
    whole = Piecewise((1, negative**power * y > 0), (0, True))
    positive, below = (Piecewise((1, c), (0, True)) for c in (y > 0, y < 0))
    right, wrong = (positive, below) if power % 2 == 0 else (below, positive)
    assert is_zero(whole - right).proved
    assert is_zero(whole - wrong).refuted


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4), st.integers(-6, 6)), max_size=7))
@settings(max_examples=150, deadline=None)
def test_contradictions_of_inequalities(triples):
    """Against SciPy's linear programs, where the margin is largest."""
    from scipy.optimize import linprog

    rows = [({"x": p, "y": q, 1: r}, False) for p, q, r in triples]
    if not rows:
        return
    # Maximize t with p x + q y + r >= t and t <= 1: solvable exactly if t >= 0.
    best = linprog(
        [0, 0, -1],
        A_ub=[[-p, -q, 1] for p, q, _ in triples],
        b_ub=[r for *_, r in triples],
        bounds=[(None, None), (None, None), (None, 1)],
    )
    margin = -best.fun
    assert contradict(rows, 1) == (margin < -1e-9)
    strict = [(form, True) for form, _ in rows]
    assert contradict(strict, 1) == (margin < 1e-9)


@given(st.sampled_from([2, 3, Fraction(1, 2), Fraction(9, 10)]), st.fractions(-3, 3))
@settings(max_examples=40, deadline=None)
def test_signs_of_conditions(base, place):
    formula = sp.Rational(base) ** (x - y) * sp.sqrt(3) - sp.sqrt(3)
    sign_found, factors = sign_factors(formula)
    for f, power in factors:
        sign_found *= sp.sign(f.subs({x: sp.Rational(place), y: 1})) ** power
    value = formula.subs({x: sp.Rational(place), y: 1})
    assert sign_found == sp.sign(sp.N(value, 30, chop=True))


def test_the_limit_on_time_ends_factorizations():
    formula = sp.sin(pi / 136) - sp.sin(pi / 136).rewrite(sp.sqrt)
    start = time.monotonic()
    assert is_zero(formula, time_limit=1).undecided
    assert time.monotonic() - start < 5


def _go_on():
    while True:
        abs(-1)


def test_code_that_does_not_ask_about_the_time_is_ended():
    with clock.time_limit(0.1), pytest.raises(clock.OutOfTimeError):
        clock.interrupted(_go_on)
    assert clock.interrupted(lambda: enclose(x, {x: sp.Integer(2)}, 53)) == 2


@pytest.mark.parametrize("w", [x, n, x - 2 * y, x**2 - 1, sp.sinh(x)])
@pytest.mark.parametrize("f", [lambda s: s, sp.atan, sp.sinh, lambda s: s**3 + s, sp.erf])
def test_functions_of_a_sign_take_three_values(f, w):
    s = sign(w)
    assert is_zero(Abs(f(s)) - f(s) * s).proved
    assert is_zero(Abs(f(s)) - f(s)).refuted
    assert is_zero(sp.cos(s) - 1 - (sp.cos(1) - 1) * s**2).proved


CURVES = {
    "one": ((x > 3) & sp.Eq(x * y * z, 2), lambda p: p[x] > 3 and p[x] * p[y] * p[z] == 2),
    "two": (
        (x > 3) & (z > 2) & sp.Eq(x * y * z, 2),
        lambda p: p[x] > 3 and p[z] > 2 and p[x] * p[y] * p[z] == 2,
    ),
    "between symbols": (
        (x > 3) & (y > x + 5) & sp.Eq(x * y + z, 2),
        lambda p: p[x] > 3 and p[y] > p[x] + 5 and p[x] * p[y] + p[z] == 2,
    ),
    "far away": ((y < -50) & sp.Eq(x * y, 7), lambda p: p[y] < -50 and p[x] * p[y] == 7),
}


@pytest.mark.parametrize("kind", CURVES)
def test_a_witness_lies_on_a_curve_inside_a_region(kind):
    condition, holds = CURVES[kind]
    verdict = is_zero(Piecewise((1, condition), (0, True)))
    assert verdict.refuted
    assert holds(verdict.witness)

"""The zero test: true identities, the same with a planted fault, traps, and the door."""

import copy
import json
import pickle
from fractions import Fraction

import mpmath
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st
from sympy import Abs, Max, Min, Rational, cos, exp, log, pi, sign, sin, sqrt, tan

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.zero.zero_test import is_zero

x, y, z = sp.symbols("x y z", real=True)
q1, q2, q3, p1, p2, p3 = sp.symbols("q1:4 p1:4", real=True)
a = sp.Symbol("a", positive=True)
tiny = Rational(1, 10**12)
r = sqrt(x**2 + y**2)


def sigmoid(u):
    return 1 / (1 + exp(-u))


def softplus(u):
    return log(1 + exp(u))


def bracket(f, g):
    pairs = ((q1, p1), (q2, p2), (q3, p3))
    return sp.Add(*(f.diff(q) * g.diff(p) - f.diff(p) * g.diff(q) for q, p in pairs))


rotation = q1 * p2 - q2 * p1
qq, pp, qp = q1**2 + q2**2, p1**2 + p2**2, q1 * p1 + q2 * p2

IDENTITIES = {
    "binomial": (x + y) ** 2 - x**2 - 2 * x * y - y**2,
    "geometric": (x**5 - 1) / (x - 1) - (x**4 + x**3 + x**2 + x + 1),
    "partial fractions": 1 / (x * (x + 1)) - 1 / x + 1 / (x + 1),
    "reciprocal of a sum": 1 / (x**2 / (x + 1) + x / (x + 1)) - 1 / x,
    "sigmoid sum": sigmoid(x) + sigmoid(-x) - 1,
    "sigmoid slope": sigmoid(x).diff(x) - sigmoid(x) * (1 - sigmoid(x)),
    "softplus": softplus(x) - softplus(-x) - x,
    "softplus of a margin": softplus(-10 * (x + Rational(5, 2)))
    - softplus(10 * (x + Rational(5, 2)))
    + 10 * x
    + 25,
    "log sigmoid": log(sigmoid(x)) + softplus(-x),
    "exp of a sum": exp(x + y, evaluate=False) - exp(x) * exp(y),
    "exp of log": exp(2 * log(1 + x**2) + x) - (1 + x**2) ** 2 * exp(x),
    "log of exp": log(exp(x) * (1 + exp(y))) - x - softplus(y),
    "powers of exp": exp(x) ** 3 * exp(-x / 2) - exp(Rational(5, 2) * x),
    "exp of a quotient": exp(x / (1 + x)) * exp(1 / (1 + x)) - sp.E,
    "tanh": sp.tanh(x) - (2 * sigmoid(2 * x) - 1),
    "tanh by exp": sp.tanh(x) - (1 - exp(-2 * x)) / (1 + exp(-2 * x)),
    "sinh of twice": sp.sinh(2 * x) - 2 * sp.sinh(x) * sp.cosh(x),
    "hyperbola": sp.cosh(x) ** 2 - sp.sinh(x) ** 2 - 1,
    "tanh of half": sp.tanh(x / 2) - (sp.cosh(x) - 1) / sp.sinh(x),
    "sech": sp.sech(x) ** 2 + sp.tanh(x) ** 2 - 1,
    "coth": sp.coth(x) - sp.csch(x) * sp.cosh(x),
    "circle": sin(x) ** 2 + cos(x) ** 2 - 1,
    "cosine of twice": cos(2 * x) - 1 + 2 * sin(x) ** 2,
    "cosine of thrice": cos(3 * x) - 4 * cos(x) ** 3 + 3 * cos(x),
    "sine of five": sin(5 * x) - 16 * sin(x) ** 5 + 20 * sin(x) ** 3 - 5 * sin(x),
    "tangent of a sum": tan(x + y) - (tan(x) + tan(y)) / (1 - tan(x) * tan(y)),
    "tangent of half": tan(x / 2) - sin(x) / (1 + cos(x)),
    "sum of sines": sin(x) + sin(y) - 2 * sin((x + y) / 2) * cos((x - y) / 2),
    "sine of a shift": sin(x + pi / 3) - sin(x) / 2 - sqrt(3) / 2 * cos(x),
    "sine of an eighth": sin(x * y + pi / 4) - (sin(x * y) + cos(x * y)) / sqrt(2),
    "sine of a twelfth": sin(x + pi / 12) - sin(x) * cos(pi / 12) - cos(x) * sin(pi / 12),
    "sine of a seventh": sin(x + pi / 7) - sin(x) * cos(pi / 7) - cos(x) * sin(pi / 7),
    "secant": sp.sec(x) ** 2 - tan(x) ** 2 - 1,
    "cosecant": sp.csc(x) ** 2 - sp.cot(x) ** 2 - 1,
    "root of cosine": sqrt((1 - cos(x)) / 2) - Abs(sin(x / 2)),
    "root of a square": sqrt(x**4 + 2 * x**2 + 1, evaluate=False) - x**2 - 1,
    "root of a binomial": sqrt(x**2 + 2 * x * y + y**2) - Abs(x + y),
    "root of a product": sqrt(x) * sqrt(y) - sqrt(x * y),
    "three roots": sqrt(x * y) * sqrt(y * z) * sqrt(x * z) - Abs(x * y * z),
    "root of a quotient": sqrt(x / y) * sqrt(x * y) - Abs(x),
    "root of exp": sqrt(exp(x) * exp(y), evaluate=False) - exp((x + y) / 2),
    "root of cosh": sqrt(1 + sp.sinh(x) ** 2) - sp.cosh(x),
    "fractional powers": (1 + x**2) ** Rational(1, 3) * (1 + x**2) ** Rational(1, 6)
    - sqrt(1 + x**2),
    "conjugate": 1 / (sqrt(1 + a) - sqrt(a)) - sqrt(1 + a) - sqrt(a),
    "nested root": sqrt(a + sqrt(a)) ** 4 - a**2 - 2 * a * sqrt(a) - a,
    "norm": r**3 / (x**2 + y**2) - r,
    "tanh of the norm": sp.tanh(r) - (exp(r) - exp(-r)) / (exp(r) + exp(-r)),
    "yukawa": (exp(-r) / r).diff(x) * y - (exp(-r) / r).diff(y) * x,
    "square of abs": Abs(x * y) - Abs(x) * Abs(y),
    "abs with a square": Abs(x**2 * y + x**2) - x**2 * Abs(y + 1),
    "abs and sign": x * sign(x) - Abs(x),
    "cube of sign": sign(x * y) ** 3 - sign(x) * sign(y),
    "max and min": Max(x, y) + Min(x, y) - x - y,
    "max by abs": Max(x, y) - (x + y + Abs(x - y)) / 2,
    "log of a square": log(x**2) - 2 * log(Abs(x)),
    "log of a product": log(x * y) - log(x) - log(y),
    "log of a root": log(sqrt(1 + x**2)) - log(1 + x**2) / 2,
    "log of a polynomial": log(x**2 + 2 * x + 1) - 2 * log(Abs(x + 1)),
    "log of 12": log(12) - 2 * log(2) - log(3),
    "logs of 8 and 9": log(8) * log(9) - 6 * log(2) * log(3),
    "root of 6": (sqrt(2) + sqrt(3)) ** 2 - 5 - 2 * sqrt(6),
    "fifth of a circle": cos(pi / 5) - cos(2 * pi / 5) - Rational(1, 2),
    "symbolic powers": x**y * x**z - x ** (y + z),
    "powers of two": 2**x * exp(-x * log(2)) - 1,
    "power by exp": exp(y * log(x)) - x**y,
    "power pi": a**pi * a ** (1 - pi) - a,
    "error function": sp.erf((x + 1) ** 2) - sp.erf(x**2 + 2 * x + 1),
    "arc tangent": sp.atan(x * (x + 1)) - sp.atan(x**2 + x),
    "bracket: product": bracket(rotation, (qq + pp) ** 3 * qq),
    "bracket: gaussian": bracket(rotation, exp(-(qq + 2 * pp) / 3)),
    "bracket: softplus": bracket(rotation, softplus(-10 * (sqrt(qq) + Rational(5, 2)))),
    "bracket: tanh": bracket(rotation, sp.tanh(sqrt(qq)) * sigmoid(pp - qp)),
    "bracket: yukawa": bracket(rotation, exp(-sqrt(qq)) / sqrt(qq) * sin(pp)),
    "bracket: quotient": bracket(rotation, (qq + pp) ** Rational(3, 2) / (1 + cos(qp) ** 2)),
    "bracket: log": bracket(rotation, log(1 + qq * pp) * Abs(qq - pp)),
    "bracket: angular momentum": bracket(q2 * p3 - q3 * p2, q3 * p1 - q1 * p3)
    - (q1 * p2 - q2 * p1),
    "bracket: so(3)": bracket(
        rotation,
        -sqrt(qq + q3**2) + sp.tanh(pp + p3**2) * exp(-((qp + q3 * p3) ** 2)),
    ),
}


def value_at(formula, witness):
    """Value with 50 digits, by mpmath's own arithmetic."""
    symbols = list(witness)
    with mpmath.workdps(50):
        at = [mpmath.mpf(int(v.p)) / int(v.q) for v in witness.values()]
        return mpmath.mpmathify(sp.lambdify(symbols, formula, "mpmath")(*at))


def check_witness(formula, verdict):
    """The witness is exact, and an independent evaluation falls into the enclosure."""
    assert verdict.refuted
    assert all(isinstance(number, Rational) for number in verdict.witness.values())
    assert set(verdict.witness) == formula.free_symbols
    assert verdict.residual is None
    low, high = verdict.value if isinstance(verdict.value, tuple) else (verdict.value,) * 2
    assert low * high > 0
    found = value_at(formula, verdict.witness)
    with mpmath.workdps(50):
        slack = mpmath.mpf(10) ** -40
        bounds = [mpmath.mpf(sp.Rational(end).p) / sp.Rational(end).q for end in (low, high)]
        assert bounds[0] - slack <= mpmath.re(found) <= bounds[1] + slack
        assert abs(mpmath.im(found)) < slack


@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_are_proved(name):
    verdict = is_zero(IDENTITIES[name])
    assert verdict.status == "proved"
    assert verdict.witness is None
    assert verdict.residual is None


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_same_with_a_tiny_term_is_refuted(name):
    identity = IDENTITIES[name]
    for extra in (tiny, tiny * sp.Add(*(s**2 + s for s in identity.free_symbols), 2)):
        formula = sp.Add(identity, extra, evaluate=False)
        check_witness(formula, is_zero(formula))


@pytest.mark.parametrize("name", IDENTITIES)
def test_the_same_with_a_tiny_factor_is_refuted(name):
    identity = IDENTITIES[name]
    if not isinstance(identity, sp.Add):
        return
    first, *rest = identity.args
    formula = sp.Add((1 + tiny) * first, *rest)
    verdict = is_zero(formula)
    assert verdict.refuted
    check_witness(formula, verdict)


@pytest.mark.parametrize(
    "formula",
    [
        Rational(1, 10**8) * x,
        Rational(1, 10**30) * log(1 + x**2) + sin(x) ** 2 + cos(x) ** 2 - 1,
        x * (x - 1) * (x - 2) * (x + 1) * (2 * x - 1),
        sp.Mul(*(x - n for n in range(-40, 41))),
        sp.Mul(*((x - n) * (2 * y - n) for n in range(-9, 10))),
        sin(pi * x),
        sqrt(x**2) - x,
        sqrt(x**2) + x,
        sign(x) ** 2 - 1,
        sp.Piecewise((x, x > 0), (-x, True)) - x,
        exp(x) - sp.Add(*(x**n / sp.factorial(n) for n in range(12))),
        log(x - 100) - log(x - 99),
        log(x - 5000) - 1,
        sqrt(1 - x**2 - y**2 - z**2 - q1**2) - 1,
        cos(10**20 * x) - 1,
        (x + 1) ** 1_000_000 - 1,
        x**y - y**x,
        exp(pi * sqrt(163)) - 640320**3 - 744,
        pi - Rational(314159265358979323846264338327950288, 10**35),
        (Abs(x - 1) - x + 1) * (1 + sp.Pow(x**2 * (x - 1), Rational(1, 2), evaluate=False)),
    ],
    ids=lambda formula: str(formula)[:40],
)
def test_traps_are_refuted(formula):
    verdict = is_zero(formula)
    assert verdict.refuted
    low, high = verdict.value if isinstance(verdict.value, tuple) else (verdict.value,) * 2
    exact = formula.subs(dict(verdict.witness))
    assert low * high > 0
    assert exact.is_Rational is not True or low <= exact <= high


@pytest.mark.parametrize(
    "formula",
    [
        # Nowhere real: there is nothing to vanish.
        (log(-1 - x**2) + 1) ** 2 - log(-1 - x**2) ** 2 - 2 * log(-1 - x**2) - 1,
        # True, by an identity of a function that is only a name here.
        sp.gamma(x + 1) - x * sp.gamma(x),
        # Too large for a number that fits in the memory.
        exp(exp(exp(x + 200))) - exp(exp(exp(x + 300))),
    ],
    ids=str,
)
def test_what_is_not_known_is_left_undecided(formula):
    verdict = is_zero(formula)
    assert verdict.undecided
    assert verdict.witness is None
    assert verdict.value is None
    assert verdict.residual.free_symbols <= formula.free_symbols
    assert verdict.residual != 0


def test_deep_nesting_is_left_undecided():
    u = formula = sp.Symbol("u")
    for _ in range(400):
        formula = sp.Add(sp.Mul(formula, u, evaluate=False), 1, evaluate=False)
    assert is_zero(formula - u).undecided


def test_the_residual_is_equal_to_the_expression():
    formula = sp.gamma(x) * (sin(x) ** 2 + cos(x) ** 2) - sp.gamma(x + 1) / x
    residual = is_zero(formula).residual
    assert sp.expand(residual - sp.gamma(x) + sp.gamma(x + 1) / x) == 0


polynomials = st.lists(
    st.tuples(st.integers(-5, 5), st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)),
    min_size=1,
    max_size=6,
).map(lambda terms: sp.Add(*(c * x**i * y**j * z**k for c, i, j, k in terms)))
denominators = polynomials.map(lambda f: 1 + f**2)


@given(polynomials, polynomials)
def test_polynomials_expanded(f, g):
    formula = (f + g) * (f - g) - sp.expand(f**2) + sp.expand(g**2)
    assert is_zero(formula).proved


@given(polynomials, denominators, polynomials, denominators)
def test_rational_functions_over_a_common_denominator(f, u, g, v):
    assert is_zero(f / u + g / v - sp.expand(f * v + g * u) / sp.expand(u * v)).proved


@given(polynomials, denominators)
def test_rational_functions_agree_with_sympy_cancel(f, u):
    # Subtracting a constant hits some functions that are zero and many that are not.
    formula = f / u - f.subs({x: 1, y: 1, z: 1}) / u
    verdict = is_zero(formula)
    assert verdict.proved == (sp.cancel(formula) == 0)
    assert not verdict.undecided
    if verdict.refuted:
        assert formula.subs(dict(verdict.witness)) == verdict.value


@given(polynomials, st.sampled_from([exp, sin, sp.tanh, lambda u: sqrt(1 + u**2), softplus]))
def test_the_derivative_of_a_composition(f, outer):
    formula = outer(f).diff(x) - outer(sp.expand(f)).diff(x)
    assert is_zero(formula).proved
    assert not is_zero(formula + tiny * y).proved


def test_assumptions_are_respected():
    n = sp.Symbol("n", integer=True)
    negative = sp.Symbol("m", negative=True)
    even = sp.Symbol("e", even=True, positive=True)
    assert is_zero(Abs(a) - a).proved
    assert is_zero(sqrt(negative**2) + negative).proved
    assert is_zero(sin(pi * n)).proved
    assert is_zero(log(a * x) - log(a) - log(x)).proved
    for formula in (sin(pi * n / 2), negative**3 + n, (even - 2) * (even - 4) * (even - 6) + a):
        verdict = is_zero(formula)
        assert verdict.refuted
        for symbol, number in verdict.witness.items():
            wanted = {k: v for k, v in symbol.assumptions0.items() if v is not None}
            assert all(getattr(number, f"is_{k}") is v for k, v in wanted.items())
    # No rational number is irrational: no witness can be given.
    irrational = sp.Symbol("i", irrational=True)
    assert is_zero(irrational).undecided


def test_plain_symbols_are_read_as_real():
    u, v = sp.symbols("u v")
    assert is_zero(sqrt(u**2) - Abs(u)).proved
    verdict = is_zero(sqrt(u**2) - u + v - v)
    assert verdict.refuted
    assert set(verdict.witness) == {u}
    undecided = is_zero(sp.gamma(u + 1) - u * sp.gamma(u))
    assert undecided.residual.free_symbols == {u}


def test_symbols_of_one_name_stay_apart():
    plain = sp.Symbol("x")
    verdict = is_zero(plain - x)
    assert verdict.refuted
    assert set(verdict.witness) == {plain, x}


@pytest.mark.parametrize("number", [0, sp.Integer(0), Fraction(0), sp.S.Zero * x])
def test_exact_zeros(number):
    assert is_zero(number).proved


@pytest.mark.parametrize("number", [1, Fraction(-1, 3), Rational(2, 7)])
def test_exact_numbers(number):
    verdict = is_zero(number)
    assert verdict.refuted
    assert verdict.value == number
    assert len(verdict.witness) == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("x - x", "the text"),
        (b"0", "type bytes"),
        (None, "type NoneType"),
        (True, "type bool"),
        (0j, "type complex"),
        (0.0, "float 0"),
        (0.1 * x, "float 0.1"),
        (x**0.5 - sqrt(x), "float 0.5"),
        (sp.Eq(x, y), "type Equality"),
        (sp.Matrix([[x]]), "type MutableDenseMatrix"),
        (sp.MatrixSymbol("A", 2, 2), "type MatrixSymbol"),
        ([x], "type list"),
        (sp.I * x, "contains I"),
        (exp(sp.I * x), "contains I"),
        (sp.nan, "contains nan"),
        (sp.zoo + x, "contains zoo"),
        (sp.oo - x, "contains"),
        (sp.Symbol("w", imaginary=True), "symbol w"),
        (sp.Symbol("w", commutative=False) * x, "symbol w"),
        (sp.Symbol("w", infinite=True), "symbol w"),
    ],
    ids=str,
)
def test_the_door(wrong, message):
    with pytest.raises(FormulaError, match=message):
        is_zero(wrong)


def test_text_is_never_run(tmp_path):
    target = tmp_path / "touched"
    with pytest.raises(FormulaError):
        is_zero(f"open({str(target)!r}, 'w')")
    assert not target.exists()


def test_a_float_is_named_and_the_remedy_said():
    with pytest.raises(FormulaError, match=r"0\.25.*Rational.*nsimplify"):
        is_zero(sp.Float("0.25") * x)


def test_a_verdict_has_no_truth_value():
    for formula in (x - x, x):
        with pytest.raises(TypeError, match=r"\.proved"):
            bool(is_zero(formula))


def test_verdicts_are_immutable_values():
    verdict = is_zero(x + y)
    again = pickle.loads(pickle.dumps(verdict))
    assert again == verdict == copy.deepcopy(verdict)
    assert hash(again) == hash(verdict)
    assert dict(verdict.witness) == {x: 1, y: 2}
    with pytest.raises(AttributeError):
        verdict.status = "proved"
    with pytest.raises(TypeError):
        verdict.witness[x] = 0


def test_verdicts_print_well():
    assert str(is_zero(x - y)) == "refuted: the value at x = 1, y = 2 is -1 (exact arithmetic)"
    assert str(is_zero(sp.Integer(2))) == "refuted: the value is 2 (exact arithmetic)"
    assert str(is_zero(exp(x) ** 2 - exp(2 * x))).startswith("proved: normal form")
    assert str(is_zero((x + 2) ** 300)).startswith(
        "refuted: the value at x = 1 is about 1.36891E+143"
    )
    assert "gamma(x)" in str(is_zero(sp.gamma(x + 1) - x * sp.gamma(x)))


def test_the_answer_does_not_depend_on_earlier_questions():
    formula = exp(x / 3) * sqrt(1 + y**2) + 1
    first = is_zero(formula)
    for identity in IDENTITIES.values():
        is_zero(identity)
    assert is_zero(formula) == first


def test_large_sums_do_not_meet_a_common_denominator():
    xs = sp.symbols("x1:21", real=True)
    formula = sp.Add(*(sigmoid(u) + sigmoid(-u) - 1 for u in xs))
    assert is_zero(formula).proved
    assert is_zero(formula + tiny * xs[3] * xs[17]).refuted


def test_twenty_variables():
    xs = sp.symbols("x1:21", real=True)
    formula = sp.expand(sp.Add(*xs) ** 2) - sp.Add(*xs) ** 2
    assert is_zero(formula).proved
    assert is_zero(formula - tiny * xs[3] * xs[17]).refuted
    assert is_zero(
        log(sp.Mul(*(1 + u**2 for u in xs))) - sp.Add(*(log(1 + u**2) for u in xs))
    ).proved


def test_past_the_time_limit_the_answer_is_undecided():
    formula = sp.Add(*(sp.atan(x + k * y) for k in range(9))) * sqrt(1 - sin(x * y) ** 2) ** 7
    formula = formula - sp.expand(formula)
    verdict = is_zero(formula, time_limit=1e-6)
    assert verdict.undecided
    assert "time limit" in verdict.method
    assert verdict.residual == formula
    assert is_zero(x - x, time_limit=1e-6).proved or is_zero(x - x, time_limit=1).proved


@pytest.mark.parametrize("wrong", [0, -1, True, "10", None, float("nan")])
def test_a_time_limit_is_a_positive_number(wrong):
    with pytest.raises(ArgumentError, match="time_limit"):
        is_zero(x, time_limit=wrong)


def test_the_error_function_has_the_sign_of_its_argument():
    assert is_zero(Abs(sp.erf(x)) - sp.erf(Abs(x))).proved


def test_certificates_are_plain_data():
    proof = is_zero(exp(x) * exp(y) - exp(x + y)).certificate.as_dict()
    assert proof["method"] == "normal form"
    assert proof["kernels"][:2] == ["x", "y"]
    refutation = is_zero(exp(x) - 1 - x).certificate.as_dict()
    assert refutation["witness"] == {"x": "1"}
    assert all(float(end) > 0 for end in refutation["enclosure"])
    assert json.loads(json.dumps([proof, refutation])) == [proof, refutation]


def test_certificates_print_what_they_rest_on():
    proof = str(is_zero(log(a**2) - 2 * log(a)).certificate).splitlines()
    assert proof[0] == "method: normal form"
    assert proof[1].startswith("kernels: a, log(a)")
    assert any(line.startswith("rests on: ") for line in proof)
    witness = str(is_zero(x - 1).certificate).splitlines()
    point, value = (line.split(" ")[-1] for line in witness[-2:])
    assert sp.Rational(point) - 1 == sp.Rational(value) != 0
    between = str(is_zero(exp(x) - 1).certificate)
    assert "value: between" in between
    many = sp.symbols("t1:15", real=True)
    long = sum(exp(x + t) for t in many) - exp(x) * sum(map(exp, many))
    assert " and 18 more" in str(is_zero(long).certificate)

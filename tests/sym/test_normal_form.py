"""Normal forms: value preserved, signs proved, and domains that are thin or empty."""

import mpmath
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from ehf_sym.normal_forms.kernels import factor, shared_ring
from ehf_sym.normal_forms.normal_form import normal_form
from ehf_sym.normal_forms.signs import KernelSigns, Sign

x, y, z = sp.symbols("x y z", real=True)
a = sp.Symbol("a", positive=True)
half = sp.Rational(1, 2)


def unevaluated_root(base, exponent=half):
    """A root that SymPy has not pulled apart, as its rules hold only off thin sets."""
    return sp.Pow(base, exponent, evaluate=False)


FORMULAS = [
    sp.exp(x / 2) + sp.exp(x / 3) * y,
    sp.log(x**2 * y**2 + 1) / (1 + sp.exp(-x)),
    sp.sin(x + sp.pi / 3) * sp.cos(x / 2 - y) + sp.tan(3 * x),
    sp.sin(sp.pi / 5 + x) + sp.cos(sp.pi / 7),
    sp.tanh(sp.sqrt(x**2 + y**2)) / sp.sqrt(x**2 + y**2) ** 3,
    sp.Abs(x * y - 1) + sp.sign(x) * sp.Max(x, y, 1) - sp.Min(x, y),
    sp.sqrt(a) * sp.root(a, 3) ** 2 / (1 + sp.sqrt(a + sp.sqrt(a))),
    sp.log(sp.sqrt(sp.exp(x) * (1 + sp.exp(x)) ** 3) * 12),
    (x**2 + 1) ** y * 2**x / sp.cosh(x * y) + sp.coth(x) + sp.csch(y) * sp.sech(x),
    sp.cot(x) + sp.sec(y) - sp.csc(x),
    sp.exp(sp.log(x**2 + 1) / 3 + x) * sp.erf(x * (x + 1)) + sp.erf(x**2 + x),
]


@pytest.mark.parametrize("formula", FORMULAS, ids=str)
def test_the_normal_form_has_the_same_value(formula):
    form = normal_form(formula).expression()
    for values in [(0.3, 1.7, 0.9), (-1.2, 0.4, 2.5), (2.1, -0.8, 0.2)]:
        at = dict(zip((x, y, a), map(mpmath.mpf, values), strict=True))
        with mpmath.workdps(40):
            expected = sp.lambdify((x, y, a), formula, "mpmath")(*at.values())
            found = sp.lambdify((x, y, a), form, "mpmath")(*at.values())
            assert mpmath.almosteq(found, expected, rel_eps=1e-30, abs_eps=1e-30)


numbers = st.integers(min_value=-4, max_value=4).map(sp.Integer)
inner = st.sampled_from([x, y, x * y, x + y, x - 2 * y, x / 2])
atoms = st.one_of(
    numbers,
    inner,
    inner.map(sp.exp),
    inner.map(sp.sin),
    inner.map(sp.cos),
    inner.map(sp.Abs),
    inner.map(lambda u: sp.sqrt(1 + u**2)),
    inner.map(lambda u: sp.log(1 + sp.exp(u))),
)
sums = st.lists(st.tuples(atoms, atoms), min_size=1, max_size=3).map(
    lambda pairs: sp.Add(*(u * v for u, v in pairs))
)


@given(sums, sums)
def test_products_cancel_however_they_are_written(f, g):
    assert normal_form((f + g) ** 2 - sp.expand(f**2 + 2 * f * g + g**2)).vanishes


@given(sums, st.sampled_from([x, sp.exp(y), sp.cos(x), sp.sqrt(1 + x**2)]))
def test_a_sum_with_a_new_term_does_not_cancel(f, extra):
    assert not normal_form((f + extra) - f + sp.Rational(1, 10**12)).vanishes


@pytest.mark.parametrize(
    "orders",
    [(1, half), (half, 1), (sp.Rational(1, 3), half, sp.Rational(1, 4)), (7, sp.Rational(1, 7))],
    ids=str,
)
@pytest.mark.parametrize(
    "kernel", [lambda n: sp.exp(n * x), lambda n: (1 + x**2 + y**2) ** n], ids=["exp", "root"]
)
def test_orders_are_refined_in_whatever_sequence_they_come(orders, kernel):
    product = sp.Mul(*map(kernel, orders), evaluate=False)
    assert normal_form(sp.Add(product, -kernel(sum(orders)), evaluate=False)).vanishes


@pytest.mark.parametrize(
    ("zero", "why"),
    [
        ((sp.Abs(x) - x) * (1 + sp.sqrt(x)), "x is not negative under the root"),
        ((sp.Abs(x) - x) * (1 + sp.log(x * (1 + y**2))), "x is positive under the logarithm"),
        (sp.log(x) * sp.sign(x) - sp.log(x), "the sign is 1 where the logarithm is real"),
        (sp.sqrt(x) * sp.sign(x) - sp.sqrt(x), "both terms are 0 where the sign jumps"),
        (sp.sqrt(x * y) ** 3 / sp.sqrt(x * y) - x * y, "the product is not negative"),
        (sp.sqrt(x / y) * sp.sqrt(x * y) - sp.Abs(x), "x and y have one sign"),
        (unevaluated_root(x**2 * (x - 1)) - sp.Abs(x) * sp.sqrt(x - 1), "x - 1 is not negative"),
        (sp.Mul(sp.Abs(x) - x, 1 + sp.log(x), evaluate=False), "a sign learned too late"),
        (sp.exp(sp.exp(3 * sp.log(sp.log(y)))) - sp.exp(sp.log(y) ** 3), "log y is positive"),
        (sp.sqrt(sp.sin(x)) ** 4 - sp.sin(x) ** 2, "a root's square, whatever the tangent"),
    ],
    ids=str,
)
def test_signs_that_the_domain_forces(zero, why):
    assert normal_form(zero).vanishes, why


@pytest.mark.parametrize(
    "formula",
    [
        # Zero for x >= 1; the root is also real at x = 0 alone, where the value is 2.
        (sp.Abs(x - 1) - x + 1) * (1 + unevaluated_root(x**2 * (x - 1))),
        # Zero for x >= 0; the root is also real where cos(pi y) = -1.
        (sp.Abs(x) - x) * (1 + sp.sqrt(x * (1 + sp.cos(sp.pi * y)))),
        sp.sign(x) ** 2 - 1,
        sp.sign(x**2 + y**2) - 1,
        sp.sign(1 + sp.cos(x)) - 1,
        sp.sqrt(x) + sp.sign(x) - 1 - sp.sqrt(x) * sp.sign(x),
    ],
    ids=str,
)
def test_thin_sets_are_not_overlooked(formula):
    assert not normal_form(formula).vanishes


@pytest.mark.parametrize(
    "formula",
    [
        sp.exp(x) - sp.exp(sp.sqrt(2) * x),
        sp.sin(x) - sp.cos(x),
        sp.log(1 + x**2) - sp.log(2 + x**2),
        sp.sqrt(1 + x**2) - sp.sqrt(2 + x**2),
        sp.Abs(x) - x,
        sp.gamma(x) - sp.gamma(x + 1),
        sp.sqrt(x * y) - x,
    ],
    ids=str,
)
def test_different_kernels_stay_different(formula):
    assert not normal_form(formula).vanishes


def test_unknown_functions_are_equal_on_equal_arguments():
    f = sp.Function("f", real=True)
    assert normal_form(f((x + y) ** 2, 1) - f(x**2 + 2 * x * y + y**2, 1)).vanishes
    assert not normal_form(f(x, 1) - f(x, 2)).vanishes
    assert not normal_form(f(x, 1) - f(x)).vanishes


@pytest.mark.parametrize(
    "formula",
    [
        sp.Mul(*(1 + sp.Symbol(f"u{i}", real=True) for i in range(40))) - 1,
        (x + y + z + 1) ** 2000 - 1,
        sp.cos(3000 * x) + sp.cos(x),
        sp.exp(x) + sp.exp(x / 1_000_003),
    ],
    ids=lambda formula: str(formula)[:30],
)
def test_no_normal_form_beyond_the_bounds(formula):
    assert normal_form(formula) is None


def polynomial(formula, *symbols):
    ring = shared_ring(8)
    terms = sp.Poly(formula, *symbols).as_dict()
    return ring.from_dict(
        {(*monomial, *[0] * (8 - len(symbols))): c for monomial, c in terms.items()}
    )


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (x**2 + y**4, Sign(1, strict=False)),
        (-(x**2) - 3, Sign(-1, strict=True)),
        (x**2 + x + 1, Sign(1, strict=True)),
        (x**4 - x + 1, Sign(1, strict=True)),
        (x**2 + x * y + y**2, Sign(1, strict=False)),
        (x**2 - 2 * x * y + y**2, Sign(1, strict=False)),
        (x**2 + x * y + y**2 + 1, Sign(1, strict=True)),
        (4 * x * y - x**2 - 5 * y**2 - 1, Sign(-1, strict=True)),
        (x**4 - x**2 * y**2 + y**4 + 1, Sign(1, strict=True)),
        (x**2 + 3 * x * y + y**2, None),
        (x**2 - 2, None),
        (x, None),
        (x * y + 1, None),
        (x**3 - x, None),
        (x**3 + 2, None),
    ],
    ids=str,
)
def test_signs_of_polynomials(formula, expected):
    assert KernelSigns().of(polynomial(formula, x, y)) == expected


def test_signs_use_what_is_known_of_kernels():
    signs = KernelSigns()
    signs.positive.add(0)
    signs.nonnegative.add(1)
    assert signs.of(polynomial(x * y, x, y)) == Sign(1, strict=False)
    assert signs.of(polynomial(x + y, x, y)) == Sign(1, strict=True)
    assert signs.of(polynomial(x**2 + 3 * x + 2, x, y)) == Sign(1, strict=True)
    assert signs.of(polynomial(y**2 - y, x, y)) is None


@given(
    st.lists(st.integers(-3, 3), min_size=6, max_size=6),
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=20, max_size=20),
)
def test_a_proved_sign_holds_at_every_point(coefficients, points):
    monomials = (x**2, x * y, y**2, x, y, sp.Integer(1))
    formula = sp.Add(*(c * m for c, m in zip(coefficients, monomials, strict=True)))
    if formula == 0:
        return
    sign = KernelSigns().of(polynomial(formula, x, y))
    values = [formula.subs({x: u, y: v}) for u, v in points]
    if sign is not None:
        assert all(value * sign.value >= 0 for value in values)
        assert not sign.strict or all(values)


@given(st.lists(st.integers(-3, 3), min_size=6, max_size=6), st.integers(1, 3))
def test_factors_multiply_to_the_polynomial(coefficients, power):
    monomials = (x**2, x * y, y**2, x, y, sp.Integer(1))
    formula = sp.Add(*(c * m for c, m in zip(coefficients, monomials, strict=True)))
    if formula == 0:
        return
    poly = polynomial(sp.Rational(2, 3) * x * formula**power, x, y)
    content, factors = factor(poly)
    product = poly.ring.ground_new(content)
    for piece, multiplicity in factors:
        assert piece.LC > 0
        product *= piece**multiplicity
    assert product == poly

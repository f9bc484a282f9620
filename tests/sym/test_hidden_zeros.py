"""Normal forms that are zero where they speak for their formula, though the formula is not.

Half tangents have poles, denesting divides: there a formula is looked at apart.
"""

import mpmath
import pytest
import sympy as sp

from ehf_sym import is_zero
from ehf_sym.normal_forms.exceptional_sets import NotParametrizedError, restricted, zero_set
from ehf_sym.normal_forms.normal_form import normal_form

x, y, z = sp.symbols("x y z", real=True)
n = sp.Symbol("n", integer=True)
r = sp.sqrt(x**2 + y**2)
cos, sin, sign, sqrt = sp.cos, sp.sin, sp.sign, sp.sqrt

# What is 0 exactly where cos(x) is -1, and positive elsewhere.
_KERNELS = {
    "exp": lambda u: sp.exp(u) - 1,
    "exp of minus": lambda u: 1 - sp.exp(-u),
    "erf": sp.erf,
    "tanh": sp.tanh,
    "sinh": sp.sinh,
    "atan": sp.atan,
    "asinh": sp.asinh,
    "log": lambda u: sp.log(1 + u),
    "root": sp.sqrt,
    "abs": lambda u: sp.Abs(u * (2 + x)) * (1 + sp.exp(x)),
    "nested": lambda u: sp.atan(sp.exp(sp.tanh(u)) - 1),
    "itself": lambda u: u,
}
_ANGLES = {
    "x": (1 + cos(x), {x: mpmath.pi}),
    "2x": (1 + cos(2 * x), {x: mpmath.pi / 2}),
    "sine": (1 - sin(x), {x: mpmath.pi / 2}),
    "n": (1 + cos(sp.pi * n / 3), {n: mpmath.mpf(3)}),
    "two": (2 + cos(x) + cos(y), {x: mpmath.pi, y: mpmath.pi}),
    "square": ((1 + cos(x)) ** 2, {x: mpmath.pi}),
}


@pytest.mark.parametrize("kernel", _KERNELS)
@pytest.mark.parametrize("angle", _ANGLES)
def test_a_pole_of_a_half_tangent_behind_a_kernel(kernel, angle):
    u, place = _ANGLES[angle]
    with mpmath.workdps(30):
        inner = sp.lambdify(list(place), u, "mpmath")(*place.values())
        assert abs(inner) < mpmath.mpf(10) ** -25
    for formula in (
        sign(_KERNELS[kernel](u)) - 1,
        sp.Heaviside(_KERNELS[kernel](u), 0) - 1,
        1 - sign(_KERNELS[kernel](u)) ** 2,
    ):
        assert not is_zero(formula).proved
    assert is_zero(sp.Abs(_KERNELS["nested"](u)) - _KERNELS["nested"](u)).proved


@pytest.mark.parametrize(
    ("formula", "place"),
    [
        ((sp.Abs(z) + z) * (1 + sqrt(-z * (2 + cos(x) + cos(y)))), (mpmath.pi, mpmath.pi, 1)),
        ((sp.Abs(z) + z) * (1 + sqrt(-z * (1 + cos(x)))), (mpmath.pi, 0, 1)),
        ((sp.Abs(z) + z) * (1 + sqrt(-z * (3 + cos(x) + cos(y) - sin(x + y) ** 2 + cos(x + y)))),
         None),
        (1 + sqrt(-1 - cos(x)), (mpmath.pi, 0, 0)),
        (1 + sqrt(sp.exp(-1 - cos(x)) - 1), (mpmath.pi, 0, 0)),
        (1 + sp.acosh(-cos(x)), (mpmath.pi, 0, 0)),
        ((1 - sign(y) ** 2) * sqrt(r + x) / (1 + sqrt(r - x)), (1, 0, 0)),
        ((1 - sign(x) ** 2) * sqrt(r + y) / (2 + sqrt(r - y)), (0, 1, 0)),
        ((1 - sign(y) ** 2) * sqrt(sqrt(x**2 + 4 * y**2) + x), (1, 0, 0)),
        ((1 - sign(y) ** 2) * sqrt(r - x) * (3 + sqrt(r + x)), (-1, 0, 0)),
        ((1 - sp.Heaviside(y**2, 0)) * sqrt(r + x) / (1 + sqrt(r - x)), (1, 0, 0)),
    ],
    ids=str,
)  # fmt: skip
def test_no_proof_where_a_point_contradicts(formula, place):
    if place is not None:
        by_mpmath = {"sign": mpmath.sign, "Heaviside": lambda u, h=0.5: 1 if u > 0 else h}
        with mpmath.workdps(30):
            value = sp.lambdify((x, y, z), formula, [by_mpmath, "mpmath"])(*place)
        assert abs(value) > 0.4
    assert not is_zero(formula).proved


@pytest.mark.parametrize(
    "formula",
    [
        sign(2 + cos(x)) - 1,
        sign(1 + cos(x)) * (1 + cos(x)) - 1 - cos(x),
        sign(1 + cos(x)) ** 2 - sign(sp.exp(1 + cos(x)) - 1),
        sign(sp.exp(1 + cos(x)) - 1) - sign(1 + cos(x)),
        sign(sp.erf(1 + cos(x)) + 1) - 1,
        sp.Abs(sp.tanh(1 + cos(x))) - sp.tanh(1 + cos(x)),
        sqrt((1 + cos(x)) ** 2) - 1 - cos(x),
        sqrt(2 + 2 * cos(x)) - 2 * sp.Abs(cos(x / 2)),
        sqrt(r + x) * sqrt(r - x) - sp.Abs(y),
        sign(y) * sqrt(r + x) * sqrt(r - x) - y,
        sp.log(r + x) + sp.log(r - x) - 2 * sp.log(sp.Abs(y)),
        sign(z - cos(x)) * (z - cos(x)) - sp.Abs(z - cos(x)),
        (1 - sign(y) ** 2) * (r - sp.Abs(x)),
        (1 - sign(y) ** 2) * (sqrt(r + x) - sqrt(sp.Abs(x) + x)),
    ],
    ids=str,
)
def test_what_holds_on_exceptional_sets_too_is_proved(formula):
    assert is_zero(formula).proved


def test_a_formula_defined_nowhere_is_not_called_zero():
    nowhere = 1 / (sin(x) ** 2 + cos(x) ** 2 - 1)
    assert normal_form(nowhere).vanishes
    assert is_zero(nowhere).undecided


@pytest.mark.parametrize(
    "parts",
    [[x - y], [x * y - 1], [x**2 + x * y + y**2], [x**2 + y**2 - 1], [x**3 - y**3],
     [x * y, x + y - 1], [x**4 + y**2], [x**2 - 2], [x**2 - y, y - 1]],
    ids=str,
)  # fmt: skip
def test_places_are_zeros(parts):
    places = zero_set(parts)
    assert places
    for place in places:
        for part in parts:
            assert sp.simplify(part.xreplace(dict(place))) == 0


def test_zeros_that_do_not_exist_or_are_not_parametrized():
    positive = sp.Symbol("a", positive=True)
    assert zero_set([x**2 + 1]) == zero_set([positive + x**2]) == zero_set([x, x - 1]) == []
    with pytest.raises(NotParametrizedError):
        zero_set([x**5 - x * y**2 + y**3 + 1])


def test_restricting_leaves_scopes_alone():
    with pytest.raises(NotParametrizedError):
        restricted(sp.Integral(x, (x, 0, y)), {x: sp.Integer(1)})
    with pytest.raises(NotParametrizedError):
        restricted(1 + sqrt(-(x**2) - y**2), {y: sp.S.Zero})
    assert restricted(sp.log(x), {x: sp.S.Zero}) is None

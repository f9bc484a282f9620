"""Base densities: normalizers against quadrature, Gaussians and factors found exactly."""

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import nquad, quad
from sympy import ImmutableMatrix, Matrix, Piecewise, Rational, exp, log, pi, sqrt

from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.densities.families import SoftUniform, StandardNormal
from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.numpy_forms import to_numpy
from ehf_sym.formulas.phase_space import PhaseSpace

LINE = PhaseSpace(1)
(Q,), (P,) = LINE.q, LINE.p
PLANE = PhaseSpace(2)
S1 = Matrix(LINE.coordinates)
# Every base enters here and is tested below.
BASES = {
    "standard normal": StandardNormal(LINE),
    "correlated normal": BaseDensity(LINE, log_density=-(Q**2) - Q * P - P**2 + Q / 2 + 3),
    "scaled normal": BaseDensity.from_density(LINE, 7 * exp(-sqrt(2) * (Q**2 + P**2))),
    "soft-uniform": SoftUniform(LINE),
    "small soft-uniform": SoftUniform(LINE, width=0.3, sharpness=2.5),
    "logistic": BaseDensity(
        LINE,
        log_density=Q - 2 * log(1 + exp(Q)) - P**2 / 2,
        log_normalizer=log(2 * pi) / 2,
    ),
    "Laplace": BaseDensity(LINE, log_density=-sp.Abs(Q) - sp.Abs(P), log_normalizer=log(4)),
}
NORMALS = ["standard normal", "correlated normal", "scaled normal"]


def integral(base):
    """Quadrature of π over the plane, in halves so that kinks lie on the edges."""
    f = to_numpy(base.log_density - base.log_normalizer, base.space.coordinates)
    halves = [(-30.0, 0.0), (0.0, 30.0)]
    options = {"epsabs": 1e-9, "epsrel": 1e-9, "limit": 200}
    return sum(
        nquad(lambda q, p: float(np.exp(f([q, p]))), [x, y], opts=[options, options])[0]
        for x in halves
        for y in halves
    )


@pytest.mark.parametrize("name", [*NORMALS, "logistic", "Laplace"])
def test_normalizers_agree_with_quadrature(name):
    assert integral(BASES[name]) == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("name", ["soft-uniform", "small soft-uniform"])
def test_soft_uniform_is_normalized_in_each_coordinate(name):
    base = BASES[name]
    for factor, x in zip(base.factors(), base.space.coordinates, strict=True):
        f = to_numpy(factor, (x,))
        mass = quad(lambda t, f=f: float(np.exp(f([t]))), -40, 40, points=[-3, 3], limit=500)[0]
        assert log(mass) == pytest.approx(float(base.log_normalizer) / 2, abs=1e-9)


def test_soft_uniform_is_the_papers_product_of_sigmoids():
    base = SoftUniform(PLANE, width=3, sharpness=7)

    def f(u):
        return 1 / (1 + exp(-u))

    Z = 3 / (1 - exp(-21))
    density = sp.prod(
        f(7 * (x + Rational(3, 2))) * f(-7 * (x - Rational(3, 2))) / Z for x in PLANE.coordinates
    )
    rng = np.random.default_rng(0)
    for point in rng.uniform(-2, 2, size=(5, 4)):
        at = {x: Rational(float(c)) for x, c in zip(PLANE.coordinates, point, strict=True)}
        ours = (base.log_density - base.log_normalizer).subs(at).evalf(30)
        assert abs(ours - log(density.subs(at)).evalf(30)) < 1e-25


def test_soft_uniform_defaults_and_exact_parameters():
    assert SoftUniform(LINE) == SoftUniform(LINE, width=5, sharpness=10)
    assert SoftUniform(LINE).name == "soft-uniform(width=5, sharpness=10)"
    tenth = SoftUniform(LINE, width=0.1, sharpness=np.float64(2.5))
    assert tenth == SoftUniform(LINE, width=Rational(1, 10), sharpness=Rational(5, 2))
    assert tenth.name == "soft-uniform(width=1/10, sharpness=5/2)"
    assert SoftUniform(LINE, width=pi).log_normalizer.has(pi)


@pytest.mark.parametrize("value", [0, -1, 0.0, float("inf"), float("nan"), "5", True, None, Q])
@pytest.mark.parametrize("name", ["width", "sharpness"])
def test_soft_uniform_refuses_bad_parameters(name, value):
    with pytest.raises(ArgumentError, match=rf"{name} is .*; it should be a"):
        SoftUniform(LINE, **{name: value})


@pytest.mark.parametrize("name", BASES)
def test_gaussians_are_found_and_nothing_else(name):
    gaussian = BASES[name].gaussian()
    assert (gaussian is not None) == (name in NORMALS)
    if gaussian is None:
        return
    shifted = S1 - gaussian.mean
    quadratic = -(shifted.T * gaussian.precision * shifted)[0] / 2
    difference = sp.expand(BASES[name].log_density - quadratic)
    assert not difference.free_symbols


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.fractions(-2, 2, max_denominator=4), min_size=16, max_size=16),
    st.lists(st.fractions(-2, 2, max_denominator=4), min_size=4, max_size=4),
)
def test_every_gaussian_is_found(entries, center):
    root = Matrix(4, 4, [Rational(e.numerator, e.denominator) for e in entries])
    precision = root.T * root + Matrix.eye(4) / 7
    mean = Matrix([Rational(c.numerator, c.denominator) for c in center])
    shifted = Matrix(PLANE.coordinates) - mean
    base = BaseDensity(PLANE, log_density=-(shifted.T * precision * shifted)[0] / 2)
    found = base.gaussian()
    assert found.mean == ImmutableMatrix(mean)
    assert found.precision == ImmutableMatrix(precision)
    array = np.array(precision.tolist(), dtype=float)
    expected = 2 * np.log(2 * np.pi) - np.linalg.slogdet(array)[1] / 2
    assert float(base.log_normalizer) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "log_density",
    [
        -(Q**2) / 2,
        (Q**2 - P**2) / 2,
        -(Q**2) / 2 - P**2 / 2 + Rational(1, 10**12) * Q**3,
        -((Q + P) ** 2),
        -(Q**4) - P**2,
        -(Q**2) - P**2 - Q * P * 2,
        1 / Q - P**2,
        -sp.cosh(Q) - P**2 / 2,
        sp.sqrt(Q * P),
        P * Q / (Q + P),
        log(Q) - P**2,
        Piecewise((1 / Q, Q > 0), (0, True)) - P**2,
    ],
)
def test_what_is_no_gaussian_is_not_called_one(log_density):
    base = BaseDensity(LINE, log_density=log_density)
    assert base.gaussian() is None
    assert base.log_normalizer is None


def test_a_gaussian_with_constants_that_are_not_algebraic_is_found():
    base = BaseDensity(LINE, log_density=-sp.pi * Q**2 - P**2 + Q * P + sp.E * Q)
    precision = Matrix([[2 * sp.pi, -1], [-1, 2]])
    assert base.gaussian().precision == ImmutableMatrix(precision)
    mean = np.array(base.gaussian().mean.evalf().tolist(), dtype=float).ravel()
    expected = np.linalg.solve(np.array(precision.evalf().tolist(), dtype=float), [np.e, 0])
    np.testing.assert_allclose(mean, expected, rtol=1e-14)


def test_a_normal_of_many_coordinates_is_normalized_block_by_block():
    space = PhaseSpace(64)
    mixed = -(space.q[0] ** 2 + space.p[0] ** 2 + space.q[0] * space.p[0])
    rest = sp.Add(*(-k * x**2 for k, x in enumerate((*space.q[1:], *space.p[1:]), start=1)))
    base = BaseDensity(space, log_density=mixed + rest)
    expected = 64 * np.log(2 * np.pi) - (np.log(3) + np.log(2.0 * np.arange(1, 127)).sum()) / 2
    assert float(base.log_normalizer) == pytest.approx(expected, rel=1e-12)


def test_a_gaussian_in_disguise_is_found():
    base = BaseDensity(LINE, log_density=log(exp(-(Q**2)) * exp(-(P**2) / 2)) + sp.sin(Q) ** 2
                       + sp.cos(Q) ** 2)  # fmt: skip
    assert base.gaussian().precision == ImmutableMatrix([[2, 0], [0, 1]])


@pytest.mark.parametrize("name", BASES)
def test_factors_sum_to_the_log_density(name):
    base = BASES[name]
    factors = base.factors()
    if name == "correlated normal":
        assert factors is None
        return
    for x, factor in zip(LINE.coordinates, factors, strict=True):
        assert factor.free_symbols <= {x}
    assert sp.expand(sum(factors) - base.log_density) == 0


def test_factors_hidden_in_products_are_found():
    base = BaseDensity(LINE, log_density=log((1 + Q**2) * exp(-(P**2)) * 3) - (Q + P) ** 2
                       + 2 * P * Q)  # fmt: skip
    factors = base.factors()
    at = {Q: Rational(1, 3), P: Rational(-5, 2)}
    assert factors[0].free_symbols == {Q}
    assert factors[1].free_symbols == {P}
    assert abs((sum(factors) - base.log_density).subs(at).evalf(30)) < 1e-25


def test_factors_are_found_where_the_origin_is_excluded():
    base = BaseDensity(LINE, log_density=-(Q**2) + log(Q**2 * P**2) - (P - Q) ** 2 - 2 * Q * P)
    factors = base.factors()
    assert factors is not None
    at = {Q: Rational(1, 3), P: Rational(-5, 2)}
    assert abs((sum(factors) - base.log_density).subs(at).evalf(30)) < 1e-25


def test_a_tiny_coupling_is_no_product():
    coupling = Rational(1, 10**12) * Q * P
    assert BaseDensity(LINE, log_density=-(Q**4) - P**4 + coupling).factors() is None


@pytest.mark.parametrize(
    ("density", "log_density"),
    [
        (exp(-(Q**2 + P**2) / 2) / (2 * pi), -(Q**2) / 2 - P**2 / 2 - log(2 * pi)),
        (1 / (1 + exp(-Q)) / (1 + P**2), -log(1 + exp(-Q)) - log(1 + P**2)),
        (2 ** -(Q**2) * exp(-(P**2)), -(Q**2) * log(2) - P**2),
        ((1 + Q**2) ** -3 * sqrt(1 + P**2) ** -5,
         -3 * log(1 + Q**2) - Rational(5, 2) * log(1 + P**2)),
        (exp(-(Q**2)) + exp(-(P**2)), log(exp(-(Q**2)) + exp(-(P**2)))),
        (Q**2 * exp(-(Q**2) - P**2), log(Q**2) - Q**2 - P**2),
    ],
)  # fmt: skip
def test_a_density_is_turned_into_its_log(density, log_density):
    ours = BaseDensity.from_density(LINE, density).log_density
    assert sp.expand(sp.expand_log(ours - log_density)) == 0


def test_from_density_normalizes_a_normalized_gaussian_to_zero():
    normal = BaseDensity.from_density(LINE, exp(-(Q**2 + P**2) / 2) / (2 * pi))
    assert normal.log_normalizer == 0


@pytest.mark.parametrize("density", [-exp(-(Q**2)), sp.Integer(0), -(Q**2) - 1, "exp(-q1**2)"])
def test_from_density_refuses_what_is_not_positive(density):
    with pytest.raises(FormulaError, match="density is"):
        BaseDensity.from_density(LINE, density)


def test_normalizers_are_checked():
    given_normalizer = BaseDensity(LINE, log_density=-(Q**4) - P**2, log_normalizer=log(3))
    assert given_normalizer.log_normalizer == log(3)
    right = BaseDensity(LINE, log_density=-(Q**2 + P**2) / 2, log_normalizer=log(2 * pi))
    assert right.log_normalizer == log(2 * pi)
    with pytest.raises(FormulaError, match="for this Gaussian it should be"):
        BaseDensity(LINE, log_density=-(Q**2 + P**2) / 2, log_normalizer=log(2 * pi) + 1)
    with pytest.raises(FormulaError, match="should be a constant"):
        BaseDensity(LINE, log_density=-(Q**4), log_normalizer=Q)
    with pytest.raises(FormulaError, match=r"log_normalizer contains the float 1\.5"):
        BaseDensity(LINE, log_density=-(Q**4), log_normalizer=1.5)


def test_arguments_are_checked():
    for build in (StandardNormal, SoftUniform, lambda s: BaseDensity(s, log_density=-(Q**2))):
        with pytest.raises(ArgumentError, match="space is 2"):
            build(2)
    with pytest.raises(FormulaError, match="log_density contains the foreign symbol q2"):
        BaseDensity(LINE, log_density=-(PLANE.q[1] ** 2))


def test_equal_formulas_are_equal_densities():
    own = BaseDensity(LINE, log_density=-(P**2) / 2 - Q**2 / 2)
    assert own == StandardNormal(LINE)
    assert hash(own) == hash(StandardNormal(LINE))
    assert own.name == "user's formula"
    assert isinstance(StandardNormal(LINE), BaseDensity)


@pytest.mark.parametrize("dim", [2, 3])
def test_what_has_no_expansion_at_the_origin_is_no_gaussian(dim):
    space = PhaseSpace(dim)
    q, p = space.q, space.p
    for f in (sp.sqrt(q[0] * p[1]), p[0] * q[1] / q[0], sp.log(q[0]), sp.Abs(q[0]) / q[0]):
        base = BaseDensity(space, log_density=f)
        assert base.gaussian() is None
        assert base.log_normalizer is None

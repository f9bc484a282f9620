"""Base densities in numbers: constants against closed forms, draws against their law."""

import math
from functools import partial

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy import stats

import ehf_num as en
import ehf_sym as es
from ehf_num.densities.base import numeric_base
from ehf_num.densities.factors import _SEARCH_GRID, tabulate
from ehf_num.targets.linear_forms import ThroughForms, with_gradient
from ehf_num.targets.particle_energies import LennardJones
from ehf_sym.formulas.numpy_forms import to_numpy

PLANE = es.PhaseSpace(1)
SPACE = es.PhaseSpace(2)
Q, P = PLANE.q[0], PLANE.p[0]


def correlated():
    return es.BaseDensity(PLANE, log_density=-(2 * Q**2 + 2 * Q * P + 3 * P**2) / 2 + Q)


def test_gaussian_is_read_off_its_formula():
    base = numeric_base(correlated())
    precision = np.array([[2.0, 1.0], [1.0, 3.0]])
    mean = np.linalg.solve(precision, [1.0, 0.0])
    law = stats.multivariate_normal(mean, np.linalg.inv(precision))
    states = np.random.default_rng(0).standard_normal((50, 2))
    assert base.route == "gaussian"
    np.testing.assert_allclose(base.log_prob(states), law.logpdf(states), rtol=1e-12)
    draws = base.sample(40_000, np.random.default_rng(1))
    np.testing.assert_allclose(draws.mean(axis=0), mean, atol=5 * 0.8 / 200)
    np.testing.assert_allclose(np.cov(draws.T), law.cov, atol=0.03)


def test_soft_uniform_has_the_papers_constant_and_law():
    base = numeric_base(es.SoftUniform(SPACE, width=5, sharpness=10))
    log_z = math.log(5 / (1 - math.exp(-50)))
    assert base.log_normalizer == pytest.approx(4 * log_z, rel=1e-12)
    draws = base.sample(20_000, np.random.default_rng(2))

    def cdf(x):  # ∫ f(β(t+σ/2)) f(−β(t−σ/2)) dt in closed form, β = 10, σ = 5
        return (np.logaddexp(0, 10 * (x + 2.5)) - np.logaddexp(0, 10 * (x - 2.5))) / 50

    for column in draws.T:  # four tests at 0.1 % each
        assert stats.kstest(column, cdf).pvalue > 1e-3
    assert stats.kstest(draws[:, 0] * 1.05, cdf).pvalue < 1e-3  # a wrong width is caught


@pytest.mark.parametrize(
    ("log_factor", "log_mass", "law"),
    [
        (-sp.sqrt(1 + Q**2) * 3, None, None),
        (-sp.log(sp.cosh(Q)), math.log(math.pi), stats.hypsecant(scale=2 / math.pi)),
        (-2 * sp.log(1 + sp.exp(-Q)) - Q, 0.0, stats.logistic),
        (-(Q**4), math.log(2 * math.gamma(1.25)), None),
    ],
)
def test_factorized_densities_are_normalized_and_drawn(log_factor, log_mass, law):
    base = numeric_base(es.BaseDensity(PLANE, log_density=log_factor - P**2 / 2))
    assert base.route == "factorized"
    if log_mass is not None:
        expected = log_mass + 0.5 * math.log(2 * math.pi)
        assert base.log_normalizer == pytest.approx(expected, abs=1e-9)
    draws = base.sample(20_000, np.random.default_rng(3))
    assert stats.kstest(draws[:, 1], stats.norm.cdf).pvalue > 1e-3
    grid = np.linspace(-30, 30, 60_001)
    density = np.exp(base.log_prob(np.stack([grid, 0 * grid], axis=1)))
    cdf = np.cumsum(density) * 1e-3 * math.sqrt(2 * math.pi)
    assert cdf[-1] == pytest.approx(1, abs=1e-6)
    assert stats.kstest(draws[:, 0], lambda x: np.interp(x, grid, cdf)).pvalue > 1e-3


def test_a_bimodal_factor_keeps_both_of_its_modes():
    two = sp.log(sp.exp(-((Q - 6) ** 2) * 4) + 3 * sp.exp(-((Q + 6) ** 2) * 4))
    base = numeric_base(es.BaseDensity(PLANE, log_density=two - P**2 / 2))
    draws = base.sample(20_000, np.random.default_rng(4))[:, 0]
    assert np.mean(draws < 0) == pytest.approx(0.75, abs=5 * math.sqrt(0.1875 / 20_000))


def coupled(log_normalizer=None):
    return es.BaseDensity(
        PLANE, log_density=-(Q**2 + P**2 + Q**2 * P**2) / 2, log_normalizer=log_normalizer
    )


def sampler(n, rng):
    """Exact draws of the coupled density: q has weight (1+q²)^(-1/2) e^(-q²/2), by rejection."""
    kept = np.empty(0)
    while len(kept) < n:
        q = rng.standard_normal(4 * n)
        kept = np.concatenate([kept, q[rng.random(4 * n) < (1 + q**2) ** -0.5]])
    q = kept[:n]
    return np.stack([q, rng.standard_normal(n) / np.sqrt(1 + q**2)], axis=1)


def test_a_coupled_density_needs_a_sampler_and_says_so():
    with pytest.raises(es.ArgumentError, match=r"Gaussian.*factorize.*base_sampler"):
        numeric_base(coupled())


def test_a_users_sampler_is_used_and_the_constant_integrated():
    base = numeric_base(coupled(), sampler)
    grid = np.linspace(-12, 12, 20_001)
    mass = np.trapezoid(np.exp(-(grid**2) / 2) * np.sqrt(2 * np.pi / (1 + grid**2)), grid)
    assert base.log_normalizer == pytest.approx(math.log(mass), abs=1e-7)
    assert base.sample(7, np.random.default_rng(0), np.float32).shape == (7, 2)


def test_a_wrong_constant_is_refused():
    with pytest.raises(es.ArgumentError, match="log_normalizer"):
        numeric_base(coupled(log_normalizer=sp.Integer(2)), sampler)
    factorized = es.BaseDensity(PLANE, log_density=-(Q**4) - P**2, log_normalizer=sp.Integer(1))
    with pytest.raises(es.ArgumentError, match="log_normalizer"):
        numeric_base(factorized)


def test_a_factor_that_is_too_rough_is_refused():
    """Its mass on half as many cells is another one: so it would be on twice as many."""
    rough = es.BaseDensity(PLANE, log_density=-sp.Abs(Q) / 10 - 40 * sp.cos(2000 * Q) - P**2)
    with pytest.raises(es.ArgumentError, match="too rough to be integrated"):
        numeric_base(rough)


def test_a_constant_of_many_dimensions_is_taken_on_trust():
    (q1, q2), (p1, p2) = SPACE.q, SPACE.p
    base = es.BaseDensity(
        SPACE,
        log_density=-(q1**2 + q2**2 + p1**2 + p2**2 + q1**2 * p1**2),
        log_normalizer=sp.Rational(5, 2),
    )
    draw = numeric_base(base, lambda n, rng: rng.standard_normal((n, 4)))
    origin = np.zeros((1, 4))
    np.testing.assert_allclose(draw.log_prob(origin), [-2.5])


def test_a_constant_is_asked_for_where_it_cannot_be_integrated():
    (q1, q2), (p1, p2) = SPACE.q, SPACE.p
    base = es.BaseDensity(SPACE, log_density=-(q1**2 + q2**2 + p1**2 + p2**2 + q1**2 * p1**2))
    with pytest.raises(es.ArgumentError, match="log_normalizer="):
        numeric_base(base, lambda n, rng: rng.standard_normal((n, 4)))


@pytest.mark.parametrize("bad", [np.zeros((3, 3)), np.zeros((3, 2), int), np.full((3, 2), np.nan)])
def test_a_sampler_is_held_to_its_contract(bad):
    base = numeric_base(coupled(), lambda n, rng: bad)
    with pytest.raises(es.ArgumentError, match="base_sampler"):
        base.sample(3, np.random.default_rng(0))


@pytest.mark.parametrize("log_density", [Q**2 - P**2, -sp.log(1 + Q**2) / 4 - P**2, -(P**2) + Q])
def test_a_density_without_finite_mass_is_refused(log_density):
    with pytest.raises(es.ArgumentError, match="cannot be normalized"):
        numeric_base(es.BaseDensity(PLANE, log_density=log_density))


@pytest.mark.parametrize("side", [1, -1])
def test_what_does_not_fall_off_on_one_side_is_refused(side):
    with pytest.raises(es.ArgumentError, match="does not fall off"):
        tabulate(lambda x: -np.logaddexp(0, side * x[..., 0]), "half a line")


def test_two_narrow_peaks_cannot_be_zoomed_in_on():
    """What lies between them stays: cells are halved where the peaks are."""
    place, width = _SEARCH_GRID[np.searchsorted(_SEARCH_GRID, 1.0)], 1e-4

    def two_peaks(x):
        return stats.norm.logpdf(np.abs(x[..., 0]), place, width)

    factor = tabulate(two_peaks, "two peaks")
    assert factor.log_mass == pytest.approx(np.log(2), abs=1e-9)
    shares = np.array([0.1, 0.25, 0.4])
    expected = stats.norm.ppf(2 * shares, place, width)
    np.testing.assert_allclose(factor.draw(0.5 + shares), expected, atol=1e-3 * width)
    np.testing.assert_allclose(factor.draw(0.5 - shares), -expected, atol=1e-3 * width)


def test_inversion_is_exact_to_the_table():
    """Logistic quantiles in closed form, far into the tails."""
    factor = tabulate(to_numpy(-2 * sp.log(1 + sp.exp(-Q)) - Q, (Q,)), "logistic")
    uniform = np.array([1e-5, 1e-3, 0.2, 0.5, 0.7, 0.999, 1 - 1e-5])
    exact = np.log(uniform / (1 - uniform))
    np.testing.assert_allclose(factor.draw(uniform), exact, rtol=0, atol=2e-9)


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gaussians_by_their_matrix_are_what_their_formulas_say(dtype, apart):
    space = es.PhaseSpace(2)
    precision = sp.diag(1, 2, sp.Rational(1, 3), 4)
    if not apart:
        precision[0, 3] = precision[3, 0] = sp.Rational(1, 2)
    away = sp.Matrix(space.coordinates) - sp.Matrix([1, 0, -2, sp.Rational(1, 2)])
    formula = -(away.T * precision * away)[0] / 2 + sp.Rational(7, 5)
    constant = 2 * sp.log(2 * sp.pi) - sp.log(precision.det()) / 2 + sp.Rational(7, 5)
    base = numeric_base(es.BaseDensity(space, log_density=formula, log_normalizer=constant))
    assert base.route == "gaussian"
    states = np.random.default_rng(0).standard_normal((50, 4)).astype(dtype)
    found = base.value_and_gradient(states)
    assert found.dtype == dtype
    law = stats.multivariate_normal(
        [1, 0, -2, 0.5], np.linalg.inv(np.array(precision, dtype=float))
    )
    slopes = to_numpy([formula.diff(s) for s in space.coordinates], space.coordinates)(states)
    tolerance = 1e-12 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(found[:, 0], law.logpdf(states), rtol=tolerance)
    np.testing.assert_allclose(found[:, 1:], slopes, rtol=0, atol=tolerance)


SHAPES = {
    "Laplace": (lambda w: -sp.Abs(Q) / w, lambda w: stats.laplace(scale=float(w)).cdf),
    "quartic": (
        lambda w: -((Q / w) ** 4),
        lambda w: stats.gennorm(4, scale=float(w)).cdf,
    ),
    "logistic": (
        lambda w: -2 * sp.log(sp.cosh(Q / w / 2)),
        lambda w: stats.logistic(scale=float(w)).cdf,
    ),
    "soft uniform off centre": (
        lambda w: -(((Q - 1000 * w) / w) ** 4),
        lambda w: stats.gennorm(4, loc=1000 * float(w), scale=float(w)).cdf,
    ),
}


@pytest.mark.parametrize("exponent", [-12, -6, -3, 0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_factors_of_any_width_are_resolved(shape, exponent):
    width = sp.Integer(10) ** exponent
    formula, cdf = (make(width) for make in SHAPES[shape])
    base = numeric_base(es.BaseDensity(PLANE, log_density=formula - P**2 / 2))
    draws = base.sample(20_000, np.random.default_rng(1))
    assert stats.kstest(draws[:, 0], cdf).pvalue > 1e-3
    scaled = numeric_base(es.BaseDensity(PLANE, log_density=formula.subs(Q, Q * width) - P**2 / 2))
    assert base.log_normalizer - scaled.log_normalizer == pytest.approx(
        exponent * np.log(10), abs=1e-8
    )


EXTREME = {
    "no variance": (PLANE, -(Q**2) / 10**320 - P**2),
    "no width": (PLANE, -(10**305) * Q**2 * 10**5 - P**2),
    "singular in floats": (SPACE, sum(-(x**2) for x in SPACE.coordinates)
                           + 2 * (1 - sp.Rational(1, 10**17)) * SPACE.q[0] * SPACE.q[1]),
    "nearly so": (SPACE, sum(-(x**2) for x in SPACE.coordinates)
                  + 2 * (1 - sp.Rational(1, 10**13)) * SPACE.q[0] * SPACE.p[1]),
    "mean beyond its width": (PLANE, -(Q - 10**30) ** 2 - P**2),
    "far": (PLANE, -((Q - 10**6) ** 4) - P**2),
}  # fmt: skip


@pytest.mark.parametrize("case", EXTREME)
def test_a_base_that_floats_do_not_hold_is_refused(case):
    space, formula = EXTREME[case]
    with pytest.raises(es.ArgumentError, match=r"^base .*(choose units|give base_sampler)"):
        numeric_base(es.BaseDensity(space, log_density=formula))


HEAVY = {
    "Cauchy": (-sp.log(1 + Q**2), stats.cauchy),
    "narrow Cauchy": (-sp.log(1 + 10**8 * Q**2), stats.cauchy(scale=1e-4)),
    "Student's t": (-2 * sp.log(1 + Q**2 / 3), stats.t(3)),
    "power": (-sp.Rational(3, 2) * sp.log(1 + sp.Abs(Q - 2)), None),
    "wide": (-sp.Abs(Q) / 10**6, stats.laplace(scale=1e6)),
    "step": (-(Q**2) / 2 - sp.Piecewise((1, 3 * Q < 1), (0, True)), None),
    "box": (sp.Piecewise((2, sp.Abs(Q) < 1), (0, True)) - sp.Max(0, Q**2 - 4), None),
    "secant": (sp.log(sp.sech(Q)), stats.hypsecant),
}


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_tails_and_steps_are_normalized_and_drawn(name):
    log_factor, law = HEAVY[name]
    base = numeric_base(es.BaseDensity(PLANE, log_density=log_factor - P**2 / 2))
    draws = base.sample(20_000, np.random.default_rng(1))[:, 0]
    if law is None:
        values = sp.lambdify(Q, sp.exp(log_factor), "mpmath")
        places = [-mpmath.inf, -3, -2, -1, mpmath.mpf(1) / 3, 1, 2, 3, mpmath.inf]
        masses = [mpmath.quad(values, places[k : k + 2]) for k in range(len(places) - 1)]
        mass = float(sum(masses))
        inside = float(sum(masses[3:5])) / mass
        share = np.mean((draws > -1) & (draws < 1))
        assert share == pytest.approx(inside, abs=5 * np.sqrt(inside / len(draws)))
    else:
        mass = float(np.exp(float(log_factor.subs(Q, 0)))) / law.pdf(0)
        assert stats.kstest(draws, law.cdf).pvalue > 1e-3
    assert base.log_normalizer == pytest.approx(np.log(mass * np.sqrt(2 * np.pi)), abs=1e-8)


@pytest.mark.parametrize("power", [sp.Rational(1, 2), sp.Rational(51, 100), sp.Rational(1, 10)])
def test_tails_too_heavy_for_the_table_are_refused(power):
    with pytest.raises(es.ArgumentError, match="cannot be normalized"):
        numeric_base(es.BaseDensity(PLANE, log_density=-power * sp.log(1 + Q**2) - P**2))


def test_a_model_is_fitted_with_what_the_grammar_has():
    """Its base has cases, a step, a secant, and Cauchy's law for the momenta."""
    base = es.BaseDensity(
        PLANE,
        log_density=sp.log(sp.sech(Q)) + sp.Piecewise((0, Q < 0), (1, True)) - sp.log(1 + P**2),
    )
    flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(4,), rng=0)
    flow.fit(np.random.default_rng(0).normal(size=(64, 1)), iterations=3, progress=False)
    assert np.isfinite(flow.sample(9, rng=0)).all()


def test_a_base_that_single_precision_does_not_hold_is_refused():
    base = es.BaseDensity(PLANE, log_density=-(Q**2) / 10**90 - P**2)
    make = partial(en.EquivariantHamiltonianFlow, base, enforce="none", hidden=(4,), rng=0)
    assert np.isfinite(make().sample(5, rng=0)).all()
    with pytest.raises(es.ArgumentError, match="base has draws that are not finite in float32"):
        make(dtype="float32")


def test_a_density_that_quadrature_misses_is_refused():
    base = es.BaseDensity(PLANE, log_density=-((Q - 10**5) ** 2) * (1 + P**2) - P**2)
    with pytest.raises(es.ArgumentError, match=r"base .* integrates numerically to"):
        numeric_base(base, lambda n, rng: rng.standard_normal((n, 2)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_densities_of_particles_go_through_their_separations(dtype):
    energy = LennardJones(5, 3, epsilon=0.1)
    space = es.PhaseSpace(energy.dim)
    formula = -energy.formula(space) - sum(p**2 for p in space.p) / 2
    base = es.BaseDensity(space, log_density=formula, log_normalizer=2)
    numeric = numeric_base(base, lambda n, rng: rng.standard_normal((n, 24)))
    states = 2 * np.random.default_rng(0).standard_normal((40, 24)).astype(dtype)
    q, p = states[:, :12].astype(float), states[:, 12:].astype(float)
    found = numeric.value_and_gradient(states)
    assert found.dtype == dtype
    tolerance = dict.fromkeys(("rtol", "atol"), 1e-11 if dtype == "float64" else 1e-3)
    np.testing.assert_allclose(
        found[:, 0], -energy.value(q) - (p**2).sum(axis=1) / 2 - 2, **tolerance
    )
    np.testing.assert_allclose(found[:, 1:], np.hstack([-energy.gradient(q), -p]), **tolerance)


def test_linear_forms_leave_exponentials_and_infinities_as_they_were():
    x, y, z = variables = sp.symbols("x y z", real=True)
    formulas = [
        sp.exp(2 * y - 2 * x) / (1 + sp.exp(y - x)) ** 2,
        sp.log(1 + sp.exp(3 * x + z - 1)),
        sp.log(1 + sp.exp(-6 * x - 2 * z)) / 2,
        sp.atan(x + y) - sp.sqrt((y - z) ** 2) + sp.tanh(y + 2 * z),
    ]
    formula = to_numpy(sp.Add(*formulas), variables)
    through = with_gradient(formula)
    assert isinstance(through, ThroughForms)
    assert through.forms.shape == (3, 5)
    points = np.random.default_rng(0).standard_normal((20, 3))
    points[:5] *= 1e4
    points[5] = np.inf, 0, 1
    points[6, 1:] = 0
    expected = formula.with_gradient(points)
    assert np.isfinite(expected[:5]).all()
    np.testing.assert_allclose(through(points), expected, rtol=1e-12, atol=1e-13)
    assert with_gradient(to_numpy(x + sp.exp(x - y), (x, y))).__class__ is type(formula)

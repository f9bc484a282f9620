"""Learned base parameters: closed forms, finite differences, maximum likelihood."""

import math

import numpy as np
import pytest
import sympy as sp
from models import HIDDEN, check_gradient_of_the_elbo, draw, so2, step, terms_of
from scipy import integrate, optimize, stats

import ehf_num as en
import ehf_sym as es
from ehf_num.training.bounds import Bound

A, B, W = sp.symbols("a b w", positive=True)
M = sp.Symbol("m", real=True)
_, ROTATION = so2()


def model(base, symmetry=None, **options):
    options = {"hidden": HIDDEN, "rng": 0, "enforce": "penalty" if symmetry else "none"} | options
    return en.EquivariantHamiltonianFlow(base, symmetry, **options)


def family(dim, **options):
    return es.GaussianFamily(es.PhaseSpace(dim), **options)


def round_gaussian():
    space = es.PhaseSpace(2, parameters=(A, B, M))
    (q1, q2), (p1, p2) = space.q, space.p
    formula = -(A * (q1**2 + q2**2) + B * (p1**2 + p2**2)) / 2 + M * q1
    return es.BaseDensity(space, log_density=formula)


def soft_uniform():
    return es.SoftUniform(es.PhaseSpace(1, parameters=(A, W)), width=W, sharpness=A)


def quartic(log_normalizer):
    space = es.PhaseSpace(1, parameters=(A,))
    formula = -A * space.q[0] ** 4 - space.p[0] ** 2
    return es.BaseDensity(space, log_density=formula, log_normalizer=log_normalizer)


# ∫ exp(-a q⁴) dq = 2 Γ(5/4) a^(-1/4); Γ(5/4) is not of our grammar, so its value as a product
QUARTIC = sp.log(2) - sp.log(A) / 4 + sp.log(sp.pi) / 2
GAMMA = sp.log(sp.Rational(math.gamma(1.25)).limit_denominator(10**12))

MODELS = {
    "round": lambda **o: model(round_gaussian(), ROTATION, base_parameters={A: 2.0}, **o),
    "full with mean": lambda **o: model(family(2, mean=True), **o),
    "so(2) family": lambda **o: model(family(2), ROTATION, **o),
    "exact": lambda **o: model(round_gaussian(), ROTATION, enforce="exact", **o),
    "soft-uniform": lambda **o: model(soft_uniform(), base_parameters={W: 4, A: 3}, **o),
}


def moved(name, **options):
    """A model with base parameters away from their start."""
    flow = MODELS[name](**options)
    flow.weights[-1][:] += np.random.default_rng(7).normal(0, 0.3, flow.weights[-1].shape)
    return flow


def numbers(flow):
    return {x: sp.Rational(value) for x, value in flow.base_parameters.items()}


@pytest.mark.parametrize("name", MODELS)
def test_log_pi_is_the_formulas_with_its_constant(name):
    flow = moved(name)
    states = np.random.default_rng(0).standard_normal((5, 2 * flow.dim))
    base = flow.base.with_values(numbers(flow))
    expected = [
        float(
            (base.log_density - base.log_normalizer)
            .subs(dict(zip(base.space.coordinates, s, strict=True)))
            .n(20)
        )
        for s in states
    ]
    found = flow.bound.base.log_prob(states)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_a_gaussians_constant_is_scipys():
    flow = moved("full with mean")
    value = flow.base_parameters
    P = np.array([[value[x] for x in row] for row in _symbols(flow.base)])
    slope = np.array([value[x] for x in flow.base.space.parameters if x.name[0] == "b"])
    law = stats.multivariate_normal(np.linalg.solve(P, slope), np.linalg.inv(P))
    base = flow.bound.base
    states = np.random.default_rng(1).standard_normal((9, 4))
    np.testing.assert_allclose(base.log_prob(states), law.logpdf(states), rtol=1e-10)
    draws = base.sample(40_000, np.random.default_rng(2))
    errors = np.sqrt(np.diag(law.cov) / 40_000)
    assert (np.abs(draws.mean(axis=0) - law.mean) < 5 * errors).all()
    np.testing.assert_allclose(np.cov(draws.T), law.cov, atol=0.05 * law.cov.max())


def _symbols(base):
    named = {x.name: x for x in base.space.parameters}
    return [[named[f"P{min(i, j)}_{max(i, j)}"] for j in range(1, 5)] for i in range(1, 5)]


def test_a_soft_uniforms_mass_is_one_wherever_its_parameters_go():
    flow = moved("soft-uniform")
    base = flow.bound.base
    mass, _ = integrate.dblquad(
        lambda p, q: np.exp(base.log_prob(np.array([[q, p]])))[0], -9, 9, -9, 9, epsabs=1e-5
    )
    assert mass == pytest.approx(1, abs=1e-4)
    w, a = (flow.base_parameters[x] for x in (W, A))

    def cdf(x):  # in closed form, as in test_base
        walls = np.logaddexp(0, a * (x + w / 2)) - np.logaddexp(0, a * (x - w / 2))
        return walls / (a * w)

    for column in base.sample(20_000, np.random.default_rng(3)).T:
        assert stats.kstest(column, cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", MODELS)
def test_gradient_is_the_slope(name):
    flow = moved(name)
    check_gradient_of_the_elbo(flow)
    x, noise = draw(flow)

    _, pull_back = flow.bound.differentiated(x, noise)
    gradient, u = pull_back(np.ones(1))[-1], flow.weights[-1]
    for k in range(u.size):
        start, ends = u[k], []
        for sign in (1, -1):
            u[k] = start + sign * 1e-6
            ends.append(terms_of(flow.bound, x, noise)[0])
        u[k] = start
        assert abs((ends[0] - ends[1]) / 2e-6 - gradient[k]) < 1e-6 * max(1, abs(gradient[k]))


@pytest.mark.parametrize("constraint_on", ["base", "data", "both"])
def test_gradient_of_the_whole_lagrangian(constraint_on):
    """Importance-weighted bound and penalty: the base's share, at fixed noise and base states."""
    flow = MODELS["round"](constraint_on=constraint_on)
    flow.weights[-1][:] = [0.4, -0.3]
    rng = np.random.default_rng(8)
    bound = Bound("importance", draws=4)
    x = bound.repeat(rng.standard_normal((6, 2)))
    noise, states = rng.standard_normal(x.shape), rng.standard_normal((5, 4))
    rates = np.full(len(flow.objective.constraint.names), 0.7)
    _, gradient = step(flow, bound, x, noise, states, rates)
    u = flow.weights[-1]
    for k in range(u.size):
        start, ends = u[k], []
        for sign in (1, -1):
            u[k] = start + sign * 1e-6
            terms, _ = step(flow, bound, x, noise, states, rates)
            ends.append(-terms[0] + rates @ terms[1:])
        u[k] = start
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(gradient[k - u.size], abs=1e-6)


def test_the_marginal_has_mass_one_after_learning():
    """∫ p(x) dx by the trapezoid rule, each p(x) by quadrature: ln Z followed the parameters."""
    x = np.random.default_rng(9).normal(0.5, 0.7, (300, 1))
    flow = model(family(1, mean=True)).fit(x, iterations=80, learning_rate=0.02, progress=False)
    assert max(abs(value) for value in flow.weights[-1]) > 0.2
    grid = np.linspace(-9, 9, 361)
    values = flow.likelihood(grid[:, np.newaxis], method="quadrature").values
    assert np.trapezoid(np.exp(values), grid) == pytest.approx(1, abs=1e-4)


def fitted_base(base, x, **options):
    """Learn with a flow that is the identity: p(q) is the base's own marginal."""
    flow = model(base, step_size=1e-9, **options)
    for rate, iterations in ((0.05, 200), (0.005, 150)):
        flow.fit(x, learning_rate=rate, iterations=iterations, batch_size=256, progress=False)
    return flow.base_parameters


def test_a_precision_is_learned_as_by_maximum_likelihood():
    """Of q alone: a = 1 / mean(q²), with the encoder N(0, 1/b) free to follow."""
    x = np.random.default_rng(0).normal(0, 0.4, (4000, 2)) * [1.0, 1.1]
    value = fitted_base(round_gaussian(), x, symmetry=ROTATION, kappa=1.0)
    assert value[A] == pytest.approx(1 / np.mean(x**2), rel=0.03)
    assert value[M] == 0


def test_mean_and_precision_are_learned_without_a_symmetry():
    space = es.PhaseSpace(1, parameters=(A, M))
    q, p = space.q[0], space.p[0]
    base = es.BaseDensity(space, log_density=-A * (q - M) ** 2 / 2 - p**2 / 2)
    x = np.random.default_rng(1).normal(1.5, 0.5, (4000, 1))
    value = fitted_base(base, x)
    assert value[M] == pytest.approx(x.mean(), abs=0.02)
    assert value[A] == pytest.approx(1 / x.var(), rel=0.04)


def test_width_and_sharpness_are_learned_as_by_maximum_likelihood():
    """Of a soft-uniform q beside a normal p, whose encoder is exact at its start."""
    space = es.PhaseSpace(1, parameters=(A, W))
    q, p = space.q[0], space.p[0]
    walls = sum(-sp.log(1 + sp.exp(s * A * q - A * W / 2)) for s in (-1, 1))
    log_z = sp.log(W) - sp.log(1 - sp.exp(-A * W)) + sp.log(2 * sp.pi) / 2
    base = es.BaseDensity(space, log_density=walls - p**2 / 2, log_normalizer=log_z)
    x = np.random.default_rng(2).normal(0, 0.3, (2000, 1)) + np.array([[-1.5], [1.5]] * 1000)

    def negative_log_likelihood(u):
        a, w = np.exp(u)
        terms = np.logaddexp(0, a * (x - w / 2)) + np.logaddexp(0, -a * (x + w / 2))
        return np.mean(terms) + np.log(w) - np.log(-np.expm1(-a * w))

    best = np.exp(optimize.minimize(negative_log_likelihood, np.log([3, 4])).x)
    value = fitted_base(base, x, base_parameters={W: 8, A: 3})
    assert [value[A], value[W]] == pytest.approx(best, rel=0.05)


def test_the_symmetry_holds_for_what_is_learned():
    x = en.rings().sample(200, rng=0)
    flow = MODELS["so(2) family"]().fit(x, iterations=30, learning_rate=0.05, progress=False)
    value = flow.base_parameters
    assert abs(value[flow.base.space.parameters[0]] - 1) > 0.1  # it did move
    assert flow.report.proved
    base = flow.bound.base
    turn = np.kron(np.eye(2), [[0.6, -0.8], [0.8, 0.6]])
    states = np.random.default_rng(4).standard_normal((20, 4))
    np.testing.assert_allclose(base.log_prob(states @ turn.T), base.log_prob(states), rtol=1e-12)


def test_penalty_draws_from_the_present_base(monkeypatch):
    """With {g, H}² on base states, their spread follows the parameters."""
    flow = model(round_gaussian(), ROTATION)
    flow.weights[-1][:] = np.log([1e-4, 1e4])
    seen = []
    differentiated = type(flow.bound).differentiated

    def spy(self, x, noise, states=None):
        seen.append(states)
        return differentiated(self, x, noise, states)

    monkeypatch.setattr(type(flow.bound), "differentiated", spy)
    with pytest.warns(en.DataWarning, match=r"the base .* and (9\d|10\d)"):
        flow.fit(en.rings().sample(99, rng=0), iterations=2, progress=False)
    spread = np.concatenate(seen).std(axis=0)
    np.testing.assert_allclose(spread, [100, 100, 0.01, 0.01], rtol=0.2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_saved_values_come_back(name, dtype, tmp_path):
    flow = moved(name, dtype=dtype)
    flow.save(tmp_path / "m.npz")
    again = en.load(tmp_path / "m.npz")
    assert again.base_parameters == flow.base_parameters
    assert again.base == flow.base
    np.testing.assert_array_equal(again.sample(5, rng=0), flow.sample(5, rng=0))
    assert flow.sample(5, rng=0).dtype == dtype
    x = np.random.default_rng(0).standard_normal((4, flow.dim))
    np.testing.assert_array_equal(again.elbo(x), flow.elbo(x))
    assert flow.elbo(x).dtype == dtype


def test_starts_and_defaults():
    flow = model(round_gaussian(), ROTATION, base_parameters={A: 2})
    assert flow.base_parameters == {A: 2, B: 1, M: 0}
    base = family(1)
    diagonal, off, last = base.space.parameters
    value = model(base, base_parameters={diagonal: 2, off: 1, last: 3}).base_parameters
    assert value == pytest.approx({diagonal: 2, off: 1, last: 3})
    assert model(base, base_parameters={off: 1}).base_parameters == {diagonal: 1, off: 1, last: 2}
    assert model(es.StandardNormal(es.PhaseSpace(1))).base_parameters == {}


STARTS = {
    "a number": (3, "map parameters"),
    "determined": ({M: 1}, "invariance makes it 0"),
    "foreign": ({W: 1}, "does not have it"),
    "negative": ({A: -1}, r"base_parameters\[a\] was -1.*positive"),
    "zero": ({A: 0}, r"base_parameters\[a\] was 0.*positive"),
    "no number": ({A: "2"}, r"base_parameters\[a\] was '2'.*finite number"),
    "a formula": ({A: B}, "finite number"),
    "complex": ({A: 2j}, "finite number"),
    "not finite": ({A: math.inf}, "finite number"),
}


@pytest.mark.parametrize("case", STARTS)
def test_wrong_starts_are_refused(case):
    start, words = STARTS[case]
    with pytest.raises(es.ArgumentError, match=words):
        model(round_gaussian(), ROTATION, base_parameters=start)


def test_what_determines_a_parameter_is_said():
    base = family(2)
    entry = next(x for x in base.space.parameters if x.name == "P2_2")
    with pytest.raises(es.ArgumentError, match=r"invariance makes it P1_1; free are P1_1, P1_3"):
        model(base, ROTATION, base_parameters={entry: 2})


def test_a_start_may_be_exact():
    assert model(round_gaussian(), base_parameters={A: sp.Rational(1, 2)}).base_parameters[A] == 0.5


def test_a_start_that_is_no_density_is_refused():
    base = family(1)
    diagonal, off, last = base.space.parameters
    with pytest.raises(es.ArgumentError, match=r"P2_2.*positive"):
        model(base, base_parameters={diagonal: 1, off: 2, last: 1})


def test_a_start_needs_parameters():
    with pytest.raises(es.ArgumentError, match="base has no parameters"):
        model(es.StandardNormal(es.PhaseSpace(1)), base_parameters={A: 1})


def test_an_unknown_constant_is_refused_and_a_wrong_one_too():
    with pytest.raises(es.ArgumentError, match="log_normalizer"):
        model(quartic(None))
    with pytest.raises(es.ArgumentError, match="integrates to"):
        model(quartic(QUARTIC))
    # right where it starts, wrong elsewhere
    with pytest.raises(es.ArgumentError, match="integrates to"):
        model(quartic(QUARTIC + GAMMA + sp.log(A) / 2))
    assert model(quartic(QUARTIC + GAMMA)).sample(3, rng=0).shape == (3, 1)


def test_what_cannot_be_sampled_for_all_values_is_refused():
    space = es.PhaseSpace(1, parameters=(A,))
    q, p = space.q[0], space.p[0]
    base = es.BaseDensity(space, log_density=-A * q**2 - p**2 - q**2 * p**2, log_normalizer=1)
    with pytest.raises(es.ArgumentError, match="factorize"):
        model(base)
    with pytest.raises(es.ArgumentError, match="base_sampler"):
        model(base, base_sampler=lambda n, rng: rng.standard_normal((n, 2)))


def test_a_base_that_is_never_invariant_is_refused():
    space = es.PhaseSpace(2, parameters=(A,))
    (q1, q2), (p1, p2) = space.q, space.p
    base = es.BaseDensity(space, log_density=-A * (q1**2 + 2 * q2**2) - p1**2 - p2**2)
    with pytest.raises(es.InvarianceError, match="no values"):
        model(base, ROTATION)


def test_a_symmetry_on_the_bases_own_space_does_as_well():
    base = round_gaussian()
    symmetry = es.LieAlgebra(base.space, ROTATION.generators)
    assert model(base, symmetry).symmetry == model(base, ROTATION).symmetry == ROTATION


def test_values_given_beforehand_are_not_learned():
    base = round_gaussian().with_values({A: 2, B: 1, M: 0})
    flow = model(base, ROTATION)
    assert flow.base_parameters == {}
    assert flow.sample(3, rng=0).shape == (3, 2)

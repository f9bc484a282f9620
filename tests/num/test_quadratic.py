"""Networks of quadratic functions: in C against the formulas on the tape, and against mpmath."""

from __future__ import annotations

import itertools
from functools import partial

import autograd.numpy as anp
import mpmath
import numpy as np
import pytest
import sympy as sp
from autograd import grad

import ehf_num as en
import ehf_sym as es
from ehf_num.engine import native, parallel
from ehf_num.engine.networks import energy, init_energy
from ehf_num.engine.quadratic import Quadratics, quadratics
from ehf_num.engine.tape import make_vjp, on_tape
from ehf_num.hamiltonian.flow import HamiltonianFlow
from ehf_num.hamiltonian.integrators import Leapfrog, chained
from ehf_num.hamiltonian.invariant_energy import FeatureHamiltonian, Features

kernels = pytest.importorskip("ehf_num._native", reason="no C compiler at installation")
TOLERANCE = {"float64": 1e-12, "float32": 3e-5}
X = sp.symbols("x1:7", real=True)
FUNCTIONS = {  # of p, and of q: their numbers differ
    "one square": (1, [X[0] ** 2 / 2], [X[0]]),
    "forms with slopes": (
        3,
        [X[0] * X[1] - X[2], X[1] ** 2 / 3 + X[0]],
        [X[0] ** 2 - X[2] ** 2 / 2 + X[0] * X[2], X[1], X[2] + sp.sqrt(2) * X[0]],
    ),
    "squared length": (6, [sum(x**2 for x in X) / 2], [x * y for x, y in itertools.pairwise(X)]),
}


@pytest.fixture(autouse=True)
def _restored():
    native.set_native(True)
    yield
    native.set_native(None)
    parallel.set_threads(None)


def features(formulas, variables):
    formula = es.to_numpy(formulas, variables)
    found = quadratics(formula.expressions, variables)
    return Features(formula, on_tape(formula), on_tape(formula.gradient), found)


def parts(name, hamiltonians, dtype, hidden=(19, 14)):
    """Features of p and of q, and weights K_1, U_1, …."""
    dim, *formulas = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    both = [features(f, X[:dim]) for f in formulas]
    weights = [
        w + rng.standard_normal(w.shape).astype(dtype) / 10
        for _ in range(hamiltonians)
        for f in both
        for w in init_energy((f.count, *hidden, 1), rng, dtype)
    ]
    return both, weights


def bind(both, weights, hamiltonians):
    size = len(weights) // (2 * hamiltonians)
    pairs = [weights[k : k + size] for k in range(0, len(weights), size)]
    return [FeatureHamiltonian(*pairs[k : k + 2], *both) for k in range(0, len(pairs), 2)]


def value_and_pullbacks(function, arguments):
    vjp, value = make_vjp(function, arguments)
    rng = np.random.default_rng(1)
    cotangents = [rng.standard_normal(value.shape).astype(value.dtype) for _ in range(2)]
    return [value] + [bar for cotangent in cotangents for bar in vjp(cotangent)]


def assert_same(ours, theirs, dtype):
    for one, other in zip(ours, theirs, strict=True):
        assert one.dtype == other.dtype == dtype
        scale = np.max(np.abs(other), initial=1e-3)
        np.testing.assert_allclose(one, other, rtol=0, atol=TOLERANCE[dtype] * scale)


def pulled_back(both, hamiltonians, reversible, arguments):
    """States and fields of a chain as one array, on whichever path is taken."""
    q, p, probes, *weights = arguments
    flow = HamiltonianFlow(bind(both, weights, hamiltonians), Leapfrog(3, 0.2, reversible))
    states, fields = flow.inverse_with_fields(q, p, probes)
    return anp.concatenate([anp.ravel(states), anp.ravel(fields)])


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("reversible", [False, True])
@pytest.mark.parametrize(("hamiltonians", "rows", "probes"), [(1, 1, 0), (2, 77, 60), (3, 0, 5)])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_chains_against_formulas_on_the_tape(
    dtype, name, hamiltonians, rows, probes, reversible, threads, monkeypatch
):
    monkeypatch.setattr(parallel, "LEAST_KERNEL_WORK", 1.0)
    monkeypatch.setattr(parallel, "LEAST_ROWS", 1)
    parallel.set_threads(threads)
    both, weights = parts(name, hamiltonians, dtype)
    dim, rng = FUNCTIONS[name][0], np.random.default_rng(2)
    shapes = (rows, dim), (rows, dim), (probes, 2 * dim)
    states = [rng.standard_normal(shape).astype(dtype) for shape in shapes]
    assert chained(bind(both, weights, hamiltonians)) is not None
    function = partial(pulled_back, both, hamiltonians, reversible)
    ours = value_and_pullbacks(function, [*states, *weights])
    native.set_native(False)
    assert_same(ours, value_and_pullbacks(function, [*states, *weights]), dtype)


@pytest.mark.parametrize("rows", [0, 1, 130])
@pytest.mark.parametrize("hidden", [(7,), (16, 33), (5, 4, 3)])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_against_formulas_on_the_tape(dtype, name, hidden, rows):
    both, weights = parts(name, 1, dtype, hidden)
    x = np.random.default_rng(3).standard_normal((rows, FUNCTIONS[name][0])).astype(dtype)

    def gradients(arguments):
        (H,) = bind(both, arguments[1:], 1)
        return anp.concatenate([H.grad_kinetic(arguments[0]), H.grad_potential(arguments[0])])

    ours = value_and_pullbacks(gradients, [x, *weights])
    native.set_native(False)
    with np.errstate(invalid="ignore"):  # BLAS reads past short rows, and raises flags there
        theirs = value_and_pullbacks(gradients, [x, *weights])
    assert_same(ours, theirs, dtype)


def test_gradients_against_differences_of_the_energy():
    both, weights = parts("forms with slopes", 1, "float64")
    (H,) = bind(both, weights, 1)
    x, step = np.random.default_rng(4).standard_normal((5, 3)), 1e-6
    for energy_of, gradient in ((H.kinetic, H.grad_kinetic), (H.potential, H.grad_potential)):
        ours = gradient(x)
        for i in range(3):
            moved = step * np.eye(3)[i]
            slope = (energy_of(x + moved) - energy_of(x - moved)) / (2 * step)
            np.testing.assert_allclose(ours[:, i], slope, rtol=1e-7, atol=1e-8)


def test_derivatives_of_second_order_go_through_the_reference():
    both, weights = parts("forms with slopes", 1, "float64")
    (H,) = bind(both, weights, 1)
    x, step = np.random.default_rng(5).standard_normal((4, 3)), 1e-5

    def slope_of_square(x):
        return grad(lambda y: anp.sum(H.grad_potential(y) ** 2))(x)

    def total(x):
        return anp.sum(slope_of_square(x) ** 2)

    moved = np.zeros((4, 3))
    moved[2, 1] = step
    difference = (total(x + moved) - total(x - moved)) / (2 * step)
    assert grad(total)(x)[2, 1] == pytest.approx(difference, rel=1e-6)


def test_one_unit_to_the_last_digits():
    """E = w softplus(a y + b) with y = x²/2: ∂E/∂x = w a x s(a y + b)."""
    x = np.linspace(-9, 9, 101)[:, np.newaxis]
    both = [features([X[0] ** 2 / 2], X[:1])] * 2
    a, b, w = 0.7, -3.1, 1.3
    weights = [np.array([[a]]), np.array([b]), np.array([[w]])]
    (H,) = bind(both, [*weights, *weights], 1)
    with mpmath.workdps(40):
        u = [a * mpmath.mpf(float(v)) ** 2 / 2 + b for v in x[:, 0]]
        exact = [w * a * float(v) / (1 + mpmath.exp(-z)) for v, z in zip(x[:, 0], u, strict=True)]
        wanted = np.array([float(value) for value in exact])
    np.testing.assert_allclose(H.grad_kinetic(x)[:, 0], wanted, rtol=3e-15)
    np.testing.assert_allclose(H.kinetic(x), energy(both[0].values(x), *weights), rtol=1e-14)


def test_values_and_jacobians_are_those_of_the_formulas():
    for dim, *both in FUNCTIONS.values():
        x = np.random.default_rng(6).standard_normal((7, dim))
        for formulas in both:
            formula, found = es.to_numpy(formulas, X[:dim]), quadratics(formulas, X[:dim])
            np.testing.assert_allclose(found.values(x), formula(x), rtol=1e-14, atol=1e-14)
            np.testing.assert_allclose(found.jacobian(x), formula.gradient(x), atol=1e-14)
            assert found.jacobian(x.astype("f4")).dtype == "float32"


@pytest.mark.parametrize(
    "formula",
    [X[0] ** 3, X[0] ** 2 + 1, sp.sqrt(X[0]), X[0] * X[2], sp.exp(X[0]), X[0] ** 2 / X[1]],
)
def test_what_is_not_quadratic_stays_a_formula(formula):
    assert quadratics([X[0], formula], X[:2]) is None


def exact_model(symmetry, **options):
    options = {"hidden": (12, 10), "hamiltonians": 2, "rng": 0} | options
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(symmetry.space), symmetry, enforce="exact", **options
    )
    rng = np.random.default_rng(7)
    for array in flow.weights:
        array += (0.2 * rng.standard_normal(array.shape)).astype(array.dtype)
    return flow


@pytest.mark.parametrize("encoder", ["gaussian", "coupling"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_models_train_and_sample_alike_in_c_and_on_the_tape(dtype, encoder):
    two_particles = es.LieAlgebra(
        es.PhaseSpace(4), [sum(es.PhaseSpace(4).q[i] * es.PhaseSpace(4).p[j] * sign
                               for i, j, sign in ((0, 1, 1), (1, 0, -1), (2, 3, 1), (3, 2, -1)))]
    )  # fmt: skip
    flow = exact_model(two_particles, dtype=dtype, encoder=encoder)
    assert chained(flow.flow.hamiltonians) is not None
    x, noise = np.random.default_rng(8).standard_normal((2, 50, 4)).astype(dtype)
    results = []
    for in_c in (True, False):
        native.set_native(in_c)
        terms, pull_back = flow.bound.differentiated(x, noise)
        results.append(
            [terms, *pull_back(np.ones(1, dtype)), flow.sample(40, rng=1), flow.log_prob(x, rng=2)]
        )
    assert_same(*results, dtype)


def test_invariants_of_higher_degree_take_the_tape():
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    quarter_turns = [features([x**4 + y**4], (x, y)) for x, y in ((p1, p2), (q1, q2))]
    assert [f.quadratics for f in quarter_turns] == [None, None]
    rng = np.random.default_rng(9)
    weights = [w for _ in range(2) for w in init_energy((1, 6, 1), rng, "float64")]
    hamiltonians = bind(quarter_turns, weights, 1)
    assert chained(hamiltonians) is None
    flow = HamiltonianFlow(hamiltonians, Leapfrog(2, 0.1))
    states = 0.3 * rng.standard_normal((2, 5, 2))
    np.testing.assert_allclose(flow.inverse(*flow.forward(*states)), states, atol=1e-13)


def test_wrong_sizes_are_refused():
    widths = (3, 2, 8)
    packed_size, kept, work, bars, _ = kernels.energy_sizes(True, widths)
    weights = tuple(init_energy((2, 8, 1), np.random.default_rng(10), "float64"))
    forms, slopes, packed = np.zeros((2, 3, 3)), np.zeros((2, 3)), np.empty(packed_size)
    kernels.energy_fill(True, widths, (*weights, forms, slopes), packed)
    for wrong in (weights, (*weights, slopes, forms), (*weights, forms[:1], slopes)):
        with pytest.raises(ValueError, match="weights"):
            kernels.energy_fill(True, widths, wrong, packed)
    with pytest.raises(ValueError, match="packed"):
        kernels.energy_fill(True, widths, (*weights, forms, slopes), packed[:-1])
    x = np.zeros((5, 3))
    right = [1, 1, True, widths, False, packed, x, np.empty((5, 3)), np.empty(kept), np.empty(work)]
    kernels.energy_forward(*right)
    for place in (6, 8, 9):
        wrong = list(right)
        wrong[place] = np.empty(right[place].size - 1)
        with pytest.raises(ValueError, match="bytes given"):
            kernels.energy_forward(*wrong)
    both, states = np.empty(2 * packed_size), np.zeros((5, 6))
    factors = np.array([-0.05, 0.1, -0.05])
    chain = [1, 1, True, widths, widths, 2, factors, False, both, states, np.empty((0, 6))]
    chain += [np.empty((0, 6)), np.empty(kept), np.empty(work)]
    kernels.chain_forward(*chain)
    with pytest.raises(ValueError, match="widths: K is of 3 coordinates, U of 2"):
        kernels.chain_forward(1, 1, True, widths, (0, 2, 8), *chain[5:])
    for place in (8, 9, 12, 13):
        wrong = list(chain)
        wrong[place] = np.empty(chain[place].size - 1)
        with pytest.raises(ValueError, match="bytes given"):
            kernels.chain_forward(*wrong)
    assert bars > 0


def test_quadratics_keep_their_dtype():
    found = Quadratics(np.ones((1, 2, 2)), np.zeros((1, 2)))
    assert {a.dtype for a in found.arrays(np.dtype("float32"))} == {np.dtype("float32")}

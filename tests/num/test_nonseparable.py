"""H(q, p) that is no sum: maps that solve equations, against closed forms and differences."""

import autograd.numpy as anp
import numpy as np
import pytest
from autograd import grad, jacobian
from scipy.integrate import solve_ivp

import ehf_num as en
import ehf_sym as es
from ehf_num.engine.tape import make_vjp
from ehf_sym.errors import ArgumentError, EHFError

MAPS = {
    "midpoint": en.ImplicitMidpoint,
    "projected": en.ExtendedPhaseSpace,
    "projected, bound": lambda *step: en.ExtendedPhaseSpace(*step, omega=0.7),
    "extended": lambda *step: en.ExtendedPhaseSpace(*step, omega=0.7, projected=False),
}
SO2 = es.groups.so(2)


class InPlace:
    def __init__(self, hamiltonian, weights):
        self.hamiltonian, self.weights = hamiltonian, weights

    def vector_field(self, q, p):
        return self.hamiltonian.vector_field(self.weights, q, p)


class Quadratic:
    """H = sᵀ S s/2 with terms in q p."""

    def __init__(self, matrix):
        self.matrix = matrix
        d = len(matrix) // 2
        self.generator = np.kron([[0, 1], [-1, 0]], np.eye(d)) @ matrix

    def vector_field(self, q, p):
        field = anp.dot(anp.concatenate([q, p], axis=1), self.generator.T)
        return field[:, : q.shape[1]], field[:, q.shape[1] :]


def network(symmetry=None, dim=2, seed=0):
    space = es.PhaseSpace(dim) if symmetry is None else symmetry.space
    hamiltonian = en.NonSeparable(space, (12, 12), symmetry)
    weights = hamiltonian.init(np.random.default_rng(seed), "float64")
    return hamiltonian, [2 * w for w in weights]


def draw(dim=2, n=6, seed=1, dtype="float64"):
    return np.random.default_rng(seed).standard_normal((2, n, dim)).astype(dtype)


@pytest.mark.parametrize("symmetry", [None, SO2], ids=["coordinates", "invariants"])
def test_the_vector_field_is_the_derivative_of_the_value(symmetry):
    hamiltonian, weights = network(symmetry)
    q, p = draw()
    total = [lambda q, p: anp.sum(hamiltonian.value(weights, q, p))] * 2
    of_q, of_p = (grad(f, k)(q, p) for k, f in enumerate(total))
    velocity, force = hamiltonian.vector_field(weights, q, p)
    np.testing.assert_allclose(velocity, of_p, rtol=1e-12)
    np.testing.assert_allclose(force, -of_q, rtol=1e-12)


def test_invariants_of_both_halves_are_proved_and_kept():
    hamiltonian, weights = network(SO2)
    report = hamiltonian.invariance(SO2)
    assert report.proved
    assert "p1*q1 + p2*q2" in str(report)
    q, p = draw()
    g = SO2.generators[0]
    slopes = es.to_numpy(g, SO2.space.coordinates).gradient(np.hstack([q, p]))
    velocity, force = hamiltonian.vector_field(weights, q, p)
    bracket = np.sum(slopes * np.hstack([velocity, force]), axis=1)
    np.testing.assert_allclose(bracket, 0, atol=1e-14)
    assert np.abs(force).max() > 0.1


def test_two_particles_in_space_have_determinants_of_q_and_p():
    """The dot products of q and p alone are kept by mirrors as well."""
    symmetry = es.Particles(2, 3).rotations()
    hamiltonian = en.NonSeparable(symmetry.space, (8,), symmetry)
    report = hamiltonian.invariance(symmetry)
    assert report.proved
    assert report.is_generating
    weights = hamiltonian.init(np.random.default_rng(0), "float64")
    q, p = draw(6)
    mirror = np.tile([1.0, 1.0, -1.0], 2)
    values = hamiltonian.value(weights, q, p)
    assert np.abs(hamiltonian.value(weights, q * mirror, p * mirror) - values).max() > 1e-3
    few = en.NonSeparable(symmetry.space, (8,), symmetry, degree=2)
    assert not few.invariance(symmetry).is_generating
    assert "larger group" in str(few.invariance(symmetry))
    weights = few.init(np.random.default_rng(0), "float64")
    np.testing.assert_allclose(
        few.value(weights, q * mirror, p * mirror), few.value(weights, q, p), rtol=1e-12
    )


def test_networks_of_coordinates_and_of_others_invariants_are_not_proved():
    space = es.PhaseSpace(2)
    translation = es.LieAlgebra(space, [space.p[0]])
    assert not en.NonSeparable(space).invariance(SO2).proved
    assert not en.NonSeparable(space, symmetry=SO2).invariance(translation).proved


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"space": 2}, "space"),
        ({"space": es.PhaseSpace(2), "hidden": (0,)}, "hidden"),
        ({"space": es.PhaseSpace(2), "symmetry": "so(2)"}, "symmetry"),
        ({"space": es.PhaseSpace(3), "symmetry": SO2}, "symmetry"),
        ({"space": SO2.space, "symmetry": SO2, "degree": 1}, "degree"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(ArgumentError, match=name):
        en.NonSeparable(**arguments)


@pytest.mark.parametrize("dt", [0.3, 2.5])
def test_midpoint_of_a_quadratic_is_cayleys_transform(dt):
    """At 2.5 the iteration does not contract, and Newton's method finds the solution."""
    root = np.random.default_rng(5).standard_normal((4, 4))
    hamiltonian, (q, p) = Quadratic(root @ root.T / 4 + np.eye(4) / 2), draw()
    half, unit = dt / 2 * hamiltonian.generator, np.eye(4)
    expected = np.hstack([q, p]) @ np.linalg.solve(unit - half, unit + half).T
    found = np.hstack(en.ImplicitMidpoint(1, dt).forward(hamiltonian, q, p))
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", MAPS)
def test_order_is_the_slope_of_the_error(name):
    of, weights = network()
    hamiltonian, (q, p) = InPlace(of, weights), draw()

    def field(_, flat):
        return np.concatenate(
            [part.ravel() for part in hamiltonian.vector_field(*flat.reshape(2, *q.shape))]
        )

    start = np.stack([q, p]).ravel()
    truth = solve_ivp(field, (0, 1), start, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    steps = np.array([16, 32, 64])
    errors = [
        np.abs(np.stack(MAPS[name](int(n), 1 / n).forward(hamiltonian, q, p)).ravel() - truth).max()
        for n in steps
    ]
    assert np.polyfit(np.log(1 / steps), np.log(errors), 1)[0] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("dim", [1, 3])
def test_inverse_undoes_forward_and_volume_is_kept_where_it_says_so(name, dim):
    of, weights = network(dim=dim)
    hamiltonian, integrator, (q, p) = InPlace(of, weights), MAPS[name](2, 0.5), draw(dim)
    for there, back in (
        (integrator.forward, integrator.inverse),
        (integrator.inverse, integrator.forward),
    ):
        ends = there(hamiltonian, q, p)
        np.testing.assert_allclose(back(hamiltonian, *ends), [q, p], rtol=0, atol=1e-12)

    def push(state):
        ends = integrator.forward(hamiltonian, state[None, :dim], state[None, dim:])
        return anp.concatenate(ends, axis=1)[0]

    matrix = jacobian(push)(np.concatenate([q[0], p[0]]))
    omega = np.kron([[0, 1], [-1, 0]], np.eye(dim))
    defect = np.abs(matrix.T @ omega @ matrix - omega).max()
    assert (defect < 1e-12) == integrator.symplectic
    assert (abs(np.linalg.det(matrix) - 1) < 1e-12) == integrator.symplectic


def slope_and_difference(function, arguments, rng):
    """In a random direction."""
    vjp, value = make_vjp(function, arguments)
    gradient = vjp(np.ones_like(value))
    direction = [rng.standard_normal(a.shape) for a in arguments]
    ends = [
        function([a + sign * 1e-5 * v for a, v in zip(arguments, direction, strict=True)])
        for sign in (1, -1)
    ]
    slope = sum(np.sum(g * v) for g, v in zip(gradient, direction, strict=True))
    return slope, (ends[0] - ends[1]) / 2e-5


@pytest.mark.parametrize("way", ["forward", "inverse"])
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("symmetry", [None, SO2], ids=["coordinates", "invariants"])
def test_gradients_are_those_of_differences(symmetry, name, way):
    of, weights = network(symmetry)
    integrator, rng = MAPS[name](2, 0.4), np.random.default_rng(0)

    def loss(arrays):
        q, p, *rest = arrays
        q, p = getattr(integrator, way)(InPlace(of, rest), q, p)
        return anp.sum(anp.sin(q) * np.arange(1, 13).reshape(q.shape)) + anp.sum(p**3)

    for _ in range(3):
        slope, difference = slope_and_difference(loss, [*draw(), *weights], rng)
        assert slope == pytest.approx(difference, rel=1e-6)


@pytest.mark.parametrize("inner", [en.Leapfrog(2, 0.4), en.ImplicitMidpoint(2, 0.4)])
def test_learned_steps_and_dilations_have_gradients(inner):
    of, weights = network()
    learned, rng = en.Dilated(en.LearnedStep(inner)), np.random.default_rng(0)
    hamiltonian = InPlace(of, weights)
    if isinstance(inner, en.Leapfrog):
        of_u = en.NonSeparable(es.PhaseSpace(1), (8,)).init(rng, "float64")
        hamiltonian = en.NetworkHamiltonian(of_u, of_u)

    def loss(arrays):
        q, p = learned.at(arrays).forward(hamiltonian, *draw())
        return anp.sum(anp.sin(q) * np.arange(1, 13).reshape(q.shape)) + anp.sum(p**2)

    start = [w + 0.2 for w in learned.init(rng, "float64")]
    for _ in range(3):
        slope, difference = slope_and_difference(loss, start, rng)
        assert slope == pytest.approx(difference, rel=1e-7)


def test_a_learned_step_is_that_step_and_a_dilation_is_the_flow_of_q_p():
    of_u = en.NonSeparable(es.PhaseSpace(1), (8,)).init(np.random.default_rng(0), "float64")
    hamiltonian, (q, p) = en.NetworkHamiltonian(of_u, of_u), draw()
    learned = en.LearnedStep(en.Yoshida4(2, 0.4))
    theta = [np.array([0.3])]
    assert learned.coefficients(theta) == pytest.approx({"step_size": 0.4 * np.exp(0.3)})
    np.testing.assert_allclose(
        learned.at(theta).forward(hamiltonian, q, p),
        en.Yoshida4(2, 0.4 * np.exp(0.3)).forward(hamiltonian, q, p),
        rtol=1e-13,
    )
    space = es.PhaseSpace(2)
    of_qp = es.LieAlgebra(space, [sum(a * b for a, b in zip(space.q, space.p, strict=True))])
    flow = en.finite_action(space, of_qp.generators[0], 0.6)
    still = en.NetworkHamiltonian(*2 * [[0 * w for w in of_u]])
    ends = en.Dilated(en.Leapfrog()).at([np.array([0.6])]).forward(still, q, p)
    np.testing.assert_allclose(np.hstack(ends), flow(np.hstack([q, p])), rtol=1e-13)


@pytest.mark.parametrize("name", MAPS)
def test_maps_of_an_invariant_hamiltonian_commute_with_rotations(name):
    of, weights = network(SO2)
    hamiltonian, integrator = InPlace(of, weights), MAPS[name](2, 0.5)
    assert integrator.equivariance(SO2).proved
    rotate = en.finite_action(SO2.space, SO2.generators[0], 0.7)

    def push(states):
        return np.hstack(integrator.forward(hamiltonian, states[:, :2], states[:, 2:]))

    states = np.hstack(draw())
    np.testing.assert_allclose(push(rotate(states)), rotate(push(states)), rtol=0, atol=1e-12)


def algebra(*generators):
    space = es.PhaseSpace(2)
    return es.LieAlgebra(space, [es.parse(text, space) for text in generators])


BOUND = en.ExtendedPhaseSpace(omega=0.5)


@pytest.mark.parametrize(
    ("integrator", "generator", "proved"),
    [
        (en.ImplicitMidpoint(), "p1", True),
        (en.ImplicitMidpoint(), "q1**2 + p1**2", True),
        (en.ImplicitMidpoint(), "q1**2*p1", False),
        (en.ExtendedPhaseSpace(), "q1*p1 + q2*p1", True),
        (en.ExtendedPhaseSpace(), "q1**2 + p1**2", False),
        (BOUND, "q1*p2 - q2*p1 + p1", True),
        (BOUND, "q1*p1 + q2*p2", False),
        (BOUND, "q1*p2 - 2*q2*p1", False),
        (en.Dilated(en.Leapfrog()), "q1*p2 + 3*q2*p2", True),
        (en.Dilated(en.Leapfrog()), "p1", False),
        (en.Dilated(en.Leapfrog()), "q1**2*p1", False),
        (en.Dilated(en.LearnedStep(en.ImplicitMidpoint())), "q1*p1**2*q2*p2/(q1*p2)", False),
        (en.LearnedStep(BOUND), "q1*p1", False),
        (en.LearnedStep(en.Leapfrog()), "q1**2*p1", True),
    ],
)
def test_what_maps_commute_with(integrator, generator, proved):
    report = integrator.equivariance(algebra(generator))
    assert report.proved == proved
    assert ("proved" in str(report).splitlines()[1]) == proved


def test_a_map_refused_as_not_equivariant_does_not_commute():
    """The refusal is no caution: the midpoint map of an invariant H, and a nonlinear action."""
    symmetry = algebra("q1**2*p1")

    class Invariant:  # H = (q1**2 p1)**2/2 + q2**2/2
        def vector_field(self, q, p):
            g = q[:, 0] ** 2 * p[:, 0]
            velocity = anp.stack([g * q[:, 0] ** 2, 0 * g], axis=1)
            force = -anp.stack([g * 2 * q[:, 0] * p[:, 0], q[:, 1]], axis=1)
            return velocity, force

    move = en.finite_action(symmetry.space, symmetry.generators[0], 0.2)

    def push(states):
        flow = en.ImplicitMidpoint(1, 0.2)
        return np.hstack(flow.forward(Invariant(), states[:, :2], states[:, 2:]))

    states = 0.5 * np.hstack(draw())
    states[:, 0] = np.linspace(0.6, 1.0, len(states))
    assert np.abs(push(move(states)) - move(push(states))).max() > 1e-6


@pytest.mark.parametrize("name", ["midpoint", "projected", "extended"])
def test_a_step_that_is_too_large_is_said(name):
    class Steep:
        def vector_field(self, q, p):
            return 50 * anp.cos(7 * q * p), 50 * anp.sin(5 * q + p)

    q, p = draw(1)
    with pytest.raises(en.InversionError, match="smaller step_size"):
        MAPS[name](1, 1.2).inverse(Steep(), q, p)


def test_derivatives_of_second_order_are_refused():
    of, weights = network()
    q, p = draw()

    def total(q):
        return anp.sum(en.ImplicitMidpoint(1, 0.2).forward(InPlace(of, weights), q, p)[0] ** 2)

    with pytest.raises(EHFError, match="second order"):
        grad(lambda q: anp.sum(grad(total)(q) ** 2))(q)


@pytest.mark.parametrize("name", MAPS)
def test_float32_is_kept(name):
    of, weights = network()
    narrow = InPlace(of, [w.astype("float32") for w in weights])
    q, p = draw(dtype="float32")
    ends = MAPS[name](2, 0.4).forward(narrow, q, p)
    assert {end.dtype for end in ends} == {np.dtype("float32")}
    exact = MAPS[name](2, 0.4).forward(InPlace(of, weights), *draw())
    np.testing.assert_allclose(ends, exact, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("omega", "step"), [(-1.0, 0.1), (10.0, 0.1), (float("nan"), 0.1), ("x", 1)]
)
def test_a_binding_out_of_range_is_named(omega, step):
    with pytest.raises(ArgumentError, match="omega"):
        en.ExtendedPhaseSpace(1, step, omega=omega)


@pytest.mark.parametrize("wrapper", [en.LearnedStep, en.Dilated])
def test_only_integrators_are_wrapped(wrapper):
    for wrong in (en.Leapfrog, 0.5, None):
        with pytest.raises(ArgumentError, match="integrator"):
            wrapper(wrong)


def test_the_flow_of_q_p_is_what_all_maps_tend_to():
    matrix = np.kron([[0, 1], [1, 0]], np.eye(1))
    q, p = draw(1)
    for name in MAPS:
        ends = MAPS[name](200, 0.005).forward(Quadratic(matrix), q, p)
        np.testing.assert_allclose(ends, (np.e * q, p / np.e), rtol=0, atol=1e-4)

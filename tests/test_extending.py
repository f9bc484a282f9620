"""A newcomer's exercises: a part of one's own for each seam, by the public words alone."""

import inspect
import math
import re
from pathlib import Path

import autograd.numpy as anp
import matplotlib as mpl
import numpy as np
import pytest
import sympy as sp

import ehf_num as en
import ehf_sym as es

mpl.use("Agg")
import matplotlib.pyplot as plt

SPACE = es.PhaseSpace(2)
(Q1, Q2), (P1, P2) = SPACE.q, SPACE.p
SO2 = es.LieAlgebra(SPACE, [Q1 * P2 - Q2 * P1])
BASE = es.StandardNormal(SPACE)
X = en.rings().sample(200, rng=0)


def model(symmetry=SO2, **options):
    return en.EquivariantHamiltonianFlow(BASE, symmetry, **{"hidden": (8,), "rng": 0} | options)


def trained(**options):
    flow = model(**options)
    before = [array.copy() for array in flow.weights]
    flow.fit(X, iterations=10, progress=False)
    for old, new in zip(before, flow.weights, strict=True):
        assert not np.array_equal(old, new)  # every weight is learned
    return flow


def same(first, second):
    np.testing.assert_array_equal(first.sample(5, rng=1), second.sample(5, rng=1))
    np.testing.assert_array_equal(first.elbo(X[:5]), second.elbo(X[:5]))


# --- the parts ----------------------------------------------------------------------------------


class PositionVerlet:
    """Drift, kick, drift."""

    order, symplectic = 2, True

    def __init__(self, dt=0.4):
        self.dt = dt

    def forward(self, hamiltonian, q, p, sign=1):
        q = q + sign * self.dt / 2 * hamiltonian.grad_kinetic(p)
        p = p - sign * self.dt * hamiltonian.grad_potential(q)
        return q + sign * self.dt / 2 * hamiltonian.grad_kinetic(p), p

    def inverse(self, hamiltonian, q, p):
        return self.forward(hamiltonian, q, p, sign=-1)


class ScaledVerlet(PositionVerlet):
    """The same, its step learned."""

    def init(self, rng, dtype):
        return [np.zeros(1, dtype)]

    def at(self, weights):
        return PositionVerlet(self.dt * anp.exp(weights[0]))


class Damped(PositionVerlet):
    """Momenta shrink: this is no symplectic map, and does not say so."""

    def forward(self, hamiltonian, q, p, sign=1):
        return q, p * math.exp(-0.3 * sign)


class Well:
    """U(q) = a |q|² + b |q|⁴ with a, b learned, and a proof that rotations keep it."""

    def __init__(self, start=0.05):
        self.start = start

    def init(self, rng, dtype):
        return [np.full(2, self.start, dtype)]

    def value(self, weights, x):
        square = anp.sum(x**2, axis=1)
        return weights[0][0] * square + weights[0][1] * square**2

    def gradient(self, weights, x):
        square = anp.sum(x**2, axis=1, keepdims=True)
        return 2 * x * (weights[0][0] + 2 * weights[0][1] * square)

    def invariance(self, symmetry, of):
        a, b = sp.symbols("a b", real=True)
        half = symmetry.space.q if of == "q" else symmetry.space.p
        square = sum(s**2 for s in half)
        formula = en.FormulaEnergy(a * square + b * square**2, symmetry.space, of=of)
        return formula.invariance(symmetry, of)


class Squeezed(Well):
    """Its gradient is not that of its value."""

    def gradient(self, weights, x):
        return 0.5 * super().gradient(weights, x)


class Twisted:
    """H = |p|²/2 + a|q|²/2 + b (q1 p2 − q2 p1)²: no sum of K and U."""

    def init(self, rng, dtype):
        return [np.array([0.5, 0.1], dtype)]

    def vector_field(self, weights, q, p):
        a, b = weights[0][0], weights[0][1]
        angular = 2 * b * (q[:, :1] * p[:, 1:] - q[:, 1:] * p[:, :1])
        across_q = anp.concatenate([-q[:, 1:], q[:, :1]], axis=1)
        across_p = anp.concatenate([p[:, 1:], -p[:, :1]], axis=1)
        return p + angular * across_q, -a * q - angular * across_p


class Rotational(Twisted):
    """A force field with a curl comes from no H."""

    def vector_field(self, weights, q, p):
        across = anp.concatenate([-q[:, 1:], q[:, :1]], axis=1)
        return weights[0][0] * p, weights[0][1] * across


class ChangeUnderReflection:
    """How much velocity and force change otherwise than states do when q1 and p1 change sign."""

    names = ("reflection",)

    def terms(self, flow, states):
        sign = np.array([-1, 1, -1, 1], states.dtype)
        change = flow.fields(states * sign) - flow.fields(states) * sign
        return anp.reshape(anp.mean(change**2), (1,))


class Negative(ChangeUnderReflection):
    """Can be lowered for ever."""

    def terms(self, flow, states):
        return -super().terms(flow, states) - 1


class Polar:
    """h(p|q) = N(a q, s² 1)."""

    def init(self, rng, dtype):
        return [np.zeros(2, dtype)]

    def draw(self, weights, q, noise):
        a, log_s = weights[0][0], weights[0][1]
        p = a * q + anp.exp(log_s) * noise
        constant = 0.5 * q.shape[1] * math.log(2 * math.pi)
        return p, -0.5 * anp.sum(noise**2, axis=1) - q.shape[1] * log_s - constant


class Renyi:
    """Half of ln mean w² over draws: Rényi's bound of order −1."""

    def value(self, model, x, noise):
        log_weights = 2 * model.log_weights(x, noise)
        return anp.mean(anp.log(anp.mean(anp.exp(log_weights), axis=1))) / 2


GIVEN = {
    "an integrator": {"integrator": PositionVerlet()},
    "an integrator that learns": {"integrator": ScaledVerlet()},
    "K": {"kinetic": Well()},
    "U, exact": {"potential": Well(), "enforce": "exact"},
    "K and U": {"kinetic": Well(0.2), "potential": Well(), "step_size": 0.1},
    "H": {"hamiltonian": Twisted(), "integrator": en.ImplicitMidpoint(1, 0.2)},
    "a penalty": {"penalty": ChangeUnderReflection()},
    "an encoder": {"encoder": Polar()},
    "several": {
        "integrator": ScaledVerlet(),
        "potential": Well(),
        "encoder": Polar(),
        "penalty": ChangeUnderReflection(),
        "hamiltonians": 2,
    },
}
SEAMS = {"integrator", "kinetic", "potential", "hamiltonian", "penalty", "encoder"}
EASY = {"H": {"integrator"}}  # what a file restores by itself


@pytest.mark.parametrize("name", GIVEN)
def test_a_part_is_trained_saved_and_asked_for_again(name, tmp_path):
    flow, path = trained(**GIVEN[name]), tmp_path / "model.npz"
    flow.save(path)
    own = {k: v for k, v in GIVEN[name].items() if k in SEAMS - EASY.get(name, set())}
    again = en.load(path, **own)
    same(again, flow)
    for each in (flow, again):
        each.fit(X, iterations=3, progress=False)
    same(again, flow)
    for missing in own:
        left = {k: v for k, v in own.items() if k != missing}
        with pytest.raises(es.ArgumentError, match=f"{missing} was None.*give it again"):
            en.load(path, **left)


@pytest.mark.parametrize("name", GIVEN)
def test_ln_p_is_that_of_the_map(name):
    """ln p(s') = ln π(s) and mass one: samples pulled back are the base's."""
    flow = trained(**GIVEN[name])
    q, p = np.random.default_rng(0).standard_normal((2, 50, 2))
    moved = flow.forward(q, p)
    np.testing.assert_allclose(np.hstack(flow.inverse(*moved)), np.hstack([q, p]), atol=1e-8)
    expected = -0.5 * np.sum(q**2 + p**2, axis=1) - 2 * math.log(2 * math.pi)
    np.testing.assert_allclose(flow.joint_log_prob(*moved), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("given", "others"),
    [
        ({"integrator": PositionVerlet(0.4)}, {"integrator": PositionVerlet(0.3)}),
        ({"potential": Well()}, {"potential": Squeezed()}),
        ({"penalty": ChangeUnderReflection()}, {"penalty": Negative()}),
        ({"encoder": Polar()}, {"encoder": en.GaussianEncoder(2, (4,))}),
    ],
    ids=["integrator", "energy", "penalty", "encoder"],
)
def test_another_part_is_refused(given, others, tmp_path):
    trained(**given).save(tmp_path / "model.npz")
    (name,) = given
    with pytest.raises(es.ArgumentError, match=f"{name} was .*"):
        en.load(tmp_path / "model.npz", **others)
    model().save(tmp_path / "plain.npz")
    with pytest.raises(es.ArgumentError, match=f"{name} was given, but .* built in"):
        en.load(tmp_path / "plain.npz", **given)


@pytest.mark.parametrize("integrator", [
    en.Leapfrog(3, 0.2), en.Yoshida4(1, 0.4), en.BlanesMoan4(1, 0.4), en.ImplicitMidpoint(1, 0.3),
    en.LearnedStep(en.Leapfrog(2, 0.3)), en.Dilated(en.LearnedStep(en.Yoshida4(1, 0.3))),
], ids=lambda integrator: type(integrator).__name__)  # fmt: skip
def test_built_in_integrators_come_back_by_themselves(integrator, tmp_path):
    flow = trained(integrator=integrator)
    flow.save(tmp_path / "model.npz")
    same(en.load(tmp_path / "model.npz"), flow)


def test_leapfrog_by_value_is_leapfrog_by_options():
    by_value, by_option = model(integrator=en.Leapfrog(3, 0.2)), model(steps=3, step_size=0.2)
    for flow in (by_value, by_option):
        flow.fit(X, iterations=5, progress=False)
    same(by_value, by_option)
    assert by_value.engine == by_option.engine


def test_an_integrator_gives_what_leapfrog_gives_where_it_is_leapfrog():
    """Position Verlet with K and U exchanged is leapfrog: the reference and C agree."""

    class Velocity(PositionVerlet):
        def forward(self, hamiltonian, q, p, sign=1):
            p = p - sign * self.dt / 2 * hamiltonian.grad_potential(q)
            q = q + sign * self.dt * hamiltonian.grad_kinetic(p)
            return q, p - sign * self.dt / 2 * hamiltonian.grad_potential(q)

    ours, theirs = model(integrator=Velocity(0.4)), model(steps=1, step_size=0.4)
    for flow in (ours, theirs):
        flow.fit(X, iterations=5, progress=False)
    np.testing.assert_allclose(ours.log_prob(X), theirs.log_prob(X), rtol=1e-9)


class WideDraw(en.GaussianEncoder):
    """A Gaussian of twice the width: neither the score nor the kernel of its parent is its own."""

    def draw(self, weights, q, noise):
        p, log_h = super().draw(weights, q, 2 * noise)
        return p, log_h + 1.5 * anp.sum(noise**2, axis=1) - q.shape[1] * math.log(2)


class Wrapped:
    """The same, with nothing to inherit."""

    def __init__(self):
        self.inner = WideDraw(2, (8,))

    def init(self, rng, dtype):
        return self.inner.init(rng, dtype)

    def draw(self, weights, q, noise):
        return self.inner.draw(weights, q, noise)


@pytest.mark.parametrize("options", [{}, {"objective": "importance", "draws": 3}])
def test_a_subclass_that_draws_otherwise_inherits_no_shortcut(options):
    """Trained through C, or with the closed score, it would be another encoder."""
    assert en.check_encoder(WideDraw(2, (8,)), 2).passed
    ours, theirs = model(encoder=WideDraw(2, (8,))), model(encoder=Wrapped())
    for flow in (ours, theirs):
        flow.fit(X, iterations=5, progress=False, **options)
    np.testing.assert_allclose(ours.log_prob(X), theirs.log_prob(X), rtol=1e-7)


def test_a_diagnosis_tells_of_the_penalty():
    flow = trained(penalty=ChangeUnderReflection())
    states = np.random.default_rng(0).standard_normal((2000, 4))
    (value,) = ChangeUnderReflection().terms(flow.flow, states)
    check = flow.diagnose(X)["reflection, base states"]
    assert check.value == pytest.approx(value, rel=0.5)
    assert check.threshold == 2 * flow.settings.kappa


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"integrator": en.Euler(2, 0.1)}, "symplectic is False.*preserves volume"),
        ({"integrator": object()}, "order is None"),
        ({"integrator": PositionVerlet(), "steps": 3}, "steps was 3"),
        ({"penalty": ChangeUnderReflection(), "split_bracket": True}, "split_bracket was True"),
        ({"penalty": ChangeUnderReflection(), "enforce": "exact"}, "penalty was given"),
        ({"penalty": object()}, "penalty was .*names are None"),
        ({"hamiltonian": Twisted()}, "cannot take apart"),
        ({"hamiltonian": Twisted(), "kinetic": Well()}, "kinetic was given together"),
        ({"hamiltonian": Twisted(), "enforce": "exact"}, "no method invariance"),
        ({"kinetic": en.GaussianEncoder(2, (4,))}, "it has no method value"),
        ({"kinetic": en.FormulaEnergy(P1**2, SPACE, of="p"), "enforce": "exact"}, "not proved"),
    ],
)  # fmt: skip
def test_what_does_not_go_is_refused_by_name(options, message):
    with pytest.raises(es.ArgumentError, match=rf"(?s){message}"):
        model(**options)


def test_energies_that_prove_what_they_keep_make_exact_models():
    flow = trained(kinetic=Well(), potential=Well(), enforce="exact")
    q, p = np.random.default_rng(0).standard_normal((2, 40, 2))
    assert np.abs(flow.brackets(q, p)).max() < 1e-12


# --- checkers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "report",
    [
        lambda: en.check_integrator(PositionVerlet()),
        lambda: en.check_integrator(ScaledVerlet(), 3),
        lambda: en.check_integrator(en.ImplicitMidpoint(1, 0.1), hamiltonian=Twisted()),
        lambda: en.check_energy(Well(), 2),
        lambda: en.check_hamiltonian(Twisted(), 2),
        lambda: en.check_penalty(ChangeUnderReflection(), 2),
        lambda: en.check_encoder(Polar(), 2, symmetry=SO2),
    ],
)
def test_nothing_is_said_of_parts_that_are_right(report):
    assert report().passed, str(report())


@pytest.mark.parametrize(
    ("report", "fault"),
    [
        (lambda: en.check_integrator(Damped()), "symplectic is True, and"),
        (lambda: en.check_integrator(en.Euler(1, 0.1)), None),
        (lambda: en.check_energy(Squeezed(), 2), "the slope of value"),
        (lambda: en.check_hamiltonian(Rotational(), 2), "no H with this vector field"),
        (lambda: en.check_penalty(Negative(), 2), "should not be negative"),
        (lambda: en.check_penalty(Well(), 2), "names are None"),
    ],
)
def test_faults_are_named(report, fault):
    found = report()
    if fault is None:
        assert found.passed, str(found)
    else:
        assert not found.passed
        assert fault in str(found)


# --- bases, groups, objectives, observers -------------------------------------------------------


def test_a_base_density():
    """A ring in q: proved invariant, normalized by quadrature, sampled by a function of ours."""
    density = -((Q1**2 + Q2**2 - 1) ** 2) - (P1**2 + P2**2) / 2
    base = es.BaseDensity(SPACE, log_density=density, name="ring")
    assert SO2.check(base).proved

    def sampler(n, rng):
        radius2 = np.empty(0)
        while len(radius2) < n:  # |q|² has density exp(−(r − 1)²) on r > 0
            drawn = 1 + rng.standard_normal(4 * n) / math.sqrt(2)
            radius2 = np.concatenate([radius2, drawn[drawn > 0]])
        angle = rng.uniform(0, 2 * np.pi, n)
        q = np.sqrt(radius2[:n, None]) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return np.hstack([q, rng.standard_normal((n, 2))])

    mass = math.pi * math.sqrt(math.pi) / 2 * (1 + math.erf(1)) * 2 * math.pi
    base = es.BaseDensity(
        SPACE,
        log_density=density,
        log_normalizer=sp.log(sp.pi ** sp.Rational(5, 2) * (1 + sp.erf(1))),
        name="ring",
    )
    assert float(base.log_normalizer) == pytest.approx(math.log(mass))
    flow = en.EquivariantHamiltonianFlow(base, SO2, base_sampler=sampler, hidden=(8,), rng=0)
    flow.fit(X, iterations=5, progress=False)
    assert np.isfinite(flow.elbo(X)).all()


def screws():
    """Screws about the third axis, made as the groups of the catalogue are."""
    space = es.PhaseSpace(3)
    q, p = space.q, space.p
    return es.LieAlgebra(space, [q[0] * p[1] - q[1] * p[0] + p[2]], labels=("S",))


def test_a_group_for_the_catalogue():
    """Alone and with shifts across the axis: closed, asked, moved by."""
    group = screws()
    q, p = group.space.q, group.space.p
    wider = es.LieAlgebra(group.space, [*group.generators, p[0]], labels=("S", "P_1"))
    assert len(wider.close().generators) == 3  # {S, P_1} = p2 is new
    assert (group.is_abelian, wider.close().is_abelian) == (True, False)
    eps = sp.Symbol("epsilon", real=True)
    assert group.action(0).formula[2] == q[2] + eps  # along the axis, as far as the turn
    pillar = es.BaseDensity(
        group.space, log_density=-(q[0] ** 2 + q[1] ** 2 + sum(x**2 for x in p)) / 2
    )
    assert group.check(pillar).proved
    assert not wider.check(pillar).proved  # shifts move the pillar along
    assert not group.check(es.StandardNormal(group.space)).proved


def test_an_objective():
    flow = model()
    flow.fit(X, iterations=20, objective=Renyi(), draws=4, progress=False)
    assert flow.result_.objective == "Renyi"
    same_by_name = model().fit(X, iterations=3, objective=Mean(), draws=2, progress=False)
    built_in = model().fit(X, iterations=3, draws=2, progress=False)
    np.testing.assert_allclose(same_by_name.log_prob(X), built_in.log_prob(X), rtol=1e-9)


class Mean:
    """The ELBO."""

    def value(self, model, x, noise):
        return anp.mean(model.log_weights(x, noise))


def test_an_observer_draws_every_hundred_iterations(tmp_path):
    flow = model()

    def draw(record):
        figure, axes = plt.subplots()
        axes.scatter(*flow.sample(50, rng=0).T)
        figure.savefig(tmp_path / f"{record.iteration}.png")
        plt.close(figure)

    flow.fit(X, iterations=300, record_every=100, on_record=draw, progress=False)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["100", "200", "300"]


def test_no_private_name_is_used():
    source = Path(inspect.getsourcefile(test_no_private_name_is_used)).read_text(encoding="utf-8")
    assert not re.search(r"\w\._[a-z]|from ehf_\w+\.|import ehf_\w+\.", source)


def test_a_run_with_parts_goes_on_from_its_checkpoint_and_no_other_does(tmp_path):
    path = tmp_path / "run.npz"
    parts = {"integrator": PositionVerlet(0.4), "potential": Well()}
    options = {"iterations": 6, "checkpoint": path, "checkpoint_every": 2, "progress": False}
    whole = model(**parts).fit(X, objective=Mean(), **options)
    again = model(**parts).fit(X, objective=Mean(), **options)
    assert again.result_.resumed_at == 6
    same(again, whole)
    with pytest.raises(es.ArgumentError, match=r"integrator\.dt was 0\.4, is 0\.3"):
        model(**parts | {"integrator": PositionVerlet(0.3)}).fit(X, objective=Mean(), **options)
    with pytest.raises(es.ArgumentError, match=r"objective was .*Mean.*, is .*Renyi"):
        model(**parts).fit(X, objective=Renyi(), **options)

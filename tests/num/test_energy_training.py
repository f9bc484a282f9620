"""Learning from an energy: the gradient, what is refused, what is kept, what is told."""

import math

import autograd.numpy as anp
import numpy as np
import pytest
import sympy as sp

import ehf_num as en
import ehf_sym as es
from ehf_num.engine.native import set_native
from ehf_num.targets.target_energy import known_energy
from ehf_num.training.energy_bound import EnergyBound
from ehf_num.training.minibatches import Minibatch
from tests.num.models import make

QUICK = {"iterations": 10, "progress": False}


class Object:
    """S = factor |q|²/2 + tilt q1², as code; slope: a factor of the gradient alone."""

    def __init__(self, factor=1.0, tilt=0.0, slope=1.0):
        self.factor, self.tilt, self.slope = factor, tilt, slope

    def value(self, x):
        return self.factor * (x**2).sum(axis=1) / 2 + self.tilt * x[:, 0] ** 2

    def gradient(self, x):
        tilted = np.zeros_like(x)
        tilted[:, 0] = 2 * self.tilt * x[:, 0]
        return self.slope * (self.factor * x + tilted)


def quartic(flow):
    square = sum(x**2 for x in flow.base.space.q)
    return square**2 / 8 - sp.Rational(1, 3) * square + sp.cos(square)


def batch_of(flow, n=24, seed=5):
    rng, dim = np.random.default_rng(seed), flow.dim
    return Minibatch(*rng.standard_normal((2, n, dim)), flow.bound.base.sample(n, rng))


MODELS = {
    "penalty on base states": ("so2", {}),
    "penalty on both ends": ("so2", {"constraint_on": "both", "hamiltonians": 2}),
    "split, normalized": ("so3", {"split_bracket": True, "normalized_bracket": True}),
    "exact": ("so3", {"enforce": "exact"}),
    "exact, equivariant couplings": ("so3", {"enforce": "exact", "encoder": "coupling"}),
    "couplings": ("so2", {"encoder": "coupling"}),
    "one momentum": ("oscillator", {"enforce": "none", "encoder": "coupling"}),
    "factorized base": ("soft-uniform", {"hamiltonians": 2}),
    "dilated": ("so2", {"integrator": en.Dilated(en.LearnedStep(en.Leapfrog(2, 0.4)))}),
    "rebuilt": ("so2", {"reversible": True, "steps": 3}),
}
BOUNDS = {
    "alone": {},
    "annealed": {"annealing": 10, "strength": 0.3},
    "with data": {"data_weight": 0.4},
}


@pytest.mark.parametrize(
    ("name", "options", "native"),
    [
        *((name, "alone", native) for name in MODELS for native in (True, False)),
        *((name, options, True) for name in list(MODELS)[:5] for options in list(BOUNDS)[1:]),
    ],
)
def test_the_gradient_is_the_slope_of_the_loss(name, options, native):
    """Taylor: central differences of the loss, written out anew from public words."""
    case, chosen = MODELS[name]
    set_native(native)
    try:
        flow = make(case, **chosen)
        S, rng = quartic(flow), np.random.default_rng(0)
        if case == "oscillator":
            S = flow.base.space.q[0] ** 4 / 4
        target = known_energy(S, flow.base.space, None, np.zeros((1, 2 * flow.dim)))
        bound = EnergyBound(target, **BOUNDS[options])
        flow.flat_weights[:] += 0.1 * rng.standard_normal(flow.flat_weights.size)
        batch, beta, share = batch_of(flow), bound.strength, bound.data_weight
        constraint = flow.objective.constraint
        rates = 0.3 + np.arange(0 if constraint is None else len(constraint.names))
        out = np.empty_like(flow.flat_weights)
        terms = bound.step(flow.bound, batch, rates, out)
        ends = np.hstack(flow.forward(*np.split(batch.base_states, 2, axis=1)))

        def loss():
            q, p = flow.forward(*np.split(batch.base_states, 2, axis=1))
            log_target = -np.asarray(target.value(q)) + flow.log_encoder(p, q)
            log_base = flow.bound.base.log_prob(np.hstack([q, p]))
            starts = flow.bound.base.log_prob(batch.base_states)
            raised = np.mean(beta * log_target + (1 - beta) * log_base - starts)
            elbo = flow.bound.log_weights(batch.x, batch.noise).mean() if share else 0.0
            return (1 - share) * raised + share * elbo - rates @ penalties()

        def penalties():
            if constraint is None:
                return np.empty(0)
            places = {"base": [batch.base_states], "data": [np.vstack([ends, batch.base_states])]}
            places["both"] = places["base"] + places["data"]
            found = [constraint.penalty.terms(flow.flow, at) for at in places[constraint.states]]
            return np.concatenate(found)

        direction, before = rng.standard_normal(out.shape), flow.flat_weights.copy()
        sides = []
        for sign in (1, -1):
            flow.flat_weights[:] = before + sign * 1e-6 * direction
            sides.append(loss())
        flow.flat_weights[:] = before
        np.testing.assert_allclose(terms[1:], penalties(), rtol=1e-9)
        slope = (sides[0] - sides[1]) / 2e-6
        assert abs(slope + out @ direction) < 1e-5 * max(1.0, abs(slope))
        if beta == 1:
            assert terms[0] == pytest.approx(loss() + rates @ penalties(), rel=1e-9)
    finally:
        set_native(None)


@pytest.mark.parametrize("name", ["exact", "dilated"])
def test_the_path_s_gradient_differs_by_the_slope_of_the_law_that_it_had(name):
    """By central differences of E[ln q(s)] with q held and s moved; it is 0 in the mean."""
    case, chosen = MODELS[name]
    flow, rng = make(case, **chosen), np.random.default_rng(0)
    target = known_energy(quartic(flow), flow.base.space, None, np.zeros((1, 2 * flow.dim)))
    flow.flat_weights[:] += 0.1 * rng.standard_normal(flow.flat_weights.size)
    batch, total, path = batch_of(flow), np.empty_like(flow.flat_weights), flow.flat_weights.copy()
    held, before, rates = make(case, **chosen), flow.flat_weights.copy(), np.empty(0)
    held.flat_weights[:] = before
    EnergyBound(target).step(flow.bound, batch, rates, total)
    terms = EnergyBound(target, own_slope=True).step(flow.bound, batch, rates, path)
    assert terms[0] == EnergyBound(target).step(flow.bound, batch, rates, total.copy())[0]
    direction, sides = rng.standard_normal(total.shape), []
    for sign in (1, -1):
        flow.flat_weights[:] = before + sign * 1e-6 * direction
        states = flow.forward(*np.split(batch.base_states, 2, axis=1))
        sides.append(held.joint_log_prob(*states).mean())
    slope = (sides[0] - sides[1]) / 2e-6
    assert abs(slope - (path - total) @ direction) < 1e-5 * max(1.0, abs(slope))


def learned_width(start=1.0):
    """A base of one free width, which energies tell."""
    a = sp.Symbol("a", positive=True)
    space = es.PhaseSpace(1, parameters=[a])
    base = es.BaseDensity(space, log_density=-(a * space.q[0] ** 2 + space.p[0] ** 2) / 2)
    options = {"enforce": "none", "hidden": (6,), "base_parameters": {a: start}, "rng": 0}
    return en.EquivariantHamiltonianFlow(base, **options), a


def test_the_slope_by_the_base_s_parameters_is_that_of_the_mean():
    """∂/∂a of E over s0 = z/√a, by differences with the same z, within the error of the mean."""
    flow, _ = learned_width(1.3)
    S = flow.base.space.q[0] ** 2 * 2
    target = known_energy(S, flow.base.space, None, np.zeros((1, 2)))
    z = np.random.default_rng(3).standard_normal((30_000, 2))

    def at(log_a):
        flow.flat_weights[-1] = log_a
        starts = z / np.array([math.exp(log_a / 2), 1.0])
        q, p = flow.forward(*np.split(starts, 2, axis=1))
        log_base = flow.bound.base.log_prob(starts)
        return starts, -target.value(q) + flow.log_encoder(p, q) - log_base

    place = math.log(1.3)
    differences = (at(place + 1e-4)[1] - at(place - 1e-4)[1]) / 2e-4
    starts, log_weights = at(place)
    out = np.empty_like(flow.flat_weights)
    EnergyBound(target).step(flow.bound, Minibatch(z, z, starts), np.empty(0), out)
    by_score = -(log_weights - log_weights.mean()) * (starts[:, 0] ** 2 * 1.3 - 1) / 2
    error = math.hypot(*(np.std(v) / math.sqrt(len(z)) for v in (differences, by_score)))
    assert abs(out[-1] + differences.mean()) < 4 * error


def test_a_base_learns_its_width_from_an_energy():
    """The width that starts at 1 is 1/2 where e^−S has it and the flow is held still."""
    flow, a = learned_width()
    still = en.Leapfrog(1, 1e-9)
    flow = en.EquivariantHamiltonianFlow(
        flow.base, enforce="none", hidden=(6,), integrator=still, rng=0
    )
    S = 2 * flow.base.space.q[0] ** 2
    flow.fit_energy(S, iterations=300, learning_rate=0.03, progress=False)
    assert flow.base_parameters[a] == pytest.approx(4, rel=0.1)


def test_what_is_learned_is_the_target():
    flow = make("so2", hamiltonians=2)
    q1, q2 = flow.base.space.q
    S = 2 * (q1**2 + q2**2)
    before = flow.weigh(S, 4000).ess
    flow.fit_energy(S, iterations=150, learning_rate=4e-3, progress=False)
    weights = flow.weigh(S, 4000)
    assert weights.ess > 0.7 > 0.5 > before
    assert abs(weights.log_z - math.log(math.pi / 2)) < 4 * weights.log_z_error
    assert flow.result_.history.elbo[-1] < weights.log_z
    assert flow.result_.constraints == ("{g1,H}² base",)


def test_the_constraint_is_kept_while_an_energy_is_learned():
    """Against the same run that may break the symmetry as it likes."""
    last = []
    for kappa in (1e-4, 1e6):
        flow = make("so2", kappa=kappa)
        S = 2 * sum(x**2 for x in flow.base.space.q)
        options = {"learning_rate": 2e-3, "record_every": 50, "progress": False}
        flow.fit_energy(S, iterations=600, batch_size=64, **options)
        last.append(flow.result_.history.squared_brackets[-1, 0])
    assert last[0] < last[1] / 4


@pytest.mark.parametrize("enforce", ["penalty", "exact"])
def test_an_energy_that_breaks_the_symmetry_a_little_is_refused_with_a_witness(enforce):
    flow = make("so2", enforce=enforce)
    q1, q2 = flow.base.space.q
    weights = flow.flat_weights.copy()
    with pytest.raises(es.InvarianceError, match="refuted") as refused:
        flow.fit_energy(q1**2 + q2**2 * (1 + sp.Rational(1, 10**6)), **QUICK)
    assert refused.value.report.verdicts[0].verdict.witness
    with pytest.raises(es.ArgumentError, match=r"does not keep: \{.*, S\} = .* at q = "):
        flow.fit_energy(Object(tilt=1e-6), **QUICK)
    flow.fit_energy(Object(), **QUICK)
    assert (flow.flat_weights != weights).any()


@pytest.mark.parametrize("slope", [-1.0, 2.0, 1.001])
def test_a_gradient_that_is_not_the_slope_is_refused(slope):
    with pytest.raises(es.ArgumentError, match="not the slope of its value"):
        make("so2").fit_energy(Object(slope=slope), **QUICK)


class Rounded(Object):
    """Computed in float32, whatever comes in; far from 0."""

    def __init__(self, out=np.float32, far=0.0, **wrong):
        super().__init__(**wrong)
        self.out, self.far = out, far

    def value(self, x):
        return (super().value(x.astype(np.float32)) + np.float32(self.far)).astype(self.out)

    def gradient(self, x):
        return super().gradient(x.astype(np.float32)).astype(self.out)


@pytest.mark.parametrize("out", [np.float32, np.float64])
@pytest.mark.parametrize("symmetry", ["rotations", "a quarter turn"])
def test_an_energy_in_single_precision_is_held_to_its_own_rounding(out, symmetry):
    flow = make("so2", dtype="float32")
    states = flow.bound.base.sample(64, np.random.default_rng(0))
    quarter = es.FiniteSymmetry(flow.base.space, [[[0, -1], [1, 0]]])
    group = flow.symmetry if symmetry == "rotations" else quarter
    for far in (0.0, 1e4):
        known_energy(Rounded(out, far), flow.base.space, group, states)
    for wrong in ({"slope": 1.01}, {"slope": -1.0}, {"tilt": 1e-3}):
        with pytest.raises(es.ArgumentError, match=r"not the slope|does not keep"):
            known_energy(Rounded(out, **wrong), flow.base.space, group, states)


def test_an_energy_far_from_zero_is_held_to_its_slope():
    space, states = es.PhaseSpace(2), np.random.default_rng(0).standard_normal((64, 4))

    class Lifted(Object):
        def value(self, x):
            return 1e8 + super().value(x)

    known_energy(Lifted(), space, None, states)
    with pytest.raises(es.ArgumentError, match="not the slope"):
        known_energy(Lifted(slope=1.01), space, None, states)


def test_an_energy_that_falls_without_an_end_is_told():
    """ln Z is infinite: walkers would never arrive."""
    flow = make("so2")
    q1, q2 = flow.base.space.q
    with pytest.warns(en.TrainingWarning, match="falls without an end: .* is its sign right"):
        flow.fit_energy(-((q1**2 + q2**2) ** 2), **QUICK)

    class Falling:
        name, dim = "falling", 2

        def value(self, x):
            return -((x**2).sum(axis=1) ** 2)

        def gradient(self, x):
            return -4 * x * (x**2).sum(axis=1, keepdims=True)

    with pytest.raises(es.ArgumentError, match="energy falls without an end"):
        en.parallel_tempering(Falling(), 200, rng=0, width=2.0)


class Proved(Object):
    def __init__(self, proved):
        super().__init__()
        self.proved = proved

    def invariance(self, symmetry, of):
        return self


def test_an_object_s_own_proof_is_asked_for():
    make("so2").fit_energy(Proved(True), **QUICK)
    with pytest.raises(es.ArgumentError, match="is not proved to be kept"):
        make("so2").fit_energy(Proved(False), **QUICK)


class Flat:
    def value(self, x):
        return (x**2).sum()

    def gradient(self, x):
        return 2 * x


def test_what_is_no_energy_is_refused_by_name():
    flow = make("so2")
    q1, p1 = flow.base.space.q[0], flow.base.space.p[0]
    m = sp.Symbol("m", real=True)
    for S, error, text in [
        (q1 * 0.5, es.FormulaError, "S contains the float 0.5"),
        (q1**2 * m, es.FormulaError, r"S contains m, .*S.subs\(m, 2\)"),
        (q1**2 + p1**2, es.FormulaError, "S was .* depends on p1"),
        (sp.Integer(2), es.FormulaError, "S was 2, which is constant"),
        ("q1**2", es.ArgumentError, "S was 'q1\\*\\*2'; .* q1, … .*parse"),
        (Object, es.ArgumentError, "S was .*; it should be a formula"),
        (Flat(), es.ArgumentError, r"S.value returned shape \(\)"),
    ]:
        with pytest.raises(error, match=text):
            flow.fit_energy(S, **QUICK)
        with pytest.raises(error, match=text):
            flow.weigh(S, 10)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"patience": 3}, "patience was given without validation"),
        ({"annealing": -1}, "annealing was -1"),
        ({"x": np.zeros((4, 2)), "data_weight": 1.0}, "data_weight was 1.0"),
        ({"x": np.zeros((4, 2)), "data_weight": 0}, r"data_weight was 0; it should be in \(0, 1\)"),
        ({"validation": 2.5}, "validation was 2.5"),
        ({"x": np.zeros((4, 3))}, "x "),
    ],
)
def test_options_that_cannot_be_used_are_refused(options, text):
    flow = make("so2")
    before = flow.flat_weights.copy()
    with pytest.raises(es.ArgumentError, match=text):
        flow.fit_energy(quartic(flow), **options, **QUICK)
    assert (flow.flat_weights == before).all()


class DrawsAlone:
    def init(self, rng, dtype):
        return [np.zeros(2, dtype)]

    def draw(self, weights, q, noise):
        log_h = -anp.sum(noise**2 / 2 + math.log(2 * math.pi) / 2, axis=1)
        return noise + weights[0], log_h


class OffTheTape(DrawsAlone):
    def log_prob(self, weights, q, p):
        away = np.asarray(p - weights[0], float)
        return -np.sum(away**2 / 2 + math.log(2 * math.pi) / 2, axis=1)


class OtherDraw(en.GaussianEncoder):
    def draw(self, weights, q, noise):
        p, log_h = super().draw(weights, q, noise)
        return -p, log_h


def test_an_encoder_that_cannot_weigh_is_refused():
    for encoder in (DrawsAlone(), OtherDraw(2, (4,))):
        with pytest.raises(es.ArgumentError, match="has no log_prob"):
            make("so2", encoder=encoder).weigh(Object(), 10)
    flow = make("so2", encoder=OffTheTape())
    assert flow.weigh(Object(), 10).n == 10
    with pytest.raises(es.ArgumentError, match="log_prob raised"):
        flow.fit_energy(Object(), **QUICK)


class Walled(Object):
    """An energy that is not finite beyond a radius."""

    def value(self, x):
        return np.where(np.linalg.norm(x, axis=1) > 2, np.nan, super().value(x))


def test_an_energy_that_is_not_finite_is_named_with_its_state():
    flow = make("so2")
    before = flow.flat_weights.copy()
    with pytest.warns(en.TrainingWarning, match=r"S was nan at q = \(-?\d"):
        flow.fit_energy(Walled(), **QUICK)
    assert flow.result_.stop_reason == "non_finite"
    assert (flow.flat_weights == before).all()
    with pytest.raises(es.ArgumentError, match=r"S was nan .* at q = \("):
        flow.weigh(Walled(), 1000)


def test_a_run_goes_on_from_its_checkpoint_to_the_same_bits(tmp_path):
    path = tmp_path / "run.npz"
    options = {"annealing": 12, "progress": False, "validation": 16}

    def broken_off(record):
        if record.iteration == 8:
            raise KeyboardInterrupt

    flow, whole = make("so2"), make("so2")
    S = quartic(flow)
    checkpoint = {"checkpoint": path, "checkpoint_every": 4, "record_every": 4}
    with pytest.warns(en.TrainingWarning, match="interrupted"):
        flow.fit_energy(S, iterations=20, on_record=broken_off, **checkpoint, **options)
    again = make("so2").fit_energy(S, iterations=20, **checkpoint, **options)
    whole.fit_energy(S, iterations=20, record_every=4, **options)
    assert again.result_.resumed_at == 4 or again.result_.resumed_at == 8
    assert (again.flat_weights == whole.flat_weights).all()
    assert (again.result_.history.elbo == whole.result_.history.elbo).all()
    with pytest.raises(es.ArgumentError, match="target"):
        make("so2").fit_energy(S + 1, iterations=20, **checkpoint, **options)


def test_the_best_weights_are_kept_with_patience():
    flow = make("so2")
    flow.fit_energy(
        quartic(flow), iterations=60, learning_rate=0.5, validation=256, patience=2,
        record_every=5, progress=False,
    )  # fmt: skip
    history = flow.result_.history
    assert flow.result_.stop_reason == "early_stopping"
    target = known_energy(quartic(flow), flow.base.space, None, np.zeros((1, 4)))
    found = EnergyBound(target, validation=256).of_held_out(flow.bound, None)
    assert found == pytest.approx(history.validation_elbo.max(), rel=1e-12)


def test_points_join_in_and_are_seen():
    """With data the ELBO of the points rises, though the energy says nothing of them."""
    x = np.random.default_rng(0).normal(2.0, 0.3, (200, 2))
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(es.PhaseSpace(2)), enforce="none", hidden=(16,), rng=0
    )
    before = flow.elbo(x).mean()
    flow.fit_energy(
        Object(), x, data_weight=0.9, iterations=150, learning_rate=3e-3, progress=False
    )
    assert flow.elbo(x).mean() > before + 1


def two_wells(dim=1):
    """Wells at ±3, and a base that hardly knows the one on the left."""
    space = es.PhaseSpace(dim)
    base = es.BaseDensity(space, log_density=-((space.q[0] - 2) ** 2 + space.p[0] ** 2) / 2)
    S = (space.q[0] ** 2 - 9) ** 2 / 12
    return en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(16,), rng=0), S


def test_a_mode_that_is_missed_is_told_though_the_weights_look_well():
    flow, S = two_wells()
    with pytest.warns(en.TrainingWarning, match="Modes are missing"):
        flow.fit_energy(S, iterations=300, learning_rate=3e-3, progress=False)
    weights = flow.weigh(S, 2000)
    found = weights.missing_modes()
    assert found.collapsed
    assert found.example[0] < 0
    assert weights.ess > 0.3  # which says nothing of the other well


@pytest.mark.parametrize(("dim", "away"), [(1, 10), (2, 20)])
def test_a_well_that_nothing_leads_to_is_told_too(dim, away):
    """The base sits in one of two equal wells, 12 and 50 k_B T deep: Z comes out as its half."""
    space = es.PhaseSpace(dim)
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(space), enforce="none", hidden=(8,), rng=0
    )
    S = -sp.log(sp.exp(-(space.q[0] ** 2) / 2) + sp.exp(-((space.q[0] - away) ** 2) / 2))
    S += sum(q**2 for q in space.q[1:]) / 2
    with pytest.warns(en.TrainingWarning, match="Modes are missing"):
        flow.fit_energy(S, iterations=100, learning_rate=3e-3, progress=False)
    weights = flow.weigh(S, 2000)
    assert weights.log_z == pytest.approx(dim / 2 * math.log(2 * math.pi), abs=0.1)
    assert weights.reliable  # which knows nothing of it
    assert weights.missing_modes().example[0] == pytest.approx(away, abs=4)


def test_walls_and_holes_do_not_hide_a_mode_that_is_missed():
    """S is infinite on one side, and no number at a place that wide walkers start at."""

    class Walled:
        def value(self, x):
            near, far = x[:, 0] ** 2 / 2, (x[:, 0] - 15) ** 2 / 2
            energy = -np.logaddexp(-near, -far)
            energy[x[:, 0] < -5] = np.inf
            return np.where(x[:, 0] > 40, np.nan, energy)

        def gradient(self, x):
            share = 1 / (1 + np.exp(np.clip((15 * x - 112.5), -500, 500)))
            return np.where((x < -5) | (x > 40), np.nan, x - 15 * (1 - share))

    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(es.PhaseSpace(1)), enforce="none", hidden=(8,), rng=0
    )
    found = flow.weigh(Walled(), 2000).missing_modes()
    assert found.collapsed
    assert found.example[0] == pytest.approx(15, abs=4)


def test_a_model_that_has_both_wells_is_not_warned_of():
    """The wells hold as much each: Z is twice that of one."""
    flow, S = two_wells()
    x = np.random.default_rng(0).normal(0, 0.4, (400, 1)) + np.repeat([[3.0], [-3.0]], 200, axis=0)
    flow.fit_energy(S, x, iterations=500, learning_rate=5e-3, progress=False)
    weights = flow.weigh(S, 4000)
    assert not weights.missing_modes().collapsed
    share = weights.mean(lambda q: q[:, 0] > 0)
    assert abs(share.value - 0.5) < 4 * share.error


def test_an_observer_sees_the_bound_and_a_float32_model_learns():
    seen = []
    flow = make("so2", dtype="float32")
    flow.fit_energy(quartic(flow), on_record=seen.append, record_every=5, **QUICK)
    assert [record.iteration for record in seen] == [5, 10]
    assert flow.flat_weights.dtype == np.float32
    assert "bound of ln Z" in str(flow.result_)


def test_a_finite_symmetry_has_to_keep_the_energy_too():
    """A lattice's: one site that is heavier, or a field that is not even, breaks it."""
    lattice = es.ScalarLattice([4])
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(lattice.space),
        lattice.symmetry(),
        enforce="exact",
        potential=en.OrbitSum(lattice.space, [lattice.window()], lattice.symmetry(), hidden=(4,)),
        kinetic=en.OrbitSum(
            lattice.space, [lattice.window()], lattice.symmetry(), of="p", hidden=(4,)
        ),
        rng=0,
    )
    q, S = lattice.space.q, lattice.action(1, 2)
    for fault in (q[0] ** 2 / 10**6, sum(q)):
        with pytest.raises(es.InvarianceError, match="S is not proved to be kept"):
            flow.fit_energy(S + fault, **QUICK)
    with pytest.raises(es.ArgumentError, match="does not keep"):
        flow.fit_energy(Object(tilt=1e-5), **QUICK)
    flow.fit_energy(S, **QUICK)
    assert flow.result_.objective == "energy"


@pytest.mark.parametrize("precision", ["windows", "scalar"])
def test_particles_learn_from_an_energy_of_the_library(precision):
    """DW4 in relative coordinates, with all parts made of windows: the object serves as it is."""
    frame, options = es.Particles(4, 2).relative(), {"hidden": (6,), "site_hidden": (5,)}
    U, K = (en.OrbitSum.pairs(frame, of=of, **options) for of in ("q", "p"))
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(frame.space),
        frame.symmetry(),
        enforce="exact",
        potential=U,
        kinetic=K,
        encoder=en.OrbitEncoder(U, precision, width=6),
        rng=0,
    )
    before = [w.copy() for w in flow.bound.encoder_weights]
    flow.fit_energy(en.DoubleWell(), annealing=5, **QUICK)
    after = flow.bound.encoder_weights
    assert all((a != b).any() for a, b in zip(after, before, strict=True))
    assert np.isfinite(flow.weigh(en.DoubleWell(), 200).log_z)

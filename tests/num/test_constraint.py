"""Which brackets are penalized, where, and that training sees exactly those."""

import itertools

import numpy as np
import pytest
from autograd.test_util import check_grads
from models import make

import ehf_num as en
import ehf_sym as es
from ehf_num.engine.tape import make_vjp
from ehf_num.hamiltonian.parameters import ParameterVector
from ehf_num.training.constraint import mean_squared_brackets

RNG = np.random.default_rng(0)
FIELDS, GRADIENTS = RNG.standard_normal((7, 3, 4)), RNG.standard_normal((7, 2, 4))
KINDS = list(itertools.product((1, 2), (False, True)))


def one_by_one(fields, gradients, parts, normalized):
    """The definition, state by state."""
    means = np.zeros((gradients.shape[1], parts))
    for f, g in zip(fields, gradients, strict=True):
        for j, k, part in np.ndindex(len(f), len(g), parts):
            a, b = (np.split(v, parts)[part] for v in (f[j], g[k]))
            square = (a @ b) ** 2
            means[k, part] += square / (a @ a) / (b @ b) if normalized else square
    return (means / len(fields) / fields.shape[1]).ravel()


@pytest.mark.parametrize(("parts", "normalized"), KINDS)
def test_mean_squares_are_those_of_the_definition(parts, normalized):
    ours = mean_squared_brackets(FIELDS, GRADIENTS, parts, normalized)
    np.testing.assert_allclose(ours, one_by_one(FIELDS, GRADIENTS, parts, normalized), rtol=1e-6)


@pytest.mark.parametrize(("parts", "normalized"), KINDS)
def test_their_derivatives_against_differences(parts, normalized):
    check_grads(
        lambda f: mean_squared_brackets(f, GRADIENTS, parts, normalized), modes=["rev"], order=2
    )(FIELDS)


def test_a_normalized_bracket_is_a_squared_cosine():
    """Between 0 and 1, the same for H and 100 H, and 1 for H = g."""
    values = mean_squared_brackets(FIELDS, GRADIENTS, normalized=True)
    assert ((values > 0) & (values < 1)).all()
    scaled = mean_squared_brackets(100 * FIELDS, GRADIENTS, normalized=True)
    np.testing.assert_allclose(scaled, values, rtol=1e-6)
    along = mean_squared_brackets(GRADIENTS[:, :1], GRADIENTS[:, :1], normalized=True)
    assert along == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize("normalized", [False, True])
def test_a_flat_hamiltonian_has_no_bracket_and_a_finite_gradient(normalized):
    fields = np.zeros((4, 1, 4))
    vjp, value = make_vjp(
        lambda a: mean_squared_brackets(a[0], GRADIENTS[:4], 1, normalized), [fields]
    )
    assert (value == 0).all()
    assert (vjp(np.ones(2))[0] == 0).all()


def test_the_whole_bracket_can_vanish_where_its_parts_do_not():
    """H = g = (q² + p²)/2: {g, H} = 0, while {g, K} = qp = −{g, U}, of mean square 1 over N(0, 1).

    Splitting would forbid the right Hamiltonian here, which is why it is not the default.
    """
    q, p = np.random.default_rng(1).standard_normal((2, 100_000, 1))
    fields, gradients = np.stack([p, -q], axis=2), np.stack([q, p], axis=2)
    assert mean_squared_brackets(fields, gradients) == pytest.approx(0, abs=1e-25)
    parts = mean_squared_brackets(fields, gradients, 2)
    np.testing.assert_allclose(parts, np.mean(q**2 * p**2), rtol=1e-9)
    np.testing.assert_allclose(parts, 1, atol=0.05)  # its standard error is 0.009


def data_states(flow, x, noise):
    """Where the data is before and after it is pulled back: positions (2n, d), momenta (2n, d)."""
    objective = flow.objective
    p, _ = objective.encoder.draw(objective.layout.encoder_weights(flow.weights), x, noise)
    return map(np.concatenate, zip((x, p), flow.inverse(x, p), strict=True))


def inputs(flow):
    rng = np.random.default_rng(2)
    x, noise = rng.standard_normal((2, 6, flow.dim))
    return x, noise, rng.standard_normal((5, 2 * flow.dim))


@pytest.mark.parametrize("case", ["so2", "so3", "oscillator"])
@pytest.mark.parametrize("hamiltonians", [1, 2])
def test_training_sees_base_and_data_states(case, hamiltonians):
    flow = make(case, constraint_on="both", hamiltonians=hamiltonians)
    x, noise, base_states = inputs(flow)
    terms, _ = flow.bound.differentiated(x, noise, base_states)
    places = np.split(base_states, 2, axis=1), data_states(flow, x, noise)
    expected = [np.mean(np.square(flow.bound.brackets(q, p)), axis=(0, 1)) for q, p in places]
    np.testing.assert_allclose(terms[1:], np.concatenate(expected), rtol=1e-12)
    assert len(terms) == 1 + len(flow.objective.constraint.names)
    only = make(case, constraint_on="data", hamiltonians=hamiltonians)
    alone, _ = only.objective.at(flow.weights).differentiated(x, noise, base_states[:0])
    np.testing.assert_allclose(alone[1:], expected[1], rtol=1e-12)


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize("normalized", [False, True])
def test_data_states_are_constants_for_the_gradient(split, normalized):
    """Central differences with the states held where they are; none for the encoder."""
    flow = make("so2", constraint_on="both", split_bracket=split, normalized_bracket=normalized)
    x, noise, base_states = inputs(flow)
    data = np.concatenate(list(data_states(flow, x, noise)), axis=1)
    names = flow.objective.constraint.names
    rates = np.linspace(0.5, 2, len(names))
    _, pull_back = flow.bound.differentiated(x, noise, base_states)
    gradient = np.concatenate([bar.ravel() for bar in pull_back(np.array([0.0, *rates]))])

    def penalty(flat):
        vector = ParameterVector(flow.weights)
        vector.flat[:] = flat
        bound = flow.objective.flow(vector.arrays)
        squares = [
            flow.objective.constraint.penalty.terms(bound, states) for states in (base_states, data)
        ]
        return rates @ np.concatenate(squares)

    start = ParameterVector(flow.weights).flat
    for _ in range(4):
        direction = RNG.standard_normal(start.size) / np.sqrt(start.size)
        slope = (penalty(start + 1e-5 * direction) - penalty(start - 1e-5 * direction)) / 2e-5
        assert gradient @ direction == pytest.approx(slope, rel=1e-6)
    of_encoder = sum(w.size for w in flow.bound.encoder_weights)
    assert (gradient[-of_encoder:] == 0).all()


def off_center(n, rng):
    """Data without the symmetry: what is not held to it breaks it."""
    return 0.5 * rng.standard_normal((n, 2)) + np.array([3.0, 0.0])


def test_both_places_are_held_to_kappa_where_training_ends():
    kappa, fresh = 0.02, off_center(2000, np.random.default_rng(5))
    base_states, noise = np.random.default_rng(0).standard_normal((2, 2000, 4))
    squares = {}
    for enforce in ("penalty", "none"):
        options = {"constraint_on": "both", "kappa": kappa} if enforce == "penalty" else {}
        flow = make("so2", enforce=enforce, hidden=(16, 16), **options)
        flow.fit(
            off_center, iterations=600, batch_size=32, learning_rate=5e-3, schedule="cosine",
            progress=False,
        )  # fmt: skip
        places = np.split(base_states, 2, axis=1), data_states(flow, fresh, noise[:, :2])
        squares[enforce] = [np.mean(flow.brackets(*place) ** 2) for place in places]
        if enforce == "penalty":
            result = flow.result_
    assert max(squares["penalty"]) < 2 * kappa
    assert min(squares["none"]) > 100 * kappa
    assert (result.constraints, result.kappa) == (("{g1,H}² base", "{g1,H}² data"), kappa)
    assert result.history.squared_brackets.shape == result.history.multipliers.shape == (300, 2)


@pytest.mark.parametrize(
    "options",
    [
        {"constraint_on": "everything"},
        {"split_bracket": 1},
        {"normalized_bracket": "yes"},
        {"constraint_on": "data", "enforce": "none"},
        {"split_bracket": True, "enforce": "exact"},
        {"normalized_bracket": True, "enforce": "exact"},
    ],
)
def test_options_that_mean_nothing_are_refused(options):
    with pytest.raises(es.ArgumentError, match=next(iter(options))):
        make("so2", **options)


def test_options_and_curves_are_saved(tmp_path):
    flow = make("so2", constraint_on="both", split_bracket=True, normalized_bracket=True)
    flow.fit(en.rings().sample(20, rng=0), iterations=3, progress=False).save(tmp_path / "m.npz")
    again = en.load(tmp_path / "m.npz")
    assert again.settings == flow.settings
    assert again.result_.constraints == flow.result_.constraints
    assert len(again.result_.constraints) == again.result_.history.multipliers.shape[1] == 4
    assert again.result_.kappa == flow.result_.kappa
    assert again.objective.constraint.names == flow.objective.constraint.names

"""SymmetricDensity: scikit-learn's protocol, units of data, files and pickles."""

import copy
import multiprocessing
import pickle
import warnings

import joblib
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

import ehf_num as en
import ehf_sym as es
from ehf_num.model.averaged_training import Course, _Average
from ehf_num.model.units import Units
from ehf_num.symmetry.reading import read_symmetry
from ehf_sym.errors import ArgumentError, DataWarning
from ehf_sym.symmetry.frames import unit_changes

TINY = {"hamiltonians": 2, "hidden": (8,), "max_iter": 6, "rng": 0}
ABOUT_Z = "q1*p2 - q2*p1"
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])
NO_TYPE_ERROR = "entries that are no numbers raise ArgumentError, a ValueError"

# It has no base class of scikit-learn's, which the core does not import; collecting warns of that.
with warnings.catch_warnings(action="ignore"):
    with_checks_of_scikit_learn = parametrize_with_checks(
        [en.SymmetricDensity(**TINY)],
        expected_failed_checks=lambda _: {"check_dtype_object": NO_TYPE_ERROR},
    )


@with_checks_of_scikit_learn
def test_passes_the_checks_of_scikit_learn(estimator, check):
    with warnings.catch_warnings(action="ignore", category=DataWarning):
        check(estimator)


def velocities(n, seed=0):
    """Draw points in km/s from a normal density that rotations about z leave alone."""
    return np.random.default_rng(seed).normal((0, 0, 50), (150, 150, 80), (n, 3))


class Frame:
    """What is asked of a data frame: an array with names."""

    def __init__(self, values, columns):
        self.values, self.columns = values, columns

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype)


@pytest.fixture(scope="module")
def fitted():
    return en.SymmetricDensity(ABOUT_Z, **TINY).fit(velocities(200))


def test_tools_of_scikit_learn_work():
    x = velocities(60)
    model = en.SymmetricDensity(ABOUT_Z, **TINY)
    assert clone(model).get_params() == model.get_params()
    assert np.isfinite(cross_val_score(model, x, cv=2)).all()
    search = GridSearchCV(model, {"hidden": [(4,), (8,)]}, cv=2).fit(x)
    assert search.best_estimator_.n_features_in_ == 3
    pipeline = make_pipeline(FunctionTransformer(), clone(model)).fit(x)
    np.testing.assert_array_equal(pipeline.score_samples(x), clone(model).fit(x).score_samples(x))
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(model))


def test_scores_are_means_and_samples_repeat_themselves(fitted):
    x = velocities(50, seed=1)
    assert fitted.score(x) == pytest.approx(fitted.score_samples(x).mean(), rel=1e-12)
    drawn = fitted.sample(4, random_state=3)
    np.testing.assert_array_equal(drawn, fitted.sample(4, rng=3))
    assert fitted.sample(2, random_state=np.random.RandomState(0)).shape == (2, 3)
    assert fitted.flow_.construction.proved
    assert fitted.flow_.encoder_is_equivariant


def test_each_fit_starts_anew():
    x = velocities(60)
    model = en.SymmetricDensity(ABOUT_Z, **TINY).fit(x)
    first = model.score_samples(x)
    np.testing.assert_array_equal(model.fit(x).score_samples(x), first)
    with pytest.raises(ArgumentError, match="NaN or inf"):
        model.fit(np.full((5, 3), np.nan))
    np.testing.assert_array_equal(model.score_samples(x), first)


def test_units_are_those_that_rotations_about_an_axis_allow(fitted):
    shift, scale = fitted.units_.shift, fitted.units_.scale
    assert shift[:2] == pytest.approx(0, abs=1e-12)
    assert shift[2] == pytest.approx(50, abs=20)
    rotation = np.eye(3)
    rotation[:2, :2] = expm(0.7 * TURN)
    np.testing.assert_allclose(rotation @ scale, scale @ rotation, rtol=1e-12, atol=1e-9)
    assert 2 * np.diag(scale) == pytest.approx([150, 150, 80], rel=0.2)  # z is 2 wide


def test_second_moments_are_averaged_over_the_group():
    """The projection on what commutes is the mean of R C Rᵀ over all rotations R, on ℝ² ⊕ ℝ²."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4))
    units = Units.of(x, unit_changes(es.Particles(2, 2).rotations()))
    both = np.kron(np.eye(2), TURN)
    rotations = [expm(angle * both) for angle in 2 * np.pi * np.arange(8) / 8]  # C is quadratic
    mean = np.mean([R @ x.T @ x @ R.T for R in rotations], axis=0) / len(x)
    np.testing.assert_allclose(4 * units.scale @ units.scale, mean, rtol=1e-10, atol=1e-12)
    assert units.log_jacobian == pytest.approx(np.log(np.linalg.det(mean / 4)) / 2)


def test_a_center_off_the_origin_is_found():
    model = en.SymmetricDensity("(q1 - 3)*p2 - (q2 + 1)*p1", **TINY)
    model.fit(np.random.default_rng(0).normal((3, -1), 0.01, (40, 2)))
    np.testing.assert_allclose(model.units_.shift, [3, -1], rtol=1e-12)
    assert model.units_.scale == pytest.approx(0.005 * np.eye(2), rel=0.3)
    assert model.symmetry_.generators != model.flow_.symmetry.generators


@pytest.mark.parametrize("enforce", ["auto", "penalty"])
def test_log_densities_carry_the_jacobian(enforce):
    """In other units that the symmetry allows, ln p differs by the logarithm of the volume."""
    x = velocities(80)
    model = en.SymmetricDensity(ABOUT_Z, **{**TINY, "enforce": enforce, "dtype": "float64"})
    units, shift = np.array([4.0, 4.0, 0.25]), np.array([0, 0, -7.0])
    there = clone(model).fit(x * units + shift).score_samples(x * units + shift)
    here = model.fit(x).score_samples(x)
    # The momenta of an estimate are keyed by the coordinates, which rounding changes.
    drawn = {"n_samples": 4096, "rng": 0}
    errors = model.likelihood(x, **drawn).standard_errors.max()
    np.testing.assert_allclose(here - np.log(4), there, atol=0.5)
    assert abs(np.mean(here - np.log(4) - there)) < 0.05 + 5 * errors


@given(
    scale=st.floats(1e-3, 1e3),
    along=st.tuples(st.floats(0.1, 10), st.floats(-100, 100)),
    symmetry=st.sampled_from(["so(2)", ABOUT_Z]),
)
@settings(max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate])
def test_the_divergence_is_the_same_in_all_units_that_the_symmetry_allows(scale, along, symmetry):
    """Scales A and shifts that commute with rotations: ln p falls by ln det A, point by point."""
    dim = 2 if symmetry == "so(2)" else 3
    stretch, shift = np.full(dim, scale), np.zeros(dim)
    if dim == 3:
        stretch[2], shift[2] = along
    x = velocities(60)[:, :dim]
    moved = stretch * x + shift
    # One look at points held out, whose noise rounding changes, has nothing to choose from.
    model = en.SymmetricDensity(symmetry, **{**TINY, "max_iter": 10, "dtype": "float64"})
    here, there = clone(model).fit(x), clone(model).fit(moved)
    # For all momenta, hence for their integral as well.
    p = np.random.default_rng(1).standard_normal((60, dim))
    joint = here.flow_.joint_log_prob(here.units_.standardized(x), p)
    other = there.flow_.joint_log_prob(there.units_.standardized(moved), p)
    ours, theirs = joint - here.units_.log_jacobian, other - there.units_.log_jacobian
    np.testing.assert_allclose(theirs + np.log(stretch).sum(), ours, atol=3e-3)
    if dim == 2:
        exact = {"method": "quadrature", "standard_error": 1e-4}
        ours, theirs = here.likelihood(x, **exact), there.likelihood(moved, **exact)
        np.testing.assert_allclose(theirs.mean + 2 * np.log(scale), ours.mean, atol=3e-3)


def test_a_density_in_units_of_the_data_integrates_to_one():
    x = 1e4 + 300 * np.random.default_rng(0).standard_normal((100, 1))
    model = en.SymmetricDensity(**TINY).fit(x)
    grid = np.linspace(1e4 - 3000, 1e4 + 3000, 601)[:, np.newaxis]
    total = np.exp(model.score_samples(grid)).sum() * 10
    assert total == pytest.approx(1, abs=0.02)
    drawn = model.sample(2000, random_state=0)
    assert drawn.mean() == pytest.approx(1e4, abs=150)


def test_without_standardization_data_stay_as_they_are():
    x = np.random.default_rng(0).normal(size=(40, 2))
    model = en.SymmetricDensity("so(2)", standardize=False, **TINY).fit(x)
    np.testing.assert_array_equal(model.units_.scale, np.eye(2))
    np.testing.assert_array_equal(model.score_samples(x), model.flow_.log_prob(x))


@pytest.mark.parametrize(
    ("symmetry", "dim", "generators"),
    [
        ("so(3)", 3, 3),
        ("SO(2) about z", 3, 1),
        ("q1*p2 - q2*p1, q3*p4 - q4*p3", 4, 2),
        (["q1*p2 - q2*p1"], 2, 1),
        ("atan2(q2, q1)*p1", 2, 1),
        (es.groups.u(2), 4, 4),
    ],
)
def test_symmetries_are_read_as_people_write_them(symmetry, dim, generators):
    assert len(read_symmetry(symmetry, dim).generators) == generators


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"symmetry": "so(3)"}, "symmetry was 'so.3.', of 3 coordinates; X has 2 columns"),
        ({"symmetry": "q1*p9"}, "its formulas cannot be read"),
        ({"symmetry": 7}, "symmetry was int"),
        ({"standardize": "yes"}, "standardize"),
        ({"symmetry": "so(2)", "enforce": "none"}, "enforce"),
        ({"validation_fraction": 1.5}, "validation_fraction was 1.5"),
        ({"max_iter": 0}, "max_iter"),
        ({"patience": 0.5}, "patience"),
    ],
)
def test_options_that_cannot_be_used_are_named(options, told):
    with pytest.raises(ArgumentError, match=told):
        en.SymmetricDensity(**{**TINY, **options}).fit(velocities(9)[:, :2])


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (np.ones((8, 2)), "without width"),
        (np.arange(8.0).repeat(2).reshape(8, 2), "without width"),
        (np.zeros((0, 2)), "minimum of 1"),
        (np.zeros(4), "Reshape your data"),
        (np.ones((1, 2)), "1 sample"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(x, told):
    with pytest.raises(ArgumentError, match=told):
        en.SymmetricDensity(**TINY).fit(x)


def test_names_of_columns_are_kept_and_compared():
    x, names = velocities(60), ["vx", "vy", "vz"]
    model = en.SymmetricDensity(ABOUT_Z, **TINY).fit(Frame(x, names))
    assert model.feature_names_in_.tolist() == names
    model.score(Frame(x, names))
    with pytest.raises(ArgumentError, match="same order"):
        model.score(Frame(x, names[::-1]))
    with pytest.raises(ArgumentError, match="unseen at fit time:\n- ra\n"):
        model.score_samples(Frame(x, ["vx", "vy", "ra"]))
    with pytest.warns(DataWarning, match="valid feature names"):
        model.score(x)
    assert not hasattr(model.fit(x), "feature_names_in_")


def test_training_ends_where_the_points_held_out_gain_no_more():
    x = np.random.default_rng(0).normal(size=(40, 2))  # the base itself: nothing to learn
    model = en.SymmetricDensity(**{**TINY, "max_iter": 400, "patience": 10}).fit(x)
    assert model.stop_reason_ == "no gain"
    assert model.n_iter_ < 400
    assert en.SymmetricDensity(**TINY).fit(x).stop_reason_ == "max_iter"


def test_the_rate_falls_once_nothing_is_gained_and_the_average_is_kept():
    x = np.random.default_rng(0).normal(size=(40, 2))
    model = en.SymmetricDensity(**{**TINY, "max_iter": 600, "patience": 40, "tol": 1e3}).fit(x)
    assert (model.stop_reason_, model.n_iter_) == ("no gain", 60)  # half as many again


def test_a_course_falls_over_the_last_third_where_all_is_gained():
    course = Course(1e-2, 128, max_iter=900, patience=10, tol=0.0, progress=False)
    average = _Average(course, np.zeros((3, 2)))
    assert average.factor(0) == pytest.approx(1 / 50)
    assert [average.factor(t) for t in (50, 600)] == [1, 1]
    assert average.factor(750) == pytest.approx(0.5)
    assert average.factor(899) < 1e-4
    average.settled = 200
    assert average.factor(250) == pytest.approx(0.5)


def in_another_process(model):
    return model.sample(3, 1)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of threads and forks
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_a_model_goes_to_another_process(method, fitted):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    with multiprocessing.get_context(method).Pool(1) as pool:
        drawn = pool.apply_async(in_another_process, (fitted,)).get(timeout=120)
    np.testing.assert_array_equal(drawn, fitted.sample(3, 1))


@pytest.mark.parametrize("form", ["file", "pickle", "joblib", "copy", "deepcopy"])
def test_a_model_survives(form, fitted, tmp_path):
    fitted.save(tmp_path / "model.npz")
    joblib.dump(fitted, tmp_path / "model.joblib")
    again = {
        "file": lambda: en.load(tmp_path / "model.npz"),
        "joblib": lambda: joblib.load(tmp_path / "model.joblib"),
        "pickle": lambda: pickle.loads(pickle.dumps(fitted)),
        "copy": lambda: copy.copy(fitted),
        "deepcopy": lambda: copy.deepcopy(fitted),
    }[form]()
    x = velocities(20, seed=2)
    assert type(again) is en.SymmetricDensity
    assert again.get_params() == fitted.get_params()
    assert again.symmetry_ == fitted.symmetry_
    np.testing.assert_array_equal(again.score_samples(x), fitted.score_samples(x))
    np.testing.assert_array_equal(again.sample(3, 1), fitted.sample(3, 1))


def test_a_file_with_damaged_units_is_refused(fitted, tmp_path):
    path = tmp_path / "model.npz"
    fitted.save(path)
    with np.load(path) as archive:
        arrays = dict(archive)
    text = arrays["header"].tobytes().decode().replace('"shift": [', '"shift": [1.0, ')
    np.savez(path, **{**arrays, "header": np.frombuffer(text.encode(), np.uint8)})
    with pytest.raises(en.ModelFileError, match="units"):
        en.load(path)


class DrawsAlone:
    """The least that an encoder has to be."""

    def init(self, rng, dtype):
        return [np.zeros(1, dtype)]

    def draw(self, weights, q, noise):
        log_h = -(noise[:, 0] ** 2) / 2 - np.log(2 * np.pi) / 2
        return noise + weights[0], log_h


class OwnEncoder(en.GaussianEncoder):
    """Code of a user's."""


def test_flows_are_pickled_by_their_saved_form_and_own_code_beside_it():
    base = es.StandardNormal(es.PhaseSpace(2))
    flow = en.EquivariantHamiltonianFlow(
        base, enforce="none", encoder=OwnEncoder(2, (4,)), hidden=(4,), rng=0
    )
    again = pickle.loads(pickle.dumps(flow))
    np.testing.assert_array_equal(again.sample(3, 1), flow.sample(3, 1))
    assert type(again.objective.encoder) is OwnEncoder
    x = velocities(30)[:, :2] / 150
    for model in (flow, again):  # the random state travels too
        model.fit(x, iterations=3, progress=False)
    np.testing.assert_array_equal(again.elbo(x), flow.elbo(x))


def test_momenta_come_with_the_points_that_are_drawn_without_them():
    base = es.StandardNormal(es.PhaseSpace(2))
    flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(4,), rng=0)
    q, p = flow.sample(3000, rng=1, return_momenta=True)
    np.testing.assert_allclose(q, flow.sample(3000, rng=1), rtol=1e-12, atol=1e-12)
    start = flow.inverse(q, p)  # standard normal, if p belongs to q
    np.testing.assert_allclose(np.cov(np.hstack(start).T), np.eye(4), atol=0.15)
    with pytest.raises(ArgumentError, match="return_momenta"):
        flow.sample(3, return_momenta="yes")


def test_the_density_of_momenta_is_public_where_there_is_one():
    base = es.StandardNormal(es.PhaseSpace(1))
    flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(4,), rng=0)
    grid = np.linspace(-12, 12, 4001)[:, np.newaxis]
    x = np.full_like(grid, 0.3)
    assert np.exp(flow.log_encoder(grid, x)).sum() * 0.006 == pytest.approx(1, rel=1e-6)
    plain = en.EquivariantHamiltonianFlow(
        base, enforce="none", encoder=DrawsAlone(), hidden=(4,), rng=0
    )
    with pytest.raises(ArgumentError, match="DrawsAlone, which has no method log_prob"):
        plain.log_encoder(grid, x)


def test_what_is_shown_of_a_model_is_short():
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(es.PhaseSpace(2)), es.groups.so(2), hidden=(4,), rng=0
    )
    assert repr(flow) == (
        "EquivariantHamiltonianFlow(standard normal, symmetry=-p1*q2 + p2*q1, hidden=(4,))"
    )
    flow.fit(velocities(30)[:, :2] / 150, iterations=300, progress=False)
    estimate = flow.likelihood(velocities(30)[:, :2] / 150, method="quadrature")
    for shown in (flow, flow.result_, flow.result_.history, estimate):
        assert len(repr(shown)) < 500


def test_parts_of_a_model_are_shown_in_a_few_lines():
    symmetry, x = es.groups.so(3), velocities(30) / 150
    for options in ({"enforce": "penalty"}, {"enforce": "exact", "encoder": "coupling"}):
        flow = en.EquivariantHamiltonianFlow(
            es.StandardNormal(symmetry.space), symmetry, hamiltonians=6, hidden=(64,), **options
        )
        diagnosis = flow.diagnose(x, n_samples=30)
        shown = [flow.flow, flow.flow.hamiltonians[0], flow.objective, flow.bound, flow.bound.base]
        shown += [diagnosis, flow.report, flow.engine, *filter(None, [flow.construction])]
        for part in shown:
            assert type(part).__name__ in repr(part)
            assert len(repr(part)) < 400, type(part)
        assert "6 " in repr(flow.flow)
        assert str(flow.flat_weights.size) in repr(flow.bound)
        assert diagnosis.verdict in repr(diagnosis)
    assert "proved" in repr(flow.report)


def test_a_second_fit_says_that_it_goes_on(tmp_path):
    base, x = es.StandardNormal(es.PhaseSpace(2)), velocities(30)[:, :2] / 150
    flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(4,), rng=0)
    flow.fit(x, iterations=3, progress=False)
    assert flow.result_.earlier == 0
    assert "earlier" not in repr(flow.result_)
    first = flow.flat_weights.copy()
    started = []
    flow.fit(
        x,
        iterations=4,
        learning_rate=1e-12,
        record_every=1,
        on_record=lambda record: started.append(record.model.flat_weights.copy()),
        progress=False,
    )
    np.testing.assert_allclose(started[0], first, atol=1e-9)  # and not from the first weights
    assert flow.result_.earlier == 3
    assert "4 iterations, after 3 of earlier fits" in repr(flow.result_)
    assert "3 iterations of earlier fits" in flow.result_._repr_html_()
    flow.save(tmp_path / "model.npz")
    again = en.load(tmp_path / "model.npz").fit(x, iterations=1, progress=False)
    assert again.result_.earlier == 7

"""Points far from where the base has its mass are told of before training, with figures."""

import warnings

import numpy as np
import pytest
import sympy as sp

import ehf_num as en
import ehf_sym as es

SPACE = es.PhaseSpace(2)
NORMAL = np.random.default_rng(0).standard_normal((500, 2))


def flow(base=None, dtype="float64"):
    base = es.StandardNormal(SPACE) if base is None else base
    return en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(4,), dtype=dtype, rng=0)


def normal(width, center=0):
    q, p = SPACE.q, SPACE.p
    exponent = sum((x - center) ** 2 for x in q) / width**2 + sum(y**2 for y in p)
    return es.BaseDensity(SPACE, log_density=-exponent / 2)


def fit(x, base=None, dtype="float64"):
    return flow(base, dtype).fit(x, iterations=1, progress=False)


def with_outlier(value):
    x = NORMAL.copy()
    x[17] = value, 0.0
    return x


FAR = {
    "wide and off": (150 * NORMAL + 50, r"median .* and spread 1[45]\d.*, the base .* and [01]\."),
    "wide": (100 * NORMAL, "spread 9|spread 10"),
    "off": (NORMAL + np.array([0, 100]), r"in column 2 it has median (100|99\.9)"),
    "narrow": (1e-3 * NORMAL, r"spread 0\.00"),
    "one column": (NORMAL * [1, 1e5], "in column 2"),
    "one outlier": (with_outlier(1e6), r"1 points far .*in row 17: 1e\+06 in column 1"),
    "one point": (np.array([[1e4, 0.0]]), "in column 1 it has median 1e"),
}


@pytest.mark.parametrize("kind", FAR)
def test_far_data_are_told_with_figures(kind):
    x, figures = FAR[kind]
    with pytest.warns(en.DataWarning, match=figures) as caught:
        fit(x)
    assert caught[0].filename == __file__
    assert len(caught) == 1


def test_single_precision_that_cannot_move_is_told():
    with pytest.warns(en.DataWarning, match=r"median 1e\+14"):
        fit(NORMAL + 1e14, dtype="float32")


@pytest.mark.parametrize(
    "source", [lambda x: lambda n, rng: x[:n], lambda x: (x for _ in range(9)), None]
)
def test_endless_data_are_looked_at_when_the_first_come(source):
    seen = []

    def function(n, rng):
        seen.append(n)
        return 100 * NORMAL[:n]

    x = function if source is None else source(100 * NORMAL)
    with pytest.warns(en.DataWarning, match="spread") as caught:
        flow().fit(x, iterations=3, progress=False)
    assert len(caught) == 1
    assert seen == ([128] * 3 if source is None else [])


TARGETS = {
    "rings": en.rings(),
    "shells": en.shells(3),
    "modes": en.modes_on_circle(2),
    "one mode": en.modes_on_circle(1, radius=5.0),
    "phase orbits": en.phase_orbits(),
}


@pytest.mark.parametrize("n", [1, 2, 30, 1000])
@pytest.mark.parametrize("target", TARGETS)
def test_near_data_are_not(target, n):
    x = TARGETS[target].sample(n, rng=n)
    base = es.StandardNormal(es.PhaseSpace(x.shape[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(x, base)


@pytest.mark.parametrize(("width", "center"), [(1, 0), (sp.Rational(1, 100), 0), (20, -50)])
def test_what_counts_is_the_base(width, center):
    x = float(width) * NORMAL + float(center)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(x, normal(width, center))
    with pytest.warns(en.DataWarning):
        fit(40 * float(width) * NORMAL + float(center), normal(width, center))


@pytest.mark.filterwarnings("ignore::ehf_num.training.training.TrainingWarning")
def test_units_that_no_network_sees_are_told_though_the_base_has_them():
    for width in (10**6, sp.Rational(1, 10**6)):
        with pytest.warns(en.DataWarning, match="networks, which start at scale one") as caught:
            fit(float(width) * NORMAL, normal(width))
        assert issubclass(caught[0].category, en.DataWarning)


def test_the_run_does_not_depend_on_the_look():
    """No random number of the model is drawn for it."""
    x = NORMAL[:200]
    first = flow().fit(x, iterations=5, progress=False)
    second = flow()
    second._warn_if_far = lambda x: None
    second.fit(x, iterations=5, progress=False)
    for ours, theirs in zip(first.weights, second.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_the_message_says_helps():
    x = 150 * NORMAL + 50
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit((x - np.median(x, axis=0)) / 150)

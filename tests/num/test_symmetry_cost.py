"""What a symmetry costs: found where it is broken, not where it is kept."""

import json

import numpy as np
import pytest

import ehf_num as en
import ehf_sym as es
from ehf_num.model.symmetry_cost import ModeScore
from ehf_num.plotting import plot_symmetry_cost

FAST = {"max_iter": 300, "hamiltonians": 2, "progress": False, "rng": 0}


@pytest.fixture(scope="module")
def broken():
    x = en.rings().sample(400, rng=0) * [1, 1.6]
    return en.symmetry_cost(x, "so(2)", **FAST)


def test_a_broken_symmetry_costs_what_it_costs(broken):
    assert broken.broken
    assert broken["exact"].cost > 3 * broken["exact"].error
    assert "broken" in broken.advice
    assert broken["none"].cost == 0


def test_a_kept_symmetry_is_kept():
    cost = en.symmetry_cost(en.rings().sample(400, rng=0), "so(2)", **FAST)
    assert not cost.broken
    assert cost["exact"].cost < 0


def test_the_p_value_is_students():
    from scipy.stats import ttest_1samp

    from ehf_num.model.symmetry_cost import _compared

    rng = np.random.default_rng(0)
    free, kept = rng.standard_normal((2, 50))
    mode = _compared("exact", kept, free)
    expected = ttest_1samp(free - kept, 0, alternative="greater")
    assert mode.p_value == pytest.approx(expected.pvalue)


def test_it_prints_and_draws(broken):
    data = json.loads(broken.to_json())
    assert [mode["enforce"] for mode in data["modes"]] == ["none", "penalty", "exact"]
    ax = plot_symmetry_cost(broken)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["penalty", "exact"]
    assert "broken" in ax.get_title()


@pytest.mark.parametrize(
    ("p_values", "cost", "words"),
    [
        ((1.0, 0.5, 1e-6), 0.2, "penalty"),
        ((1.0, 1e-6, 1e-6), 0.2, "do without"),
        ((1.0, 0.5, 0.9), -0.2, "pays"),
        ((1.0, 0.5, 0.4), 0.001, "no cost"),
    ],
)
def test_advice(p_values, cost, words):
    modes = tuple(
        ModeScore(name, np.zeros(2), cost, 0.01, p)
        for name, p in zip(("none", "penalty", "exact"), p_values, strict=True)
    )
    assert words in en.SymmetryCost(modes, 0.01).advice


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"symmetry": None}, "symmetry was None"),
        ({"x": np.ones((9, 2))}, "x had shape"),
        ({"held_out": 1.5}, "held_out was"),
        ({"enforce": "exact"}, "enforce was given"),
        ({"symmetry": "so(3)"}, "3 coordinates"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"x": en.rings().sample(60, rng=0), "symmetry": "so(2)", **FAST, **change}
    with pytest.raises(es.ArgumentError, match=message):
        en.symmetry_cost(**given)

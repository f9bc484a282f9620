"""Linear symmetries found in samples, and none claimed that are not there."""

import json

import numpy as np
import pytest

import ehf_num as en
import ehf_sym as es


def spheres(rng, n, dim):
    x = rng.standard_normal((n, dim))
    return x / np.linalg.norm(x, axis=1, keepdims=True) * (1 + 0.1 * rng.standard_normal((n, 1)))


def rings(rng, n):
    return en.rings().sample(n, rng=rng)


def skewed(rng, n):
    x = rng.standard_normal((n, 2))
    return np.stack([x[:, 0] + x[:, 1] ** 2 / 2, x[:, 1] + np.exp(x[:, 0] / 2) / 2], axis=1)


def charged(rng, n):
    """A circle that turns one plane by t and the other by 2 t."""
    t = rng.uniform(0, 2 * np.pi, n)
    first = (1 + 0.1 * rng.standard_normal(n)) * np.exp(1j * t)
    noise = 0.1 * (rng.standard_normal(n) + 1j * rng.standard_normal(n))
    second = (1 + noise) * np.exp(2j * t)
    return np.stack([first.real, first.imag, second.real, second.imag], axis=1)


def unordered(rng, n):
    x = 2 * np.eye(3)[rng.integers(0, 3, n)] + 0.4 * rng.standard_normal((n, 3))
    return x + np.exp(0.3 * rng.standard_normal((n, 1)))


def spanned(algebra, wanted):
    """Whether an algebra has the generators that are wanted, and no more."""
    both = es.LieAlgebra(algebra.space, [*algebra.generators, *wanted]).close()
    return len(both.generators) == len(algebra.generators) == len(wanted)


def test_rotations_of_the_plane_and_what_mirrors_them():
    found = en.discover_symmetries(rings(np.random.default_rng(0), 5000))
    assert found.status == "found"
    assert spanned(found.algebra, es.groups.so(2).generators)
    assert found.finite.order == 8
    assert not found.centre.any()


def test_rotations_of_space():
    found = en.discover_symmetries(spheres(np.random.default_rng(1), 6000, 3))
    assert spanned(found.algebra, es.groups.so(3).generators)


def test_a_circle_of_charges_one_and_two():
    found = en.discover_symmetries(charged(np.random.default_rng(0), 20_000))
    space = es.PhaseSpace(4)
    (q1, q2, q3, q4), (p1, p2, p3, p4) = space.q, space.p
    assert spanned(found.algebra, [q1 * p2 - q2 * p1 + 2 * (q3 * p4 - q4 * p3)])


def test_units_and_a_centre_elsewhere():
    x = 150 * rings(np.random.default_rng(0), 6000) + np.array([50, -30])
    found = en.discover_symmetries(x)
    (g,) = found.algebra.generators
    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    assert es.is_zero(g.diff(q1, p2) + g.diff(q2, p1)).proved
    np.testing.assert_allclose(found.centre, [50, -30], atol=10)
    assert any("about (" in remark for remark in found.remarks)


def test_permutations_without_rotations():
    found = en.discover_symmetries(unordered(np.random.default_rng(0), 2000))
    assert found.status == "none"
    assert found.algebra is None
    assert found.finite.order == 6


@pytest.mark.parametrize("n", [200, 1000])
def test_nothing_is_claimed_of_a_density_without_symmetry(n):
    """Twelve data sets a size, level 0.01: two claims or more have a chance under 1 %."""
    claims = [en.discover_symmetries(skewed(np.random.default_rng(seed), n)) for seed in range(12)]
    assert sum(found.algebra is not None for found in claims) <= 1
    assert sum(found.finite is not None for found in claims) <= 1


def test_an_ellipse_is_not_taken_for_a_circle():
    for seed in range(5):
        x = rings(np.random.default_rng(seed), 2000) * [1, 1.25]
        found = en.discover_symmetries(x)
        if found.algebra is not None:
            assert not spanned(found.algebra, es.groups.so(2).generators), seed


def test_modes_break_rotations_and_keep_their_mirrors():
    found = en.discover_symmetries(en.modes_on_circle(8).sample(3000, rng=0))
    assert found.status == "none"
    assert found.finite.order == 8


def test_few_points_are_undecided_and_say_so():
    found = en.discover_symmetries(rings(np.random.default_rng(0), 200))
    assert found.status == "undecided"
    assert found.algebra is None
    assert any("more points" in remark for remark in found.remarks)


def test_what_is_found_goes_into_a_model():
    x = rings(np.random.default_rng(0), 5000)
    found = en.discover_symmetries(x)
    model = en.SymmetricDensity(found.algebra, max_iter=5, rng=0).fit(x[:100])
    assert np.isfinite(model.score(x[:100]))
    assert found.symmetry.check(es.StandardNormal(es.PhaseSpace(2))).proved


def test_the_report_is_text_and_json():
    found = en.discover_symmetries(rings(np.random.default_rng(0), 5000))
    assert "a continuous symmetry, up to 0.1" in str(found)
    assert json.loads(found.to_json())["generators"] == ["p1*q2 - p2*q1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.ones((20, 2))}, "x had shape"),
        ({"x": np.ones((60, 2))}, "plane of fewer"),
        ({"degree": 2}, "degree was 2"),
        ({"level": 1.5}, "level was"),
        ({"resolution": 0}, "resolution was"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"x": rings(np.random.default_rng(0), 100), **change}
    with pytest.raises(es.ArgumentError, match=message):
        en.discover_symmetries(**given)

"""Audits of other people's functions: what is broken is found, and rounding is not."""

import json

import numpy as np
import pytest

import ehf_num as en
import ehf_sym as es
from ehf_num import cli

POINTS = np.random.default_rng(1).standard_normal((60, 3))
CLOUDS = np.random.default_rng(2).standard_normal((40, 4, 3))
SWAP = es.FiniteSymmetry(es.PhaseSpace(3), [[[0, 1, 0], [1, 0, 0], [0, 0, 1]]])


def distances(x):
    return np.linalg.norm(x[:, :, np.newaxis] - x[:, np.newaxis], axis=-1).sum(axis=(1, 2))


def cross(x):
    return np.cross(x[:, 0], x[:, 1])


def single(f):
    """Compute in float32 whatever comes in, and hide it."""
    return lambda x: np.asarray(f(x.astype(np.float32)), np.float64)


def softened(x):
    square = (x**2).sum(axis=1)
    return np.tanh(3 * square) / (1 + square)


@pytest.mark.parametrize("wrap", [lambda f: f, single])
@pytest.mark.parametrize(
    ("f", "symmetry", "x", "kind"),
    [
        (softened, "so(3)", POINTS, "invariant"),
        (distances, "so(3)", CLOUDS, "invariant"),
        (cross, "so(3)", CLOUDS, "equivariant"),
        (lambda x: x * softened(x)[:, np.newaxis], "so(3)", POINTS, "equivariant"),
        (lambda x: -((x[:, 0] * x[:, 1]) ** 2), "q1*p1 - q2*p2", POINTS[:, :2], "invariant"),
        (lambda x: x[:, 0] - x[:, 1], "p1 + p2", POINTS[:, :2], "invariant"),
        (lambda x: x[:, 0] * x[:, 1] + x[:, 2], SWAP, POINTS, "invariant"),
        (lambda x: x[:, [1, 0, 2]] ** 3, SWAP, POINTS, "equivariant"),
    ],
)
def test_what_keeps_the_symmetry_is_consistent(f, symmetry, x, kind, wrap):
    report = en.audit(wrap(f), symmetry, x, kind)
    assert report.status == "consistent", str(report)
    assert report.counterexample is None


@pytest.mark.parametrize("wrap", [lambda f: f, single])
@pytest.mark.parametrize(
    ("f", "symmetry", "x", "kind"),
    [
        (lambda x: softened(x) + 1e-3 * x[:, 0], "so(3)", POINTS, "invariant"),
        (lambda x: cross(x)[:, [1, 0, 2]], "so(3)", CLOUDS, "equivariant"),
        (lambda x: cross(x) * [1, 1, 1.01], "so(3)", CLOUDS, "equivariant"),
        (lambda x: np.abs(x), "so(3)", POINTS, "equivariant"),
        (lambda x: x[:, 0] * x[:, 1] ** 2, SWAP, POINTS, "invariant"),
        (lambda x: x[:, 0] + x[:, 1], "p1 + p2", POINTS[:, :2], "invariant"),
        # invariant as a function, and no density of an invariant measure
        (lambda x: 0 * x[:, 0], "q1*p1 + q2*p2", POINTS[:, :2], "density"),
    ],
)
def test_what_breaks_it_is_found_with_a_counterexample(f, symmetry, x, kind, wrap):
    report = en.audit(wrap(f), symmetry, x, kind)
    assert report.status == "broken", str(report)
    found = report.counterexample
    assert found.defect > 0
    assert np.abs(found.found - found.expected).max() == pytest.approx(found.defect)
    # a person can check it: f at the two points is what it says
    value = wrap(f)(found.point[np.newaxis])
    np.testing.assert_allclose(np.ravel(value), found.value, rtol=1e-5, atol=1e-6)


def test_a_breaking_that_float64_shows_is_not_blamed_on_float32():
    report = en.audit(lambda x: softened(x) + 1e-7 * x[:, 0], "so(3)", POINTS)
    assert report.status == "broken"
    assert en.audit(single(softened), "so(3)", POINTS).status == "consistent"


def test_a_density_carries_the_volume_along():
    def log_density(x):
        return -np.log(np.abs(x[:, 0] * x[:, 1]))  # dx dy / |x y| is invariant under scaling

    report = en.audit(log_density, "q1*p1, q2*p2", POINTS[:, :2], "density")
    assert report.status == "consistent"
    assert en.audit(log_density, "q1*p1, q2*p2", POINTS[:, :2]).status == "broken"


def test_values_may_move_by_a_symmetry_of_their_own():
    def dyad(x):
        return np.stack([x[:, 0] ** 2 - x[:, 1] ** 2, 2 * x[:, 0] * x[:, 1]], axis=1)

    space = es.PhaseSpace(2)
    (q1, q2), (p1, p2) = space.q, space.p
    turn = q1 * p2 - q2 * p1
    twice = es.LieAlgebra(space, [2 * turn])
    x = POINTS[:, :2]
    assert en.audit(dyad, "so(2)", x, "equivariant", output=twice).status == "consistent"
    assert en.audit(dyad, "so(2)", x, "equivariant").status == "broken"


def test_points_move_by_shifts_and_vectors_do_not():
    x = POINTS[:, :2]
    centre = "p1, p2"
    assert en.audit(lambda x: x + 1, centre, x, "equivariant", output="points").passed
    assert not en.audit(lambda x: x + 1, centre, x, "equivariant").passed
    assert en.audit(lambda x: 0 * x + 1, centre, x, "equivariant").passed


def test_a_group_of_both_kinds_names_what_is_broken():
    both = es.Symmetry(
        es.groups.so(3), es.FiniteSymmetry(es.PhaseSpace(3), [[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]])
    )
    handed = en.audit(lambda x: np.linalg.det(x[:, :3]), both, CLOUDS)
    assert handed.status == "broken"
    assert [d.status for d in handed.defects] == ["consistent"] * 3 + ["broken"]
    assert en.audit(distances, both, CLOUDS).passed


def test_the_report_is_text_html_and_json():
    report = en.audit(lambda x: x[:, 0], "so(3)", POINTS)
    data = json.loads(report.to_json())
    assert data["status"] == "broken"
    assert [g["label"] for g in data["generators"]] == ["L_1", "L_2", "L_3"]
    assert data["counterexample"]["point"] == report.counterexample.point.tolist()
    assert "counterexample" in str(report)
    assert "<div" in report.to_html()


def test_a_function_of_chance_or_of_its_batch_is_told():
    rng = np.random.default_rng(0)
    noisy = en.audit(lambda x: softened(x) + 1e-3 * rng.standard_normal(len(x)), "so(3)", POINTS)
    assert any("chance" in remark for remark in noisy.remarks)
    assert noisy.status != "broken"
    batch = en.audit(lambda x: softened(x) - softened(x).mean(), "so(3)", POINTS)
    assert any("batch" in remark for remark in batch.remarks)


def test_a_tensor_is_called_with_tensors_and_read_by_its_methods():
    class Tensor:
        """What an array of another library looks like."""

        def __init__(self, values):
            self.values = np.asarray(values, np.float32)
            self.shape, self.dtype = self.values.shape, "lib.float32"

        def new_tensor(self, values):
            return Tensor(values)

        def detach(self):
            return self

        def cpu(self):
            return self

        def double(self):
            return self

        def is_floating_point(self):
            return True

        def numpy(self):
            return self.values

        def norm(self):
            return Tensor(np.linalg.norm(self.values, axis=1))

        def first(self):
            return Tensor(self.values[:, 0])

    assert en.audit(Tensor.norm, "so(3)", Tensor(POINTS)).status == "consistent"
    assert en.audit(Tensor.first, "so(3)", Tensor(POINTS)).status == "broken"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"f": 3}, "f was 3"),
        ({"f": lambda x: 1 / 0}, "f raised ZeroDivisionError"),
        ({"f": lambda x: x[:3, 0]}, "one row a point"),
        ({"f": lambda x: x[:, 0] * np.nan}, "finite at none"),
        ({"x": POINTS[:, :2]}, "3 coordinates; x has 2"),
        ({"x": np.full((4, 3), np.nan)}, "not finite"),
        ({"symmetry": None}, "symmetry was None"),
        ({"symmetry": "q1*p1**2"}, "linear in p"),
        ({"kind": "covariant"}, "kind was"),
        ({"f": lambda x: x[:, :2], "kind": "equivariant"}, "give output="),
        ({"f": lambda x: x, "kind": "density"}, "one, shape"),
        ({"elements": 0}, "elements was 0"),
        ({"tolerance": -1}, "tolerance was -1"),
    ],
)
def test_bad_input_is_named(change, message):
    given = {"f": softened, "symmetry": "so(3)", "x": POINTS, **change}
    with pytest.raises(es.ArgumentError, match=message):
        en.audit(**given)


@pytest.mark.parametrize(("name", "status"), [("good", 0), ("bad", 1)])
def test_the_command_imports_what_it_is_told(tmp_path, monkeypatch, capsys, name, status):
    (tmp_path / "mine.py").write_text(
        "def good(x):\n    return (x**2).sum(axis=1)\n\n\ndef bad(x):\n    return x[:, 0]\n"
    )
    np.savetxt(tmp_path / "points.csv", POINTS, delimiter=",")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "mine", raising=False)
    assert cli.main(["audit", f"mine:{name}", "points.csv", "--group", "so(3)"]) == status
    assert "f(Rx) = f(x)" in capsys.readouterr().out
    assert cli.main(["audit", "mine:none", "points.csv", "--group", "so(3)"]) == 3

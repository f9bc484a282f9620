"""Arrays of others are read as they are meant, or refused at every door."""

import subprocess
import sys
import warnings
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ehf_num as en
import ehf_sym as es
from ehf_sym.formulas.arrays import real_array

X = np.array([[1.5, 2.0], [0.0, -1.0], [3.0, 0.25]])
SPACE = es.PhaseSpace(2)


def read(x):
    return real_array(x, "x", "an array")


class Tensor:
    """As PyTorch's: NumPy may not have it while gradients are on, or while it is elsewhere."""

    def __init__(self, values, requires_grad=True, device="cuda"):
        self.values, self.requires_grad, self.device = values, requires_grad, device

    def detach(self):
        return Tensor(self.values, False, self.device)

    def cpu(self):
        return Tensor(self.values, self.requires_grad, "cpu")

    def __array__(self, dtype=None, copy=None):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.device != "cpu":
            raise TypeError("can't convert cuda:0 device type tensor to numpy.")
        return np.array(self.values, dtype)


class Frame:
    """As a data frame of nullable columns: objects, and a `mask` that is a method."""

    columns = ("mass", "charge")

    def __init__(self, rows):
        self.rows = rows

    def mask(self, _condition):
        return self

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype=object)


class Missing:
    def __repr__(self):
        return "<NA>"


class Masked(np.ndarray):
    """A class of its own with a mask, as astropy's."""

    mask = np.array([[False, True], [False, False], [False, False]])


def flow():
    base = es.StandardNormal(SPACE)
    return en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(4,), rng=0)


def turn(states):
    g = SPACE.q[0] * SPACE.p[1] - SPACE.q[1] * SPACE.p[0]
    return en.finite_action(SPACE, g, 0.3)(np.ma.hstack([states, states]))


DOORS = {
    "fit": lambda x, path: flow().fit(x, iterations=1, progress=False),
    "validation": lambda x, path: flow().fit(X, iterations=1, progress=False, validation=x),
    "source": lambda x, path: flow().fit(lambda n, rng: x, iterations=1, progress=False),
    "log_prob": lambda x, path: flow().log_prob(x),
    "elbo": lambda x, path: flow().elbo(x),
    "likelihood": lambda x, path: flow().likelihood(x),
    "forward": lambda x, path: flow().forward(X, x),
    "diagnose": lambda x, path: flow().diagnose(x),
    "target": lambda x, path: en.rings().log_prob(x),
    "write_points": lambda x, path: en.write_points(path / "x.csv", x),
    "to_numpy": lambda x, path: es.to_numpy(SPACE.q[0], SPACE.q)(x),
    "gradient": lambda x, path: es.to_numpy(SPACE.q[0], SPACE.q).gradient(x),
    "finite_action": lambda x, path: turn(x),
}
MASKED = np.ma.masked_equal(np.where(X == 3.0, -999.0, X), -999.0)
MASKS = {
    "masked": MASKED,
    "one of a list": list(MASKED),
    "nested": [[1.0, 2.0], [np.ma.masked, 1.0]],
    "another library's": X.view(Masked),
    "integers": np.ma.masked_less(np.array([[1, 2], [3, -9]]), 0),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_mask_is_refused_at_every_door(door, tmp_path):
    with pytest.raises(es.ArgumentError, match=r"masked entries.*leave out"):
        DOORS[door](MASKED, tmp_path)


@pytest.mark.parametrize("kind", MASKS)
def test_every_kind_of_mask_is_refused(kind):
    with pytest.raises(es.ArgumentError, match="x had masked entries; it should be an array"):
        read(MASKS[kind])


@pytest.mark.parametrize("door", DOORS)
def test_a_mask_that_hides_nothing_is_none(door, tmp_path):
    DOORS[door](np.ma.array(X), tmp_path)


@pytest.mark.parametrize("wrapped", [Tensor(X), Tensor(X, False), [Tensor(row) for row in X]])
def test_tensors_are_detached(wrapped):
    np.testing.assert_array_equal(read(wrapped), X)


def test_a_tensor_is_data(tmp_path):
    np.testing.assert_array_equal(flow().log_prob(Tensor(X)), flow().log_prob(X))
    en.write_points(tmp_path / "x.npy", Tensor(X))
    np.testing.assert_array_equal(en.read_points(tmp_path / "x.npy"), X)


@given(
    st.lists(
        st.one_of(
            st.integers(-(10**30), 10**30),
            st.floats(allow_nan=False),
            st.fractions(),
            st.decimals(allow_nan=False, allow_infinity=False, places=3),
        ),
        min_size=1,
    )
)
def test_objects_that_are_real_numbers_become_floats(entries):
    np.testing.assert_array_equal(read(np.array(entries, object)), [float(e) for e in entries])


def test_numbers_of_all_kinds():
    mixed = [[np.float32(0.5), Decimal("1.5")], [Fraction(1, 4), 2]]
    np.testing.assert_array_equal(read(Frame(mixed)), [[0.5, 1.5], [0.25, 2.0]])


@pytest.mark.parametrize(
    "entry", [10**400, -(10**400), Fraction(10**400), Decimal("sNaN")], ids=type
)
def test_numbers_beyond_doubles_are_refused(entry):
    with pytest.raises(es.ArgumentError, match=r"x had 'a number beyond doubles' of type .* row 1"):
        read(np.array([1.0, entry], object))


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        (Missing(), "'<NA>' of type Missing"), (None, "'None' of type NoneType"),
        ("1.5", "'1.5' of type str"), (True, "'True' of type bool"), (1j, "'1j' of type complex"),
    ],
)  # fmt: skip
def test_the_first_entry_that_is_no_number_is_named(entry, shown):
    with pytest.raises(es.ArgumentError, match=rf"x had {shown} in row 1, column 0 \(mass\)"):
        read(Frame([[1.0, 2], [entry, 3]]))


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        ([[1.0], [1.0, 2.0]], "was not an array"), (Tensor("no"), "dtype <U2"),
        (np.array(["a"]), "dtype <U1"), (np.ones(2, bool), "dtype bool"),
        (np.ones(2, complex), "dtype complex128"), (None, "dtype object"),
        (np.array(["2020-01-01"], "M8[D]"), "dtype datetime64"), (object(), "dtype object"),
    ],
)  # fmt: skip
def test_what_holds_no_real_numbers_is_refused(x, reason):
    with pytest.raises(es.ArgumentError, match=f"x .*{reason}.*it should be an array"):
        read(x)


def test_an_error_of_a_foreign_library_is_ours():
    class Elsewhere:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("use .get() to bring it here")

    with pytest.raises(es.ArgumentError, match=r"use \.get\(\)"):
        read(Elsewhere())


def test_nothing_is_copied_without_need_and_nothing_imported():
    before = set(sys.modules)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(X) is X
    assert not {"torch", "pandas"} & (set(sys.modules) - before)


def test_the_packages_import_no_library_of_others():
    code = "import sys, ehf_num; sys.exit(bool({'torch', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

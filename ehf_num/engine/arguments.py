"""The door: arguments are checked once, here, before any work is done."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

from ehf_num.engine.workspace import Array
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.arrays import real_array
from ehf_sym.formulas.validation import whole_number


def positive_integer(value: Any, name: str) -> int:
    """Return value as an int of at least 1, or raise ArgumentError naming the argument."""
    return whole_number(value, name, verb="was")


def count(value: Any, name: str) -> int:
    """Return value as an int of at least 0, or raise ArgumentError naming the argument."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) != 0:
        return positive_integer(value, name)
    return 0


def positive_number(value: Any, name: str) -> float:
    """Return value as a positive finite float, or raise ArgumentError naming the argument."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < as_float(value) < math.inf:
        raise ArgumentError(f"{name} was {value!r}; it should be a positive finite number")
    return float(value)


def as_float(value: Real) -> float:
    """Convert to float; what is too large for one becomes infinite.

    Examples
    --------
    >>> as_float(10**400)
    inf
    """
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


def number_from_zero(value: Any, name: str, below: float = math.inf) -> float:
    """Return value as a float, 0 ≤ value < below, or raise ArgumentError naming the argument."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= as_float(value) < below:
        limit = "finite" if below == math.inf else f"below {below:.6g}"
        raise ArgumentError(f"{name} was {value!r}; it should be a number, 0 or more and {limit}")
    return float(value)


def positive_numbers(values: Any, name: str) -> tuple[float, ...]:
    """Return values as a tuple of positive finite floats, at least one, or raise ArgumentError."""
    if not isinstance(values, Iterable) or not (numbers := tuple(values)):
        raise ArgumentError(f"{name} was {values!r}; it should be a sequence of positive numbers")
    return tuple(positive_number(v, f"{name}[{k}]") for k, v in enumerate(numbers))


def layer_widths(values: Any, name: str) -> tuple[int, ...]:
    """Return values as a tuple of positive ints, at least one, or raise ArgumentError."""
    if not isinstance(values, Sequence) or isinstance(values, str | bytes) or not values:
        raise ArgumentError(
            f"{name} was {values!r}; it should be a sequence of layer widths, (128, 128)"
        )
    return tuple(positive_integer(width, name) for width in values)


def mixture_weights(values: Any, count: int, parts: str) -> tuple[float, ...]:
    """Return the weights of so many parts of a mixture, which sum to 1, or raise ArgumentError."""
    weights = positive_numbers(values, "weights")
    total = math.fsum(weights)
    if len(weights) != count or abs(total - 1) > 1e-9:
        raise ArgumentError(
            f"weights had {len(weights)} entries of sum {total}; it should have {count}, "
            f"one for each of {parts}, of sum 1"
        )
    return weights


def one_of(value: Any, name: str, allowed: tuple[str | bool | None, ...]) -> Any:
    """Return value if it is one of the allowed words, or raise ArgumentError."""
    known = value in allowed if isinstance(value, str) else any(value is word for word in allowed)
    if not known:
        words = ", ".join(repr(word) for word in allowed)
        raise ArgumentError(f"{name} was {value!r}; it should be one of {words}")
    return value


def points(x: Any, name: str, dim: int, dtype: Any) -> Array:
    """Return x as a finite real array of shape (n, dim), n ≥ 1, never a view that gets written.

    Raises
    ------
    ehf_sym.ArgumentError
        Naming the argument, what it was and what it should be.
    """
    wanted = f"a real, finite array of shape (n, {dim}), n ≥ 1"
    array = real_array(x, name, wanted)
    if array.ndim != 2 or array.shape[1] != dim or not len(array):
        raise ArgumentError(f"{name} had shape {array.shape}; it should be {wanted}")
    with np.errstate(over="ignore"):
        converted = np.ascontiguousarray(array, dtype=dtype)
    finite = np.isfinite(converted).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise ArgumentError(
            f"{name} had {np.count_nonzero(~finite)} rows that are not finite in "
            f"{np.dtype(dtype)}, first row {row}: {array[row]!r}; it should be {wanted}"
        )
    return converted


def states(q: Any, p: Any, dim: int, dtype: Any) -> tuple[Array, Array]:
    """Return q and p as finite (n, dim) arrays of one length."""
    q, p = points(q, "q", dim, dtype), points(p, "p", dim, dtype)
    if len(q) != len(p):
        raise ArgumentError(f"p had {len(p)} rows; it should have as many as q, {len(q)}")
    return q, p


def generator(rng: Any) -> np.random.Generator:
    """Normalize rng= by numpy.random.default_rng, with a typed error.

    Raises
    ------
    ehf_sym.ArgumentError
        If rng is neither None, a non-negative int, nor a Generator.
    """
    if isinstance(rng, np.random.Generator) or rng is None:
        return np.random.default_rng(rng)
    if isinstance(rng, bool) or not isinstance(rng, Integral) or rng < 0:
        raise ArgumentError(
            f"rng was {rng!r}; it should be a non-negative int or a numpy.random.Generator"
        )
    return np.random.default_rng(int(rng))

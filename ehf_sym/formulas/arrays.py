"""Arrays: those of others read as real numbers, or refused; functions of them that NumPy lacks."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from ehf_sym.errors import ArgumentError

_REAL_KINDS = "fiu"


def real_array(x: Any, name: str, wanted: str) -> NDArray[Any]:
    """Read an array of real numbers from whatever holds one.

    Tensors are detached from their graph and brought to the processor; entries of nullable and
    object columns become floats. Other libraries are told by what they offer, never imported.

    Parameters
    ----------
    x : array_like
        Arrays, nested sequences, tensors, data frames.
    name, wanted : str
        What messages call it, and what it should be.

    Returns
    -------
    ndarray
        Of floats or integers, of any shape; it may share memory with `x`.

    Raises
    ------
    ehf_sym.ArgumentError
        If entries are masked or missing, or something is no real number.

    Examples
    --------
    >>> real_array([[1, 2.5]], "x", "an array of real numbers")
    array([[1. , 2.5]])
    >>> real_array(np.ma.masked_equal([1.0, -999.0], -999.0), "x", "an array of real numbers")
    Traceback (most recent call last):
    ...
    ehf_sym.errors.ArgumentError: x had masked entries; it should be an array of real numbers: ...
    """
    if type(x) is np.ndarray and x.dtype.kind in _REAL_KINDS:
        return x
    try:
        array = np.asarray(_unwrapped(x, name, wanted))
    except ArgumentError:
        raise
    except Exception as error:  # of a foreign library, or of NumPy where rows differ in length
        raise ArgumentError(
            f"{name} was not an array ({str(error)[:200]}); it should be {wanted}"
        ) from error
    if array.dtype == object and array.ndim:
        array = _from_objects(array, getattr(x, "columns", None), name, wanted)
    if array.dtype.kind not in _REAL_KINDS:
        raise ArgumentError(f"{name} had dtype {array.dtype}; it should be {wanted}")
    return array


def _unwrapped(x: Any, name: str, wanted: str) -> Any:
    """Return what NumPy can read as it is meant: no mask is dropped, no graph in the way."""
    if isinstance(x, float | int | str) or type(x) is np.ndarray:
        return x
    if isinstance(x, list | tuple):
        return [_unwrapped(entry, name, wanted) for entry in x]
    mask = getattr(x, "mask", None)  # of arrays; that of a data frame is a method
    if mask is not None and not callable(mask) and np.array(mask).astype(bool).any():
        raise ArgumentError(
            f"{name} had masked entries; it should be {wanted}: leave out the rows with masked "
            "entries, as numpy.ma.compress_rows does, or fill them with numbers that are meant"
        )
    if isinstance(x, np.ma.MaskedArray):
        return x.data
    if callable(getattr(x, "detach", None)):
        x = x.detach()
        x = x.cpu() if callable(getattr(x, "cpu", None)) else x
    return x


def _from_objects(array: NDArray[Any], columns: Any, name: str, wanted: str) -> NDArray[np.float64]:
    """Turn real numbers of any type into floats; refuse the first entry that is none."""
    floats = np.empty(array.shape)
    for place, entry in np.ndenumerate(array):
        number = isinstance(entry, Real | Decimal) and not isinstance(entry, bool)
        try:
            if number:
                floats[place] = float(entry)
                continue
            shown = str(entry)[:40]
        except (OverflowError, ValueError):  # beyond doubles, or too long to be shown
            shown = "a number beyond doubles"
        row, *others = place
        where = f"row {row}" + "".join(f", column {k}" for k in others)
        if columns is not None and others:
            where += f" ({columns[others[0]]})"
        raise ArgumentError(
            f"{name} had {shown!r} of type {type(entry).__name__} in {where}, "
            f"counted from 0; it should be {wanted}: leave out or fill what is missing, "
            "and turn text into numbers first"
        )
    return floats


def floating_points(x: Any, n_variables: int) -> NDArray[Any]:
    """Read an array of floats whose last axis holds the variables.

    Examples
    --------
    >>> floating_points([[1, 2]], 2)
    array([[1., 2.]])
    """
    points = real_array(x, "x", "an array of real floats or integers")
    if points.ndim == 0 or points.shape[-1] != n_variables:
        raise ArgumentError(
            f"x has shape {points.shape}; its last axis should have length {n_variables}"
        )
    return points if points.dtype.kind == "f" else points.astype(np.float64)


# np.logaddexp and scipy.special.expit take 30 and 7 times as long as np.exp.
def _softplus(u: Any) -> Any:
    """Soft-plus ln(1 + exp(u)), dtype kept."""
    return np.maximum(u, 0) + np.log1p(np.exp(-np.abs(u)))


def _sigmoid(u: Any) -> Any:
    """Sigmoid 1/(1 + exp(−u)), dtype kept."""
    decay = np.exp(-np.abs(u))
    return np.where(u >= 0, 1, decay) / (1 + decay)


def _log_erfc(u: Any) -> Any:
    """Logarithm of erfc(u), dtype kept."""
    return scipy.special.log_ndtr(-math.sqrt(2) * u) + math.log(2)


def _log_erfc_slope(u: Any) -> Any:
    """Differentiate ln erfc(u), dtype kept."""
    return -2 / math.sqrt(math.pi) / scipy.special.erfcx(u)


def _chained(weight: Any, value: Any) -> Any:
    """Product that is 0 where the weight is, dtype kept."""
    return np.where(weight == 0, 0, weight * value)


def _sech(u: Any) -> Any:
    """Hyperbolic secant, dtype kept."""
    decay = np.exp(-np.abs(u))
    return 2 * decay / (1 + decay * decay)


def _csch(u: Any) -> Any:
    """Hyperbolic cosecant, dtype kept."""
    size = np.abs(u)
    return np.copysign(-2 * np.exp(-size) / np.expm1(-2 * size), u)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Exponential": np.exp,
    "SoftPlus": _softplus,
    "Sigmoid": _sigmoid,
    "LogErfc": _log_erfc,
    "LogErfcSlope": _log_erfc_slope,
    "erf": lambda u: scipy.special.erf(u),  # loaded where it is called
    "erfc": lambda u: scipy.special.erfc(u),
    "Chained": _chained,
    "Hypot": np.hypot,
    "sec": lambda u: 1 / np.cos(u),
    "csc": lambda u: 1 / np.sin(u),
    "cot": lambda u: np.cos(u) / np.sin(u),
    "sech": _sech,
    "csch": _csch,
    "coth": lambda u: 1 / np.tanh(u),
    "asec": lambda u: np.arccos(1 / u),
    "acsc": lambda u: np.arcsin(1 / u),
    "acot": lambda u: np.arctan(1 / u),
    "asech": lambda u: np.arccosh(1 / u),
    "acsch": lambda u: np.arcsinh(1 / u),
    "acoth": lambda u: np.arctanh(1 / u),
}
"""What NumPy has no function for, or none that neither overflows nor turns zeros into NaN."""

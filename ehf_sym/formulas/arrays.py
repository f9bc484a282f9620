"""Arrays of others: masks, tensors, data frames, objects; read as real numbers, or refused."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
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

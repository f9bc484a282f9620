"""Row 14: what is handed to every public argument, by the kind of the argument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

import ehf_num as en
import ehf_sym as es


class Strange:
    """An object that no argument takes."""

    def __repr__(self) -> str:
        return "Strange()"


FOREIGN = sp.Symbol("z", real=True)

_NOT_NUMBERS: dict[str, Any] = {
    "None": None,
    "text": "two",
    "bytes": b"2",
    "object": Strange(),
    "complex": 1j,
    "list": [],
    "dict": {},
    "array": np.array([1.0, 2.0]),
    "class": int,
}
_NUMBERS: dict[str, Any] = {
    "NaN": float("nan"),
    "inf": float("inf"),
    "-inf": float("-inf"),
    "-1": -1,
    "0": 0,
    "True": True,
    "too large": 10**400,
}
_ARRAYS: dict[str, Callable[[int], Any]] = {
    "NaN": lambda d: np.full((3, d), np.nan),
    "one inf": lambda d: np.where(np.arange(3 * d).reshape(3, d) == 2, np.inf, 1.0),
    "no rows": lambda d: np.empty((0, d)),
    "no columns": lambda d: np.empty((3, 0)),
    "too wide": lambda d: np.ones((3, d + 1)),
    "a million columns": lambda d: np.ones((1, 1_000_000)),
    "one axis": lambda d: np.ones(d),
    "three axes": lambda d: np.ones((2, 2, d)),
    "a number": lambda d: 1.0,
    "complex": lambda d: np.ones((3, d), complex),
    "booleans": lambda d: np.ones((3, d), bool),
    "objects": lambda d: np.array([[Strange()] * d]),
    "masked": lambda d: np.ma.masked_array(np.ones((3, d)), [[True] + [False] * (d - 1)] * 3),
    "missing": lambda d: np.array([[1.0] * (d - 1) + [None]] * 3, object),
    "texts": lambda d: np.array([["1.0"] * d]),
    "dates": lambda d: np.zeros((3, d), "M8[s]"),
    "ragged": lambda d: [[1.0] * d, [1.0]],
    "text": lambda d: "points",
    "None": lambda d: None,
    "object": lambda d: Strange(),
    "dict": lambda d: {},
    "symbols": lambda d: [[FOREIGN] * d],
    "too large for float64": lambda d: [[10**400] * d],
    "structured": lambda d: np.zeros((3, d), [("x", float)]),
}


def _formulas() -> dict[str, Any]:
    return {
        "foreign symbol": FOREIGN,
        "coordinate of another kind": sp.Symbol("q1", positive=True),
        "complex": sp.I * sp.Symbol("q1", real=True),
        "NaN": sp.nan,
        "infinity": sp.oo,
        "float": 0.1,
        "float in a formula": 0.1 * sp.Symbol("q1", real=True),
        "text": "q1*p2",
        "None": None,
        "object": Strange(),
        "array": np.ones(3),
        "condition": sp.Symbol("q1", real=True) > 0,
        "function": sp.Function("f")(sp.Symbol("q1", real=True)),
        "set": {1},
        "class": sp.Symbol,
    }


def values(kind: str, dim: int = 2) -> dict[str, Any]:
    """Bad values of a kind; an argument that takes one of them says so."""
    if kind == "points":
        return {name: make(dim) for name, make in _ARRAYS.items()}
    if kind == "integer":
        return _NOT_NUMBERS | _NUMBERS | {"1.5": 1.5, "text of digits": "3"}
    if kind == "number":
        return _NOT_NUMBERS | _NUMBERS
    if kind == "numbers":
        bad = _NOT_NUMBERS | {"one number": 1.0, "with NaN": (1.0, float("nan"))}
        return bad | {"with text": (1.0, "two"), "negative": (1.0, -1.0), "nested": ((1.0,),)}
    if kind == "rng":
        return {
            k: v
            for k, v in (_NOT_NUMBERS | _NUMBERS).items()
            if k not in ("None", "0", "too large")
        } | {
            "1.5": 1.5,
            "old generator": np.random.RandomState(0),
        }
    if kind == "word":
        return _NOT_NUMBERS | _NUMBERS | {"empty text": "", "Greek": "λ"}
    if kind == "formula":
        return _formulas()
    if kind == "formulas":
        return {"not a sequence": Strange(), "None": None, "text": "q1", "number": 3} | {
            f"[{name}]": [value] for name, value in _formulas().items()
        }
    if kind == "text":
        return {k: v for k, v in (_NOT_NUMBERS | _NUMBERS).items() if k != "text"} | {
            "empty": "",
            "code": "__import__('os').abort()",
            "nothing of ours": "zzz(",
            "null byte": "q1\0",
            "a megabyte": "q1+" * 350_000,
        }
    if kind == "space":
        return _others() | {"a number": 2, "an algebra": es.groups.so(2)}
    if kind == "algebra":
        return _others() | {"a space": es.PhaseSpace(2), "a formula": FOREIGN, "a list": [FOREIGN]}
    if kind == "base":
        return _others() | {"a space": es.PhaseSpace(2), "a formula": FOREIGN}
    if kind == "object":
        return _others() | {"a number": 2.0, "a class": en.Leapfrog}
    if kind == "path":
        return {k: v for k, v in _others().items() if k != "text"} | {"a class": en.Leapfrog}
    raise KeyError(kind)


def _others() -> dict[str, Any]:
    return {"None": None, "text": "so(2)", "object": Strange(), "array": np.ones(2), "list": []}

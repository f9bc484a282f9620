"""A part of a user's own tried at random: each method looks for one kind of fault.

What is asked of every part is here: weights from `init`, shapes, dtype, rows that do not see each
other, a gradient that is the derivative. Each kind of part adds what is asked of it alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np

from ehf_num.engine.tape import make_vjp
from ehf_num.engine.workspace import Array
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.report import ResultTable

DRAWS = 64
STEP = 1e-5
TOLERANCE = 1e-5
_ROUNDING = 1e-9  # rows in other company: BLAS sums in another order

Look = Callable[[], str | None]
"""Says what is wrong, or None."""


@dataclass(frozen=True)
class PartCheck:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        What.
    fault : str or None
        What is wrong and what should be; None: nothing is.
    """

    name: str
    fault: str | None


@dataclass(frozen=True)
class PartReport:
    """What a checker found; prints line by line.

    Attributes
    ----------
    checks : tuple of PartCheck
        In the order that they were made. They end early where the next would make no sense.
    kind : str
        Of what: "encoder", "energy", "Hamiltonian", "integrator", "penalty".
    """

    checks: tuple[PartCheck, ...]
    kind: str = "encoder"

    @property
    def passed(self) -> bool:
        """Whether no fault was found."""
        return all(check.fault is None for check in self.checks)

    def __str__(self) -> str:
        return "\n".join(f"{check.name}: {check.fault or 'ok'}" for check in self.checks)

    def _repr_html_(self) -> str:
        found = "no fault found" if self.passed else "there is a fault"
        title = f"{self.kind[0].upper()}{self.kind[1:]}: {found}"
        rows = [(check.name, check.fault or "ok") for check in self.checks]
        return ResultTable(title, rows).to_html()


def look_at(kind: str, looks: Sequence[tuple[str, Look, bool]]) -> PartReport:
    """Take looks (name, look, whether a fault ends it) one after the other."""
    made: list[PartCheck] = []
    for name, look, ends in looks:
        made.append(PartCheck(name, _caught(look)))
        if made[-1].fault is not None and ends:
            break
    return PartReport(tuple(made), kind)


def admit(name: str, part: Any, looks: Sequence[Look]) -> None:
    """Refuse a part that has a fault.

    Raises
    ------
    ehf_sym.ArgumentError
        The message says which.
    """
    for look in looks:
        fault = _caught(look)
        if fault is not None:
            raise ArgumentError(f"{name} was {part!r}: {fault}")


def _caught(look: Look) -> str | None:
    """Return a fault; what the part raises is one."""
    try:
        with np.errstate(all="ignore"):
            return look()
    except Exception as error:
        return f"it raised {type(error).__name__}: {error}"


class PartProbe:
    """A part, and random weights and rows to try it with.

    Every ``…_fault`` returns what is wrong, or None.

    Parameters
    ----------
    part : object
        What should be one.
    rows : sequence of ndarray, each (n, d)
        What it is tried on.
    rng : Generator
        Draws the weights that it is tried with.
    """

    kind = "part"
    methods: tuple[str, ...] = ()
    evaluates = ""  # the methods that `call` calls, in messages
    takes = ""  # what they are called with

    def __init__(self, part: Any, rows: Sequence[Array], rng: np.random.Generator) -> None:
        self.part, self.rows, self.rng = part, list(rows), rng

    def call(self, weights: Sequence[Any], *rows: Any) -> tuple[Any, ...]:
        """Evaluate the part."""
        raise NotImplementedError

    def shapes(self, n: int, dim: int) -> tuple[tuple[int, ...], ...]:
        """Return the shapes of what `call` should return."""
        raise NotImplementedError

    def initial(self, dtype: str) -> list[Array]:
        """Draw weights by the part's `init`."""
        return list(self.part.init(np.random.default_rng(0), dtype))

    def moved(self) -> list[Array]:
        """Draw weights beside the initial ones, whose last layers are often zero."""
        return [w + 0.2 * self.rng.standard_normal(w.shape) for w in self.initial("float64")]

    def form_faults(self, dtype: str) -> list[Look]:
        """List the looks that a model takes at a part before it uses it."""
        looks = [self.weights_fault, self.shapes_fault]
        return [*looks, self.dtype_fault] if dtype == "float32" else looks

    def weights_fault(self) -> str | None:
        """Look at what `init` returns."""
        for name in self.methods:
            if not callable(getattr(self.part, name, None)):
                return f"it has no method {name}; see ehf_num.{self.kind.capitalize()}"
        for dtype in ("float64", "float32"):
            weights: list[Any] = self.initial(dtype)  # arrays, if all is well
            for k, array in enumerate(weights):
                if not isinstance(array, np.ndarray):
                    return f"init returned {type(array).__name__} as weight {k}, not an array"
                if array.dtype != dtype:
                    return f"init returned {array.dtype} as weight {k} when asked for {dtype}"
                if not np.isfinite(array).all():
                    return f"init returned a weight {k} that is not finite"
        first, again = self.initial("float64"), self.initial("float64")
        if [a.shape for a in first] != [a.shape for a in again] or not all(
            np.array_equal(a, b) for a, b in zip(first, again, strict=True)
        ):
            return "init returned other weights from the same rng; it should use no other chance"
        return None

    def shapes_fault(self) -> str | None:
        """Look at shapes, and that the same arguments give the same values."""
        weights, dim = self.initial("float64"), self.rows[0].shape[1]
        for n in (1, DRAWS):
            values = self.call(weights, *(rows[:n] for rows in self.rows))
            found, expected = tuple(map(np.shape, values)), self.shapes(n, dim)
            if found != expected:
                return (
                    f"{self.evaluates} returned {_shapes(found)} for {self.takes} of shape "
                    f"{(n, dim)}; they should be {_shapes(expected)[7:]}"
                )
            if not all(np.isfinite(value).all() for value in values):
                return f"{self.evaluates} returned values that are not finite"
        again = self.call(weights, *self.rows)
        if not all(map(np.array_equal, values, again)):
            return (
                f"{self.evaluates} returned other values for the same {self.takes}; it should use "
                "no other chance"
            )
        return None

    def dtype_fault(self) -> str | None:
        """Look at what becomes of float32."""
        values = self.call(self.initial("float32"), *(r.astype("float32") for r in self.rows))
        if any(value.dtype != np.float32 for value in values):
            return (
                f"{self.evaluates} returned {' and '.join(str(v.dtype) for v in values)} for "
                "float32; a NumPy scalar, such as np.log(2), or an array of float64 in it makes "
                "float64: write math.log(2)"
            )
        return None

    def rows_fault(self) -> str | None:
        """Look whether a row alone is treated as among others."""
        weights = self.moved()
        together = self.call(weights, *self.rows)
        for k in range(3):
            row = slice(k, k + 1)
            alone = self.call(weights, *(rows[row] for rows in self.rows))
            for one, many in zip(alone, together, strict=True):
                if not np.allclose(one, many[row], rtol=_ROUNDING, atol=_ROUNDING):
                    return f"row {k} alone is treated differently than among {DRAWS}"
        return None

    def gradient_fault(self) -> str | None:
        """Hold the tape's gradient against a central difference."""
        weights = self.moved()
        if not weights:
            return None
        try:
            gradient = self._gradient(weights)
        except Exception as error:
            return (
                f"on the tape it raised {type(error).__name__}: {error}; {self.evaluates} should "
                "be made of autograd.numpy's functions and change no array in place"
            )
        for k, (part, weight) in enumerate(zip(gradient, weights, strict=True)):
            if part.shape != weight.shape:
                return f"the gradient of weight {k} has shape {part.shape}, not {weight.shape}"
        direction = [self.rng.standard_normal(w.shape) for w in weights]
        ends = [
            self._combined([w + s * STEP * v for w, v in zip(weights, direction, strict=True)])
            for s in (1, -1)
        ]
        slope = (ends[0] - ends[1]) / (2 * STEP)
        expected = sum(float(np.sum(g * v)) for g, v in zip(gradient, direction, strict=True))
        size = math.sqrt(sum(float(np.sum(g**2)) for g in gradient))
        if abs(slope - expected) <= 1e-3 * max(1.0, size):
            return None
        return f"the slope in a random direction is {slope:.6g}, the gradient's {expected:.6g}"

    def unreached_fault(self) -> str | None:
        """Find weights whose gradient is always zero."""
        gradients = [self._gradient(self.moved()) for _ in range(3)]
        unmoved = [
            k for k, parts in enumerate(zip(*gradients, strict=True)) if not any(map(np.any, parts))
        ]
        if not unmoved:
            return None
        shapes = ", ".join(f"{k} of shape {gradients[0][k].shape}" for k in unmoved)
        return f"the gradient of weight {shapes} is zero: nothing depends on it"

    def _gradient(self, weights: list[Array]) -> list[Array]:
        vjp, value = make_vjp(self._combined, weights)
        return vjp(np.ones_like(value))

    def _combined(self, weights: list[Any]) -> Any:
        """Put all values into one number, with coefficients that are always the same."""
        values = self.call(weights, *self.rows)
        random = np.random.default_rng(1)
        return sum(anp.sum(random.standard_normal(np.shape(value)) * value) for value in values)


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return f"shapes {' and '.join(map(str, shapes))}"

"""Functions of any array library, called with NumPy's arrays, and the noise of their rounding.

No library is imported here: a tensor is made by a tensor, and made into an array by its methods.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ehf_num.engine.workspace import Array
from ehf_sym.errors import ArgumentError

_STEP = 1e-6  # relative; large for rounding in float32, small for a smooth function
_NODES = 6
_ORDER = 4
_LINES = 3
_FLOAT32 = float(np.finfo(np.float32).eps)
_FLOAT64 = float(np.finfo(np.float64).eps)
_COARSER = 1e-11  # relative noise that no float64 function of sound condition has


def as_numpy(values: Any) -> Array:
    """Return an array of NumPy, PyTorch or JAX as float64.

    Examples
    --------
    >>> as_numpy(np.float32([1, 2]))
    array([1., 2.])
    """
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values
        values = values.numpy()
    return np.asarray(values).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Function:
    """A user's function, from points (n, d) in float64 to values (n, m) in float64.

    Attributes
    ----------
    call : callable
        Takes and returns arrays of its own library.
    like : array
        The points as they were given: what `call` takes is made to be of their kind.
    """

    call: Callable[[Any], Any]
    like: Any

    @property
    def input_rounding(self) -> float:
        """Unit of rounding of what `call` takes."""
        name = str(getattr(self.like, "dtype", "float64"))
        return _FLOAT32 if "32" in name else _FLOAT64 if "64" in name else 2.0**-7

    def __call__(self, x: Array) -> Array:
        """Evaluate; rows that come back in any shape are flattened.

        Raises
        ------
        ehf_sym.ArgumentError
            If the function raises, or returns another number of rows.
        """
        given = self._given(x)
        try:
            with np.errstate(all="ignore"):
                values = as_numpy(self.call(given))
        except Exception as error:
            values = self._as_tensor(given, error)
        if values.ndim == 0 or len(values) != len(x):
            raise ArgumentError(
                f"f returned an array of shape {values.shape} for {len(x)} points; it should be "
                f"one row a point, ({len(x)},) or ({len(x)}, ...)"
            )
        return values.reshape(len(x), -1)

    def _given(self, x: Array) -> Any:
        shaped = x.reshape(len(x), *self.like.shape[1:])
        if hasattr(self.like, "new_tensor"):
            return self.like.new_tensor(shaped)
        return shaped.astype(self.like.dtype)

    def _as_tensor(self, given: Any, error: Exception) -> Array:
        """Try again with a tensor, where the function's module has imported PyTorch."""
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(given, np.ndarray):
            for dtype in (torch.get_default_dtype(), torch.float64):
                try:
                    return as_numpy(self.call(torch.as_tensor(given, dtype=dtype)))
                except Exception:  # the first error is the one to tell
                    continue
        raise ArgumentError(
            f"f raised {type(error).__name__}: {error}; it is called with arrays of shape "
            f"{tuple(given.shape)} of the kind of x, {type(given).__name__}: pass x as f takes it"
        ) from error

    def noise(self, x: Array, values: Array, rng: np.random.Generator) -> Array:
        """Estimate how far values (n, m) at x (n, d) can be off by rounding alone: (n,).

        Differences of order 4 on short lines through the points (J. J. Moré and S. M. Wild, SIAM
        J. Sci. Comput. 33 (2011) 1292) have nothing of a smooth function in them. To what they
        show, relative to the values and in the median over points, comes what rounding the
        points does.
        """
        size = np.abs(values).max(axis=1)
        scale = size + np.sqrt(np.mean(size**2))
        lengths = np.abs(x) + np.sqrt(np.mean(x**2, axis=0))
        relative, slope = [], np.zeros(len(x))
        for _ in range(_LINES):
            direction = _STEP * lengths * rng.choice([-1.0, 1.0], x.shape)
            line = np.stack([self(x + k * direction) for k in range(_NODES)])
            slope = np.maximum(slope, np.abs(line[1] - line[0]).max(axis=1) / _STEP)
            steep = np.diff(line, _ORDER, axis=0) / np.sqrt(70.0)  # (2k)! / (k!)² at k = 4
            spread = np.sqrt(np.mean(steep**2, axis=0)).max(axis=1)
            relative.append(np.divide(spread, scale, out=np.zeros_like(spread), where=scale > 0))
        inner = max(float(np.nanmedian(relative)), self.input_rounding / 4, _FLOAT64)
        unit = max(self.input_rounding, _FLOAT32 if inner > _COARSER else _FLOAT64)
        floor: Array = inner * scale + unit * slope
        return floor

"""A one-parameter group in closed form as a batched NumPy function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from ehf_sym.actions.positivity import ends_of_positivity
from ehf_sym.errors import ActionError, ArgumentError
from ehf_sym.formulas.arrays import floating_points, real_array
from ehf_sym.formulas.numpy_forms import NumpyFormula
from ehf_sym.formulas.printing import quoted


@dataclass(frozen=True)
class NumpyFlow:
    """A one-parameter group as a batched NumPy function. Made by `FiniteAction.to_numpy`.

    Attributes
    ----------
    formula : NumpyFormula
        Of the coordinates and ε, in this order.
    domain : tuple of sympy.Expr
        What must stay positive from 0 to ε. Interval arithmetic shows it on all of the way.
    """

    formula: NumpyFormula
    domain: tuple[sp.Expr, ...] = ()

    def __call__(self, states: Any, eps: Any) -> NDArray[Any]:
        """Move states by Φ_ε.

        Parameters
        ----------
        states : array of shape (..., 2d)
            Floating point (kept) or integer (read as float64).
        eps : number or array of shape (...)
            ε, one for all or one for each state.

        Returns
        -------
        array of shape (..., 2d)
            Same floating dtype as ``states``.

        Raises
        ------
        ArgumentError
            If the shapes do not fit, or something is no real number.
        ActionError
            If a state leaves the domain of the closed form before ε, or overflows.
        """
        points = floating_points(states, len(self.formula.variables) - 1)
        times = real_array(eps, "eps", "a finite real number, or one for each state")
        if times.shape not in ((), points.shape[:-1]) or not np.isfinite(times).all():
            raise ArgumentError(
                f"eps has shape {times.shape}; it should be a finite real number, or one for each "
                f"state: shape {points.shape[:-1]}"
            )
        times = np.broadcast_to(times, points.shape[:-1]).astype(points.dtype)
        if self.domain:
            self._refuse_ends(points, times)
        with np.errstate(all="ignore"):
            moved = self.formula(np.concatenate([points, times[..., None]], axis=-1))
        overflowing = ~np.isfinite(moved).all(axis=-1)
        if overflowing.any():
            raise ActionError(f"{_state(np.argwhere(overflowing)[0])} does not stay finite")
        return moved

    def _refuse_ends(self, points: NDArray[Any], times: NDArray[Any]) -> None:
        """Raise if a state's way to ε is not shown to lie in the domain."""
        flat = points.reshape(-1, points.shape[-1]).astype(np.float64)
        reach = times.ravel().astype(np.float64)
        ends = ends_of_positivity(self.domain, self.formula.variables, flat, reach)
        ended = np.argwhere(~np.isnan(ends.eps.reshape(times.shape)))
        if not len(ended):
            return
        first = np.flatnonzero(~np.isnan(ends.eps))[0]
        condition = self.domain[ends.condition[first]]
        where = f"ε = {ends.eps[first]:.6g}, before ε = {reach[first]:.6g}"
        if ends.crossed[first]:
            raise ActionError(
                f"{_state(ended[0])} blows up or meets a singularity at {where}: there "
                f"{quoted(condition)} > 0 fails"
            )
        raise ActionError(
            f"{_state(ended[0])} is not shown to stay in the domain of the closed form beyond "
            f"{where}: {quoted(condition)} > 0 is not decided there"
        )


def _state(index: NDArray[np.intp]) -> str:
    """Name a state in a message."""
    return f"state {index[0] if len(index) == 1 else tuple(map(int, index))}"

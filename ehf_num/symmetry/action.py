"""The finite transformation exp(ε{·, g}) of a generator, in double precision.

A closed form is used where `ehf_sym` proves one. Otherwise ṡ = {s, g} is integrated by an adaptive
Runge–Kutta method of order 8. What `estimate` returns is an estimate; what `bound` returns is a
bound, found by interval arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
import scipy
import sympy as sp

from ehf_num.engine import arguments
from ehf_num.engine.networks import wrapped
from ehf_num.engine.workspace import Array
from ehf_sym import FiniteAction, LieAlgebra, NumpyFlow, NumpyFormula, PhaseSpace, to_numpy
from ehf_sym.actions.closed_flow import sensitive_parts
from ehf_sym.actions.enclosed_action import parameter_values
from ehf_sym.errors import ActionError, ArgumentError
from ehf_sym.formulas.arrays import real_array

Transformation = Callable[[Array], Array]
"""States (n, 2d) to states (n, 2d)."""

_TOLERANCE = 1e-12
_LOOSER = 100.0
_MAX_STEPS = 10_000


@dataclass(frozen=True, eq=False)
class NumericalAction:
    """States (n, 2d) to states exp(ε{·, g}) s, in float64. Made by `finite_action`.

    Attributes
    ----------
    action : FiniteAction
        The formula and its proof, or the statement that there is no closed form.
    epsilon : float or array of shape (n,)
        The group parameter, one for all states or one for each.
    parameters : mapping of sympy.Symbol to number
        Values of the parameters of the space that occur.
    """

    action: FiniteAction
    epsilon: Any
    parameters: Mapping[sp.Symbol, sp.Expr]

    @property
    def exact(self) -> bool:
        """Whether a proved closed form is evaluated, so that only rounding errors occur."""
        return self.action.proved

    def __call__(self, states: Array) -> Array:
        """Move states.

        Parameters
        ----------
        states : array of shape (n, 2d)
            Read as float64.

        Returns
        -------
        array of shape (n, 2d)
            float64; angles in (−π, π].

        Raises
        ------
        ArgumentError
            If ``states`` is not finite, real and of that shape.
        ActionError
            If a state blows up or leaves the domain before ε.
        """
        return self._in_one_turn(self._moved(states, 1.0))

    def estimate(self, states: Array) -> tuple[Array, Array]:
        """Move states and estimate the error of each; no bound.

        For a closed form the estimate is the distance to two half steps. Otherwise it is the
        larger of the distance to a run with tolerances 100 times as large, and of the drift of
        the conserved g, in units of its gradient.

        Returns
        -------
        moved : array of shape (n, 2d)
            As by calling.
        error : array of shape (n,)
            Estimated largest error of the coordinates of each state.
        """
        moved = self._moved(states, 1.0)
        if self.exact:
            other = self._moved(self._moved(states, 0.5), 0.5)
            return self._in_one_turn(moved), np.abs(moved - other).max(axis=-1)
        states = self._checked(states)
        other = self._integrated(states, 1.0, _LOOSER)
        energy = self._bridged([self.action.generator])
        gradient = np.linalg.norm(energy.gradient(moved)[..., 0, :], axis=-1)
        drift = np.abs(energy(moved) - energy(states))[..., 0]
        shift = np.divide(drift, gradient, out=np.zeros_like(drift), where=gradient > 0)
        return self._in_one_turn(moved), np.maximum(np.abs(moved - other).max(axis=-1), shift)

    def bound(self, states: Array) -> Array:
        """Bound the error that calling makes at each state, rigorously.

        Interval arithmetic, one state after the other: for samples rather than whole data sets.

        Parameters
        ----------
        states : array of shape (n, 2d)
            float64 numbers, taken as exact.

        Returns
        -------
        array of shape (n,)
            No coordinate of the moved state is farther than this from the true one.

        Raises
        ------
        ActionError
            If the flow of a state is not shown to exist up to ε.
        """
        points = self._checked(np.atleast_2d(real_array(states, "states", "of shape (n, 2d)")))
        times = np.broadcast_to(np.asarray(self.epsilon, np.float64), points.shape[:1])
        moved = self._moved(points, 1.0)
        bounds = [
            _farthest(image, self.action.enclose(point.tolist(), float(time), self.parameters))
            for point, time, image in zip(points, times, moved, strict=True)
        ]
        return np.array(bounds)

    def _in_one_turn(self, states: Array) -> Array:
        return np.asarray(wrapped(states, self.action.space.angles))

    def _moved(self, states: Array, fraction: float) -> Array:
        """Move by a fraction of ε."""
        points = self._checked(states)
        if self._closed is not None:
            return self._closed(points, np.asarray(self.epsilon, np.float64) * fraction)
        return self._integrated(points, fraction, 1.0)

    def _checked(self, states: Any) -> Array:
        return arguments.points(states, "states", 2 * self.action.space.dim, np.float64)

    @cached_property
    def _closed(self) -> NumpyFlow | None:
        """The closed form, if it is proved."""
        return self.action.to_numpy(self.parameters) if self.exact else None

    @cached_property
    def _field(self) -> NumpyFormula:
        return self._bridged(list(self.action.space.vector_field(self.action.generator)))

    def _bridged(self, formulas: list[sp.Expr]) -> NumpyFormula:
        given = [f.subs(self.parameters) for f in formulas]
        return to_numpy(given, self.action.space.coordinates)

    @cached_property
    def _parts(self) -> NumpyFormula | None:
        """What g is singular at the zeros of; none changes its sign along a flow."""
        generator = self.action.generator
        parts = [f for f in dict.fromkeys(sensitive_parts(generator)) if f.free_symbols]
        coordinates = self.action.space.coordinates
        moving = [f for f in parts if f.has(*coordinates)]
        return self._bridged(moving) if moving else None

    def _integrated(self, states: Array, fraction: float, looser: float) -> Array:
        """Integrate ds/dt = ε{s, g} from t = 0 to the fraction."""
        shape = states.shape
        times = np.broadcast_to(np.asarray(self.epsilon, np.float64), shape[:-1])[..., None]

        def velocity(_: float, flat: Array) -> Array:
            return np.asarray((times * self._field(flat.reshape(shape))).ravel())

        with np.errstate(all="ignore"):
            start = velocity(0.0, states.ravel())
            if not np.isfinite(start).all():
                raise ActionError(
                    f"state {_worst(start, shape)} is one at which {{s, g}} is not finite"
                )
            tolerance = _TOLERANCE * looser
            solver = scipy.integrate.DOP853(
                velocity, 0.0, states.ravel(), fraction, rtol=tolerance, atol=tolerance
            )
            signs = self._signs(states)
            for _ in range(_MAX_STEPS):
                if solver.status != "running":
                    break
                solver.step()
                crossed = (self._signs(solver.y.reshape(shape)) != signs).any(axis=-1)
                if crossed.any():
                    raise self._stopped(int(np.argmax(crossed)), solver.t, "g is singular there")
            if solver.status != "finished" or not np.isfinite(solver.y).all():
                steps = f"; {_MAX_STEPS} steps were taken" if solver.status == "running" else ""
                why = f"it blows up there, or {{s, g}} is not smooth{steps}"
                raise self._stopped(_worst(velocity(0.0, solver.y), shape), solver.t, why)
        end: Array = solver.y.reshape(shape)
        return end

    def _signs(self, states: Array) -> Array:
        """Signs of what must keep its sign, (n, parts)."""
        if self._parts is None:
            return np.zeros((*states.shape[:-1], 0))
        return np.asarray(np.sign(self._parts(states)))

    def _stopped(self, state: int, fraction: float, why: str) -> ActionError:
        """Name the place where integration stopped."""
        eps = fraction * float(np.ravel(self.epsilon)[state if np.ndim(self.epsilon) else 0])
        return ActionError(f"state {state} is not integrated beyond ε = {eps:.6g}: {why}")


def _worst(velocities: Array, shape: tuple[int, ...]) -> int:
    """Find the state that moves fastest; what is not finite counts as that."""
    speeds = np.abs(velocities.reshape(shape)).max(axis=-1)
    return int(np.argmax(np.where(np.isnan(speeds), np.inf, speeds)))


def finite_action(
    space: PhaseSpace,
    generator: sp.Expr,
    epsilon: Any,
    parameters: Mapping[sp.Symbol, Any] | None = None,
) -> NumericalAction:
    """Return s ↦ exp(ε{·, g}) s in double precision.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    generator : sympy.Expr
        g.
    epsilon : float or array of shape (n,)
        The group parameter, one for all states or one for each; an angle, in radians, for a
        rotation.
    parameters : mapping of sympy.Symbol to number, optional
        Values of the parameters of the space that occur in g.

    Returns
    -------
    NumericalAction
        To be called with states; it estimates its errors, and bounds them.

    Raises
    ------
    ArgumentError
        If ``epsilon`` is not finite, or a parameter has no value.
    ActionError
        When called, if the flow of g leaves every bound before ε is reached.

    Examples
    --------
    >>> import numpy as np, ehf_sym as es
    >>> space = es.PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> turn = finite_action(space, q1 * p2 - q2 * p1, np.pi / 2)
    >>> turn(np.array([[1.0, 0.0, 0.0, 2.0]])).round(12) + 0.0
    array([[ 0.,  1., -2.,  0.]])
    >>> bool(turn.bound(np.array([[1.0, 0.0, 0.0, 2.0]]))[0] < 1e-15)
    True
    """
    times = real_array(epsilon, "epsilon", "a finite number, or one for each state")
    if times.ndim > 1 or not np.isfinite(times).all():
        raise ArgumentError(
            f"epsilon is {epsilon!r}; it should be a finite number, or one for each state"
        )
    action = LieAlgebra(space, [generator]).action(0)
    return NumericalAction(
        action, epsilon, parameter_values(action.space, action.generator, parameters or {})
    )


def _farthest(image: Array, bounds: tuple[tuple[sp.Float, sp.Float], ...]) -> float:
    """Largest distance from computed coordinates to the far ends of their enclosures."""
    distances = [
        abs(Fraction(float(u)) - Fraction(int(r.p), int(r.q)))
        for u, ends in zip(image, bounds, strict=True)
        for r in map(sp.Rational, ends)
    ]
    # The nearest double may lie below.
    return float(np.nextafter(float(max(distances)), np.inf))

"""Maps of any H(q, p), most of which solve an equation: implicit midpoint, Tao's, Euler's.

A root z of R(z; θ) = 0 is one node on the tape. By the implicit function theorem its derivative is
−(∂R/∂z)⁻¹ ∂R/∂θ, however it was found: the backward pass solves one linear system a row, and keeps
nothing of the search.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property, partial
from typing import Any, ClassVar

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive
from autograd.tracer import isbox

from ehf_num.engine.arguments import number_from_zero, one_of
from ehf_num.engine.tape import constant, make_vjp
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.hamiltonian import vector_field
from ehf_num.hamiltonian.integrators import (
    Equivariance,
    Stepped,
    affine,
    equivariance,
    lifted,
    rotation,
)
from ehf_num.hamiltonian.protocols import Motion, Separable
from ehf_sym import LieAlgebra
from ehf_sym.errors import EHFError

Equation = Callable[[Any, Sequence[Any], Any], Any]
"""R(H, arguments, z), row by row: (n, m) to (n, m), with ∂R/∂z near 1 at small steps."""

_ENOUGH = 64  # rounding errors of a state, relative, to which roots are found
_SLOW = 0.7  # the factor of contraction from which on Newton's method is the faster one
_MOST_ITERATIONS = 60


class InversionError(EHFError, ArithmeticError):
    """An implicit inverse did not converge: the step is too large for this Hamiltonian."""


@dataclass(frozen=True)
class ImplicitMidpoint(Stepped):
    """s' = s + dt X_H((s + s')/2), second order and symplectic for any H(q, p).

    The equation is solved to rounding: by iteration, and by Newton's method where that converges
    slowly. The inverse takes −dt. It commutes with every symmetry of H that acts by affine maps.

    Parameters
    ----------
    steps : int
        Number of steps, at least 1.
    step_size : float
        dt, dimensionless, positive.

    Raises
    ------
    ehf_sym.ArgumentError
        If a parameter is out of range.

    Examples
    --------
    >>> ImplicitMidpoint(steps=2, step_size=0.5).symplectic
    True
    """

    order: ClassVar[int] = 2
    symplectic: ClassVar[bool] = True

    def forward(self, hamiltonian: Separable | Motion, q: Any, p: Any) -> tuple[Any, Any]:
        """Flow states q, p of shape (n, d) for time steps·dt.

        Raises
        ------
        InversionError
            If no solution is found that depends smoothly on the state: the step is too large.
        """
        return self._flow(hamiltonian, q, p, self.step_size)

    def inverse(self, hamiltonian: Separable | Motion, q: Any, p: Any) -> tuple[Any, Any]:
        """Undo `forward`, to rounding; raises as that does."""
        return self._flow(hamiltonian, q, p, -self.step_size)

    def _flow(self, hamiltonian: Any, q: Any, p: Any, dt: float) -> tuple[Any, Any]:
        states = anp.concatenate([q, p], axis=1)
        for _ in range(self.steps):
            middle = root(partial(_midpoint, dt), hamiltonian, [states], states, repr(self))
            states = 2 * middle - states
        return states[:, : q.shape[1]], states[:, q.shape[1] :]

    def equivariance(self, symmetry: LieAlgebra) -> Equivariance:
        """Decide whether the map commutes with the symmetry wherever every H does."""
        return equivariance(symmetry, "q and p change by an affine map", affine)


def _midpoint(dt: float, hamiltonian: Any, arguments: Sequence[Any], middle: Any) -> Any:
    (start,) = arguments
    return middle - start - dt / 2 * vector_field(hamiltonian, middle)


@dataclass(frozen=True)
class ExtendedPhaseSpace(Stepped):
    """Explicit steps for any H(q, p) in two copies of the phase space, second order.

    H(q, y) + H(x, p) + ω (|q − x|² + |p − y|²)/2 is split into flows in closed form (Tao,
    arXiv:1609.02212). Read off as a map of (q, p) that preserves no volume. Projected, each step
    starts from q ± a, p ± b with a, b such that the copies agree after the same shift at its end
    (Jayawardana & Ohsawa, arXiv:2111.10915), which makes it symplectic; a and b, of the order of
    dt³, are found to rounding.

    Parameters
    ----------
    steps : int
        Number of steps, at least 1.
    step_size : float
        dt, dimensionless, positive.
    omega : float
        ω ≥ 0, which binds the copies together; ω dt below 1.
    projected : bool
        Whether the copies are brought together symmetrically after each step.

    Raises
    ------
    ehf_sym.ArgumentError
        If a parameter is out of range.

    Examples
    --------
    >>> ExtendedPhaseSpace(projected=False).symplectic
    False
    """

    omega: float = 0.0
    projected: bool = True
    order: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.projected, "projected", (True, False))
        number_from_zero(self.omega, "omega", below=1 / self.step_size)

    @property
    def symplectic(self) -> bool:
        """Whether the map of (q, p) is symplectic: where it is projected."""
        return self.projected

    def forward(self, hamiltonian: Separable | Motion, q: Any, p: Any) -> tuple[Any, Any]:
        """Flow states q, p of shape (n, d) for time steps·dt.

        Raises
        ------
        InversionError
            If no projection is found: the step is too large.
        """
        return self._flow(hamiltonian, q, p, self.step_size)

    def inverse(self, hamiltonian: Separable | Motion, q: Any, p: Any) -> tuple[Any, Any]:
        """Undo `forward`, to rounding: with −dt where it is projected, by a search elsewhere.

        Raises
        ------
        InversionError
            If nothing is found that is mapped to these states: the step is too large.
        """
        if self.projected:
            return self._flow(hamiltonian, q, p, -self.step_size)
        states = anp.concatenate([q, p], axis=1)
        guess = self._unbound(hamiltonian, constant(states), -self.step_size)
        found = root(self._undoes, hamiltonian, [states], guess, repr(self))
        return found[:, : q.shape[1]], found[:, q.shape[1] :]

    def _flow(self, hamiltonian: Any, q: Any, p: Any, dt: float) -> tuple[Any, Any]:
        states, dim = anp.concatenate([q, p], axis=1), q.shape[1]
        if not self.projected:
            states = self._unbound(hamiltonian, states, dt)
            return states[:, :dim], states[:, dim:]
        for _ in range(self.steps):
            still = np.zeros(states.shape, states.dtype)
            shift = root(partial(self._apart, dt), hamiltonian, [states], still, repr(self))
            first, second = self._step(hamiltonian, states + shift, states - shift, dt)
            states = (first + second) / 2
        return states[:, :dim], states[:, dim:]

    def _step(self, hamiltonian: Any, first: Any, second: Any, dt: float) -> tuple[Any, Any]:
        """Do one step of (q, p) and (x, y): halves of both flows, the binding between them."""
        dim = first.shape[1] // 2
        (q, p), (x, y) = ((s[:, :dim], s[:, dim:]) for s in (first, second))

        def by_second(dt: float, q: Any, p: Any, x: Any, y: Any) -> tuple[Any, Any, Any, Any]:
            field = dt * vector_field(hamiltonian, anp.concatenate([q, y], axis=1))
            return q, p + field[:, dim:], x + field[:, :dim], y

        def by_first(dt: float, q: Any, p: Any, x: Any, y: Any) -> tuple[Any, Any, Any, Any]:
            x, y, q, p = by_second(dt, x, y, q, p)
            return q, p, x, y

        q, p, x, y = by_second(dt / 2, q, p, x, y)
        if self.omega:
            q, p, x, y = by_first(dt / 2, q, p, x, y)
            cos, sin = math.cos(2 * self.omega * dt), math.sin(2 * self.omega * dt)
            u, w = q - x, p - y
            turn_q, turn_p = (cos * u + sin * w - u) / 2, (cos * w - sin * u - w) / 2
            q, p, x, y = q + turn_q, p + turn_p, x - turn_q, y - turn_p
            q, p, x, y = by_first(dt / 2, q, p, x, y)
        else:
            q, p, x, y = by_first(dt, q, p, x, y)
        q, p, x, y = by_second(dt / 2, q, p, x, y)
        return anp.concatenate([q, p], axis=1), anp.concatenate([x, y], axis=1)

    def _apart(self, dt: float, hamiltonian: Any, arguments: Sequence[Any], shift: Any) -> Any:
        """Evaluate how far the copies are apart at the end, turned back by half of the binding."""
        (start,) = arguments
        first, second = self._step(hamiltonian, start + shift, start - shift, dt)
        apart, tangent = shift + (first - second) / 2, math.tan(self.omega * dt)
        u, w = apart[:, : shift.shape[1] // 2], apart[:, shift.shape[1] // 2 :]
        return anp.concatenate([u - tangent * w, w + tangent * u], axis=1) / 2

    def _unbound(self, hamiltonian: Any, states: Any, dt: float) -> Any:
        first = second = states
        for _ in range(self.steps):
            first, second = self._step(hamiltonian, first, second, dt)
        return first

    def _undoes(self, hamiltonian: Any, arguments: Sequence[Any], start: Any) -> Any:
        """Compare where a start ends with where it should, both taken back approximately."""
        end = self._unbound(hamiltonian, start, self.step_size)
        return self._unbound(hamiltonian, end, -self.step_size) - self._unbound(
            hamiltonian, arguments[0], -self.step_size
        )

    def equivariance(self, symmetry: LieAlgebra) -> Equivariance:
        """Decide whether the map commutes with the symmetry wherever every H does."""
        if self.omega:
            return equivariance(symmetry, "q and p turn alike, and shift", rotation)
        return equivariance(symmetry, "q changes by an affine map, and p along with it", lifted)


@dataclass(frozen=True)
class Euler(Stepped):
    """The paper's T_H^dt(s) = s + dt {s, H}: first order, not symplectic, implicit inverse.

    It preserves volume only to O(dt²), so it serves studies of the map, not densities.

    Parameters
    ----------
    steps : int
        Number of steps, at least 1.
    step_size : float
        dt, dimensionless, positive.

    Raises
    ------
    ehf_sym.ArgumentError
        If a parameter is out of range.

    Examples
    --------
    >>> Euler(steps=10, step_size=0.1).symplectic
    False
    """

    order: ClassVar[int] = 1
    symplectic: ClassVar[bool] = False

    _max_iterations: ClassVar[int] = 500

    def forward(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        """Flow states q, p of shape (n, d) for time steps·dt."""
        dt = self.step_size
        for _ in range(self.steps):
            q, p = (
                q + dt * hamiltonian.grad_kinetic(p),
                p - dt * hamiltonian.grad_potential(q),
            )
        return q, p

    def inverse(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        """Undo `forward` by fixed-point iteration, to rounding.

        Raises
        ------
        InversionError
            If it does not converge: dt² |K''| |U''| is not below 1.
        """
        for _ in range(self.steps):
            q, p = self._invert_step(hamiltonian, q, p)
        return q, p

    def _invert_step(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        dt = self.step_size
        guess = q
        for _ in range(self._max_iterations):
            momentum = p + dt * hamiltonian.grad_potential(guess)
            position = q - dt * hamiltonian.grad_kinetic(momentum)
            end = constant(position)
            change = np.max(np.abs(end - constant(guess)), initial=0.0)
            size = np.max(np.abs(end), initial=1.0)
            guess = position
            if not np.isfinite(change):
                break
            if change <= 4 * np.finfo(end.dtype).eps * size:
                return guess, p + dt * hamiltonian.grad_potential(guess)
        msg = (
            f"Euler(step_size={dt}).inverse did not converge in {self._max_iterations} iterations; "
            "dt² |K''| |U''| must be below 1: take a smaller step, or Leapfrog"
        )
        raise InversionError(msg)


def root(
    equation: Equation, hamiltonian: Any, arguments: Sequence[Any], guess: Any, name: str
) -> Any:
    """Solve equation(hamiltonian, arguments, z) = 0 for z from a guess (n, m), as one tape node.

    Raises
    ------
    InversionError
        If none is found at which z depends smoothly on the rest and det ∂R/∂z > 0, as it is at
        small steps; it carries the name of who asked.
    """
    plain = partial(equation, off_tape(hamiltonian), [constant(array) for array in arguments])
    found = _search(plain, np.array(constant(guess)), name)
    residual = equation(hamiltonian, arguments, found)
    return _attached(residual, found, _Slopes(plain, found)) if isbox(residual) else found


def off_tape(part: Any) -> Any:
    """Return a part with plain weights: of dataclasses, those in their fields.

    Any other object is returned as it is: derivatives are right then too, and cost more.
    """
    if isbox(part):
        return constant(part)
    if isinstance(part, list | tuple):
        plain = [off_tape(each) for each in part]
        return part if all(a is b for a, b in zip(part, plain, strict=True)) else plain
    if not is_dataclass(part) or isinstance(part, type):
        return part
    values = {each.name: getattr(part, each.name) for each in fields(part) if each.init}
    changed = {name: off_tape(value) for name, value in values.items()}
    changed = {name: plain for name, plain in changed.items() if plain is not values[name]}
    return replace(part, **changed) if changed else part


@dataclass(frozen=True, eq=False)
class _Slopes:
    """∂R/∂z at a root, of each row by itself."""

    residual: Callable[[Any], Any]
    at: Array

    @cached_property
    def matrices(self) -> Array:
        """The (n, m, m)."""
        return value_and_slopes(self.residual, self.at)[1]


def value_and_slopes(residual: Callable[[Any], Any], z: Array) -> tuple[Array, Array]:
    """Evaluate R (n, m) and ∂R/∂z (n, m, m): rows do not see each other, so m pullbacks serve."""
    vjp, value = make_vjp(lambda boxes: residual(boxes[0]), [z])
    units = np.eye(z.shape[1], dtype=z.dtype)
    rows = [constant(vjp(np.broadcast_to(unit, z.shape).copy())[0]) for unit in units]
    return constant(value), np.stack(rows, axis=1)


@primitive  # type: ignore[untyped-decorator]
def _attached(_residual: Array, found: Array, _slopes: _Slopes) -> Array:
    return found


def _attached_vjp(_answer: Any, _residual: Any, _found: Any, slopes: _Slopes) -> Any:
    def vjp(bar: Any) -> Array:
        if isbox(bar):
            raise EHFError(
                "a derivative of second order was asked of a map that solves an equation, which "
                "has the first alone; take Leapfrog, or another integrator by kicks and drifts"
            )
        transposed = slopes.matrices.transpose(0, 2, 1)
        return -np.linalg.solve(transposed, bar[:, :, np.newaxis])[:, :, 0]

    return vjp


defvjp(_attached, _attached_vjp, argnums=(0,))


def _search(residual: Callable[[Any], Any], guess: Array, name: str) -> Array:
    """Iterate z − R(z) while that contracts, else take Newton's steps."""
    before, z = math.inf, guess
    with np.errstate(all="ignore"):
        for _ in range(_MOST_ITERATIONS):
            step = constant(residual(z))
            z = z - step
            size = _relative(step, z)
            if size <= _ENOUGH:
                return z
            if not size < _SLOW * before:
                break
            before = size
        return _newton(residual, guess, name)


def _newton(residual: Callable[[Any], Any], z: Array, name: str) -> Array:
    for _ in range(_MOST_ITERATIONS):
        value, slopes = value_and_slopes(residual, z)
        if not (np.isfinite(value).all() and np.isfinite(slopes).all()):
            break
        signs, _ = np.linalg.slogdet(slopes)
        if not np.all(signs):
            break
        step = np.linalg.solve(slopes, value[:, :, np.newaxis])[:, :, 0]
        z = z - step
        if _relative(step, z) <= _ENOUGH:
            if np.all(signs > 0):
                return z
            break
    msg = (
        f"{name} found no solution of its equation that the state determines, in "
        f"{_MOST_ITERATIONS} iterations: the step is too large for this Hamiltonian; take a "
        "smaller step_size and more steps"
    )
    raise InversionError(msg)


def _relative(step: Array, z: Array) -> float:
    """Return the largest change of a row, in units of its rounding."""
    scale = np.maximum(1.0, np.max(np.abs(z), axis=1, initial=0.0, keepdims=True))
    return float(np.max(np.abs(step) / scale, initial=0.0) / np.finfo(z.dtype).eps)

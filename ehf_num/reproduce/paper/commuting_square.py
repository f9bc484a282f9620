"""The square T_g ∘ T_H = T_H ∘ T_g: the distance between the ends of its two ways round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

import ehf_sym as es
from ehf_num import Euler, Leapfrog
from ehf_num.reproduce.common import Array

Map = Callable[[Array, float], Array]
"""States (n, 2d) and the time, ε or dt, to states (n, 2d)."""


class FormulaHamiltonian:
    """H = K(p) + U(q) from two formulas, as integrators take it.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    kinetic, potential : sympy.Expr
        K and U.

    Examples
    --------
    >>> space = es.PhaseSpace(1)
    >>> H = FormulaHamiltonian(space, space.p[0] ** 2 / 2, space.q[0] ** 4)
    >>> H.grad_potential(np.array([[2.0]]))
    array([[32.]])
    """

    def __init__(self, space: es.PhaseSpace, kinetic: sp.Expr, potential: sp.Expr) -> None:
        self.formula = kinetic + potential
        self._kinetic = es.to_numpy(kinetic, space.p)
        self._potential = es.to_numpy(potential, space.q)

    def kinetic(self, p: Any) -> Any:
        """Evaluate K(p): (n, d) to (n,)."""
        return self._kinetic(p)

    def potential(self, q: Any) -> Any:
        """Evaluate U(q): (n, d) to (n,)."""
        return self._potential(q)

    def grad_kinetic(self, p: Any) -> Any:
        """Evaluate ∂K/∂p: (n, d) to (n, d)."""
        return self._kinetic.gradient(p)

    def grad_potential(self, q: Any) -> Any:
        """Evaluate ∂U/∂q: (n, d) to (n, d)."""
        return self._potential.gradient(q)


def first_order(space: es.PhaseSpace, f: sp.Expr) -> Map:
    """Return T_f^ε(s) = s + ε {s, f}."""
    field = es.to_numpy(space.vector_field(f), space.coordinates)
    return lambda states, epsilon: states + epsilon * field(states)


def finite(space: es.PhaseSpace, g: sp.Expr) -> Map:
    """Return exp(ε{·, g}) from its closed form, which is proved."""
    flow = es.LieAlgebra(space, [g]).action(0).to_numpy()
    return lambda states, epsilon: flow(states, epsilon)


def one_step(integrator: type[Leapfrog] | type[Euler], hamiltonian: FormulaHamiltonian) -> Map:
    """Return one step of an integrator as a map of states and dt."""

    def step(states: Array, dt: float) -> Array:
        q, p = np.split(states, 2, axis=1)
        moved: Array = np.concatenate(integrator(1, dt).forward(hamiltonian, q, p), axis=1)
        return moved

    return step


@dataclass(frozen=True, eq=False)
class Square:
    """Two maps, one after the other in both orders.

    Attributes
    ----------
    name : str
        Which maps.
    transform, flow : callable
        T_g with its ε, and T_H with its dt.
    """

    name: str
    transform: Map
    flow: Map

    def ends(self, states: Array, epsilon: float, dt: float) -> tuple[Array, Array]:
        """Return T_g(T_H s) and T_H(T_g s): (n, 2d) each."""
        one_way = self.transform(self.flow(states, dt), epsilon)
        return one_way, self.flow(self.transform(states, epsilon), dt)

    def gap(self, states: Array, epsilon: float, dt: float) -> float:
        """Return the root mean square distance of the two ends over states, dimensionless."""
        one_way, other = self.ends(states, epsilon, dt)
        return rms(one_way - other)


def rms(vectors: Array) -> float:
    """Root mean square length of vectors (n, m)."""
    return float(np.sqrt(np.mean(np.square(vectors).sum(axis=1))))


def squares(space: es.PhaseSpace, g: sp.Expr, hamiltonian: FormulaHamiltonian) -> list[Square]:
    """Return the square of first-order maps, and those with the finite action."""
    turn = finite(space, g)
    return [
        Square("first-order maps", first_order(space, g), first_order(space, hamiltonian.formula)),
        Square("finite action, first-order flow", turn, one_step(Euler, hamiltonian)),
        Square("finite action, leapfrog", turn, one_step(Leapfrog, hamiltonian)),
    ]


@dataclass(frozen=True, eq=False)
class Expansion:
    """The gap of the first-order maps to the orders that can be the lowest.

    T_g∘T_H − T_H∘T_g = ε dt [DX_g X_H − DX_H X_g]
                        + ½ ε dt² D²X_g(X_H, X_H) − ½ ε² dt D²X_H(X_g, X_g) + …

    with X_f = {s, f}. The bracket is ± the vector field of {g, H}: zero if that is constant.
    D²X_g is zero where g is quadratic.

    Attributes
    ----------
    terms : tuple of callable
        The three vector fields, states (n, 2d) to (n, 2d).
    """

    terms: tuple[Callable[[Array], Array], ...]

    def gap(self, states: Array, epsilon: float, dt: float) -> float:
        """Return the root mean square length of these terms over states."""
        bracket, of_g, of_h = (term(states) for term in self.terms)
        return rms(epsilon * dt * (bracket + dt * of_g + epsilon * of_h))


def expansion(space: es.PhaseSpace, g: sp.Expr, h: sp.Expr) -> Expansion:
    """Work the terms of `Expansion` out as formulas.

    Examples
    --------
    >>> space = es.PhaseSpace(1)
    >>> (q,), (p,) = space.q, space.p
    >>> found = expansion(space, p, q**3 / 3)
    >>> found.gap(np.array([[2.0, 0.0]]), 0.1, 0.01) == 0.1 * 0.01 * (2 * 2 + 0.1)
    True
    """
    moving, flowing = space.vector_field(g), space.vector_field(h)
    bracket = _along(space, moving, flowing) - _along(space, flowing, moving)
    fields = (
        bracket,
        _twice_along(space, moving, flowing) / 2,
        -_twice_along(space, flowing, moving) / 2,
    )
    return Expansion(tuple(es.to_numpy(field, space.coordinates) for field in fields))


def _along(space: es.PhaseSpace, field: sp.Matrix, direction: sp.Matrix) -> sp.Matrix:
    """Differentiate a vector field along another, DX·Y."""
    return field.jacobian(list(space.coordinates)) * direction


def _twice_along(space: es.PhaseSpace, field: sp.Matrix, direction: sp.Matrix) -> sp.Matrix:
    """Return the second derivative D²X(Y, Y), Y held fixed."""
    held = sp.Matrix(sp.symbols(f"y1:{2 * space.dim + 1}", real=True))
    second = _along(space, _along(space, field, held), held)
    return second.xreplace(dict(zip(held, direction, strict=True)))

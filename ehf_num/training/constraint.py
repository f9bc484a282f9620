"""What training bounds by κ: a penalty, such as mean squared brackets with the Hamiltonians.

    E[{g, H}²] ≤ κ            plain, the paper's
    E[{g, K}²], E[{g, U}²] ≤ κ          split: what each kick and each drift of leapfrog needs
    E[{g, H}² / (|∂g|² |X_H|²)] ≤ κ     normalized: the squared cosine of ∂g and X_H
    E[(H∘σ − H)²] ≤ κ         the change under a map σ of a finite symmetry

The expectation is over base states, over the states at both ends of the data's trajectories, or
over each of the two. States are constants for the gradient: the constraint is one on H, and an
encoder that could lower it would learn to propose momenta where {g, H} happens to be small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import autograd.numpy as anp
import numpy as np
from autograd.extend import defvjp, primitive

from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.flow import HamiltonianFlow
from ehf_num.hamiltonian.protocols import Separable
from ehf_sym import FiniteSymmetry, LieAlgebra, NumpyFormula, to_numpy

_FLOOR = 1e-8  # of |∂g|² |X_H|²: where H is flat the cosine has no limit


def generator_gradients(symmetry: LieAlgebra) -> NumpyFormula:
    """Bridge ∂g/∂s of every generator: states (n, 2d) to (n, K, 2d)."""
    return to_numpy(symmetry.generators, symmetry.space.coordinates).gradient


@runtime_checkable
class Penalty(Protocol):
    """What training holds below κ, one value or several, each with a multiplier of its own.

    `terms` should be made of `autograd.numpy`'s functions and be zero where nothing is wrong;
    `check_penalty` looks whether it is. States are constants.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """What each value is called."""

    def terms(self, flow: HamiltonianFlow, states: Array) -> Any:
        """Evaluate the values, (C,), of a flow with its weights in place at states (n, 2d)."""


@dataclass(frozen=True, eq=False)
class MeanSquaredBracket:
    """The mean squared brackets of generators with the Hamiltonians of a chain.

    Attributes
    ----------
    gradients : NumpyFormula
        ∂g/∂s of the K generators: states (n, 2d) to (n, K, 2d).
    split : bool
        Whether {g, K} and {g, U} are bounded one by one.
    normalized : bool
        Whether each square is divided by |∂g|² |X_H|².

    Examples
    --------
    >>> import ehf_sym as es
    >>> space = es.PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> gradients = generator_gradients(es.LieAlgebra(space, [q1 * p2 - q2 * p1]))
    >>> MeanSquaredBracket(gradients, split=True).names
    ('{g1,K}²', '{g1,U}²')
    """

    gradients: NumpyFormula
    split: bool = False
    normalized: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What each mean square is called, in order: K before U."""
        return tuple(
            f"{{g{k},{part}}}²"
            for k in range(1, self.gradients.shape[0] + 1)
            for part in ("KU" if self.split else "H")
        )

    def terms(self, flow: HamiltonianFlow, states: Array) -> Any:
        """Evaluate the mean squares of a flow's Hamiltonians at states (n, 2d)."""
        return self.of_fields(flow.fields(states), states)

    def of_fields(self, fields: Any, states: Array) -> Any:
        """Average over states and Hamiltonians.

        Parameters
        ----------
        fields : ndarray, shape (n, J, 2d)
            X_{H_j} at the states; may be on the tape.
        states : ndarray, shape (n, 2d)
            Where.

        Returns
        -------
        ndarray, shape (K,) or, split, (2K,)
        """
        parts = 2 if self.split else 1
        return mean_squared_brackets(fields, self.gradients(states), parts, self.normalized)

    def squares_and_pullback(
        self, fields: Array, states: Array
    ) -> tuple[Array, Callable[[Array], Array]]:
        """Evaluate `of_fields` off the tape, and return what turns cotangents back."""
        options = fields, self.gradients(states), 2 if self.split else 1, self.normalized
        squares: Array = mean_squared_brackets(*options)
        return squares, _mean_squared_brackets_vjp(squares, *options)


@dataclass(frozen=True, eq=False)
class ChangeUnderMaps:
    """How much Hamiltonians change under linear maps σ: E[(H∘σ − H)²].

    Where H is not K + U, and gives its vector field alone, |X_H∘σ − σ X_H|² stands for it.

    Attributes
    ----------
    labels : tuple of str
        Of the maps.
    on_positions, on_momenta : ndarray, shape (K, d, d)
        A and A⁻ᵀ.

    Examples
    --------
    >>> import ehf_sym as es
    >>> change_under(es.groups.symmetric(2)).names
    ('(H∘swap_1,2 - H)²',)
    """

    labels: tuple[str, ...]
    on_positions: Array
    on_momenta: Array

    @property
    def names(self) -> tuple[str, ...]:
        """What each mean square is called."""
        return tuple(f"(H∘{label} - H)²" for label in self.labels)

    def terms(self, flow: HamiltonianFlow, states: Array) -> Any:
        """Average over states (n, 2d) and Hamiltonians: (K,)."""
        means = []
        for A, B in zip(self.on_positions, self.on_momenta, strict=True):
            changes = [change_of(h, A, B, states) for h in flow.hamiltonians]
            means.append(sum(changes) / len(changes))
        return anp.stack(means)


def change_of(hamiltonian: Any, on_positions: Array, on_momenta: Array, states: Array) -> Any:
    """Evaluate E[(H∘σ − H)²] at states (n, 2d), or what stands for it."""
    A, B = on_positions.astype(states.dtype), on_momenta.astype(states.dtype)
    q, p = np.split(states, 2, axis=1)
    if isinstance(hamiltonian, Separable):
        change = hamiltonian.kinetic(p @ B.T) - hamiltonian.kinetic(p)
        change = change + hamiltonian.potential(q @ A.T) - hamiltonian.potential(q)
        return anp.mean(change**2)
    velocity, force = hamiltonian.vector_field(q, p)
    moved_velocity, moved_force = hamiltonian.vector_field(q @ A.T, p @ B.T)
    gaps = (moved_velocity - anp.dot(velocity, A.T)) ** 2 + (moved_force - anp.dot(force, B.T)) ** 2
    return anp.mean(anp.sum(gaps, axis=1))


def change_under(finite: FiniteSymmetry) -> ChangeUnderMaps:
    """Bridge the generators of a finite symmetry."""
    return ChangeUnderMaps(tuple(finite.labels), *map_matrices(finite))


def map_matrices(finite: FiniteSymmetry) -> tuple[Array, Array]:
    """Turn A and A⁻ᵀ of each generator into floats, (K, d, d) twice."""
    both = (finite.generators, finite.momentum_generators)
    on_q, on_p = (np.array([np.array(a.evalf().tolist(), float) for a in each]) for each in both)
    return on_q, on_p


@dataclass(frozen=True, eq=False)
class BracketAndChange:
    """The penalty of a symmetry with a finite part: brackets, then changes under maps."""

    bracket: MeanSquaredBracket
    change: ChangeUnderMaps

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the parts, one after the other."""
        return (*self.bracket.names, *self.change.names)

    def terms(self, flow: HamiltonianFlow, states: Array) -> Any:
        """Evaluate both at states (n, 2d)."""
        parts = (self.bracket.terms(flow, states), self.change.terms(flow, states))
        return anp.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Constraint:
    """A penalty, and the states that it is held to.

    Attributes
    ----------
    penalty : Penalty
        What is held below κ.
    states : {"base", "data", "both"}
        Where.

    Examples
    --------
    >>> import ehf_sym as es
    >>> space = es.PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> gradients = generator_gradients(es.LieAlgebra(space, [q1 * p2 - q2 * p1]))
    >>> Constraint(MeanSquaredBracket(gradients, split=True), states="both").names
    ('{g1,K}² base', '{g1,U}² base', '{g1,K}² data', '{g1,U}² data')
    """

    penalty: Penalty
    states: str = "base"

    @property
    def on_base(self) -> bool:
        """Whether base states are looked at."""
        return self.states != "data"

    @property
    def on_data(self) -> bool:
        """Whether the data's states are looked at."""
        return self.states != "base"

    @property
    def names(self) -> tuple[str, ...]:
        """What each value is called, in order: base before data."""
        places = ("base", "data") if self.states == "both" else (self.states,)
        return tuple(f"{name} {place}" for place in places for name in self.penalty.names)


def brackets_with(gradients: Any, fields: Any) -> Any:
    """Evaluate {g_k, H} = ∂g_k/∂s · X_H.

    Parameters
    ----------
    gradients : ndarray, shape (..., K, 2d)
        ∂g/∂s at the states.
    fields : ndarray, shape (..., 2d)
        X_H = (∂K/∂p, −∂U/∂q) there.

    Returns
    -------
    ndarray, shape (..., K)
    """
    return anp.sum(gradients * anp.expand_dims(fields, -2), axis=-1)


@primitive  # type: ignore[untyped-decorator]
def mean_squared_brackets(
    fields: Array, gradients: Array, parts: int = 1, normalized: bool = False
) -> Array:
    """Average squared brackets over states and Hamiltonians.

    Parameters
    ----------
    fields : ndarray, shape (n, J, 2d)
        X_{H_j} at the states; differentiable.
    gradients : ndarray, shape (n, K, 2d)
        ∂g_k/∂s at the states.
    parts : {1, 2}
        1: {g, H}. 2: {g, K}, whose field is X_H's first half, and {g, U}, whose is the second.
    normalized : bool
        Whether each square is divided by the squared lengths of its two vectors.

    Returns
    -------
    ndarray, shape (K · parts,)

    Examples
    --------
    >>> fields, gradients = np.array([[[3.0, 4.0]]]), np.array([[[1.0, 1.0]]])
    >>> mean_squared_brackets(fields, gradients, 2)
    array([ 9., 16.])
    >>> mean_squared_brackets(fields, gradients, normalized=True).round(4)
    array([0.98])
    """
    halves, slopes = _in_parts(fields, parts), _in_parts(gradients, parts)
    brackets = np.einsum("nki,nji->njk", slopes, halves)
    ratios = brackets / _scale(halves, slopes) if normalized else brackets
    return _means(brackets, ratios, parts)


def _means(brackets: Array, ratios: Array, parts: int) -> Array:
    """Average brackets · ratios over states and Hamiltonians: (n · parts, J, K) to (K · parts,)."""
    shape = (parts, -1, brackets.shape[2])
    result: Array = np.einsum("pnk,pnk->kp", brackets.reshape(shape), ratios.reshape(shape))
    result *= parts / (brackets.shape[0] * brackets.shape[1])
    return result.ravel()


def _in_parts(rows: Any, parts: int) -> Any:
    """Cut vectors (n, m, 2d) into rows of their own: (n · parts, m, 2d / parts), part by part."""
    return rows if parts == 1 else anp.concatenate(anp.split(rows, parts, axis=2))


def _put_together(rows: Any, parts: int) -> Any:
    """Undo `_in_parts`."""
    return rows if parts == 1 else anp.concatenate(anp.split(rows, parts), axis=2)


def _factors(cotangent: Any, fields: int, states: int, parts: int) -> Any:
    """Share cotangents of the means among so many fields: one for each part of each generator."""
    factors = cotangent * (2 / fields)
    if parts == 1:
        return factors
    by_part = anp.reshape(factors, (-1, 1, parts)).T
    return anp.repeat(by_part, states, axis=0)  # rows go part by part


def _shrinking(ratios: Any, factors: Any, slopes: Any) -> Any:
    """Evaluate what |X_H|² below the bracket takes away: (n, J, 1)."""
    terms = ratios**2 * factors * _squared_lengths(slopes)[:, None]
    return anp.sum(terms, axis=2)[..., None]


def _squared_lengths(vectors: Any) -> Any:
    return anp.einsum("nmi,nmi->nm", vectors, vectors)


def _scale(halves: Any, slopes: Any) -> Any:
    """Evaluate |∂g|² |X_H|², kept off zero: (n, J, K)."""
    return _squared_lengths(slopes)[:, None] * _squared_lengths(halves)[:, :, None] + _FLOOR


def _mean_squared_brackets_vjp(
    _answer: Any, fields: Any, gradients: Any, parts: int = 1, normalized: bool = False
) -> Any:
    def vjp(cotangent: Any) -> Any:
        halves, slopes = _in_parts(fields, parts), _in_parts(gradients, parts)
        ratios = anp.einsum("nki,nji->njk", slopes, halves)
        states, each = fields.shape[:2]
        factors = _factors(cotangent, states * each, states, parts)
        if normalized:
            ratios = ratios / _scale(halves, slopes)
        bars = anp.einsum("njk,nki->nji", ratios * factors, slopes)
        if normalized:
            bars = bars - _shrinking(ratios, factors, slopes) * halves
        return _put_together(bars, parts)

    return vjp


defvjp(mean_squared_brackets, _mean_squared_brackets_vjp, argnums=(0,))

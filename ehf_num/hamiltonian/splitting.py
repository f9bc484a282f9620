"""A chain of kicks and drifts: as one node in C, or rebuilt from its end.

Most of what a tape costs is in many small nodes. In C all kicks and drifts of all Hamiltonians are
one: a kick p' = p + c ∂U(q) turns cotangents by q̄ += c (∂²U)ᵀ p̄', a drift likewise. Vector fields
at further states ("probes"), which the brackets need, are of the same networks and go along.

What the backward pass needs is either kept, or rebuilt: each part undoes itself, so states come
back from the end by the same kicks and drifts with the sign turned, and each gradient that moves a
state back also gives what its pullback needs. Memory is then that of one evaluation, whatever the
number of steps, for one more forward pass in time; and rounding makes the start that is rebuilt
differ from the true one, which `reversal.ReversalWatch` reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import cycle
from typing import Any, Protocol

import autograd.numpy as anp
import numpy as np
from autograd import make_vjp as autograd_vjp
from autograd.extend import defvjp_argnums, primitive
from autograd.tracer import isbox

from ehf_num.engine.engine import InC, Weights
from ehf_num.engine.native import (
    Inputs,
    NativeChain,
    array_counts,
    evaluations,
    pair_shapes,
    pair_sizes,
    takes,
)
from ehf_num.engine.reversal import report_reversal
from ehf_num.engine.tape import make_vjp, part
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.invariant_energy import feature_gradient_reference

LEAPFROG = (0.5, 1.0, 0.5)


def schedule(steps: int, dt: float, shares: Sequence[float] = LEAPFROG) -> tuple[float, ...]:
    """List the factors of all kicks and drifts by turns, a kick first; a kick's is negative.

    The shares of one step are of dt, and begin and end with a kick: those of two steps are merged.

    Examples
    --------
    >>> schedule(2, 0.5)
    (-0.25, 0.5, -0.5, 0.5, -0.25)
    """
    inner, merged = shares[1:-1], shares[-1] + shares[0]
    of_steps = [shares[0], *(*inner, merged) * (steps - 1), *inner, shares[-1]]
    return tuple([dt * share if k % 2 else -dt * share for k, share in enumerate(of_steps)])


def kicks_and_drifts(factors: Sequence[float]) -> Iterator[tuple[bool, float]]:
    """Pair every factor with whether it is a kick's: the first, the third, … are."""
    return zip(cycle((True, False)), factors, strict=False)


@dataclass(frozen=True)
class Chain:
    """Which maps there are, for the kernels in C.

    Attributes
    ----------
    factors : tuple of float
        Of the kicks and drifts of each Hamiltonian, by turns, a kick first and last.
    hamiltonians : int
        How many.
    rebuild : bool
        Whether the backward pass rebuilds states instead of keeping what the forward pass found.
    features : tuple of Quadratics, WindowSums or None, two of them
        What every K and every U is a network of; None: p and q.
    """

    factors: tuple[float, ...]
    hamiltonians: int
    rebuild: bool
    features: tuple[Inputs, Inputs] = (None, None)

    def applies(self, weights: Sequence[Any]) -> bool:
        """Whether the kernels in C take it with such weights."""
        networks = 2 * self.hamiltonians
        cut, rest = array_counts(len(weights) // self.hamiltonians, self.features)
        halves = weights[:cut], weights[cut : cut + rest]
        return all(map(takes, halves, (networks, networks), self.features))

    def kernel(self, weights: Weights) -> NativeChain | None:
        """Make weights ready for rows."""
        if not self.applies(weights):
            return None
        return NativeChain(self.factors, self.hamiltonians, self.rebuild, weights, self.features)

    def reference(self, q: Any, p: Any, probes: Any, *weights: Any) -> Any:
        """Do the same in autograd's operations: states, and below them the fields."""
        size = len(weights) // self.hamiltonians
        cut, _ = array_counts(size, self.features)
        dim, fields, (of_p, of_q) = q.shape[1], [], self.features
        for start in range(0, len(weights), size):
            kinetic, potential = weights[start : start + cut], weights[start + cut : start + size]
            for is_kick, factor in kicks_and_drifts(self.factors):
                if is_kick:
                    p = p + factor * feature_gradient_reference(of_q, q, *potential)
                else:
                    q = q + factor * feature_gradient_reference(of_p, p, *kinetic)
            velocity = feature_gradient_reference(of_p, probes[:, dim:], *kinetic)
            force = -feature_gradient_reference(of_q, probes[:, :dim], *potential)
            fields.append(anp.concatenate([velocity, force], axis=1))
        of_probes = anp.reshape(anp.stack(fields, axis=1), (-1, 2 * dim))
        return anp.concatenate([anp.concatenate([q, p], axis=1), of_probes])

    def kept_bytes(self, weights: Sequence[Any], rows: int, probes: int) -> int:
        """Count the bytes that the kernels keep between forward and backward pass."""
        sizes = pair_sizes(pair_shapes(weights, 2 * self.hamiltonians, self.features))
        blocks = evaluations(sizes, self.hamiltonians, len(self.factors), rows, probes)
        itemsize: int = weights[0].dtype.itemsize
        return sizes.kept * itemsize * blocks

    def __call__(self, q: Any, p: Any, probes: Any, *weights: Any) -> tuple[Any, Any]:
        """Map q, p (n, d) to states (n, 2d), and probes (m, 2d) to the X_H of every H at them.

        The fields are (m, number of Hamiltonians, 2d), the weights those of K_1, U_1, K_2, U_2, ….

        Examples
        --------
        >>> from ehf_num.engine.networks import init_energy
        >>> rng = np.random.default_rng(0)
        >>> weights = [w for _ in range(4) for w in init_energy([2, 8, 1], rng, "float64")]
        >>> chain = Chain(schedule(3, 0.1), hamiltonians=2, rebuild=False)
        >>> states, fields = chain(np.zeros((5, 2)), np.ones((5, 2)), np.ones((7, 4)), *weights)
        >>> states.shape, fields.shape
        ((5, 4), (7, 2, 4))
        """
        rows = InC(self.kernel, self.reference, row_arguments=3)(q, p, probes, *weights)
        shape = (len(probes), self.hamiltonians, probes.shape[1])
        if not len(probes):
            return rows, np.empty(shape, q.dtype)
        states, fields = part(rows, np.s_[: len(q)]), part(rows, np.s_[len(q) :])
        return states, anp.reshape(fields, shape)


def apply_parts(
    factors: Sequence[float],
    velocity: Callable[[Any], Any],
    slope: Callable[[Any], Any],
    q: Any,
    p: Any,
) -> tuple[Any, Any]:
    """Do kicks and drifts one after the other: ∂K/∂p and ∂U/∂q are given."""
    for is_kick, factor in kicks_and_drifts(factors):
        if is_kick:
            p = p + factor * slope(q)
        else:
            q = q + factor * velocity(p)
    return q, p


class Weighted(Protocol):
    """A Hamiltonian that is a dataclass with the weights of K and of U among its fields."""

    @property
    def kinetic_weights(self) -> Sequence[Any]:
        """Those of K."""

    @property
    def potential_weights(self) -> Sequence[Any]:
        """Those of U."""

    def grad_kinetic(self, p: Any) -> Any:
        """Evaluate ∂K/∂p."""

    def grad_potential(self, q: Any) -> Any:
        """Evaluate ∂U/∂q."""


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A map by kicks and drifts, of any energies with weights, whose states are rebuilt backwards.

    Attributes
    ----------
    factors : tuple of float
        Of the kicks and drifts, by turns, a kick first.
    hamiltonian : Weighted
        Of which other weights can be put in place.
    """

    factors: tuple[float, ...]
    hamiltonian: Any

    def __call__(self, q: Any, p: Any) -> tuple[Any, Any]:
        """Map q, p (n, d)."""
        weights = *self.hamiltonian.kinetic_weights, *self.hamiltonian.potential_weights
        if not any(isbox(array) for array in (q, p, *weights)):
            return self._flow(q, p, *weights)
        states, dim = _rebuilt(q, p, *weights, of=self), q.shape[1]
        return part(states, np.s_[:, :dim]), part(states, np.s_[:, dim:])

    def _flow(self, q: Any, p: Any, *weights: Any) -> tuple[Any, Any]:
        velocity, slope = partial(self._velocity, weights), partial(self._slope, weights)
        return apply_parts(self.factors, velocity, slope, q, p)

    def joined(self, q: Any, p: Any, *weights: Any) -> Any:
        """Map to states (n, 2d)."""
        return anp.concatenate(self._flow(q, p, *weights), axis=1)

    @property
    def _cut(self) -> int:
        return len(self.hamiltonian.kinetic_weights)

    def _velocity(self, weights: Sequence[Any], p: Any) -> Any:
        kinetic: Weighted = replace(self.hamiltonian, kinetic_weights=weights[: self._cut])
        return kinetic.grad_kinetic(p)

    def _slope(self, weights: Sequence[Any], q: Any) -> Any:
        potential: Weighted = replace(self.hamiltonian, potential_weights=weights[self._cut :])
        return potential.grad_potential(q)

    def pull_back(
        self, states: Array, bar: Array, start: tuple[Array, Array], weights: Sequence[Array]
    ) -> list[Array]:
        """Turn the cotangent of the end (n, 2d) into those of q, p and every weight."""
        q, p = (half.copy() for half in np.split(states, 2, axis=1))
        q_bar, p_bar = (half.copy() for half in np.split(bar, 2, axis=1))
        totals = [np.zeros_like(array) for array in weights]
        for is_kick, factor in reversed(list(kicks_and_drifts(self.factors))):
            gradient: Callable[..., Any] = self._slope if is_kick else self._velocity
            fixed, moved, fixed_bar, moved_bar = (
                (q, p, q_bar, p_bar) if is_kick else (p, q, p_bar, q_bar)
            )
            vjp, change = make_vjp(partial(_at, gradient), [fixed, *weights])
            moved -= factor * change
            bars = vjp(factor * moved_bar)
            fixed_bar += bars[0]
            for total, weight_bar in zip(totals, bars[1:], strict=True):
                total += weight_bar
        report_reversal(np.concatenate([q, p], axis=1), start)
        return [q_bar, p_bar, *totals]


def _at(gradient: Callable[..., Any], arguments: list[Any]) -> Any:
    return gradient(arguments[1:], arguments[0])


@primitive  # type: ignore[untyped-decorator]
def _rebuilt(q: Array, p: Array, *weights: Array, of: Rebuilt) -> Array:
    states: Array = of.joined(q, p, *weights)
    return states


def _rebuilt_vjp(
    argnums: tuple[int, ...], states: Any, args: tuple[Any, ...], keywords: dict[str, Rebuilt]
) -> Callable[[Any], tuple[Any, ...]]:
    of = keywords["of"]

    def vjp(bar: Any) -> tuple[Any, ...]:
        if isbox(bar) or any(isbox(array) for array in args):  # of higher order: all is kept
            bars = autograd_vjp(lambda each: of.joined(*each))(args)[0](bar)
        else:
            bars = of.pull_back(states, bar, (args[0], args[1]), args[2:])
        return tuple([bars[argnum] for argnum in argnums])

    return vjp


defvjp_argnums(_rebuilt, _rebuilt_vjp)

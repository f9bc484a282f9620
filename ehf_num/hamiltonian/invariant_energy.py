"""Energies that are networks of invariants: {g, H} = 0 whatever the weights.

K(p) = network(J(p)) has the gradient (∂J/∂p)ᵀ ∂network. Invariants of degree two at the most go
into the kernels in C as matrices; others, and their Jacobian, come through the bridge, exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import sympy as sp

from ehf_num.engine.engine import InC, energy_gradient
from ehf_num.engine.native import Inputs, NativeNetwork, WindowSums, takes
from ehf_num.engine.networks import Weights, energy, energy_gradient_reference
from ehf_num.engine.quadratic import Quadratics, quadratics
from ehf_num.engine.tape import on_tape
from ehf_num.engine.workspace import Array
from ehf_sym import Invariants, to_numpy
from ehf_sym.formulas.numpy_forms import NumpyFormula


@dataclass(frozen=True, eq=False)
class Features:
    """Functions of half a state and their gradients, on the tape.

    Attributes
    ----------
    formula : NumpyFormula
        (n, d) to (n, m).
    values : callable
        The same, differentiable.
    jacobian : callable
        (n, d) to (n, m, d), differentiable.
    quadratics : Quadratics or None
        The same functions as matrices, where they are of degree two at the most.
    """

    formula: NumpyFormula
    values: Callable[[Any], Any]
    jacobian: Callable[[Any], Any]
    quadratics: Quadratics | None

    @cached_property
    def energy_gradient(self) -> Callable[..., Any]:
        """(x, *weights) to the gradient of an energy network of these functions."""
        return InC(self._kernel, self._reference)

    def _kernel(self, weights: tuple[Array, ...]) -> NativeNetwork | None:
        if self.quadratics is None or not takes(weights, features=self.quadratics):
            return None
        return NativeNetwork("energy", weights, self.quadratics)

    def _reference(self, x: Any, *weights: Any) -> Any:
        slopes = energy_gradient(self.values(x), *weights)
        return anp.sum(anp.expand_dims(slopes, 2) * self.jacobian(x), axis=1)

    @property
    def count(self) -> int:
        """Number m of functions."""
        return self.formula.shape[0]


def invariant_features(invariants: Invariants, variables: Sequence[sp.Symbol]) -> Features:
    """Bridge a symmetry's invariants as inputs of an energy network.

    Examples
    --------
    >>> import ehf_sym as es
    >>> space = es.PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> symmetry = es.LieAlgebra(space, [q1 * p2 - q2 * p1])
    >>> features = invariant_features(symmetry.invariants(2, of="q"), space.q)
    >>> features.formula.expressions
    (q1**2/2 + q2**2/2,)
    """
    # Cosines and sines of angles are of degree 0, and bounded.
    degrees = [max(degree, 1) for degree in invariants.degrees]
    return tempered_features(zip(invariants.generators, degrees, strict=True), variables)


def tempered_features(
    invariants: Iterable[tuple[sp.Expr, int]], variables: Sequence[sp.Symbol]
) -> Features:
    """Bridge formulas with their degrees as inputs of a network, scaled by `tempered`.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> tempered_features([(x**2, 2)], (x,)).formula.expressions
    (x**2/2,)
    """
    formula = to_numpy([tempered(f, degree) for f, degree in invariants], variables)
    found = quadratics(formula.expressions, variables)
    return Features(formula, on_tape(formula), on_tape(formula.gradient), found)


def tempered(invariant: sp.Expr, degree: int) -> sp.Expr:
    """Scale an invariant so that it grows at most as a square: a network's input, not a power.

    I of degree n becomes I/n, and beyond degree two I/n (1 + (I/n)²)^(1/n − 1/2), which is smooth
    and increasing in I and grows as |I|^(2/n).

    Examples
    --------
    >>> tempered(sp.Symbol("I"), 4)
    I/(4*(I**2/16 + 1)**(1/4))
    """
    scaled = invariant / degree
    if degree <= 2:
        return sp.expand(scaled)
    return scaled * (1 + scaled**2) ** (sp.Rational(1, degree) - sp.Rational(1, 2))


@dataclass(frozen=True, eq=False)
class FeatureHamiltonian:
    """H = K(J(p)) + U(I(q)) with soft-plus networks K and U of given functions J and I."""

    kinetic_weights: Weights = field(repr=False)
    potential_weights: Weights = field(repr=False)
    of_p: Features = field(repr=False)
    of_q: Features = field(repr=False)

    @property
    def in_c(self) -> tuple[Inputs, Inputs] | None:
        """What K and U are of for the kernels in C; None: some function is no quadratic one."""
        of_p, of_q = self.of_p.quadratics, self.of_q.quadratics
        return None if of_p is None or of_q is None else (of_p, of_q)

    def kinetic(self, p: Any) -> Any:
        """Evaluate K: (n, d) to (n,)."""
        return energy(self.of_p.values(p), *self.kinetic_weights)

    def potential(self, q: Any) -> Any:
        """Evaluate U: (n, d) to (n,)."""
        return energy(self.of_q.values(q), *self.potential_weights)

    def grad_kinetic(self, p: Any) -> Any:
        """Evaluate ∂K/∂p: (n, d) to (n, d)."""
        return self.of_p.energy_gradient(p, *self.kinetic_weights)

    def grad_potential(self, q: Any) -> Any:
        """Evaluate ∂U/∂q: (n, d) to (n, d)."""
        return self.of_q.energy_gradient(q, *self.potential_weights)


def feature_gradient_reference(features: Inputs, x: Any, *weights: Any) -> Any:
    """Evaluate ∂energy/∂x of what the kernels in C know, on the tape."""
    if isinstance(features, WindowSums):
        return features.reference(x, *weights)
    if features is None:
        return energy_gradient_reference(x, *weights)
    slopes = energy_gradient_reference(features.values(x), *weights)
    return anp.sum(anp.expand_dims(slopes, 2) * features.jacobian(x), axis=1)

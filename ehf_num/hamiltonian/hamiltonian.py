"""Hamiltonians: K(p) + U(q) of networks, H(q, p) that is no such sum, and their vector fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import autograd.numpy as anp
import numpy as np
import sympy as sp

from ehf_num.engine.arguments import layer_widths, positive_integer
from ehf_num.engine.engine import energy_gradient
from ehf_num.engine.networks import Circular, Weights, energy, init_energy
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.invariant_energy import FeatureHamiltonian, Features, invariant_features
from ehf_num.hamiltonian.protocols import Motion, Separable
from ehf_sym import FiniteSymmetry, Invariants, LieAlgebra, PhaseSpace, Symmetry, ZeroVerdict
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.construction import verdicts_on
from ehf_sym.symmetry.frames import rotation_matrices
from ehf_sym.symmetry.rotation_group import generating_degree
from ehf_sym.symmetry.symmetry import (
    AnySymmetry,
    as_symmetry,
    symmetry_as_text,
    symmetry_of_text,
)


@dataclass(frozen=True, eq=False)
class NetworkHamiltonian:
    """K and U are soft-plus networks with the given weights (arrays, or boxes on the tape).

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.engine.networks import init_energy
    >>> rng = np.random.default_rng(0)
    >>> H = NetworkHamiltonian(*(init_energy([2, 8, 1], rng, "float64") for _ in range(2)))
    >>> H.grad_potential(np.zeros((3, 2))).shape
    (3, 2)
    """

    kinetic_weights: Weights = field(repr=False)
    potential_weights: Weights = field(repr=False)

    def kinetic(self, p: Any) -> Any:
        """Evaluate K(p): (n, d) to (n,)."""
        return energy(p, *self.kinetic_weights)

    def potential(self, q: Any) -> Any:
        """Evaluate U(q): (n, d) to (n,)."""
        return energy(q, *self.potential_weights)

    def grad_kinetic(self, p: Any) -> Any:
        """Evaluate ∂K/∂p: (n, d) to (n, d)."""
        return energy_gradient(p, *self.kinetic_weights)

    def grad_potential(self, q: Any) -> Any:
        """Evaluate ∂U/∂q: (n, d) to (n, d)."""
        return energy_gradient(q, *self.potential_weights)


@dataclass(frozen=True, eq=False)
class NonSeparable:
    """H(q, p) that is no sum K(p) + U(q): a soft-plus network of all coordinates, or of invariants.

    Angles of the space count by cosine and sine. With a symmetry, H is a network of its invariants
    of q and p together, such as q·p beside |q|² and |p|², and {g, H} = 0 whatever the weights.
    Leapfrog cannot integrate it: `ImplicitMidpoint` and `ExtendedPhaseSpace` do.

    Parameters
    ----------
    space : ehf_sym.PhaseSpace
        The coordinates.
    hidden : tuple of int
        Widths of the hidden layers.
    symmetry : ehf_sym.LieAlgebra, optional
        What H keeps by construction, on this space.
    degree : int, optional
        To which degree invariants are looked for; by default to which they are known to generate
        all, determinants of q and p included, or 2.

    Raises
    ------
    ehf_sym.ArgumentError
        If an argument is of the wrong kind, or there are no invariants to that degree.

    Examples
    --------
    >>> import numpy as np
    >>> import ehf_sym as es
    >>> symmetry = es.groups.so(2)
    >>> H = NonSeparable(symmetry.space, (8,), symmetry)
    >>> print(H.invariance(symmetry))
    {g, H} = 0 whatever the weights: proved
      H is a network of q1**2 + q2**2, p1*q1 + p2*q2, -p1*q2 + p2*q1, p1**2 + p2**2
      These generate all: every invariant H is of this form.
    >>> weights = H.init(np.random.default_rng(0), "float64")
    >>> velocity, force = H.vector_field(weights, np.zeros((3, 2)), np.ones((3, 2)))
    >>> velocity.shape
    (3, 2)
    """

    space: PhaseSpace
    hidden: tuple[int, ...] = (64, 64)
    symmetry: AnySymmetry | None = None
    degree: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.space, PhaseSpace):
            raise ArgumentError(f"space was {self.space!r}; it should be an ehf_sym.PhaseSpace")
        object.__setattr__(self, "hidden", layer_widths(self.hidden, "hidden"))
        if self.degree is not None:
            object.__setattr__(self, "degree", positive_integer(self.degree, "degree"))
        if self.space.parameters:
            raise ArgumentError(
                f"space has parameters {self.space.parameters}; it should have none: learned "
                "weights are H's own"
            )
        if not isinstance(self.symmetry, LieAlgebra | FiniteSymmetry | Symmetry | None):
            raise ArgumentError(
                f"symmetry was {self.symmetry!r}; it should be a LieAlgebra, a FiniteSymmetry or a "
                "Symmetry"
            )
        if self.symmetry is None:
            return
        if self.symmetry.space != self.space:
            raise ArgumentError(
                f"symmetry was on {self.symmetry.space}; it should be on that of H, {self.space}"
            )
        if not self.invariants:
            raise ArgumentError(
                f"symmetry has no invariants of q and p to degree {self._degree} for H to be a "
                "network of; take a higher degree, or a symmetry that leaves something to depend on"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return NonSeparable, (self.space, self.hidden, self.symmetry, self.degree)

    @cached_property
    def invariants(self) -> tuple[sp.Expr, ...]:
        """What H is a network of; none: the coordinates themselves."""
        return () if self._found is None else self._found.generators

    @cached_property
    def _enough(self) -> int | None:
        """A degree to which invariants of q and p are known to generate all."""
        if not isinstance(self.symmetry, LieAlgebra):
            return None
        return generating_degree(_of_both(self.symmetry))

    @property
    def _degree(self) -> int:
        return self.degree or self._enough or 2

    @cached_property
    def _found(self) -> Invariants | None:
        return None if self.symmetry is None else self.symmetry.invariants(self._degree, of="s")

    @cached_property
    def _features(self) -> Features | None:
        found = self._found
        return None if found is None else invariant_features(found, self.space.coordinates)

    @cached_property
    def _inputs(self) -> Circular:
        return Circular(2 * self.space.dim, tuple(self.space.angles))

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the initial weights."""
        inputs = len(self.invariants) or self._inputs.width
        return init_energy((inputs, *self.hidden, 1), rng, dtype)

    def value(self, weights: Weights, q: Any, p: Any) -> Any:
        """Evaluate H: (n, d) twice to (n,), dimensionless."""
        states, features = anp.concatenate([q, p], axis=1), self._features
        seen = self._inputs(states) if features is None else features.values(states)
        return energy(seen, *weights)

    def vector_field(self, weights: Weights, q: Any, p: Any) -> tuple[Any, Any]:
        """Evaluate (∂H/∂p, −∂H/∂q): (n, d) twice to (n, d) twice."""
        states, features, dim = anp.concatenate([q, p], axis=1), self._features, q.shape[1]
        if features is None:
            seen = self._inputs(states)
            slopes = self._inputs.slopes(seen, energy_gradient(seen, *weights))
        else:
            slopes = features.energy_gradient(states, *weights)
        return slopes[:, dim:], -slopes[:, :dim]

    def saved(self) -> dict[str, Any]:
        """Return the options of `restored`, as JSON has them."""
        told: dict[str, Any] = {"dim": self.space.dim, "hidden": list(self.hidden)}
        if self.symmetry is None:
            told["generators"] = None
        else:
            told |= symmetry_as_text(as_symmetry(self.symmetry))
        if self.space.angles:
            told["angles"] = list(self.space.angles)
        return told | {"degree": self.degree}

    @classmethod
    def restored(
        cls,
        dim: int,
        hidden: Sequence[int],
        generators: Sequence[str] | None,
        degree: int | None,
        angles: Sequence[int] = (),
        **of_maps: Any,
    ) -> NonSeparable:
        """Make one again of what `saved` returned."""
        space = PhaseSpace(dim, angles=angles)
        if generators is None:
            return cls(space, tuple(hidden), None, degree)
        symmetry = symmetry_of_text({"generators": generators, **of_maps}, space)
        return cls(space, tuple(hidden), symmetry, degree)

    def invariance(self, symmetry: AnySymmetry) -> BracketsOfInvariants:
        """Prove {g, H} = 0 for every generator g by the chain rule, from {g, I} = 0 exactly.

        H∘σ = H for a finite part follows from I∘σ = I.
        """
        functions = self.invariants or self.space.coordinates
        whole = as_symmetry(symmetry)
        rows = () if whole is None else verdicts_on(whole, functions)
        verdicts = tuple(verdict for row in rows for verdict in row)
        generating = self._enough is not None and self._degree >= self._enough
        return BracketsOfInvariants(functions, verdicts, generating)


@dataclass(frozen=True)
class BracketsOfInvariants:
    """Whether {g, I} = 0 of all functions that a network is of, and so {g, H} = 0.

    Attributes
    ----------
    functions : tuple of sympy.Expr
        The I.
    verdicts : tuple of ZeroVerdict
        Is {g, I} identically zero? For each g, one after the other, of each I.
    is_generating : bool
        Whether they are known to generate all invariant polynomials of a compact group, or of
        translations: H then keeps no larger group for want of them.
    """

    functions: tuple[sp.Expr, ...]
    verdicts: tuple[ZeroVerdict, ...]
    is_generating: bool = False

    @property
    def proved(self) -> bool:
        """Whether every bracket is proved to vanish."""
        return all(verdict.proved for verdict in self.verdicts)

    def __str__(self) -> str:
        status = "proved" if self.proved else "not proved"
        of = ", ".join(map(str, self.functions))
        lines = [f"{{g, H}} = 0 whatever the weights: {status}", f"  H is a network of {of}"]
        if self.proved and self.is_generating:
            lines.append("  These generate all: every invariant H is of this form.")
        elif self.proved:
            lines.append("  They may not tell all orbits apart: H may keep a larger group.")
        return "\n".join(lines)


def _of_both(symmetry: LieAlgebra) -> LieAlgebra:
    """Let rotations move q and p as twice as many vectors; other symmetries stay."""
    matrices, dim = rotation_matrices(symmetry), symmetry.space.dim
    if matrices is None:
        return symmetry
    space = PhaseSpace(2 * dim)
    q, p = (sp.Matrix(2, dim, half) for half in (space.q, space.p))
    return LieAlgebra(space, [sp.expand((p * sp.Matrix(m) * q.T).trace()) for m in matrices])


def vector_field(hamiltonian: Separable | Motion, states: Any) -> Any:
    """Evaluate X_H = (∂H/∂p, −∂H/∂q): states (n, 2d) to (n, 2d)."""
    dim = states.shape[1] // 2
    q, p = states[:, :dim], states[:, dim:]
    if isinstance(hamiltonian, Motion):
        velocity, force = hamiltonian.vector_field(q, p)
    else:
        velocity, force = hamiltonian.grad_kinetic(p), -hamiltonian.grad_potential(q)
    return anp.concatenate([velocity, force], axis=1)


@runtime_checkable
class Scalable(Separable, Protocol):
    """K + U that may know of which weights it is the same energy times a factor."""

    def times(self, factor: Any) -> Separable | None:
        """Return c H with other weights; None: it does not know."""


def times(hamiltonian: Separable | Motion, factor: Any) -> Separable | Motion:
    """Return c H, of networks with the weights of their last layers times c; c may be a box.

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.engine.networks import init_energy
    >>> rng = np.random.default_rng(0)
    >>> H = NetworkHamiltonian(*(init_energy([2, 8, 1], rng, "float64") for _ in range(2)))
    >>> twice = times(H, np.array([2.0]))
    >>> bool(np.allclose(twice.kinetic(np.ones((3, 2))), 2 * H.kinetic(np.ones((3, 2)))))
    True
    """
    if isinstance(hamiltonian, NetworkHamiltonian | FeatureHamiltonian):
        kinetic, potential = hamiltonian.kinetic_weights, hamiltonian.potential_weights
        return replace(
            hamiltonian,
            kinetic_weights=(*kinetic[:-1], factor * kinetic[-1]),
            potential_weights=(*potential[:-1], factor * potential[-1]),
        )
    if isinstance(hamiltonian, Scalable):
        return hamiltonian.times(factor) or _SeparableTimes(hamiltonian, factor)
    if isinstance(hamiltonian, Motion):
        return _MotionTimes(hamiltonian, factor)
    return _SeparableTimes(hamiltonian, factor)


@dataclass(frozen=True, eq=False)
class _MotionTimes:
    of: Motion
    factor: Any

    def vector_field(self, q: Any, p: Any) -> tuple[Any, Any]:
        velocity, force = self.of.vector_field(q, p)
        return self.factor * velocity, self.factor * force


@dataclass(frozen=True, eq=False)
class _SeparableTimes:
    of: Separable
    factor: Any

    def kinetic(self, p: Any) -> Any:
        return self.factor * self.of.kinetic(p)

    def potential(self, q: Any) -> Any:
        return self.factor * self.of.potential(q)

    def grad_kinetic(self, p: Any) -> Any:
        return self.factor * self.of.grad_kinetic(p)

    def grad_potential(self, q: Any) -> Any:
        return self.factor * self.of.grad_potential(q)

"""Integrators by kicks and drifts, steps that are learned, dilations, and what maps keep.

Each is a frozen dataclass that keeps to `protocols.Integrator`. Densities need a symplectic one:
the formula p(s') = π(s) holds where the map preserves volume.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Any, ClassVar

import autograd.numpy as anp
import numpy as np
import sympy as sp

from ehf_num.engine.arguments import one_of, positive_integer, positive_number
from ehf_num.engine.native import Inputs
from ehf_num.engine.networks import kept_numbers
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.energies import SumOfEnergies
from ehf_num.hamiltonian.hamiltonian import NetworkHamiltonian, times
from ehf_num.hamiltonian.invariant_energy import FeatureHamiltonian
from ehf_num.hamiltonian.protocols import Integrator, LearnedIntegrator, Motion, Separable
from ehf_num.hamiltonian.splitting import LEAPFROG, Chain, Rebuilt, apply_parts, schedule
from ehf_sym import FiniteSymmetry, LieAlgebra, PhaseSpace, ZeroVerdict, is_zero
from ehf_sym.errors import ArgumentError

MOST_KEPT = 2**28  # bytes of activations beyond which states are rebuilt


@dataclass(frozen=True)
class Stepped:
    """What maps of so many steps have in common: both positive, or ArgumentError is raised."""

    steps: int = 2
    step_size: float = 0.5

    def __post_init__(self) -> None:
        positive_integer(self.steps, "steps")
        positive_number(self.step_size, "step_size")


@dataclass(frozen=True)
class Splitting(Stepped):
    """Kicks p − c dt ∂U/∂q and drifts q + c dt ∂K/∂p by turns: symplectic, exactly reversible.

    What `Leapfrog`, `Yoshida4` and `BlanesMoan4` have in common; they differ in the shares c.
    """

    reversible: bool | str = "auto"
    order: ClassVar[int]
    symplectic: ClassVar[bool] = True
    shares: ClassVar[tuple[float, ...]]

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of(self.reversible, "reversible", ("auto", True, False))

    def forward(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        """Flow states q, p of shape (n, d) for time steps·dt."""
        return self._flow(hamiltonian, q, p, inverse=False)

    def inverse(self, hamiltonian: Separable, q: Any, p: Any) -> tuple[Any, Any]:
        """Undo `forward`, exactly up to rounding."""
        return self._flow(hamiltonian, q, p, inverse=True)

    def positions(self, hamiltonian: Separable, q: Any, p: Any) -> Any:
        """Flow, and return q alone: the last half kick moves p, and is left out."""
        velocity, slope = hamiltonian.grad_kinetic, hamiltonian.grad_potential
        return apply_parts(self.factors()[:-1], velocity, slope, q, p)[0]

    def factors(self) -> tuple[float, ...]:
        """List the factors of all kicks and drifts by turns, a kick first; a kick's is −c dt."""
        return schedule(self.steps, self.step_size, self.shares)

    def backward(self) -> tuple[float, ...]:
        """List the factors that undo those of `factors`."""
        return tuple([-factor for factor in reversed(self.factors())])

    def _flow(self, hamiltonian: Separable, q: Any, p: Any, *, inverse: bool) -> tuple[Any, Any]:
        plan = self.plan([hamiltonian], len(q), 0, inverse=inverse)
        if plan is not None:
            chain, weights = plan
            states, _ = chain(q, p, np.empty((0, 2 * q.shape[1]), q.dtype), *weights)
            return states[:, : q.shape[1]], states[:, q.shape[1] :]
        factors = self.backward() if inverse else self.factors()
        if self._rebuilds(hamiltonian, len(q)):
            return Rebuilt(factors, hamiltonian)(q, p)
        velocity, slope = hamiltonian.grad_kinetic, hamiltonian.grad_potential
        return apply_parts(factors, velocity, slope, q, p)

    def _rebuilds(self, hamiltonian: Separable, rows: int) -> bool:
        """Whether the reference takes this map back from its end."""
        if self.reversible is False or not isinstance(
            hamiltonian, NetworkHamiltonian | FeatureHamiltonian
        ):
            return False
        potential = hamiltonian.potential_weights
        kept = len(self.factors()) * kept_numbers(potential) * potential[0].dtype.itemsize
        return self.reversible is True or rows * kept > MOST_KEPT

    def plan(
        self, hamiltonians: Sequence[Any], rows: int, probes: int, *, inverse: bool
    ) -> tuple[Chain, list[Any]] | None:
        """Choose the chain in C for so many rows and probes, with its weights; None: none applies.

        It takes states through the map of each Hamiltonian in turn, or through the inverses.
        """
        features = chained(hamiltonians)
        if features is None:
            return None
        weights = [
            array for h in hamiltonians for array in (*h.kinetic_weights, *h.potential_weights)
        ]
        factors = self.backward() if inverse else self.factors()
        chain = Chain(factors, len(hamiltonians), self.reversible is True, features)
        if not chain.applies(weights):
            return None
        if self.reversible == "auto" and chain.kept_bytes(weights, rows, probes) > MOST_KEPT:
            chain = replace(chain, rebuild=True)
        return chain, weights


@dataclass(frozen=True)
class Leapfrog(Splitting):
    """Kick–drift–kick, second order, symplectic, exactly reversible: the inverse takes −dt.

    Kicks of neighbouring steps are merged, so n steps cost n + 1 gradients of U and n of K.

    Parameters
    ----------
    steps : int
        Number of steps, at least 1.
    step_size : float
        dt, dimensionless, positive.
    reversible : {"auto", True, False}
        Whether derivatives of the map of a Hamiltonian with networks rebuild its states backwards
        from the end instead of keeping them: memory does not grow with steps then, for one more
        forward pass in time. "auto" keeps up to 256 MiB: of a chain in C, of a map elsewhere.

    Raises
    ------
    ehf_sym.ArgumentError
        If a parameter is out of range.

    Examples
    --------
    >>> Leapfrog(steps=2, step_size=0.5).order
    2
    """

    order: ClassVar[int] = 2
    shares: ClassVar[tuple[float, ...]] = LEAPFROG


_OUTER = 1 / (2 - 2 ** (1 / 3))


@dataclass(frozen=True)
class Yoshida4(Splitting):
    """Three leapfrog maps, the middle one back in time: fourth order, symplectic, reversible.

    Of a·dt, (1 − 2a)·dt and a·dt, a = 1/(2 − 2^(1/3)) (Yoshida, Phys. Lett. A 150, 262, 1990).
    n steps cost 3n + 1 gradients of U and 3n of K.

    Parameters
    ----------
    steps, step_size, reversible
        As of `Leapfrog`, which raises the same.

    Examples
    --------
    >>> len(Yoshida4(steps=1, step_size=0.5).factors())
    7
    """

    order: ClassVar[int] = 4
    shares: ClassVar[tuple[float, ...]] = (
        _OUTER / 2,
        _OUTER,
        (1 - _OUTER) / 2,
        1 - 2 * _OUTER,
        (1 - _OUTER) / 2,
        _OUTER,
        _OUTER / 2,
    )


_KICKS = 0.0792036964311957, 0.353172906049774, -0.0420650803577195
_DRIFTS = 0.209515106613362, -0.143851773179818


@dataclass(frozen=True)
class BlanesMoan4(Splitting):
    """Six stages of fourth order with a small error: symplectic, exactly reversible.

    S6 of order 4 for partitioned systems (Blanes & Moan, J. Comput. Appl. Math. 142, 313, 2002,
    Table 2). n steps cost 6n + 1 gradients of U and 6n of K; at equal cost its error on a pendulum
    is a thirtieth of that of `Yoshida4`.

    Parameters
    ----------
    steps, step_size, reversible
        As of `Leapfrog`, which raises the same.

    Examples
    --------
    >>> len(BlanesMoan4(steps=1, step_size=0.5).factors())
    13
    """

    order: ClassVar[int] = 4
    shares: ClassVar[tuple[float, ...]] = (
        _KICKS[0],
        _DRIFTS[0],
        _KICKS[1],
        _DRIFTS[1],
        _KICKS[2],
        0.5 - sum(_DRIFTS),
        1 - 2 * sum(_KICKS),
        0.5 - sum(_DRIFTS),
        _KICKS[2],
        _DRIFTS[1],
        _KICKS[1],
        _DRIFTS[0],
        _KICKS[0],
    )


def chained(hamiltonians: Sequence[Any]) -> tuple[Inputs, Inputs] | None:
    """Find what every K and every U is a network of: (None, None) for p and q themselves.

    None where one chain in C cannot hold the Hamiltonians: some are of energies that no kernel
    knows, such as networks of functions that are not quadratic.
    """
    if all(isinstance(h, NetworkHamiltonian) for h in hamiltonians):
        return (None, None)
    first = hamiltonians[0]
    if not all(
        isinstance(h, FeatureHamiltonian | SumOfEnergies)
        and h.of_p is first.of_p
        and h.of_q is first.of_q
        for h in hamiltonians
    ):
        return None
    found: tuple[Inputs, Inputs] | None = first.in_c
    return found


@dataclass(frozen=True)
class Equivariance:
    """Whether a map commutes with the flow of every generator wherever every H does.

    Attributes
    ----------
    symmetry : LieAlgebra
        The generators.
    condition : str
        What the map asks of them.
    verdicts : tuple of tuple of ZeroVerdict
        Of each generator: does every function vanish that has to for this?
    in_the_limit : bool
        Whether it commutes for small steps at least.

    Examples
    --------
    >>> import ehf_sym as es
    >>> print(Dilated(Leapfrog()).equivariance(es.groups.so(2)))
    the map commutes with the symmetry where {g, q·p} = 0
      L_12: proved
    """

    symmetry: LieAlgebra
    condition: str
    verdicts: tuple[tuple[ZeroVerdict, ...], ...]
    in_the_limit: bool = True

    @property
    def proved(self) -> bool:
        """Whether it does for every generator."""
        return all(verdict.proved for verdicts in self.verdicts for verdict in verdicts)

    def __str__(self) -> str:
        lines = [f"the map commutes with the symmetry where {self.condition}"]
        for label, verdicts in zip(self.symmetry.labels, self.verdicts, strict=True):
            fault = next((verdict for verdict in verdicts if not verdict.proved), None)
            lines.append(f"  {label}: {'proved' if fault is None else fault}")
        return "\n".join(lines)


def affine(space: PhaseSpace, g: sp.Expr) -> Iterator[sp.Expr]:
    """Yield what vanishes where the flow of g is made of affine maps: its third derivatives."""
    for three in combinations_with_replacement(space.coordinates, 3):
        yield sp.diff(g, *three)


def lifted(space: PhaseSpace, g: sp.Expr) -> Iterator[sp.Expr]:
    """Yield what vanishes where it moves q by itself, by affine maps, and p along with it."""
    yield from affine(space, g)
    for half in (space.q, space.p):
        for two in combinations_with_replacement(half, 2):
            yield sp.diff(g, *two)


def rotation(space: PhaseSpace, g: sp.Expr) -> Iterator[sp.Expr]:
    """Yield what vanishes where it turns q and p alike, and shifts them."""
    yield from lifted(space, g)
    for i, k in combinations_with_replacement(range(space.dim), 2):
        yield sp.diff(g, space.q[i], space.p[k]) + sp.diff(g, space.q[k], space.p[i])


def dilation_bracket(space: PhaseSpace, g: sp.Expr) -> Iterator[sp.Expr]:
    """Yield {g, q·p}."""
    yield space.bracket(g, sum(a * b for a, b in zip(space.q, space.p, strict=True)))


def equivariance(
    symmetry: LieAlgebra,
    condition: str,
    defects: Callable[[PhaseSpace, sp.Expr], Iterator[sp.Expr]],
    *,
    in_the_limit: bool = True,
) -> Equivariance:
    """Decide for every generator whether its defects vanish."""
    verdicts = tuple(
        tuple(is_zero(defect) for defect in defects(symmetry.space, g)) for g in symmetry.generators
    )
    return Equivariance(symmetry, condition, verdicts, in_the_limit)


@dataclass(frozen=True, eq=False)
class Wrapped:
    """An integrator whose order and kind are those of another."""

    integrator: Any

    @property
    def order(self) -> int:
        """That of the integrator."""
        return int(self.integrator.order)

    @property
    def symplectic(self) -> bool:
        """Whether the integrator is."""
        return bool(self.integrator.symplectic)

    @property
    def carries(self) -> bool:
        """Whether it moves q by itself, and p along with it, besides what H does."""
        return bool(getattr(self.integrator, "carries", False))

    def carried_back(self, q: Any, carrier: Any) -> tuple[Any, Any]:
        """Undo that alone, with weights in place: q (n, d), and A of p = A p' (n, d, d)."""
        return carried_back(self.integrator, q, carrier)


class WithWeights(Wrapped):
    """An integrator with weights beside those of another: one, of which learning starts at 0."""

    def __post_init__(self) -> None:
        admit_integrator(self.integrator)

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Return the weight, 0, and those of the integrator."""
        return [np.zeros(1, dtype), *initial(self.integrator, rng, dtype)]

    def at(self, weights: Sequence[Any]) -> Integrator:
        """Put the weights in place."""
        raise NotImplementedError

    def forward(self, hamiltonian: Separable | Motion, q: Any, p: Any) -> tuple[Any, Any]:
        """Flow states by the map that learning starts from."""
        return self.at(self.init(np.random.default_rng(0), q.dtype)).forward(hamiltonian, q, p)

    def inverse(self, hamiltonian: Separable | Motion, q: Any, p: Any) -> tuple[Any, Any]:
        """Undo `forward`."""
        return self.at(self.init(np.random.default_rng(0), q.dtype)).inverse(hamiltonian, q, p)

    def equivariance(self, symmetry: LieAlgebra) -> Equivariance:
        """Decide whether the map commutes with the symmetry wherever every H does."""
        return of_integrator(self.integrator, symmetry)

    def commutes_with(self, finite: FiniteSymmetry) -> bool:
        """Whether it does with orthogonal matrices that leave every H alone: proved."""
        return commutes(self.integrator, finite)


@dataclass(frozen=True)
class LearnedStep(WithWeights):
    """An integrator with a step that is learned, one for every Hamiltonian of a chain.

    The step is e^θ dt, positive whatever θ, which is a weight and starts at 0. A map with such a
    step is the given one of e^θ H, so kernels in C serve as before.

    Parameters
    ----------
    integrator : Integrator
        Whose step_size is where learning starts.

    Examples
    --------
    >>> LearnedStep(Yoshida4(steps=1, step_size=0.5)).order
    4
    """

    def at(self, weights: Sequence[Any]) -> Integrator:
        """Put θ in place."""
        return _Faster(in_place(self.integrator, weights[1:]), anp.exp(weights[0]))

    def coefficients(self, weights: Sequence[Any]) -> dict[str, float]:
        """Return e^θ dt as "step_size", and what the integrator learned."""
        step_size = float(np.exp(weights[0][0]) * self.integrator.step_size)
        return {"step_size": step_size, **learned(self.integrator, weights[1:])}


@dataclass(frozen=True)
class Dilated(WithWeights):
    """An integrator, and after it (q, p) ↦ (e^s q, e^−s p), the flow of q·p, with s learned.

    Symplectic, its inverse exact. It changes the scale of q at once, for which a Hamiltonian needs
    many steps. Every symmetry with {g, q·p} = 0, which all are whose g = pᵀAq, is kept exactly;
    models refuse others. s is a weight of every Hamiltonian of a chain, and starts at 0.

    Parameters
    ----------
    integrator : Integrator
        What comes before.

    Examples
    --------
    >>> Dilated(Leapfrog(steps=2, step_size=0.5)).symplectic
    True
    """

    def at(self, weights: Sequence[Any]) -> Integrator:
        """Put s in place."""
        return _Stretched(in_place(self.integrator, weights[1:]), anp.exp(weights[0]))

    def coefficients(self, weights: Sequence[Any]) -> dict[str, float]:
        """Return e^s as "dilation", and what the integrator learned."""
        return {
            "dilation": float(np.exp(weights[0][0])),
            **learned(self.integrator, weights[1:]),
        }

    def equivariance(self, symmetry: LieAlgebra) -> Equivariance:
        """Decide whether {g, q·p} = 0 for every g, and what the integrator asks for."""
        own = equivariance(symmetry, "{g, q·p} = 0", dilation_bracket, in_the_limit=False)
        inner = of_integrator(self.integrator, symmetry)
        return own if inner.proved or not own.proved else inner


@dataclass(frozen=True, eq=False)
class _Stretched(Wrapped):
    stretch: Any

    def forward(self, hamiltonian: Any, q: Any, p: Any) -> tuple[Any, Any]:
        q, p = self.integrator.forward(hamiltonian, q, p)
        return q * self.stretch, p / self.stretch

    def inverse(self, hamiltonian: Any, q: Any, p: Any) -> tuple[Any, Any]:
        back: tuple[Any, Any] = self.integrator.inverse(
            hamiltonian, q / self.stretch, p * self.stretch
        )
        return back

    def carried_back(self, q: Any, carrier: Any) -> tuple[Any, Any]:
        return super().carried_back(q / self.stretch, carrier / self.stretch)


@dataclass(frozen=True, eq=False)
class _Faster(Wrapped):
    factor: Any

    def forward(self, hamiltonian: Any, q: Any, p: Any) -> tuple[Any, Any]:
        return tuple(self.integrator.forward(times(hamiltonian, self.factor), q, p))

    def inverse(self, hamiltonian: Any, q: Any, p: Any) -> tuple[Any, Any]:
        return tuple(self.integrator.inverse(times(hamiltonian, self.factor), q, p))


def innermost(integrator: Any) -> Any:
    """Return the integrator inside those with weights of their own."""
    while isinstance(integrator, WithWeights):
        integrator = integrator.integrator
    return integrator


def admit_integrator(integrator: Any) -> None:
    """Refuse what does not keep to `protocols.Integrator`."""
    if isinstance(integrator, type) or not isinstance(integrator, Integrator):
        raise ArgumentError(
            f"integrator was {integrator!r}; it should have forward, inverse, order and "
            "symplectic, as Leapfrog(steps=2, step_size=0.5) has"
        )


def initial(integrator: Any, rng: np.random.Generator, dtype: Any) -> list[Array]:
    """Draw an integrator's weights; most have none."""
    return integrator.init(rng, dtype) if isinstance(integrator, LearnedIntegrator) else []


def in_place(integrator: Any, weights: Sequence[Any]) -> Any:
    """Put an integrator's weights in place, where it has any."""
    return integrator.at(weights) if isinstance(integrator, LearnedIntegrator) else integrator


def learned(part: Any, weights: Sequence[Any]) -> dict[str, float]:
    """Return what a part learned by name, where it can tell."""
    tell = getattr(part, "coefficients", None)
    return tell(weights) if callable(tell) else {}


def of_integrator(integrator: Any, symmetry: LieAlgebra) -> Equivariance:
    """Ask an integrator; one that cannot say moves q and p by H alone, as leapfrog does."""
    found: Equivariance | None = None
    if callable(getattr(integrator, "equivariance", None)):
        found = integrator.equivariance(symmetry)
    return found or Equivariance(symmetry, "every H does", ((),) * len(symmetry.generators))


def commutes(integrator: Any, finite: FiniteSymmetry) -> bool:
    """Ask an integrator likewise about orthogonal matrices."""
    tell = getattr(integrator, "commutes_with", None)
    return tell(finite) if callable(tell) else True


def carried_back(integrator: Any, q: Any, carrier: Any) -> tuple[Any, Any]:
    """Ask an integrator where q was before what it does besides H, and how p was carried along."""
    tell = getattr(integrator, "carried_back", None)
    return tell(q, carrier) if callable(tell) else (q, carrier)

"""Kepler's problem and the isotropic oscillator, which have more symmetry than meets the eye."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

from sympy import Add, Expr, ImmutableMatrix, Symbol, sqrt

from ehf_sym.catalogue.generators import (
    angular_momenta,
    labelled_algebra,
    numbered,
    positive_constant,
    space_for,
)
from ehf_sym.catalogue.unitary import oscillator_su
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import record_text
from ehf_sym.formulas.validation import whole_number
from ehf_sym.symmetry.lie_algebra import LieAlgebra

_MASS = Symbol("m", positive=True)
_STRENGTH = Symbol("k", positive=True)
_FREQUENCY = Symbol("w", positive=True)


@dataclass(frozen=True)
class _OneParticle:
    """A particle in D dimensions, in a potential that depends on |q| and positive constants."""

    dimension: int = 3
    mass: Any = _MASS

    @property
    def _constants(self) -> tuple[str, ...]:
        return tuple(each.name for each in fields(self) if each.name != "dimension")

    def __post_init__(self) -> None:
        object.__setattr__(self, "dimension", whole_number(self.dimension, "dimension", 2))
        for name in self._constants:
            object.__setattr__(self, name, positive_constant(getattr(self, name), name))

    @cached_property
    def space(self) -> PhaseSpace:
        """Phase space of the particle."""
        return space_for(self.dimension, None, *(getattr(self, name) for name in self._constants))

    @property
    def angular_momentum(self) -> tuple[Expr, ...]:
        """L, in the order of `ehf_sym.catalogue.groups.so`."""
        return tuple(formula for _, formula in angular_momenta(self.space.q, self.space.p))


@dataclass(frozen=True)
class Kepler(_OneParticle):
    """One particle in the attractive potential −k/|q|: H = |p|²/2m − k/|q|.

    Parameters
    ----------
    dimension : int
        D, at least 2.
    mass, strength : int or sympy.Expr
        m and k: positive numbers or symbols.

    Attributes
    ----------
    space : PhaseSpace
        Of D positions, with the symbols of m and k as parameters.

    Raises
    ------
    ArgumentError
        If an argument is not as described.

    References
    ----------
    H. Goldstein, *Classical Mechanics*, 2nd ed., sections 3-9 and 9-7; W. Pauli, Z. Phys. 36, 336
    (1926); V. Fock, Z. Phys. 98, 145 (1935).

    Examples
    --------
    >>> from ehf_sym import is_zero
    >>> kepler = Kepler(3)
    >>> kepler.hamiltonian
    -k/sqrt(q1**2 + q2**2 + q3**2) + (p1**2 + p2**2 + p3**2)/(2*m)
    >>> is_zero(kepler.space.bracket(kepler.runge_lenz[0], kepler.hamiltonian)).status
    'proved'
    >>> kepler.symmetry().labels
    ('L_1', 'L_2', 'L_3', 'A_1', 'A_2', 'A_3')
    """

    strength: Any = _STRENGTH

    __repr__ = record_text

    @property
    def hamiltonian(self) -> Expr:
        """H = |p|²/2m − k/|q|."""
        return Add(*(x**2 for x in self.space.p)) / (2 * self.mass) - self.strength / self._radius

    @property
    def runge_lenz(self) -> tuple[Expr, ...]:
        """A_i = q_i |p|² − p_i (q·p) − mk q_i/|q|, in three dimensions p × L − mk q/|q|.

        {A_i, H} = 0, {L_i, A_j} = ε_ijk A_k and {A_i, A_j} = −2mH ε_ijk L_k, in any D
        −2mH (q_i p_j − q_j p_i). A points to the perihelion; |A| is mk times the eccentricity.
        """
        q, p = self.space.q, self.space.p
        square, virial = Add(*(x**2 for x in p)), Add(*(x * y for x, y in zip(q, p, strict=True)))
        pull = self.mass * self.strength / self._radius
        return tuple(x * square - y * virial - pull * x for x, y in zip(q, p, strict=True))

    def symmetry(self, energy: Literal["negative", "positive"] = "negative") -> LieAlgebra:
        """L and the scaled Runge–Lenz vector: so(D + 1) where H < 0, so(D, 1) where H > 0.

        A/√(∓2mH), so that {A_i, A_j} = ±(q_i p_j − q_j p_i). The formulas are real only on the half
        of phase space that is asked for.

        Parameters
        ----------
        energy : {"negative", "positive"}
            The sign of H: bound or unbound orbits.

        Returns
        -------
        LieAlgebra
            Of dimension D(D + 1)/2.

        Raises
        ------
        ArgumentError
            If ``energy`` is anything else.

        Examples
        --------
        >>> Kepler(2).symmetry().labels
        ('L_12', 'A_1', 'A_2')
        """
        signs = {"negative": -1, "positive": 1}
        if not isinstance(energy, str) or energy not in signs:
            raise ArgumentError(f"energy is {energy!r}; it should be 'negative' or 'positive'")
        scale = sqrt((signs[energy] * 2 * self.mass * self.hamiltonian).expand())
        return labelled_algebra(
            self.space,
            [
                *angular_momenta(self.space.q, self.space.p),
                *numbered("A", [component / scale for component in self.runge_lenz]),
            ],
        )

    @property
    def _radius(self) -> Expr:
        return sqrt(Add(*(x**2 for x in self.space.q)))


@dataclass(frozen=True)
class IsotropicOscillator(_OneParticle):
    """One particle on a spring that is equal in all directions: H = |p|²/2m + mω²|q|²/2.

    Parameters
    ----------
    dimension : int
        D, at least 2.
    mass, frequency : int or sympy.Expr
        m and ω: positive numbers or symbols.

    Attributes
    ----------
    space : PhaseSpace
        Of D positions, with the symbols of m and ω as parameters.

    Raises
    ------
    ArgumentError
        If an argument is not as described.

    References
    ----------
    D. M. Fradkin, *Three-dimensional isotropic harmonic oscillator and SU3*, Am. J. Phys. 33, 207
    (1965); H. Goldstein, *Classical Mechanics*, 2nd ed., section 9-7.

    Examples
    --------
    >>> oscillator = IsotropicOscillator(2, mass=1, frequency=1)
    >>> oscillator.hamiltonian
    p1**2/2 + p2**2/2 + q1**2/2 + q2**2/2
    >>> oscillator.fradkin_tensor[0, 1]
    p1*p2/2 + q1*q2/2
    """

    frequency: Any = _FREQUENCY

    __repr__ = record_text

    @property
    def hamiltonian(self) -> Expr:
        """H = |p|²/2m + mω²|q|²/2, the trace of the Fradkin tensor."""
        return Add(*(self.fradkin_tensor[i, i] for i in range(self.dimension)))

    @property
    def fradkin_tensor(self) -> ImmutableMatrix:
        """F_ij = p_i p_j/2m + mω² q_i q_j/2, symmetric and conserved.

        {F_ij, F_kl} = ω²(δ_ik J_jl + δ_il J_jk + δ_jk J_il + δ_jl J_ik)/4 with
        J_ij = q_i p_j − q_j p_i, and {F_ij, H} = 0.
        """
        q, p = self.space.q, self.space.p
        m, w = self.mass, self.frequency
        return ImmutableMatrix(
            self.dimension,
            self.dimension,
            lambda i, j: p[i] * p[j] / (2 * m) + m * w**2 * q[i] * q[j] / 2,
        )

    def symmetry(self) -> LieAlgebra:
        """Make su(D), as `es.groups.oscillator_su` of scale mω: combinations of F and L.

        Examples
        --------
        >>> IsotropicOscillator(2, mass=1, frequency=1).symmetry().generators[1]
        -p1*q2/2 + p2*q1/2
        """
        scale = self.mass * self.frequency
        return oscillator_su(self.dimension, scale=scale, space=self.space)

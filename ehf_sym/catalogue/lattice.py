"""A complex scalar field on a periodic lattice: its global phase, and its local one with links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from math import prod
from typing import Any

from sympy import Add, Expr, Symbol, cos, sin

from ehf_sym.catalogue.generators import label, labelled_algebra, positive_constant
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.validation import whole_number
from ehf_sym.symmetry.lie_algebra import LieAlgebra

Site = tuple[int, ...]
_CONSTANTS = tuple(Symbol(name, positive=True) for name in ("m", "g", "e"))


@dataclass(frozen=True)
class ComplexScalarLattice:
    """Complex scalar field φ_x on a periodic hypercubic lattice, with or without a gauge field.

    Site x has the positions (Re φ_x, Im φ_x) with their momenta π_x. With ``links``, each link from
    x to x + μ has one more position, the angle A_{x,μ} of the phase e^{iA} that carries φ_x to the
    next site, and its momentum, the electric field E_{x,μ}. Coordinates are numbered site by site
    (the last index runs fastest), then link by link (site by site, then μ).

    Parameters
    ----------
    shape : sequence of int
        Sites in each direction. Kept as a tuple.
    links : bool
        Whether there is a gauge field.

    Attributes
    ----------
    space : PhaseSpace
        Of 2V positions for V sites in n directions, or (2 + n)V with links. Its parameters are the
        constants of `hamiltonian`: m, g, and with links e.
    sites : tuple of tuple of int
        All sites, in order.

    Raises
    ------
    ArgumentError
        If ``shape`` is not a non-empty sequence of positive integers.

    References
    ----------
    J. Kogut and L. Susskind, *Hamiltonian formulation of Wilson's lattice gauge theories*, Phys.
    Rev. D 11, 395 (1975).

    Examples
    --------
    >>> ComplexScalarLattice([2]).global_phase().generators
    (-p1*q2 + p2*q1 - p3*q4 + p4*q3,)
    >>> ComplexScalarLattice([3], links=True).local_phases().generators[1]
    -p3*q4 + p4*q3 + p7 - p8
    """

    shape: Sequence[int]
    links: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.shape, bytes) or not isinstance(self.shape, Iterable):
            raise ArgumentError(f"shape is {self.shape!r}; it should be a sequence of integers")
        shape = tuple(whole_number(n, f"shape[{mu}]") for mu, n in enumerate(self.shape))
        if not shape:
            raise ArgumentError("shape is empty; it should hold the number of sites in a direction")
        object.__setattr__(self, "shape", shape)
        if not isinstance(self.links, bool):
            raise ArgumentError(f"links is {self.links!r}; it should be True or False")

    @cached_property
    def space(self) -> PhaseSpace:
        """Phase space of the fields."""
        directions = len(self.shape) if self.links else 0
        constants = _CONSTANTS if self.links else _CONSTANTS[:2]
        return PhaseSpace(prod(self.shape) * (2 + directions), constants)

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """All sites, the last index fastest."""
        return tuple(product(*map(range, self.shape)))

    def global_phase(self) -> LieAlgebra:
        """Global U(1): the charge Σ_x (Re φ_x Im π_x − Im φ_x Re π_x), which turns all φ_x alike.

        Examples
        --------
        >>> ComplexScalarLattice([2]).global_phase().labels
        ('Q',)
        """
        return labelled_algebra(self.space, [("Q", Add(*map(self._charge, self.sites)))])

    def local_phases(self) -> LieAlgebra:
        """Local U(1): one generator a site, φ_x ↦ e^{iα_x} φ_x.

        With links it is the gauge symmetry: A_{x,μ} ↦ A_{x,μ} + α_{x+μ} − α_x goes with it, and the
        generator is that of Gauss's law, ρ_x − Σ_μ (E_{x,μ} − E_{x−μ,μ}). Without links it turns
        the field alone, which leaves each |φ_x| in place but no term that couples two sites.

        Examples
        --------
        >>> ComplexScalarLattice([2]).local_phases().generators
        (-p1*q2 + p2*q1, -p3*q4 + p4*q3)
        """
        return labelled_algebra(
            self.space, [(label("G", k), self._gauss(x)) for k, x in enumerate(self.sites)]
        )

    def hamiltonian(
        self, mass: Any = _CONSTANTS[0], coupling: Any = _CONSTANTS[1], charge: Any = _CONSTANTS[2]
    ) -> Expr:
        """Energy of the field, and of the gauge field if there are links, at lattice spacing 1.

        Σ_x (|π_x|² + m²|φ_x|² + g|φ_x|⁴/2)/2 + Σ_{x,μ} |φ_{x+μ} − e^{iA_{x,μ}} φ_x|²/2, where A = 0
        without links, and with links e² Σ E²/2 + Σ_□ (1 − cos F_□)/e² besides, F_□ being the sum of
        A around a square.

        Parameters
        ----------
        mass, coupling, charge : int or sympy.Expr
            m, g and e: positive numbers, or the parameters of the space.

        Returns
        -------
        sympy.Expr
            H(q, p).

        Raises
        ------
        ArgumentError
            If a constant is not positive.
        FormulaError
            If a constant is no number or parameter of the space.

        Examples
        --------
        >>> ComplexScalarLattice([1]).hamiltonian()
        g*(q1**2 + q2**2)**2/4 + m**2*(q1**2 + q2**2)/2 + p1**2/2 + p2**2/2
        """
        m, g = positive_constant(mass, "mass"), positive_constant(coupling, "coupling")
        energy = Add(*(self._site_energy(x, m, g) for x in self.sites))
        energy += Add(*(self._hop(x, mu) / 2 for x in self.sites for mu in self._directions))
        if self.links:
            energy += self._gauge_energy(positive_constant(charge, "charge"))
        return self.space.validate(energy, "the Hamiltonian")

    @property
    def _directions(self) -> range:
        return range(len(self.shape))

    def _next(self, x: Site, mu: int, step: int = 1) -> Site:
        """Find the neighbour; the lattice is periodic."""
        return (*x[:mu], (x[mu] + step) % self.shape[mu], *x[mu + 1 :])

    def _field(self, x: Site, coordinates: tuple[Symbol, ...]) -> tuple[Symbol, Symbol]:
        k = 2 * self.sites.index(x)
        return coordinates[k], coordinates[k + 1]

    def _link(self, x: Site, mu: int, coordinates: tuple[Symbol, ...]) -> Symbol:
        first = 2 * len(self.sites)
        return coordinates[first + self.sites.index(x) * len(self.shape) + mu]

    def _charge(self, x: Site) -> Expr:
        """Re φ Im π − Im φ Re π."""
        (real, imaginary), (p_real, p_imaginary) = (
            self._field(x, self.space.q),
            self._field(x, self.space.p),
        )
        return real * p_imaginary - imaginary * p_real

    def _gauss(self, x: Site) -> Expr:
        if not self.links:
            return self._charge(x)
        E = self.space.p
        flux = (
            self._link(x, mu, E) - self._link(self._next(x, mu, -1), mu, E)
            for mu in self._directions
        )
        return self._charge(x) - Add(*flux)

    def _site_energy(self, x: Site, m: Expr, g: Expr) -> Expr:
        square, kinetic = (
            Add(*(s**2 for s in self._field(x, xs))) for xs in (self.space.q, self.space.p)
        )
        return kinetic / 2 + m**2 * square / 2 + g * square**2 / 4

    def _hop(self, x: Site, mu: int) -> Expr:
        """|φ_{x+μ} − e^{iA} φ_x|²."""
        a, b = self._field(x, self.space.q)
        c, d = self._field(self._next(x, mu), self.space.q)
        if self.links:
            angle = self._link(x, mu, self.space.q)
            a, b = a * cos(angle) - b * sin(angle), a * sin(angle) + b * cos(angle)
        return (c - a) ** 2 + (d - b) ** 2

    def _gauge_energy(self, e: Expr) -> Expr:
        q, p = self.space.q, self.space.p
        electric = Add(*(self._link(x, mu, p) ** 2 for x in self.sites for mu in self._directions))
        squares = [
            self._link(x, mu, q)
            + self._link(self._next(x, mu), nu, q)
            - self._link(self._next(x, nu), mu, q)
            - self._link(x, nu, q)
            for x in self.sites
            for mu, nu in combinations(self._directions, 2)
        ]
        return e**2 * electric / 2 + Add(*(1 - cos(angle) for angle in squares)) / e**2

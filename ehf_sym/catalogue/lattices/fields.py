"""Scalar fields on a periodic lattice: real, and complex with its global and its local phase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from math import prod
from typing import Any, ClassVar

from sympy import Add, Expr, ImmutableMatrix, Symbol, cos, diag, eye, log, pi, sin

from ehf_sym.catalogue.generators import label, labelled_algebra, positive_constant
from ehf_sym.catalogue.lattices.periodic import Periodic, Site, checked_shape, exchanged, mirrored
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.validation import whole_number
from ehf_sym.symmetry.finite_symmetry import FiniteSymmetry
from ehf_sym.symmetry.lie_algebra import LieAlgebra
from ehf_sym.symmetry.symmetry import Symmetry

_CONSTANTS = tuple(Symbol(name, positive=True) for name in ("m", "g", "e"))


class _Field(Periodic):
    """A periodic hypercubic lattice with so many components of a field at each site."""

    _components: ClassVar[int] = 1

    @cached_property
    def space(self) -> PhaseSpace:
        """Phase space of the field."""
        return PhaseSpace(prod(self.shape) * self._components)

    def free_log_z(self, mass_squared: Any) -> Expr:
        """Return ln ∫ e^−S dφ of the free field, λ = 0 and m² > 0, in closed form, nats.

        (V/2) ln π − ½ Σ_k ln(m² + Σ_μ (2 − 2 cos(2π k_μ/L_μ))); of a complex field twice that.

        Examples
        --------
        >>> ScalarLattice([2]).free_log_z(1)
        -log(5)/2 + log(pi)
        """
        m2 = positive_constant(mass_squared, "mass_squared")
        waves = (
            m2 + Add(*(2 - 2 * cos(2 * pi * k / n) for k, n in zip(x, self.shape, strict=True)))
            for x in self.sites
        )
        real = len(self.sites) * log(pi) / 2 - Add(*(log(wave) for wave in waves)) / 2
        return self._components * real

    def translations(self) -> FiniteSymmetry:
        """Shifts by one site in each direction of more than one.

        Examples
        --------
        >>> ScalarLattice([3, 2]).translations().order
        6
        """
        moves = {
            f"shift_{mu + 1}": self._moved(partial(self.next_to, mu=mu)) for mu in self.directions
        }
        return self._group(moves)

    def point_group(self) -> FiniteSymmetry:
        """Reflections of each direction, and exchanges of directions of the same length.

        Examples
        --------
        >>> ScalarLattice([3, 3]).point_group().order, ScalarLattice([4, 3]).point_group().order
        (8, 4)
        """
        return self._group({name: self._moved(move) for name, move in self._turns.items()})

    @property
    def _turns(self) -> dict[str, Callable[[Site], Site]]:
        """Where sites go under the generators of the point group."""
        found: dict[str, Callable[[Site], Site]] = {
            f"mirror_{mu + 1}": partial(mirrored, self.shape, mu) for mu in self.directions
        }
        for mu, nu in combinations(self.directions, 2):
            if self.shape[mu] == self.shape[nu]:
                found[f"exchange_{mu + 1}{nu + 1}"] = partial(exchanged, mu, nu)
        return found

    def window(self, shells: int = 2) -> ImmutableMatrix:
        """Linear forms about the first site, for `ehf_num.OrbitSum`: sums of φ over shells.

        A shell is a site and all its images under the point group, the nearest first: the site
        itself, its nearest neighbours, and so on. The point group leaves every form alone. Of a
        complex field, the forms of a shell are the sums of Re φ and of Im φ.

        Parameters
        ----------
        shells : int
            How many.

        Raises
        ------
        ArgumentError
            If there are not so many.

        Examples
        --------
        >>> ScalarLattice([4]).window()
        Matrix([
        [1, 0, 0, 0],
        [0, 1, 0, 1]])
        """
        self._refuse_links()
        left = list(self.sites)
        left.sort(key=lambda x: sum(min(k, n - k) ** 2 for k, n in zip(x, self.shape, strict=True)))
        rows: list[list[int]] = []
        count = whole_number(shells, "shells")
        found = 0
        while left and found < count:
            shell, found = self._shell(left[0]), found + 1
            rows += [self._row(shell, c) for c in range(self._components)]
            left = [x for x in left if x not in shell]
        if found < count:
            raise ArgumentError(f"shells was {shells}; a lattice of {self.shape} has {found}")
        return ImmutableMatrix(rows)

    def _moved(self, move: Callable[[Site], Site]) -> ImmutableMatrix:
        """Write φ_x ↦ φ_{move(x)} as a matrix."""
        self._refuse_links()
        rows = [self._row({move(x)}, c) for x in self.sites for c in range(self._components)]
        return ImmutableMatrix(rows)

    def _row(self, sites: set[Site], component: int) -> list[int]:
        """Sum a component of φ over sites."""
        return [
            int(x in sites and c == component) for x in self.sites for c in range(self._components)
        ]

    def _shell(self, x: Site) -> set[Site]:
        """Find the images of a site under the point group."""
        found, waiting = {x}, [x]
        while waiting:
            place = waiting.pop()
            new = {move(place) for move in self._turns.values()} - found
            found |= new
            waiting += new
        return found

    def _group(self, moves: dict[str, ImmutableMatrix]) -> FiniteSymmetry:
        return FiniteSymmetry(self.space, list(moves.values()), list(moves))

    def _join(self, *parts: FiniteSymmetry) -> FiniteSymmetry:
        moves = {k: a for part in parts for k, a in zip(part.labels, part.generators, strict=True)}
        return self._group(moves)

    def _refuse_links(self) -> None:
        """Refuse a lattice whose positions are more than the field."""
        if getattr(self, "links", False):
            raise ArgumentError("links was True; this is of a field alone: links=False")


@dataclass(frozen=True)
class ScalarLattice(_Field):
    """Real scalar field φ_x on a periodic hypercubic lattice: one position a site.

    Parameters
    ----------
    shape : sequence of int
        Sites in each direction. Kept as a tuple.

    Attributes
    ----------
    space : PhaseSpace
        Of V positions for V sites, in the order of ``sites``.
    sites : tuple of tuple of int
        All sites, the last index fastest.

    Raises
    ------
    ArgumentError
        If ``shape`` is not a non-empty sequence of positive integers.

    Examples
    --------
    >>> lattice = ScalarLattice([4, 4])
    >>> lattice.symmetry().order  # 16 translations, the square's 8 elements, φ → −φ
    256
    >>> lattice.symmetry().orbit(lattice.window())[0].shape
    (2, 16)
    """

    shape: Sequence[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", checked_shape(self.shape))

    def action(self, mass_squared: Any, coupling: Any = 0) -> Expr:
        """Return S = Σ_x [φ_x Σ_μ (2φ_x − φ_{x+μ} − φ_{x−μ}) + m² φ_x² + λ φ_x⁴].

        Parameters
        ----------
        mass_squared, coupling : int or sympy.Expr
            m², which may be negative, and λ: exact numbers.

        Returns
        -------
        sympy.Expr
            S(q).

        Raises
        ------
        FormulaError
            If a number is not exact.

        Examples
        --------
        >>> ScalarLattice([2]).action(1, 3)
        3*q1**4 + q1**2 + q1*(2*q1 - 2*q2) + 3*q2**4 + q2**2 + q2*(-2*q1 + 2*q2)
        """
        m2 = self.space.validate(mass_squared, "mass_squared")
        coupling = self.space.validate(coupling, "coupling")
        terms = []
        for x in self.sites:
            field = self._field(x)
            steps = [(mu, step) for mu in self.directions for step in (1, -1)]
            hops = Add(*(field - self._field(self.next_to(x, *step)) for step in steps))
            terms.append(field * hops + m2 * field**2 + coupling * field**4)
        return self.space.validate(Add(*terms), "the action")

    def sign(self) -> FiniteSymmetry:
        """φ ↦ −φ.

        Examples
        --------
        >>> ScalarLattice([2]).sign().order
        2
        """
        return FiniteSymmetry(self.space, [-eye(self.space.dim)], ["sign"])

    def symmetry(self) -> FiniteSymmetry:
        """Join translations, point group and sign: what every `action` keeps."""
        return self._join(self.translations(), self.point_group(), self.sign())

    def _field(self, x: Site) -> Symbol:
        return self.space.q[self.sites.index(x)]


@dataclass(frozen=True)
class ComplexScalarLattice(_Field):
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
    _components: ClassVar[int] = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", checked_shape(self.shape))
        if not isinstance(self.links, bool):
            raise ArgumentError(f"links is {self.links!r}; it should be True or False")

    @cached_property
    def space(self) -> PhaseSpace:
        """Phase space of the fields."""
        directions = len(self.shape) if self.links else 0
        constants = _CONSTANTS if self.links else _CONSTANTS[:2]
        return PhaseSpace(prod(self.shape) * (2 + directions), constants)

    def global_phase(self) -> LieAlgebra:
        """Global U(1): the charge Σ_x (Re φ_x Im π_x − Im φ_x Re π_x), which turns all φ_x alike.

        Examples
        --------
        >>> ComplexScalarLattice([2]).global_phase().labels
        ('Q',)
        """
        return labelled_algebra(self.space, [("Q", Add(*map(self._charge, self.sites)))])

    def conjugation(self) -> FiniteSymmetry:
        """φ ↦ φ̄.

        Examples
        --------
        >>> ComplexScalarLattice([3]).conjugation().order
        2
        """
        self._refuse_links()
        return self._group({"conjugation": diag(*[1, -1] * len(self.sites)).as_immutable()})

    def symmetry(self) -> Symmetry:
        """Join phase, translations, point group and conjugation: what every `action` keeps.

        Examples
        --------
        >>> lattice = ComplexScalarLattice([4, 4])
        >>> lattice.symmetry().check(lattice.action(-1, 2)).proved
        True
        """
        finite = self._join(self.translations(), self.point_group(), self.conjugation())
        return Symmetry(self.global_phase(), finite)

    def action(self, mass_squared: Any, coupling: Any = 0) -> Expr:
        """Return S = Σ_x [Σ_μ |φ_{x+μ} − φ_x|² + m² |φ_x|² + λ |φ_x|⁴].

        Parameters
        ----------
        mass_squared, coupling : int or sympy.Expr
            m², which may be negative, and λ: exact numbers.

        Returns
        -------
        sympy.Expr
            S(q), of a field without links.

        Raises
        ------
        ArgumentError
            If there are links.
        FormulaError
            If a number is not exact.

        Examples
        --------
        >>> ComplexScalarLattice([1]).action(-1, 3)
        -q1**2 - q2**2 + 3*(q1**2 + q2**2)**2
        """
        self._refuse_links()
        m2 = self.space.validate(mass_squared, "mass_squared")
        coupling = self.space.validate(coupling, "coupling")
        squares = [Add(*(s**2 for s in self._field(x, self.space.q))) for x in self.sites]
        hops = (self._hop(x, mu) for x in self.sites for mu in self.directions)
        local = (m2 * square + coupling * square**2 for square in squares)
        return self.space.validate(Add(*hops, *local), "the action")

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
        energy += Add(*(self._hop(x, mu) / 2 for x in self.sites for mu in self.directions))
        if self.links:
            energy += self._gauge_energy(positive_constant(charge, "charge"))
        return self.space.validate(energy, "the Hamiltonian")

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
            self._link(x, mu, E) - self._link(self.next_to(x, mu, -1), mu, E)
            for mu in self.directions
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
        c, d = self._field(self.next_to(x, mu), self.space.q)
        if self.links:
            angle = self._link(x, mu, self.space.q)
            a, b = a * cos(angle) - b * sin(angle), a * sin(angle) + b * cos(angle)
        return (c - a) ** 2 + (d - b) ** 2

    def _gauge_energy(self, e: Expr) -> Expr:
        q, p = self.space.q, self.space.p
        electric = Add(*(self._link(x, mu, p) ** 2 for x in self.sites for mu in self.directions))
        squares = [
            self._link(x, mu, q)
            + self._link(self.next_to(x, mu), nu, q)
            - self._link(self.next_to(x, nu), mu, q)
            - self._link(x, nu, q)
            for x in self.sites
            for mu, nu in combinations(self.directions, 2)
        ]
        return e**2 * electric / 2 + Add(*(1 - cos(angle) for angle in squares)) / e**2

"""The pure U(1) gauge field on a periodic lattice, and in two dimensions its closed forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import combinations
from math import prod
from types import MappingProxyType
from typing import Any

import mpmath
from sympy import Add, Expr, ImmutableMatrix, cos, eye, zeros

from ehf_sym.catalogue.generators import label, labelled_algebra
from ehf_sym.catalogue.lattices.periodic import Periodic, Site, checked_shape, exchanged, mirrored
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.validation import exact_scalar, listed, whole_number
from ehf_sym.symmetry.finite_symmetry import FiniteSymmetry
from ehf_sym.symmetry.lie_algebra import LieAlgebra
from ehf_sym.symmetry.symmetry import Symmetry

_NEGLIGIBLE = mpmath.mpf(10) ** -20  # share of a sum over characters


@dataclass(frozen=True)
class U1Lattice(Periodic):
    """Pure U(1) gauge field on a periodic hypercubic lattice: one angle a link.

    The link from x to x + μ carries the phase e^{iA_{x,μ}}. Positions are the A, modulo 2π, site by
    site (the last index runs fastest), then μ; momenta are the electric fields E. The plaquette's
    angle is θ_{x,μν} = A_{x,μ} + A_{x+μ,ν} − A_{x+ν,μ} − A_{x,ν}.

    Parameters
    ----------
    shape : sequence of int
        Sites in each direction, two or more in two directions or more. Kept as a tuple.

    Attributes
    ----------
    space : PhaseSpace
        Of nV angles for V sites in n directions.
    sites : tuple of tuple of int
        All sites, the last index fastest.

    Raises
    ------
    ArgumentError
        If ``shape`` is no sequence of two or more integers above 1.

    References
    ----------
    A. A. Migdal, *Recursion equations in gauge field theories*, Sov. Phys. JETP 42, 413 (1975); the
    closed forms in two dimensions.

    Examples
    --------
    >>> lattice = U1Lattice([2, 2])
    >>> lattice.gauge().generators[0]
    -p1 - p2 + p4 + p5
    >>> lattice.symmetry().check(-lattice.action(2)).proved
    True
    """

    shape: Sequence[int]

    def __post_init__(self) -> None:
        shape = checked_shape(self.shape)
        if len(shape) < 2 or min(shape) < 2:
            raise ArgumentError(
                f"shape is {self.shape!r}; a plaquette asks for two directions or more, of two "
                "sites or more"
            )
        object.__setattr__(self, "shape", shape)

    @cached_property
    def space(self) -> PhaseSpace:
        """Phase space of the links, all of them angles."""
        dim = prod(self.shape) * len(self.shape)
        return PhaseSpace(dim, angles=range(dim))

    @cached_property
    def plaquettes(self) -> ImmutableMatrix:
        """The plaquettes' angles as forms of A, site by site: rows of 0, 1 and −1."""
        pairs = [(x, *pair) for x in self.sites for pair in combinations(self.directions, 2)]
        forms = zeros(len(pairs), self.space.dim)
        for row, (x, mu, nu) in enumerate(pairs):
            forms[row, self._link(x, mu)] += 1
            forms[row, self._link(self.next_to(x, mu), nu)] += 1
            forms[row, self._link(self.next_to(x, nu), mu)] -= 1
            forms[row, self._link(x, nu)] -= 1
        return ImmutableMatrix(forms)

    @cached_property
    def momenta(self) -> ImmutableMatrix:
        """Π of π = Πp, as short as can be with p = Dᵀπ + what gauge fields leave, D `plaquettes`.

        π_P is conjugate to θ_P as far as plaquettes are independent: Π = (D Dᵀ)⁺ D.

        Examples
        --------
        >>> lattice = U1Lattice([2, 2])
        >>> lattice.plaquettes * lattice.momenta.T  # less the mean: the plaquettes add up to 0
        Matrix([
        [ 3/4, -1/4, -1/4, -1/4],
        [-1/4,  3/4, -1/4, -1/4],
        [-1/4, -1/4,  3/4, -1/4],
        [-1/4, -1/4, -1/4,  3/4]])
        """
        forms = self.plaquettes.to_DM().to_field()
        relations = forms.transpose().nullspace()  # N of Nᵀ D = 0, which changes (D Dᵀ)⁺ D by 0
        square = forms * forms.transpose() + relations.transpose() * relations
        return ImmutableMatrix((square.inv() * forms).to_Matrix())

    def action(self, beta: Any) -> Expr:
        """Return Wilson's action S = −β Σ_P cos θ_P.

        Parameters
        ----------
        beta : int or sympy.Expr
            β, an exact number.

        Returns
        -------
        sympy.Expr
            S(q).

        Raises
        ------
        FormulaError
            If the number is not exact.

        Examples
        --------
        >>> U1Lattice([2, 2]).action(1).args[0]
        -cos(q1 - q3 + q4 - q8)
        """
        beta = self.space.validate(beta, "beta")
        angles = self.plaquettes * ImmutableMatrix(self.space.q)
        return self.space.validate(-beta * Add(*map(cos, angles)), "the action")

    def gauge(self) -> LieAlgebra:
        """Gauss's law at each site but the last, where it follows: A_{x,μ} ↦ A + α_{x+μ} − α_x.

        Examples
        --------
        >>> len(U1Lattice([4, 4]).gauge().generators)
        15
        """
        laws = [(label("G", k), self._gauss(x)) for k, x in enumerate(self.sites[:-1])]
        return labelled_algebra(self.space, laws)

    def translations(self) -> FiniteSymmetry:
        """Shifts by one site in each direction.

        Examples
        --------
        >>> U1Lattice([3, 2]).translations().order
        6
        """
        moves = {f"shift_{mu + 1}": partial(self.next_to, mu=mu) for mu in self.directions}
        return self._group({name: self._moved(move) for name, move in moves.items()})

    def point_group(self) -> FiniteSymmetry:
        """Reflections of each direction, exchanges of directions of one length, links turned along.

        Examples
        --------
        >>> U1Lattice([3, 3]).point_group().order
        8
        """
        moves = {f"mirror_{mu + 1}": self._mirror(mu) for mu in self.directions}
        for mu, nu in combinations(self.directions, 2):
            if self.shape[mu] == self.shape[nu]:
                moves[f"exchange_{mu + 1}{nu + 1}"] = self._exchange(mu, nu)
        return self._group(moves)

    def rotations(self) -> FiniteSymmetry:
        """Turn each plane: by a quarter where both directions are of one length, else by half.

        Of the point group they are what turns no plaquette around.

        Examples
        --------
        >>> U1Lattice([2, 2]).rotations().order, U1Lattice([3, 2]).rotations().order
        (4, 2)
        """
        turns = {}
        for mu, nu in combinations(self.directions, 2):
            square = self.shape[mu] == self.shape[nu]
            second = self._exchange(mu, nu) if square else self._mirror(nu)
            turns[f"turn_{mu + 1}{nu + 1}"] = self._mirror(mu) * second
        return self._group(turns)

    def charge_conjugation(self) -> FiniteSymmetry:
        """Reverse every link, A ↦ −A.

        Examples
        --------
        >>> U1Lattice([2, 2]).charge_conjugation().order
        2
        """
        return FiniteSymmetry(self.space, [-eye(self.space.dim)], ["conjugation"])

    def symmetry(self) -> Symmetry:
        """Join gauge, translations, point group and charge conjugation: what every `action` keeps.

        Examples
        --------
        >>> U1Lattice([4, 4]).symmetry().finite.order  # 16 translations, 8 elements, A ↦ −A
        256
        """
        parts = (self.translations(), self.point_group(), self.charge_conjugation())
        generators = [a for part in parts for a in part.generators]
        labels = [name for part in parts for name in part.labels]
        return Symmetry(self.gauge(), FiniteSymmetry(self.space, generators, labels))

    def window(self, *steps: Sequence[int]) -> ImmutableMatrix:
        """Plaquettes in the plane of the first two directions, as forms for `ehf_num.OrbitSum`.

        Parameters
        ----------
        *steps : sequence of int
            Where there are more plaquettes beside that at the first site: sites, counted from it.

        Raises
        ------
        ArgumentError
            If a step has not as many whole numbers as there are directions.

        Examples
        --------
        >>> U1Lattice([2, 2]).window((1, 0))
        Matrix([
        [1, -1, -1, 0, 0,  1,  0, 0],
        [0,  1,  0, 0, 1, -1, -1, 0]])
        """
        sites = [self.sites[0]]
        for k, step in enumerate(steps):
            numbers = listed(step, f"steps[{k}]")
            if len(numbers) != len(self.shape):
                raise ArgumentError(
                    f"steps[{k}] was {step!r}; it should have a number for each of "
                    f"{len(self.shape)} directions"
                )
            whole = [whole_number(n, f"steps[{k}]", least=0) for n in numbers]
            sites.append(tuple(n % size for n, size in zip(whole, self.shape, strict=True)))
        planes = len(self.plaquettes) // self.space.dim // len(self.sites)
        rows = [self.plaquettes.row(planes * self.sites.index(x)) for x in sites]
        return ImmutableMatrix.vstack(*rows)

    def log_z(self, beta: Any) -> float:
        """Return ln ∫ e^−S dA in two dimensions, nats: Z = (2π)^{2V} Σ_n I_n(β)^V.

        Parameters
        ----------
        beta : int or sympy.Expr
            β ≥ 0, an exact number.

        Raises
        ------
        ArgumentError
            If there are more than two dimensions, or β is no such number.

        Examples
        --------
        >>> round(U1Lattice([4, 4]).log_z(2), 4)
        72.0023
        """
        beta = self._in_two_dimensions(beta)
        total = _over_characters(lambda n: mpmath.besseli(n, beta) ** len(self.sites))
        return float(self.space.dim * mpmath.log(2 * mpmath.pi) + mpmath.log(total))

    def mean_plaquette(self, beta: Any) -> float:
        """Return the mean of cos θ_P in two dimensions, (1/V) ∂ ln Z/∂β; β as of `log_z`.

        Examples
        --------
        >>> round(U1Lattice([4, 4]).mean_plaquette(2), 5)
        0.69925
        """
        beta, volume = self._in_two_dimensions(beta), len(self.sites)

        def slope(n: int) -> Any:
            value, up = mpmath.besseli(n, beta), mpmath.besseli(n + 1, beta)
            return value ** (volume - 1) * (up + mpmath.besseli(abs(n - 1), beta)) / 2

        total = _over_characters(lambda n: mpmath.besseli(n, beta) ** volume)
        return float(_over_characters(slope) / total)

    def topological_susceptibility(self, beta: Any) -> float:
        """Return ⟨Q²⟩/V in two dimensions, Q = Σ_P θ_P/2π with each θ_P in (−π, π].

        Z(ϑ) = (2π)^{2V} Σ_n c(n + ϑ/2π)^V, c(t) = ∫ e^{β cos φ} cos(tφ) dφ/2π over a turn, and
        ⟨Q²⟩ = −∂² ln Z/∂ϑ² at 0; β as of `log_z`.

        Examples
        --------
        >>> U1Lattice([4, 4]).topological_susceptibility(0)  # 1/12
        0.08333333333333333
        """
        beta, volume = self._in_two_dimensions(beta), len(self.sites)

        def moment(n: int, power: int) -> Any:
            wave = mpmath.sin if power == 1 else mpmath.cos
            inner = lambda x: x**power * mpmath.exp(beta * mpmath.cos(x)) * wave(n * x)  # noqa: E731
            return mpmath.quad(inner, mpmath.linspace(-mpmath.pi, mpmath.pi, 5)) / (2 * mpmath.pi)

        def curvature(n: int) -> Any:
            value, slope, second = mpmath.besseli(n, beta), moment(n, 1), moment(n, 2)
            return value ** (volume - 2) * (value * second - (volume - 1) * slope**2)

        total = _over_characters(lambda n: mpmath.besseli(n, beta) ** volume)
        return float(_over_characters(curvature) / total / (2 * mpmath.pi) ** 2)

    def _in_two_dimensions(self, beta: Any) -> Any:
        if len(self.shape) != 2:
            raise ArgumentError(
                f"shape is {self.shape}; only in two dimensions is there a closed form"
            )
        exact = exact_scalar(beta, "beta")
        if not exact.is_nonnegative or exact.free_symbols:
            raise ArgumentError(f"beta was {quoted(beta)}; it should be a number from 0 up")
        return mpmath.mpf(str(exact.evalf(25)))

    def _link(self, x: Site, mu: int) -> int:
        return self.sites.index(x) * len(self.shape) + mu

    def _gauss(self, x: Site) -> Expr:
        """Write −Σ_μ (E_{x,μ} − E_{x−μ,μ})."""
        E = self.space.p
        flux = (
            E[self._link(x, mu)] - E[self._link(self.next_to(x, mu, -1), mu)]
            for mu in self.directions
        )
        return -Add(*flux)

    def _mirror(self, mu: int) -> ImmutableMatrix:
        return self._moved(partial(mirrored, self.shape, mu), against=mu)

    def _exchange(self, mu: int, nu: int) -> ImmutableMatrix:
        return self._moved(partial(exchanged, mu, nu), turned={mu: nu, nu: mu})

    def _moved(
        self,
        move: Callable[[Site], Site],
        *,
        against: int | None = None,
        turned: Mapping[int, int] = MappingProxyType({}),
    ) -> ImmutableMatrix:
        """Write A_{x,μ} ↦ A_{move(x),turned(μ)} as a matrix; of links in one direction, −A."""
        matrix = zeros(self.space.dim)
        for x in self.sites:
            for mu in self.directions:
                if mu == against:  # the link from x ends where that of the mirrored site begins
                    matrix[self._link(x, mu), self._link(move(self.next_to(x, mu)), mu)] = -1
                else:
                    matrix[self._link(x, mu), self._link(move(x), turned.get(mu, mu))] = 1
        return ImmutableMatrix(matrix)

    def _group(self, moves: dict[str, ImmutableMatrix]) -> FiniteSymmetry:
        return FiniteSymmetry(self.space, list(moves.values()), list(moves))


def _over_characters(term: Callable[[int], Any]) -> Any:
    """Sum over all whole n a term that is even in n and falls fast, once it falls."""
    total, n = term(0), 0
    most = more = abs(total)
    while more > _NEGLIGIBLE * most:
        n += 1
        new = 2 * term(n)
        total, more = total + new, abs(new)
        most = max(most, more)
    return total

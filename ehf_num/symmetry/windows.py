"""Windows: a few linear forms of q or p, their images under a finite group, their invariants.

A function Σ_w u(I(w)) over all images w of a window keeps the finite group whatever u, and the
connected one where I are invariants of what that makes of the window's forms. All is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from operator import itemgetter
from typing import Any

import numpy as np
import sympy as sp

from ehf_num.engine.arguments import one_of
from ehf_num.engine.workspace import Array
from ehf_sym import FiniteSymmetry, LieAlgebra, PhaseSpace, is_zero
from ehf_sym.errors import ArgumentError, EHFError
from ehf_sym.symmetry.frames import affine_velocities
from ehf_sym.symmetry.rotation_group import generating_degree
from ehf_sym.symmetry.symmetry import AnySymmetry, Symmetry, as_symmetry

Window = Any
"""A `sympy.ImmutableMatrix` W, m × d, of the forms W q: SymPy's classes are not typed."""
Signed = tuple[tuple[int, int], ...]
"""A matrix with one entry ±1 in each row: for each, in which column and with which sign."""


def halves(symmetry: AnySymmetry | None) -> tuple[LieAlgebra | None, FiniteSymmetry | None]:
    """Take a symmetry apart: its algebra, with what the finite part adds to it, and that part."""
    whole = as_symmetry(symmetry)
    return (None, None) if whole is None else (whole.algebra, whole.finite)


@dataclass(frozen=True)
class Row:
    """A window that is summed over.

    Attributes
    ----------
    window : sympy.ImmutableMatrix
        W, m × d.
    kind : int
        Which of the windows that were given it is an image of: those of a kind share a network.
    """

    window: Window
    kind: int


@dataclass(frozen=True, eq=False)
class WindowOrbits:
    """All images of some windows, each at its site.

    What differs by a signed permutation of the forms that leaves the invariants alone, such as a
    separation and its opposite, is one window.

    Parameters
    ----------
    space : ehf_sym.PhaseSpace
        d.
    windows : sequence of sympy.Matrix
        m × d each, with linearly independent rows.
    sites : sequence of sympy.Matrix, optional
        k × d each, one for each window: forms that say where it is, the same up to signs and order
        for windows of one site.
    lie : ehf_sym.LieAlgebra, optional
        Generators pᵀ(Aq + b), which turn the forms of each window into combinations of themselves.
    finite : ehf_sym.FiniteSymmetry, optional
        Makes images of windows.
    of : {"q", "p"}
        What the forms are of.
    degree : int, optional
        To which degree invariants are looked for.
    even : bool
        Whether the invariants are even in a window's forms together.

    Raises
    ------
    ehf_sym.ArgumentError
        If a window does not fit.
    """

    space: PhaseSpace
    windows: tuple[Window, ...]
    sites: tuple[Window, ...] | None
    lie: LieAlgebra | None
    finite: FiniteSymmetry | None
    of: str
    degree: int | None = None
    even: bool = False

    @property
    def forms(self) -> int:
        """Number m of forms of a window."""
        return int(self.windows[0].rows)

    @cached_property
    def form_space(self) -> PhaseSpace:
        """A window's forms as positions, those of angles with whole coefficients as angles.

        Raises
        ------
        ehf_sym.ArgumentError
            If a form of angles has others, or windows differ in which forms are angles.
        """
        angles = self.space.angles if self.of == "q" else ()
        found = [_angular_forms(window, angles, k) for k, window in enumerate(self.windows)]
        if len(set(found)) > 1:
            raise ArgumentError(
                "windows differ in which forms are angles: give the forms of all in one order"
            )
        return PhaseSpace(self.forms, angles=found[0])

    @cached_property
    def _moved(self) -> Moved:
        return Moved(self.lie, self.of)

    @cached_property
    def induced(self) -> LieAlgebra | None:
        """What the connected group makes of a window's forms: an algebra on m coordinates.

        Raises
        ------
        ehf_sym.ArgumentError
            If it leads out of them, or does other things to other windows.
        """
        actions = self._moved.on(self.windows[0])
        for k, window in enumerate(self.windows):
            found = self._moved.on(window)
            if found is None:
                raise ArgumentError(
                    f"windows[{k}] was {window!r:.200}; the symmetry turns its forms into others "
                    "than their combinations: a window should hold whole vectors"
                )
            if found != actions:
                raise ArgumentError(
                    f"windows[{k}] is moved by the symmetry in another way than windows[0]: give "
                    "the forms of all in one order"
                )
        algebra = _algebra(self.form_space, actions or ())
        if algebra is not None and self.even:
            raise ArgumentError(
                "even was True with a connected group that moves a window's forms; its invariants "
                "are of these forms already"
            )
        return algebra

    @cached_property
    def invariants(self) -> tuple[tuple[sp.Expr, int], ...]:
        """Invariants I of the window's forms, formulas of q1, …, qm, and their degrees.

        Raises
        ------
        ehf_sym.ArgumentError
            If there are none to the degree.
        """
        induced = self.induced
        if induced is None:
            return _functions(self.form_space, self.even)
        degree = self.degree or generating_degree(induced) or 2
        found = induced.invariants(degree, of="q")
        if not found.generators:
            raise ArgumentError(
                f"windows have no invariants to degree {degree}: take more forms, or a higher "
                "degree"
            )
        degrees = [max(degree, 1) for degree in found.degrees]  # cosines of angles have 0
        return tuple(zip(found.generators, degrees, strict=True))

    @property
    def is_generating(self) -> bool:
        """Whether every invariant polynomial of a window is one of its `invariants`."""
        known = 1 if self.induced is None else generating_degree(self.induced)
        return known is not None and (self.degree or known) >= known

    @cached_property
    def _found(self) -> _Collected:
        collected = _Collected(tuple(f for f, _ in self.invariants), self.forms)
        for kind, window in enumerate(self.windows):
            site = None if self.sites is None else self.sites[kind]
            if not collected.holds(site, window, None):
                for image in images(site, window, self.finite, self.of):
                    collected.add(*image, kind)
        return collected

    @property
    def rows(self) -> tuple[Row, ...]:
        """The windows that are summed over, each once for each kind."""
        return tuple(self._found.rows)

    @property
    def site_kinds(self) -> tuple[int, ...]:
        """Kind of each site: sites of a kind are images of each other."""
        return tuple(self._found.site_kinds)

    @property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Which row is at which site: pairs (site, row)."""
        return tuple(self._found.edges)

    def numbers(self) -> Array:
        """Return the rows' forms in numbers: (R, m, d)."""
        found = np.zeros((len(self.rows), self.forms, self.space.dim))
        floats: dict[sp.Expr, float] = {}
        for k, row in enumerate(self.rows):
            for place, x in row.window.todok().items():
                if x not in floats:
                    floats[x] = float(x)
                found[(k, *place)] = floats[x]
        return found

    def invariance(self, symmetry: Any, of: str) -> WindowInvariance:
        """Decide whether sums over these windows are invariant, whatever is summed."""
        one_of(of, "of", ("q", "p"))
        lie, finite = halves(symmetry)
        for half in (lie, finite):
            if half is not None and half.space.dim != self.space.dim:
                raise ArgumentError(f"symmetry was on {half.space}; it should be on {self.space}")
        if of != self.of:
            raise ArgumentError(
                f"of was {of!r}; this is a sum over windows of {self.of}: give it as "
                f"{'potential' if self.of == 'q' else 'kinetic'}="
            )
        faults = [*self._lie_faults(lie, finite), *self._finite_faults(finite)]
        return WindowInvariance(self, symmetry, tuple(faults))

    @cached_property
    def _own(self) -> tuple[Window, ...]:
        """What makes images: of its generators each permutes them."""
        return () if self.finite is None else tuple(self.finite.generators)

    def _lie_faults(self, lie: LieAlgebra | None, finite: FiniteSymmetry | None) -> Iterable[str]:
        if lie is None:
            return
        moved, known = Moved(lie, self.of), set()
        carried = self._maps_to_itself(lie, finite)
        for window in self.windows if carried else [row.window for row in self.rows]:
            actions = moved.on(window)
            if actions is None:
                yield (
                    "the connected group turns the forms of a window into others than their "
                    f"combinations, {window!r:.200}"
                )
                return
            if actions in known:
                continue
            known.add(actions)
            for action in actions:
                g = _lift(action, self.forms)
                for f, _ in self.invariants:
                    if not is_zero(PhaseSpace(self.forms).bracket(g, f)).proved:
                        yield f"{f} of a window's forms is not kept by {g}"
                        return

    def _maps_to_itself(self, lie: LieAlgebra, finite: FiniteSymmetry | None) -> bool:
        """Whether with g all g∘σ are combinations of functions and their brackets.

        Then what these do to a window they do to its images. An algebra with its own σ is so.
        """
        if finite is not None and set(self._own) <= set(finite.generators):
            return True
        try:
            return not Symmetry(lie, self.finite).added
        except EHFError:  # not in time, or too many others: each image is looked at
            return False

    def _finite_faults(self, finite: FiniteSymmetry | None) -> Iterable[str]:
        others = [A for A in (finite.generators if finite else ()) if A not in self._own]
        if not others:
            return
        finite, found = FiniteSymmetry(self.space, others), self._found
        left = set(found.edges) if found.sites else {(-1, k) for k in range(len(found.rows))}
        while left:
            place, k = left.pop()
            row = found.rows[k]
            site = found.sites[place] if found.sites else None
            for image in images(site, row.window, finite, self.of):
                edge = found.edge(*image, row.kind)
                if edge is None:
                    opposite = found.edge(image[0], -image[1], row.kind) is not None
                    way = ", but its opposite is: even=True" if opposite else ""
                    rows = f"{image[1].tolist()}"
                    yield f"the image {rows:.200} of a window is none that is summed over{way}"
                    return
                left.discard(edge)


@dataclass(frozen=True, eq=False)
class WindowInvariance:
    """Whether a sum over windows is invariant, whatever its weights.

    Attributes
    ----------
    orbits : WindowOrbits
        Of which windows.
    symmetry : LieAlgebra, FiniteSymmetry or Symmetry
        Under what.
    faults : tuple of str
        What is missing.
    """

    orbits: WindowOrbits
    symmetry: Any
    faults: tuple[str, ...]

    @property
    def proved(self) -> bool:
        """Whether nothing is missing."""
        return not self.faults

    def __str__(self) -> str:
        orbits, (lie, finite) = self.orbits, halves(self.symmetry)
        letter = "U" if orbits.of == "q" else "K"
        lines = [
            f"{letter}({orbits.of}) is invariant whatever the weights: "
            f"{'proved' if self.proved else 'not proved'}",
            f"  {letter} is a sum over {len(orbits.rows)} windows of {orbits.forms} forms"
            + (f" at {len(orbits.site_kinds)} sites" if orbits.sites else ""),
        ]
        lines += [f"  {fault}" for fault in self.faults]
        if self.proved and finite is not None:
            lines.append("  Every generator of the finite group permutes them.")
        if self.proved and lie is not None:
            of = ", ".join(str(f) for f, _ in orbits.invariants)
            lines.append(f"  Of each it is a network of {of}: {{g, I}} = 0 for every g.")
            if not orbits.is_generating:
                lines.append("  These may keep a larger group than was declared.")
        return "\n".join(lines)


def images(
    site: Window | None, window: Window, finite: FiniteSymmetry | None, of: str
) -> Iterable[tuple[Window | None, Window]]:
    """List the images of a window together with its site."""
    if finite is None:
        return [(site, window)]
    if site is None:
        return [(None, image) for image in finite.orbit(window, of)]
    cut = site.rows
    both = finite.orbit(sp.ImmutableMatrix.vstack(site, window), of)
    return [(image[:cut, :], image[cut:, :]) for image in both]


class Moved:
    """What a connected group does to forms: W(Aq + b) = a W q + c, exactly, for each generator."""

    def __init__(self, lie: LieAlgebra | None, of: str) -> None:
        velocities = () if lie is None else affine_velocities(lie)
        if velocities is None:
            raise ArgumentError(
                f"symmetry was {lie!r:.200}; sums over windows need generators pᵀ(Aq + b), which "
                "move q by affine maps"
            )
        if of == "p":
            velocities = tuple((-A.T, 0 * b) for A, b in velocities)
        self._moves = [(_sparse(A), _sparse(b)) for A, b in velocities]

    def on(self, window: Window) -> tuple[sp.ImmutableMatrix, ...] | None:
        """Return the m × (m + 1) matrices (a, c); None where no a will do."""
        found = []
        for A, b in self._moves:
            action = self._action(window, _times(window, A))
            if action is None:
                return None
            shift = sp.SparseMatrix(window.rows, 1, _times(window, b))
            found.append(action.row_join(shift).as_immutable())
        return tuple(found)

    @staticmethod
    def _action(window: Window, moved: dict[tuple[int, int], sp.Expr]) -> sp.Matrix | None:
        """Solve a W = W A."""
        pivots = _pivots(window)
        inverse = window[:, pivots].inv()
        rows = sp.Matrix(
            window.rows, window.rows, lambda i, j: moved.get((i, pivots[j]), sp.S.Zero)
        )
        a = (rows * inverse).applyfunc(sp.expand)
        held = _times(a, _sparse(window))
        for place in held.keys() | moved.keys():
            rest = sp.expand(held.get(place, 0) - moved.get(place, 0))
            if rest != 0 and not is_zero(rest).proved:
                return None
        return a


def _pivots(window: Window) -> list[int]:
    """Columns in which the forms are independent.

    Raises
    ------
    ehf_sym.ArgumentError
        If there are none: the forms are not.
    """
    chosen: list[int] = []
    numbers = np.zeros(window.shape)
    for place, x in window.todok().items():
        numbers[place] = float(x)
    for j in np.flatnonzero(numbers.any(axis=0)).tolist():
        if np.linalg.matrix_rank(numbers[:, [*chosen, j]]) > len(chosen):
            chosen.append(j)
        if len(chosen) == window.rows:
            return chosen
    raise ArgumentError(f"a window was {window!r:.200}; its forms should be linearly independent")


def _sparse(matrix: sp.MatrixBase) -> dict[int, dict[int, sp.Expr]]:
    rows: dict[int, dict[int, sp.Expr]] = {}
    for (i, j), value in matrix.todok().items():
        rows.setdefault(i, {})[j] = value
    return rows


def _times(
    matrix: sp.MatrixBase, rows: dict[int, dict[int, sp.Expr]]
) -> dict[tuple[int, int], sp.Expr]:
    """Multiply by a sparse matrix: the entries that are not 0."""
    terms: dict[tuple[int, int], list[sp.Expr]] = {}
    for (i, k), value in matrix.todok().items():
        for j, factor in rows.get(k, {}).items():
            terms.setdefault((i, j), []).append(value * factor)
    sums = {place: sp.expand(sp.Add(*each)) for place, each in terms.items()}
    return {place: value for place, value in sums.items() if value != 0}


def _lift(action: sp.ImmutableMatrix, forms: int) -> sp.Expr:
    """Return the generator pᵀ(a q + c) on the forms."""
    space = PhaseSpace(forms)
    velocity = action[:, :forms] * sp.Matrix(space.q) + action[:, forms]
    return sp.expand(sp.Add(*(p * v for p, v in zip(space.p, velocity, strict=True))))


def _algebra(space: PhaseSpace, actions: Sequence[sp.ImmutableMatrix]) -> LieAlgebra | None:
    generators = [g for g in (_lift(action, space.dim) for action in actions) if g != 0]
    return LieAlgebra(space, list(dict.fromkeys(generators))) if generators else None


def _angular_forms(window: Window, angles: Sequence[int], k: int) -> tuple[int, ...]:
    """Find which forms of windows[k] are angles themselves."""
    angular = []
    for row in range(window.rows if angles else 0):
        entries = {j: window[row, j] for j in range(window.cols) if window[row, j] != 0}
        of_angles = entries.keys() & set(angles)
        if not of_angles:
            continue
        if len(of_angles) < len(entries) or not all(c.is_Integer for c in entries.values()):
            raise ArgumentError(
                f"windows[{k}] has a form with coefficients {[*entries.values()]!r:.200}; one of "
                "angles should have whole ones, and no other coordinates, to be an angle itself"
            )
        angular.append(row)
    return tuple(angular)


def _functions(space: PhaseSpace, even: bool) -> tuple[tuple[sp.Expr, int], ...]:
    """Functions that generate all of a window's forms y, periodic in angles, and their degrees.

    Even ones are those of y that −y has too.
    """
    angular = set(space.angular)
    odd = [sp.sin(y) if y in angular else y for y in space.q]
    own = [(sp.cos(y), 1) for y in space.q if y in angular]
    if not even:
        return (*own, *((y, 1) for y in odd))
    squares = [(y * y, 2) for y in odd if y in space.q]
    return (*own, *squares, *((a * b, 2) for a, b in combinations(odd, 2)))


class _Collected:
    """Windows and sites as they are found, those that count as one told apart from others."""

    def __init__(self, invariants: tuple[sp.Expr, ...], forms: int) -> None:
        self.rows: list[Row] = []
        self.sites: list[Window] = []
        self.site_kinds: list[int] = []
        self.edges: list[tuple[int, int]] = []
        self._invariants, self._y = invariants, PhaseSpace(forms).q
        self._alike: dict[Any, list[Window]] = {}
        self._kept: dict[Signed, bool] = {}
        self._row_places: dict[tuple[Window, int], int] = {}
        self._site_places: dict[Any, int] = {}
        self._edge_set: set[tuple[int, int]] = set()

    def add(self, site: Window | None, window: Window, kind: int) -> None:
        """Take a window in, if it is not there."""
        same = self._representative(window, keep=True)
        row = self._row_places.setdefault((same, kind), len(self.rows))
        if row == len(self.rows):
            self.rows.append(Row(same, kind))
        if site is None:
            return
        place = self._site_places.setdefault(_signature(site), len(self.sites))
        if place == len(self.sites):
            self.sites.append(site)
            self.site_kinds.append(kind)
        if (place, row) not in self._edge_set:
            self._edge_set.add((place, row))
            self.edges.append((place, row))

    def edge(self, site: Window | None, window: Window, kind: int) -> tuple[int, int] | None:
        """Find (site, row) of a window of a kind; None: it is not there."""
        same = self._representative(window, keep=False)
        row = self._row_places.get((same, kind)) if same is not None else None
        if row is None or site is None:
            return None if row is None else (-1, row)
        found = self._site_places.get(_signature(site), -1), row
        return found if found in self._edge_set else None

    def holds(self, site: Window | None, window: Window, kind: int | None) -> bool:
        """Whether a window is there, of this kind or of any."""
        kinds = {row.kind for row in self.rows} if kind is None else {kind}
        return any(self.edge(site, window, each) is not None for each in kinds)

    def _representative(self, window: Window, *, keep: bool) -> Any:
        """Return what stands for a window: the first one with the same invariants."""
        alike = self._alike.setdefault(_signature(window), [])
        for other in alike:
            if window == other or self._keeps(_between(other, window)):
                return other
        if keep:
            alike.append(window)
            return window
        return None

    def _keeps(self, signed: Signed) -> bool:
        """Whether I(S y) = I(y)."""
        if signed not in self._kept:
            y = self._y
            moved = dict(zip(y, (sign * y[j] for j, sign in signed), strict=True))
            self._kept[signed] = all(
                sp.expand(f.xreplace(moved) - f) == 0 for f in self._invariants
            )
        return self._kept[signed]


Form = tuple[tuple[int, sp.Expr], ...]
"""A row by its entries that are not 0, with their columns."""


def _signed(row: Form) -> tuple[int, Form]:
    """Return a sign, and the row times it, whose first entry is positive."""
    first = row[0][1] if row else sp.S.One
    if first.is_positive is False or (first.is_positive is None and float(first) < 0):
        return -1, tuple((j, -x) for j, x in row)
    return 1, row


def _rows_of(window: Window) -> list[tuple[int, Form]]:
    rows: list[list[tuple[int, sp.Expr]]] = [[] for _ in range(window.rows)]
    for (i, j), x in sorted(window.todok().items(), key=itemgetter(0)):
        rows[i].append((j, x))
    return [_signed(tuple(row)) for row in rows]


def _signature(window: Window) -> Any:
    """Return what windows share that differ by the signs and the order of their forms."""
    return tuple(sorted((row for _, row in _rows_of(window)), key=hash))


def _between(first: Window, second: Window) -> Signed:
    """Return S with second = S first, of windows with one signature."""
    places = {row: (j, sign) for j, (sign, row) in enumerate(_rows_of(first))}
    found = []
    for sign, row in _rows_of(second):
        j, other = places[row]
        found.append((j, sign * other))
    return tuple(found)

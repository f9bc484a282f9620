"""Energies that are sums over the images of windows: exact for finite groups and connected ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np
import sympy as sp

from ehf_num.engine.arguments import layer_widths, one_of, positive_integer, positive_number
from ehf_num.engine.engine import InC
from ehf_num.engine.native import NativeNetwork, WindowSums, takes
from ehf_num.engine.networks import Weights, affine, backwards, init_relu, sigmoid, softplus
from ehf_num.engine.quadratic import quadratics
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.invariant_energy import Features, tempered_features
from ehf_num.symmetry.windows import Window, WindowInvariance, WindowOrbits, halves
from ehf_sym import (
    FiniteSymmetry,
    LieAlgebra,
    PhaseSpace,
    RelativeFrame,
    Symmetry,
    format_formula,
    parse,
)
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.finite_symmetry import BUILD_SECONDS

_SMALL = 0.1  # of the last layers at the start: the flow begins close to the identity
_SMOOTH = 0.01  # added to |w|², whose root has a kink at 0


@dataclass(frozen=True, eq=False, repr=False)
class OrbitSum:
    r"""U(q) = Σ_w u(I(w)) + Σ_s v(Σ_{w at s} φ(I(w))): a sum over the images of windows, learned.

    A *window* is a few linear forms of q, such as the separation of two particles, or a site of a
    lattice and its neighbours. w runs over its images under the finite group; I are the invariants
    of what the connected group makes of its forms, such as :math:`|w|^2`; u, φ are one soft-plus
    network with 1 and c outputs, v another, of windows of each *site* s. Whatever the weights, U is
    invariant under both groups: `invariance` proves it.

    Parameters
    ----------
    space : ehf_sym.PhaseSpace
        d.
    windows : sequence of sympy.Matrix or of sequences of sympy.Expr
        Each m × d, or m linear formulas of the coordinates. Those that are no images of each other
        are told apart by the networks, and have to be listed; m is the same for all.
    symmetry : LieAlgebra, FiniteSymmetry or Symmetry, optional
        Its finite part makes images, its connected part decides on I. None: I are the forms.
    of : {"q", "p"}
        Whether it is U(q) or K(p).
    sites : sequence like windows, optional
        For each window forms that say where it is: what has the same at all images, up to signs and
        order, is at one site. None: no second sum.
    hidden : tuple of int
        Widths of the hidden layers of u and φ.
    site_hidden : tuple of int
        Widths of those of v, the first of which is c.
    gaussians : int
        For each I that is a squared length, this many Gaussians of r = (I + 0.01)^(1/2), and r
        itself, are inputs of the networks beside I.
    reach : float
        r of the last Gaussian; the first is at 0.
    degree : int, optional
        To which degree invariants are looked for; by default to which they are known to generate
        all, or 2.
    even : bool
        Whether I are even in a window's forms together: a window and its opposite are one then,
        which a group with both makes exact at half the cost.

    Raises
    ------
    ehf_sym.ArgumentError
        If an argument is not as described, the symmetry leads out of a window's forms, or a window
        has no invariants.

    Notes
    -----
    Weights, in this order: of the window's network W₁ (F, h₁), b₁ (kinds, h₁), W₂, b₂, …, W
    (h, 1 + c) without bias; with sites, of v a bias (kinds of sites, c), then V₂, b₂, …, V (h, 1).

    Examples
    --------
    >>> import ehf_sym as es
    >>> space = es.PhaseSpace(3)
    >>> q1, q2, q3 = space.q
    >>> ring = es.FiniteSymmetry(space, [[[0, 1, 0], [0, 0, 1], [1, 0, 0]]])
    >>> U = OrbitSum(space, [(q1, q2)], ring, hidden=(8,))
    >>> weights = U.init(np.random.default_rng(0), "float64")
    >>> x = np.array([[1.0, 2.0, 5.0], [2.0, 5.0, 1.0]])
    >>> bool(np.ptp(U.value(weights, x)) < 1e-14)
    True
    >>> print(U.invariance(ring, "q"))
    U(q) is invariant whatever the weights: proved
      U is a sum over 3 windows of 2 forms
      Every generator of the finite group permutes them.
    """

    space: PhaseSpace
    windows: Sequence[Any]
    symmetry: Any = None
    of: str = "q"
    sites: Sequence[Any] | None = None
    hidden: tuple[int, ...] = (32,)
    site_hidden: tuple[int, ...] = (32,)
    gaussians: int = 0
    reach: float = 4.0
    degree: int | None = None
    even: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.space, PhaseSpace):
            raise ArgumentError(f"space was {self.space!r}; it should be an ehf_sym.PhaseSpace")
        one_of(self.of, "of", ("q", "p"))
        for half in halves(self.symmetry):
            if half is not None and half.space.dim != self.space.dim:
                raise ArgumentError(
                    f"symmetry was on {half.space}; it should be on that of U, {self.space}"
                )
        self._put("windows", self._read("windows", self.windows))
        if len({window.rows for window in self.windows}) != 1:
            raise ArgumentError(
                "windows have different numbers of forms; they should be of one: give others to a "
                "sum of their own"
            )
        if self.sites is not None:
            self._put("sites", self._read("sites", self.sites))
            if len(self.sites) != len(self.windows):
                raise ArgumentError(
                    f"sites holds {len(self.sites)}; it should hold one for each of the "
                    f"{len(self.windows)} windows"
                )
        self._put("hidden", layer_widths(self.hidden, "hidden"))
        self._put("site_hidden", layer_widths(self.site_hidden, "site_hidden"))
        if self.gaussians != 0 or isinstance(self.gaussians, bool):
            self._put("gaussians", positive_integer(self.gaussians, "gaussians"))
            if self.gaussians < 2:
                raise ArgumentError("gaussians was 1; it should be 0, or 2 or more")
        self._put("reach", positive_number(self.reach, "reach"))
        if self.degree is not None:
            self._put("degree", positive_integer(self.degree, "degree"))
        if not isinstance(self.even, bool):
            raise ArgumentError(f"even was {self.even!r}; it should be True or False")
        self.orbits.invariants  # noqa: B018  # what does not fit is refused here, not in training

    def _put(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        rows, sites = len(self.orbits.rows), len(self.orbits.site_kinds)
        return (
            f"OrbitSum(of={self.of!r}, windows={rows}, sites={sites}, hidden={self.hidden}, "
            f"site_hidden={self.site_hidden}, gaussians={self.gaussians}, reach={self.reach:g})"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return OrbitSum, (
            self.space, self.windows, self.symmetry, self.of, self.sites, self.hidden,
            self.site_hidden, self.gaussians, self.reach, self.degree, self.even,
        )  # fmt: skip

    @classmethod
    def pairs(
        cls,
        frame: RelativeFrame,
        kinds: Any = None,
        *,
        of: str = "q",
        many_body: bool = True,
        time_limit: float = BUILD_SECONDS,
        **options: Any,
    ) -> OrbitSum:
        """Sum over the pairs of particles, and over each particle of what it has around it.

        Parameters
        ----------
        frame : ehf_sym.RelativeFrame
            Of ``ehf_sym.Particles(N, D).relative()``.
        kinds : str or sequence, optional
            Which particles are identical, as of `RelativeFrame.permutations`.
        of : {"q", "p"}
            Whether it is U(q) or K(p).
        many_body : bool
            Whether there is a network a particle; False: a pair potential.
        time_limit : float
            Seconds after which a question about the symmetry is undecided.
        **options
            ``hidden``, ``site_hidden``, ``gaussians`` and ``reach``.

        Examples
        --------
        >>> import ehf_sym as es
        >>> frame = es.Particles(4, 2).relative()
        >>> U = OrbitSum.pairs(frame, hidden=(8,))
        >>> len(U.orbits.rows), len(U.orbits.site_kinds)
        (6, 4)
        """
        if not isinstance(frame, RelativeFrame):
            raise ArgumentError(
                f"frame was {frame!r:.200}; it should be ehf_sym.Particles(N, D).relative()"
            )
        groups = frame.kinds(kinds)
        starts = [
            (first[0], second[0] if second is not first else first[1])
            for first in groups
            for second in groups
            if second is not first or len(first) > 1
        ]
        windows = [frame.separation(a, b) for a, b in starts]
        sites = [frame.position(a) for a, _ in starts] if many_body else None
        alike = any(len(group) > 1 for group in groups)
        lie = frame.rotations() if frame.dimension > 1 else None
        finite = frame.permutations(kinds, time_limit=time_limit) if alike else None
        symmetry = Symmetry(lie, finite, time_limit) if lie or finite else None
        return cls(frame.space, windows, symmetry, of, sites, **options)

    def _read(self, name: str, given: Any) -> tuple[Window, ...]:
        """Read matrices, and linear forms as the rows of one."""
        if isinstance(given, str) or not isinstance(given, Iterable) or not (each := [*given]):
            raise ArgumentError(f"{name} was {given!r:.200}; it should be a sequence of windows")
        return tuple(self._matrix(value, f"{name}[{k}]") for k, value in enumerate(each))

    def _matrix(self, value: Any, name: str) -> Window:
        wrong = ArgumentError(
            f"{name} was {value!r:.200}; it should be a matrix with {self.space.dim} columns, or "
            f"linear forms of {self.of}"
        )
        if isinstance(value, sp.MatrixBase) and value.cols == self.space.dim:
            return sp.ImmutableMatrix(value)
        variables = self.space.q if self.of == "q" else self.space.p
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise wrong
        forms = [self.space.validate(form, name) for form in value]
        rows = [[form.coeff(x) for x in variables] for form in map(sp.expand, forms)]
        for form, row in zip(forms, rows, strict=True):
            rest = form - sum(c * x for c, x in zip(row, variables, strict=True))
            if sp.expand(rest) != 0 or set().union(*(c.free_symbols for c in row)):
                raise wrong
        if not rows:
            raise wrong
        return sp.ImmutableMatrix(rows)

    @cached_property
    def orbits(self) -> WindowOrbits:
        """The windows that are summed over, exact."""
        lie, finite = halves(self.symmetry)
        sites = None if self.sites is None else tuple(self.sites)
        return WindowOrbits(
            self.space, tuple(self.windows), sites, lie, finite, self.of, self.degree, self.even
        )

    @cached_property
    def features(self) -> Features:
        """The invariants I of a window's forms, each over its degree, in numbers."""
        return tempered_features(self.orbits.invariants, self.orbits.form_space.q)

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Which of the invariants are squared lengths, of which there are Gaussians."""
        found = self.features.quadratics
        if not self.gaussians or found is None:
            return ()
        return tuple(
            k
            for k, (form, slope) in enumerate(zip(found.forms, found.slopes, strict=True))
            if not slope.any() and np.linalg.eigvalsh(form)[0] >= 0
        )

    @property
    def inputs(self) -> int:
        """Number F of inputs of the window's network."""
        return self.features.count + len(self.lengths) * (1 + self.gaussians)

    @cached_property
    def layout(self) -> Layout:
        """The windows in numbers, and what is where: what a kernel needs."""
        return Layout.of(self.orbits)

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the initial weights."""
        layout, sites = self.layout, self.sites is not None
        channels = self.site_hidden[0] if sites else 0
        weights = init_relu((self.inputs, *self.hidden, 1 + channels), rng, dtype)[:-1]
        weights[1] = np.zeros((layout.kinds, self.hidden[0]), dtype)
        weights[-1][:, :1] *= _SMALL
        if not sites:
            return weights
        weights[-1][:, 1:] /= np.sqrt(len(layout.edges) / layout.sites)
        of_sites = init_relu((*self.site_hidden, 1), rng, dtype)[:-1]
        of_sites[-1] *= np.asarray(_SMALL, dtype)
        return [*weights, np.zeros((layout.kinds_of_sites, channels), dtype), *of_sites]

    def value(self, weights: Weights, x: Any) -> Any:
        """Evaluate it: (n, d) to (n,)."""
        return self._pass(weights, x).value()

    def gradient(self, weights: Weights, x: Any) -> Any:
        """Evaluate its derivative, the chain rule written out: (n, d) to (n, d)."""
        return self._gradient(x, *weights)

    def times(self, weights: Weights, factor: Any) -> Weights:
        """Return the weights of c U: the last ones of u and of v times c."""
        cut = 2 * len(self.hidden)
        before, last, of_sites = weights[:cut], weights[cut], weights[cut + 1 :]
        if not of_sites:
            return [*before, factor * last]
        last = anp.concatenate([factor * last[:, :1], last[:, 1:]], axis=1)
        return [*before, last, *of_sites[:-1], factor * of_sites[-1]]

    def gradient_reference(self, x: Any, *weights: Any) -> Any:
        """Evaluate the derivative in autograd's operations."""
        return self._pass(weights, x).gradient()

    @cached_property
    def in_c(self) -> WindowSums | None:
        """What the kernels in C know of it.

        None: some invariant is no quadratic function of forms, and of sines and cosines of angles.
        """
        layout, of_forms = self.layout, self.orbits.form_space
        y, angles = of_forms.q, [*of_forms.angles]
        straight = [j for j in range(len(y)) if j not in angles]
        bent = {wave(y[j]): sp.Dummy(real=True) for wave in (sp.sin, sp.cos) for j in angles}
        formulas = [sp.expand_trig(f).xreplace(bent) for f in self.features.formula.expressions]
        invariants = quadratics(formulas, [*(y[j] for j in straight), *bent.values()])
        if invariants is None:
            return None
        return WindowSums(
            forms=layout.forms[:, [*straight, *angles]],
            angular=len(angles),
            invariants=invariants,
            lengths=self.lengths,
            gaussians=self.gaussians,
            spacing=self.reach / (self.gaussians - 1) if self.gaussians else 1.0,
            kinds=layout.row_kinds,
            site_kinds=layout.site_kinds,
            edges=np.argwhere(layout.incidence),
            hidden=self.hidden,
            site_hidden=() if self.sites is None else self.site_hidden,
            reference=self.gradient_reference,
        )

    @cached_property
    def _gradient(self) -> InC:
        def kernel(weights: tuple[Array, ...]) -> NativeNetwork | None:
            known = self.in_c
            if known is None or not takes(weights, 1, known):
                return None
            return NativeNetwork("energy", weights, known)

        return InC(kernel, self.gradient_reference)

    def _pass(self, weights: Weights, x: Any) -> _Pass:
        cut = 2 * len(self.hidden) + 1
        return _Pass(self, weights[:cut], weights[cut:], x)

    def of_rows(self, weights: Weights, x: Any) -> Any:
        """Evaluate the network of u at every window: (n, d) to (n, R)."""
        return self._pass(weights, x).of_rows()

    def rows_of(self, x: Any) -> tuple[Any, Any]:
        """Evaluate the forms of all windows and what networks see of them, a window a row.

        Returns
        -------
        forms : ndarray, shape (n R, m)
            W x of every window.
        inputs : ndarray, shape (n R, F)
            Their invariants, and what is made of these.
        """
        rows = _Rows(self, x)
        return rows.forms, rows.inputs

    def invariance(self, symmetry: Any, of: str) -> WindowInvariance:
        """Prove that it is invariant, whatever the weights.

        The images of the windows are permuted by every generator of the finite group, and every
        generator of the connected one leaves the invariants of each alone; both exactly.
        """
        return self.orbits.invariance(symmetry, of)

    def saved(self) -> dict[str, Any]:
        """Return the options of `restored`, as JSON has them."""
        return {
            "dim": self.space.dim,
            "angles": list(self.space.angles),
            "windows": [_written(window) for window in self.windows],
            **written_symmetry(*halves(self.symmetry)),
            "of": self.of,
            "sites": None if self.sites is None else [_written(site) for site in self.sites],
            "hidden": list(self.hidden),
            "site_hidden": list(self.site_hidden),
            "gaussians": self.gaussians,
            "reach": self.reach,
            "degree": self.degree,
            "even": self.even,
        }

    @classmethod
    def restored(
        cls,
        dim: int,
        windows: Sequence[Any],
        generators: Sequence[str] | None,
        finite: Sequence[Any] | None,
        of: str,
        sites: Sequence[Any] | None,
        angles: Sequence[int] = (),
        **options: Any,
    ) -> OrbitSum:
        """Make one again of what `saved` returned."""
        space = PhaseSpace(dim, angles=angles)
        return cls(
            space,
            _read_all(windows, space),
            read_symmetry(space, generators, finite),
            of,
            sites and _read_all(sites, space),
            **options,
        )


def admit_sum_of_positions(energy: Any) -> None:
    """Refuse what is no `OrbitSum` of q."""
    if not isinstance(energy, OrbitSum) or energy.of != "q":
        raise ArgumentError(f"energy was {energy!r:.200}; it should be an ehf_num.OrbitSum of q")


@dataclass(frozen=True, eq=False)
class Layout:
    """What a sum over windows is made of, in numbers: R rows, S sites, E edges.

    Attributes
    ----------
    forms : ndarray, shape (R, m, d)
        The windows.
    row_kinds : ndarray of int, shape (R,)
        Which bias of the first layer.
    edges : ndarray of int, shape (E, 2)
        Site and row.
    site_kinds : ndarray of int, shape (S,)
        Which bias of the sites' network.
    """

    forms: Array
    row_kinds: Array
    edges: Array
    site_kinds: Array

    @classmethod
    def of(cls, orbits: WindowOrbits) -> Layout:
        """Put exact windows into numbers; kinds are numbered from 0."""
        kinds = np.unique([row.kind for row in orbits.rows], return_inverse=True)[1]
        of_sites = np.unique(orbits.site_kinds, return_inverse=True)[1].astype(int)
        edges = np.array(orbits.edges, int).reshape(-1, 2)
        return cls(orbits.numbers(), kinds, edges, of_sites)

    @property
    def kinds(self) -> int:
        """Number of kinds of windows."""
        return int(self.row_kinds.max()) + 1

    @property
    def sites(self) -> int:
        """Number S of sites."""
        return len(self.site_kinds)

    @property
    def kinds_of_sites(self) -> int:
        """Number of kinds of sites."""
        return int(self.site_kinds.max(initial=-1)) + 1

    @cached_property
    def incidence(self) -> Array:
        """1 where a row is at a site: (S, R)."""
        found = np.zeros((self.sites, len(self.row_kinds)))
        found[self.edges[:, 0], self.edges[:, 1]] = 1
        return found

    @cached_property
    def one_hot(self) -> tuple[Array, Array]:
        """Kinds of rows (R, kinds) and of sites (S, kinds) as unit vectors."""
        return np.eye(self.kinds)[self.row_kinds], np.eye(self.kinds_of_sites)[self.site_kinds]


class _Rows:
    """The windows of points: their forms, the inputs of networks, and the way back."""

    def __init__(self, energy: OrbitSum, x: Any) -> None:
        rows, forms, dim = energy.layout.forms.shape
        self._of, self._dtype, self._shape = energy, x.dtype, (len(x), rows * forms)
        self._matrix = energy.layout.forms.reshape(rows * forms, dim).astype(x.dtype, copy=False)
        self.forms = anp.reshape(anp.dot(x, self._matrix.T), (len(x) * rows, forms))
        self.inputs = self._inputs()

    def back(self, bar: Any) -> Any:
        """Turn the cotangent of the inputs into that of x: (n R, F) to (n, d)."""
        jacobian = self._of.features.jacobian(self.forms)
        of_invariants = anp.expand_dims(self._back_to_invariants(bar), 2)
        of_forms = anp.sum(of_invariants * jacobian, axis=1)
        return anp.dot(anp.reshape(of_forms, self._shape), self._matrix)

    def _inputs(self) -> Any:
        """Evaluate the inputs of the window's network: (n R, F)."""
        invariants = self._of.features.values(self.forms)
        if not self._of.lengths:
            return invariants
        self._select = np.eye(self._of.features.count, dtype=self._dtype)[:, [*self._of.lengths]]
        self._r = anp.sqrt(2 * anp.dot(invariants, self._select) + self._dtype.type(_SMOOTH))
        centres = np.linspace(0, self._of.reach, self._of.gaussians, dtype=self._dtype)
        self._width = centres[1]
        self._from = (anp.expand_dims(self._r, 2) - centres) / self._width
        self._bumps = anp.exp(-self._from * self._from / 2)
        flat = anp.reshape(self._bumps, (len(self._r), len(centres) * len(self._of.lengths)))
        return anp.concatenate([invariants, self._r, flat], axis=1)

    def _back_to_invariants(self, bar: Any) -> Any:
        count, lengths = self._of.features.count, len(self._of.lengths)
        if not lengths:
            return bar
        of_bumps = anp.reshape(bar[:, count + lengths :], self._bumps.shape)
        of_r = bar[:, count : count + lengths]
        of_r = of_r - anp.sum(of_bumps * self._bumps * self._from, axis=2) / self._width
        return bar[:, :count] + anp.dot(of_r / self._r, self._select.T)


class _Pass:
    """One evaluation, with what the way back needs."""

    def __init__(self, energy: OrbitSum, of_windows: Weights, of_sites: Weights, x: Any) -> None:
        layout = energy.layout
        self._rows, self._layers = _Rows(energy, x), of_windows
        self._shape, self._dtype = (len(x), len(layout.forms)), x.dtype
        self._slopes: list[Any] = []
        z = anp.dot(self._rows.inputs, of_windows[0])
        z = z + kind_biases(layout.one_hot[0], of_windows[1], len(x))
        for matrix, bias in zip(of_windows[2:-1:2], of_windows[3:-1:2], strict=True):
            self._slopes.append(sigmoid(z))
            z = affine(softplus(z), matrix, bias)
        self._slopes.append(sigmoid(z))
        outputs = of_windows[-1].shape[1]
        self._out = anp.reshape(anp.dot(softplus(z), of_windows[-1]), (*self._shape, outputs))
        self._sites = _Sites(layout, of_sites, self._out[:, :, 1:]) if of_sites else None

    def of_rows(self) -> Any:
        """Return what the network gives for each window: (n, R)."""
        return self._out[:, :, 0]

    def value(self) -> Any:
        """Sum over windows and sites: (n,)."""
        pairs = anp.sum(self.of_rows(), axis=1)
        return pairs if self._sites is None else pairs + self._sites.value()

    def gradient(self) -> Any:
        """Go back from the sum to x: (n, d)."""
        count, rows = self._shape
        bar = np.ones((count, rows, 1), self._dtype)
        if self._sites is not None:
            bar = anp.concatenate([bar, self._sites.slopes()], axis=2)
        bar = anp.reshape(bar, (bar.shape[0] * rows, bar.shape[2]))
        product = backwards(bar, self._layers[-1]) * self._slopes[-1]
        for matrix, slope in zip(self._layers[-3:1:-2], self._slopes[-2::-1], strict=True):
            product = backwards(product, matrix) * slope
        return self._rows.back(backwards(product, self._layers[0]))


class _Sites:
    """The second sum: v of what the windows of each site add up to."""

    def __init__(self, layout: Layout, weights: Weights, of_windows: Any) -> None:
        self._incidence = layout.incidence.astype(of_windows.dtype, copy=False)
        count, self._weights = len(of_windows), weights
        summed = anp.einsum("sr,nrc->nsc", self._incidence, of_windows)
        self._shape = summed.shape
        z = anp.reshape(summed, (count * layout.sites, self._shape[2]))
        z = z + kind_biases(layout.one_hot[1], weights[0], count)
        self._slopes = [sigmoid(z)]
        for matrix, bias in zip(weights[1:-1:2], weights[2:-1:2], strict=True):
            z = affine(softplus(z), matrix, bias)
            self._slopes.append(sigmoid(z))
        self._end = softplus(z)

    def value(self) -> Any:
        """Sum over sites: (n,)."""
        each = anp.dot(self._end, self._weights[-1])
        return anp.sum(anp.reshape(each, self._shape[:2]), axis=1)

    def slopes(self) -> Any:
        """Go back to what the windows gave: (n, R, c)."""
        product = self._slopes[-1] * self._weights[-1].T
        for matrix, slope in zip(self._weights[-3:0:-2], self._slopes[-2::-1], strict=True):
            product = backwards(product, matrix) * slope
        return anp.einsum("sr,nsc->nrc", self._incidence, anp.reshape(product, self._shape))


def kind_biases(one_hot: Array, biases: Any, count: int) -> Any:
    """Return the bias of each row's kind: (n · rows, width), or (1, width) where there is one."""
    if one_hot.shape[1] == 1:
        return biases
    each = anp.expand_dims(anp.dot(one_hot.astype(biases.dtype, copy=False), biases), 0)
    rows, width = len(one_hot), biases.shape[1]
    each = each + np.zeros((count, rows, width), biases.dtype)
    return anp.reshape(each, (count * rows, width))


def written_symmetry(lie: LieAlgebra | None, finite: FiniteSymmetry | None) -> dict[str, Any]:
    """Write a symmetry as `read_symmetry` takes it."""
    return {
        "generators": None if lie is None else [*map(format_formula, lie.generators)],
        "finite": None if finite is None else [_written(a) for a in finite.generators],
    }


def read_symmetry(
    space: PhaseSpace, generators: Sequence[str] | None, finite: Sequence[Any] | None
) -> Symmetry | None:
    """Make a symmetry again of text and of entries of matrices."""
    lie = generators and LieAlgebra(space, [parse(text, space) for text in generators])
    group = finite and FiniteSymmetry(space, _read_all(finite, space))
    return Symmetry(lie or None, group or None) if lie or group else None


def _written(matrix: sp.MatrixBase) -> dict[str, Any]:
    """Write a matrix by its entries that are not 0."""
    entries = [[i, j, format_formula(value)] for (i, j), value in sorted(matrix.todok().items())]
    return {"shape": list(matrix.shape), "entries": entries}


def _read_all(written: Sequence[Any], space: PhaseSpace) -> list[Window]:
    return [_read_matrix(each, space) for each in written]


def _read_matrix(written: Mapping[str, Any], space: PhaseSpace) -> Window:
    entries = {(int(i), int(j)): parse(text, space) for i, j, text in written["entries"]}
    rows, columns = map(int, written["shape"])
    if columns != space.dim or not 1 <= rows <= space.dim:
        raise ValueError(f"a window is of shape {(rows, columns)}")
    return sp.ImmutableMatrix(sp.SparseMatrix(rows, columns, entries))

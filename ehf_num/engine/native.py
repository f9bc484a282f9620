"""The kernels in C, where they were compiled, and what they need.

In `engine/kernels` whole tiles of rows go through a network, a flow or a pullback in one call
without the interpreter. Here are their arguments: shapes, packed weights, and the arrays that they
borrow. The package installs without a C compiler too, and ``EHF_NATIVE=0`` in the environment turns
them off: the reference serves then (`engine`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from itertools import accumulate, pairwise
from types import ModuleType
from typing import Any

import numpy as np

from ehf_num.engine.parallel import lengths, share_count, threads
from ehf_num.engine.quadratic import Quadratics
from ehf_num.engine.reversal import report_reversal
from ehf_num.engine.workspace import Array, Workspace

try:
    _compiled: ModuleType | None = import_module("ehf_num._native")
except ModuleNotFoundError:
    _compiled, _MISSING = None, "not compiled when the package was installed"
except ImportError as error:
    _compiled, _MISSING = None, f"compiled, but they do not load: {error}"

kernels = _compiled


_DTYPES = {np.dtype(np.float32), np.dtype(np.float64)}


_ENABLED = os.environ.get("EHF_NATIVE", "1") != "0"


class _State:
    enabled = _ENABLED


def set_native(enabled: bool | None) -> None:
    """Use the kernels in C where there are any, or the reference; None: as the process began.

    Examples
    --------
    >>> set_native(False)
    >>> why_not()
    'they are turned off'
    >>> set_native(None)
    """
    _State.enabled = _ENABLED if enabled is None else enabled


def turned_off() -> bool:
    """Whether the kernels in C are not wanted, whether they are there or not."""
    return not _State.enabled


def why_not() -> str | None:
    """Say why no kernel in C runs in this process; None: they run."""
    if turned_off():
        return "they are turned off"
    return _MISSING if kernels is None else None


def takes(arrays: Sequence[Array], networks: int = 1, features: Inputs = None) -> bool:
    """Whether the kernels in C take so many networks, with weights like those of this one."""
    if kernels is None or not _State.enabled:
        return False
    dtypes = {array.dtype for array in arrays}
    layers = features.layers + 1 if isinstance(features, WindowSums) else len(arrays) // 2
    return (
        len(dtypes) == 1
        and dtypes <= _DTYPES
        and networks <= kernels.MAX_NETWORKS
        and layers <= kernels.MAX_LAYERS
        and 0 not in [array.size for array in arrays]
        and (features is None or features.dim <= kernels.MAX_FEATURED)
    )


@dataclass(frozen=True, eq=False)
class WindowSums:
    """What the kernels know of an energy that is a sum over windows, R rows at S sites.

    Attributes
    ----------
    forms : ndarray, shape (R, m, d)
        The windows, forms that are angles last.
    angular : int
        How many are angles.
    invariants : Quadratics
        Of the forms of a window that are no angles, the sines of those that are, and the cosines.
    lengths : tuple of int
        Which of them are squared lengths, of which there are Gaussians.
    gaussians : int
        How many of each.
    spacing : float
        Of their centres, and their width.
    kinds, site_kinds : ndarray of int
        Of each row and of each site.
    edges : ndarray of int, shape (E, 2)
        Site and row.
    hidden, site_hidden : tuple of int
        Widths; no `site_hidden`: no second sum.
    reference : callable
        The gradient, f(x, *weights), in autograd's operations.
    """

    forms: Array
    angular: int
    invariants: Quadratics
    lengths: tuple[int, ...]
    gaussians: int
    spacing: float
    kinds: Array
    site_kinds: Array
    edges: Array
    hidden: tuple[int, ...]
    site_hidden: tuple[int, ...]
    reference: Callable[..., Any]

    @property
    def dim(self) -> int:
        """Number d of coordinates."""
        return int(self.forms.shape[2])

    @property
    def layers(self) -> int:
        """Number of layers of the deeper network."""
        return max(len(self.hidden), len(self.site_hidden))

    @property
    def arrays(self) -> int:
        """Number of weight arrays."""
        return 2 * len(self.hidden) + 1 + 2 * len(self.site_hidden)

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """What stands for its networks."""
        rows, forms, dim = self.forms.shape
        functions = forms + self.angular, len(self.invariants.slopes), len(self.lengths)
        kinds, site_kinds = (int(of.max(initial=-1)) + 1 for of in (self.kinds, self.site_kinds))
        places = kinds, len(self.site_kinds), site_kinds, len(self.edges)
        widths = self.angular, len(self.hidden), *self.hidden, *self.site_hidden
        return (self.spacing, dim, rows, *functions, self.gaussians, *places, *widths)

    @property
    def products(self) -> int:
        """Multiply-adds of a row of x on its way through all layers."""
        rows, forms, dim = self.forms.shape
        inputs = len(self.invariants.slopes) + len(self.lengths) * (1 + self.gaussians)
        widths, of_sites = (inputs, *self.hidden, *self.site_hidden[:1]), self.site_hidden
        of_a_window = 2 * forms * dim + sum(a * b for a, b in pairwise(widths))
        of_a_site = sum(a * b for a, b in pairwise(of_sites))
        return int(rows * of_a_window + len(self.site_kinds) * of_a_site)

    def filling(self, weights: tuple[Array, ...], dtype: np.dtype[Any]) -> tuple[Array, ...]:
        """Return what the kernels pack: the weights and the windows, in the order of `window_bind`.

        Biases that are none, of the first layer and of what goes to sites, are not read there.
        """
        cut, empty = 2 * len(self.hidden), np.empty(0, dtype)
        first, last, of_sites = np.concatenate(weights[:2]), weights[cut], weights[cut + 1 :]
        places = self.lengths, self.kinds, self.edges.ravel(), self.site_kinds
        given = self.invariants.forms.ravel(), self.invariants.slopes.ravel(), *places
        rest = np.concatenate([np.asarray(each, dtype) for each in given])
        forms = self.forms.astype(dtype).reshape(-1, self.dim)
        column = np.ascontiguousarray(last[:, 0])
        to_sites: tuple[Array, ...] = ()
        if of_sites:
            to_sites = np.ascontiguousarray(last[:, 1:]), np.zeros(last.shape[1] - 1, dtype)
        biases = np.zeros(self.hidden[0], dtype)
        sites = (
            (*of_sites[1:-1], column, of_sites[-1], of_sites[0])
            if of_sites
            else (column, empty, empty)
        )
        return (first, biases, *weights[2:cut], *to_sites, *sites, forms, rest)


Inputs = Quadratics | WindowSums | None
"""What an energy is a network of, or a sum of networks of; None: x itself."""


@dataclass(frozen=True)
class Sizes:
    """Numbers (of the dtype) in each array that a kernel borrows.

    Attributes
    ----------
    packed : int
        Weights in the order of the products.
    kept : int
        What a pullback needs of one evaluation of one tile of rows.
    work : int
        Scratch of one thread.
    bars : int
        Sums of the weights' cotangents, of one share.
    tile : int
        Rows of a tile.
    """

    packed: int
    kept: int
    work: int
    bars: int
    tile: int

    def tiles(self, rows: int) -> int:
        """Count tiles."""
        return -(-rows // self.tile)


@dataclass(frozen=True)
class Shape:
    """Which networks: for the C side as arguments, for Python as sizes.

    Attributes
    ----------
    kind : str
        "energy" or "relu".
    is_double : bool
        float64, else float32.
    widths : tuple of int
        Of the input and of each layer's output; an energy's last layer, of one unit, is left out.
    featured : int
        How many variables the inputs are `Quadratics` of; 0: the inputs are x itself.
    windows : WindowSums or None
        Of which sum over windows it is the networks.
    """

    kind: str
    is_double: bool
    widths: tuple[int, ...]
    featured: int = 0
    windows: WindowSums | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of all arrays."""
        return np.dtype(np.float64 if self.is_double else np.float32)

    @property
    def arguments(self) -> tuple[bool, tuple[float, ...]]:
        """What every call begins with."""
        return self.is_double, self.of_network

    @property
    def of_network(self) -> tuple[float, ...]:
        """What stands for one network."""
        if self.windows is not None:
            return self.windows.numbers
        return self.featured, *self.widths

    @property
    def dim(self) -> int:
        """Width of x."""
        return self.featured or self.widths[0]

    @property
    def products(self) -> int:
        """Multiply-adds of a row on its way through all layers."""
        if self.windows is not None:
            return self.windows.products
        products = sum(fan_in * fan_out for fan_in, fan_out in pairwise(self.widths))
        return products + self.widths[0] * self.featured**2

    @cached_property
    def sizes(self) -> Sizes:
        """Ask the kernels."""
        return Sizes(*getattr(kernels, f"{self.kind}_sizes")(*self.arguments))


def energy_shape(weights: Sequence[Any], features: Inputs = None) -> Shape:
    """Describe the soft-plus network of W_1, b_1, …, W_L, b_L, w, of x or of functions of it."""
    if isinstance(features, WindowSums):
        return _shape("energy", weights[0].dtype == np.float64, (features.dim,), 0, features)
    featured = 0 if features is None else features.dim
    widths = tuple([len(matrix) for matrix in weights[::2]])
    return _shape("energy", weights[0].dtype == np.float64, widths, featured)


def relu_shape(weights: Sequence[Any]) -> Shape:
    """Describe the relu network of W_1, b_1, …."""
    widths = (*map(len, weights[::2]), weights[-1].shape[0])
    return _shape("relu", weights[0].dtype == np.float64, widths)


_shape = lru_cache(256)(Shape)  # as many as there are kinds of networks: sizes are asked for once


class Packed(Workspace):
    """Weights of networks, in the order of the products.

    Parameters
    ----------
    shapes : sequence of Shape
        Of the first networks; those after them have the same again.
    weights : sequence of ndarray
        Those of one network after those of another.
    features : sequence of Quadratics, WindowSums or None
        What the inputs of each shape are; None: x itself.
    networks : int
        How many.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        weights: tuple[Array, ...],
        features: Sequence[Inputs],
        networks: int = 1,
    ) -> None:
        super().__init__()
        self.dtype = shapes[0].dtype
        self.weights = tuple(map(np.ascontiguousarray, weights))
        rounds = networks // len(shapes)
        counts = array_counts(len(weights) // rounds, features)
        sizes = [shape.sizes.packed for shape in shapes] * rounds
        self.packed = self.empty((sum(sizes),), self.dtype)
        fill, end, taken = getattr(kernels, f"{shapes[0].kind}_fill"), 0, 0
        for number, size in enumerate(sizes):
            kind, start, end = number % len(shapes), end, end + size
            own = self.weights[taken : (taken := taken + counts[kind])]
            of = features[kind]
            if isinstance(of, WindowSums):
                own = of.filling(own, self.dtype)
            elif of is not None:
                own += of.arrays(self.dtype)
            fill(*shapes[kind].arguments, own, self.packed[start:end])

    def weight_bars(self) -> tuple[Array, list[Array]]:
        """Return an array for the weights' cotangents, and its parts in their shapes."""
        places, size = _places(tuple([w.shape for w in self.weights]))
        flat = np.empty(size, self.dtype)
        return flat, [flat[where].reshape(shape) for where, shape in places]

    _shares = 1
    _sharing = 1, 1  # how many shares, and how many threads do them

    def _borrow(self, kept: int, work: int, blocks: int) -> None:
        """Borrow so many blocks for what is kept, and what each thread works in."""
        self._sharing = self._shares, min(threads(), self._shares)
        self._kept = self.empty((blocks * kept,), self.dtype)
        self._work = self.empty((self._sharing[1] * work,), self.dtype)


def array_counts(count: int, features: Sequence[Inputs]) -> list[int]:
    """Say how many of so many weight arrays are whose: networks that are no sums are alike."""
    known = [f.arrays if isinstance(f, WindowSums) else 0 for f in features]
    others = known.count(0)
    return [own or (count - sum(known)) // others for own in known]


@lru_cache(64)
def _places(shapes: tuple[tuple[int, ...], ...]) -> tuple[list[tuple[slice, Any]], int]:
    """Say where in one vector each array lies, and how long that is."""
    ends = list(accumulate(map(math.prod, shapes), initial=0))
    return [(slice(*two), shape) for two, shape in zip(pairwise(ends), shapes, strict=True)], ends[
        -1
    ]


class NativeNetwork(Packed):
    """One network, ready for the products, and the rows that it took last.

    Parameters
    ----------
    kind : str
        "energy": x to ∂energy/∂x; "relu": x to the value.
    weights : tuple of ndarray
        Its weights.
    features : Quadratics, WindowSums or None
        What an energy's inputs are; None: x itself.
    """

    row_bars = True

    def __init__(self, kind: str, weights: tuple[Array, ...], features: Inputs = None) -> None:
        shape = energy_shape(weights, features) if kind == "energy" else relu_shape(weights)
        super().__init__([shape], weights, [features])
        self._kind, self._shape, self._sizes = kind, shape, shape.sizes
        self._outputs = shape.dim if kind == "energy" else shape.widths[-1]
        self._products = (2.0 if kind == "energy" else 1.0) * shape.products

    def forward(self, x: Array, *, keep: bool) -> Array:
        """Evaluate x (n, d): (n, m); keep: for a backward pass."""
        sizes, dtype = self._sizes, self.dtype
        x, out = np.ascontiguousarray(x, dtype), np.empty((len(x), self._outputs), dtype)
        self._shares = share_count(len(x), self._products, dtype.itemsize)
        self._borrow(sizes.kept, sizes.work, _tiles(sizes, x, self._shares, keep))
        forward = getattr(kernels, f"{self._kind}_forward")
        arrays = self.packed, x, out, self._kept, self._work
        forward(*self._sharing, *self._shape.arguments, keep, *arrays)
        return out

    def pull_back(self, cotangent: Array) -> tuple[list[Array], list[Array]]:
        """Turn a cotangent (n, m) into those of x and of each weight."""
        x_bar = np.empty((len(cotangent), self._shape.dim), self.dtype)
        flat, parts = self.weight_bars()
        sums = self.empty((self._shares * self._sizes.bars,), self.dtype)
        pull_back = getattr(kernels, f"{self._kind}_pull_back")
        arrays = self._kept, self._work, x_bar, sums, flat
        cotangent = np.ascontiguousarray(cotangent, self.dtype)
        pull_back(*self._sharing, *self._shape.arguments, self.packed, cotangent, *arrays)
        return [x_bar], parts


class NativeDraw(Packed):
    """A Gaussian's draw: the networks of μ and σ, and what is made of both.

    Parameters
    ----------
    weights : tuple of ndarray
        Those of μ's network, and those of σ's, which is like it.
    """

    row_bars = False  # nothing that training needs

    def __init__(self, weights: tuple[Array, ...]) -> None:
        self._shape = shape = relu_shape(weights[: len(weights) // 2])
        super().__init__([shape], weights, [None], networks=2)
        self._sizes = shape.sizes

    def forward(self, q: Array, noise: Array, *, keep: bool) -> Array:
        """Draw p = μ + σ noise and evaluate ln h, in one array (n, d + 1)."""
        sizes, dtype = self._sizes, self.dtype
        q, self._noise = np.ascontiguousarray(q, dtype), np.ascontiguousarray(noise, dtype)
        drawn = np.empty((len(q), q.shape[1] + 1), dtype)
        self._scales = np.empty((2, *q.shape), dtype)
        self._shares = share_count(len(q), 2.0 * self._shape.products, dtype.itemsize)
        blocks = 2 * _tiles(sizes, q, self._shares, keep)
        self._borrow(sizes.kept, sizes.work, blocks)
        arrays = self.packed, q, self._noise, drawn, *self._scales, self._kept, self._work
        kernels.draw_forward(*self._sharing, *self._shape.arguments, keep, *arrays)  # type: ignore[union-attr]
        return drawn

    def pull_back(self, cotangent: Array) -> tuple[None, list[Array]]:
        """Turn the cotangent (n, d + 1) into those of the weights."""
        flat, parts = self.weight_bars()
        sums = self.empty((2 * self._shares * self._sizes.bars,), self.dtype)
        cotangent = np.ascontiguousarray(cotangent, self.dtype)
        arrays = *self._scales, self._kept, self._work, sums, flat
        kernels.draw_pull_back(  # type: ignore[union-attr]
            *self._sharing,
            *self._shape.arguments,
            self.packed,
            self._noise,
            cotangent,
            *arrays,
        )
        return None, parts


class NativeChain(Packed):
    """A chain of kicks and drifts with its weights: those of K_1, U_1, K_2, …, the first first.

    Parameters
    ----------
    factors, hamiltonians, rebuild
        As `splitting.Chain` has them.
    weights : tuple of ndarray
        Of all networks.
    features : tuple of Quadratics, WindowSums or None, two of them
        What every K and every U is a network of; None: p and q themselves.
    """

    row_bars = True

    def __init__(
        self,
        factors: Sequence[float],
        hamiltonians: int,
        rebuild: bool,
        weights: tuple[Array, ...],
        features: tuple[Inputs, Inputs] = (None, None),
    ) -> None:
        networks = 2 * hamiltonians
        shapes = pair_shapes(weights, networks, features)
        super().__init__(shapes, weights, features, networks)
        self._hamiltonians, self._parts, self._rebuild = hamiltonians, len(factors), rebuild
        self._sizes = pair_sizes(shapes)
        of_networks = shapes[0].of_network, shapes[1].of_network
        self._arguments = (shapes[0].is_double, *of_networks, networks, np.array(factors))
        drifts, kicks = len(factors) // 2, len(factors) // 2 + 1
        products = shapes[0].products * drifts + shapes[1].products * kicks
        self.products = 2.0 * products * hamiltonians

    def forward(self, q: Array, p: Array, probes: Array, *, keep: bool) -> Array:
        """Map q, p (n, d) to states (n, 2d), and probes to X_H of every H at them, below those."""
        sizes, dtype, count, width = self._sizes, self.dtype, len(q), 2 * q.shape[1]
        self._keep, self._start = keep and not self._rebuild, (q, p)
        self._probes = np.ascontiguousarray(probes, dtype)
        out = np.empty((count + len(probes) * self._hamiltonians, width), dtype)
        self._end, fields = out[:count], out[count:]
        self._end[:, : width // 2], self._end[:, width // 2 :] = q, p
        rows = max(count, len(probes))
        self._shares = blocks = share_count(rows, self.products, dtype.itemsize)
        if self._keep:
            cuts = zip(*(lengths(len(part), self._shares) for part in (q, probes)), strict=True)
            blocks = sum(evaluations(sizes, self._hamiltonians, self._parts, *cut) for cut in cuts)
        self._borrow(sizes.kept, sizes.work, blocks)
        arrays = self.packed, self._end, self._probes, fields, self._kept, self._work
        kernels.chain_forward(*self._sharing, *self._arguments, self._keep, *arrays)  # type: ignore[union-attr]
        return out

    def pull_back(self, cotangent: Array) -> tuple[list[Array], list[Array]]:
        """Turn the cotangent of states and fields into those of q, p, probes and weights."""
        dtype, count = self.dtype, len(self._end)
        # The kernel works in place: on copies.
        state = self._end if self._keep else self._end.copy()
        bars, probe_bars = np.array(cotangent[:count], dtype), np.zeros_like(self._probes)
        flat, parts = self.weight_bars()
        kernels.chain_pull_back(  # type: ignore[union-attr]
            *self._sharing,
            *self._arguments,
            self._keep,
            self.packed,
            state,
            self._probes,
            np.ascontiguousarray(cotangent[count:], dtype),
            self._kept,
            self._work,
            bars,
            probe_bars,
            self.empty((self._shares * self._sizes.bars * self._hamiltonians,), dtype),
            flat,
        )
        if not self._keep:
            report_reversal(state, self._start)
        dim = bars.shape[1] // 2
        return [bars[:, :dim], bars[:, dim:], probe_bars], parts


def _tiles(sizes: Sizes, rows: Array, shares: int, keep: bool) -> int:
    """Count the blocks that evaluations of rows by one network are kept in."""
    return sum(map(sizes.tiles, lengths(len(rows), shares))) if keep else shares


def pair_shapes(
    weights: Sequence[Any],
    networks: int,
    features: tuple[Inputs, Inputs],
) -> tuple[Shape, Shape]:
    """Describe K_1 and U_1, which all that follow are like."""
    cut, rest = array_counts(2 * len(weights) // networks, features)
    return (
        energy_shape(weights[:cut], features[0]),
        energy_shape(weights[cut : cut + rest], features[1]),
    )


def pair_sizes(shapes: tuple[Shape, Shape]) -> Sizes:
    """Add up what K and U take each, and find the larger of what they take by turns."""
    kinetic, potential = (shape.sizes for shape in shapes)
    return Sizes(
        packed=kinetic.packed + potential.packed,
        kept=max(kinetic.kept, potential.kept),
        work=max(kinetic.work, potential.work),
        bars=kinetic.bars + potential.bars,
        tile=kinetic.tile,
    )


def evaluations(sizes: Sizes, hamiltonians: int, parts: int, rows: int, probes: int) -> int:
    """Count what a chain keeps: evaluations of a tile, states' and probes'."""
    return hamiltonians * (parts * sizes.tiles(rows) + 2 * sizes.tiles(probes))

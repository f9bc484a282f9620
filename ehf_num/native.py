"""The kernels in C, where they were compiled, and what they need.

`ehf_num/kernels` holds the same formulas as the NumPy kernels beside them: whole tiles of rows go
through a network, a flow or a pullback in one call without the interpreter. The package installs
without a C compiler too, and is slower then. ``EHF_NATIVE=0`` in the environment turns them off.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from types import ModuleType
from typing import Any

import numpy as np

from ehf_num.quadratic import Quadratics
from ehf_num.workspace import Array, Workspace

try:
    from ehf_num import _native as _compiled
except ImportError:  # no C compiler when the package was installed
    _compiled = None  # type: ignore[assignment]

kernels: ModuleType | None = _compiled


_DTYPES = {np.dtype(np.float32), np.dtype(np.float64)}


_ENABLED = os.environ.get("EHF_NATIVE", "1") != "0"


class _State:
    enabled = _ENABLED


def set_native(enabled: bool | None) -> None:
    """Use the kernels in C where there are any, or those in NumPy; None: as the process began.

    Examples
    --------
    >>> set_native(False)
    >>> instructions()
    'numpy'
    >>> set_native(None)
    """
    _State.enabled = _ENABLED if enabled is None else enabled


def instructions() -> str:
    """Name what the kernels run on: 'avx512', 'avx2', 'plain' (C without either) or 'numpy'."""
    return str(kernels.instructions) if kernels is not None and _State.enabled else "numpy"


def takes(arrays: Sequence[Array], networks: int = 1, features: Sequence[Quadratics] = ()) -> bool:
    """Whether the kernels in C take so many networks, with weights like those of this one."""
    if kernels is None or not _State.enabled:
        return False
    dtypes = {array.dtype for array in arrays}
    return (
        len(dtypes) == 1
        and dtypes <= _DTYPES
        and networks <= kernels.MAX_NETWORKS
        and len(arrays) // 2 <= kernels.MAX_LAYERS
        and 0 not in [array.size for array in arrays]
        and all(functions.dim <= kernels.MAX_FEATURED for functions in features)
    )


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
        Sums of the weights' cotangents.
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
    """

    kind: str
    is_double: bool
    widths: tuple[int, ...]
    featured: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of all arrays."""
        return np.dtype(np.float64 if self.is_double else np.float32)

    @property
    def arguments(self) -> tuple[bool, tuple[int, ...]]:
        """What every call begins with."""
        return self.is_double, self.of_network

    @property
    def of_network(self) -> tuple[int, ...]:
        """What stands for one network."""
        return self.featured, *self.widths

    @property
    def dim(self) -> int:
        """Width of x."""
        return self.featured or self.widths[0]

    @property
    def products(self) -> int:
        """Multiply-adds of a row on its way through all layers."""
        products = sum(fan_in * fan_out for fan_in, fan_out in pairwise(self.widths))
        return products + self.widths[0] * self.featured**2

    @cached_property
    def sizes(self) -> Sizes:
        """Ask the kernels."""
        return Sizes(*getattr(kernels, f"{self.kind}_sizes")(*self.arguments))


def energy_shape(weights: Sequence[Any], features: Quadratics | None = None) -> Shape:
    """Describe the soft-plus network of W_1, b_1, …, W_L, b_L, w, of x or of functions of it."""
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
    features : sequence of Quadratics or None
        What the inputs of each shape are; None: x itself.
    networks : int
        How many.
    """

    def __init__(
        self,
        shapes: Sequence[Shape],
        weights: tuple[Array, ...],
        features: Sequence[Quadratics | None],
        networks: int = 1,
    ) -> None:
        super().__init__()
        self.dtype = shapes[0].dtype
        self.weights = tuple(map(np.ascontiguousarray, weights))
        constants = [() if f is None else f.arrays(self.dtype) for f in features]
        rounds, each = networks // len(shapes), len(weights) // networks
        sizes = [shape.sizes.packed for shape in shapes] * rounds
        self.packed = self.empty((sum(sizes),), self.dtype)
        fill, end = getattr(kernels, f"{shapes[0].kind}_fill"), 0
        for number, size in enumerate(sizes):
            kind, start, end = number % len(shapes), end, end + size
            own = self.weights[number * each : (number + 1) * each] + constants[kind]
            fill(*shapes[kind].arguments, own, self.packed[start:end])

    def weight_bars(self) -> tuple[Array, list[Array]]:
        """Return an array for the weights' cotangents, and its parts in their shapes."""
        places, size = _places(tuple([w.shape for w in self.weights]))
        flat = np.empty(size, self.dtype)
        return flat, [flat[where].reshape(shape) for where, shape in places]


@lru_cache(64)
def _places(shapes: tuple[tuple[int, ...], ...]) -> tuple[list[tuple[slice, Any]], int]:
    """Say where in one vector each array lies, and how long that is."""
    ends = list(accumulate(map(math.prod, shapes), initial=0))
    return [(slice(*two), shape) for two, shape in zip(pairwise(ends), shapes, strict=True)], ends[
        -1
    ]

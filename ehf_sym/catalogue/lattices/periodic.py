"""Sites of a periodic lattice, their neighbours, and how reflections and exchanges move them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import product
from typing import Any

from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.validation import whole_number

Site = tuple[int, ...]


def checked_shape(shape: Any) -> tuple[int, ...]:
    """Admit the number of sites in each direction."""
    if isinstance(shape, bytes) or not isinstance(shape, Iterable):
        raise ArgumentError(f"shape is {shape!r}; it should be a sequence of integers")
    checked = tuple(whole_number(n, f"shape[{mu}]") for mu, n in enumerate(shape))
    if not checked:
        raise ArgumentError("shape is empty; it should hold the number of sites in a direction")
    return checked


class Periodic:
    """A periodic hypercubic lattice of sites."""

    shape: Sequence[int]

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """All sites, the last index fastest."""
        return tuple(product(*map(range, self.shape)))

    @property
    def directions(self) -> range:
        """Number them from 0."""
        return range(len(self.shape))

    def next_to(self, x: Site, mu: int, step: int = 1) -> Site:
        """Find the neighbour; the lattice is periodic."""
        return (*x[:mu], (x[mu] + step) % self.shape[mu], *x[mu + 1 :])


def mirrored(shape: Sequence[int], mu: int, x: Site) -> Site:
    """Reflect a site at the first one, in one direction."""
    return (*x[:mu], -x[mu] % shape[mu], *x[mu + 1 :])


def exchanged(mu: int, nu: int, x: Site) -> Site:
    """Exchange two coordinates of a site."""
    swapped = list(x)
    swapped[mu], swapped[nu] = x[nu], x[mu]
    return tuple(swapped)

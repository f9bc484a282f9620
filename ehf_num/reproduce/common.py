"""What the experiments share: figures in words, energies as they are drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import numpy.typing as npt

from ehf_sym import ArgumentError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Extent = tuple[float, float, float, float]  # left, right, bottom, top


def mean_and_spread(values: Sequence[float]) -> str:
    """Write mean ± standard deviation, or the one value.

    Examples
    --------
    >>> mean_and_spread([1.0, 2.0]), mean_and_spread([1.0])
    ('1.500 ± 0.707', '1.000')
    """
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def seed_range(count: int) -> str:
    """Write which seeds so many are.

    Examples
    --------
    >>> seed_range(3), seed_range(1)
    ('0..2', '0')
    """
    return "0" if count == 1 else f"0..{count - 1}"


def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions of optional packages by name; nothing where one is missing.

    Examples
    --------
    >>> versions_of("numpy", "no such package")
    {}
    """
    try:
        return {name: version(name) for name in packages}
    except PackageNotFoundError:
        return {}


def check_words(**words: tuple[Sequence[str], Collection[str]]) -> None:
    """Refuse names that are not among those known, or none at all.

    Raises
    ------
    ehf_sym.ArgumentError
        If there is such a name.

    Examples
    --------
    >>> check_words(targets=(["rings"], ["shells"]))
    Traceback (most recent call last):
    ...
    ehf_sym.errors.ArgumentError: targets had ['rings']; it should have some of ['shells']
    """
    for name, (chosen, known) in words.items():
        unknown = [word for word in chosen if word not in known]
        if unknown or not chosen:
            raise ArgumentError(f"{name} had {unknown}; it should have some of {list(known)}")


def check_counts(settings: object, *names: str) -> None:
    """Refuse settings of these names that are no positive integers.

    Raises
    ------
    ehf_sym.ArgumentError
        If there is one.
    """
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"{name} was {value!r}; it should be a positive integer")


def check_cells(settings: Any, **words: tuple[Sequence[str], Collection[str]]) -> None:
    """Refuse what a study of contenders over `sizes` and `seeds` cannot run: words as well.

    Raises
    ------
    ehf_sym.ArgumentError
        If a name is unknown, or a size leaves no point on either side of the split.
    """
    check_words(**words)
    if not settings.sizes or min(settings.sizes) < 10:
        raise ArgumentError(f"sizes was {settings.sizes}; it should hold numbers of at least 10")
    check_counts(settings, "seeds")


def centered(energy: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Subtract an energy's least value on what is drawn: H is defined up to a constant."""

    def shifted(points: Array) -> Array:
        values = energy(points.astype(np.float32))
        lowest: Array = values - values.min()
        return lowest

    return shifted


@dataclass(frozen=True, eq=False)
class Drawn:
    """Values that were computed at the points a plot asks for, as the function that it takes."""

    values: Array

    def __call__(self, _: Array) -> Array:
        """Return them."""
        return self.values

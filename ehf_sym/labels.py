"""What reports call generators."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from ehf_sym.errors import ArgumentError

_LABEL = re.compile(r"[\w,'+-]{1,20}")


def fresh_label(used: Sequence[str]) -> str:
    """Label for one more generator.

    Examples
    --------
    >>> fresh_label(["L_1", "g3"])
    "g3'"
    """
    label = f"g{len(used) + 1}"
    while label in used:
        label += "'"
    return label


def checked_labels(given: Any, count: int) -> tuple[str, ...]:
    """Admit one label for each generator, or make them up."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ArgumentError(f"labels is {given!r}; it should be a sequence of texts")
    labels = tuple(given) or tuple(f"g{k}" for k in range(1, count + 1))
    for k, label in enumerate(labels):
        if not isinstance(label, str) or not _LABEL.fullmatch(label):
            raise ArgumentError(
                f"labels[{k}] is {label!r}; it should be up to 20 letters, digits, underscores, "
                "commas, primes or signs"
            )
        if label in labels[:k]:
            raise ArgumentError(f"labels[{k}] is {label!r}, which is already used before it")
    if len(labels) != count:
        raise ArgumentError(
            f"labels holds {len(labels)} texts for {count} generators; it should hold one for each"
        )
    return labels

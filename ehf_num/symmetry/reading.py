"""Symmetries as users give them: algebras, finite groups, names, formulas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ehf_sym import FiniteSymmetry, LieAlgebra, PhaseSpace, Symmetry, named_symmetry, parse
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.symmetry import AnySymmetry

_SEPARATOR = re.compile(r"[,;\n](?![^()]*\))")


def read_symmetry(symmetry: Any, dim: int, what: str = "X has") -> AnySymmetry | None:
    """Read what is given as a symmetry of d coordinates; what has them is named by errors.

    Raises
    ------
    ehf_sym.ArgumentError
        If it is none, or moves another number of coordinates.

    Examples
    --------
    >>> read_symmetry("p1, p2", 2).generators
    (p1, p2)
    >>> read_symmetry("so(3)", 2)
    Traceback (most recent call last):
    ...
    ehf_sym.errors.ArgumentError: symmetry was 'so(3)', of 3 coordinates; X has 2 columns
    """
    found: Any = symmetry
    if isinstance(symmetry, str):
        try:
            found = named_symmetry(symmetry)
        except ArgumentError as no_name:
            found = _of_formulas(_SEPARATOR.split(symmetry), dim, no_name)
    elif isinstance(symmetry, Sequence):
        found = _of_formulas(symmetry, dim, None)
    if not isinstance(found, LieAlgebra | FiniteSymmetry | Symmetry | None):
        raise ArgumentError(
            f"symmetry was {type(symmetry).__name__}; it should be an ehf_sym.LieAlgebra, a "
            "FiniteSymmetry, a Symmetry, formulas of generators such as 'q1*p2 - q2*p1', a name "
            "such as 'so(3)' or 'S_3', or None"
        )
    if found is not None and found.space.dim != dim:
        raise ArgumentError(
            f"symmetry was {symmetry!r:.200}, of {found.space.dim} coordinates; "
            f"{what} {dim} columns"
        )
    return found


def _of_formulas(texts: Sequence[Any], dim: int, no_name: ArgumentError | None) -> LieAlgebra:
    """Read generators; an error says why the text is no name either."""
    space = PhaseSpace(dim)
    try:
        return LieAlgebra(space, [parse(text, space) for text in texts])
    except ValueError as error:
        reason = "" if no_name is None else f", and it is no name of a symmetry: {no_name}"
        raise ArgumentError(
            f"symmetry was {texts!r:.200}; its formulas cannot be read: {error}{reason}"
        ) from error

"""Symmetries and base densities as options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any

from sympy import S, Symbol
from sympy.core.facts import InconsistentAssumptions

import ehf_sym as es
from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.symmetry.symmetry import AnySymmetry, as_symmetry

ASSUMPTIONS = ("positive", "negative", "nonnegative", "nonpositive", "nonzero", "integer")


def add_formulas(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add a symmetry and a base density."""
    group = parser.add_argument_group("formulas")
    group.add_argument(
        "--generator",
        action="append",
        default=[],
        metavar="FORMULA",
        help='g(q, p), such as "q1*p2 - q2*p1"; may be repeated',
    )
    group.add_argument(
        "--group",
        metavar="NAME",
        help='a symmetry of the catalogue, such as "so(3)", "SO(2) about z", "O(3)" or '
        '"particle_rotations(2, 3)"',
    )
    group.add_argument(
        "--finite",
        action="append",
        default=[],
        metavar="MAP",
        help='what a finite symmetry makes of q1, q2, ..., such as "q2, q1" or "-q1, q2"; or one '
        'of the catalogue, such as "S_3" or "D_4"; may be repeated',
    )
    group.add_argument(
        "--angles",
        nargs="+",
        default=[],
        metavar="NAME",
        help='positions that are angles, modulo 2π, such as q1 q3; or "all"',
    )
    group.add_argument(
        "--base",
        default="normal",
        metavar="FORMULA",
        help='π(q, p) up to a constant, or "normal" (the default) or "soft-uniform"',
    )
    return group


def space_of(
    options: argparse.Namespace, dim: int, parameters: Sequence[Symbol] = ()
) -> es.PhaseSpace:
    """Read the coordinates, and which of them are angles."""
    angles: Any = True if options.angles == ["all"] else options.angles
    return es.PhaseSpace(dim, parameters=parameters, angles=angles)


def base_of(text: str, space: es.PhaseSpace) -> es.BaseDensity:
    """Read a base density: a name, or a formula."""
    if text == "normal":
        return es.StandardNormal(space)
    if text == "soft-uniform":
        return es.SoftUniform(space)
    return es.BaseDensity.from_density(space, es.parse(text, space))


def symmetry_of(
    options: argparse.Namespace, dim: int | None, parameters: Sequence[Symbol] = ()
) -> AnySymmetry | None:
    """Join the catalogue's generators and the user's own; None if there are none."""
    named = as_symmetry(None if options.group is None else _named(options.group, "--group"))
    if named is None and not options.generator and not options.finite:
        return None
    finite = _finite(options.finite, dim if named is None else named.space.dim)
    known: list[Any] = [part for part in (named, finite) if part is not None]
    size = known[0].space.dim if known else dim
    if size is None:
        raise ArgumentError("--dim is missing; it should be the number of positions")
    if dim not in (None, size):
        given = options.group or f"--finite {options.finite[0]}"
        raise ArgumentError(f"{given} acts on {size} positions; there are {dim}")
    lie = None if named is None else named.lie
    held = () if lie is None else tuple(lie.space.parameters)
    space = space_of(options, size, [*held, *parameters])
    own = [es.parse(text, space) for text in options.generator]
    generators = [*(() if lie is None else lie.generators), *own]
    labels = [*(() if lie is None else lie.labels), *(f"g{k + 1}" for k in range(len(own)))]
    algebra = es.LieAlgebra(space, generators, labels) if generators else None
    groups = [part for part in (named.finite if named is not None else None, finite) if part]
    matrices = [pair for part in groups for pair in zip(part.labels, part.generators, strict=True)]
    if not matrices:
        return algebra
    names = [label for label, _ in matrices]
    group = es.FiniteSymmetry(
        space, [a for _, a in matrices], names if len(set(names)) == len(names) else ()
    )
    return es.Symmetry(algebra, group)


def _named(text: str, option: str) -> AnySymmetry:
    """Look a name up; errors name the option."""
    try:
        return es.named_symmetry(text)
    except ArgumentError as error:
        raise ArgumentError(str(error).replace("text ", f"{option} ", 1)) from None


def _finite(texts: Sequence[str], dim: int | None) -> es.FiniteSymmetry | None:
    """Read names of the catalogue, or what maps make of the positions."""
    matrices: list[Any] = []
    labels: list[str] = []
    for text in texts:
        if "," not in text and not re.search(r"q\d", text):
            part = as_symmetry(_named(text, "--finite"))
            finite = None if part is None else part.finite
            if finite is None or (part is not None and part.lie is not None):
                raise ArgumentError(
                    f"--finite is {text!r}; it should be a finite symmetry, and --group has it"
                )
            matrices += finite.generators
            labels += finite.labels
            continue
        matrices.append(_map_of(text, dim))
        labels.append(f"A{len(labels) + 1}")
    if not matrices:
        return None
    size = len(matrices[0]) if isinstance(matrices[0], list) else matrices[0].rows
    names = labels if len(set(labels)) == len(labels) else ()
    return es.FiniteSymmetry(es.PhaseSpace(size), matrices, names)


def _map_of(text: str, dim: int | None) -> list[list[Any]]:
    """Read the matrix of what becomes of q1, q2, ...: as many linear forms of them."""
    images = text.split(",")
    space = es.PhaseSpace(len(images))
    wanted = (
        f"--finite is {text!r}; it should be what becomes of each of q1, q2, ...: "
        f"{'as many' if dim is None else dim} linear forms of positions, such as {{}}"
    ).format(", ".join(f"q{k}" for k in range(dim or len(images), 0, -1)))
    if dim not in (None, len(images)):
        raise ArgumentError(wanted)
    try:
        forms = [es.parse(image, space) for image in images]
    except FormulaError as error:
        raise FormulaError(f"{wanted}: {error}") from None
    rows = [[form.diff(x) for x in space.q] for form in forms]
    linear = all(entry.is_number for row in rows for entry in row)
    if not linear or any(form.xreplace(dict.fromkeys(space.q, S.Zero)) for form in forms):
        raise ArgumentError(wanted)
    return rows


def parameter_of(text: str) -> Symbol:
    """Read m, m:positive or n:positive,integer."""
    name, _, words = text.partition(":")
    assumptions = [word.strip() for word in words.split(",")] if words else []
    for word in assumptions:
        if word not in ASSUMPTIONS:
            raise ArgumentError(
                f"--parameter {text} assumes {word!r}; it should be {', '.join(ASSUMPTIONS)}"
            )
    try:
        return Symbol(name.strip(), real=True, **dict.fromkeys(assumptions, True))
    except InconsistentAssumptions:
        raise ArgumentError(
            f"--parameter {text} assumes what no number is: {' and '.join(assumptions)}"
        ) from None

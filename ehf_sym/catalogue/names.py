"""All symmetries that have a name, and a reader of names such as so(3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import prod
from types import MappingProxyType

from ehf_sym.catalogue import groups
from ehf_sym.catalogue.lattices.fields import ComplexScalarLattice
from ehf_sym.catalogue.particles import Particles
from ehf_sym.catalogue.systems import IsotropicOscillator, Kepler
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.finite_symmetry import FiniteSymmetry
from ehf_sym.symmetry.lie_algebra import LieAlgebra
from ehf_sym.symmetry.symmetry import Symmetry

_NUMBERS = r"([0-9]+(?:\s*,\s*[0-9]+)*)"
_CALL = re.compile(rf"([a-z_]+(?:[ -][a-z_]+)*)\s*(?:\(\s*{_NUMBERS}\s*\)|{_NUMBERS})")
_ABOUT = re.compile(r"so\s*(?:\(\s*2\s*\)|2)\s+about\s+(?:the\s+)?([xyz])(?:[ -]axis)?")
_LARGEST = 100

CATALOGUE: Mapping[str, Callable[..., LieAlgebra]] = MappingProxyType(
    {
        "so": groups.so,
        "axial": groups.axial,
        "gl": groups.gl,
        "sl": groups.sl,
        "sp": groups.sp,
        "u": groups.u,
        "su": groups.su,
        "oscillator_u": groups.oscillator_u,
        "oscillator_su": groups.oscillator_su,
        "translations": groups.translations,
        "e": groups.e,
        "heisenberg": groups.heisenberg,
        "dilation": groups.dilation,
        "conformal": groups.conformal,
        "galilei": groups.galilei,
        "particle_translations": lambda n, d: Particles(n, d).translations(),
        "particle_rotations": lambda n, d: Particles(n, d).rotations(),
        "particle_rotations_of_each": lambda n, d: Particles(n, d).rotations_of_each(),
        "particle_euclidean": lambda n, d: Particles(n, d).euclidean(),
        "particle_galilei": lambda n, d: Particles(n, d).galilei(),
        "lattice_global_phase": lambda *shape: ComplexScalarLattice(shape).global_phase(),
        "lattice_local_phases": lambda *shape: ComplexScalarLattice(shape).local_phases(),
        "lattice_gauge": lambda *shape: ComplexScalarLattice(shape, links=True).local_phases(),
        "kepler": lambda d: Kepler(d).symmetry(),
        "kepler_unbound": lambda d: Kepler(d).symmetry("positive"),
        "oscillator": lambda d: IsotropicOscillator(d).symmetry(),
    }
)
"""Name -> constructor, which takes one or more integers."""

FINITE: Mapping[str, Callable[..., FiniteSymmetry | Symmetry]] = MappingProxyType(
    {
        "s": groups.symmetric,
        "c": groups.cyclic,
        "d": groups.dihedral,
        "b": groups.hyperoctahedral,
        "symmetric": groups.symmetric,
        "cyclic": groups.cyclic,
        "dihedral": groups.dihedral,
        "hyperoctahedral": groups.hyperoctahedral,
        "lattice_translations": lambda *shape: groups.lattice_translations(shape),
        "lattice_point_group": lambda *shape: groups.lattice_point_group(shape),
        "o": groups.o,
    }
)
"""The same for finite groups, and for what has a finite part."""


_NAMES = ", ".join([*sorted(CATALOGUE), *sorted(FINITE)])


def named_symmetry(text: str) -> LieAlgebra | FiniteSymmetry | Symmetry:
    """Look up a symmetry by its name and numbers, such as ``"so(3)"`` or ``"so(1, 3)"``.

    Nothing is executed: the name is looked up in `CATALOGUE` and `FINITE`, the rest are digits.
    Capitals, spaces and parentheses do not matter: ``"SO(3)"`` and ``"so3"`` are the same.
    ``"SO(2) about z"`` is ``"axial(3)"``. ``"S_3"``, ``"C_6"``, ``"D_4"`` and ``"B_3"`` are finite
    groups of permutations, turns, turns with mirrors, and signed permutations.

    Parameters
    ----------
    text : str
        ``name(n, ...)``, or ``SO(2) about x``, ``y`` or ``z``; the numbers multiply to at most 100.

    Returns
    -------
    LieAlgebra, FiniteSymmetry or Symmetry
        On a phase space of its own; ``"O(3)"`` is a Symmetry.

    Raises
    ------
    ArgumentError
        If the text is no such name, or the numbers do not suit it.

    Examples
    --------
    >>> named_symmetry("so(2)").generators
    (-p1*q2 + p2*q1,)
    >>> named_symmetry("particle_translations(2, 1)").generators
    (p1 + p2,)
    >>> named_symmetry("SO(2) about z").labels
    ('L_3',)
    >>> named_symmetry("S_3").order, named_symmetry("O(3)").finite.order
    (6, 2)
    >>> named_symmetry("so(two)")
    Traceback (most recent call last):
    ...
    ehf_sym.errors.ArgumentError: text is 'so(two)'; it should be like so(3), so(1, 3) or ...
    """
    plain = text[:200].strip().lower() if isinstance(text, str) else ""
    if about := _ABOUT.fullmatch(plain):
        return groups.axial("xyz".index(about[1]) + 1)
    match = _CALL.fullmatch(plain)
    if match is None:
        raise ArgumentError(
            f"text is {text!r:.60}; it should be like so(3), so(1, 3) or SO(2) about z; "
            f"the catalogue has {_NAMES}"
        )
    name, *found = match.groups()
    name, digits = re.sub("[ -]", "_", name).rstrip("_"), found[0] or found[1]
    constructor = CATALOGUE.get(name) or FINITE.get(name)
    if constructor is None:
        raise ArgumentError(f"text names {name!r:.60}; the catalogue has {_NAMES}")
    numbers = [int(number) for number in digits.split(",")]
    if prod(numbers) > _LARGEST:
        raise ArgumentError(
            f"text is {text!r:.60}; its numbers should multiply to {_LARGEST} at most"
        )
    try:
        return constructor(*numbers)
    except TypeError as error:
        raise ArgumentError(f"text is {text!r:.60}; {name} takes fewer or more numbers") from error

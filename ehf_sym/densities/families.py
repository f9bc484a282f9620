"""Base densities by name: the standard normal, the soft-uniform, Gaussians of unknown precision.

Angles have none of these densities: on a space with angles each is that of the other coordinates,
uniform on the angles, 1/2π each.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import isfinite
from numbers import Real
from typing import Any

from sympy import Add, Expr, Float, ImmutableMatrix, Rational, Symbol, exp, log, pi

from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted


def StandardNormal(space: PhaseSpace) -> BaseDensity:  # noqa: N802 - reads as the density's name
    """Build the standard normal density of all 2d coordinates, ln π = −(|q|² + |p|²)/2 − d ln 2π.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates. With angles it is the uniform density on these, 1/2π each, times the
        standard normal one of all others.

    Returns
    -------
    BaseDensity
        Named "standard normal".

    Examples
    --------
    >>> StandardNormal(PhaseSpace(1)).log_density
    -p1**2/2 - q1**2/2
    >>> circle = StandardNormal(PhaseSpace(1, angles=True))
    >>> circle.log_density, circle.log_normalizer, circle.name
    (-p1**2/2, log(2)/2 + log(pi)/2 + log(2*pi), 'standard normal, uniform on angles')
    """
    linear = _linear(space)
    return BaseDensity(
        space,
        log_density=-Add(*(x**2 for x in linear)) / 2,
        name=_named("standard normal", space),
    )


def SoftUniform(  # noqa: N802 - reads as the density's name
    space: PhaseSpace, width: Any = 5, sharpness: Any = 10
) -> BaseDensity:
    """Build the soft-uniform density of all coordinates but angles (the paper's footnote 6).

    Each coordinate x has the density f(β(x + σ/2)) f(−β(x − σ/2))/Z with f the sigmoid and
    Z = σ/(1 − exp(−βσ)): nearly constant on [−σ/2, σ/2], falling as exp(−β|x|) outside.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    width : int or float or fractions.Fraction or sympy.Expr
        σ > 0, in units of the coordinates. A float counts as its shortest decimal: 0.1 is 1/10. A
        formula may hold positive parameters of the space.
    sharpness : int or float or fractions.Fraction or sympy.Expr
        β > 0, inverse units of the coordinates; likewise.

    Returns
    -------
    BaseDensity
        Normalized exactly.

    Raises
    ------
    ArgumentError
        If ``width`` or ``sharpness`` is not a positive number.

    Examples
    --------
    >>> SoftUniform(PhaseSpace(1), width=2, sharpness=4).log_normalizer
    -2*log(1 - exp(-8)) + 2*log(2)
    """
    coordinates = _linear(space)
    sigma = _positive_number(width, "width", space)
    beta = _positive_number(sharpness, "sharpness", space)
    walls = [
        -log(1 + exp(sign * beta * x - beta * sigma / 2)) for x in coordinates for sign in (-1, 1)
    ]
    return BaseDensity(
        space,
        log_density=Add(*walls),
        log_normalizer=len(coordinates) * (log(sigma) - log(1 - exp(-beta * sigma)))
        + len(space.angles) * log(2 * pi),
        name=_named(f"soft-uniform(width={sigma}, sharpness={beta})", space),
    )


def _linear(space: PhaseSpace) -> tuple[Symbol, ...]:
    """Coordinates of what must be a phase space that are no angles."""
    if not isinstance(space, PhaseSpace):
        raise ArgumentError(f"space is {space!r}; it should be a PhaseSpace")
    return space.linear


def _named(name: str, space: PhaseSpace) -> str:
    return f"{name}, uniform on angles" if space.angles else name


def _positive_number(value: Any, name: str, space: PhaseSpace) -> Expr:
    """Read a positive exact number; a float counts as its shortest decimal."""
    number = value
    if isinstance(value, Fraction | int) and not isinstance(value, bool):
        number = Rational(value)
    elif isinstance(value, Real) and not isinstance(value, bool | Expr) and isfinite(value):
        number = Rational(repr(float(value)))
    if not isinstance(number, Expr) or number.has(Float) or not number.is_positive:
        raise ArgumentError(f"{name} is {quoted(value)}; it should be a positive number")
    if not number.free_symbols.issubset(space.parameters) or not number.is_finite:
        raise ArgumentError(f"{name} is {quoted(value)}; it should be a finite number")
    return number


def GaussianFamily(space: PhaseSpace, *, mean: bool = False) -> BaseDensity:  # noqa: N802 - as StandardNormal
    """Build the Gaussian with every precision matrix at once, ln π = −½ sᵀPs + b·s.

    The entries of P are parameters ``P1_1`` (positive), ``P1_2``, … with P symmetric; where P is
    positive definite this is a density.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates s, 2d of them, or those that are no angles.
    mean : bool
        Whether there is a linear term, with parameters ``b1``, ``b2``, …; else the mean is 0.

    Returns
    -------
    BaseDensity
        On the space with these parameters added, for ``LieAlgebra.conditions``.

    Raises
    ------
    ArgumentError
        If ``space`` is not a `PhaseSpace`, or has parameters of these names.

    Examples
    --------
    >>> from ehf_sym.symmetry.lie_algebra import LieAlgebra
    >>> space = PhaseSpace(1)
    >>> rotation = LieAlgebra(space, [(space.q[0] ** 2 + space.p[0] ** 2) / 2])
    >>> print(rotation.conditions(GaussianFamily(space)))
    {g, π} = 0 for π = Gaussian with precision matrix P: exactly where
      0 = P1_1 - P2_2
      0 = P1_2
      Family 1 (proved): P1_2 = 0, P2_2 = P1_1
        ln π = -P1_1*p1**2/2 - P1_1*q1**2/2
    """
    linear = _linear(space)
    n = len(linear)
    entries = {
        (i, j): Symbol(f"P{i + 1}_{j + 1}", **({"positive": True} if i == j else {"real": True}))
        for i in range(n)
        for j in range(i, n)
    }
    slope = [Symbol(f"b{i + 1}", real=True) for i in range(n)] if mean else []
    s = ImmutableMatrix(linear)
    P = ImmutableMatrix(n, n, lambda i, j: entries[min(i, j), max(i, j)])
    first_order = sum(b * x for b, x in zip(slope, s, strict=False))
    return BaseDensity(
        replace(space, parameters=(*space.parameters, *entries.values(), *slope)),
        log_density=(first_order - (s.T * P * s)[0] / 2).expand(),
        name=_named("Gaussian with precision matrix P", space),
    )

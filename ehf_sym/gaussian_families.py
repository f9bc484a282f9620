"""Gaussians whose precision matrix is unknown."""

from __future__ import annotations

from dataclasses import replace

from sympy import ImmutableMatrix, Symbol

from ehf_sym.densities import BaseDensity
from ehf_sym.errors import ArgumentError
from ehf_sym.phase_space import PhaseSpace


def GaussianFamily(space: PhaseSpace, *, mean: bool = False) -> BaseDensity:  # noqa: N802 - as StandardNormal
    """Build the Gaussian with every precision matrix at once, ln π = −½ sᵀPs + b·s.

    The entries of P are parameters ``P1_1`` (positive), ``P1_2``, … with P symmetric; where P is
    positive definite this is a density.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates s, 2d of them.
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
    >>> from ehf_sym.lie_algebra import LieAlgebra
    >>> space = PhaseSpace(1)
    >>> rotation = LieAlgebra(space, [(space.q[0] ** 2 + space.p[0] ** 2) / 2])
    >>> print(rotation.conditions(GaussianFamily(space)))
    {g, π} = 0 for π = Gaussian with precision matrix P: exactly where
      0 = P1_1 - P2_2
      0 = P1_2
      Family 1 (proved): P1_2 = 0, P2_2 = P1_1
        ln π = -P1_1*p1**2/2 - P1_1*q1**2/2
    """
    if not isinstance(space, PhaseSpace):
        raise ArgumentError(f"space is {space!r}; it should be a PhaseSpace")
    n = 2 * space.dim
    entries = {
        (i, j): Symbol(f"P{i + 1}_{j + 1}", **({"positive": True} if i == j else {"real": True}))
        for i in range(n)
        for j in range(i, n)
    }
    slope = [Symbol(f"b{i + 1}", real=True) for i in range(n)] if mean else []
    s = ImmutableMatrix(space.coordinates)
    P = ImmutableMatrix(n, n, lambda i, j: entries[min(i, j), max(i, j)])
    linear = sum(b * x for b, x in zip(slope, s, strict=False))
    return BaseDensity(
        replace(space, parameters=(*space.parameters, *entries.values(), *slope)),
        log_density=(linear - (s.T * P * s)[0] / 2).expand(),
        name="Gaussian with precision matrix P",
    )

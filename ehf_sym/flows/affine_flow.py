"""Flows of generators at most quadratic in (q, p): exp(ε J∇²g), with a translation."""

from __future__ import annotations

import sympy as sp
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.flows.closed_flow import Chart, ClosedFlow
from ehf_sym.flows.matrix_exponential import CERTIFICATE, matrix_exponential


def is_quadratic(g: sp.Expr, chart: Chart) -> bool:
    """Whether a formula is a polynomial of degree at most 2 in the coordinates."""
    coordinates = [x for x in chart.coordinates if x in g.free_symbols]
    if not coordinates:
        return True
    try:
        return bool(sp.Poly(g, *coordinates).total_degree() <= 2)
    except BasePolynomialError:
        return False


def affine_flow(g: sp.Expr, chart: Chart) -> ClosedFlow | None:
    """Flow of ṡ = {s, g} = As + b for quadratic g; None for other generators.

    Raises
    ------
    NoClosedFormError
        If an eigenvalue of A is not expressed in real radicals.
    UnknownSignError
        If a parameter's sign decides between cos and cosh.

    Examples
    --------
    >>> q1, p1, eps = sp.symbols("q1 p1 eps", real=True)
    >>> affine_flow(p1**2 / 2 + q1, Chart((q1,), (p1,), eps)).image
    {q1: -eps**2/2 + eps*p1 + q1, p1: -eps + p1}
    """
    if not is_quadratic(g, chart):
        return None
    field = [sp.expand(component) for component in chart.vector_field(g)]
    coordinates = chart.coordinates
    size = len(coordinates)
    origin = dict.fromkeys(coordinates, sp.S.Zero)
    augmented = sp.zeros(size + 1, size + 1).as_mutable()
    for i, component in enumerate(field):
        for j, x in enumerate(coordinates):
            augmented[i, j] = component.diff(x)
        augmented[i, size] = component.xreplace(origin)
    exponential = matrix_exponential(augmented, chart.eps, chart.signs)
    point = sp.Matrix([*coordinates, 1])
    moved = zip(coordinates, exponential.matrix * point, strict=False)
    image = {x: u for x, u in moved if u != x}
    return ClosedFlow(image, (), exponential.frequencies, CERTIFICATE)

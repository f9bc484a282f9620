"""Poisson brackets: Lie algebras, integrals of motion, the laws of the bracket itself."""

from __future__ import annotations

import sympy as sp
from sympy import (
    Abs,
    Max,
    Piecewise,
    Rational,
    acos,
    asin,
    asinh,
    atan,
    cos,
    erf,
    exp,
    log,
    sign,
    sin,
    sqrt,
    tan,
    tanh,
)

from .entry import (
    a,
    b,
    brackets,
    c,
    cross,
    dot,
    entries,
    k,
    m,
    p,
    p1,
    p2,
    p3,
    poisson,
    q,
    q1,
    q2,
    q3,
    sigmoid,
    softplus,
    v,
)

half = Rational(1, 2)
qq, pp, qp = dot(q, q), dot(p, p), dot(q, p)
r = sqrt(qq)
L = cross(q, p)
LL = dot(L, L)
kepler = pp / (2 * m) - k / r
lenz = tuple(s - m * k * t / r for s, t in zip(cross(p, L), q, strict=True))
square = q1**2 + q2**2
momenta = p1**2 + p2**2
plane = sqrt(square)
rotation = L[2]
energy = sqrt(pp + m**2)
boost = tuple(s * energy for s in q)
fradkin = p1 * p2 / m + m * c**2 * q1 * q2
oscillator = pp / (2 * m) + m * c**2 * qq / 2
spins = (
    (q1 * q2 + p1 * p2) / 2,
    (q1 * p2 - q2 * p1) / 2,
    (q1**2 + p1**2 - q2**2 - p2**2) / 4,
)
toda = pp / 2 + exp(q1 - q2) + exp(q2 - q3) + exp(q3 - q1)
toda_cubic = p1 * p2 * p3 - p1 * exp(q2 - q3) - p2 * exp(q3 - q1) - p3 * exp(q1 - q2)
gaps = ((q1, q2, p1, p2), (q1, q3, p1, p3), (q2, q3, p2, p3))
calogero = pp / 2 + sum(a / (s - t) ** 2 for s, t, _, _ in gaps)
calogero_cubic = (p1**3 + p2**3 + p3**3) / 3 + sum(
    (x + y) * a / (s - t) ** 2 for s, t, x, y in gaps
)
kinetic = p1 - b * q2 / 2, p2 + b * q1 / 2
sphere = pp * qq - qp**2

ALGEBRAS = {
    "so(3) on squares": (L[0] ** 2, L[1], 2 * L[0] * L[2]),
    "rotations keep their square": (L[0], LL, 0),
    "rotations move vectors": (L[0], lenz[1], lenz[2]),
    "Runge and Lenz: so(4) on bound states": (lenz[0], lenz[1], -2 * m * kepler * L[2]),
    "su(2) of two oscillators": (spins[0] ** 2, spins[1], 2 * spins[0] * spins[2]),
    "conformal mechanics": (pp / 2 + k / qq, qp / 2, -(pp / 2 + k / qq)),
    "boosts close into a rotation": (boost[0] ** 2, boost[1], -2 * boost[0] * L[2]),
    "guiding centre": (
        (kinetic[0] ** 2 + kinetic[1] ** 2) / (2 * m),
        (p1 + b * q2 / 2) * (p2 - b * q1 / 2),
        0,
    ),
    "sphere and rotation": (sphere, L[1], 0),
}

INTEGRALS = {
    "angular momentum in Kepler's problem": (LL, kepler, 0),
    "Runge-Lenz vector in Kepler's problem": (lenz[0], kepler, 0),
    "Fradkin's tensor": (fradkin * L[1], oscillator**2, 0),
    "Toda lattice": (toda, toda_cubic, 0),
    "Calogero and Moser": (calogero, calogero_cubic, 0),
    "two to one oscillator": (
        (momenta + q1**2 + 4 * q2**2) / 2,
        p1 * (q1 * p2 - q2 * p1) + q1**2 * q2,
        0,
    ),
    "Yukawa's force": (L[2], pp / 2 - exp(-a * r) / r + softplus(b * (r - a)) * qp, 0),
    "quartic scalar field": (rotation, momenta / 2 + m * square / 2 + k * square**2, 0),
    "power-law force": (LL, pp / (2 * m) + k * qq ** (v / 2), 0),
    "logarithmic potential": (LL, pp / 2 + log(qq + a) / 2, 0),
    "barrier by cases": (
        rotation,
        momenta + Piecewise(((square - a) ** 2, square > a), (0, True)),
        0,
    ),
    "wall by Max": (rotation, exp(-momenta) * Max(square - 1, momenta), 0),
    "soft wall": (sphere, pp / 2 + softplus(b * (r - a)) / b, 0),
    "normal base": (LL, exp(-oscillator / a), 0),
    "base of a sigmoid": (LL, sigmoid(a - qq) * tanh(pp), 0),
    "base of erf": (rotation, erf(plane) * cos(q1 * p1 + q2 * p2), 0),
    "base of Abs": (rotation, Abs(square - momenta) ** 3 / (1 + rotation**2), 0),
    "scaling of a homogeneous potential": (qp, a / r**4, 4 * a / r**4),
}

COORDINATES = {
    "action and angle": (atan(q1 / p1), (q1**2 + p1**2) / 2, 1),
    "polar angle": (atan(q2 / q1), rotation, 1),
    "radius and radial momentum": (r, qp / r, 1),
    "radial momentum and inverse radius": (qp / r, 1 / r, 1 / qq),
    "logarithm of the radius": (log(r), qp * r, r),
    "action and angle by asin": (asin(q1 / sqrt(q1**2 + p1**2)), (q1**2 + p1**2) / 2, sign(p1)),
    "polar angle on the sphere": (
        acos(q3 / r),
        (q3 * (q1 * p1 + q2 * p2) - square * p3) / plane,
        1,
    ),
    "tangent half-angle": (tan(q1 / 2), p1 * (1 + cos(q1)), 1),
    "rapidity": (asinh(p1 / m), q1 * sqrt(p1**2 + m**2), -1),
}


def jacobi(f: sp.Expr, g: sp.Expr, h: sp.Expr) -> sp.Expr:
    """Sum of the three nested brackets."""
    return poisson(f, poisson(g, h)) + poisson(g, poisson(h, f)) + poisson(h, poisson(f, g))


LAWS = {
    "Jacobi: polynomials": jacobi((q1 + p2) ** 3, (p1 * q2 + p3) ** 2, (q3 * p2 + q1) ** 2),
    "Jacobi: transcendental": jacobi(exp(q1 * p2), sin(q2 + p1), q1 * p1**2),
    "Jacobi: roots and logarithms": jacobi(sqrt(1 + q1**2), log(2 + p1**2 + q2**2), p2 * q1),
    "Jacobi: symbolic powers": jacobi((1 + q1**2 + p2**2) ** v, p1 * q2, (2 + p2**2 + q2) ** v),
    "Leibniz": poisson(rotation**2, (sin(q1) + p1) * exp(p2 * q1))
    - (sin(q1) + p1) * poisson(rotation**2, exp(p2 * q1))
    - poisson(rotation**2, sin(q1) + p1) * exp(p2 * q1),
    "chain rule": poisson(sin(qq) / cos(qq), qp) - (1 + tan(qq) ** 2) * poisson(qq, qp),
    "bracket of quotients": poisson(p1 / (q1 + p2), q2 * p1 + q1)
    - (poisson(p1, q2 * p1 + q1) * (q1 + p2) - p1 * poisson(q1 + p2, q2 * p1 + q1))
    / (q1 + p2) ** 2,
    "vectors are orthogonal to L": dot(lenz, L),
    "length of the Runge-Lenz vector": dot(lenz, lenz) - m**2 * k**2 - 2 * m * kepler * LL,
    "Lagrange": LL - qq * pp + qp**2,
    "Casimir of so(4)": dot(L, L) + dot(lenz, lenz) / (-2 * m * kepler) + k**2 * m / (2 * kepler),
    "su(2) and the energy": spins[0] ** 2
    + spins[1] ** 2
    + spins[2] ** 2
    - (q1**2 + p1**2 + q2**2 + p2**2) ** 2 / 16,
}

PHASE_SPACE = [
    *brackets("brackets: algebras", ALGEBRAS),
    *brackets("brackets: integrals of motion", INTEGRALS),
    *brackets("brackets: coordinates", COORDINATES),
    *entries("brackets: laws", LAWS),
]

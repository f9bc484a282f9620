"""The functions C(w) = cos(ε√w) and S(w) = sin(ε√w)/√w, entire in w, and relatives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sympy as sp

_W = sp.Dummy("w")

Wave = tuple[sp.Expr, sp.Expr]
"""An even and an odd function of ε."""


def wave(eps: sp.Symbol, root: sp.Expr, sign: int) -> Wave:
    """C and S at w = ±root²."""
    if sign > 0:
        return sp.cos(root * eps), sp.sin(root * eps) / root
    return sp.cosh(root * eps), sp.sinh(root * eps) / root


def derivatives(eps: sp.Symbol, root: sp.Expr, sign: int) -> Iterator[Wave]:
    """C and S at w = ±root², and their derivatives by w.

    C' = −εS/2 and S' = (εC − S)/(2w).
    """
    even, odd = wave(eps, root, sign)
    w = sign * root**2

    def derivative(f: Wave) -> Wave:
        of_c, of_s = f
        return (
            of_c.diff(_W) + of_s * eps / (2 * _W),
            of_s.diff(_W) - of_c * eps / 2 - of_s / (2 * _W),
        )

    pair = ((sp.S.One, sp.S.Zero), (sp.S.Zero, sp.S.One))
    while True:
        yield tuple((u * even + v * odd).subs(_W, w) for u, v in pair)
        pair = (derivative(pair[0]), derivative(pair[1]))


def complex_pair(eps: sp.Symbol, a: sp.Expr, b: sp.Expr) -> tuple[Wave, Wave]:
    """Real and scaled imaginary parts of cosh(εz) and sinh(εz)/z, z² = −a/2 + i√(b − a²/4)."""
    modulus = sp.sqrt(b)
    mu, nu = (sp.sqrt((modulus - a / 2) / 2), sp.sqrt((modulus + a / 2) / 2))
    grow, turn = mu * eps, nu * eps
    imaginary = 2 * mu * nu
    ch = sp.cosh(grow) * sp.cos(turn), sp.sinh(grow) * sp.sin(turn)
    sh = sp.sinh(grow) * sp.cos(turn), sp.cosh(grow) * sp.sin(turn)
    even = (ch[0], ch[1] / imaginary)
    odd = (
        (mu * sh[0] + nu * sh[1]) / modulus,
        (mu * sh[1] - nu * sh[0]) / (modulus * imaginary),
    )
    return even, odd


def hyperbolic(up: sp.MatrixBase, down: sp.MatrixBase, u: sp.Expr) -> sp.MatrixBase:
    """Matrices times e^u and e^{−u}, entry by entry."""

    def entry(a: sp.Expr, b: sp.Expr) -> sp.Expr:
        if a == b:
            return 2 * a * sp.cosh(u)
        if a == -b:
            return 2 * a * sp.sinh(u)
        return a * sp.exp(u) + b * sp.exp(-u)

    pairs: Callable[[int, int], sp.Expr] = lambda i, j: entry(up[i, j], down[i, j])  # noqa: E731
    return sp.Matrix(up.rows, up.cols, pairs)

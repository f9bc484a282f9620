"""What an entry of the corpus is, and the letters and functions in its formulas."""

from __future__ import annotations

from dataclasses import dataclass, replace

import sympy as sp
from sympy import Abs, Expr, Rational, cos, exp, log, sin, sqrt

TINY = Rational(1, 10**12)

x, y, z, t, u, v, w = sp.symbols("x y z t u v w", real=True)
a, b, c, d, k, m = sp.symbols("a b c d k m", positive=True)
q = q1, q2, q3 = sp.symbols("q1:4", real=True)
p = p1, p2, p3 = sp.symbols("p1:4", real=True)


@dataclass(frozen=True)
class Identity:
    """An expression and whether it vanishes wherever it is real and defined.

    Where the statement is {f, g} = h, ``bracket`` holds (f, g, h).
    """

    name: str
    kind: str
    formula: Expr
    true: bool = True
    bracket: tuple[Expr, Expr, Expr] | None = None


def entries(kind: str, formulas: dict[str, Expr]) -> list[Identity]:
    """Entries of one kind from their names and formulas."""
    return [Identity(name, kind, sp.sympify(formula)) for name, formula in formulas.items()]


def brackets(kind: str, statements: dict[str, tuple[Expr, Expr, Expr]]) -> list[Identity]:
    """Entries {f, g} - h of one kind from their names and (f, g, h)."""
    return [
        Identity(name, kind, poisson(f, g) - h, bracket=(f, g, sp.sympify(h)))
        for name, (f, g, h) in statements.items()
    ]


def poisson(f: Expr, g: Expr) -> Expr:
    """Poisson bracket {f, g} over the three pairs, written out here on its own."""
    return sp.Add(
        *(f.diff(qi) * g.diff(pi) - f.diff(pi) * g.diff(qi) for qi, pi in zip(q, p, strict=True))
    )


def planted(identity: Identity, number: int) -> Identity:
    """Return the identity with a term of size 1e-12, another one for each number."""
    symbols = sorted(identity.formula.free_symbols, key=str)
    first, last, total = (symbols or [sp.S(2)])[0], (symbols or [sp.S(3)])[-1], sp.Add(*symbols)
    terms = [
        sp.S.One,
        1 + first**2,
        exp(-(first**2)) * (2 + last),
        (2 + cos(last)) * first,
        1 / (1 + total**2),
        sqrt(1 + first**2) + last,
        Abs(first) + 3,
        sin(total) + first**3,
        log(2 + last**2),
    ]
    bracket = identity.bracket
    if bracket is not None:
        bracket = (*bracket[:2], bracket[2] - TINY * terms[number % len(terms)])
    formula = sp.Add(identity.formula, TINY * terms[number % len(terms)], evaluate=False)
    return replace(
        identity, name=f"{identity.name}, planted", formula=formula, true=False, bracket=bracket
    )


def sigmoid(s: Expr) -> Expr:
    return 1 / (1 + exp(-s))


def softplus(s: Expr) -> Expr:
    return log(1 + exp(s))


def dot(left: tuple[Expr, ...], right: tuple[Expr, ...]) -> Expr:
    return sp.Add(*(s * t for s, t in zip(left, right, strict=True)))


def cross(left: tuple[Expr, ...], right: tuple[Expr, ...]) -> tuple[Expr, ...]:
    return tuple(left[i] * right[j] - left[j] * right[i] for i, j in ((1, 2), (2, 0), (0, 1)))

"""Rows 1 and 2: the bracket's identities, the zero test's corpus."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

import sympy as sp

import ehf_sym as es
from tests.battery.frame import SEED, Case, Row, require
from tests.sym.identities import HARD, PLANTED, TRUE, Identity


def _polynomial(space: es.PhaseSpace, rng: random.Random) -> sp.Expr:
    terms = [
        sp.Rational(rng.randint(-9, 9), rng.randint(1, 5))
        * sp.Mul(*rng.choices(space.coordinates, k=rng.randint(0, 3)))
        for _ in range(rng.randint(1, 3))
    ]
    return sp.Add(*terms)


def _rational(space: es.PhaseSpace, rng: random.Random) -> sp.Expr:
    below = rng.choice(space.coordinates) * rng.randint(1, 4) + rng.randint(1, 9)
    return _polynomial(space, rng) / below


def _antisymmetry(space: es.PhaseSpace, f: sp.Expr, g: sp.Expr, h: sp.Expr) -> sp.Expr:
    return space.bracket(f, g) + space.bracket(g, f)


def _leibniz(space: es.PhaseSpace, f: sp.Expr, g: sp.Expr, h: sp.Expr) -> sp.Expr:
    return space.bracket(f * g, h) - f * space.bracket(g, h) - space.bracket(f, h) * g


def _jacobi(space: es.PhaseSpace, f: sp.Expr, g: sp.Expr, h: sp.Expr) -> sp.Expr:
    cycle = ((f, g, h), (g, h, f), (h, f, g))
    return sp.Add(*(space.bracket(a, space.bracket(b, c)) for a, b, c in cycle))


def _check_identity(identity, make, seed: int) -> None:
    """SymPy's own field of fractions decides what is zero, not the zero test of ours."""
    rng = random.Random(seed)
    space = es.PhaseSpace(rng.randint(1, 3))
    value = identity(space, *(make(space, rng) for _ in range(3)))
    field = sp.QQ.frac_field(*space.coordinates)
    require(field.from_sympy(sp.sympify(value)) == field.zero, f"left over: {value}")


def _check_sign(seed: int) -> None:
    """{q_i, p_i} = 1 and q̇ = {q, H} = ∂H/∂p: what no identity above can see."""
    rng = random.Random(seed)
    space = es.PhaseSpace(rng.randint(1, 3))
    k, f = rng.randrange(space.dim), _polynomial(space, rng)
    require(space.bracket(space.q[k], space.p[k]) == 1, "{q, p} is not 1")
    require(sp.expand(space.bracket(space.q[k], f) - f.diff(space.p[k])) == 0, "{q, f}")
    require(sp.expand(space.bracket(space.p[k], f) + f.diff(space.q[k])) == 0, "{p, f}")


def bracket_cases(quick: bool) -> Iterator[Case]:
    for identity in (_antisymmetry, _leibniz, _jacobi):
        for make in (_polynomial, _rational):
            for k in range(2 if quick else 250):
                name = f"{identity.__name__[1:]} of {make.__name__[1:]}s, {k}"
                yield Case(name, partial(_check_identity, identity, make, SEED + k))
    for k in range(1 if quick else 20):
        yield Case(f"sign, {k}", partial(_check_sign, SEED + k))


def _check_zero(entry: Identity, undecided_is_allowed: bool) -> str | None:
    verdict = es.is_zero(entry.formula, time_limit=60)
    if verdict.undecided and undecided_is_allowed:
        return "undecided"
    require(verdict.proved if entry.true else verdict.refuted, f"{entry.true} was {verdict}")
    return None


def zero_cases(quick: bool) -> Iterator[Case]:
    for name, entries in (("true", TRUE), ("planted", PLANTED), ("hard", HARD)):
        for entry in entries[:: 40 if quick else 1]:
            check = partial(_check_zero, entry, name != "planted")
            yield Case(f"{name}: {entry.name}", check)


ROWS = [
    Row(1, "bracket: antisymmetry, Leibniz, Jacobi, sign; exactly 0", bracket_cases, 60),
    Row(2, "zero test: true, planted, hard; none wrong", zero_cases, 120),
]

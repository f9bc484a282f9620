"""Row 27: every question to random generators and densities of the whole grammar.

What a question may do is answer, or raise an error of the toolkit, each in bounded time; and every
report prints.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import sympy as sp

import ehf_sym as es
from tests.battery.frame import SEED, Case, Row, require

LIMIT = 5.0  # seconds that a question is given
SLOWEST = 60.0  # processor time of a case: what SymPy does between two looks at the clock counts
UNARY = (
    sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.sinh, sp.tanh, sp.asinh, sp.atan, sp.erf, sp.sqrt,
    sp.Abs, sp.sign, sp.sech, sp.cot, sp.Heaviside,
)  # fmt: skip
NUMBERS = (
    sp.pi,
    sp.E,
    sp.sqrt(2),
    sp.erf(1),
    sp.log(2),
    sp.cos(1),
    sp.Rational(1, 3),
    sp.S(10) ** 20,
)


def formula(symbols: list[sp.Symbol], depth: int, rng: random.Random) -> sp.Expr:
    """Draw a formula of the grammar."""
    kind = rng.random()
    if depth == 0 or kind < 0.15:
        return rng.choice([*symbols, *symbols, *symbols, sp.Integer(rng.randint(-3, 3)),
                           rng.choice(NUMBERS)])  # fmt: skip
    inner = partial(formula, symbols, depth - 1, rng)
    if kind < 0.5:
        return inner() + inner()
    if kind < 0.72:
        return inner() * inner()
    if kind < 0.78:
        return inner() ** rng.choice([2, 3, -1, sp.Rational(1, 2)])
    if kind < 0.82:
        return rng.choice([sp.Max, sp.Min])(inner(), inner())
    if kind < 0.86:
        return sp.Piecewise((inner(), rng.choice(symbols) > rng.randint(-1, 1)), (inner(), True))
    return rng.choice(UNARY)(inner())


def _drawn(symbols: list[sp.Symbol], rng: random.Random) -> sp.Expr:
    """Draw until SymPy takes it: it refuses the maximum of complex numbers, say."""
    while True:
        try:
            return formula(symbols, rng.choice([1, 2, 3]), rng)
        except (ValueError, TypeError):
            continue


def _symbols(rng: random.Random) -> tuple[es.PhaseSpace, list[sp.Symbol]]:
    kinds = [{"real": True}, {"positive": True}, {"integer": True, "positive": True}]
    parameters = [
        sp.Symbol(name, **rng.choice(kinds)) for name in ("a", "b")[: rng.choice([0, 0, 1, 2])]
    ]
    space = es.PhaseSpace(rng.choice([1, 1, 2]), parameters=parameters)
    return space, [*space.coordinates, *space.coordinates, *parameters]


def _questions(space: es.PhaseSpace, base: es.BaseDensity) -> dict[str, Callable[[Any], Any]]:
    return {
        "close": lambda g: g.close(20, time_limit=LIMIT),
        "describe": lambda g: g.describe(20, time_limit=LIMIT),
        "disentangle": lambda g: g.disentangle(20, time_limit=LIMIT),
        "conditions": lambda g: g.conditions(base, time_limit=LIMIT),
        "symmetries_of": lambda g: es.symmetries_of(base, 2, time_limit=LIMIT),
        "invariants": lambda g: g.invariants(2, time_limit=LIMIT),
        "action": lambda g: g.action(0),
        "check": lambda g: g.check(base),
    }


QUESTIONS = tuple(_questions(es.PhaseSpace(1), None))  # type: ignore[arg-type]  # names alone


def _check(question: str, seed: int) -> str | None:
    rng = random.Random(seed)
    space, symbols = _symbols(rng)
    drawn = [_drawn(symbols, rng) for _ in range(rng.choice([1, 2, 2, 3]))]
    normal = -sp.Add(*(x**2 for x in space.coordinates)) / 2
    density = normal * rng.choice([0, 1]) + _drawn(symbols, rng)
    start = time.process_time()
    try:
        algebra = es.LieAlgebra(space, drawn)
        base = es.BaseDensity(space, log_density=density)
        answer = _questions(space, base)[question](algebra)
        if hasattr(answer, "to_json"):
            for show in ("to_text", "to_latex", "to_html", "to_json", "__repr__"):
                getattr(answer, show)()
    except es.errors.EHFError as error:
        require(len(str(error)) < 20_000, f"a message of {len(str(error))} characters")
    took = time.process_time() - start
    require(took < SLOWEST, f"{took:.0f} s for {drawn} and {density}")
    return None


def cases(quick: bool) -> Iterator[Case]:
    for k in range(32 if quick else 2000):
        question = QUESTIONS[k % len(QUESTIONS)]
        yield Case(f"{question}, {k}", partial(_check, question, SEED + k))


ROWS = [Row(27, "all questions on random formulas: answers or typed errors, no hang", cases, 1800)]

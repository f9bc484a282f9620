"""Row 26: machine-made identities with domains, jumps, bound variables, integers; true and false.

    python -m tests.battery.machine_made [--start 0] [--count 10000]

An identity is put together from known ones over random parts; a false one differs where it is
easy to miss: on an edge, at a pole of half tangents, at one residue. What is_zero answers is held
against values with 60 and 240 digits, at points on edges and on both sides of them: a proof against
all of them, a refutation at its witness. The command prints how many were left undecided.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import mpmath
import sympy as sp

import ehf_sym as es
from tests.battery.frame import SEED, Case, Row, require

x, y = sp.symbols("x y", real=True)
a = sp.Symbol("a", positive=True)
u = sp.Symbol("u", negative=True)
n = sp.Symbol("n", integer=True)
t, k = sp.Symbol("t", real=True), sp.Symbol("k", integer=True)
R = sp.Rational
DIGITS, LOST = 60, 25  # decimal digits, and those that rounding may cost
# On edges, off them on both sides, and where cosines are -1.
_REALS = [0, 1, -1, 2, -2, R(1, 2), R(3, 7), sp.pi, -sp.pi, sp.pi / 2, R(1, 10**9), -R(1, 10**9)]
_PLACES: Mapping[sp.Symbol, list[Any]] = {
    x: [*_REALS, R(-17, 9)],
    y: [*_REALS, 1 + R(1, 10**9)],
    a: [1, 2, R(1, 3), 1 - R(1, 10**9), sp.pi],
    u: [-1, -2, -R(1, 3), -1 - R(1, 10**9)],
    n: [*range(-4, 8)],
}
_POINTS = 24


class Undefined(Exception):  # noqa: N818 - a point outside the domain is no error
    """A part of the formula is not real here."""


def value_at(formula: sp.Basic, point: Mapping[sp.Symbol, Any]) -> Any:
    """Value by mpmath, every part real; what is 0 up to rounding is 0, also of large terms."""
    values = []
    for digits in (DIGITS, 4 * DIGITS):
        with mpmath.workdps(digits):
            values.append(_value(formula, {s: _number(sp.sympify(v)) for s, v in point.items()}))
    # By chance the terms may cancel to the last digit at the lower precision.
    rounding = max(abs(values[0]) / 10**LOST, mpmath.mpf(10) ** (-2 * DIGITS))
    return values[1] if abs(values[1]) > rounding else mpmath.mpf(0)


def _number(number: sp.Expr) -> Any:
    if number.is_Rational:
        return mpmath.mpf(int(number.p)) / int(number.q)
    multiple = number.coeff(sp.pi)
    return +mpmath.e if number is sp.E else mpmath.pi * int(multiple.p) / int(multiple.q)


def _value(formula: sp.Basic, point: Mapping[sp.Symbol, Any]) -> Any:
    if formula.is_Symbol:
        return point[formula]
    if formula.is_Number or formula.is_NumberSymbol:
        return _number(formula)
    if isinstance(formula, sp.Piecewise):
        return _value(next(f for f, c in formula.args if _holds(c, point)), point)
    values = [_value(argument, point) for argument in formula.args]
    try:
        result = _apply(formula, values)
    except (ZeroDivisionError, ValueError) as error:
        raise Undefined from error
    if not isinstance(result, mpmath.mpf) or not mpmath.isfinite(result):
        raise Undefined
    return result if abs(result) > _rounding() else mpmath.mpf(0)


def _rounding() -> Any:
    return mpmath.mpf(10) ** (LOST - mpmath.mp.dps)


def _apply(formula: sp.Basic, values: list[Any]) -> Any:
    if formula.is_Add:
        return mpmath.fsum(values)
    if formula.is_Mul:
        return mpmath.fprod(values)
    if formula.is_Pow:
        base, exponent = values
        whole = formula.exp.is_Integer or (formula.exp.is_integer and base != 0)
        rational = formula.exp.is_Rational and exponent > 0
        if not whole and (base < 0 or (base == 0 and not rational)):
            raise Undefined
        return base ** (int(mpmath.nint(exponent)) if whole else exponent)
    if isinstance(formula, sp.Max | sp.Min):
        return (max if isinstance(formula, sp.Max) else min)(values)
    if isinstance(formula, sp.Heaviside):
        return (1 + mpmath.sign(values[0])) / 2 if values[0] else values[1]
    if isinstance(formula, sp.tan | sp.sec) and abs(mpmath.cos(values[0])) < _rounding():
        raise Undefined
    if isinstance(formula, sp.cot | sp.csc) and abs(mpmath.sin(values[0])) < _rounding():
        raise Undefined
    name = {"Abs": "fabs"}.get(formula.func.__name__, formula.func.__name__)
    return getattr(mpmath, name)(values[0])


def _holds(condition: sp.Basic, point: Mapping[sp.Symbol, Any]) -> bool:
    if condition in (sp.true, sp.false):
        return bool(condition)
    if isinstance(condition, sp.And | sp.Or):
        joined = all if isinstance(condition, sp.And) else any
        return joined(_holds(part, point) for part in condition.args)
    gap = _value(condition.lhs - condition.rhs, point)
    sign = int(mpmath.sign(gap))
    accepted = {"<": {-1}, "<=": {-1, 0}, ">": {1}, ">=": {0, 1}, "==": {0}, "!=": {-1, 1}}
    return sign in accepted[condition.rel_op]


def _part(rng: random.Random, depth: int = 1) -> sp.Expr:
    """Return a random part: symbols, angles, integers, kernels."""
    plain = [x, y, x - y, x + R(1, 2), 2 * x - 1, x * y, x**2 - 1, a, u, x + a, n, x - n, a + u]
    if depth == 0 or rng.random() < 0.45:
        return rng.choice(plain)
    inner = _part(rng, depth - 1)
    return rng.choice(
        [sp.cos(x), sp.sin(y), 1 + sp.cos(x), sp.cos(sp.pi * n / 3), sp.exp(inner), sp.atan(inner),
         sp.tanh(inner), sp.Abs(inner), inner**2, inner**3, sp.sign(inner), sp.erf(inner),
         sp.sinh(inner), sp.Max(inner, 0)]
    )  # fmt: skip


def _condition(rng: random.Random) -> Any:
    f, g = _part(rng, 0), rng.choice([0, 1, y, x])
    return rng.choice([sp.Gt, sp.Ge, sp.Lt, sp.Le])(f, g)


def _true(rng: random.Random) -> sp.Expr:
    """Return what is 0 wherever it is defined."""
    e, f, c = _part(rng), _part(rng), _condition(rng)
    r = sp.sqrt(e**2 + f**2)
    odd = rng.choice(
        [sp.atan, sp.sinh, sp.tanh, sp.erf, sp.asin, sp.asinh, lambda w: sp.exp(w) - 1]
    )
    q = rng.choice([2, 3, 4])
    sgn, cos, sin, pi = sp.sign, sp.cos, sp.sin, sp.pi
    return rng.choice([
        lambda: sp.sqrt(e**2) - sp.Abs(e),
        lambda: sp.sqrt(r + e) * sp.sqrt(r - e) - sp.Abs(f),
        lambda: sp.log(r + e) + sp.log(r - e) - sp.log(f**2),
        lambda: sp.log(e * f) - sp.log(sp.Abs(e)) - sp.log(sp.Abs(f)),
        lambda: sp.atan(e) + sp.atan(1 / e) - sgn(e) * pi / 2,
        lambda: sp.asin(e) + sp.acos(e) - pi / 2,
        lambda: sp.acosh(2 * e**2 + 1) - 2 * sp.Abs(sp.asinh(e)),
        lambda: sp.Abs(odd(e)) - odd(e) * sgn(e),
        lambda: sgn(odd(e) - odd(f)) - sgn(e - f),
        lambda: 1 / sgn(e) - sgn(e),
        lambda: sp.Heaviside(e, 1) + sp.Heaviside(-e, 0) - 1,
        lambda: sp.Max(e, f) + sp.Min(e, f) - e - f,
        lambda: sp.Max(e, f) - (e + f + sp.Abs(e - f)) / 2,
        lambda: sp.Piecewise((e, c), (f, True)) - sp.Piecewise((f, sp.Not(c)), (e, True)),
        lambda: sp.Piecewise((e - x, sp.Eq(x, y)), (e.subs(x, y) - y, sp.Eq(y, x)), (0, True))
        - sp.Piecewise((e - x, sp.Eq(x - y, 0)), (0, True)),
        lambda: sp.Piecewise((0, x > y), (0, y > f), (1, (x > f) & (x > y)), (0, True)),
        lambda: sp.Integral(t * e, (t, 0, 1)) - e / 2,
        lambda: sp.Sum(k * e, (k, 1, 3)) - 6 * e,
        lambda: sp.Derivative(sin(x) * y, x) - y * cos(x),
        lambda: sp.Integral(sp.Abs(t), (t, -1, 1)) * sgn(e) - sgn(e),
        lambda: cos(pi * n / 2) ** 2 - (1 + (-1) ** n) / 2,
        lambda: cos(e + pi * n) - (-1) ** n * cos(e),
        lambda: 2 * cos(pi * n / q) ** 2 - 1 - cos(2 * pi * n / q),
        lambda: (-1) ** (n * (n + 1)) * e - e,
        lambda: sgn(sp.exp(1 + cos(e)) - 1) - sgn(1 + cos(e)),
        lambda: sp.sqrt(2 + 2 * cos(2 * e)) - 2 * sp.Abs(cos(e)),
        lambda: e ** 2 * sgn(e) ** 2 - e**2,
        lambda: sp.Abs(u * e) + u * sp.Abs(e),
        lambda: a ** (e + f) - a**e * a**f,
    ])()  # fmt: skip


def _thin(rng: random.Random) -> sp.Expr:
    """Return what is 0 except where it is easy to miss."""
    e = _part(rng)
    kernel = rng.choice([sp.tanh, sp.erf, sp.atan, sp.sinh, lambda w: sp.exp(w) - 1, sp.sqrt])
    r = sp.sqrt(x**2 + y**2)
    return rng.choice([
        lambda: 1 - sp.sign(rng.choice([x, y, x - y, x * y, n, x - 1, x**2 + y**2])) ** 2,
        lambda: sp.Piecewise(
            (1, sp.Eq(rng.choice([x - y, x * y - 1, x - 2 * y, n - 2]), 0)), (0, True)
        ),
        lambda: sp.sign(kernel(1 + sp.cos(rng.choice([x, 2 * x, sp.pi * n / 3, sp.pi * n])))) - 1,
        lambda: sp.Heaviside(x, 1) - sp.Heaviside(x, 0),
        lambda: (1 - sp.sign(y) ** 2) * sp.sqrt(r + x) / (1 + sp.sqrt(r - x)),
        lambda: (1 - sp.sign(y) ** 2) * sp.sqrt(r - x) / (2 + sp.sqrt(r + x)),
        lambda: (sp.Abs(u + x) + u + x) * (1 + sp.sqrt(-(u + x) * (2 + sp.cos(x) + sp.cos(y)))),
        lambda: 1 + sp.sqrt(-1 - sp.cos(x)),
        lambda: sp.cos(sp.pi * n / 2) * (1 + sp.cos(sp.pi * n)),
        lambda: sp.Piecewise((0, x > y), (0, y > x), (1, True)),
        lambda: sp.Piecewise((1, sp.Ge(x, 1) & sp.Le(x, 1)), (0, True)),
        lambda: sp.Abs(e) - e * sp.sign(e) + (1 - sp.sign(e) ** 2) / 1000,
        lambda: R(1, 10**8) * (1 + e**2),
    ])()  # fmt: skip


def _nonzero(rng: random.Random) -> sp.Expr:
    """Return a factor that is nowhere 0 where it is defined."""
    e = _part(rng, 0)
    return rng.choice(
        [sp.exp(e), 1 + e**2, 2 + sp.cos(e), sp.cosh(e), 1 / (1 + sp.Abs(e)), -sp.S.One]
    )


def formula(seed: int) -> sp.Expr:
    """Put one formula together; two of five are false."""
    rng = random.Random(seed)
    for _ in range(50):
        count = rng.choice([1, 1, 2])
        parts = [_true(rng) * rng.choice([1, _nonzero(rng), _part(rng)]) for _ in range(count)]
        if rng.random() < 0.4:
            parts.append(_thin(rng) * _nonzero(rng))
        whole = sp.Add(*parts)
        if rng.random() < 0.2:
            whole = sp.atan(whole)
        if not whole.has(sp.I, sp.zoo, sp.nan, sp.oo) and whole.free_symbols:
            return whole
    return x - x


def _points(formula: sp.Expr, seed: int) -> Iterator[Mapping[sp.Symbol, Any]]:
    symbols = sorted(formula.free_symbols, key=str)
    grid = list(product(*(_PLACES[s] for s in symbols)))
    random.Random(seed).shuffle(grid)
    return (dict(zip(symbols, place, strict=True)) for place in grid[:_POINTS])


def judge(seed: int) -> str:
    """Ask, and hold the answer against values; return the answer."""
    question = formula(seed)
    verdict = es.is_zero(question, time_limit=5)
    plain = question.doit()
    if verdict.refuted:
        value = value_at(plain, dict(verdict.witness))
        require(value != 0, f"refuted, but 0 at {verdict.witness}: {question}")
    for point in _points(question, seed) if verdict.proved else ():
        try:
            value = value_at(plain, point)
        except Undefined:
            continue
        require(value == 0, f"proved, but {mpmath.nstr(value)} at {point}: {question}")
    return verdict.status


def _check(seed: int) -> None:
    judge(seed)


def cases(quick: bool) -> Iterator[Case]:
    for number in range(24 if quick else 10_000):
        yield Case(f"identity {number}", partial(_check, SEED + number))


ROWS = [Row(26, "10,000 machine-made identities, true and false; none wrong", cases, 60)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.battery.machine_made")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--start", type=int, default=0, help="number of the first identity")
    options = parser.parse_args()
    answers: Counter[str] = Counter()
    for number in range(options.start, options.start + options.count):
        try:
            answers[judge(SEED + number)] += 1
        except AssertionError as error:
            answers["wrong"] += 1
            print(error)
        except Exception as error:
            answers["error"] += 1
            print(number, repr(error), formula(SEED + number))
    print(dict(answers))


if __name__ == "__main__":
    main()

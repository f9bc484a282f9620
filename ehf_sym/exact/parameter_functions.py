"""Equations between functions of parameters: exp(a) = b, erf(a) = 2, |a| = a."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product

import sympy as sp
from sympy import Expr, Symbol
from sympy.core.relational import Relational

from ehf_sym.exact.parameter_equations import Case, solve_parameters
from ehf_sym.formulas.phase_space import contradicted
from ehf_sym.zero.witness import points
from ehf_sym.zero.zero_test import is_zero

_SWITCHES = (sp.Abs, sp.sign, sp.Max, sp.Min, sp.Heaviside, sp.Piecewise)
_CONTINUOUS = (sp.Add, sp.Mul, sp.exp, sp.sin, sp.cos, sp.erf, sp.tanh, sp.atan, sp.sinh, sp.cosh)
# f: what is below and above all its values, and its inverse.
_RANGES = {sp.erf: 1, sp.tanh: 1, sp.atan: sp.pi / 2}
_INVERSES = {
    sp.log: sp.exp,
    sp.sinh: sp.asinh,
    sp.asinh: sp.sinh,
    sp.tanh: sp.atanh,
    sp.atan: sp.tan,
}
_TRIED = (0, 1, -1, 2, -2, sp.pi, -sp.pi, sp.pi / 2, -sp.pi / 2)
_MAX_POINTS = 40


def switch_of(formulas: Sequence[Expr], parameters: Sequence[Symbol]) -> Expr | None:
    """Find a part of the formulas that depends on parameters alone and switches with a sign.

    Examples
    --------
    >>> x, a = sp.symbols("x a", real=True)
    >>> switch_of([x * sp.Abs(a)], [a])
    Abs(a)
    """
    own = set(parameters)
    found = {
        part
        for f in formulas
        for part in f.atoms(*_SWITCHES)
        if part.free_symbols and part.free_symbols <= own
    }
    inner = [part for part in found if not any(part != o and part.has(o) for o in found)]
    return min(inner, key=sp.default_sort_key, default=None)


def switched(part: Expr) -> tuple[Expr, dict[int, Expr]]:
    """Return the formula whose sign decides a switch, and what the switch is for each sign.

    Examples
    --------
    >>> a = sp.Symbol("a", real=True)
    >>> switched(sp.Max(a, 1))
    (1 - a, {1: 1, 0: 1, -1: a})
    """
    if isinstance(part, sp.Max | sp.Min):
        first, second, *rest = part.args
        large, small = (first, second) if isinstance(part, sp.Max) else (second, first)
        chosen = {1: large, 0: first, -1: small}
        return first - second, {s: part.func(value, *rest) for s, value in chosen.items()}
    if isinstance(part, sp.Piecewise):
        relation = min(part.atoms(Relational), key=sp.default_sort_key)
        difference = relation.lhs - relation.rhs
        truth = {s: sp.sympify(bool(relation.func(s, 0))) for s in (1, 0, -1)}
        return difference, {s: part.xreplace({relation: t}) for s, t in truth.items()}
    inner = part.args[0]
    return inner, {s: _value(part, inner, s) for s in (1, 0, -1)}


def _value(part: Expr, inner: Expr, sign: int) -> Expr:
    """Return Abs, sign or Heaviside of what has this sign."""
    if isinstance(part, sp.Abs):
        return sign * inner
    return part.func(sp.Integer(sign), *part.args[1:])


def settled(case: Case, parameters: Sequence[Symbol]) -> tuple[list[Case], bool]:
    """Solve what is left of a case: functions of parameters are inverted where they can be.

    Parameters
    ----------
    case : Case
        Its equations may hold functions of parameters.
    parameters : sequence of sympy.Symbol
        All parameters.

    Returns
    -------
    list of Case
        The same solutions; what is not solved is left as equations.
    bool
        Whether every equation without parameters was decided.

    Examples
    --------
    >>> a, b = sp.symbols("a b", positive=True)
    >>> settled(Case({}, (sp.exp(a) - 1,)), [a])
    ([], True)
    >>> [found.values for found in settled(Case({}, (sp.exp(a) - 3,)), [a])[0]]
    [{a: log(3)}]
    """
    kept, decided = [], True
    for f in case.equations:
        if not f.free_symbols:
            verdict = is_zero(f)
            if verdict.refuted:
                return [], True
            decided = decided and verdict.proved
            kept += [] if verdict.proved else [f]
        elif _never_zero(f):
            return [], True
        else:
            kept.append(f)
    case = replace(case, equations=tuple(kept))
    for f in kept:
        solutions = _solved_for_one(f, parameters)
        if solutions is not None:
            rest = [g for g in kept if g != f]
            results = [settled(s, parameters) for s in _entered(case, rest, solutions)]
            decided = decided and all(d for _, d in results)
            return [found for cases, _ in results for found in cases], decided
    return [case], decided


def _entered(case: Case, rest: Sequence[Expr], solutions: Sequence[Case]) -> Iterator[Case]:
    """Put solutions of one equation into the others, unless they contradict what is assumed."""
    for s in solutions:
        values = {x: v.xreplace(dict(s.values)) for x, v in case.values.items()} | dict(s.values)
        positive = [f.xreplace(dict(s.values)) for f in (*case.positive, *s.positive)]
        positive += [v for x, v in values.items() if x.is_positive and not v.is_positive]
        if any(contradicted(x, v) for x, v in values.items()):
            continue
        if any(f.is_nonpositive for f in positive):
            continue
        equations = [f.xreplace(dict(s.values)) for f in rest]
        left = tuple(dict.fromkeys(f for f in positive if not f.is_positive))
        yield replace(case, values=values, equations=(*equations, *s.equations), positive=left)


def _solved_for_one(f: Expr, parameters: Sequence[Symbol]) -> list[Case] | None:
    """Solve f = 0 if it says what one function is; None if it does not, or nothing is known."""
    own = [x for x in parameters if x in f.free_symbols]
    parts = _functions(f)
    if not parts and f.is_polynomial(*own):
        return _linear(f, own) if len(own) == 1 else None
    if len(parts) != 1:
        return None
    (part,) = parts
    slope, rest = f.coeff(part, 1), f.coeff(part, 0)
    if slope.free_symbols or slope == 0 or sp.expand(f - slope * part - rest) != 0:
        return None
    value = sp.cancel(-rest / slope)
    if _functions(value):
        return None
    inverse = _inverse(part, value)
    if inverse is None:
        return None
    if not inverse:
        return []
    difference, positive = inverse
    inside = [x for x in parameters if x in difference.free_symbols]
    if difference.is_rational_function(*inside) and not _irrational(difference):
        cases = solve_parameters([difference], inside)
    else:
        cases = _linear(difference, inside) or []
        if not cases:
            return None
    if any(case.equations for case in cases):
        return None
    return [replace(case, positive=(*case.positive, *positive)) for case in cases]


def _linear(f: Expr, symbols: Sequence[Symbol]) -> list[Case] | None:
    """Solve for a symbol whose coefficient is a number that is not 0."""
    expanded = sp.expand(f)
    for x in reversed(symbols):
        slope = expanded.coeff(x, 1)
        rest = expanded - slope * x
        if not slope.free_symbols and not rest.has(x) and is_zero(slope).refuted:
            return [Case({x: sp.expand(-rest / slope)})]
    return None


def _irrational(f: Expr) -> bool:
    """Whether there are numbers besides rational ones."""
    return any(not part.is_Rational for part in f.atoms(sp.Number, sp.NumberSymbol, sp.Function))


def _functions(f: Expr) -> set[Expr]:
    """Outermost functions of symbols; roots and powers with other exponents count as such."""
    if not f.free_symbols or f.is_Symbol:
        return set()
    if f.is_Add or f.is_Mul or (f.is_Pow and f.exp.is_Integer):
        return {part for argument in f.args for part in _functions(argument)}
    return {f}


def _inverse(part: Expr, value: Expr) -> tuple[Expr, tuple[Expr, ...]] | tuple[()] | None:
    """Write f(w) = v as w − f⁻¹(v) = 0 with what has to be positive; () if it has no solution."""
    inner = part.args[0]
    if isinstance(part, sp.exp):
        if value.is_nonpositive:
            return ()
        return inner - sp.log(value), () if value.is_positive else (value,)
    if part.is_Pow and part.exp.is_Rational and part.exp.is_positive:
        if value.is_negative:
            return ()
        return (part.base - value ** (1 / part.exp), ()) if value.is_number else None
    bound = _RANGES.get(part.func)
    if bound is not None and value.is_number:
        if (value - bound).is_nonnegative or (value + bound).is_nonpositive:
            return ()
        if value == 0:
            return inner, ()
    if part.func in _INVERSES and (bound is None or value.is_number):
        return inner - _INVERSES[part.func](value), ()
    return None


def _never_zero(f: Expr) -> bool:
    """Whether a function of parameters is known not to vanish: by its sign, or a bounded part."""
    if f.is_zero is False:
        return True
    bounded = [part for part in _functions(f) if isinstance(part, sp.sin | sp.cos)]
    if len(bounded) != 1:
        return False
    slope, rest = f.coeff(bounded[0], 1), f.coeff(bounded[0], 0)
    if slope.free_symbols or rest.free_symbols or slope == 0:
        return False
    return bool((abs(rest) - abs(slope)).is_positive)


def inhabited(case: Case, parameters: Sequence[Symbol]) -> bool:
    """Whether it is proved that some parameters satisfy the equations and inequalities of a case.

    Exact points are tried; one equation between continuous functions is satisfied between points
    where its sides differ in sign.

    Examples
    --------
    >>> a, b = sp.symbols("a b", real=True)
    >>> inhabited(Case({}, (sp.exp(a) + a,)), [a]), inhabited(Case({}, (a**4 + b**2 + 1,)), [a, b])
    (True, False)
    """
    if not case.equations and not case.positive:
        return True
    free = sorted(
        {s for f in (*case.equations, *case.positive) for s in f.free_symbols},
        key=sp.default_sort_key,
    )
    signs = set()
    continuous = len(case.equations) == 1 and _continuous(case.equations[0])
    connected = not case.positive and all(map(_is_an_interval, free))
    for point in _candidates(free):
        values = [f.xreplace(point) for f in case.equations]
        if not all(f.xreplace(point).is_positive for f in case.positive):
            continue
        if all(value.is_real is not False and is_zero(value).proved for value in values):
            return True
        if continuous and connected:
            signs.add(values[0].is_positive)
            if {True, False} <= signs:
                return True
    return False


def _is_an_interval(x: Symbol) -> bool:
    """Whether what is assumed of a parameter leaves out no number between two others."""
    one_sided = x.is_nonnegative or x.is_nonpositive
    return bool((x.is_integer is None and x.is_zero is None) or (one_sided and not x.is_integer))


def _candidates(free: Sequence[Symbol]) -> Iterator[Mapping[Symbol, Expr]]:
    """Points to try: those with simple values, then rational ones."""
    numbers = [sp.sympify(v) for v in _TRIED]
    simple = (dict(zip(free, v, strict=True)) for v in product(numbers, repeat=len(free)))
    for point in islice(simple, _MAX_POINTS):
        if not any(contradicted(x, v) for x, v in point.items()):
            yield point
    yield from (dict(point) for point in islice(points(free), _MAX_POINTS))


def _continuous(f: Expr) -> bool:
    """Whether f is made of functions that are continuous everywhere."""
    if not f.args:
        return True
    if f.is_Pow:
        return bool(f.exp.is_Integer and f.exp.is_positive and _continuous(f.base))
    return isinstance(f, _CONTINUOUS) and all(map(_continuous, f.args))

"""Surfaces across which a formula may jump: conditions, poles, ends of domains.

Off a null set, a formula is rewritten so that only three kinds of parts are left at which it may
jump: conditions u > 0, poles of u**-n, and logarithms. Their arguments are free of |·| and other
kinks, and split into irreducible factors b: the walls b = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import sympy as sp
from sympy.core.relational import Relational
from sympy.logic.boolalg import Boolean, BooleanAtom
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.enclosures.enclosure import EvaluationError, enclose, excludes_zero
from ehf_sym.formulas.domains import requirements
from ehf_sym.zero.zero_test import is_zero

UNDEFINED = sp.Dummy("undefined", real=True)
"""Stands for the value of a formula where it has none."""

_MAX_DEPTH = 6
_MAX_TERMS = 200

Rules = Mapping[Any, Callable[..., sp.Expr]]


# Off a null set; each function on the right is continuous, a step, or a quotient of such.
_STEPS: Rules = {
    sp.Heaviside: lambda u, *_: (1 + sp.sign(u)) / 2,
    sp.atan2: lambda y, x: sp.atan(y / x) + sp.pi * (1 - sp.sign(x)) * sp.sign(y) / 2,
}
_QUOTIENTS: Rules = {
    sp.tan: lambda u: sp.sin(u) / sp.cos(u),
    sp.cot: lambda u: sp.cos(u) / sp.sin(u),
    sp.sec: lambda u: 1 / sp.cos(u),
    sp.csc: lambda u: 1 / sp.sin(u),
    sp.coth: lambda u: sp.cosh(u) / sp.sinh(u),
    sp.csch: lambda u: 1 / sp.sinh(u),
    sp.acot: lambda u: sp.atan(1 / u),
    sp.acsc: lambda u: sp.asin(1 / u),
    sp.asec: lambda u: sp.acos(1 / u),
    sp.acsch: lambda u: sp.asinh(1 / u),
    sp.asech: lambda u: sp.acosh(1 / u),
    sp.acoth: lambda u: sp.atanh(1 / u),
    sp.sign: lambda u: sp.Piecewise((1, u > 0), (-1, True)),
}
_CONTINUOUS = (
    sp.Add, sp.Mul, sp.Symbol, sp.Number, sp.NumberSymbol, sp.exp, sp.sin, sp.cos, sp.sinh,
    sp.cosh, sp.tanh, sp.sech, sp.atan, sp.asinh, sp.erf, sp.erfc, sp.Abs, sp.Max, sp.Min,
)  # fmt: skip
_NOT_REAL = (sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I)
_KINKED = (sp.Abs, sp.sign, sp.Max, sp.Min, sp.Piecewise)
# Where a function is real: what must not be negative.
_REQUIRED: Rules = {
    sp.log: lambda u: (u,),
    sp.asin: lambda u: (1 - u, 1 + u),
    sp.acos: lambda u: (1 - u, 1 + u),
    sp.acosh: lambda u: (u - 1,),
    sp.atanh: lambda u: (1 - u, 1 + u),
}
# Increasing functions F, with what solves F(w) = c; None where F(w) − c keeps its sign.
_INVERSES: Mapping[Any, Callable[[sp.Expr], sp.Expr | None]] = {
    sp.exp: lambda c: sp.log(c) if c.is_positive else None,
    sp.log: sp.exp,
    sp.sinh: sp.asinh,
    sp.asinh: sp.sinh,
    sp.atan: lambda c: sp.tan(c) if (sp.pi / 2 - sp.Abs(c)).is_positive else None,
    sp.tanh: lambda c: sp.atanh(c) if (1 - sp.Abs(c)).is_positive else None,
}


@dataclass(frozen=True)
class Walls:
    """Where a formula may jump.

    Attributes
    ----------
    formula : sympy.Expr
        The same function off a null set, `UNDEFINED` where it has no value.
    surfaces : tuple of sympy.Expr
        Each b whose zeros may be jumps: irreducible where it is a polynomial.
    opaque : tuple of sympy.Expr
        Parts of which it is not known where they jump.
    """

    formula: sp.Expr
    surfaces: tuple[sp.Expr, ...]
    opaque: tuple[sp.Expr, ...]

    def __bool__(self) -> bool:
        return bool(self.surfaces or self.opaque)


@lru_cache(maxsize=256)
def walls_of(f: sp.Expr) -> Walls:
    """Find the surfaces on which a formula may jump.

    Parameters
    ----------
    f : sympy.Expr
        A real formula.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> walls_of(sp.Piecewise((0, sp.Abs(x) < 1), (5, True)) + 1 / (x**2 - y)).surfaces
    (x, x - 1, x + 1, x**2 - y)
    >>> walls_of(sp.exp(-x) + sp.Abs(y) + sp.log(1 + x**2)).surfaces
    ()
    """
    try:
        stepped = rewritten(rewritten(f, _STEPS), {sp.Mul: _with_signs})
        formula = _unkinked(rewritten(stepped, _QUOTIENTS))
        defined = _plain(_domain(formula))
        if defined is not sp.true:
            formula = sp.Piecewise((formula, defined), (UNDEFINED, True))
        found: dict[sp.Expr, None] = {}
        for part in _jumping(formula):
            found |= dict.fromkeys(b for b, _ in factors_of(part)[1])
    except (_TooManyCasesError, BasePolynomialError):
        return Walls(f, (), (f,))
    opaque = (part for part in sp.preorder_traversal(formula) if _is_opaque(part))
    surfaces = sorted(found, key=lambda b: (b.count_ops(), sp.default_sort_key(b)))
    return Walls(formula, tuple(surfaces), tuple(dict.fromkeys(opaque)))


def differentiable(f: sp.Expr, constants: Collection[sp.Symbol] = ()) -> sp.Expr:
    """Write steps as |u|/u, whose derivative is 0 off the step and not a distribution.

    Parameters
    ----------
    f : sympy.Expr
        A real formula.
    constants : collection of sympy.Symbol, optional
        Steps of these alone are left as they are.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> differentiable(sp.Heaviside(x))
    1/2 + Abs(x)/(2*x)
    """
    steps = f.atoms(sp.sign, sp.Abs, *_STEPS)
    if not steps:
        return f
    kept = {u: sp.Dummy(real=True) for u in steps if u.free_symbols <= set(constants)}
    f = rewritten(f.xreplace(kept), _STEPS)
    f = rewritten(f, {sp.sign: lambda u: sp.Abs(u) / u, sp.Abs: _size})
    return f.xreplace({name: u for u, name in kept.items()})


def _size(u: sp.Expr) -> sp.Expr:
    """Write |u|; SymPy's derivative of it has real parts where 1/x could be infinite to it."""
    return sp.Abs(u) if u.is_real else sp.sqrt(u**2)


def rewritten(f: Any, rules: Rules) -> Any:
    """Apply rules to all parts, innermost first; conditions are left as they are."""
    if not f.args or isinstance(f, Boolean) or not f.has(*rules):
        return f
    f = f.func(*(rewritten(argument, rules) for argument in f.args))
    rule = rules.get(f.func)
    return f if rule is None else rule(*f.args)


@lru_cache(maxsize=4096)
def factors_of(u: sp.Expr) -> tuple[int, tuple[tuple[sp.Expr, int], ...]]:
    """Write the sign of a formula as that of walls b_i**m_i, with m_i < 0 for poles.

    Returns
    -------
    int, tuple of (sympy.Expr, int)
        A sign, or 0 for what vanishes, and each b_i with m_i. What has no zeros,
        or so few that hardly any orbit meets them, is left out.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> factors_of((y**2 - x**2) * sp.exp(x) / (1 + y**2))
    (-1, ((x - y, 1), (x + y, 1)))
    >>> factors_of(1 / (2 - sp.exp(x)))
    (-1, ((x - log(2), -1),))
    """
    sign, powers = 1, dict[sp.Expr, int]()
    for part, exponent in _split(u):
        known = 0 if part.is_zero else sign_of(part) or _sign_of_squares(part)
        if known is not None:
            if known == 0:
                return 0, ()
            sign *= known ** abs(exponent)
            continue
        if isinstance(part, sp.Pow) and not part.exp.is_integer:
            # A root vanishes with its base, and is positive on either side.
            factors = tuple((b, 2 * m) for b, m in factors_of(part.base)[1])
        else:
            turned, b = _straightened(part)
            if b == part:
                turned = -1 if part.could_extract_minus_sign() else 1
                factors = ((turned * part, 1),)
            else:
                inner, factors = factors_of(b)
                turned *= inner
            sign *= turned ** abs(exponent)
        for factor, m in factors:
            powers[factor] = powers.get(factor, 0) + m * exponent
    return sign, tuple((b, m) for b, m in powers.items() if m)


def kinks_of(f: sp.Basic) -> set[sp.Expr]:
    """Find what vanishes where a formula has kinks or jumps that its derivative does not see.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> kinks_of(sp.Abs(x) + sp.Max(x, y)) == {x, x - y}
    True
    """
    found: set[sp.Expr] = set()
    for part in sp.preorder_traversal(f):
        if isinstance(part, Relational):
            found.add(difference(part))
        elif isinstance(part, sp.Max | sp.Min):
            found.update(a - b for a, b in combinations(part.args, 2))
        elif isinstance(part, sp.Abs | sp.sign | sp.Heaviside):
            found.add(part.args[0])
    return found


def continuous_at(f: sp.Expr, place: Mapping[sp.Symbol, sp.Rational]) -> bool:
    """Whether a formula is seen to be real and continuous around a point.

    Examples
    --------
    >>> x = sp.Symbol("x", real=True)
    >>> continuous_at(sp.sqrt(x), {x: sp.S.One}), continuous_at(sp.sqrt(x), {x: sp.S.Zero})
    (True, False)
    """
    if f.has(sp.Piecewise) or not f.free_symbols <= place.keys():
        return False
    if any(map(_is_opaque, sp.preorder_traversal(f))):
        return False
    with suppress(EvaluationError):
        enclose(f, place, 200)
        return all(excludes_zero(enclose(u, place, 200)) for _, u in requirements(f))
    return False


def sign_of(u: sp.Expr) -> int | None:
    """Sign of a formula that is the same everywhere and never 0; None if that is not seen."""
    # SymPy takes 1/x for possibly infinite.
    poles = [p for p in u.atoms(sp.Pow) if p.exp.is_negative and not p.base.is_number]
    u = u.xreplace({pole: sp.Dummy(real=True, nonzero=True) for pole in poles})
    if u.is_positive or isinstance(u, sp.exp):
        return 1
    return -1 if u.is_negative else None


class _TooManyCasesError(ArithmeticError):
    """There are more cases than are looked at."""


def _with_signs(*factors: sp.Expr) -> sp.Expr:
    """Write |u|/u and u/|u| as signs."""
    found = list(factors)
    for size in factors:
        if size.atoms(sp.Abs) and isinstance(size.as_base_exp()[0], sp.Abs):
            base, exponent = size.as_base_exp()
            other = sp.Pow(base.args[0], -exponent)
            if exponent in (1, -1) and other in found:
                found.remove(size)
                found.remove(other)
                found.append(sp.sign(base.args[0]))
    return sp.Mul(*found)


def _jumping(formula: sp.Expr) -> Iterator[sp.Expr]:
    """Arguments at whose zeros the rewritten formula may jump."""
    for part in sp.preorder_traversal(formula):
        if isinstance(part, Relational):
            yield difference(part)
        elif is_pole(part) and not part.args[0].is_positive:
            yield part.args[0]


def is_pole(part: sp.Basic) -> bool:
    """Whether a part may be infinite where its first argument vanishes."""
    if isinstance(part, sp.Pow):
        return not part.exp.is_nonnegative and bool(part.base.free_symbols)
    return isinstance(part, sp.log)


def _is_opaque(part: sp.Basic) -> bool:
    """Whether it is not known where a part jumps."""
    if isinstance(part, (*_CONTINUOUS, sp.Pow, sp.Piecewise)) or part.func in _REQUIRED:
        return False
    return isinstance(part, sp.Expr) and bool(part.args) and bool(part.free_symbols)


def _domain(f: sp.Expr) -> Boolean:
    """Where a formula has a real value, off a null set."""
    if not f.args:
        return sp.false if f in _NOT_REAL else sp.true
    if isinstance(f, sp.Piecewise):
        return _some_branch(f)
    own = [_domain(argument) for argument in f.args]
    if isinstance(f, sp.Pow) and not f.exp.is_integer:
        own.append(_not_negative(f.base))
    elif f.func in _REQUIRED:
        own.extend(map(_not_negative, _REQUIRED[f.func](f.args[0])))
    return sp.And(*own)


def _some_branch(f: sp.Piecewise) -> Boolean:
    """Where a condition holds, and the value that it selects is real."""
    inside = [_domain(value) for value, _ in f.args]
    conditions = [condition for _, condition in f.args]
    if conditions[-1] == sp.true and all(domain == sp.true for domain in inside):
        return sp.true
    pairs = zip(conditions, inside, strict=True)
    return sp.Or(
        *(
            sp.And(*map(sp.Not, conditions[:k]), condition, domain)
            for k, (condition, domain) in enumerate(pairs)
        )
    )


def _not_negative(u: sp.Expr) -> Boolean:
    """Require u > 0, unless u >= 0 is known."""
    return sp.true if u.is_nonnegative or sp.factor_terms(u).is_nonnegative else sp.Gt(u, 0)


def _unkinked(f: sp.Expr, depth: int = 0) -> sp.Expr:
    """Write conditions, and what may be infinite, by formulas without kinks."""
    if not f.has(*_KINKED):
        return f
    if isinstance(f, sp.Piecewise):
        return sp.Piecewise(*((_unkinked(v, depth), _plain(c)) for v, c in f.args))
    f = f.func(*(_unkinked(argument, depth) for argument in f.args))
    kink = _innermost_kink(f.args[0]) if is_pole(f) or isinstance(f, sp.Abs) else None
    if kink is None:
        return f
    if depth > _MAX_DEPTH:
        raise _TooManyCasesError
    *others, (last, holds) = [
        (_unkinked(f.xreplace({kink: value}), depth + 1), sp.And(*map(_plain, holds)))
        for value, holds in _alternatives(kink)
    ]
    partial = isinstance(kink, sp.Piecewise) and kink.args[-1].cond != sp.true
    return sp.Piecewise(*others, (last, holds if partial else True))


def _plain(condition: Boolean, depth: int = 0) -> Boolean:
    """Write a condition, off a null set, by comparisons of formulas without kinks."""
    if isinstance(condition, BooleanAtom):
        return condition
    if isinstance(condition, sp.And | sp.Or | sp.Not):
        return condition.func(*(_plain(part, depth) for part in condition.args))
    if not isinstance(condition, Relational) or depth > _MAX_DEPTH:
        raise _TooManyCasesError
    u = rewritten(rewritten(difference(condition), _STEPS), _QUOTIENTS)
    kink = _innermost_kink(u)
    if kink is not None:
        *others, (holds, truth) = [
            (
                sp.And(*(_plain(other, depth + 1) for other in holds)),
                _plain(condition.func(*_ends(condition, u.xreplace({kink: value}))), depth + 1),
            )
            for value, holds in _alternatives(kink)
        ]
        for holds, other in reversed(others):
            truth = sp.Or(sp.And(holds, other), sp.And(sp.Not(holds), truth))
        return truth
    strict = isinstance(condition, sp.Gt | sp.Lt | sp.Ne)
    if isinstance(condition, sp.Eq | sp.Ne):
        verdict = is_zero(u)
        if verdict.undecided:
            raise _TooManyCasesError
        return sp.true if verdict.proved is not strict else sp.false
    sign, factors = factors_of(u)
    odd = [b for b, m in factors if m % 2]
    if sign == 0 or not odd:
        return sp.true if sign > 0 or (sign == 0 and not strict) else sp.false
    return sp.Gt(sp.Mul(sign, *odd), 0)


def difference(condition: Relational) -> sp.Expr:
    """Subtract the smaller side of a comparison from the larger one."""
    u = condition.lhs - condition.rhs
    return -u if isinstance(condition, sp.Lt | sp.Le) else u


def _ends(condition: Relational, u: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """Both sides of a comparison that has another difference."""
    return (-u, sp.S.Zero) if isinstance(condition, sp.Lt | sp.Le) else (u, sp.S.Zero)


def _innermost_kink(u: sp.Expr) -> sp.Expr | None:
    """Find a part with a kink, or with cases, that has no such part inside."""
    kinks = (k for k in u.atoms(*_KINKED) if not any(a.has(*_KINKED) for a in k.args))
    return min(kinks, key=sp.default_sort_key, default=None)


def _alternatives(kink: sp.Expr) -> Iterator[tuple[sp.Expr, tuple[Boolean, ...]]]:
    """Formulas that a part with a kink equals, and what has to hold."""
    if isinstance(kink, sp.Piecewise):
        conditions = [condition for _, condition in kink.args]
        for k, (value, condition) in enumerate(kink.args):
            yield value, (*map(sp.Not, conditions[:k]), condition)
    elif isinstance(kink, sp.Max | sp.Min):
        for value in kink.args:
            others = [other for other in kink.args if other != value]
            first = isinstance(kink, sp.Max)
            yield value, tuple(sp.Gt(value, o) if first else sp.Lt(value, o) for o in others)
    else:
        (w,) = kink.args
        size = isinstance(kink, sp.Abs)
        yield (w if size else sp.S.One), (sp.Gt(w, 0),)
        yield (-w if size else sp.S.NegativeOne), (sp.Lt(w, 0),)


def _split(u: sp.Expr) -> Iterator[tuple[sp.Expr, int]]:
    """Factors of a formula with their exponents, of its numerator and its denominator."""
    if len(sp.Add.make_args(u)) > _MAX_TERMS:
        yield u, 1
        return
    for part, side in zip(sp.fraction(sp.together(u)), (1, -1), strict=True):
        try:
            content, factors = sp.factor_list(part)
        except BasePolynomialError:
            content, factors = sp.S.One, [(part, 1)]
        yield content, side
        for factor, m in factors:
            yield factor, int(m) * side


def _sign_of_squares(part: sp.Expr) -> int | None:
    """Sign of an irreducible sum of squares: its zeros are of codimension 2."""
    symbols = sorted(part.free_symbols, key=sp.default_sort_key)
    if len(symbols) < 2 or not part.is_polynomial(*symbols):
        return None
    if part.is_nonnegative or part.is_nonpositive:
        return 1 if part.is_nonnegative else -1
    poly = sp.Poly(part, *symbols)
    if poly.total_degree() != 2 or not (poly.domain.is_QQ or poly.domain.is_ZZ):
        return None
    one = sp.Dummy()
    form = sp.hessian(poly.homogenize(one).as_expr(), (one, *symbols))
    if form.is_positive_semidefinite:
        return 1
    return -1 if form.is_negative_semidefinite else None


def _straightened(part: sp.Expr) -> tuple[int, sp.Expr]:
    """Write α F(w) + β with increasing F as a sign times what has the sign of w − F⁻¹(−β/α)."""
    for term in sp.Add.make_args(part):
        for inner in (f for f in sp.Mul.make_args(term) if f.free_symbols):
            scale = term / inner
            sign = sign_of(scale)
            root = None if sign is None else _inverse(inner, (term - part) / scale)
            if sign is not None and root is not None:
                return sign, inner.args[0] - root
    return 1, part


def _inverse(inner: sp.Expr, value: sp.Expr) -> sp.Expr | None:
    """Solve F(w) = value for w, for increasing F; None if F or the answer is not known."""
    if not isinstance(inner, sp.Pow):
        return _INVERSES[inner.func](value) if inner.func in _INVERSES else None
    is_root = inner.exp.is_Rational and inner.exp.is_positive and not inner.exp.is_integer
    return value ** (1 / inner.exp) if is_root and value.is_positive else None

"""Where a normal form may differ from its formula: zeros of denominators, poles.

A normal form equals its formula off the poles of half tangents and off the zeros of what denesting
has brought into denominators. A formula that vanishes there vanishes on the exceptional set too

* by continuity, where every point of the set is a limit of points of the domain off the set; or
* because it does so with the set's own equations put into it: these are the parts left.

Equations are put in as formulas for symbols, from real zeros of polynomials: f = a x + b is 0 at
x = -b/a, and where a and b are; a x**2 + b x + c with a number a is 0 at two formulas with a root.
A polynomial that never changes its sign is 0 where its gradient is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import sympy as sp
from sympy.calculus.accumulationbounds import AccumulationBounds
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.core.function import AppliedUndef

from ehf_sym.clock import check_time
from ehf_sym.enclosures.enclosure import ANGULAR, enclose, excludes_zero
from ehf_sym.enclosures.intervals import EvaluationError
from ehf_sym.normal_forms.elementary import Tower
from ehf_sym.normal_forms.kernels import (
    UNIT,
    Element,
    Kernel,
    Poly,
    factor,
    shared_ring,
    used_generators,
)
from ehf_sym.normal_forms.roots import norm
from ehf_sym.normal_forms.signs import Facts, KernelSigns, Sign

_MAX_DEGREE = 8
_MAX_TERMS = 30
_MAX_PLACES = 16
_MAX_DEPTH = 8

Place = Mapping[sp.Symbol, sp.Expr]

_SCOPES = (ExprWithLimits, sp.Derivative, sp.Subs, sp.Limit)
_UNDEFINED = (sp.zoo, sp.nan, sp.oo, -sp.oo, AccumulationBounds)
Part = tuple[sp.Expr, Facts]
SignFactors = tuple[int, list[tuple[sp.Expr, int]]]
_ANALYTIC = (sp.Add, sp.Mul, sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.atan, sp.erf)
_JUMPING = (sp.sign, sp.Heaviside, sp.Piecewise, AppliedUndef, sp.floor, sp.ceiling)
# Real on a closed set: near its boundary there may be no other points.
_CLOSED = (sp.asin, sp.acos, sp.asec, sp.acsc, sp.acosh, sp.asech)


class NotParametrizedError(ArithmeticError):
    """The zeros are not of a kind that is parametrized here."""


def zero_set(parts: Sequence[sp.Expr]) -> list[Place]:
    """Formulas for symbols such that all real common zeros are among the points they describe.

    Parameters
    ----------
    parts : sequence of sympy.Expr
        Polynomials with rational coefficients.

    Raises
    ------
    NotParametrizedError
        The zeros of some polynomial are not parametrized here, or there are too many cases.

    Examples
    --------
    >>> import sympy as sp
    >>> x, y = sp.symbols("x y", real=True)
    >>> zero_set([x - y]), zero_set([x**2 + x * y + y**2]), zero_set([x * y - 1])
    ([{x: y}], [{x: 0, y: 0}], [{x: 1/y}])
    >>> zero_set([x**2 + y**2 - 1])
    [{x: -sqrt(1 - y**2)}, {x: sqrt(1 - y**2)}]
    """
    places = list(islice(_places(tuple(parts), {}, 0), _MAX_PLACES + 1))
    if len(places) > _MAX_PLACES:
        raise NotParametrizedError
    return places


def restricted(formula: sp.Expr, place: Place) -> sp.Expr | None:
    """Put formulas for symbols; None where the result is defined nowhere.

    Raises
    ------
    NotParametrizedError
        It is not seen where the result is real, or a symbol is bound in the formula.
    """
    if formula.has(*_SCOPES):
        raise NotParametrizedError
    return real(formula.xreplace(dict(place)))


def real(formula: sp.Expr) -> sp.Expr | None:
    """Return a formula that may be real; None where what SymPy made of it is defined nowhere."""
    if formula.has(*_UNDEFINED) or (formula.is_number and formula.has(sp.I)):
        return None
    if formula.has(sp.I):
        # The root of -x**2 is real where x is 0.
        raise NotParametrizedError
    return formula


def _places(parts: Sequence[sp.Expr], place: Place, depth: int) -> Iterator[Place]:
    """Solve the first of the equations, then the others."""
    check_time()
    if not parts:
        yield place
        return
    if depth > _MAX_DEPTH:
        raise NotParametrizedError
    top, _ = sp.fraction(sp.together(parts[0].xreplace(dict(place))))
    symbols = sorted(top.free_symbols, key=sp.default_sort_key)
    if not symbols:
        if top.is_zero:
            yield from _places(parts[1:], place, depth + 1)
        elif top.is_zero is None:
            raise NotParametrizedError
        return
    if not top.is_polynomial(*symbols):
        # Where the other equations hold there is no less than where this one holds too.
        yield from _places(parts[1:], place, depth + 1)
        return
    poly = sp.Poly(top, *symbols)
    if not (poly.domain.is_ZZ or poly.domain.is_QQ):
        raise NotParametrizedError
    if poly.total_degree() > _MAX_DEGREE or len(poly.terms()) > _MAX_TERMS:
        raise NotParametrizedError
    for part, _ in poly.factor_list()[1]:
        for more, equations in _solutions(part.as_expr()):
            merged = {x: value.xreplace(dict(more)) for x, value in place.items()} | dict(more)
            yield from _places((*equations, *parts[1:]), merged, depth + 1)


def _solutions(f: sp.Expr) -> Iterator[tuple[Place, Sequence[sp.Expr]]]:
    """Solve f = 0 for one symbol, or name equations that hold at its zeros."""
    symbols = sorted(f.free_symbols, key=_plainness)
    polys = {x: sp.Poly(f, x) for x in symbols}
    linear = [x for x in symbols if polys[x].degree() == 1]
    linear.sort(key=lambda x: not polys[x].LC().is_number)
    if linear:
        x = linear[0]
        slope, rest = polys[x].LC(), polys[x].coeff_monomial(1)
        if _agrees(x, value := sp.cancel(-rest / slope)):
            yield {x: value}, ()
        if not slope.is_number:
            yield {}, (slope, rest)
        return
    sign = _sign(f)
    if sign is not None:
        if not sign.strict:
            yield {}, [f.diff(x) for x in symbols]
        return
    for x in symbols:
        if polys[x].degree() == 2 and polys[x].LC().is_number:
            a, b, c = polys[x].all_coeffs()
            middle = sp.expand(-b / (2 * a))
            root = sp.sqrt(sp.expand(middle**2 - c / a))
            for value in (middle - root, middle + root):
                if _agrees(x, value):
                    yield {x: value}, ()
            return
    raise NotParametrizedError


def _plainness(x: sp.Symbol) -> tuple[bool, object]:
    """Sort symbols of which nothing is assumed but that they are real before others."""
    special = x.is_integer or x.is_nonnegative or x.is_nonpositive
    return bool(special), sp.default_sort_key(x)


def _agrees(x: sp.Symbol, value: sp.Expr) -> bool:
    """Tell whether a value can have what is assumed of the symbol."""
    return all(
        getattr(value, f"is_{name}", None) in {truth, None}
        for name, truth in x.assumptions0.items()
    )


def _sign(f: sp.Expr) -> Sign | None:
    """Prove that a polynomial is nowhere positive, or nowhere negative."""
    poly = sp.Poly(f, *sorted(f.free_symbols, key=sp.default_sort_key), domain="QQ")
    ring = shared_ring(len(poly.gens))
    return KernelSigns().of(ring.from_dict(poly.rep.to_dict()))


def parts_left(
    formula: sp.Expr, facts: Facts, tower: Tower, zeros: Sequence[Sequence[Poly]]
) -> tuple[Part, ...] | None:
    """Name the parts of the domain on which a formula is not yet seen to vanish.

    Parameters
    ----------
    formula : sympy.Expr
        The formula.
    facts : Facts
        What was taken for granted.
    tower : Tower
        The kernels of its normal form, which vanishes.
    zeros : sequence of sequences of Poly
        Sets of common zeros on which it does not.

    Returns
    -------
    tuple of (sympy.Expr, Facts), or None
        What the formula is on these parts; None where they cannot be described.
    """
    parts: list[Part] = []
    try:
        for common in (*zeros, *_denominators(formula, facts, tower)):
            equations = [_equation(tower, f) for f in common]
            for place in zero_set(equations):
                rest = restricted(formula, place)
                if rest is not None and not rest.is_zero:
                    parts.append((rest, facts.restricted(place)))
    except NotParametrizedError:
        return None
    if any(True for _ in _places_of_risk(formula)):
        parts.extend(
            (formula, facts.with_pole(tower.field.meaning(kernel.argument or {}), kernel.order))
            for kernel in tower.field.kernels
            if kernel.kind == "tan" and not _is_finite(kernel)
        )
    return tuple(parts)


def _denominators(formula: sp.Expr, facts: Facts, tower: Tower) -> Iterator[list[Poly]]:
    """Factors of denominators that matter, each on its own."""
    dense = (
        tower.requirements.open
        and all(sign.strict for sign in facts.signs.values())
        and not formula.has(*_JUMPING)
    )
    for f in tower.exceptional:
        proved = tower.proved.of(f)
        if f.is_ground or (proved is not None and proved.strict) or f in tower.nonzero:
            continue
        if not (dense and _is_nowhere_dense(tower, f)):
            yield [f]


def _is_nowhere_dense(tower: Tower, f: Poly) -> bool:
    """Prove that f is 0 on no open set: the product of its conjugates is analytic, and not 0."""
    whole = norm(tower.field, f)
    if not whole:
        return False
    kernels = [tower.field.kernels[index] for index in used_generators(whole)]
    # At a pole of a half tangent, a power of the cosine makes a polynomial in it analytic.
    inner = [k.meaning.args[0] if k.kind == "tan" else k.meaning for k in kernels]
    if not all(_is_analytic(part) for part in inner):
        return False
    if all(kernel.kind == "variable" for kernel in kernels):
        return True
    formula = tower.field.expression(whole)
    place = {x: sp.Rational(7 + i, 10 + 3 * i) for i, x in enumerate(formula.free_symbols)}
    try:
        return excludes_zero(enclose(formula, place, 200))
    except EvaluationError:
        return False


def _is_analytic(formula: sp.Expr) -> bool:
    """Tell whether a formula is analytic in symbols that are any real numbers."""
    if formula.is_Symbol:
        return not formula.is_integer
    if isinstance(formula, sp.Pow):
        return bool(formula.exp.is_Integer and formula.exp > 0) and _is_analytic(formula.base)
    known = formula.is_Number or formula.is_NumberSymbol or isinstance(formula, _ANALYTIC)
    return known and all(map(_is_analytic, formula.args))


def _equation(tower: Tower, f: Poly) -> sp.Expr:
    """Return a polynomial in symbols that is 0 wherever f is."""
    whole = norm(tower.field, f)
    found = None
    if whole:
        for part in (f, whole):
            found = found or factors_of_same_sign(tower, {UNIT: part})
    if found is None:
        raise NotParametrizedError
    return sp.Mul(*(g for g, m in found[1] if m > 0))


def factors_of_same_sign(tower: Tower, element: Element) -> SignFactors | None:
    """Replace what is no polynomial in symbols by what has the same sign."""
    poly, key = tower.field.single(element)
    if not poly:
        return 0, []
    content, factors = factor(poly)
    sign, found = (1 if content > 0 else -1), []
    for f, m in (*factors, *key):
        kernels = [tower.field.kernels[index] for index in used_generators(f)]
        proved = tower.proved.of(f)
        if all(kernel.kind == "variable" for kernel in kernels):
            found.append((tower.field.expression(f), m))
        elif proved is not None and proved.strict:
            sign *= proved.value**m
        else:
            special = tower.field.kernel(f)
            part = tower.proved.part_of_same_sign(f)
            if special is not None and special.kind in {"root", "sign", "jump"}:
                part = {UNIT: special.base}
            inner = None if part is None else factors_of_same_sign(tower, part)
            if inner is None:
                return None
            # A root is not negative: it has the sign of the square.
            m = 2 * m if special is not None and special.kind == "root" else m
            sign *= inner[0] ** m
            found.extend((g, n * m) for g, n in inner[1])
    return sign, found


def _places_of_risk(formula: sp.Expr) -> Iterator[sp.Expr]:
    """Parts through which an angle can bring the formula to a jump or to the edge of its domain.

    Elsewhere a formula is continuous in each angle as a variable of its own, on an open set, so
    that what holds off the poles of half tangents holds at the poles.
    """
    for node in sp.preorder_traversal(formula):
        closed = isinstance(node, sp.Pow) and node.exp.is_Rational and node.exp.q > 1
        if isinstance(node, (*_JUMPING, *_CLOSED)) or (closed and node.exp > 0):
            angles = (angle for argument in node.args for angle in argument.atoms(*ANGULAR))
            yield from (angle for angle in angles if angle.free_symbols)


def _is_finite(kernel: Kernel) -> bool:
    """Tell whether a half tangent is a number that is seen to be finite."""
    angle = kernel.meaning.args[0]
    if angle.free_symbols:
        return False
    try:
        return excludes_zero(enclose(sp.cos(angle, evaluate=False), {}, 53))
    except EvaluationError:
        return False

"""Is an expression identically zero? Proved, refuted or undecided, and never a guess."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import sympy as sp

from ehf_sym import clock
from ehf_sym.clock import OutOfTimeError
from ehf_sym.enclosures.enclosure import bounds
from ehf_sym.enclosures.root_bounds import algebraic_sign
from ehf_sym.errors import FormulaError
from ehf_sym.formulas.scopes import scopes, settled
from ehf_sym.formulas.validation import refuse_infinite, scalar
from ehf_sym.formulas.verdict import Certificate, Witness, ZeroVerdict
from ehf_sym.normal_forms.normal_form import NormalForm, normal_form
from ehf_sym.zero.piecewise import vanishes_by_parts
from ehf_sym.zero.witness import (
    EXHAUSTIVE,
    QUICK,
    THOROUGH,
    Point,
    Probe,
    admitted,
    points,
    probes,
    root_free_point,
    thin_points,
)

_QUICK_POINTS = 2
_DOMAIN_POINTS = 120
_THIN_STARTS = 12
_WITNESS_POINTS = 80
# The larger the expression, the fewer the points.
_MAX_NODES = 60_000

_IDENTITIES = (
    "identities that hold wherever all parts are real; independence of the kernels is not needed"
)
_INDEPENDENCE = (
    "nothing: only if the kernels are independent (the structure theorem for functions, Schanuel's "
    "conjecture for constants) does it follow that the expression is not zero"
)
_BOUND = "the separation bound of Burnikel, Funke, Mehlhorn, Schirra and Schmitt (2001)"


def is_zero(expr: Any, *, time_limit: float = 10.0) -> ZeroVerdict:
    """Decide whether an expression vanishes wherever it is real and defined.

    The expression is proved to be zero by a normal form over a field of independent kernels
    (see ``normal_forms.normal_form``), or refuted by a rational point at which exact or interval
    arithmetic excludes 0. Where neither succeeds, the verdict is undecided.

    Symbols stand for real numbers; other assumptions (positive, integer, ...) are respected.
    ``log`` takes positive arguments, and so do powers whose exponent is not rational; roots
    take non-negative arguments. Where a part of the expression is not real in this sense, the
    expression counts as undefined, and nothing is said about it. A SymPy expression is taken as it
    is: exp(log(x)) is x from the start. `ehf_sym.parse` keeps the domain of what was typed.

    Sums, products, integrals, derivatives, limits and substitutions are evaluated where that is
    exact. Of others nothing is known but that equal ones are equal.

    Parameters
    ----------
    expr : sympy.Expr or int or fractions.Fraction
        The expression, without floats.
    time_limit : float, optional
        Seconds after which the answer is "undecided". Most questions are answered in
        milliseconds, and the work is bounded apart from the clock.

    Returns
    -------
    ZeroVerdict
        ``status`` is "proved", "refuted" (with ``witness`` and ``value``) or "undecided"
        (with ``residual``).

    Raises
    ------
    FormulaError
        `expr` is no scalar expression, or it contains floats, infinities or non-real parts.
    ArgumentError
        `time_limit` is not a positive number.

    Examples
    --------
    >>> from sympy import Rational, exp, log, symbols
    >>> x, y = symbols("x y", real=True)
    >>> softplus = log(1 + exp(x))
    >>> is_zero(softplus - log(1 + exp(-x)) - x).status
    'proved'
    >>> verdict = is_zero((x + y)**2 - x**2 - y**2 - Rational(19999, 10000) * x * y)
    >>> verdict.status, verdict.witness, verdict.value
    ('refuted', {x: 1, y: 2}, 1/5000)
    >>> print(is_zero(exp(x) - 1 - x))
    refuted: the value at x = 1 is about 0.718282 (interval arithmetic, 53 bits)
    """
    seconds = clock.positive_seconds(time_limit)
    formula = scalar(expr, "expr")
    question = None
    try:
        with clock.time_limit(seconds):
            question = _Question(formula)
            return question.verdict()
    except RecursionError:
        reason = "it is nested too deeply"
    except OutOfTimeError:
        reason = f"the time limit of {seconds:g} s has passed"
    if question is not None and question.form is not None:
        return question.undecided(reason)
    return ZeroVerdict("undecided", reason, residual=formula, certificate=Certificate("none"))


class _Question:
    """One expression, in real symbols, on its way to a verdict."""

    def __init__(self, formula: sp.Expr) -> None:
        self.formula = formula
        self._given = {_real_symbol(s): s for s in formula.free_symbols}
        replaced = {symbol: real for real, symbol in self._given.items() if real != symbol}
        evaluated = settled(formula.xreplace(replaced))
        # Nothing is known of what has variables of its own and could not be evaluated.
        unknown = {scope: sp.Dummy(real=True) for scope in scopes(evaluated)}
        self._inner: sp.Expr = evaluated.xreplace(unknown).replace(sp.atan2, _polar_angle)
        self._unknown = {dummy: s.xreplace(self._given) for s, dummy in unknown.items()}
        self._meaning = self._given | self._unknown
        self._symbols = sorted(self._given, key=sp.default_sort_key)
        self.form: NormalForm | None = None
        refuse_infinite(self._inner, "expr")

    def verdict(self) -> ZeroVerdict:
        """Look at a few points, prove, look at many points, give up."""
        quick = list(probes(self._inner, islice(points(self._symbols), _QUICK_POINTS), QUICK))
        refutation = next((p for p in quick if p.refutes), None)
        if refutation is not None:
            return self._refuted(refutation)
        form = self.form = normal_form(self._inner)
        if form is not None and form.vanishes:
            return self._vanishing("normal form", defined=bool(quick) or self._has_domain())
        partly = form is not None and form.uncovered is not None
        if partly and vanishes_by_parts(self._inner, form):
            return self._vanishing_by_parts(defined=bool(quick))
        if not self._inner.free_symbols and algebraic_sign(self._inner) == 0:
            certificate = Certificate("separation bound", rests_on=(_BOUND,))
            return ZeroVerdict("proved", "separation bound", certificate=certificate)
        refutation = self._witness(form)
        if refutation is not None:
            return self._refuted(refutation)
        if not partly and vanishes_by_parts(self._inner, form):
            return self._vanishing_by_parts(defined=bool(quick))
        reason = "no normal form within the bounds" if form is None else "normal form not zero"
        if partly:
            reason = "normal form zero, but not everywhere the same as the expression"
        if self._unknown:
            reason = f"no exact value of {next(iter(self._unknown.values()))}"
        return self.undecided(f"{reason}, and no witness found")

    def _vanishing_by_parts(self, *, defined: bool) -> ZeroVerdict:
        return self._vanishing("normal form, part by part", defined=defined or self._has_domain())

    def _vanishing(self, method: str, *, defined: bool) -> ZeroVerdict:
        """Judge a normal form that is zero: the expression must be defined somewhere."""
        if not defined:
            self.form = None
            return self.undecided("no point was found at which it is seen to be defined")
        kinds = () if self.form is None else self.form.kinds
        kernels = ", ".join(("symbols", *kinds))
        certificate = Certificate(method, self._kernels(), (_IDENTITIES,))
        return ZeroVerdict("proved", f"{method}, rational in {kernels}", certificate=certificate)

    def _kernels(self) -> tuple[sp.Expr, ...]:
        """Return what the kernels stand for, in the symbols that were given."""
        if self.form is None:
            return ()
        meanings = (kernel.meaning.xreplace(self._meaning) for kernel in self.form.field.kernels)
        return tuple(dict.fromkeys(meanings))

    def _has_domain(self) -> bool:
        """Tell whether a rational point is found at which the expression is defined."""
        thin = islice(self._thin_points(), _DOMAIN_POINTS)
        candidates = chain(thin, islice(points(self._symbols), _DOMAIN_POINTS))
        return next(probes(self._inner, candidates, QUICK), None) is not None

    def _thin_points(self) -> Iterator[Point]:
        """Points that the parts of the expression suggest, with the assumed properties."""
        starts = islice(points(self._symbols), _THIN_STARTS)
        found = thin_points(self._inner, self._symbols, starts)
        return (point for point in found if admitted(point))

    def _witness(self, form: NormalForm | None) -> Probe | None:
        """Search many points."""
        nodes = sum(1 for _ in sp.preorder_traversal(self._inner))
        count = min(_WITNESS_POINTS, max(5, _MAX_NODES // nodes))
        candidates: Iterator[Point] = islice(points(self._symbols), count)
        if (
            form is not None
            and not (form.kinds or self._unknown)
            and (point := root_free_point(form)) is not None
        ):
            candidates = chain([point], candidates)
        candidates = chain(islice(self._thin_points(), count), candidates)
        precisions = THOROUGH if self._symbols else EXHAUSTIVE
        found = probes(self._inner, candidates, precisions)
        return next((p for p in found if p.refutes), None)

    def _refuted(self, refutation: Probe) -> ZeroVerdict:
        witness = Witness({self._given[s]: number for s, number in refutation.point.items()})
        place = tuple(witness.items())
        if isinstance(refutation.value, Fraction):
            exact = sp.Rational(refutation.value.numerator, refutation.value.denominator)
            certificate = Certificate("exact arithmetic", witness=place, enclosure=(exact, exact))
            return ZeroVerdict("refuted", "exact arithmetic", witness, exact, None, certificate)
        bits = refutation.precision
        ends = bounds(refutation.value)
        certificate = Certificate(
            "interval arithmetic", witness=place, enclosure=ends, precision=bits
        )
        method = f"interval arithmetic, {bits} bits"
        return ZeroVerdict("refuted", method, witness, ends, None, certificate)

    def undecided(self, reason: str) -> ZeroVerdict:
        """Say what is left."""
        residual = self.form.expression() if self.form is not None else None
        shown = residual.xreplace(self._meaning) if residual else self.formula
        certificate = Certificate("none", self._kernels(), (_INDEPENDENCE,) if self.form else ())
        return ZeroVerdict("undecided", reason, residual=shown, certificate=certificate)


def _polar_angle(y: sp.Expr, x: sp.Expr) -> sp.Expr:
    """Write atan2 by half the angle; the origin has none."""
    half = sp.atan(y / (x + sp.sqrt(x**2 + y**2)))
    return sp.Piecewise((2 * half, (x > 0) | sp.Ne(y, 0)), (sp.pi, x < 0))


@lru_cache(maxsize=1024)
def _real_symbol(symbol: sp.Symbol) -> sp.Symbol:
    """Return the symbol, or one of our own with the same assumptions if it is not yet real."""
    if symbol.is_real and symbol.is_commutative:
        return symbol
    if not symbol.is_commutative or symbol.is_extended_real is False or symbol.is_finite is False:
        raise FormulaError(f"expr contains the symbol {symbol}, which is not a real number")
    return sp.Dummy(symbol.name, **{**symbol.assumptions0, "real": True})

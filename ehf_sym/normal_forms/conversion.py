"""Formulas, bottom up, as elements of a field of kernels."""

from __future__ import annotations

from collections.abc import Callable, Collection
from fractions import Fraction
from functools import reduce
from itertools import permutations
from typing import Any

import sympy as sp

from ehf_sym.enclosures.enclosure import is_integer_valued
from ehf_sym.normal_forms.angles import Angles, Parities
from ehf_sym.normal_forms.elementary import Product, Tower
from ehf_sym.normal_forms.inverse_functions import Arcs
from ehf_sym.normal_forms.kernels import UNIT, Element, Kernel, Kind
from ehf_sym.normal_forms.signs import Facts, Sign

_ODD_INCREASING = frozenset({sp.sinh, sp.tanh, sp.asin, sp.atan, sp.asinh, sp.atanh, sp.erf})


class Conversion:
    """One walk over an expression tree.

    Attributes
    ----------
    tower : Tower
        Where the kernels go.
    """

    def __init__(self, tower: Tower, facts: Facts) -> None:
        self.tower = tower
        self._field = tower.field
        self._parities = Parities(tower)
        self._angles = Angles(tower, self.element, self._parities, facts.poles)
        self._arcs = Arcs(tower, self.element)
        self._known: dict[sp.Expr, Element] = {}
        self._opaque: list[tuple[Any, tuple[Element, ...], Kernel]] = []
        self._handlers: dict[Any, Callable[[sp.Expr], Element]] = self._table()

    def suppose(self, facts: Facts, symbols: Collection[sp.Symbol]) -> None:
        """Take facts on polynomials in the symbols for granted."""
        proved = self.tower.proved
        for symbol, (low, high) in facts.bounds.items():
            if symbol not in symbols:
                continue
            ((monomial,),) = self.element(symbol).values()
            proved.kernel_signs.bounds[monomial.index(1)] = (low, high)
            if low is not None:
                proved.suppose(self.element(symbol - low), Sign(1, strict=True))
            if high is not None:
                proved.suppose(self.element(symbol - high), Sign(-1, strict=True))
            for value, end in ((1, low), (-1, high)):
                if end is not None and value * end >= 0:
                    proved.suppose(self.element(symbol), Sign(value, strict=True))
        for part, sign in facts.signs.items():
            if part.free_symbols <= set(symbols) and part.is_polynomial(*part.free_symbols):
                proved.suppose(self.element(part), sign)

    def element(self, formula: sp.Expr) -> Element:
        """Convert a subexpression, once."""
        known = self._known.get(formula)
        if known is None:
            known = self._known[formula] = self._convert(formula)
        return known

    def _convert(self, formula: sp.Expr) -> Element:
        if isinstance(formula, sp.Rational):
            return self._field.constant(formula)
        if isinstance(formula, sp.Symbol):
            return self._symbol(formula)
        if isinstance(formula, sp.Add):
            return self._field.add(map(self.element, formula.args))
        if isinstance(formula, sp.Mul):
            return reduce(self._field.multiply, map(self.element, formula.args))
        if isinstance(formula, sp.Pow):
            return self._power(formula.base, formula.exp)
        if formula is sp.E:
            return self.tower.exp(self._field.constant(1))
        handler = self._handlers.get(formula.func)
        if handler is None:
            return self._unknown(formula)
        return handler(formula)

    def _table(self) -> dict[Any, Callable[[sp.Expr], Element]]:
        """Elementary functions."""
        tower, of, arcs = self.tower, self._of_argument, self._arcs
        return {
            sp.exp: of(tower.exp),
            sp.log: lambda formula: tower.log(self._factors(formula.args[0])),
            sp.Abs: self._absolute,
            sp.sign: self._sign,
            sp.Max: lambda formula: self._extreme(formula, 1),
            sp.Min: lambda formula: self._extreme(formula, -1),
            sp.cos: of(lambda u: self._angles.cosine_sine(u)[0]),
            sp.sin: of(lambda u: self._angles.cosine_sine(u)[1]),
            sp.tan: of(lambda u: self._ratio(*reversed(self._angles.cosine_sine(u)))),
            sp.cot: of(lambda u: self._ratio(*self._angles.cosine_sine(u))),
            sp.sec: of(lambda u: self._inverse(self._angles.cosine_sine(u)[0])),
            sp.csc: of(lambda u: self._inverse(self._angles.cosine_sine(u)[1])),
            sp.cosh: of(lambda u: self._hyperbolic(u)[0]),
            sp.sinh: of(lambda u: self._hyperbolic(u)[1]),
            sp.tanh: of(lambda u: self._ratio(*reversed(self._hyperbolic(u)))),
            sp.coth: of(lambda u: self._ratio(*self._hyperbolic(u))),
            sp.sech: of(lambda u: self._inverse(self._hyperbolic(u)[0])),
            sp.csch: of(lambda u: self._inverse(self._hyperbolic(u)[1])),
            sp.asin: of(arcs.asin),
            sp.acos: of(arcs.acos),
            sp.atan: of(arcs.atan),
            sp.acsc: of(lambda u: arcs.asin(self._inverse(u))),
            sp.asec: of(lambda u: arcs.acos(self._inverse(u))),
            sp.acot: of(lambda u: arcs.atan(self._inverse(u))),
            sp.asinh: of(arcs.asinh),
            sp.acosh: of(arcs.acosh),
            sp.atanh: of(arcs.atanh),
            sp.acsch: of(lambda u: arcs.asinh(self._inverse(u))),
            sp.asech: of(lambda u: arcs.acosh(self._inverse(u))),
            sp.acoth: of(lambda u: arcs.atanh(self._inverse(u))),
            sp.Heaviside: self._step,
            sp.erfc: lambda formula: self.element(1 - sp.erf(*formula.args)),
        }

    def _of_argument(self, function: Callable[[Element], Element]) -> Callable[[sp.Expr], Element]:
        """Lift a function of elements to formulas of one argument."""
        return lambda formula: function(self.element(formula.args[0]))

    def _symbol(self, symbol: sp.Symbol) -> Element:
        kernel = self._field.adjoin("variable", symbol)
        self._note_sign(kernel)
        return self._field.generator(kernel)

    def _note_sign(self, kernel: Kernel) -> None:
        """Keep the sign that SymPy's assumptions give to a symbol or a short constant."""
        if not (kernel.meaning.is_Symbol or kernel.meaning.is_NumberSymbol):
            return
        if kernel.meaning.is_nonnegative:
            sign = Sign(1, strict=bool(kernel.meaning.is_positive))
            self.tower.proved.kernel_signs.note(kernel.index, sign)
        elif kernel.meaning.is_nonpositive:
            sign = Sign(-1, strict=bool(kernel.meaning.is_negative))
            self.tower.proved.kernel_signs.note(kernel.index, sign)

    def _power(self, base: sp.Expr, exponent: sp.Expr) -> Element:
        if isinstance(exponent, sp.Integer):
            element = self.element(base)
            if exponent < 0:
                self.tower.note_nonzero(element)
            return self._field.power(element, int(exponent))
        if isinstance(exponent, sp.Rational):
            fraction = Fraction(int(exponent.p), int(exponent.q))
            return self.tower.root(self._factors(base), fraction)
        n = self.element(exponent)
        if is_integer_valued(exponent):
            return self._integer_power(self._factors(base), n)
        logarithm = self.tower.log(self._factors(base))
        return self.tower.exp(self._field.multiply(n, logarithm))

    def _integer_power(self, base: Product, n: Element) -> Element:
        """Raise to an integer that symbols stand for: |b|**n sign(b)**n, where b is not 0."""
        field = self._field
        size = self.tower.exp(field.multiply(n, self.tower.log_of_size(base)))
        odd = self._parities.power_of_minus_one(n.get(UNIT, field.ring.zero))
        sign = self.tower.unknown.off_zero(base)
        half = Fraction(1, 2)
        above = field.add([field.constant(half), field.scale(sign, half)])
        below = field.add([field.constant(half), field.scale(sign, -half)])
        return field.multiply(size, field.add([above, field.multiply(below, odd)]))

    def _factors(self, formula: sp.Expr) -> list[tuple[Element, int]]:
        """Split a product without multiplying it out."""
        factors = (factor.as_base_exp() for factor in sp.Mul.make_args(formula))
        return [
            (self.element(base), int(exponent))
            if isinstance(exponent, sp.Integer)
            else (self.element(base**exponent), 1)
            for base, exponent in factors
        ]

    def _ratio(self, a: Element, b: Element) -> Element:
        return self._field.multiply(a, self._inverse(b))

    def _inverse(self, a: Element) -> Element:
        self.tower.note_nonzero(a)
        return self._field.power(a, -1)

    def _hyperbolic(self, u: Element) -> tuple[Element, Element]:
        """Cosh and sinh."""
        field = self._field
        up = field.scale(self.tower.exp(u), Fraction(1, 2))
        down = field.scale(self.tower.exp(field.scale(u, -1)), Fraction(1, 2))
        return field.add([up, down]), field.add([up, field.scale(down, -1)])

    def _sign(self, formula: sp.Expr) -> Element:
        """Sign function."""
        self.element(formula.args[0])  # what it needs to be real
        return self.tower.unknown.everywhere(self.element(_of_same_sign(formula.args[0])))

    def _absolute(self, formula: sp.Expr) -> Element:
        """Absolute value: by the sign off zeros."""
        argument = self.element(formula.args[0])
        return self.tower.absolute(argument, self.element(_of_same_sign(formula.args[0])))

    def _step(self, formula: sp.Expr) -> Element:
        """Heaviside's step function: (s + s**2)/2 + h (1 - s**2) with the sign s and h = H(0)."""
        field = self._field
        sign = self._sign(formula)
        square = field.multiply(sign, sign)
        outside = field.add([field.constant(1), field.scale(square, -1)])
        middle = field.multiply(self.element(formula.args[1]), outside)
        return field.add([field.scale(field.add([sign, square]), Fraction(1, 2)), middle])

    def _extreme(self, formula: sp.Expr, sign: int) -> Element:
        """Maximum for sign 1, minimum for sign -1: (a + b + sign |a - b|)/2."""
        field = self._field

        def fold(a: Element, b: Element) -> Element:
            gap = self.tower.absolute(field.add([a, field.scale(b, -1)]))
            return field.scale(field.add([a, b, field.scale(gap, sign)]), Fraction(1, 2))

        return reduce(fold, map(self.element, formula.args))

    def _unknown(self, formula: sp.Expr) -> Element:
        """Anything else: a kernel that equal arguments share."""
        arguments: tuple[Element, ...] = ()
        plain = isinstance(formula, sp.Function) and not isinstance(formula, sp.Piecewise)
        if plain and all(isinstance(a, sp.Expr) for a in formula.args):
            arguments = tuple(map(self.element, formula.args))
            if formula.func == sp.erf and not self._field.single(arguments[0])[0]:
                return {}
            minus = tuple(self._field.scale(argument, -1) for argument in arguments)
            for function, others, kernel in self._opaque:
                if function == formula.func and self._equal(arguments, others):
                    return self._field.generator(kernel)
                if function == formula.func == sp.erf and self._equal(minus, others):
                    return self._field.scale(self._field.generator(kernel), -1)
        # The error function has the sign of its argument.
        argument = arguments[0] if formula.func == sp.erf else None
        kind: Kind = "constant" if formula.is_number else "opaque"
        kernel = self._field.adjoin(kind, formula, argument=argument)
        self._note_sign(kernel)
        if argument is not None:
            known = self.tower.proved.of_element(argument)
            if known is not None:
                self.tower.proved.kernel_signs.note(kernel.index, known)
            self.tower.proved.kernel_signs.bounds[kernel.index] = (-sp.S.One, sp.S.One)
        self._opaque.append((formula.func, arguments, kernel))
        return self._field.generator(kernel)

    def _equal(self, a: tuple[Element, ...], b: tuple[Element, ...]) -> bool:
        """Compare normal forms of arguments."""
        field = self._field
        differences = (field.add([x, field.scale(y, -1)]) for x, y in zip(a, b, strict=False))
        return len(a) == len(b) and not any(field.single(d)[0] for d in differences)


def _of_same_sign(formula: sp.Expr) -> sp.Expr:
    """Take arguments of odd increasing functions for the functions, also in products.

    So u - v for f(u) - f(v) where f increases, and u for exp(u) - 1.
    """
    if isinstance(formula, sp.Mul):
        return sp.Mul(*map(_of_same_sign, formula.args))
    if formula.func in _ODD_INCREASING or _is_odd_power(formula):
        return _of_same_sign(formula.args[0])
    if isinstance(formula, sp.log):
        return _of_same_sign(formula.args[0] - 1)
    if isinstance(formula, sp.Add) and len(formula.args) == 2:
        for above, below in permutations(formula.args):
            if below is sp.S.NegativeOne and isinstance(above, sp.exp):
                return _of_same_sign(above.args[0])
            if _increase_alike(above, -below):
                return _of_same_sign(above.args[0] - (-below).args[0])
    return formula


def _is_odd_power(formula: sp.Expr) -> bool:
    return bool(isinstance(formula, sp.Pow) and formula.exp.is_odd and formula.exp > 0)


def _increase_alike(f: sp.Expr, g: sp.Expr) -> bool:
    """Tell whether two formulas are the same increasing function of their first arguments."""
    if f.func != g.func or f.args[1:] != g.args[1:]:
        return False
    return f.func in {*_ODD_INCREASING, sp.exp, sp.log} or _is_odd_power(f)

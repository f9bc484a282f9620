"""Fields of constants, and formulas with their constants apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import lcm, prod
from typing import Any

import sympy as sp
from sympy import QQ
from sympy.functions.elementary.trigonometric import TrigonometricFunction

from ehf_sym.errors import FormulaError
from ehf_sym.formulas.validation import rebuild
from ehf_sym.normal_forms.kernels import Kernel, Poly, is_generator
from ehf_sym.normal_forms.normal_form import CommonField

# Kernels whose squares are 1, or that may be anything: with them there is no field.
_SWITCHES = {"sign", "jump", "parity"}
_PIECES = (sp.Piecewise, sp.Heaviside, sp.Abs, sp.sign, sp.Max, sp.Min, sp.floor, sp.ceiling)
_MAX_DEGREE = 16


def constant_field(algebraic: Sequence[sp.Expr], symbols: Sequence[sp.Symbol]) -> Any:
    """Field of rational functions of the symbols over Q, extended by algebraic numbers.

    Raises
    ------
    FormulaError
        If the numbers may span a field of too high a degree.
    """
    degree = prod(number.exp.q if number.is_Pow else 2 for number in algebraic)
    if degree > _MAX_DEGREE:
        raise FormulaError(
            f"the numbers {', '.join(map(str, algebraic))} span a field of degree up to {degree}; "
            f"it should be at most {_MAX_DEGREE}: introduce parameters for some of them"
        )
    field = QQ.algebraic_field(*algebraic) if algebraic else QQ
    return field.frac_field(*symbols) if symbols else field


class Constants:
    """The field that kernels without variables span: it grows by those that occur.

    Numbers that are not algebraic, such as π and erf(1), and functions of parameters, such as
    exp(a), are indeterminates that stand for themselves. Whether numbers such as π and e are
    related is not known: what rests on a number that is not zero has to be proved by its value
    (`ehf_sym.exact.linear.certified_rref`).

    Attributes
    ----------
    field : sympy.polys.domains.Domain
        Rational functions of the indeterminates, over the algebraic numbers that occur.

    Examples
    --------
    >>> a = sp.Symbol("a", positive=True)
    >>> from ehf_sym.normal_forms.normal_form import common_field
    >>> common = common_field([sp.pi * sp.sqrt(a) + a + sp.sqrt(2)])
    >>> constants = Constants()
    >>> images = constants.adopt(common.field.kernels, common)
    >>> constants.field
    QQ<sqrt(2)>(sqrt(a),pi)
    """

    def __init__(self) -> None:
        self._algebraic: dict[sp.Expr, None] = {}
        self._orders: dict[sp.Expr, int] = {}
        self.field: Any = QQ

    def adopt(self, kernels: Sequence[Kernel], common: CommonField) -> dict[int, Any]:
        """Take in those kernels that occur, and say what each of them is in the field.

        Parameters
        ----------
        kernels : sequence of Kernel
            Those that are constants.
        common : CommonField
            Where they come from.

        Returns
        -------
        dict
            Index of a kernel -> element of the field.

        Raises
        ------
        FormulaError
            If a constant switches with a parameter, such as its sign, is a root of a sum, or the
            algebraic numbers are of too high a degree.
        """
        used = {i for poly in common.numerators for m in poly for i, e in enumerate(m) if e}
        occurring = [kernel for kernel in kernels if kernel.index in used]
        roots: dict[int, tuple[sp.Expr, int]] = {}
        for kernel in occurring:
            _refuse_switch(kernel)
            meaning = rebuild(kernel.meaning)  # exp(1) is E
            if meaning.is_number and meaning.is_algebraic:
                self._algebraic[meaning] = None
                continue
            base, order = meaning, 1
            if kernel.kind == "root":
                place = is_generator(kernel.base)
                if place is None:
                    raise FormulaError(
                        f"the constant {meaning} is a root of a sum of parameters; "
                        "introduce a parameter for it"
                    )
                base, order = rebuild(common.field.kernels[place].meaning), kernel.order
            self._orders[base] = lcm(self._orders.get(base, 1), order)
            roots[kernel.index] = base, order
        generators = {base: base ** sp.Rational(1, n) for base, n in self._orders.items()}
        self.field = constant_field(tuple(self._algebraic), tuple(generators.values()))
        numbers = constant_field(tuple(self._algebraic), ())
        gens = dict(zip(generators, self.field.gens if generators else (), strict=True))
        images = {}
        for kernel in occurring:
            if kernel.index in roots:
                base, order = roots[kernel.index]
                images[kernel.index] = gens[base] ** (self._orders[base] // order)
            else:
                number = numbers.from_sympy(kernel.meaning)
                images[kernel.index] = self.field.convert_from(number, numbers)
        return images


def _refuse_switch(kernel: Kernel) -> None:
    """Refuse constants of which a field knows too little."""
    meaning = kernel.meaning
    if kernel.kind in _SWITCHES or (meaning.free_symbols and meaning.has(*_PIECES)):
        names = ", ".join(sorted(map(str, meaning.free_symbols))) or "no symbol"
        raise FormulaError(
            f"the constant {meaning} switches with {names}; assume a sign of the parameter "
            "(positive=True), give it a value (with_values), or declare a parameter that stands "
            "for the constant"
        )


def moved(number: Any, old: Any, new: Any) -> Any:
    """Take an element of one field of constants into another that holds it.

    Examples
    --------
    >>> small, large = constant_field([], [sp.pi]), constant_field([], [sp.sqrt(sp.pi)])
    >>> moved(small.gens[0] + 1, small, large)
    (sqrt(pi))**2 + 1
    """
    if old == new:
        return number
    if not old.is_FractionField:
        return new.from_sympy(old.to_sympy(number))
    if number.numer.is_ground and number.denom.is_ground:
        ratio = old.domain.quo(number.numer.LC, number.denom.LC)
        return moved(ratio, old.domain, new)
    images = [_image(symbol, new) for symbol in old.symbols]

    def value(poly: Any) -> Any:
        total = new.zero
        for monomial, c in poly.terms():
            term = new.from_sympy(old.domain.to_sympy(c))
            for image, e in zip(images, monomial, strict=True):
                term = term * image**e if e else term
            total = total + term
        return total

    return value(number.numer) / value(number.denom)


def _image(symbol: sp.Expr, field: Any) -> Any:
    """Return an indeterminate of one field as a power of one of another; None if it has none."""
    base, exponent = symbol.as_base_exp() if symbol.is_Pow else (symbol, sp.S.One)
    for generator, own in zip(
        field.gens if field.is_FractionField else (), getattr(field, "symbols", ()), strict=False
    ):
        other, power = own.as_base_exp() if own.is_Pow else (own, sp.S.One)
        if symbol == own:
            return generator
        if base == other and (exponent / power).is_Integer:
            return generator ** int(exponent / power)
    return None


def with_constants_apart(formula: sp.Expr, variables: Sequence[sp.Symbol]) -> sp.Expr:
    """Write exp(u + c) as exp(u) exp(c), and sines likewise: c is constant, u is not.

    Examples
    --------
    >>> x, a = sp.symbols("x a", real=True)
    >>> with_constants_apart(sp.exp(x + a), [x])
    exp(a)*exp(x)
    """

    def shifted(part: sp.Expr) -> bool:
        if not isinstance(part, sp.exp | TrigonometricFunction):
            return False
        argument = part.args[0]
        constant = argument.as_independent(*variables, as_Add=True)[0]
        return bool(constant) and constant != argument

    return formula.replace(shifted, lambda part: part.expand(trig=True, deep=False))


def narrowed(field: Any, numbers: Sequence[Any]) -> Any:
    """Choose the smallest of field, field without parameters, and Q that holds the numbers.

    Examples
    --------
    >>> field = constant_field([sp.sqrt(3)], [sp.Symbol("m")])
    >>> narrowed(field, [field.from_sympy(sp.sqrt(3))]), narrowed(field, [field.one])
    (QQ<sqrt(3)>, QQ)
    """
    if field.is_FractionField:
        if not all(x.numer.is_ground and x.denom.is_ground for x in numbers):
            return field
        return narrowed(field.domain, [field.domain.quo(x.numer.LC, x.denom.LC) for x in numbers])
    return QQ if field.is_Algebraic and all(x.is_ground for x in numbers) else field


def split(
    poly: Poly, places: Sequence[int | None], images: Mapping[int, Any], field: Any
) -> dict[tuple[int, ...], Any]:
    """Gather the terms of a polynomial by their monomial in the kernels that are no constants.

    Parameters
    ----------
    poly : Poly
        A polynomial in kernels.
    places : sequence of int or None
        Indices of the kernels that are no constants; None for what does not occur.
    images : Mapping
        What each constant kernel is in the field.
    field : sympy.polys.domains.Domain
        The constants.

    Returns
    -------
    dict
        Exponents at the places to the coefficient, never 0.
    """
    vector: dict[tuple[int, ...], Any] = {}
    for monomial, coefficient in poly.items():
        number = field.convert_from(coefficient, QQ)
        for index, image in images.items():
            if monomial[index]:
                number = number * image ** monomial[index]
        exponents = tuple(0 if i is None else monomial[i] for i in places)
        vector[exponents] = vector.get(exponents, field.zero) + number
    return {exponents: entry for exponents, entry in vector.items() if entry}

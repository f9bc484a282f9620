"""Safe reader and writer of formula text: one small grammar, nothing is ever executed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sympy import E, Expr, Integer, Rational, Symbol, pi, sstr

from ehf_sym import guarded
from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.phase_space import PhaseSpace
from ehf_sym.validation import rebuild

_MAX_LENGTH = 100_000
_MAX_DEPTH = 100
_MAX_DIGITS = 1000
_CONSTANTS = {"pi": pi, "E": E}
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>\*\*|[-+*/^(),])"
    r"|(?P<end>$)"
    r"|(?P<junk>.))",
    re.DOTALL,
)


def parse(text: str, space: PhaseSpace) -> Expr:
    """Read a formula from text, without executing any of it.

    The grammar: integers and decimals (exact: ``0.1`` is 1/10), the coordinates of the space, ``pi``
    and ``E``, ``+ - * / ** ^``, parentheses, and calls of exp, log, sqrt, sin, cos, tan, asin, acos,
    atan, sinh, cosh, tanh, asinh, acosh, atanh, Abs, abs, sign, erf, sigmoid, softplus, Max, Min.

    Parameters
    ----------
    text : str
        The formula, at most 100,000 characters, nested at most 100 deep.
    space : PhaseSpace
        Whose coordinates the text may name.

    Returns
    -------
    sympy.Expr
        The formula, real and exact.

    Raises
    ------
    FormulaError
        If the text is not in the grammar, is out of bounds (exponents to 1000, numbers to 1000
        digits), or takes infinite or non-real values; the message marks the place.
    ArgumentError
        If ``text`` is no string or ``space`` no `PhaseSpace`.

    Examples
    --------
    >>> space = PhaseSpace(2)
    >>> parse("q1*p2 - q2*p1", space)
    -p1*q2 + p2*q1
    >>> parse("0.1*q1^2", space)
    q1**2/10
    >>> parse("q1 + x", space)
    Traceback (most recent call last):
    ...
    ehf_sym.errors.FormulaError: text has the unknown name x at character 6; ...
        q1 + x
             ^
    """
    if not isinstance(text, str):
        raise ArgumentError(f"text is {text!r}; it should be a string")
    if not isinstance(space, PhaseSpace):
        raise ArgumentError(f"space is {space!r}; it should be a PhaseSpace")
    symbols = {symbol.name: symbol for symbol in space.coordinates}
    return space.validate(_read(text, symbols), "text")


def format_formula(expr: Expr) -> str:
    """Write a formula as text that `parse` reads back as an equal expression.

    Parameters
    ----------
    expr : sympy.Expr
        A formula in the coordinates of some phase space.

    Returns
    -------
    str
        Text in the grammar of `parse`.

    Raises
    ------
    FormulaError
        If the grammar has no text for it.
    ArgumentError
        If ``expr`` is not a SymPy expression.

    Examples
    --------
    >>> q1 = PhaseSpace(1).q[0]
    >>> format_formula(q1**2 / 3)
    'q1**2/3'
    """
    if not isinstance(expr, Expr):
        raise ArgumentError(f"expr is {expr!r}; it should be a SymPy expression")
    symbols = {symbol.name: symbol for symbol in expr.free_symbols}
    for name, symbol in symbols.items():
        if not re.fullmatch(r"[qp][1-9][0-9]*", name) or not symbol.is_real:
            raise FormulaError(f"expr contains {name}, which is no coordinate of a phase space")
    try:
        text = sstr(expr)
        evaluated = rebuild(expr)
        again = rebuild(_read(text, symbols))
    except (FormulaError, RecursionError, ValueError) as error:
        raise FormulaError(f"expr cannot be written in the grammar of parse: {error}") from error
    if again != evaluated:
        raise FormulaError(f"expr is {text}, which reads back as the different expression {again}")
    return str(text)


@dataclass(frozen=True)
class _Token:
    """A piece of text, its kind and the index of its first character."""

    kind: str
    text: str
    start: int


def _read(text: str, symbols: Mapping[str, Symbol]) -> Expr:
    """Read text whose names are the given symbols."""
    if len(text) > _MAX_LENGTH:
        raise FormulaError(f"text has {len(text)} characters; at most {_MAX_LENGTH} are read")
    reader = _Reader(text, symbols)
    try:
        return reader.formula()
    except RecursionError:
        raise FormulaError("text is nested too deeply to be evaluated") from None


class _Reader:
    """Recursive descent through the tokens of one text."""

    def __init__(self, text: str, symbols: Mapping[str, Symbol]) -> None:
        self._text = text
        self._names: dict[str, Expr] = {**_CONSTANTS, **symbols}
        self._tokens = _tokens(text)
        self._next = next(self._tokens)
        self._depth = 0

    def formula(self) -> Expr:
        """Whole text: one sum and nothing after it."""
        if self._next.kind == "end":
            raise self._error("is empty", self._next)
        value = self._sum()
        if self._next.kind != "end":
            raise self._error(f"has {_shown(self._next.text)} where an operator should be", self._next)
        return value

    def _sum(self) -> Expr:
        """product (('+' | '-') product)*."""
        first = self._next
        terms = [self._product()]
        while self._next.text in ("+", "-"):
            operator = self._take()
            term = self._product()
            if operator.text == "-":
                term = self._apply(operator, guarded.multiply, [Integer(-1), term])
            terms.append(term)
        return terms[0] if len(terms) == 1 else self._apply(first, guarded.add, terms)

    def _product(self) -> Expr:
        """unary (('*' | '/') unary)*."""
        first = self._next
        factors = [self._unary()]
        while self._next.text in ("*", "/"):
            operator = self._take()
            factor = self._unary()
            if operator.text == "/":
                factor = self._apply(operator, guarded.power, factor, Integer(-1))
            factors.append(factor)
        return factors[0] if len(factors) == 1 else self._apply(first, guarded.multiply, factors)

    def _unary(self) -> Expr:
        """('-' | '+')* power."""
        first = self._next
        negative = False
        while self._next.text in ("+", "-"):
            negative ^= self._take().text == "-"
        value = self._power()
        if not negative:
            return value
        return self._apply(first, guarded.multiply, [Integer(-1), value])

    def _power(self) -> Expr:
        """atom (('**' | '^') unary)?, so that powers group from the right."""
        base = self._atom()
        if self._next.text not in ("**", "^"):
            return base
        operator = self._take()
        with self._nested(operator):
            exponent = self._unary()
        return self._apply(operator, guarded.power, base, exponent)

    def _atom(self) -> Expr:
        """Number, name, call or parenthesis."""
        token = self._take()
        if token.kind == "number":
            return self._number(token)
        if token.kind == "name":
            return self._name(token)
        if token.text == "(":
            with self._nested(token):
                value = self._sum()
            self._expect(")", token)
            return value
        what = "ends" if token.kind == "end" else f"has {_shown(token.text)}"
        raise self._error(f"{what} where a number, a name or '(' should be", token)

    def _number(self, token: _Token) -> Expr:
        """Exact value of a decimal."""
        mantissa, _, exponent = token.text.lower().partition("e")
        if len(mantissa) > _MAX_DIGITS or len(exponent) > 5 or abs(int(exponent or 0)) > _MAX_DIGITS:
            raise self._error(f"has a number of more than {_MAX_DIGITS} digits", token)
        return Rational(token.text)

    def _name(self, token: _Token) -> Expr:
        """Coordinate, constant or call."""
        name = token.text
        if self._next.text == "(":
            if name not in guarded.FUNCTIONS:
                raise self._error(f"calls {_shown(name)}, which is no function; the functions are "
                    f"{', '.join(guarded.FUNCTIONS)}", token)
            return self._call(token)
        if name in guarded.FUNCTIONS:
            raise self._error(f"has the function {name} without arguments", token)
        if name not in self._names:
            raise self._error(f"has the unknown name {_shown(name)}", token, self._known())
        return self._names[name]

    def _call(self, token: _Token) -> Expr:
        """Value of a call, from its opening parenthesis on."""
        opening = self._take()
        with self._nested(opening):
            arguments = [self._sum()]
            while self._next.text == ",":
                self._take()
                arguments.append(self._sum())
        self._expect(")", opening)
        return self._apply(token, guarded.call, token.text, arguments)

    def _apply(self, token: _Token, operation: Callable[..., Expr], *operands: Any) -> Expr:
        """Evaluate; whatever SymPy refuses becomes an error with a place."""
        try:
            return operation(*operands)
        except (guarded.Refused, ArithmeticError, TypeError, ValueError) as error:
            raise self._error(f"cannot be evaluated: {error}", token) from error

    def _take(self) -> _Token:
        """Consume a token."""
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _expect(self, closing: str, opening: _Token) -> None:
        """Consume a closing parenthesis."""
        if self._take_if(closing):
            return
        raise self._error(f"has no '{closing}' for this '{opening.text}'", opening)

    @contextmanager
    def _nested(self, token: _Token) -> Iterator[None]:
        """Count one more level."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"is nested more than {_MAX_DEPTH} deep", token)
        yield
        self._depth -= 1

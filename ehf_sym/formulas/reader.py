"""Recursive descent through formula text, each operation evaluated within bounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sympy import E, Expr, Integer, Rel, Symbol, pi, true
from sympy.logic.boolalg import Boolean

from ehf_sym.errors import FormulaError
from ehf_sym.formulas import guarded
from ehf_sym.formulas.domains import (
    Requirement,
    forgotten,
    required_by_call,
    required_by_power,
    restricted,
)
from ehf_sym.formulas.guarded import RefusedError, cost

_MAX_LENGTH = 100_000
_MAX_DEPTH = 100
_MAX_WORK = 300_000
_CONTEXT = 60
_CONSTANTS = {"pi": pi, "E": E}
RESERVED = frozenset(_CONSTANTS) | guarded.FUNCTIONS.keys() | {"Piecewise", "True"}
"""Names that the grammar gives a meaning of its own."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<operator>\*\*|[<>=!]=|[-+*/^(),<>&|])"
    r"|(?P<end>$)"
    r"|(?P<junk>.))",
    re.DOTALL,
)


@dataclass(frozen=True)
class _Token:
    """A piece of text, its kind and the index of its first character."""

    kind: str
    text: str
    start: int


def read(text: str, symbols: Mapping[str, Symbol]) -> Expr:
    """Read a formula whose names are the given symbols; the work of `ehf_sym.parse`.

    Parameters
    ----------
    text : str
        The formula.
    symbols : mapping of str to sympy.Symbol
        What its names stand for, beside ``pi``, ``E`` and the functions.

    Returns
    -------
    sympy.Expr
        The formula, not yet checked to be real at every point.

    Raises
    ------
    FormulaError
        If the text is not in the grammar or is out of bounds.

    Examples
    --------
    >>> from sympy import Symbol
    >>> read("2*x^2", {"x": Symbol("x")})
    2*x**2
    """
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
        self._counted = -1
        self._work = 0
        # What the operations read so far, outside of cases, require to be defined and real.
        self._typed: list[Requirement] = []

    def formula(self) -> Expr:
        """Whole text: one sum and nothing after it."""
        if self._next.kind == "end":
            raise self._error("is empty", self._next)
        start = self._next
        value = self._sum()
        if self._next.kind != "end":
            shown = _shown(self._next.text)
            raise self._error(f"has {shown} where an operator should be", self._next)
        return self._on_its_domain(start, value)

    def _sum(self) -> Expr:
        """Product (('+' | '-') product)*."""
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
        """Read signed (('*' | '/') signed)*."""
        first = self._next
        factors = self._signed()
        while self._next.text in ("*", "/"):
            operator = self._take()
            *sign, factor = self._signed()
            if operator.text == "/":
                factor = self._apply(operator, guarded.power, factor, Integer(-1))
            factors += [*sign, factor]
        return factors[0] if len(factors) == 1 else self._apply(first, guarded.multiply, factors)

    def _signed(self) -> list[Expr]:
        """Read ('-' | '+')* power as its factors.

        The sign stays apart, or SymPy would distribute it: -(a + b)*c is not (-a - b)*c to it.
        """
        negative = False
        while self._next.text in ("+", "-"):
            negative ^= self._take().text == "-"
        value = self._power()
        return [Integer(-1), value] if negative else [value]

    def _power(self) -> Expr:
        """Read atom (('**' | '^') signed)?, so that powers group from the right."""
        base = self._atom()
        if self._next.text not in ("**", "^"):
            return base
        operator = self._take()
        if self._next.text == "(":
            self._counted = self._next.start
        with self._nested(operator):
            exponent = self._signed()
        if len(exponent) > 1:
            exponent = [self._apply(operator, guarded.multiply, exponent)]
        return self._apply(operator, guarded.power, base, *exponent)

    def _atom(self) -> Expr:
        """Read a number, a name, a call or a parenthesis."""
        token = self._take()
        if token.kind == "number":
            return self._apply(token, guarded.number, token.text)
        if token.kind == "name":
            return self._name(token)
        if token.text == "(":
            # The parenthesis of x**(...) and its power count as one level: printing adds it.
            with self._nested(token, levels=int(token.start != self._counted)):
                value = self._sum()
            self._expect_closing(token)
            return value
        what = "ends" if token.kind == "end" else f"has {_shown(token.text)}"
        raise self._error(f"{what} where a number, a name or '(' should be", token)

    def _name(self, token: _Token) -> Expr:
        """Coordinate, constant or call."""
        name = token.text
        called = self._next.text == "("
        if called and name in guarded.FUNCTIONS:
            return self._call(token)
        if called and name == "Piecewise":
            return self._cases(token)
        if not called and name in self._names:
            return self._names[name]
        if name in guarded.FUNCTIONS or name == "Piecewise":
            raise self._error(f"has the function {name} without arguments", token)
        if name in self._names:
            raise self._error(f"calls {name}, which is no function; write * to multiply", token)
        known = ", ".join((*self._names, *guarded.FUNCTIONS, "Piecewise"))
        raise self._error(f"has the unknown name {_shown(name)}", token, f"; the names are {known}")

    def _call(self, token: _Token) -> Expr:
        """Value of a call, from its opening parenthesis on."""
        opening = self._take()
        # These two are written out as calls within calls.
        levels = 2 if token.text in ("sigmoid", "softplus") else 1
        with self._nested(opening, levels):
            arguments = [self._sum()]
            while self._next.text == ",":
                self._take()
                arguments.append(self._sum())
        self._expect_closing(opening)
        return self._apply(token, guarded.call, token.text, arguments)

    def _cases(self, token: _Token) -> Expr:
        """Piecewise((value, condition), ...), from its opening parenthesis on."""
        opening = self._take()
        values: list[Expr] = []
        conditions: list[Any] = []
        domains: list[Any] = []
        outside = self._typed
        with self._nested(opening, levels=2):
            while not values or self._next.text == ",":
                if values:
                    self._take()
                pair = self._expect("(", "a pair (value, condition)")
                self._typed = []
                values.append(self._on_its_domain(pair, self._sum(), in_cases=True))
                self._expect(",", "',' and a condition")
                self._typed = []
                conditions.append(self._condition())
                domains.append(self._domain(pair, _sides(conditions[-1]), in_cases=True))
                self._expect_closing(pair)
        self._typed = outside
        self._expect_closing(opening)
        # Where a condition has no value, neither have the cases from there on.
        for k in reversed(range(len(values))):
            if domains[k] is not true:
                cases = self._apply(token, guarded.piecewise, values[k:], conditions[k:])
                values[k:], conditions[k:] = [restricted(cases, domains[k])], [true]
        return self._apply(token, guarded.piecewise, values, conditions)

    def _on_its_domain(self, token: _Token, value: Expr, *, in_cases: bool = False) -> Expr:
        """Keep what was typed as the domain, where evaluation has forgotten it."""
        return restricted(value, self._domain(token, [value], in_cases=in_cases))

    def _domain(self, token: _Token, values: Sequence[Expr], *, in_cases: bool) -> Any:
        """Conditions that were typed and do not follow from the values."""
        try:
            return forgotten(self._typed, values, in_cases=in_cases)
        except RefusedError as error:
            raise self._error(f"has no real value: {error}", token) from error

    def _condition(self) -> Any:
        """Read all (&) or any (|) of some comparisons, & first."""
        return self._joined("|", lambda: self._joined("&", self._comparison))

    def _joined(self, operator: str, part: Callable[[], Any]) -> Any:
        """Read part (operator part)*."""
        first = self._next
        parts = [part()]
        while self._next.text == operator:
            self._take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else self._apply(first, guarded.join, operator, parts)

    def _comparison(self) -> Any:
        """Read sum ('<' | '<=' | ...) sum, 'True', or a condition in parentheses."""
        opening = self._next
        if opening.text == "True":
            self._take()
            return true
        if opening.text == "(" and self._encloses_condition(opening):
            self._take()
            with self._nested(opening):
                condition = self._condition()
            self._expect_closing(opening)
            return condition
        left = self._sum()
        operator = self._take()
        if operator.text not in guarded.COMPARISONS:
            raise self._error("has no comparison such as < or >= here", operator)
        return self._apply(operator, guarded.compare, operator.text, left, self._sum())

    def _encloses_condition(self, opening: _Token) -> bool:
        """Tell (q1 < 2) from (q1 + 1) < 2 by the first comparison after the parenthesis."""
        depth = 0
        for token in _tokens(self._text, opening.start):
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                return False
            if token.text == "True" or token.text in guarded.COMPARISONS:
                return True
        return False

    def _apply(self, token: _Token, operation: Callable[..., Any], *operands: Any) -> Any:
        """Evaluate; whatever SymPy refuses becomes an error with a place."""
        self._work += cost(operation, operands)
        if self._work > _MAX_WORK:
            raise self._error("takes too long to be evaluated: it is cut off", token)
        try:
            value = operation(*operands)
        except (RefusedError, ArithmeticError, TypeError, ValueError) as error:
            raise self._error(f"cannot be evaluated: {error}", token) from error
        if operation is guarded.power:
            self._typed += required_by_power(*operands)
        elif operation is guarded.call:
            self._typed += required_by_call(*operands)
        return value

    def _take(self) -> _Token:
        """Consume a token."""
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _expect(self, text: str, what: str) -> _Token:
        """Consume this piece of text."""
        if self._next.text != text:
            found = "ends" if self._next.kind == "end" else f"has {_shown(self._next.text)}"
            raise self._error(f"{found} where {what} should be", self._next)
        return self._take()

    def _expect_closing(self, opening: _Token) -> None:
        """Consume a closing parenthesis."""
        if self._next.text != ")":
            raise self._error("has no ')' for the '('", opening)
        self._take()

    @contextmanager
    def _nested(self, token: _Token, levels: int = 1) -> Iterator[None]:
        """Count more levels of nesting."""
        self._depth += levels
        if self._depth > _MAX_DEPTH:
            raise self._error(f"is nested more than {_MAX_DEPTH} deep", token)
        yield
        self._depth -= levels

    def _error(self, problem: str, token: _Token, hint: str = "") -> FormulaError:
        """Error that shows the place with a caret."""
        start = max(0, token.start - _CONTEXT)
        excerpt = self._text[start : token.start + _CONTEXT]
        shown = "".join(c if c.isprintable() else " " for c in excerpt)
        caret = " " * (token.start - start) + "^"
        where = f"at character {token.start + 1}"
        return FormulaError(f"text {problem} {where}{hint}\n    {shown}\n    {caret}")


def _tokens(text: str, start: int = 0) -> Iterator[_Token]:
    """Cut the text from here on; the last token is of kind "end"."""
    for match in _TOKEN.finditer(text, start):
        kind = str(match.lastgroup)
        yield _Token(kind, match[kind], match.start(kind))


def _sides(condition: Boolean) -> list[Expr]:
    """Return what the comparisons of a condition compare."""
    return [side for comparison in condition.atoms(Rel) for side in comparison.args]


def _shown(piece: str) -> str:
    """Text of a token for a message."""
    return repr(piece) if len(piece) <= 40 else repr(piece[:40]) + "..."

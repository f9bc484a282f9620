"""Safe reader and writer of formula text: one small grammar, nothing is ever executed."""

from __future__ import annotations

import re

from sympy import And, Expr, Integer, Mul, Or, Pow, Rel, default_sort_key
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.reader import RESERVED, read
from ehf_sym.formulas.validation import rebuild

# Of a coordinate or a parameter, as PhaseSpace admits it.
_NAME = re.compile(r"[qp][1-9][0-9]*|(?![qp][0-9]+$)[A-Za-z][A-Za-z0-9_]*")


def parse(text: str, space: PhaseSpace) -> Expr:
    """Read a formula from text, without executing any of it.

    The grammar: integers and decimals (exact: ``0.1`` is 1/10), the coordinates and parameters of
    the space, ``pi`` and ``E``, ``+ - * / ** ^``, parentheses, and calls of exp, log or ln, sqrt,
    sin, cos, tan, sec, csc, cot, asin, acos, atan, atan2(y, x), sinh, cosh, tanh, sech, csch, coth,
    asinh, acosh, atanh, Abs or abs, sign, Heaviside, erf, erfc, sigmoid, softplus, Max or max, Min
    or min. Cases are written ``Piecewise((q1, q1 > 0), (0, True))``; conditions compare with
    ``< <= > >= == !=`` and are joined by ``&`` and ``|``.

    What is written decides where the formula has a value. SymPy evaluates exp(log(q1)) to q1, which
    is defined for q1 <= 0 as well; the condition that is lost so is kept as a ``Piecewise`` of a
    single case. Not kept are boundaries and zeros of polynomials where the formula is continuous:
    q1*p1/q1 is p1.

    Parameters
    ----------
    text : str
        The formula, at most 100,000 characters, nested at most 100 deep.
    space : PhaseSpace
        Whose coordinates and parameters the text may name.

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
    >>> parse("exp(log(q1)) - abs(q1)", space)
    Piecewise((q1 - Abs(q1), q1 > 0))
    >>> parse("q1 + x", space)
    Traceback (most recent call last):
    ...
    ehf_sym.errors.FormulaError: text has the unknown name 'x' at character 6; ...
        q1 + x
             ^
    """
    if not isinstance(text, str):
        raise ArgumentError(f"text is {text!r}; it should be a string")
    if not isinstance(space, PhaseSpace):
        raise ArgumentError(f"space is {space!r}; it should be a PhaseSpace")
    symbols = {symbol.name: symbol for symbol in (*space.coordinates, *space.parameters)}
    return space.validate(read(text, symbols), "text")


def format_formula(expr: Expr) -> str:
    """Write a formula as text that `parse` reads back as an equal expression.

    Parameters
    ----------
    expr : sympy.Expr
        A formula in the coordinates and parameters of some phase space.

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
        raise ArgumentError(f"expr is {quoted(expr)}; it should be a SymPy expression")
    symbols = {symbol.name: symbol for symbol in expr.free_symbols}
    for name, symbol in symbols.items():
        if not _NAME.fullmatch(name) or name in RESERVED or not symbol.is_real:
            raise FormulaError(
                f"expr contains {name}, which is no coordinate or parameter of a phase space"
            )
    try:
        text = _Writer().doprint(expr)
        evaluated = rebuild(expr)
        again = rebuild(read(text, symbols))
    except (FormulaError, RecursionError, ValueError) as error:
        raise FormulaError(f"expr cannot be written in the grammar of parse: {error}") from error
    if again != evaluated:
        raise FormulaError(
            f"expr is {text}, which reads back as the different expression {quoted(again)}"
        )
    return str(text)


class _Writer(StrPrinter):  # type: ignore[misc]
    """SymPy's printer, but with each factor of a denominator divided by on its own.

    1/(2*(x + y)) would read back as 1/(2*x + 2*y), which SymPy tells from 1/2/(x + y).
    """

    def _print_Mul(self, expr: Mul) -> str:  # noqa: N802 - SymPy's name
        """Write a product as sign, numerator, and one division for each factor below."""
        coefficient, rest = expr.as_coeff_Mul()
        if not coefficient.is_Rational:
            return str(super()._print_Mul(expr))
        above, below = [Integer(abs(coefficient.p))], [Integer(coefficient.q)]
        for factor in rest.as_ordered_factors():
            if isinstance(factor, Pow) and factor.exp.is_Rational and factor.exp < 0:
                below.append(1 / factor)
            else:
                above.append(factor)
        sign = "-" if coefficient < 0 else ""
        top = "*".join(self._factor(f) for f in above if f != 1) or "1"
        return sign + "/".join([top, *(self._factor(f) for f in below if f != 1)])

    def _print_Relational(self, expr: Rel) -> str:  # noqa: N802 - SymPy's name
        """Write a comparison with its sign: SymPy writes Eq(x, 0) for x == 0."""
        return f"{self._print(expr.lhs)} {expr.rel_op} {self._print(expr.rhs)}"

    def _print_And(self, expr: And) -> str:  # noqa: N802 - SymPy's name
        return self._joined(expr, " & ")

    def _print_Or(self, expr: Or) -> str:  # noqa: N802 - SymPy's name
        return self._joined(expr, " | ")

    def _joined(self, expr: And | Or, operator: str) -> str:
        """Write conditions in parentheses, in an order that does not change."""
        parts = sorted(expr.args, key=default_sort_key)
        return operator.join(f"({self._print(part)})" for part in parts)

    def _factor(self, factor: Expr) -> str:
        """Write one factor, in parentheses unless it binds tighter than a product."""
        return str(self.parenthesize(factor, PRECEDENCE["Mul"]))

"""Typed errors: each message names the argument, what it was and what it should be."""

from __future__ import annotations

from sympy import Expr


class EHFError(Exception):
    """Base of every error that the toolkit raises on purpose."""


class FormulaError(EHFError, ValueError):
    """A formula cannot be used: foreign symbol, float, non-real value, unreadable text."""


class ArgumentError(EHFError, ValueError):
    """An argument has the wrong type, shape or range."""


class DataWarning(UserWarning):
    """Data were taken as they are, and may not be what they seem."""


class EngineWarning(UserWarning):
    """The kernels in C are not there: training takes the reference, which is slower."""


class ClosureError(EHFError, ValueError):
    """Generators are not closed under the bracket, or not within the bound on the dimension.

    Attributes
    ----------
    bracket : str
        The bracket that leaves the span, in the generators' labels.
    formula : sympy.Expr
        Its value.
    dim, depth : int
        The dimension that was reached, and how many times brackets had been added.
    """

    def __init__(self, message: str, *, bracket: str, formula: Expr, dim: int, depth: int) -> None:
        super().__init__(message)
        self.bracket = bracket
        self.formula = formula
        self.dim = dim
        self.depth = depth


class UndecidedError(EHFError, ArithmeticError):
    """A question about formulas was neither proved nor refuted; the message says which."""


class ActionError(EHFError, ArithmeticError):
    """The flow of a generator does not exist up to the requested ε, or is not integrated so far."""

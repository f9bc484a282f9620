"""Typed errors: each message names the argument, what it was and what it should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ehf_sym.invariance import InvarianceReport


class EHFError(Exception):
    """Base of every error that the toolkit raises on purpose."""


class FormulaError(EHFError, ValueError):
    """A formula cannot be used: foreign symbol, float, non-real value, unreadable text."""


class ArgumentError(EHFError, ValueError):
    """An argument has the wrong type, shape or range."""


class UndecidedError(EHFError, ArithmeticError):
    """A question about formulas was neither proved nor refuted; the message says which."""


class InvarianceError(EHFError, ValueError):
    """A base density is not proved invariant under the declared symmetry.

    Attributes
    ----------
    report : InvarianceReport
        The report whose verdict was not "proved".
    """

    def __init__(self, message: str, report: InvarianceReport) -> None:
        super().__init__(message)
        self.report = report

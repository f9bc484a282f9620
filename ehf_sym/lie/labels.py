"""What reports call generators."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from sympy import Expr, Symbol

from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.printing import formula_latex

_IN_A_ROW = 3
_MOST_ROWS = 24
_LABEL = re.compile(r"[\w,'+-]{1,20}")


def fresh_label(used: Sequence[str]) -> str:
    """Label for one more generator.

    Examples
    --------
    >>> fresh_label(["L_1", "g3"])
    "g3'"
    """
    label = f"g{len(used) + 1}"
    while label in used:
        label += "'"
    return label


def in_latex(labels: Sequence[str], formulas: Sequence[Expr]) -> str:
    r"""Formulas as LaTeX for notebooks: a few in a row, more below each other with their labels.

    Examples
    --------
    >>> from sympy.abc import x
    >>> in_latex(["g1"], [x**2])
    '$\\left\\langle x^{2} \\right\\rangle$'
    """
    if len(formulas) <= _IN_A_ROW:
        return rf"$\left\langle {', '.join(map(formula_latex, formulas))} \right\rangle$"
    pairs = zip(labels[:_MOST_ROWS], formulas, strict=False)
    rows = [f"{formula_latex(Symbol(name))} &= {formula_latex(f)}" for name, f in pairs]

    if len(formulas) > _MOST_ROWS:
        rows.append(rf"&\;\;\vdots\quad({len(formulas)}\text{{ in all}})")
    return "\\[\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}\\]"


def checked_labels(given: Any, count: int) -> tuple[str, ...]:
    """Admit one label for each generator, or make them up."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ArgumentError(f"labels is {given!r}; it should be a sequence of texts")
    labels = tuple(given) or tuple(f"g{k}" for k in range(1, count + 1))
    for k, label in enumerate(labels):
        if not isinstance(label, str) or not _LABEL.fullmatch(label):
            raise ArgumentError(
                f"labels[{k}] is {label!r}; it should be up to 20 letters, digits, underscores, "
                "commas, primes or signs"
            )
        if label in labels[:k]:
            raise ArgumentError(f"labels[{k}] is {label!r}, which is already used before it")
    if len(labels) != count:
        raise ArgumentError(
            f"labels holds {len(labels)} texts for {count} generators; it should hold one for each"
        )
    return labels

"""What an operation on formulas costs, counted before it starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sympy import Basic, Mul, preorder_traversal

from ehf_sym.text import guarded

# How often the sign of an argument, or of a difference of two, is asked for.
_SIGN, _COMPARISON = 15, 60


def cost(operation: Callable[..., Any], operands: Sequence[Any]) -> int:
    """Count the nodes that an operation looks at, as often as it looks at them.

    SymPy asks for signs: of the argument of a function, of each factor under a root or below a
    fraction bar, and of the difference of each two arguments of Max and Min.
    """
    flat = [part for operand in operands for part in _listed(operand) if isinstance(part, Basic)]
    nodes = sum(sum(1 for _ in preorder_traversal(part)) for part in flat)
    if operation is guarded.call:
        pairs = _COMPARISON * len(flat) if operands[0] in ("Max", "Min") else _SIGN
        return nodes * max(pairs, len(Mul.make_args(flat[0])) // 2)
    if operation is guarded.compare:
        return nodes * _COMPARISON
    if operation is guarded.power:
        plain = operands[1].is_Integer and operands[1] > 0
        return nodes * max(1 if plain else _SIGN, len(Mul.make_args(operands[0])) // 2)
    return nodes


def _listed(operand: Any) -> Sequence[Any]:
    return operand if isinstance(operand, list) else [operand]

"""One backward pass for many arrays, and SymPy's formulas on autograd's tape.

`autograd.make_vjp` takes one argument; given a list, it puts a getitem node and a list of zeros on
the tape for every array. Here each array is a root of its own. A bridged formula is one node: its
derivative is the exact one from SymPy, itself a bridged formula and so itself a node, so that
derivatives of any order stay exact and the tape never looks inside a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd.core import VJPNode, add_outgrads
from autograd.extend import defvjp, primitive
from autograd.tracer import isbox, new_box, toposort, trace_stack

from ehf_num.engine.workspace import Array
from ehf_sym.formulas.numpy_forms import NumpyFormula


def make_vjp(
    function: Callable[[list[Any]], Any], arrays: Sequence[Array]
) -> tuple[Callable[[Array], list[Array]], Array]:
    """Trace a function of a list of arrays.

    Parameters
    ----------
    function : callable
        Takes the list (boxed), returns one array.
    arrays : sequence of ndarray
        Where to evaluate it.

    Returns
    -------
    vjp : callable
        Turns a cotangent of the value into one gradient for each array.
    value : ndarray
        The function's value.

    Examples
    --------
    >>> import numpy as np
    >>> vjp, value = make_vjp(lambda a: a[0] * a[1] ** 2, [np.array(3.0), np.array(2.0)])
    >>> float(value), [float(g) for g in vjp(np.array(1.0))]
    (12.0, [4.0, 12.0])
    """
    roots = [VJPNode.new_root() for _ in arrays]
    with trace_stack.new_trace() as level:
        boxes = [new_box(array, level, root) for array, root in zip(arrays, roots, strict=True)]
        end = function(boxes)
    depends = isbox(end) and end._trace == level

    def vjp(cotangent: Array) -> list[Array]:
        found = _backward(cotangent, end._node, roots) if depends else {}
        return [
            found[root] if root in found else np.zeros_like(array)
            for root, array in zip(roots, arrays, strict=True)
        ]

    return vjp, end._value if depends else end


def constant(value: Any) -> Array:
    """Return the plain array inside a box, through which no gradient flows."""
    while isbox(value):
        value = value._value
    result: Array = value
    return result


@primitive  # type: ignore[untyped-decorator]
def part(array: Array, index: Any) -> Array:
    """Cut a part out by slices: autograd's own indexing adds cotangents up entry by entry.

    Examples
    --------
    >>> import numpy as np
    >>> vjp, value = make_vjp(lambda a: part(a[0], np.s_[:, 1]), [np.array([[1.0, 2.0]])])
    >>> value, vjp(np.array([5.0]))[0]
    (array([2.]), array([[0., 5.]]))
    """
    result: Array = array[index]
    return result


@primitive  # type: ignore[untyped-decorator]
def _placed(piece: Array, index: Any, shape: tuple[int, ...], dtype: Any) -> Array:
    whole = np.zeros(shape, dtype)
    whole[index] = piece
    return whole


def _part_vjp(_answer: Any, array: Any, index: Any) -> Any:
    return lambda bar: _placed(bar, index, array.shape, array.dtype)


defvjp(part, _part_vjp, argnums=(0,))
defvjp(_placed, lambda _answer, _piece, index, *_: lambda bar: part(bar, index), argnums=(0,))


def _backward(cotangent: Array, end: VJPNode, roots: Sequence[VJPNode]) -> dict[VJPNode, Array]:
    """Collect what reaches each root."""
    outgrads: dict[VJPNode, tuple[Array, bool]] = {end: (cotangent, False)}
    for node in toposort(end):
        if not node.parents:
            continue  # a root: its sum is complete, and it stays
        outgrad, _ = outgrads.pop(node)
        for parent, ingrad in zip(node.parents, node.vjp(outgrad), strict=True):
            outgrads[parent] = add_outgrads(outgrads.get(parent), ingrad)
    return {root: outgrads[root][0] for root in roots if root in outgrads}


def on_tape(formula: NumpyFormula) -> Callable[[Any], Any]:
    """Wrap a formula of x (n, m) with values (n, ...) for the tape.

    Examples
    --------
    >>> import numpy as np, sympy as sp
    >>> from autograd import grad
    >>> from ehf_sym.formulas.numpy_forms import to_numpy
    >>> x = sp.Symbol("x", real=True)
    >>> cube = on_tape(to_numpy(x**3, (x,)))
    >>> grad(lambda v: cube(v).sum())(np.array([[2.0]]))
    array([[12.]])
    """
    return partial(_evaluate, formula=formula)


@primitive  # type: ignore[untyped-decorator]
def _evaluate(x: Array, formula: NumpyFormula) -> Array:
    return formula(x)


def _vjp_maker(_answer: Any, x: Any, formula: NumpyFormula) -> Callable[[Any], Any]:
    jacobian = _evaluate(x, formula=formula.gradient)
    axes = tuple(range(1, 1 + len(formula.shape)))

    def vjp(cotangent: Any) -> Any:
        product = cotangent[..., None] * jacobian
        return anp.sum(product, axis=axes) if axes else product

    return vjp


# One primitive for all formulas: autograd keeps what it knows of a primitive for good.
defvjp(_evaluate, _vjp_maker, argnums=(0,))

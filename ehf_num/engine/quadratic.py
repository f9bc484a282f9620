"""Functions of degree two, read off their formulas: y_k = ½ xᵀA_k x + b_k·x.

Most invariants of the catalogue are such. With ∂y_k/∂x = A_k x + b_k written out, a network of
them needs no formula at all: the kernels in C take A and b beside its weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import autograd.numpy as anp
import numpy as np
import sympy as sp

from ehf_num.engine.workspace import Array


@dataclass(frozen=True, eq=False)
class Quadratics:
    """m functions of d variables, without constant terms.

    Attributes
    ----------
    forms : ndarray, shape (m, d, d)
        A_k, symmetric.
    slopes : ndarray, shape (m, d)
        b_k.
    """

    forms: Array
    slopes: Array

    @property
    def dim(self) -> int:
        """Number d of variables."""
        return int(self.slopes.shape[1])

    def arrays(self, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        """Return A and b in this dtype."""
        return self.forms.astype(dtype, copy=False), self.slopes.astype(dtype, copy=False)

    def jacobian(self, x: Any) -> Any:
        """Evaluate A_k x + b_k: (n, d) to (n, m, d)."""
        forms, slopes = self.arrays(x.dtype)
        return anp.einsum("ni,kij->nkj", x, forms) + slopes

    def values(self, x: Any) -> Any:
        """Evaluate y: (n, d) to (n, m)."""
        _, slopes = self.arrays(x.dtype)
        return 0.5 * anp.sum(anp.expand_dims(x, 1) * (self.jacobian(x) + slopes), axis=2)


def quadratics(formulas: Sequence[sp.Expr], variables: Sequence[sp.Symbol]) -> Quadratics | None:
    """Read A and b off formulas, exactly; None where one has another degree or a constant term.

    Examples
    --------
    >>> x, y = sp.symbols("x y", real=True)
    >>> found = quadratics([x**2 / 2 + x * y, 3 * y], (x, y))
    >>> found.forms[0], found.slopes[1]
    (array([[1., 1.],
           [1., 0.]]), array([0., 3.]))
    >>> quadratics([x**3], (x, y)) is None
    True
    """
    count, dim = len(formulas), len(variables)
    forms, slopes = np.zeros((count, dim, dim)), np.zeros((count, dim))
    for k, formula in enumerate(formulas):
        if not formula.is_polynomial(*variables):
            return None
        for powers, factor in sp.Poly(formula, *variables).terms():
            places = [i for i, power in enumerate(powers) for _ in range(power)]
            if not 1 <= len(places) <= 2 or factor.free_symbols:
                return None
            value = float(factor)
            if len(places) == 1:
                slopes[k, places[0]] = value
            else:  # the form of x_i x_j is 1 in two places, that of x_i² is 2 in one
                forms[k, places[0], places[1]] += value
                forms[k, places[1], places[0]] += value
    return Quadratics(forms, slopes)

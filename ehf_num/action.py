"""The finite transformation exp(ε{·, g}) of a generator, in numbers.

For a generator at most quadratic in (q, p) the vector field {s, g} is affine in s, and the
transformation is a matrix exponential. Otherwise the field is integrated to the tolerance of an
adaptive Runge–Kutta method.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import sympy as sp

from ehf_num.workspace import Array
from ehf_sym import PhaseSpace, to_numpy
from ehf_sym.errors import EHFError

Transformation = Callable[[Array], Array]
"""States (n, 2d) to states (n, 2d)."""


class ActionError(EHFError, ArithmeticError):
    """The flow of a generator does not exist for the requested ε, or cannot be integrated."""


def finite_action(space: PhaseSpace, generator: sp.Expr, epsilon: float) -> Transformation:
    """Return s ↦ exp(ε{·, g}) s in double precision.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    generator : sympy.Expr
        g.
    epsilon : float
        The group parameter; an angle, in radians, for a rotation.

    Raises
    ------
    ActionError
        When called, if the flow of g leaves every bound before ε is reached.

    Examples
    --------
    >>> import numpy as np, ehf_sym as es
    >>> space = es.PhaseSpace(2)
    >>> (q1, q2), (p1, p2) = space.q, space.p
    >>> turn = finite_action(space, q1 * p2 - q2 * p1, np.pi / 2)
    >>> turn(np.array([[1.0, 0.0, 0.0, 2.0]])).round(12) + 0.0
    array([[ 0.,  1., -2.,  0.]])
    """
    field = space.vector_field(generator)
    jacobian = sp.Matrix(field).jacobian(sp.Matrix(space.coordinates)).applyfunc(sp.expand)
    if not jacobian.free_symbols:
        offset = field.subs(dict.fromkeys(space.coordinates, 0))
        return _affine(np.array(jacobian, float), np.array(offset, float).ravel(), epsilon)
    return _integrated(to_numpy(list(field), space.coordinates), epsilon)


def _affine(matrix: Array, offset: Array, epsilon: float) -> Transformation:
    from scipy.linalg import expm  # here: SciPy takes as long to import as the rest of us

    size = len(offset)
    augmented = np.zeros((size + 1, size + 1))
    augmented[:size, :size], augmented[:size, size] = matrix, offset
    power = expm(epsilon * augmented)
    return lambda states: states @ power[:size, :size].T + power[:size, size]


def _integrated(field: Callable[[Array], Array], epsilon: float) -> Transformation:
    from scipy.integrate import solve_ivp

    def transform(states: Array) -> Array:
        shape = states.shape
        solution = solve_ivp(
            lambda _, flat: field(flat.reshape(shape)).ravel(),
            (0.0, epsilon),
            np.asarray(states, np.float64).ravel(),
            method="DOP853",
            rtol=1e-12,
            atol=1e-12,
        )
        if not solution.success or not np.isfinite(solution.y[:, -1]).all():
            raise ActionError(f"exp({epsilon}{{·, g}}) could not be integrated: {solution.message}")
        end: Array = solution.y[:, -1].reshape(shape)
        return end

    return transform

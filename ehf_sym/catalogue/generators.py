"""Functions on phase space that generate linear maps, and the labels they go by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from sympy import Add, Expr, I, ImmutableMatrix, MatrixBase, S, SparseMatrix, im, re, sqrt

from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.phase_space import PhaseSpace
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.validation import exact_scalar
from ehf_sym.symmetry.lie_algebra import LieAlgebra

Labelled = tuple[str, Expr]
"""A generator and what it is called."""


def cotangent_lift(matrix: Any, space: PhaseSpace) -> Expr:
    """Lift a linear map of the positions: J(A) = pᵀAq.

    Its flow is q̇ = Aq, ṗ = −Aᵀp, and {J(A), J(B)} = J(AB − BA) (J. E. Marsden and T. S. Ratiu,
    *Introduction to Mechanics and Symmetry*, chapter 12).

    Parameters
    ----------
    matrix : sympy.Matrix or nested sequence
        A, of shape (d, d), exact and real.
    space : PhaseSpace
        Of d positions.

    Returns
    -------
    sympy.Expr
        The generator, linear in p.

    Raises
    ------
    ArgumentError
        If the matrix does not have this shape.
    FormulaError
        If an entry is no exact real number or parameter.

    Examples
    --------
    >>> cotangent_lift([[0, -1], [1, 0]], PhaseSpace(2))
    -p1*q2 + p2*q1
    """
    try:
        A = ImmutableMatrix(matrix)
    except (TypeError, ValueError) as error:
        raise ArgumentError(f"matrix is {matrix!r}; it should be a matrix") from error
    if A.shape != (space.dim, space.dim):
        raise ArgumentError(
            f"matrix has shape {A.shape}; on {space} it should have {(space.dim, space.dim)}"
        )
    lift = Add(*(c * space.p[i] * space.q[j] for (i, j), c in A.todok().items()))
    return space.validate(lift, "matrix")


def realification(matrix: MatrixBase) -> ImmutableMatrix:
    """Real matrix of the complex-linear map w ↦ Cw on ℂⁿ = ℝ²ⁿ, w_k = x_{2k−1} + i x_{2k}.

    Parameters
    ----------
    matrix : sympy.Matrix
        C, of shape (n, n), with complex entries.

    Returns
    -------
    sympy.ImmutableMatrix
        Of shape (2n, 2n): each entry a + ib becomes the block [[a, −b], [b, a]].

    Examples
    --------
    >>> from sympy import I, Matrix
    >>> realification(Matrix([[I]]))
    Matrix([
    [0, -1],
    [1,  0]])
    """
    entries: dict[tuple[int, int], Expr] = {}
    for (i, j), value in matrix.todok().items():
        entries |= {(2 * i, 2 * j): re(value), (2 * i, 2 * j + 1): -im(value)}
        entries |= {(2 * i + 1, 2 * j): im(value), (2 * i + 1, 2 * j + 1): re(value)}
    n = matrix.rows
    return ImmutableMatrix(SparseMatrix(2 * n, 2 * n, entries))


def hermitian_form(
    matrix: MatrixBase, q: Sequence[Expr], p: Sequence[Expr], scale: Expr = S.One
) -> Expr:
    """Write z̄ᵀXz with z = (√c q + i p/√c)/√2, for a Hermitian matrix X = S + iA.

    It is (c qᵀSq + pᵀSp/c)/2 + pᵀAq. Since {z_j, z̄_k} = −iδ_jk, these forms close as
    {f_X, f_Y} = −i f_{XY − YX} (J. Schwinger, *On Angular Momentum*, 1952).

    Parameters
    ----------
    matrix : sympy.Matrix
        X, of shape (n, n).
    q, p : sequence of sympy.Expr
        n positions and their momenta.
    scale : sympy.Expr
        c > 0; mass times frequency, for an oscillator.

    Returns
    -------
    sympy.Expr
        The form, real.

    Examples
    --------
    >>> from sympy import eye
    >>> space = PhaseSpace(1)
    >>> hermitian_form(eye(1), space.q, space.p)
    p1**2/2 + q1**2/2
    """
    n = range(len(q))
    terms = [
        re(matrix[i, j]) * (scale * q[i] * q[j] + p[i] * p[j] / scale) / 2
        + im(matrix[i, j]) * p[i] * q[j]
        for i in n
        for j in n
    ]
    return Add(*terms).expand()


def gell_mann(n: int) -> Iterator[ImmutableMatrix]:
    """Yield the generalized Gell-Mann matrices λ_1, ..., λ_{n²−1}, traceless and Hermitian.

    tr λ_a λ_b = 2δ_ab; for n = 2 they are Pauli's, for n = 3 Gell-Mann's, in their order.

    Parameters
    ----------
    n : int
        At least 2.

    Yields
    ------
    sympy.ImmutableMatrix
        Of shape (n, n).

    Examples
    --------
    >>> [matrix.tolist() for matrix in gell_mann(2)]
    [[[0, 1], [1, 0]], [[0, -I], [I, 0]], [[1, 0], [0, -1]]]
    """
    for k in range(1, n):
        for j in range(k):
            for above, below in ((1, 1), (-I, I)):
                entries = {(j, k): above, (k, j): below}
                yield ImmutableMatrix(n, n, lambda a, b, e=entries: e.get((a, b), 0))
        diagonal = [1] * k + [-k] + [0] * (n - k - 1)
        yield ImmutableMatrix.diag(*diagonal) * sqrt(S(2) / (k * (k + 1)))


def angular_momenta(q: Sequence[Expr], p: Sequence[Expr]) -> list[Labelled]:
    """Write the angular momentum q_i p_j − q_j p_i of one particle.

    Parameters
    ----------
    q, p : sequence of sympy.Expr
        Position and momentum, of D components each.

    Returns
    -------
    list of (str, sympy.Expr)
        For D = 3 the vector q × p as L_1, L_2, L_3, else L_ij for i < j, in lexicographic order.

    Examples
    --------
    >>> space = PhaseSpace(3)
    >>> angular_momenta(space.q, space.p)[2]
    ('L_3', -p1*q2 + p2*q1)
    """
    pairs = [(1, 2), (2, 0), (0, 1)] if len(q) == 3 else list(combinations(range(len(q)), 2))
    names = ["L_1", "L_2", "L_3"] if len(q) == 3 else [label("L", i, j) for i, j in pairs]
    return [(name, q[i] * p[j] - q[j] * p[i]) for name, (i, j) in zip(names, pairs, strict=True)]


def label(letter: str, *indices: int) -> str:
    """Label with indices that count from 0, shown from 1: J_12, or J_1,10 where digits run out.

    Examples
    --------
    >>> label("J", 0, 1), label("J", 0, 9), label("P", 2)
    ('J_12', 'J_1,10', 'P_3')
    """
    numbers = [str(i + 1) for i in indices]
    return f"{letter}_{('' if all(len(x) == 1 for x in numbers) else ',').join(numbers)}"


def numbered(letter: str, formulas: Iterable[Expr]) -> list[Labelled]:
    """Label formulas as letter_1, letter_2, ...

    Examples
    --------
    >>> numbered("P", PhaseSpace(2).p)
    [('P_1', p1), ('P_2', p2)]
    """
    return [(label(letter, i), formula) for i, formula in enumerate(formulas)]


def labelled_algebra(space: PhaseSpace, generators: Iterable[Labelled]) -> LieAlgebra:
    """Make a Lie algebra of generators with their labels.

    Examples
    --------
    >>> space = PhaseSpace(1)
    >>> labelled_algebra(space, numbered("P", space.p)).labels
    ('P_1',)
    """
    labels, formulas = zip(*generators, strict=True)
    return LieAlgebra(space, formulas, labels)


def space_for(dim: int, space: PhaseSpace | None, *constants: Expr) -> PhaseSpace:
    """Check the given space, or make one with the symbols of the constants as its parameters.

    Parameters
    ----------
    dim : int
        How many positions are wanted.
    space : PhaseSpace or None
        What was given.
    *constants : sympy.Expr
        What the generators will contain.

    Returns
    -------
    PhaseSpace
        With this many positions.

    Raises
    ------
    ArgumentError
        If the space has another number of positions, or lacks a parameter.

    Examples
    --------
    >>> from sympy import Symbol
    >>> space_for(2, None, Symbol("m", positive=True))
    PhaseSpace(dim=2, parameters=(m,))
    """
    symbols = sorted({s for constant in constants for s in constant.free_symbols}, key=str)
    if space is None:
        return PhaseSpace(dim, symbols)
    if not isinstance(space, PhaseSpace):
        raise ArgumentError(f"space is {space!r}; it should be a PhaseSpace")
    if space.dim != dim:
        raise ArgumentError(f"space has {space.dim} positions; it should have {dim}")
    for symbol in symbols:
        if symbol not in space.parameters:
            raise ArgumentError(
                f"space has the parameters {tuple(space.parameters)}; they should include {symbol}"
            )
    return space


def positive_constant(value: Any, name: str) -> Expr:
    """Read a positive number, or a formula of parameters that is known to be positive.

    Examples
    --------
    >>> positive_constant(2, "mass")
    2
    >>> positive_constant(-1, "mass")
    Traceback (most recent call last):
    ...
    ehf_sym.errors.ArgumentError: mass is -1; it should be positive, such as 2 or
    Symbol('m', positive=True)
    """
    constant = exact_scalar(value, name)
    if not constant.is_positive:
        raise ArgumentError(
            f"{name} is {quoted(value)}; it should be positive, such as 2 or Symbol('m', "
            "positive=True)"
        )
    return constant

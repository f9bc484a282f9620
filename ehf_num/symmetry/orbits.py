"""Uniformly random elements of a compact symmetry group, and points moved by them.

Two kinds of connected groups are known. Commuting generators whose actions have proved periods T_k:
uniform times in [0, T_k) give a uniform element. Rotations of which the matrix algebra A is known
(`rotation_group`): a normal random matrix in A has a law that no orthogonal matrix in A
changes, so the orthogonal factor of its polar decomposition is uniform among them; what falls into
another component, where −1 is an eigenvalue, changes its sign or is drawn again; for SU(n) the
phase of the determinant is then taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from ehf_num.engine import arguments
from ehf_num.engine.networks import wrapped
from ehf_num.engine.workspace import Array
from ehf_num.symmetry.elements import refuse_unless_points_move
from ehf_sym import FiniteAction, FiniteSymmetry, LieAlgebra, NumpyFlow, Symmetry, is_zero
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.rotation_group import RotationGroup, rotation_group
from ehf_sym.symmetry.symmetry import AnySymmetry, as_symmetry

_FEW = 500  # elements that are written out
Mover = Callable[[Array, np.random.Generator], Array]
"""Moves each point of (n, d), float64, by an element of its own."""

_OTHER_COMPONENT = 1e-9  # det(1 + R) is 0 there, and larger than this but once in a billion draws


@dataclass(frozen=True, eq=False)
class OrbitSampler:
    """Moves each point to a uniformly random place on its orbit. Made by `orbit_sampler`.

    Attributes
    ----------
    symmetry : LieAlgebra, FiniteSymmetry or Symmetry
        Whose group it is.
    keeps_volume : bool
        Whether every element is proved to keep volume in q: a density is then carried along by
        its values, p(x) = p(Rx) where it is invariant.
    """

    symmetry: AnySymmetry
    keeps_volume: bool
    _move: Mover

    def __call__(self, x: Any, rng: int | np.random.Generator | None = None) -> Array:
        """Move points (n, d), each by an element of its own; the floating dtype is kept.

        Angles come out in (−π, π].
        """
        dtype = getattr(x, "dtype", np.dtype(np.float64))
        kept = dtype if dtype.kind == "f" else np.dtype(np.float64)
        points = arguments.points(x, "x", self.symmetry.space.dim, np.float64)
        moved = self._move(points, arguments.generator(rng))
        return np.asarray(wrapped(moved, self.symmetry.space.angles)).astype(kept, copy=False)


def orbit_sampler(symmetry: AnySymmetry) -> OrbitSampler:
    """Find how to draw uniformly from the group that a symmetry generates on q.

    Parameters
    ----------
    symmetry : ehf_sym.LieAlgebra, FiniteSymmetry or Symmetry
        Generators of a compact group that acts on q alone. An element of both parts is a uniform
        one of the finite part after one of the other, which is uniform too.

    Returns
    -------
    OrbitSampler
        A function ``(x, rng)`` of points (n, d).

    Raises
    ------
    ehf_sym.ArgumentError
        If a generator is not proved to move q alone, or the group is not known to be compact, or
        its uniform distribution is not known.

    Examples
    --------
    >>> import ehf_sym as es
    >>> rotate = orbit_sampler(es.groups.so(3))
    >>> moved = rotate(np.array([[3.0, 4.0, 0.0]]), rng=0)
    >>> round(float(np.linalg.norm(moved)), 12)
    5.0
    """
    if not isinstance(symmetry, LieAlgebra | FiniteSymmetry | Symmetry):
        raise ArgumentError(
            f"symmetry was {type(symmetry).__name__}; it should be an ehf_sym.LieAlgebra, a "
            "FiniteSymmetry or a Symmetry"
        )
    if isinstance(symmetry, LieAlgebra):
        return _of_functions(symmetry)
    whole = as_symmetry(symmetry)
    finite, lie = (None, None) if whole is None else (whole.finite, whole.algebra)
    connected = None if lie is None else _of_functions(lie)
    elements = None if finite is None else uniform_elements(finite)

    def move(x: Array, rng: np.random.Generator) -> Array:
        if connected is not None:
            x = connected._move(x, rng)
        if elements is not None:
            x = np.einsum("nij,nj->ni", elements(len(x), rng), x)
        return x

    return OrbitSampler(symmetry, connected is None or connected.keeps_volume, move)


def uniform_elements(
    finite: FiniteSymmetry,
) -> Callable[[int, np.random.Generator], Array]:
    """Draw uniform elements of a finite group: a function of n and rng to matrices (n, d, d).

    Larger groups are not enumerated: an element is a product of one coset representative at each
    level of a stabilizer chain, and its matrix follows from where it takes vectors.

    Examples
    --------
    >>> import ehf_sym as es
    >>> draw = uniform_elements(es.groups.symmetric(20))
    >>> float(draw(2, np.random.default_rng(0)).sum(axis=2).min())
    1.0
    """
    if finite.order <= _FEW:
        all_of_them = _floats(finite.elements())
        return lambda n, rng: all_of_them[rng.integers(len(all_of_them), size=n)]
    action = finite.action
    levels = [
        np.array([permutation.array_form for permutation in level.values()])
        for level in action.group.basic_transversals
    ]
    vectors = _floats([action.vectors])[0]
    back = np.linalg.pinv(vectors)

    def draw(n: int, rng: np.random.Generator) -> Array:
        chosen = [level[rng.integers(len(level), size=n)] for level in levels]
        elements = np.empty((n, finite.space.dim, finite.space.dim))
        for k in range(n):
            place = np.arange(len(levels[0][0]))
            for each in reversed(chosen):
                place = each[k][place]
            elements[k] = vectors[:, action.images(place.tolist())] @ back
        return elements

    return draw


def _floats(matrices: Sequence[sp.ImmutableMatrix]) -> Array:
    return np.array([np.array(a.evalf().tolist(), dtype=float) for a in matrices])


def _of_functions(symmetry: LieAlgebra) -> OrbitSampler:
    """Find it for the group that functions generate."""
    refuse_unless_points_move(symmetry)
    space = symmetry.space
    if _commute(symmetry):
        divergences = (
            sp.Add(*(g.diff(q, p) for q, p in zip(space.q, space.p, strict=True)))
            for g in symmetry.generators
        )
        keeps_volume = all(is_zero(divergence).proved for divergence in divergences)
        return OrbitSampler(symmetry, keeps_volume, _angles(symmetry))
    return OrbitSampler(symmetry, True, _rotations(rotation_group(symmetry)))


def orbit_sampler_for(
    augment: bool | str, symmetry: AnySymmetry | None, *, exact: bool, equivariant_encoder: bool
) -> OrbitSampler | None:
    """Decide whether training moves its minibatches, and by what.

    Parameters
    ----------
    augment : {"auto", True, False}
        "auto": where it is proved to leave the optimum of the density where it is, and is of use.
        That is so for a model that is invariant by construction, whose p(Rx) = p(x) for elements
        that keep volume, so that the mean of ln p does not change; what gains is an encoder that
        is not equivariant, and sees more points.
    symmetry : LieAlgebra, FiniteSymmetry, Symmetry or None
        Of the model.
    exact, equivariant_encoder : bool
        Whether p(q, p) and h(p|q) are invariant by construction.

    Returns
    -------
    OrbitSampler or None

    Raises
    ------
    ehf_sym.ArgumentError
        If augment is not one of these, or True where `orbit_sampler` knows no elements.
    """
    arguments.one_of(augment, "augment", ("auto", True, False))
    if augment is False or (augment == "auto" and (not exact or equivariant_encoder)):
        return None
    if symmetry is None:
        raise ArgumentError("augment was True for a model without symmetry; it should be False")
    try:
        move = orbit_sampler(symmetry)
    except ArgumentError as error:
        if augment is True:
            raise ArgumentError(f"augment was True, but {error}") from error
        return None
    return move if augment is True or move.keeps_volume else None


def _commute(symmetry: LieAlgebra) -> bool:
    pairs = ((f, g) for k, f in enumerate(symmetry.generators) for g in symmetry.generators[:k])
    return all(is_zero(symmetry.space.bracket(f, g)).proved for f, g in pairs)


def _angles(symmetry: LieAlgebra) -> Mover:
    """Move by each of some commuting generators, for a uniform part of its period."""
    turns = [_periodic(symmetry.action(k)) for k in range(len(symmetry.generators))]

    def move(x: Array, rng: np.random.Generator) -> Array:
        states = np.concatenate([x, np.zeros_like(x)], axis=1)
        for flow, period in turns:
            states = flow(states, rng.uniform(0, period, len(x)))
        return np.ascontiguousarray(states[:, : x.shape[1]])

    return move


def _periodic(action: FiniteAction) -> tuple[NumpyFlow, float]:
    if not action.proved or action.period is None:
        raise ArgumentError(
            f"symmetry has {action.label} = {action.generator}, whose action has no proved period: "
            "the group is not known to be compact, and has no uniform element to draw"
        )
    return action.to_numpy(), float(action.period)


def _rotations(group: RotationGroup) -> Mover:
    draw = uniform_rotations(group)

    def move(x: Array, rng: np.random.Generator) -> Array:
        moved: Array = np.einsum("nij,nj->ni", draw(len(x), rng), x)
        return moved

    return move


def uniform_rotations(group: RotationGroup) -> Callable[[int, np.random.Generator], Array]:
    """Return a function (n, rng) to uniform elements of a group of rotations, (n, d, d)."""
    draw = _orthogonal_matrices(_orthonormal(group))
    if group.phase is None:
        return draw
    turn = _unit_determinant(_numbers(group.phase))
    return lambda n, rng: turn(draw(n, rng))


def _numbers(matrix: sp.ImmutableMatrix) -> Array:
    return np.array(matrix.tolist(), dtype=np.float64)


def _orthonormal(group: RotationGroup) -> Array:
    """Make the algebra's basis orthonormal under tr(XᵀY): (m, d, d)."""
    basis = np.stack([_numbers(matrix) for matrix in group.algebra])
    rows = np.linalg.qr(basis.reshape(len(basis), -1).T)[0].T
    return np.ascontiguousarray(rows).reshape(basis.shape)


def _orthogonal_matrices(basis: Array) -> Callable[[int, np.random.Generator], Array]:
    """Return a function (n, rng) to uniform elements (n, d, d) of the identity component."""
    size = basis.shape[1]
    # The unit of the algebra projects on what the group moves; what it does not move stays.
    columns = np.linalg.svd(basis.transpose(1, 0, 2).reshape(size, -1), full_matrices=True)
    moved = int(np.count_nonzero(columns[1] > 1e-9))
    still = columns[0][:, moved:] @ columns[0][:, moved:].T

    def draw(n: int, rng: np.random.Generator) -> Array:
        normal = np.einsum("nk,kij->nij", rng.standard_normal((n, len(basis))), basis)
        left, _, right = np.linalg.svd(normal + still)
        matrices: Array = left @ right
        wrong = _elsewhere(matrices)
        if wrong.any():  # minus is in the identity component where an odd dimension is moved
            matrices[wrong] = 2 * still - matrices[wrong]
            wrong = _elsewhere(matrices)
        if wrong.any():
            matrices[wrong] = draw(int(np.count_nonzero(wrong)), rng)
        return matrices

    return draw


def _elsewhere(matrices: Array) -> Array:
    """Which orthogonal matrices are outside the identity component: those with eigenvalue −1."""
    wrong: Array = np.linalg.det(matrices + np.eye(matrices.shape[1])) < _OTHER_COMPONENT
    return wrong


def _unit_determinant(phase: Array) -> Callable[[Array], Array]:
    """Return what turns unitary matrices (n, d, d) by a phase, to determinant 1 where J = i."""
    values, vectors = np.linalg.eig(phase)
    columns = np.linalg.qr(vectors[:, np.abs(values - 1j) < 1e-6])[0]
    squared = phase @ phase

    def turn(matrices: Array) -> Array:
        on_columns = columns.conj().T @ matrices @ columns
        angles = -np.angle(np.linalg.det(on_columns)) / columns.shape[1]
        sine, cosine = (f(angles)[:, np.newaxis, np.newaxis] for f in (np.sin, np.cos))
        result: Array = matrices @ (np.eye(len(phase)) + sine * phase + (1 - cosine) * squared)
        return result

    return turn

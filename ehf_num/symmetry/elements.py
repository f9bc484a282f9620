"""One element of a symmetry for each of many points: where it goes, and its derivative there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ehf_num.engine.workspace import Array
from ehf_num.symmetry.action import NumericalAction
from ehf_sym import FiniteAction, LieAlgebra, is_zero
from ehf_sym.errors import ActionError, ArgumentError
from ehf_sym.symmetry.jumps.walls import walls_of
from ehf_sym.symmetry.symmetry import as_symmetry

_HALVINGS = 10


class PointAction(Protocol):
    """A generator of a symmetry, as it acts on points x (n, d)."""

    @property
    def label(self) -> str:
        """What reports call it."""

    @property
    def smooth(self) -> bool:
        """Whether its elements go on to the identity, at t = 0."""

    def times(self, x: Array, n: int, rng: np.random.Generator) -> Array:
        """Draw group parameters (n,) at which every point of x has an image."""

    def simple_times(self) -> tuple[float, ...]:
        """Return group parameters that a person would try, the simplest first."""

    def element(self, t: float) -> str:
        """Describe the element at t."""

    def __call__(self, x: Array, t: Array) -> tuple[Array, Array]:
        """Move points (n, d) by elements at t (n,): images (n, d), derivatives (n, d, d)."""


@dataclass(frozen=True, eq=False)
class GeneratorAction:
    """The flow of a generator that is linear in p, on q alone."""

    label: str
    action: FiniteAction
    smooth: bool = True

    @cached_property
    def period(self) -> float | None:
        """T, after which every point is back; None where there is none."""
        return None if self.action.period is None else float(self.action.period)

    def times(self, x: Array, n: int, rng: np.random.Generator) -> Array:
        """Draw over a whole period, or within one unit where there is none, or where flows end."""
        if self.period is not None:
            return rng.uniform(-self.period / 2, self.period / 2, n)
        reach = 1.0
        for _ in range(_HALVINGS):
            if self._reaches(x, reach) and self._reaches(x, -reach):
                return rng.uniform(-reach, reach, n)
            reach /= 2
        raise ActionError(
            f"{self.label} takes some of the points beyond every bound at t = {reach:.3g}; leave "
            "out those that lie at its singularities"
        )

    def _reaches(self, x: Array, t: float) -> bool:
        try:
            with np.errstate(all="ignore"):
                moved, _ = self(x, np.full(len(x), t))
        except ActionError:
            return False
        return bool(np.isfinite(moved).all())

    def simple_times(self) -> tuple[float, ...]:
        """Return parts of a period; else one unit and less."""
        if self.period is None:
            return (1.0, 0.5, 0.1, 0.01)
        return tuple(self.period * part for part in (1 / 4, 1 / 2, 1 / 8, 1 / 64))

    def element(self, t: float) -> str:
        """In parts of a period where that is what it is."""
        if self.period is None:
            return f"{self.label} for t = {t:.6g}"
        return f"{self.label} for t = {t:.6g}, {t / self.period:.4g} of its period"

    def __call__(self, x: Array, t: Array) -> tuple[Array, Array]:
        """Momenta move with the inverse transpose of the derivative, and so give it away."""
        n, d = x.shape
        momenta = np.concatenate([np.zeros((1, d)), np.eye(d)])
        states = np.concatenate(
            [np.repeat(x, d + 1, axis=0), np.tile(momenta, (n, 1))], axis=1, dtype=np.float64
        )
        moved = NumericalAction(self.action, np.repeat(t, d + 1), {})(states)
        moved = moved.reshape(n, d + 1, 2 * d)
        images = moved[:, 0, :d]
        covectors = (moved[:, 1:, d:] - moved[:, :1, d:]).transpose(0, 2, 1)
        return images, np.linalg.inv(covectors).transpose(0, 2, 1)


@dataclass(frozen=True, eq=False)
class MatrixAction:
    """A matrix that generates a finite group, on points."""

    label: str
    matrix: Array
    smooth: bool = False

    def times(self, x: Array, n: int, rng: np.random.Generator) -> Array:
        """There is one element."""
        return np.ones(n)

    def simple_times(self) -> tuple[float, ...]:
        """There is one element."""
        return (1.0,)

    def element(self, t: float) -> str:
        """By its label."""
        return self.label

    def __call__(self, x: Array, t: Array) -> tuple[Array, Array]:
        """Multiply."""
        return x @ self.matrix.T, np.broadcast_to(self.matrix, (len(x), *self.matrix.shape))


def refuse_unless_points_move(symmetry: LieAlgebra) -> None:
    """Refuse generators that are not proved to move q by itself.

    Raises
    ------
    ehf_sym.ArgumentError
        Naming the generator.
    """
    space = symmetry.space
    for label, g in zip(symmetry.labels, symmetry.generators, strict=True):
        linear = all(is_zero(g.diff(a, b)).proved for a in space.p for b in space.p)
        if walls_of(g) or not linear:
            raise ArgumentError(
                f"symmetry has {label} = {g}, which is not proved to be linear in p, without "
                "jumps: its elements move q by what p is, and points have none"
            )


def point_actions(symmetry: Any) -> tuple[PointAction, ...]:
    """Return what acts on points: a generator each, continuous ones first.

    Parameters
    ----------
    symmetry : ehf_sym.LieAlgebra, ehf_sym.FiniteSymmetry or ehf_sym.Symmetry
        Continuous generators linear in p, without parameters.

    Raises
    ------
    ehf_sym.ArgumentError
        If a generator moves q by what p is, or has parameters without values.

    Examples
    --------
    >>> import ehf_sym as es
    >>> (turn,) = point_actions(es.groups.so(2))
    >>> image, derivative = turn(np.array([[2.0, 0.0]]), np.array([np.pi / 2]))
    >>> image.round(12) + 0.0, derivative.round(12) + 0.0
    (array([[0., 2.]]), array([[[ 0., -1.],
            [ 1.,  0.]]]))
    """
    whole = as_symmetry(symmetry)
    lie, finite = (None, None) if whole is None else (whole.algebra, whole.finite)
    found: list[PointAction] = [] if lie is None else [*_continuous(lie)]
    if finite is not None:
        found += (
            MatrixAction(label, np.array(matrix.evalf(20).tolist(), dtype=np.float64))
            for label, matrix in zip(finite.labels, finite.generators, strict=True)
        )
    return tuple(found)


def _continuous(symmetry: LieAlgebra) -> tuple[PointAction, ...]:
    refuse_unless_points_move(symmetry)
    if symmetry.space.parameters:
        names = ", ".join(map(str, symmetry.space.parameters))
        raise ArgumentError(
            f"symmetry has the parameters {names}; put numbers in their places, on a PhaseSpace "
            "without parameters"
        )
    return tuple(
        GeneratorAction(label, symmetry.action(k)) for k, label in enumerate(symmetry.labels)
    )

r"""Mixtures of tubes around orbits: densities that rotations keep, and that fit data.

With d(q, O) the distance of a point to an orbit O, and orbits O_k of the points m_k,

    π(q, p) ∝ Σ_k w_k exp(−Σ_b d_b(q, O_k)² / 2 s_kb²) exp(−|p|²/2)

over orthogonal blocks b of coordinates that the group moves one by one. Of three kinds of blocks
the distance has a formula and the integral one too: coordinates that are at rest, spaces whose
spheres are orbits, and complex ones that one phase turns,

    d² = (y − μ)²,     d² = (|y| − ρ)²,     d² = |y|² + |m|² − 2 |m̄·y|.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import sympy as sp

from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.formulas.phase_space import PhaseSpace

NAME = "mixture of orbits"
_FRACTION = re.compile(r"-?\d{1,400}(/[1-9]\d{0,399})?")  # as long as floats have them


@dataclass(frozen=True)
class OrbitBlock:
    """Coordinates y that a group of rotations moves by themselves, y_j = v_j·q / |v_j|.

    Attributes
    ----------
    kind : {"rest", "sphere", "circle"}
        y is one number at rest; spheres of y are orbits; or one phase turns y.
    axes : tuple of sympy.ImmutableMatrix
        The v_j, d × 1, orthogonal.
    turn : sympy.ImmutableMatrix or None
        The matrix J of the phase, J² = −1 on the block, up to `rate`.
    rate : sympy.Rational
        ω², where (ω J) is rational and stands in `turn`.
    """

    kind: Literal["rest", "sphere", "circle"]
    axes: tuple[sp.ImmutableMatrix, ...]
    turn: sp.ImmutableMatrix | None = None
    rate: sp.Expr = sp.S.One

    @property
    def flat(self) -> int:
        """How many directions of a tube are straight: those in which it is a Gaussian."""
        return {"rest": 1, "sphere": 0, "circle": len(self.axes) - 2}[self.kind]

    @property
    def around(self) -> int:
        """In how many dimensions the tube goes round a sphere; 0: in none."""
        return {"rest": 0, "sphere": len(self.axes), "circle": 2}[self.kind]

    def squared_distance(self, q: sp.Matrix, center: Sequence[sp.Rational]) -> sp.Expr:
        """Write d² of the orbit of Σ_j c_j v_j; of a sphere, c is its radius alone."""
        lengths = [v.dot(v) for v in self.axes]
        along = [v.dot(q) for v in self.axes]
        square = sp.Add(*(y**2 / length for y, length in zip(along, lengths, strict=True)))
        if self.kind == "rest":
            return (along[0] - center[0] * lengths[0]) ** 2 / lengths[0]
        if self.kind == "sphere":
            return square + center[0] ** 2 - 2 * center[0] * sp.sqrt(square)
        m = sp.Matrix.hstack(*self.axes) * sp.Matrix(center)
        overlap = m.dot(q) ** 2 + (self.turn * m).dot(q) ** 2 / self.rate
        return square + m.dot(m) - 2 * sp.sqrt(overlap)

    def mass(self, center: Sequence[sp.Rational], width: sp.Rational) -> sp.Expr:
        """Write ∫ exp(−d²/2s²) over the block."""
        straight = (2 * sp.pi * width**2) ** sp.Rational(self.flat, 2)
        if self.kind == "rest":
            return straight
        radius = center[0]
        if self.kind == "circle":
            squares = (c**2 * v.dot(v) for c, v in zip(center, self.axes, strict=True))
            radius = sp.sqrt(sp.Add(*squares))
        ratio = radius / width
        moments = [width * sp.sqrt(sp.pi / 2) * sp.erfc(-ratio / sp.sqrt(2))]
        moments.append(radius * moments[0] + width**2 * sp.exp(-(ratio**2) / 2))
        for k in range(2, self.around):
            moments.append(radius * moments[k - 1] + (k - 1) * width**2 * moments[k - 2])
        half = sp.Rational(self.around, 2)
        return straight * 2 * sp.pi**half / sp.gamma(half) * moments[self.around - 1]


def orbit_blocks(rotations: Sequence[sp.ImmutableMatrix]) -> tuple[OrbitBlock, ...] | None:
    """Split the coordinates into blocks whose orbits are known; None where some are not.

    Parameters
    ----------
    rotations : sequence of sympy.ImmutableMatrix
        Antisymmetric matrices that span the algebra of a group.

    Examples
    --------
    >>> about_z = sp.ImmutableMatrix([[0, -1, 0], [1, 0, 0], [0, 0, 0]])
    >>> [(block.kind, len(block.axes)) for block in orbit_blocks([about_z])]
    [('sphere', 2), ('rest', 1)]
    """
    if not rotations or not all(x.is_Rational for A in rotations for x in A):
        return None
    groups: list[list[sp.ImmutableMatrix]] = []
    for A in rotations:
        touching = [g for g in groups if any(not (A * B).is_zero_matrix for B in g)]
        groups = [g for g in groups if g not in touching]
        groups.append([A, *(B for g in touching for B in g)])
    blocks = [_moved_block(group) for group in groups]
    if None in blocks:
        return None
    at_rest = sp.Matrix.vstack(*map(sp.Matrix, rotations)).nullspace()
    rest = [OrbitBlock("rest", (v,)) for v in _orthogonal(at_rest)]
    return (*(block for block in blocks if block is not None), *rest)


def _moved_block(matrices: Sequence[sp.ImmutableMatrix]) -> OrbitBlock | None:
    """Recognize spheres by the rank of what moves a point, phases by A² = −ω² on the block."""
    axes = _orthogonal(sp.Matrix.hstack(*map(sp.Matrix, matrices)).columnspace())
    point = sp.Matrix.hstack(*axes) * sp.Matrix(range(2, len(axes) + 2))
    if sp.Matrix.hstack(*(A * point for A in matrices)).rank() == len(axes) - 1:
        return OrbitBlock("sphere", axes)
    (first, *others) = matrices
    images = [first * first * v for v in axes]
    rate = -images[0].dot(axes[0]) / axes[0].dot(axes[0])
    if others or any(image != -rate * v for image, v in zip(images, axes, strict=True)):
        return None
    return OrbitBlock("circle", axes, first, rate)


def _orthogonal(vectors: Sequence[sp.Matrix]) -> tuple[sp.ImmutableMatrix, ...]:
    return tuple(sp.ImmutableMatrix(v) for v in sp.Matrix.orthogonalize(*vectors))


@dataclass(frozen=True, init=False, eq=False, repr=False)
class OrbitMixture(BaseDensity):
    """A mixture of tubes around orbits in q, times a standard normal density of p.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    blocks : sequence of OrbitBlock
        Orthogonal, with all coordinates between them: see `orbit_blocks`.
    weights : sequence of sympy.Rational
        w_k > 0 of the tubes; what they sum to does not matter.
    centers : sequence of sequence of sequence of sympy.Rational
        Of each tube, for each block, the coefficients c_j of a point on its orbit; of a sphere its
        radius.
    widths : sequence of sequence of sympy.Rational
        s > 0, of each tube for each block.

    Examples
    --------
    >>> space, half = PhaseSpace(2), sp.Rational(1, 2)
    >>> blocks = orbit_blocks([sp.ImmutableMatrix([[0, -1], [1, 0]])])
    >>> ring = OrbitMixture(space, blocks, [1], [[[sp.Integer(2)]]], [[half]])
    >>> at_it = ring.log_density.subs(dict(zip(space.coordinates, (2, 0, 0, 0))))
    >>> round(float(at_it - ring.log_normalizer), 4)
    -4.5947
    """

    blocks: tuple[OrbitBlock, ...]
    weights: tuple[sp.Rational, ...]
    centers: tuple[tuple[tuple[sp.Rational, ...], ...], ...]
    widths: tuple[tuple[sp.Rational, ...], ...]

    def __init__(
        self,
        space: PhaseSpace,
        blocks: Sequence[OrbitBlock],
        weights: Sequence[sp.Rational],
        centers: Sequence[Sequence[Sequence[sp.Rational]]],
        widths: Sequence[Sequence[sp.Rational]],
    ) -> None:
        q, tubes, mass = sp.Matrix(space.q), [], []
        for weight, center, width in zip(weights, centers, widths, strict=True):
            each = list(zip(blocks, center, width, strict=True))
            exponent = sp.Add(*(block.squared_distance(q, c) / (2 * s**2) for block, c, s in each))
            tubes.append(weight * sp.exp(-exponent))
            mass.append(weight * sp.Mul(*(block.mass(c, s) for block, c, s in each)))
        momenta = sp.Add(*(p**2 for p in space.p)) / 2
        constant = sp.log(sp.Add(*mass)) + sp.Rational(space.dim, 2) * sp.log(2 * sp.pi)
        super().__init__(
            space, log_density=sp.log(sp.Add(*tubes)) - momenta, log_normalizer=constant, name=NAME
        )
        for name, value in (
            ("blocks", tuple(blocks)),
            ("weights", tuple(weights)),
            ("centers", tuple(tuple(map(tuple, center)) for center in centers)),
            ("widths", tuple(map(tuple, widths))),
        ):
            object.__setattr__(self, name, value)

    def as_text(self) -> dict[str, Any]:
        """Write weights, centers and widths as lists of text; `from_text` reads them.

        Examples
        --------
        >>> blocks = orbit_blocks([sp.ImmutableMatrix([[0, -1], [1, 0]])])
        >>> ring = OrbitMixture(PhaseSpace(2), blocks, [1], [[[sp.Integer(2)]]], [[sp.Integer(1)]])
        >>> again = OrbitMixture.from_text(ring.space, blocks, ring.as_text())
        >>> again.log_density == ring.log_density
        True
        """
        return {
            "weights": [str(w) for w in self.weights],
            "centers": [[[str(c) for c in part] for part in center] for center in self.centers],
            "widths": [[str(s) for s in width] for width in self.widths],
        }

    @classmethod
    def from_text(
        cls, space: PhaseSpace, blocks: Sequence[OrbitBlock], text: Mapping[str, Any]
    ) -> Self:
        """Read what `as_text` wrote; no text is executed.

        Raises
        ------
        ValueError
            If it is something else.
        """
        weights, centers, widths = (
            _numbers(text[name]) for name in ("weights", "centers", "widths")
        )
        for width in widths:
            if len(width) != len(blocks) or not all(s > 0 for s in width):
                raise ValueError(f"widths are {widths}; they should be positive, one a block")
        for center in centers:
            sizes = [len(block.axes) if block.kind == "circle" else 1 for block in blocks]
            if [len(part) for part in center] != sizes:
                raise ValueError(
                    f"centers have {[len(part) for part in center]} numbers, not {sizes}"
                )
        if not all(w > 0 for w in weights) or not weights:
            raise ValueError(f"weights are {weights}; they should be positive")
        return cls(space, blocks, weights, centers, widths)


def _numbers(text: Any) -> Any:
    """Read nested lists of fractions."""
    if isinstance(text, list):
        return [_numbers(each) for each in text]
    if not _FRACTION.fullmatch(text):
        raise ValueError(f"{text!r} should be a fraction")
    return sp.Rational(text)

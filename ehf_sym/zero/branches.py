"""Which multiple of 2 pi: what the ranges of angles, and continuity, leave open.

A combination of arcs whose rotation is known is known up to 2 pi k. Often the ranges admit one
k only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from ehf_sym.zero.elementary import Tower
from ehf_sym.zero.kernels import Element
from ehf_sym.zero.rotations import Rotation
from ehf_sym.zero.signs import Sign

_HALF = Fraction(1, 2)


@dataclass(frozen=True, slots=True)
class Range:
    """An interval of angles in units of pi, and whether its ends are taken."""

    low: Fraction
    high: Fraction
    closed_low: bool = True
    closed_high: bool = True

    def times(self, n: int) -> Range:
        """Range of n times the angle."""
        ends = Range(n * self.low, n * self.high, self.closed_low, self.closed_high)
        return ends if n >= 0 else Range(ends.high, ends.low, ends.closed_high, ends.closed_low)

    def plus(self, other: Range) -> Range:
        """Range of a sum of angles."""
        return Range(
            self.low + other.low,
            self.high + other.high,
            self.closed_low and other.closed_low,
            self.closed_high and other.closed_high,
        )

    def turns(self) -> list[int]:
        """Integers k with 2 k in the range."""
        low, high = ceil(self.low / 2), floor(self.high / 2)
        return [
            k
            for k in range(low, high + 1)
            if (2 * k != self.low or self.closed_low) and (2 * k != self.high or self.closed_high)
        ]


def multiple_of_two_pi(
    tower: Tower, turns: Sequence[tuple[Rotation, int]], rest: Rotation, offset: Range
) -> int | None:
    """Return k in sum n_j a_j = c + 2 pi k, if it is the same everywhere.

    Parameters
    ----------
    tower : Tower
        For signs.
    turns : sequence of (rotation, n)
        The arcs, each between -pi/2 and pi/2.
    rest : rotation
        The rotation by their sum.
    offset : Range
        Where c may be.
    """
    total = offset.times(-1)
    for rotation, n in turns:
        total = total.plus(range_of_arc(tower, rotation).times(n))
    possible = total.turns()
    return possible[0] if len(possible) == 1 else None


def range_of_arc(tower: Tower, rotation: Rotation) -> Range:
    """Narrow [-pi/2, pi/2] by the sign of the sine."""
    cosine, sine = rotation
    upright = _sign(tower, cosine)
    closed = not (upright is not None and upright.strict)
    side = _sign(tower, sine)
    if side is None:
        return Range(-_HALF, _HALF, closed, closed)
    half = Range(Fraction(0), _HALF, not side.strict, closed)
    return half.times(side.value)


def _sign(tower: Tower, element: Element) -> Sign | None:
    """Prove the sign of an element."""
    if not element:
        return None
    return tower.proved.of_element(element)

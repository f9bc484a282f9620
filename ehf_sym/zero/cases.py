"""Decide whether a normal form vanishes wherever it is real, whatever the unknown signs are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import product

from ehf_sym.zero.elementary import Tower
from ehf_sym.zero.polynomials import Poly, evaluated
from ehf_sym.zero.requirements import Requirement

# Beyond so many unknown signs the 2**n patterns are not looked at.
_MAX_SIGNS = 6

Pattern = Mapping[Poly, int]
Zeros = tuple[Poly, ...]


def open_zeros(tower: Tower, numerator: Poly) -> list[Zeros] | None:
    """Check every pattern of signs; None unless the normal form vanishes in all of them.

    A kernel for an unknown sign of f is replaced by 1 and by -1; one for the value of the
    sign function also by 0, where the numerator should lie in the ideal of f. A pattern in
    which a logarithm is not real does not count; one in which a root is not real counts
    where the root is 0.

    Returns
    -------
    list of tuples of Poly, or None
        What is 0 where it remains to be seen whether the formula vanishes.
    """
    if not numerator:
        return []
    cases = _Cases(tower, numerator)
    return list(cases.open_zeros) if cases.all_vanish() else None


class _Cases:
    """The case distinction for one normal form."""

    def __init__(self, tower: Tower, numerator: Poly) -> None:
        self.open_zeros: dict[Zeros, None] = {}
        self._tower = tower
        self._field = tower.field
        self._numerator = numerator
        self._jumping = [
            f for f, kernel in tower.unknown.jumps.items() if self._occurs(kernel.index)
        ]
        proved = {f: tower.proved.of(f) for f in self._jumping}
        self._fixed = {f: sign.value for f, sign in proved.items() if sign is not None}
        unknown = {f for f, kernel in tower.unknown.signs.items() if self._occurs(kernel.index)}
        self._unknown = unknown | (proved.keys() - self._fixed.keys())
        self._relevant = self._requirements()

    def all_vanish(self) -> bool:
        """Go through all patterns."""
        if len(self._unknown) > _MAX_SIGNS or len(self._jumping) > _MAX_SIGNS:
            return False
        for pattern in self._patterns():
            if not self._vanishes(pattern):
                return False
            self._look_at_jumps(pattern)
        return True

    def _occurs(self, index: int) -> bool:
        return self._field.degree(self._numerator, index) > 0

    def _requirements(self) -> list[Requirement]:
        """Collect requirements on the unknown signs; each may bring in others, up to the bound."""
        relevant = [r for r in self._tower.requirements.kept if not r.odd]
        grown = True
        while grown:
            grown = False
            for requirement in self._tower.requirements.kept:
                joined = self._unknown.union(requirement.odd)
                related = not self._unknown.isdisjoint(requirement.odd)
                if related and requirement not in relevant and len(joined) <= _MAX_SIGNS:
                    self._unknown = joined
                    relevant.append(requirement)
                    grown = True
        return relevant

    def _patterns(self) -> Iterator[Pattern]:
        """All patterns that agree with the signs that are proved."""
        for values in product((1, -1), repeat=len(self._unknown)):
            yield self._fixed | dict(zip(self._unknown, values, strict=True))

    def _vanishes(self, pattern: Pattern) -> bool:
        """Check one pattern of signs, off the zeros of sign functions."""
        numerator = self._substituted(self._numerator, pattern)
        return not numerator or any(
            self._vanishes_where_zero(numerator, requirement, pattern)
            for requirement in self._relevant
            if self._violates(pattern, requirement)
        )

    def _violates(self, pattern: Pattern, requirement: Requirement) -> bool:
        """Tell whether the required number is negative off its zeros."""
        sign = requirement.sign
        for f in requirement.odd:
            sign *= pattern[f]
        return sign < 0

    def _vanishes_where_zero(
        self, numerator: Poly, requirement: Requirement, pattern: Pattern
    ) -> bool:
        """Where a required number is negative off its zeros, only these zeros count."""
        if requirement.strict:
            return True
        for f in requirement.zeros:
            if not self._in_ideal(numerator, [f], pattern):
                self.open_zeros[f,] = None
        return True

    def _look_at_jumps(self, pattern: Pattern) -> None:
        """Check the zeros of the arguments of sign functions, every subset of them."""
        for chosen in product((False, True), repeat=len(self._jumping)):
            zeros = [f for f, is_zero in zip(self._jumping, chosen, strict=True) if is_zero]
            if not zeros or self._undefined_at(zeros):
                continue
            rest = self._substituted(self._numerator, pattern, zeros)
            if not self._in_ideal(rest, zeros, pattern):
                self.open_zeros[tuple(zeros)] = None

    def _undefined_at(self, zeros: Collection[Poly]) -> bool:
        """Tell whether some logarithm or quotient is undefined at these zeros."""
        if not self._tower.nonzero.isdisjoint(zeros):
            return True
        signs = map(self._tower.proved.of, zeros)
        return any(sign is not None and sign.strict for sign in signs) or any(
            r.strict and f in r.zeros for r in self._tower.requirements.kept for f in zeros
        )

    def _in_ideal(self, poly: Poly, zeros: Collection[Poly], pattern: Pattern) -> bool:
        """Divide by the polynomials that are zero, and by their roots."""
        roots = {k.index: 0 for k in self._field.kernels if k.kind == "root" and k.base in zeros}
        rest = evaluated(poly, roots)
        divisors = [self._substituted(f, pattern, zeros) for f in zeros]
        return not rest or (all(divisors) and not rest.rem(divisors))

    def _substituted(self, poly: Poly, pattern: Pattern, zeros: Collection[Poly] = ()) -> Poly:
        """Put numbers for the sign kernels."""
        values = {k.index: pattern[f] for f, k in self._tower.unknown.signs.items() if f in pattern}
        for f, kernel in self._tower.unknown.jumps.items():
            if f in pattern:
                values[kernel.index] = 0 if f in zeros else pattern[f]
        return evaluated(poly, values)

"""Sines and cosines as rational functions of tangents of half angles; powers of -1.

Angles are kept linearly independent over Q and of pi; the functions of a combination
sum n_j u_j/N_j + c pi follow from the addition formulas in tan(u_j/(2 N_j)). Powers of -1 have
exponents that are integers which symbols stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

import sympy as sp

from ehf_sym.normal_forms.elementary import Tower
from ehf_sym.normal_forms.inverse_functions import Rotation, Rotations
from ehf_sym.normal_forms.kernels import UNIT, Element, GiveUpError, Kernel, Poly, used_generators
from ehf_sym.normal_forms.relations import combination
from ehf_sym.normal_forms.signs import adjoin_divided, multiple_of

# cos(c pi) is a short radical for rationals c with these denominators.
_RADICAL_DENOMINATORS = frozenset({1, 2, 3, 4, 5, 6, 8, 10, 12})
_EIGHTH = Fraction(1, 4)  # of a full turn, in units of pi
_MAX_HALVINGS = 3


class Parities:
    """The kernels (-1)**m of one conversion, for products m of integer symbols.

    An integer and its powers have the same parity, so that m is free of squares.
    """

    def __init__(self, tower: Tower) -> None:
        self._field = tower.field
        self._known: dict[frozenset[int], Kernel] = {}

    def is_integer(self, exponent: Poly) -> bool:
        """Tell whether a polynomial has integer coefficients and integer variables."""
        kernels = self._field.kernels
        return all(c.denominator == 1 for c in exponent.values()) and all(
            kernels[i].kind == "variable" and kernels[i].meaning.is_integer
            for i in used_generators(exponent)
        )

    def power_of_minus_one(self, exponent: Poly) -> Element:
        """Return (-1)**exponent for a polynomial with integer values."""
        result = self._field.ring.one
        for monomial, coefficient in exponent.items():
            if int(coefficient) % 2:
                result = self._field.times(result, self._of(monomial))
        return {UNIT: result}

    def _of(self, monomial: tuple[int, ...]) -> Poly:
        """Parity of a product of symbols."""
        ring = self._field.ring
        symbols = {i: self._field.kernels[i].meaning for i, e in enumerate(monomial) if e}
        if any(symbol.is_even for symbol in symbols.values()):
            return ring.one
        open_ones = frozenset(i for i, symbol in symbols.items() if not symbol.is_odd)
        if not open_ones:
            return -ring.one
        if open_ones not in self._known:
            exponent = sp.Mul(*(symbols[i] for i in sorted(open_ones)))
            meaning = sp.Pow(-1, exponent, evaluate=False)
            kernel = self._field.adjoin("parity", meaning)
            self._field.relate(kernel, 2, ring.one)
            self._known[open_ones] = kernel
        return ring.gens[self._known[open_ones].index]


class Angles:
    """The angles of one conversion.

    Parameters
    ----------
    tower : Tower
        Where the kernels go.
    convert : callable
        The conversion itself, for the radicals that are cosines of fractions of pi.
    parities : Parities
        The powers of -1, for angles n pi.
    poles : Mapping
        Angles u with N: tan(u/(2N)) is infinite.
    """

    def __init__(
        self,
        tower: Tower,
        convert: Callable[[sp.Expr], Element],
        parities: Parities,
        poles: Mapping[sp.Expr, int],
    ) -> None:
        self._rotations = Rotations(tower)
        self._parities = parities
        self._field = tower.field
        self._refinements = tower.refinements
        self._convert = convert
        self._poles = poles
        self._known: list[Kernel] = []

    def cosine_sine(self, u: Element) -> Rotation:
        """Cosine and sine of an angle."""
        turn = self._multiple_of_pi(u)
        if turn is not None and not 0 <= turn <= _EIGHTH and not _is_radical(turn):
            return self._reflected(turn)
        u, result = self._without_known_parts(u)
        turn, coefficients = self._combination(u)
        if coefficients is None:
            kernel = self._adjoined(u)
            self._known.append(kernel)
            return self._rotations.after(result, self._multiple(kernel, kernel.order))
        angle = sp.pi * sp.Rational(turn.numerator, turn.denominator)
        fixed = self._convert(sp.cos(angle)), self._convert(sp.sin(angle))
        result = self._rotations.after(result, fixed)
        for kernel, c in zip(self._known, coefficients, strict=True):
            if c:
                n = self._times(kernel, c)
                result = self._rotations.after(result, self._multiple(kernel, n))
        return result

    def _multiple_of_pi(self, u: Element) -> Fraction | None:
        """Return c of c pi."""
        if u.keys() != {UNIT} or len(u[UNIT]) != 1:
            return None
        ((monomial, c),) = u[UNIT].items()
        if sum(monomial) != 1 or self._field.kernels[monomial.index(1)].meaning is not sp.pi:
            return None
        return Fraction(int(c.numerator), int(c.denominator))

    def _reflected(self, turn: Fraction) -> Rotation:
        """Cosine and sine of c pi by those of an angle between 0 and pi/4."""
        turn = turn % 2
        if turn > 1:
            return self._rotations.back(self._reflected(2 - turn))
        if turn > Fraction(1, 2):
            cosine, sine = self._reflected(1 - turn)
            return self._field.scale(cosine, -1), sine
        if turn > _EIGHTH:
            return tuple(reversed(self._reflected(Fraction(1, 2) - turn)))  # type: ignore[return-value]
        return self.cosine_sine(self._field.scale(self._convert(sp.pi), turn))

    def _adjoined(self, u: Element) -> Kernel:
        """Adjoin tan(u/(2N)); at its pole it stands for nothing but u/N = pi mod 2 pi."""
        order = self._poles.get(self._field.meaning(u)) if self._poles else None
        if order is None:
            return adjoin_divided(self._field, self._refinements, "tan", u, _half_tangent)
        meaning = _half_tangent(self._field.meaning(u), order)
        return self._field.adjoin("pole", meaning, order=order, argument=u)

    def _without_known_parts(self, u: Element) -> tuple[Element, Rotation]:
        """Split off multiples of arcs, and of pi by integers that symbols stand for."""
        rotation: Rotation = (self._field.constant(1), {})
        if not self._has_known_parts:
            return u, rotation
        kernels = self._field.kernels
        rest, integers = self._field.ring.zero, self._field.ring.zero
        for monomial, coefficient in u.get(UNIT, self._field.ring.zero).items():
            used = [i for i, e in enumerate(monomial) if e]
            number = Fraction(int(coefficient.numerator), int(coefficient.denominator))
            turned = None
            if len(used) == 1 and kernels[used[0]].kind == "arc" and monomial[used[0]] == 1:
                turned = self._multiple_of_arc(kernels[used[0]], number)
            pi = next((i for i in used if kernels[i].meaning is sp.pi), None)
            if pi is not None and monomial[pi] == 1 and len(used) > 1:
                place = (*monomial[:pi], 0, *monomial[pi + 1 :])
                if self._parities.is_integer(self._field.ring.from_dict({place: coefficient})):
                    integers[place] = coefficient
                    continue
            if turned is None:
                rest[monomial] = coefficient
            else:
                rotation = self._rotations.after(rotation, turned)
        sign = self._parities.power_of_minus_one(integers)
        rotation = tuple(self._field.multiply(sign, part) for part in rotation)  # type: ignore[assignment]
        others = {key: poly for key, poly in u.items() if key != UNIT}
        return (others | {UNIT: rest} if rest else others), rotation

    @property
    def _has_known_parts(self) -> bool:
        """Whether there is anything that could be split off."""
        return any(
            kernel.kind == "arc" or (kernel.kind == "variable" and kernel.meaning.is_integer)
            for kernel in self._field.kernels
        )

    def _multiple_of_arc(self, arc: Kernel, number: Fraction) -> Rotation | None:
        """Cosine and sine of a multiple of an arc, or of its halves, fourths and eighths."""
        halvings = number.denominator.bit_length() - 1
        if number.denominator != 2**halvings or halvings > _MAX_HALVINGS:
            return None
        rotation = arc.rotation
        for _ in range(halvings):
            rotation = self._rotations.half(rotation)
        return self._rotations.power(rotation, number.numerator)

    def _combination(self, u: Element) -> tuple[Fraction, list[Fraction] | None]:
        """Write u as a multiple of pi and a combination of the known angles."""
        if not u:
            return Fraction(0), [Fraction(0)] * len(self._known)
        known = [kernel.argument for kernel in self._known if kernel.argument is not None]
        for kernel in self._field.kernels:
            if kernel.meaning is sp.pi:
                basis = [*known, self._field.generator(kernel)]
                coefficients = combination(self._field, u, basis)
                if coefficients and _is_radical(coefficients[-1]):
                    return coefficients[-1], coefficients[:-1]
        return Fraction(0), combination(self._field, u, known)

    def _times(self, kernel: Kernel, c: Fraction) -> int:
        """Return the n with n u/N = c u."""
        if kernel.kind == "pole" and (c * kernel.order).denominator > 1:
            raise GiveUpError("a fraction of an angle at the pole of its half tangent")
        return multiple_of(self._field, kernel, c)

    def _multiple(self, kernel: Kernel, n: int) -> Rotation:
        """Cosine and sine of n u/N from t = tan(u/(2N)): ((1 + it)^2 / (1 + t^2))^n."""
        if kernel.kind == "pole":
            return self._field.constant((-1) ** abs(n)), {}
        ring, times = self._field.ring, self._field.times
        t = ring.gens[kernel.index]
        unit_cosine, unit_sine = 1 - t**2, 2 * t if n > 0 else -2 * t
        cosine, sine = ring.one, ring.zero
        for _ in range(abs(n)):
            cosine, sine = (
                times(cosine, unit_cosine) - times(sine, unit_sine),
                times(cosine, unit_sine) + times(sine, unit_cosine),
            )
        key = frozenset({(t**2 + 1, abs(n))})
        return {key: cosine}, {key: sine}


def _is_radical(turn: Fraction) -> bool:
    """Tell whether cos(c pi) is written with roots."""
    return turn.denominator in _RADICAL_DENOMINATORS


def _half_tangent(u: sp.Expr, order: int) -> sp.Expr:
    """Write the kernel tan(u/(2N))."""
    return sp.tan(u / (2 * order), evaluate=False)

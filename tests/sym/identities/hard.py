"""Hard ones: nested roots, inverse functions, trigonometric with hyperbolic; some are not zero."""

from __future__ import annotations

from dataclasses import replace

from sympy import (
    Abs,
    Integer,
    Max,
    Piecewise,
    Rational,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cbrt,
    cos,
    cosh,
    erf,
    exp,
    log,
    pi,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)

from .entry import TINY, entries, softplus, t, x, y

plane = sqrt(x**2 + y**2)
cardano = cbrt(x + sqrt(x**2 + 1))
third = Rational(1, 3)
breather = 4 * atan(Rational(4, 3) * cos(3 * t / 5) / cosh(4 * x / 5))
kink = 4 * atan(exp(x))
ellipse = [sqrt((5 * cos(x) + s) ** 2 + 9 * sin(x) ** 2) for s in (-4, 4)]
eleventh = pi / 11

NESTED_ROOTS = {
    "root of 5 + 2 root 6": sqrt(5 + 2 * sqrt(6)) - sqrt(2) - sqrt(3),
    "cube root of 2 + root 5": cbrt(2 + sqrt(5)) - (1 + sqrt(5)) / 2,
    "cube root of 7 + 5 root 2": cbrt(7 + 5 * sqrt(2)) - 1 - sqrt(2),
    "fourth roots of 27 and 3": sqrt(2 * sqrt(3) - 3)
    - (27 ** Rational(1, 4) - 3 ** Rational(1, 4)) / sqrt(2),
    "Ramanujan's cube root": cbrt(cbrt(2) - 1)
    - cbrt(Rational(1, 9))
    + cbrt(Rational(2, 9))
    - cbrt(Rational(4, 9)),
    "Ramanujan's square root": sqrt(cbrt(5) - cbrt(4)) - (cbrt(2) + cbrt(20) - cbrt(25)) / 3,
    "three roots in one": sqrt(10 + sqrt(24) + sqrt(40) + sqrt(60)) - sqrt(2) - sqrt(3) - sqrt(5),
    "Cardano's four": cbrt(26 + 15 * sqrt(3)) + 1 / cbrt(26 + 15 * sqrt(3)) - 4,
    "root within a root": sqrt(x + 2 * sqrt(x - 1)) - 1 - sqrt(x - 1),
    "Cardano's formula": (cardano - 1 / cardano) ** 3 + 3 * (cardano - 1 / cardano) - 2 * x,
    "denesting with parameters": sqrt(x + sqrt(x**2 - y**2))
    - sqrt((x + y) / 2)
    - sqrt((x - y) / 2),
    "root with Abs": sqrt(x**2 + y**2 + 2 * Abs(x * y)) - Abs(x) - Abs(y),
    "foci of an ellipse": ellipse[0] + ellipse[1] - 10,
    "root of one and a sine": sqrt(1 + sin(x)) - Abs(sin(x / 2) + cos(x / 2)),
    "sevenths of a turn": 8 * cos(pi / 7) ** 3 - 4 * cos(pi / 7) ** 2 - 4 * cos(pi / 7) + 1,
    "elevenths of a turn": tan(3 * eleventh) + 4 * sin(2 * eleventh) - sqrt(11),
    "area of a heptagon": sin(pi / 7) * sin(2 * pi / 7) * sin(3 * pi / 7) - sqrt(7) / 8,
}

HARD_INVERSE = {
    "Gauss": 12 * atan(Rational(1, 18))
    + 8 * atan(Rational(1, 57))
    - 5 * atan(Rational(1, 239))
    - pi / 4,
    "acos of the rational circle": acos((1 - x**2) / (1 + x**2)) - 2 * Abs(atan(x)),
    "half of an arc tangent": atan((sqrt(1 + x**2) - 1) / x) - atan(x) / 2,
    "arc tangent of exp": 2 * atan(exp(x)) - atan(sinh(x)) - pi / 2,
    "sum of asinh": sinh(asinh(x) + asinh(y)) - x * sqrt(1 + y**2) - y * sqrt(1 + x**2),
    "tangent of half an asin": tan(asin(x) / 2) - (1 - sqrt(1 - x**2)) / x,
    "twice an acosh": acosh(2 * x**2 - 1) - 2 * acosh(Abs(x)),
    "logarithms of parabolic coordinates": log(plane + x) + log(plane - x) - 2 * log(Abs(y)),
}

MIXED = {
    "sine-Gordon kink": kink.diff(x, 2) - sin(kink),
    "sine-Gordon breather": breather.diff(x, 2) - breather.diff(t, 2) - sin(breather),
    "Mercator's projection": atanh(sin(x)) - log(Abs(tan(x / 2 + pi / 4))),
    "tanh of a logarithm": tanh(log(x) / 2) - (x - 1) / (x + 1),
    "logarithm of cosh": log(cosh(x)) - Abs(x) - softplus(-2 * Abs(x)) + log(2),
}

NOT_ZERO = {
    "Hermite and Ramanujan's constant": exp(pi * sqrt(163)) - 640320**3 - 744,
    "arc tangents add on one branch": atan(x) + atan(y) - atan((x + y) / (1 - x * y)),
    "asin of the rational circle": asin(2 * x / (1 + x**2)) - 2 * atan(x),
    "almost an integer": sqrt(Integer(10) ** 20 + 1) - 10**10 - 1 / Integer(2 * 10**10),
    "2017 times a fifth root": sin(2017 * 2 ** Rational(1, 5)) + 1,
    "denesting on one branch": sqrt(x + 2 * sqrt(x - 1)) - sqrt(x - 2 * sqrt(x - 1)) - 2,
    "acosh of cosh on one branch": acosh(cosh(x)) - x,
    "a millionth apart": Max(x, 0) - Piecewise((0, x < Rational(1, 10**6)), (x, True)),
    "erf of seven": erf(Integer(7)) - 1,
    "shifted circle": sin(x) ** 2 + cos(x + TINY) ** 2 - 1,
}

HARD = [
    *entries("nested roots", NESTED_ROOTS),
    *entries("inverse functions", HARD_INVERSE),
    *entries("trigonometric and hyperbolic", MIXED),
    *(replace(entry, true=False) for entry in entries("almost zero", NOT_ZERO)),
]

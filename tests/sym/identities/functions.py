"""Exponentials, trigonometric and hyperbolic functions, their inverses, sigmoid, soft-plus, erf.

Formulas of DLMF chapter 4 (Abramowitz and Stegun chapter 4), and solutions of equations.
"""

from __future__ import annotations

import sympy as sp
from sympy import (
    Abs,
    Rational,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    cot,
    coth,
    csc,
    erf,
    exp,
    log,
    pi,
    sec,
    sech,
    sign,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)

from .entry import a, b, c, entries, m, sigmoid, softplus, t, x, y, z

half = Rational(1, 2)
heat = exp(-(x**2) / (4 * a)) / sqrt(a)
wave = 1 / (1 + exp(x / sqrt(6))) ** 2

EXPONENTIAL = {
    "sum in the exponent": exp(x + 2 * y - z) - exp(x) * exp(y) ** 2 / exp(z),
    "logarithm of a sum of exponentials": log(exp(x) + exp(y)) - x - log(1 + exp(y - x)),
    "product of two Gaussians": exp(-((x - y) ** 2) / 2) * exp(-((x - z) ** 2) / 2)
    - exp(-((x - (y + z) / 2) ** 2)) * exp(-((y - z) ** 2) / 4),
    "heat kernel": heat.diff(a) - heat.diff(x, 2),
    "Morse's potential": a * (1 - exp(-b * x)) ** 2 - a * (exp(-2 * b * x) - 2 * exp(-b * x)) - a,
    "Bose and Fermi": 1 / (exp(x) - 1) - 2 / (exp(2 * x) - 1) - 1 / (exp(x) + 1),
    "wave of Fisher and Kolmogorov": wave.diff(x, 2)
    + 5 / sqrt(6) * wave.diff(x)
    + wave * (1 - wave),
    "shift of a soft maximum": exp(x) / (exp(x) + exp(y)) - exp(x + z) / (exp(x + z) + exp(y + z)),
    "logarithm of a quotient": log((x**2 + 1) / (x**2 + a)) - log(x**2 + 1) + log(x**2 + a),
    "conjugate logarithms": log(sqrt(x**2 + 1) + x) + log(sqrt(x**2 + 1) - x),
    "logarithm of 360": log(360) - 3 * log(2) - 2 * log(3) - log(5),
    "logarithms of roots": log(sqrt(x**2 + y**2) ** 3 * 8)
    - Rational(3, 2) * log(x**2 + y**2)
    - 3 * log(2),
    "squared exponentials": (exp(x) - exp(y)) ** 2 - exp(x + y) * (exp(x - y) + exp(y - x) - 2),
    "cube root of exp": sp.Pow(exp(x) * exp(2 * y), Rational(1, 3), evaluate=False)
    - exp((x + 2 * y) / 3),
    "Riccati's equation": log(1 + a * exp(b * x)).diff(x, 2)
    + log(1 + a * exp(b * x)).diff(x) ** 2
    - b * log(1 + a * exp(b * x)).diff(x),
}

oscillation = a * cos(m * t) + b * sin(m * t)
damped = exp(-a * t) * sin(m * t)

TRIGONOMETRIC = {
    "cosine of four": cos(4 * x) - 8 * cos(x) ** 4 + 8 * cos(x) ** 2 - 1,
    "fourth power of the sine": sin(x) ** 4 - (3 - 4 * cos(2 * x) + cos(4 * x)) / 8,
    "product of sines": sin(x) * sin(y) - (cos(x - y) - cos(x + y)) / 2,
    "tangent of three": tan(3 * x) - (3 * tan(x) - tan(x) ** 3) / (1 - 3 * tan(x) ** 2),
    "sum of tangents": tan(x) + tan(y) - sin(x + y) / (cos(x) * cos(y)),
    "difference of squared sines": sin(x) ** 2 - sin(y) ** 2 - sin(x + y) * sin(x - y),
    "angles of a triangle": tan(x) + tan(y) + tan(pi - x - y) - tan(x) * tan(y) * tan(pi - x - y),
    "product of doubled cosines": cos(x) * cos(2 * x) * cos(4 * x) - sin(8 * x) / (8 * sin(x)),
    "Dirichlet's kernel": 1
    + 2 * cos(x)
    + 2 * cos(2 * x)
    + 2 * cos(3 * x)
    - sin(Rational(7, 2) * x) / sin(x / 2),
    "cotangent less tangent": cot(x) - tan(x) - 2 * cot(2 * x),
    "secant and cosecant": sec(x) ** 2 + csc(x) ** 2 - sec(x) ** 2 * csc(x) ** 2,
    "half-angle substitution": sin(x) * (1 + tan(x / 2) ** 2) - 2 * tan(x / 2),
    "three phases": cos(x) + cos(x + 2 * pi / 3) + cos(x + 4 * pi / 3),
    "three times sixty degrees": sin(x) * sin(pi / 3 - x) * sin(pi / 3 + x) - sin(3 * x) / 4,
    "sixth powers": sin(x) ** 6 + cos(x) ** 6 - 1 + 3 * sin(x) ** 2 * cos(x) ** 2,
    "damped oscillator": damped.diff(t, 2) + 2 * a * damped.diff(t) + (a**2 + m**2) * damped,
    "energy of the oscillator": oscillation.diff(t) ** 2
    + m**2 * oscillation**2
    - m**2 * (a**2 + b**2),
    "addition on the sphere": (cos(x) * cos(y) + sin(x) * sin(y) * cos(z)) ** 2
    + (sin(x) * cos(y) - cos(x) * sin(y) * cos(z)) ** 2
    + (sin(y) * sin(z)) ** 2
    - 1,
    "eighth of a turn": sin(x + pi / 8) - sin(x) * cos(pi / 8) - cos(x) * sin(pi / 8),
    "fifths of a turn": cos(pi / 5) * cos(2 * pi / 5) - Rational(1, 4),
}

soliton = 2 * a**2 * sech(a * (x - 4 * a**2 * t)) ** 2
kink = tanh(x / sqrt(2))

HYPERBOLIC = {
    "sinh of a sum": sinh(x + y) - sinh(x) * cosh(y) - cosh(x) * sinh(y),
    "tanh of a sum": tanh(x - y) - (tanh(x) - tanh(y)) / (1 - tanh(x) * tanh(y)),
    "cosh of three": cosh(3 * x) - 4 * cosh(x) ** 3 + 3 * cosh(x),
    "sum of cosh": cosh(x) + cosh(y) - 2 * cosh((x + y) / 2) * cosh((x - y) / 2),
    "square of tanh of half": tanh(x / 2) ** 2 - (cosh(x) - 1) / (cosh(x) + 1),
    "coth of twice": coth(2 * x) - (1 + coth(x) ** 2) / (2 * coth(x)),
    "De Moivre": (cosh(x) + sinh(x)) ** 3 - cosh(3 * x) - sinh(3 * x),
    "soliton of Korteweg and de Vries": soliton.diff(t)
    + 6 * soliton * soliton.diff(x)
    + soliton.diff(x, 3),
    "kink": kink.diff(x, 2) - kink**3 + kink,
    "bound state of a well": sech(x).diff(x, 2) - (1 - 2 * sech(x) ** 2) * sech(x),
    "modulus of a complex sine": sin(x) ** 2 + sinh(y) ** 2 - (cosh(2 * y) - cos(2 * x)) / 2,
    "mean number of quanta": coth(x / 2) / 2 - half - 1 / (exp(x) - 1),
    "hyperbolic rotation keeps the interval": (x * cosh(z) + y * sinh(z)) ** 2
    - (x * sinh(z) + y * cosh(z)) ** 2
    - x**2
    + y**2,
    "sinh by tanh": sinh(2 * x) - 2 * tanh(x) / (1 - tanh(x) ** 2),
    "harmonic product": (cos(x) * cosh(y)).diff(x, 2)
    + (cos(x) * cosh(y)).diff(y, 2)
    + (cosh(y) + sinh(y)) * cos(x)
    - exp(y) * cos(x),
}

INVERSE = {
    "sine and cosine": asin(x) + acos(x) - pi / 2,
    "reciprocal in the tangent": atan(x) + atan(1 / x) - pi * sign(x) / 2,
    "sine of twice asin": sin(2 * asin(x)) - 2 * x * sqrt(1 - x**2),
    "cosine of three acos": cos(3 * acos(x)) - 4 * x**3 + 3 * x,
    "tangent of twice atan": tan(2 * atan(x)) - 2 * x / (1 - x**2),
    "asinh by log": asinh(x) - log(x + sqrt(x**2 + 1)),
    "acosh by log": acosh(x) - log(x + sqrt(x**2 - 1)),
    "atanh by log": atanh(x) - log((1 + x) / (1 - x)) / 2,
    "atan by asin": atan(x) - asin(x / sqrt(1 + x**2)),
    "half-angle of acos": acos(x) - 2 * asin(sqrt((1 - x) / 2)),
    "half-angle of asin": asin(x) - 2 * atan(x / (1 + sqrt(1 - x**2))),
    "slope of a shifted atan": atan((x + a) / (1 - a * x)).diff(x) - 1 / (1 + x**2),
    "area under a circle": ((x * sqrt(1 - x**2) + asin(x)) / 2).diff(x) - sqrt(1 - x**2),
    "Gudermann's function": 2 * atan(tanh(x / 2)) - atan(sinh(x)),
    "rapidities add": atanh((tanh(x) + tanh(y)) / (1 + tanh(x) * tanh(y))) - x - y,
    "twice asinh": asinh(2 * x * sqrt(1 + x**2)) - 2 * asinh(x),
    "cosh of twice asinh": cosh(2 * asinh(x)) - 1 - 2 * x**2,
    "acos of the negative": acos(-x) + acos(x) - pi,
    "two arc tangents": atan(half) + atan(Rational(1, 3)) - pi / 4,
    "Machin": 4 * atan(Rational(1, 5)) - atan(Rational(1, 239)) - pi / 4,
    "acosh of cosh": acosh(cosh(x)) - Abs(x),
}

growth = a / (1 + b * exp(-c * t))

SIGMOID = {
    "slope of a scaled sigmoid": sigmoid(a * x).diff(x) - a * sigmoid(a * x) * sigmoid(-a * x),
    "second derivative": sigmoid(x).diff(x, 2)
    - sigmoid(x) * (1 - sigmoid(x)) * (1 - 2 * sigmoid(x)),
    "slope of soft-plus": softplus(x).diff(x) - sigmoid(x),
    "soft-plus, both sides": softplus(a * (x - y)) - softplus(a * (y - x)) - a * (x - y),
    "logarithm of the odds": log(sigmoid(x) / (1 - sigmoid(x))) - x,
    "sum of soft-plus": softplus(x) + softplus(-x) - log(2 + 2 * cosh(x)),
    "logistic growth": growth.diff(t) - c * growth * (1 - growth / a),
    "odds multiply": sigmoid(x + y)
    - sigmoid(x) * sigmoid(y) / (sigmoid(x) * sigmoid(y) + sigmoid(-x) * sigmoid(-y)),
    "tanh of soft-plus": tanh(softplus(x)) - ((1 + exp(x)) ** 2 - 1) / ((1 + exp(x)) ** 2 + 1),
    "logistic density": exp(-x) / (1 + exp(-x)) ** 2 - sech(x / 2) ** 2 / 4,
    "cross-entropy": -y * log(sigmoid(x)) - (1 - y) * log(1 - sigmoid(x)) - softplus(x) + x * y,
    "soft uniform density is even": softplus(b * (x - a))
    + softplus(-b * (x + a))
    - softplus(b * (-x - a))
    - softplus(-b * (a - x)),
}

normal = (1 + erf(x / sqrt(2))) / 2

ERROR = {
    "odd function and Abs": Abs(erf(x)) - erf(Abs(x)),
    "difference of squares in erf": erf(x**2 - y**2) - erf((x - y) * (x + y)),
    "sigmoid of erf": sigmoid(erf(x)) + sigmoid(-erf(x)) - 1,
    "erf of tanh": erf(tanh(x)) - erf((exp(2 * x) - 1) / (exp(2 * x) + 1)),
    "argument that shortens": erf((x**2 - 1) / (x + 1)) - erf(x - 1),
    "third derivative of erf": erf(x).diff(x, 3) - (4 * x**2 - 2) * erf(x).diff(x),
    "Gaussian error unit": (x * normal).diff(x, 2) - (2 - x**2) * exp(-(x**2) / 2) / sqrt(2 * pi),
    "erf of a root": erf(sqrt(x**2 + 2 * x + 1)) - erf(Abs(x + 1)),
    "square of a difference": (erf(x + y) - erf(x - y)) ** 2
    - (erf(x + y) + erf(x - y)) ** 2
    + 4 * erf(y + x) * erf(x - y),
}

FUNCTIONS = [
    *entries("exp and log", EXPONENTIAL),
    *entries("trigonometric", TRIGONOMETRIC),
    *entries("hyperbolic", HYPERBOLIC),
    *entries("inverse functions", INVERSE),
    *entries("sigmoid and soft-plus", SIGMOID),
    *entries("erf", ERROR),
]

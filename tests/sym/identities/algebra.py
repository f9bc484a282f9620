"""Rational functions with parameters, roots, symbolic powers, cases, Abs, Max and Min."""

from __future__ import annotations

import sympy as sp
from sympy import Abs, Max, Min, Piecewise, Rational, exp, log, sign, sqrt

from .entry import a, b, c, d, entries, m, p1, p2, t, u, v, x, y, z

half, third = Rational(1, 2), Rational(1, 3)
fraction = (a * x + b) / (c * x + d)
legendre, hermite = sp.legendre(5, x), sp.hermite(6, x)
s1, s2, s3 = x + y + z, x * y + x * z + y * z, x * y * z

RATIONAL = {
    "three-point interpolation of a square": x**2 / ((x - y) * (x - z))
    + y**2 / ((y - x) * (y - z))
    + z**2 / ((z - x) * (z - y))
    - 1,
    "Brahmagupta": (x**2 + a * y**2) * (u**2 + a * v**2)
    - (x * u - a * y * v) ** 2
    - a * (x * v + y * u) ** 2,
    "partial fractions with parameters": 1 / ((x - a) * (x - b))
    - (1 / (x - a) - 1 / (x - b)) / (a - b),
    "Cauchy determinant": 1 / ((a + c) * (b + d))
    - 1 / ((a + d) * (b + c))
    - (a - b) * (c - d) / ((a + c) * (a + d) * (b + c) * (b + d)),
    "continued fraction": 1 + 1 / (1 + 1 / (1 + 1 / x)) - (3 * x + 2) / (2 * x + 1),
    "difference of seventh powers": (x**7 - y**7) / (x - y)
    - sum(x**i * y ** (6 - i) for i in range(7)),
    "map of order three": 1 / (1 - 1 / (1 - 1 / (1 - x))) - x,
    "Vandermonde": sp.Matrix(4, 4, lambda i, j: (x, y, z, u)[i] ** j).det(method="berkowitz")
    - (y - x) * (z - x) * (u - x) * (z - y) * (u - y) * (u - z),
    "Woodbury": 1 / (a + b * x**2) - 1 / a + x**2 / (a**2 * (1 / b + x**2 / a)),
    "slope of a linear fraction": fraction.diff(x) - (a * d - b * c) / (c * x + d) ** 2,
    "Schwarzian of a linear fraction": fraction.diff(x, 3) / fraction.diff(x)
    - Rational(3, 2) * (fraction.diff(x, 2) / fraction.diff(x)) ** 2,
    "Newton's identity": x**3 + y**3 + z**3 - s1 * (x**2 + y**2 + z**2) + s2 * s1 - 3 * s3,
    "Chebyshev polynomials compose": sp.chebyshevt(6, x) - sp.chebyshevt(2, sp.chebyshevt(3, x)),
    "Legendre's equation": (1 - x**2) * legendre.diff(x, 2)
    - 2 * x * legendre.diff(x)
    + 30 * legendre,
    "Hermite's equation": hermite.diff(x, 2) - 2 * x * hermite.diff(x) + 12 * hermite,
    "rational circle": ((1 - t**2) / (1 + t**2)) ** 2 + (2 * t / (1 + t**2)) ** 2 - 1,
    "relative motion of two masses": p1**2 / (2 * a)
    + p2**2 / (2 * b)
    - (p1 + p2) ** 2 / (2 * (a + b))
    - (b * p1 - a * p2) ** 2 / (2 * a * b * (a + b)),
    "composition of velocities": (x + (y + z) / (1 + y * z)) / (1 + x * (y + z) / (1 + y * z))
    - (x + y + z + x * y * z) / (1 + x * y + x * z + y * z),
    "Euler's triangle of fractions": (x - y) / (1 + x * y)
    + (y - z) / (1 + y * z)
    + (z - x) / (1 + x * z)
    - (x - y) * (y - z) * (z - x) / ((1 + x * y) * (1 + y * z) * (1 + x * z)),
    "precision of two measurements": (x / a + y / b) ** 2 / (1 / a + 1 / b)
    - (x**2 / a + y**2 / b)
    + (x - y) ** 2 / (a + b),
}

discriminant = sqrt(b**2 - 4 * a * x)
root = (-b + discriminant) / (2 * a)
fourth = Rational(1, 4)
energy = sqrt(p1**2 + p2**2 + m**2)
lorentz = sqrt(1 - x**2), sqrt(1 - y**2)
radius = sqrt(x**2 + y**2 + z**2)
plane = sqrt(x**2 + y**2)
cube_root, golden = sp.cbrt(2), (1 + sqrt(5)) / 2

ALGEBRAIC = {
    "root of a quadratic": a * root**2 + b * root + x,
    "product of both roots": root * (-b - discriminant) / (2 * a) - x / a,
    "reciprocal of a sum of roots": 1 / (sqrt(x + 1) + sqrt(x)) - sqrt(x + 1) + sqrt(x),
    "difference of cubes of cube roots": (x**third - y**third)
    * (x ** (2 * third) + x**third * y**third + y ** (2 * third))
    - x
    + y,
    "fourth roots": (x**fourth + y**fourth) * (x**fourth - y**fourth) * (sqrt(x) + sqrt(y)) - x + y,
    "Lorentz factors": (1 + x * y) / (lorentz[0] * lorentz[1])
    - 1 / sqrt(1 - ((x + y) / (1 + x * y)) ** 2),
    "energy and velocity": 1 / sqrt(1 - energy.diff(p1) ** 2 - energy.diff(p2) ** 2) - energy / m,
    "Coulomb's potential is harmonic": sum((1 / radius).diff(s, 2) for s in (x, y, z)),
    "gradient of the radius": radius.diff(x) ** 2 + radius.diff(y) ** 2 + radius.diff(z) ** 2 - 1,
    "half-sums": (sqrt((x + 1) / 2) + sqrt((x - 1) / 2)) ** 2 - x - sqrt(x**2 - 1),
    "product of nested roots": sqrt(1 + sqrt(1 + x**2)) * sqrt(sqrt(1 + x**2) - 1) - Abs(x),
    "parabolic coordinates": (plane + x) * (plane - x) - y**2,
    "root of a fraction": sqrt((1 - x) / (1 + x)) - sqrt(1 - x**2) / (1 + x),
    "tenth power of the golden ratio": golden**10 - 55 * golden - 34,
    "reciprocal in a cubic field": 1 / (1 + cube_root + cube_root**2) - cube_root + 1,
    "three square roots below": 1 / (sqrt(2) + sqrt(3) + sqrt(5))
    - (2 * sqrt(3) + 3 * sqrt(2) - sqrt(30)) / 12,
    "slope of a product with a root": (x * sqrt(a + x**2)).diff(x)
    - (a + 2 * x**2) / sqrt(a + x**2),
    "curvature of a circle": sqrt(a - x**2).diff(x, 2)
    / (1 + sqrt(a - x**2).diff(x) ** 2) ** Rational(3, 2)
    + 1 / sqrt(a),
    "sixth root of a square": (x**2 + 2 * x * y + y**2) ** Rational(1, 6) - Abs(x + y) ** third,
}

homogeneous = (x**2 + y**2) ** (v / 2)

POWERS = {
    "power of a product": (1 + x**2) ** v * (1 + y**2) ** v - (1 + x**2 + y**2 + x**2 * y**2) ** v,
    "Euler's theorem": x * homogeneous.diff(x) + y * homogeneous.diff(y) - v * homogeneous,
    "Laplacian of a power": sum((radius**v).diff(s, 2) for s in (x, y, z))
    - v * (v + 1) * radius ** (v - 2),
    "powers of six": (2**x + 3**x) ** 2 - 4**x - 2 * 6**x - 9**x,
    "powers of two and four": 2**x * 4**y - 2 ** (x + 2 * y),
    "factors of four to the x": (2**x - 1) * (2**x + 1) - 4**x + 1,
    "logarithm in the exponent": a ** log(b) - b ** log(a),
    "exponential of a logarithm": exp(v * log(1 + x**2)) - (1 + x**2) ** v,
    "half exponents": ((1 + x**2) ** (v / 2) + 1) * ((1 + x**2) ** (v / 2) - 1)
    - (1 + x**2) ** v
    + 1,
    "shares of a product": (x**v * y ** (1 - v)).diff(x) * x
    + (x**v * y ** (1 - v)).diff(y) * y
    - x**v * y ** (1 - v),
    "geometric sum of powers": (a ** (3 * x) - 1) / (a**x - 1) - a ** (2 * x) - a**x - 1,
    "binomial with symbolic exponents": (a**x + a**-x) ** 2 - (a**x - a**-x) ** 2 - 4,
}


def relu(s: sp.Expr) -> sp.Expr:
    return Piecewise((s, s > 0), (0, True))


def tent(s: sp.Expr) -> sp.Expr:
    return Piecewise((1 + s, (s > -1) & (s <= 0)), (1 - s, (s > 0) & (s < 1)), (0, True))


huber = Piecewise((x**2 / 2, x**2 <= 1), (Abs(x) - half, True))

CASES = {
    "absolute value": Piecewise((x, x > 0), (-x, True)) - Abs(x),
    "rectifier, both sides": relu(x - y) - relu(y - x) - x + y,
    "rectifier by Abs": relu(x) - (x + Abs(x)) / 2,
    "sign by cases": Piecewise((1, x > 0), (-1, x < 0), (0, True)) - sign(x),
    "maximum by cases": Piecewise((x, x >= y), (y, True)) - Max(x, y),
    "clipping": Piecewise((0, x < 0), (x, x < 1), (1, True)) - Min(Max(x, 0), 1),
    "Huber's function by Max": huber - x**2 / 2 + Max(Abs(x) - 1, 0) ** 2 / 2,
    "one condition in two forms": Piecewise((x, x**2 < 4), (y, True))
    - Piecewise((x, (x > -2) & (x < 2)), (y, True)),
    "a quotient that shortens": Piecewise(((x**2 - 1) / (x - 1), x > 1), (x + 1, True)) - x - 1,
    "steps that make one": Piecewise((1, x**2 + y**2 < 1), (0, True))
    + Piecewise((1, x**2 + y**2 >= 1), (0, True))
    - 1,
    "cases in an exponent": exp(-Piecewise((x, x > 0), (-x, True))) - exp(-Abs(x)),
    "a condition that always holds": Piecewise((x, x**2 - 2 * x + 2 > 0), (7, True)) - x,
    "tents sum to one": (tent(x) + tent(x - 1) - 1) * Piecewise((1, (x > 0) & (x < 1)), (0, True)),
    "product of rectifiers": relu(x) * relu(y) - Piecewise((x * y, (x > 0) & (y > 0)), (0, True)),
    "quadrants": Piecewise((1, x * y > 0), (-1, x * y < 0), (0, True)) - sign(x) * sign(y),
}

ABSOLUTE = {
    "larger and smaller": Max(x, y) * Min(x, y) - x * y,
    "larger by Abs": Max(x, y) - (x + y + Abs(x - y)) / 2,
    "inclusion and exclusion": Max(x, y, z)
    - x
    - y
    - z
    + Min(x, y)
    + Min(x, z)
    + Min(y, z)
    - Min(x, y, z),
    "Abs of a difference of squares": Abs(x**2 - y**2) - Abs(x - y) * Abs(x + y),
    "smaller by larger": Min(x, y) + Max(-x, -y),
    "diagonals of a parallelogram": Abs(x + y) + Abs(x - y) - 2 * Max(Abs(x), Abs(y)),
    "complementary factors": (Abs(x) + x) * (Abs(x) - x),
    "squares of larger and smaller": Max(x, y) ** 2 + Min(x, y) ** 2 - x**2 - y**2,
    "median of three": x
    + y
    + z
    - Max(x, y, z)
    - Min(x, y, z)
    - Max(Min(x, y), Min(y, z), Min(x, z)),
    "exponential of the larger": exp(Max(x, y)) - Max(exp(x), exp(y)),
    "root of a squared difference": sqrt(x**2 - 2 * x * y + y**2) - Max(x, y) + Min(x, y),
    "sign of a cube": sign(x**3 - x) * Abs(x**3 - x) - x**3 + x,
    "logarithm of Abs": log(Abs(x**2 - y**2)) - log(Abs(x - y)) - log(Abs(x + y)),
    "slope of Abs": Abs(x * y) * (x * sign(x) + Abs(y)) - x**2 * Abs(y) - Abs(x) * y**2,
}

ALGEBRA = [
    *entries("rational", RATIONAL),
    *entries("algebraic", ALGEBRAIC),
    *entries("symbolic powers", POWERS),
    *entries("cases", CASES),
    *entries("Abs, Max, Min", ABSOLUTE),
]

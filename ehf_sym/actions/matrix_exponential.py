"""The exponential exp(εM) of a matrix of constants and parameters, exact and in real form.

Over the field K of its entries, one of SymPy's, the characteristic polynomial of each block is a
product of powers of irreducible factors. On the generalized eigenspace of a factor x − a the matrix
is a + N with N nilpotent; on that of (x − α)² + w it is α + K with K² = −w + F and F nilpotent, so
that

    exp(εK) = C(w − F) + K S(w − F),    C(w) = cos(ε√w),  S(w) = sin(ε√w)/√w,

a finite Taylor series in F. C and S are entire in w: cosh and sinh where w is negative. No complex
number occurs, and the matrix may be defective. What these formulas rest on, projectors P_i with
Σ P_i = 1 and f_i(M)^{m_i} P_i = 0 for the factors f_i, is checked in exact arithmetic over K.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import sympy as sp
from sympy.polys.constructor import construct_domain
from sympy.polys.matrices import DomainMatrix
from sympy.polys.polyerrors import BasePolynomialError

_W = sp.Dummy("w")
Wave = tuple[sp.Expr, sp.Expr]
"""An even and an odd function of ε."""
_X = sp.Dummy("x")
_LARGEST_BLOCK = 24
CERTIFICATE = "exact arithmetic: Σ P_i = 1 and f_i(M)^m_i P_i = 0 for the factors f_i"
Term = tuple[sp.Expr, Any]
"""A function of ε and the matrix, over K, that it multiplies."""


class MatrixField:
    """The entries of a matrix over a field K, and elements of K as formulas.

    Examples
    --------
    >>> k = sp.Symbol("k", positive=True)
    >>> field = MatrixField(sp.Matrix([[0, 1 / k]]))
    >>> field.domain, field.expression(field.domain.from_sympy(k + k**2))
    (ZZ(k), k*(k + 1))
    """

    def __init__(self, matrix: sp.MatrixBase) -> None:
        symbols = matrix.free_symbols
        # Numbers such as pi and sqrt(m) are transcendental to K where it has parameters.
        atoms = set().union(*(_irrational(entry) for entry in matrix)) if symbols else set()
        known = {atom: sp.Dummy(f"c{i}", positive=True) for i, atom in enumerate(atoms)}
        self._meaning = {dummy: atom for atom, dummy in known.items()}
        domain, elements = construct_domain(
            [entry.xreplace(known) for entry in matrix],
            field=True,
            extension=None if symbols else True,
        )
        self.domain = domain
        self.matrix = DomainMatrix(
            [elements[i * matrix.cols : (i + 1) * matrix.cols] for i in range(matrix.rows)],
            matrix.shape,
            domain,
        )

    def expression(self, element: Any) -> sp.Expr:
        """Element of K as a formula."""
        return sp.factor(self.domain.to_sympy(element)).xreplace(self._meaning)

    def matrix_expression(self, matrix: Any) -> sp.MatrixBase:
        """Matrix over K as a matrix of formulas."""
        return matrix.to_Matrix().applyfunc(lambda e: sp.factor(e).xreplace(self._meaning))


def _irrational(entry: sp.Expr) -> set[sp.Expr]:
    """Outermost parts that are neither rational numbers nor rational in symbols."""
    if entry.is_Rational or entry.is_Symbol:
        return set()
    if entry.is_Add or entry.is_Mul or (entry.is_Pow and entry.exp.is_Integer):
        return set().union(*(_irrational(arg) for arg in entry.args))
    return {entry}


def wave(eps: sp.Symbol, root: sp.Expr, sign: int) -> Wave:
    """C and S at w = ±root²."""
    if sign > 0:
        return sp.cos(root * eps), sp.sin(root * eps) / root
    return sp.cosh(root * eps), sp.sinh(root * eps) / root


def derivatives(eps: sp.Symbol, root: sp.Expr, sign: int) -> Iterator[Wave]:
    """C and S at w = ±root², and their derivatives by w.

    C' = −εS/2 and S' = (εC − S)/(2w).
    """
    even, odd = wave(eps, root, sign)
    w = sign * root**2

    def derivative(f: Wave) -> Wave:
        of_c, of_s = f
        return (
            of_c.diff(_W) + of_s * eps / (2 * _W),
            of_s.diff(_W) - of_c * eps / 2 - of_s / (2 * _W),
        )

    pair = ((sp.S.One, sp.S.Zero), (sp.S.Zero, sp.S.One))
    while True:
        yield tuple((u * even + v * odd).subs(_W, w) for u, v in pair)
        pair = (derivative(pair[0]), derivative(pair[1]))


def complex_pair(eps: sp.Symbol, a: sp.Expr, b: sp.Expr) -> tuple[Wave, Wave]:
    """Real and scaled imaginary parts of cosh(εz) and sinh(εz)/z, z² = −a/2 + i√(b − a²/4)."""
    modulus = sp.sqrt(b)
    mu, nu = (sp.sqrt((modulus - a / 2) / 2), sp.sqrt((modulus + a / 2) / 2))
    grow, turn = mu * eps, nu * eps
    imaginary = 2 * mu * nu
    ch = sp.cosh(grow) * sp.cos(turn), sp.sinh(grow) * sp.sin(turn)
    sh = sp.sinh(grow) * sp.cos(turn), sp.cosh(grow) * sp.sin(turn)
    even = (ch[0], ch[1] / imaginary)
    odd = (
        (mu * sh[0] + nu * sh[1]) / modulus,
        (mu * sh[1] - nu * sh[0]) / (modulus * imaginary),
    )
    return even, odd


def hyperbolic(up: sp.MatrixBase, down: sp.MatrixBase, u: sp.Expr) -> sp.MatrixBase:
    """Matrices times e^u and e^{−u}, entry by entry."""

    def entry(a: sp.Expr, b: sp.Expr) -> sp.Expr:
        if a == b:
            return 2 * a * sp.cosh(u)
        if a == -b:
            return 2 * a * sp.sinh(u)
        return a * sp.exp(u) + b * sp.exp(-u)

    pairs: Callable[[int, int], sp.Expr] = lambda i, j: entry(up[i, j], down[i, j])  # noqa: E731
    return sp.Matrix(up.rows, up.cols, pairs)


class UnknownSignError(ArithmeticError):
    """The form of the exponential depends on the sign of an expression in parameters.

    Attributes
    ----------
    expression : sympy.Expr
        What has an unknown sign.
    options : tuple of int
        The signs that it may have.
    """

    def __init__(self, expression: sp.Expr, options: tuple[int, ...]) -> None:
        super().__init__(f"the sign of {expression} is unknown")
        self.expression = expression
        self.options = options


class NoClosedFormError(ArithmeticError):
    """An eigenvalue has no expression in real radicals that is known here."""


@dataclass(frozen=True)
class MatrixExponential:
    """The matrix exp(εM).

    Attributes
    ----------
    matrix : sympy.ImmutableMatrix
        Entries are formulas in ε and the parameters.
    frequencies : tuple of sympy.Expr or None
        If exp(εM) is bounded: the angular frequencies of its rotations; otherwise None.
    """

    matrix: sp.ImmutableMatrix
    frequencies: tuple[sp.Expr, ...] | None


def matrix_exponential(
    matrix: sp.MatrixBase, eps: sp.Symbol, signs: Mapping[sp.Expr, int] | None = None
) -> MatrixExponential:
    """Compute exp(εM).

    Parameters
    ----------
    matrix : sympy.Matrix
        Square, its entries exact constants and rational functions of parameters.
    eps : sympy.Symbol
        ε.
    signs : mapping, optional
        Signs (1 or −1) to assume for expressions that an `UnknownSignError` named.

    Raises
    ------
    UnknownSignError
        If a parameter's sign decides between cos and cosh.
    NoClosedFormError
        If the characteristic polynomial has an irreducible factor of degree 3, of degree 4 other
        than x⁴ + ax² + b or that repeated, or of degree above 4.

    Examples
    --------
    >>> eps = sp.Symbol("eps", real=True)
    >>> matrix_exponential(sp.Matrix([[0, 1], [-4, 0]]), eps).matrix
    Matrix([
    [   cos(2*eps), sin(2*eps)/2],
    [-2*sin(2*eps),   cos(2*eps)]])
    """
    size = matrix.rows
    entries = sp.zeros(size, size).as_mutable()
    frequencies: list[sp.Expr] | None = []
    for places in _blocks(matrix):
        block, found = _block_exponential(matrix.extract(places, places), eps, signs or {})
        for i, row in enumerate(places):
            for j, column in enumerate(places):
                entries[row, column] = block[i, j]
        if frequencies is not None:
            frequencies = None if found is None else [*frequencies, *found]
    distinct = None if frequencies is None else tuple(dict.fromkeys(frequencies))
    return MatrixExponential(sp.ImmutableMatrix(entries), distinct)


def _blocks(matrix: sp.MatrixBase) -> Iterator[list[int]]:
    """Group the indices that are coupled with each other."""
    left = set(range(matrix.rows))
    while left:
        group, new = set(), {min(left)}
        while new:
            group |= new
            left -= new
            new = {j for j in left for i in group if matrix[i, j] or matrix[j, i]}
        yield sorted(group)


def _block_exponential(
    block: sp.MatrixBase, eps: sp.Symbol, signs: Mapping[sp.Expr, int]
) -> tuple[sp.MatrixBase, list[sp.Expr] | None]:
    """Exponential of a block, and its frequencies if it is bounded."""
    if block.rows == 1:
        bounded: list[sp.Expr] | None = None if block[0, 0] else []
        return sp.Matrix([[sp.exp(block[0, 0] * eps)]]), bounded
    if block.rows > _LARGEST_BLOCK:
        raise NoClosedFormError(f"a block of size {block.rows} is not attempted")
    field = MatrixField(block)
    problem = _Block(field, eps, signs)
    factors = list(problem.factors())
    problem.certify(factors)
    terms = [term for factor in factors for term in problem.terms(*factor)]
    plain = _added(terms, field, block.rows)
    exponentials = _paired(problem.exponentials, field, eps, block.rows)
    return plain + exponentials, problem.frequencies


class _Block:
    """One block over K and the parts of its exponential."""

    def __init__(self, field: MatrixField, eps: sp.Symbol, signs: Mapping[sp.Expr, int]) -> None:
        self.field = field
        self.eps = eps
        self.signs = signs
        self.one = DomainMatrix.eye(field.matrix.shape[0], field.domain)
        self.exponentials: dict[tuple[sp.Expr, int], Any] = {}
        self.frequencies: list[sp.Expr] | None = []

    def factors(self) -> Iterator[tuple[Any, int, Any]]:
        """Irreducible factors of the characteristic polynomial: factor, multiplicity, projector."""
        domain = self.field.domain
        characteristic = sp.Poly.from_list(self.field.matrix.charpoly(), _X, domain=domain)
        try:
            factors = [(f.monic(), m) for f, m in characteristic.factor_list()[1]]
        except (BasePolynomialError, NotImplementedError) as error:
            raise NoClosedFormError(str(error)) from error
        for factor, multiplicity in factors:
            primary = factor**multiplicity
            cofactor = characteristic.quo(primary)
            inverse = cofactor.invert(primary) if cofactor.degree() else cofactor
            yield factor, multiplicity, self._at(inverse * cofactor)

    def certify(self, factors: Sequence[tuple[Any, int, Any]]) -> None:
        """Check exactly that the projectors are what the formulas assume."""
        rest = self.one
        for factor, multiplicity, projector in factors:
            rest = rest - projector
            if not (self._at(factor**multiplicity) * projector).is_zero_matrix:
                raise NoClosedFormError("a projector is not what it should be")
        if not rest.is_zero_matrix:
            raise NoClosedFormError("the projectors do not add up to 1")

    def _at(self, polynomial: Any) -> Any:
        """Value of a polynomial at the matrix, by Horner's rule."""
        value = self.one * self.field.domain.zero
        for coefficient in polynomial.rep.to_list():
            value = value * self.field.matrix + self.one * coefficient
        return value

    def terms(self, factor: Any, multiplicity: int, projector: Any) -> list[Term]:
        """Part of the exponential on one generalized eigenspace."""
        coefficients = factor.rep.to_list()
        if len(coefficients) == 2:
            self._linear(-coefficients[1], projector)
            return []
        if len(coefficients) == 3:
            return self._quadratic(coefficients, projector)
        biquadratic = len(coefficients) == 5 and not coefficients[1] and not coefficients[3]
        if biquadratic and multiplicity == 1:
            return self._biquadratic(coefficients[2], coefficients[4], projector)
        raise NoClosedFormError(
            f"the characteristic polynomial has the factor {factor.as_expr()}, whose roots are "
            "not written in real radicals here"
        )

    def _linear(self, a: Any, projector: Any) -> None:
        """Eigenvalue a: e^{aε} Σ_l ε^l N^l / l!."""
        rate = self.field.expression(a)
        nilpotent = self.field.matrix - self.one * a
        power, level = projector, 0
        while not power.is_zero_matrix:
            self.exponentials[rate, level] = power
            power, level = nilpotent * power, level + 1
        if level > 1 or rate != 0:
            self.frequencies = None

    def _quadratic(self, coefficients: Sequence[Any], projector: Any) -> list[Term]:
        """Eigenvalues α ± √(−w)."""
        two = self.field.domain.convert(2)
        middle = -coefficients[1] / two
        w = coefficients[2] - middle**2
        shifted = self.field.matrix - self.one * middle
        nilpotent = shifted * shifted + self.one * w
        root, sign = self._root(self.field.expression(w))
        growth = sp.exp(self.field.expression(middle) * self.eps)
        terms: list[Term] = []
        power, level = projector, 0
        for even, odd in derivatives(self.eps, root, sign):
            if power.is_zero_matrix:
                break
            scale = growth * sp.Rational((-1) ** level, sp.factorial(level))
            terms += [(scale * even, power), (scale * odd, shifted * power)]
            power, level = nilpotent * power, level + 1
        self._note_frequency(root if sign > 0 and not middle and level == 1 else None)
        return terms

    def _note_frequency(self, frequency: sp.Expr | None) -> None:
        """Keep a frequency; None: this part is not bounded."""
        if frequency is None or self.frequencies is None:
            self.frequencies = None
        else:
            self.frequencies.append(frequency)

    def _biquadratic(self, a: Any, b: Any, projector: Any) -> list[Term]:
        """Factor x⁴ + ax² + b: functions of Y = M², whose minimal polynomial is y² + ay + b."""
        square = self.field.matrix * self.field.matrix
        a_, b_ = self.field.expression(a), self.field.expression(b)
        root, sign = self._root(sp.factor(a_**2 - 4 * b_))
        # Y = −a/2 + Δ with Δ² = ±root²/4.
        delta = (square + self.one * (a / self.field.domain.convert(2))) * projector
        if sign > 0:
            even, odd = self._real_pair(a_, b_, root)
        else:
            even, odd = complex_pair(self.eps, a_, b_)
            self.frequencies = None
        terms = []
        for (mean, slope), matrix in ((even, self.one), (odd, self.field.matrix)):
            terms += [(mean, matrix * projector), (slope, matrix * delta)]
        return terms

    def _real_pair(self, a: sp.Expr, b: sp.Expr, root: sp.Expr) -> Any:
        """Means and slopes of C(−y) and S(−y) between the real roots y of y² + ay + b."""
        upper, lower = (-a + root) / 2, (-a - root) / 2
        if self._sign(b) < 0:
            parts = [wave(self.eps, sp.sqrt(upper), -1), wave(self.eps, sp.sqrt(-lower), 1)]
            self.frequencies = None
        else:
            kind = self._sign(a)
            roots = [sp.sqrt(-kind * y) for y in (upper, lower)]
            parts = [wave(self.eps, y, kind) for y in roots]
            for y in roots:
                self._note_frequency(y if kind > 0 else None)
        return [((u + v) / 2, (u - v) / root) for u, v in zip(*parts, strict=True)]

    def _root(self, w: sp.Expr) -> tuple[sp.Expr, int]:
        """Square root of |w|, up to its sign, and the sign of w."""
        sign = self._sign(w)
        # Everything built from it is even in the root.
        return sp.sqrt(sp.factor(sign * w)).replace(sp.Abs, lambda u: u), sign

    def _sign(self, w: sp.Expr) -> int:
        """Sign of an expression that is not identically zero."""
        if w in self.signs:
            return self.signs[w]
        if w.is_positive or w.is_negative:
            return 1 if w.is_positive else -1
        possible = {1: w.is_nonpositive, -1: w.is_nonnegative, 0: w.is_nonzero}
        raise UnknownSignError(w, tuple(s for s, excluded in possible.items() if not excluded))


def _added(terms: Sequence[Term], field: MatrixField, size: int) -> sp.MatrixBase:
    """Sum of functions times matrices."""
    parts = [field.matrix_expression(matrix) * function for function, matrix in terms]
    return reduce(lambda a, b: a + b, parts, sp.zeros(size, size))


def _paired(
    exponentials: Mapping[tuple[sp.Expr, int], Any], field: MatrixField, eps: sp.Symbol, size: int
) -> sp.MatrixBase:
    """Sum of ε^l e^{aε}/l! times matrices, with cosh and sinh where a and −a meet evenly."""
    total = sp.zeros(size, size)
    left = {key: field.matrix_expression(matrix) for key, matrix in exponentials.items()}
    while left:
        (rate, level), matrix = left.popitem()
        opposite = left.pop((sp.factor(-rate), level), None) if rate != 0 else None
        scale = eps**level / sp.factorial(level)
        if opposite is None:
            total += matrix * (scale * sp.exp(rate * eps))
        else:
            total += hyperbolic(matrix, opposite, rate * eps) * scale
    return total

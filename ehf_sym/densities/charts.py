"""Smooth coordinates on the parameters for which a formula is a density."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sympy import Dummy, Expr, MutableDenseMatrix, Poly, S, Symbol, cancel, expand, factor, hessian
from sympy.polys.polyerrors import BasePolynomialError

from ehf_sym.densities.base_density import BaseDensity
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.printing import quoted

# Whatever else is assumed of a symbol (integer, nonzero, …) leaves no open interval to move in.
_RANGES = {
    word: Symbol("x", **{word: True}, finite=True).assumptions0
    for word in ("positive", "nonnegative", "negative", "nonpositive", "real")
}


@dataclass(frozen=True)
class Chart:
    """Parameters θ as smooth functions of coordinates that move freely in their intervals.

    Attributes
    ----------
    parameters : tuple of sympy.Symbol
        θ, the parameters of the density's space.
    coordinates : tuple of sympy.Symbol
        One for each parameter: the parameter itself, or a symbol in its stead. Each ranges over all
        real numbers, or over those of one sign: `sign_of` says which.
    values : tuple of sympy.Expr
        θ as formulas in the coordinates.
    solved : tuple of (sympy.Symbol, sympy.Expr)
        The inverse: coordinates that are no parameters, each in its parameter and in coordinates
        that come before it or are parameters.

    Examples
    --------
    A precision matrix of two unknown variances stays positive definite whatever the coordinates:

    >>> from ehf_sym import GaussianFamily, PhaseSpace
    >>> chart = chart_of(GaussianFamily(PhaseSpace(1)))
    >>> chart.parameters, chart.values
    ((P1_1, P1_2, P2_2), (P1_1, P1_2, _P2_2 + P1_2**2/P1_1))
    >>> [sign_of(symbol) for symbol in chart.coordinates]
    [1, 0, 1]
    """

    parameters: tuple[Symbol, ...]
    coordinates: tuple[Symbol, ...]
    values: tuple[Expr, ...]
    solved: tuple[tuple[Symbol, Expr], ...]


def range_of(symbol: Symbol) -> str:
    """Return the one word that is assumed of a symbol, such as "positive".

    Raises
    ------
    ArgumentError
        If something else is assumed, that leaves it no interval to move in.
    """
    for word, assumed in _RANGES.items():
        if symbol.assumptions0 == assumed:
            return word
    raise ArgumentError(
        f"base has the parameter {symbol} with assumptions that leave it no interval to move in; "
        f"it should be one of {', '.join(_RANGES)} and nothing else, or have a value: "
        "base.with_values({...})"
    )


def parameter(name: str, assumed: str) -> Symbol:
    """Make the parameter that `range_of` gives this word for.

    Raises
    ------
    ArgumentError
        If there is no such word.
    """
    if assumed not in _RANGES:
        raise ArgumentError(f"{name} is assumed {assumed!r}; it should be one of {list(_RANGES)}")
    return Symbol(name, **{assumed: True})


def sign_of(symbol: Symbol) -> int:
    """Return 1 or -1 for symbols of one sign, 0 for those that are any real number."""
    if symbol.is_nonnegative:
        return 1
    return -1 if symbol.is_nonpositive else 0


def chart_of(base: BaseDensity, positive: Iterable[Expr] = ()) -> Chart:
    """Find coordinates on the parameters of a density that keep all that is assumed of them.

    For a Gaussian the precision matrix stays positive definite too: its elimination is followed,
    and each pivot that could be negative is solved for a parameter and becomes a coordinate (what
    Cholesky's factors are for the family of all precision matrices).

    Parameters
    ----------
    base : BaseDensity
        On the space of the parameters.
    positive : iterable of sympy.Expr
        What has to be positive besides, formulas in the parameters.

    Raises
    ------
    ArgumentError
        If something is assumed of a parameter that leaves it no interval to move in, or a condition
        cannot be kept by solving for one parameter.
    """
    parameters = tuple(base.space.parameters)
    for symbol in parameters:
        range_of(symbol)
    elimination = _Elimination(parameters)
    diagonal: tuple[Expr, ...] = ()
    if is_quadratic(base):
        precision = (-hessian(base.log_density, base.space.linear)).applyfunc(expand)
        diagonal = tuple(precision.diagonal())
        elimination.run(precision.as_mutable())
    chart = elimination.chart()
    replaced = dict(zip(parameters, chart.values, strict=True))
    solved = [x for x in parameters if replaced[x] != x and x not in diagonal]
    assumed = [sign_of(x) * x for x in solved if sign_of(x)]
    for condition in (*positive, *assumed):
        if not factor(cancel(condition.xreplace(replaced))).is_positive:
            raise ArgumentError(
                f"base is a density only where 0 < {quoted(condition)}, which is not "
                "implied by what is "
                "assumed of its parameters; write it with parameters of which it is"
            )
    return chart


def is_quadratic(base: BaseDensity) -> bool:
    """Whether a log density is a polynomial of degree at most 2 in the coordinates.

    Examples
    --------
    >>> from ehf_sym import GaussianFamily, PhaseSpace
    >>> is_quadratic(GaussianFamily(PhaseSpace(1)))
    True
    """
    try:
        return bool(Poly(base.log_density, *base.space.coordinates).total_degree() <= 2)
    except BasePolynomialError:
        return False


class _Elimination:
    """Gauss elimination during which entries are solved for parameters."""

    def __init__(self, parameters: tuple[Symbol, ...]) -> None:
        self._parameters = parameters
        self._open = list(parameters)  # those that entries may still be solved for
        self._values: dict[Symbol, Expr] = {x: x for x in parameters}
        self._coordinates: dict[Symbol, Symbol] = {x: x for x in parameters}
        self._solved: list[tuple[Symbol, Expr]] = []

    def run(self, rows: MutableDenseMatrix) -> None:
        """Make every pivot positive."""
        rows = rows.copy()
        for k in range(rows.rows):
            if not rows[k, k].is_positive:
                rows = self._solve(rows, k, k, sorted(self._open, key=lambda x: abs(sign_of(x))))
            self._settle(rows[k, k])
            for j in range(k + 1, rows.rows):
                # With a coordinate for each entry beside the pivot, formulas stay short.
                if rows[k, j].is_Add:
                    rows = self._solve(rows, k, j, [x for x in self._open if not sign_of(x)])
            for i in range(k + 1, rows.rows):
                if rows[k, i] != 0:
                    ratio = rows[k, i] / rows[k, k]
                    rows[i, :] = (rows[i, :] - ratio * rows[k, :]).applyfunc(expand)

    def chart(self) -> Chart:
        """Return what was found."""
        return Chart(
            self._parameters,
            tuple(self._coordinates.values()),
            tuple(self._values.values()),
            tuple(self._solved),
        )

    def _solve(
        self, rows: MutableDenseMatrix, i: int, j: int, candidates: list[Symbol]
    ) -> MutableDenseMatrix:
        """Make entry (i, j) a coordinate, in place of a parameter that it is affine in.

        A pivot has to become one; entries beside it are left where none is found.
        """
        entry = rows[i, j]
        for x in candidates:
            slope = entry.diff(x)
            if not (slope.is_positive or slope.is_negative) or slope.has(x):
                continue
            new = Dummy(x.name, **({"positive": True} if i == j else {"real": True}))
            value = expand((new - entry.xreplace({x: S.Zero})) / slope)
            self._settle(entry)
            self._solved.append((new, entry))
            self._coordinates[x] = new
            self._values = {y: v.xreplace({x: value}) for y, v in self._values.items()}
            result = rows.xreplace({x: value}).applyfunc(expand)
            result[i, j] = result[j, i] = new
            return result
        if i == j and not entry.free_symbols:
            raise ArgumentError(
                f"base cannot be normalized: a pivot of its precision matrix is "
                f"{quoted(entry)}, for all "
                "values of its parameters"
            )
        if i == j:
            raise ArgumentError(
                f"base is Gaussian only where 0 < {quoted(entry)}, which is not implied by what is "
                "assumed of its parameters and cannot be solved for one; write it with positive "
                "parameters"
            )
        return rows

    def _settle(self, entry: Expr) -> None:
        """Leave the parameters of a pivot as they are from here on."""
        self._open = [x for x in self._open if not entry.has(x)]

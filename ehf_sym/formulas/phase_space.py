"""Canonical coordinates q1..qd, p1..pd, the Poisson bracket and Hamiltonian vector fields.

A space may have parameters: constants of unknown value, which an `Assignment` gives one. Some of
its positions may be angles, coordinates modulo 2π.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sympy import Add, Expr, ImmutableMatrix, MatrixBase, Symbol, latex

from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.printing import quoted
from ehf_sym.formulas.validation import (
    listed,
    validate_formula,
    validate_parameters,
    whole_number,
)

_MOST_POSITIONS = 2048
# Of all that follows from an assumption, what is named first.
_TELLING = ("positive", "negative", "nonnegative", "nonpositive", "nonzero", "integer")


@dataclass(frozen=True)
class PhaseSpace:
    """Phase space of dimension 2d with canonical coordinates s = (q, p).

    Parameters
    ----------
    dim : int
        Number d of positions, at least 1.
    parameters : sequence of sympy.Symbol, optional
        Constants of unknown value that formulas may contain, such as masses: real symbols, with
        whatever else is assumed of them (positive, integer). Brackets treat them as numbers, and
        what is proved holds for every value that the assumptions allow. Kept as a tuple.
    angles : sequence of int, str or sympy.Symbol, or bool, optional
        Which positions are angles, modulo 2π: their indices from 0, or their names or symbols. True
        is all, False none. Kept as an ascending tuple of indices. Functions on the space, such as
        generators and densities, have to be 2π-periodic in each;
        brackets are local, and ask for nothing.

    Attributes
    ----------
    q, p : tuple of sympy.Symbol
        Positions ``q1..qd`` and momenta ``p1..pd``, real.
    coordinates : tuple of sympy.Symbol
        ``q + p``, length 2d.

    Raises
    ------
    ArgumentError
        If ``dim`` is not a positive integer, a parameter is no real symbol or has the name of a
        coordinate, a function, a constant or another parameter, or an angle is no position or is
        given twice.

    Examples
    --------
    >>> space = PhaseSpace(2)
    >>> q, p = space.q, space.p
    >>> space.bracket(q[0] * p[1] - q[1] * p[0], q[0])
    q2

    An oscillator of unknown mass:

    >>> from sympy import Symbol
    >>> m = Symbol("m", positive=True)
    >>> space = PhaseSpace(1, parameters=[m])
    >>> space.bracket(space.q[0], space.p[0] ** 2 / (2 * m))
    p1/m

    A pendulum, whose position is an angle:

    >>> PhaseSpace(1, angles=["q1"])
    PhaseSpace(dim=1, angles=(0,))
    """

    dim: int
    parameters: Sequence[Symbol] = ()
    angles: Any = ()  # given in many ways, kept as a tuple of int

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", whole_number(self.dim, "dim"))
        if self.dim > _MOST_POSITIONS:
            raise ArgumentError(
                f"dim is {self.dim}; it should be at most {_MOST_POSITIONS}: formulas in more "
                "coordinates are not decided in bounded time"
            )
        object.__setattr__(self, "parameters", validate_parameters(self.parameters))
        object.__setattr__(self, "angles", self._read_angles(self.angles))

    @cached_property
    def q(self) -> tuple[Symbol, ...]:
        """Positions q1..qd, real symbols."""
        return tuple(Symbol(f"q{i + 1}", real=True) for i in range(self.dim))

    @cached_property
    def p(self) -> tuple[Symbol, ...]:
        """Momenta p1..pd, real symbols."""
        return tuple(Symbol(f"p{i + 1}", real=True) for i in range(self.dim))

    @cached_property
    def coordinates(self) -> tuple[Symbol, ...]:
        """All 2d coordinates, positions first."""
        return self.q + self.p

    @property
    def angular(self) -> tuple[Symbol, ...]:
        """The positions that are angles."""
        return tuple(self.q[i] for i in self.angles)

    @property
    def linear(self) -> tuple[Symbol, ...]:
        """The coordinates that are no angles: other positions, then momenta."""
        return tuple(x for x in self.coordinates if x not in self.angular)

    def _repr_latex_(self) -> str:
        """LaTeX for notebooks."""
        shown = rf"s = ({', '.join(map(latex, self.coordinates))})"
        if self.angles:
            shown += rf",\; {', '.join(map(latex, self.angular))} \bmod 2\pi"
        return f"${shown}$"

    def __mul__(self, other: PhaseSpace) -> PhaseSpace:
        """Joint phase space: the other's coordinates come after this one's, parameters are shared.

        Raises
        ------
        ArgumentError
            If two different parameters have one name.

        Examples
        --------
        >>> PhaseSpace(2) * PhaseSpace(1)
        PhaseSpace(dim=3)
        """
        if not isinstance(other, PhaseSpace):
            return NotImplemented
        parameters = dict.fromkeys((*self.parameters, *other.parameters))
        angles = (*self.angles, *(self.dim + i for i in other.angles))
        return PhaseSpace(self.dim + other.dim, tuple(parameters), angles)

    def renamed(self, shift: int) -> dict[Symbol, Symbol]:
        """Map each coordinate to its name in a joint space, after ``shift`` others.

        Parameters
        ----------
        shift : int
            How many positions come before.

        Returns
        -------
        dict
            For `sympy.Basic.xreplace`.

        Raises
        ------
        ArgumentError
            If ``shift`` is no integer, or negative.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> (space.q[0] * space.p[0]).xreplace(space.renamed(2))
        p3*q3
        """
        joint = PhaseSpace(whole_number(shift, "shift", least=0) + self.dim)
        return dict(zip(self.coordinates, joint.q[shift:] + joint.p[shift:], strict=True))

    def __repr__(self) -> str:
        shown = f", parameters={self.parameters}" if self.parameters else ""
        shown += f", angles={self.angles}" if self.angles else ""
        return f"PhaseSpace(dim={self.dim}{shown})"

    def bracket(self, f: Any, g: Any) -> Expr:
        """Poisson bracket {f,g} = Σ_i ∂f/∂q_i ∂g/∂p_i − ∂f/∂p_i ∂g/∂q_i.

        Parameters
        ----------
        f, g : sympy.Expr or int or vector
            Formulas in this space. A vector is a list, a tuple or a one-column or one-row matrix;
            its bracket is taken componentwise, a scalar partner goes with every component.

        Returns
        -------
        sympy.Expr or sympy.ImmutableMatrix
            A scalar for two scalars, otherwise a column. Nothing is simplified.

        Raises
        ------
        FormulaError
            If a formula does not belong to this space (see `validate`).
        ArgumentError
            If two vectors differ in length.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> (q1,), (p1,) = space.q, space.p
        >>> space.bracket(q1, p1)
        1
        >>> space.bracket([q1, p1], p1**2 / 2).T
        Matrix([[p1, 0]])
        """
        left = self._operand(f, "f")
        right = self._operand(g, "g")
        if not isinstance(left, list) and not isinstance(right, list):
            return self._bracket(left, right)
        if not isinstance(left, list):
            left = [left] * len(right)
        if not isinstance(right, list):
            right = [right] * len(left)
        if len(left) != len(right):
            raise ArgumentError(
                f"f has {len(left)} components and g has {len(right)}; "
                "two vectors must have equal length"
            )
        values = [self._bracket(a, b) for a, b in zip(left, right, strict=True)]
        return ImmutableMatrix(len(values), 1, values)

    def vector_field(self, f: Any) -> ImmutableMatrix:
        """Hamiltonian vector field {s, f} = (∂f/∂p, −∂f/∂q).

        Parameters
        ----------
        f : sympy.Expr or int
            A formula in this space.

        Returns
        -------
        sympy.ImmutableMatrix
            Column of 2d components: q̇ above ṗ.

        Raises
        ------
        FormulaError
            If ``f`` does not belong to this space.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> (q1,), (p1,) = space.q, space.p
        >>> space.vector_field((q1**2 + p1**2) / 2).T
        Matrix([[p1, -q1]])
        """
        formula = self.validate(f, "f")
        components = [formula.diff(p) for p in self.p] + [-formula.diff(q) for q in self.q]
        return ImmutableMatrix(2 * self.dim, 1, components)

    def infinitesimal(self, f: Any, eps: Any) -> ImmutableMatrix:
        """Infinitesimal transformation T_f^ε(s) = s + ε{s, f}.

        Parameters
        ----------
        f : sympy.Expr or int
            The formula that generates the transformation.
        eps : sympy.Expr or int
            ε: an exact real number, or a real symbol that is not a coordinate.

        Returns
        -------
        sympy.ImmutableMatrix
            Column of 2d components, positions first.

        Raises
        ------
        FormulaError
            If ``f`` does not belong to this space, or ``eps`` is no exact real number or symbol.

        Examples
        --------
        >>> from sympy import Symbol
        >>> space = PhaseSpace(1)
        >>> space.infinitesimal(space.p[0], Symbol("eps", real=True)).T
        Matrix([[eps + q1, p1]])
        """
        step = eps if isinstance(eps, Symbol) else self.validate(eps, "eps")
        names = {symbol.name for symbol in self.coordinates}
        if any(symbol.name in names or not symbol.is_real for symbol in step.free_symbols):
            raise FormulaError(
                f"eps is {quoted(eps)}; it should be an exact number, or a real symbol "
                "foreign to the space"
            )
        point = ImmutableMatrix(2 * self.dim, 1, list(self.coordinates))
        return point + step * self.vector_field(f)

    def validate(self, expr: Any, name: str = "f") -> Expr:
        """Admit a formula into this space: the door that every public function uses.

        Parameters
        ----------
        expr : sympy.Expr or int or fractions.Fraction
            The candidate.
        name : str
            What messages call it.

        Returns
        -------
        sympy.Expr
            The formula in SymPy's evaluated form (``2*(q1 + 1)`` becomes ``2*q1 + 2``), so that it
            reads back from text as the same expression.

        Raises
        ------
        FormulaError
            If it is no scalar expression, holds a float or a symbol foreign to this space, or takes
            non-real or infinite values.

        Examples
        --------
        >>> space = PhaseSpace(1)
        >>> space.validate(space.q[0] ** 2)
        q1**2
        >>> space.validate(0.5 * space.q[0])
        Traceback (most recent call last):
        ...
        ehf_sym.errors.FormulaError: f contains the float 0.5, which is not exact; write
        Rational(1, 2), or pass nsimplify(f, rational=True)
        """
        return validate_formula(expr, self.q, self.p, name, tuple(self.parameters))

    def _read_angles(self, given: Any) -> tuple[int, ...]:
        """Read which positions are angles."""
        if isinstance(given, bool):
            return tuple(range(self.dim)) if given else ()
        places = {symbol.name: i for i, symbol in enumerate(self.q)}
        angles = []
        for k, item in enumerate(listed(given, "angles")):
            place: Any = places.get(item.name if isinstance(item, Symbol) else item, item)
            if isinstance(item, bool) or isinstance(place, str | Symbol):
                place = self.dim
            place = whole_number(place, f"angles[{k}]", least=0)
            if place >= self.dim or place in angles:
                why = "is given twice" if place in angles else "is no position"
                raise ArgumentError(
                    f"angles[{k}] is {quoted(item)}, which {why}; angles should hold different "
                    f"indices from 0 to {self.dim - 1}, or names from q1 to q{self.dim}"
                )
            angles.append(place)
        return tuple(sorted(angles))

    def _operand(self, value: Any, name: str) -> Any:
        """Validate a scalar, or each component of a vector."""
        if isinstance(value, MatrixBase):
            if 1 not in value.shape:
                raise ArgumentError(
                    f"{name} is a matrix of shape {value.shape}; it should be a scalar or a vector"
                )
            value = list(value)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return [self.validate(item, f"{name}[{i}]") for i, item in enumerate(value)]
        return self.validate(value, name)

    def _bracket(self, f: Expr, g: Expr) -> Expr:
        """Bracket of two validated scalars."""
        in_f, in_g = f.free_symbols, g.free_symbols
        pairs = [
            pair
            for pair in zip(self.q, self.p, strict=True)
            if not in_f.isdisjoint(pair) and not in_g.isdisjoint(pair)
        ]
        return Add(*(f.diff(q) * g.diff(p) - f.diff(p) * g.diff(q) for q, p in pairs))


@dataclass(frozen=True)
class Assignment:
    """Values of parameters, and the space without these.

    Attributes
    ----------
    space : PhaseSpace
        Its parameters are those without a value.
    values : dict
        Parameter to value, a formula in the remaining parameters.
    """

    space: PhaseSpace
    values: Mapping[Symbol, Expr]

    def __call__(self, formula: Expr) -> Expr:
        """Put the values into a formula."""
        return formula.xreplace(dict(self.values))

    def __str__(self) -> str:
        return ", ".join(f"{symbol} = {quoted(value)}" for symbol, value in self.values.items())


def assign(space: PhaseSpace, values: Mapping[Symbol, Any]) -> Assignment:
    """Check values for parameters.

    Parameters
    ----------
    space : PhaseSpace
        Whose parameters they are for.
    values : mapping from sympy.Symbol to sympy.Expr or int or fractions.Fraction
        Exact numbers, or formulas in the parameters that get no value.

    Returns
    -------
    Assignment

    Raises
    ------
    ArgumentError
        If a key is no parameter of the space, or a value contradicts what is assumed of it.
    FormulaError
        If a value is no exact, real formula in the remaining parameters.

    Examples
    --------
    >>> m, k = Symbol("m", positive=True), Symbol("k", real=True)
    >>> given = assign(PhaseSpace(1, parameters=(m, k)), {m: 2})
    >>> given.space, given(m * k)
    (PhaseSpace(dim=1, parameters=(k,)), 2*k)
    """
    if not isinstance(values, Mapping):
        raise ArgumentError(f"values is {quoted(values)}; it should map parameters to their values")
    foreign = [key for key in values if key not in space.parameters]
    if foreign:
        own = ", ".join(map(str, space.parameters)) or "none"
        raise ArgumentError(
            f"values has the key {foreign[0]!r}; it should hold parameters of the space, which "
            f"has {own}"
        )
    rest = replace(space, parameters=tuple(a for a in space.parameters if a not in values))
    bare = {key: rest.validate(value, f"values[{key}]") for key, value in values.items()}
    for symbol, value in bare.items():
        if value.free_symbols.intersection(space.coordinates):
            raise ArgumentError(
                f"values[{symbol}] is {quoted(value)}; it should not hold coordinates"
            )
        if assumption := contradicted(symbol, value):
            raise ArgumentError(
                f"values[{symbol}] is {quoted(value)}; {symbol} is assumed {assumption}"
            )
    return Assignment(rest, bare)


def contradicted(symbol: Symbol, value: Expr) -> str | None:
    """Find an assumption on a symbol that a value is known not to satisfy.

    Examples
    --------
    >>> contradicted(Symbol("m", positive=True), -Symbol("k", positive=True))
    'positive'
    """
    assumed = symbol.assumptions0
    for key in (*(word for word in _TELLING if word in assumed), *assumed):
        if getattr(value, f"is_{key}", None) is (not assumed[key]):
            return key if assumed[key] else f"not {key}"
    return None

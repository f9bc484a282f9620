"""Base densities as formulas, with what is known of them exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any

from sympy import Add, Expr, Mul, Piecewise, Pow, Symbol, exp, expand_log, log, pi

from ehf_sym.densities.factorization import find_factors
from ehf_sym.densities.gaussian import Gaussian, find_gaussian, log_integral
from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.phase_space import PhaseSpace, assign
from ehf_sym.formulas.printing import formula_latex, quoted, record_text
from ehf_sym.zero.periodicity import function_on
from ehf_sym.zero.zero_test import is_zero


@dataclass(frozen=True)
class BaseDensity:
    """Base density π(q, p), given by the formula of ln π up to a constant.

    Parameters
    ----------
    space : PhaseSpace
        The coordinates.
    log_density : sympy.Expr
        ln π(q, p) up to a constant, in nats.
    log_normalizer : sympy.Expr or int, optional
        ln Z with ln π = log_density − ln Z, a constant: over one turn of each angle. Computed
        exactly for a Gaussian, uniform on the angles if there are any; otherwise None unless given.

    Attributes
    ----------
    name : str
        What reports call it.

    Raises
    ------
    ArgumentError
        If ``space`` is not a `PhaseSpace`.
    FormulaError
        If a formula is not exact, not real or not of this space, not 2π-periodic in an angle, or
        the given normalizer is not the Gaussian's.
    UndecidedError
        If it is not known whether it is periodic.

    Examples
    --------
    >>> space = PhaseSpace(1)
    >>> (q,), (p,) = space.q, space.p
    >>> BaseDensity(space, log_density=-q**2 - p**2 / 4).log_normalizer
    log(2) + log(pi)
    """

    space: PhaseSpace
    _: KW_ONLY
    log_density: Expr
    log_normalizer: Expr | None = None
    name: str = field(default="user's formula", compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.space, PhaseSpace):
            raise ArgumentError(f"space is {quoted(self.space)}; it should be a PhaseSpace")
        formula = function_on(self.space, self.log_density, "log_density")
        object.__setattr__(self, "log_density", formula)
        if self.log_normalizer is None:
            object.__setattr__(self, "log_normalizer", self._gaussian_normalizer())
        else:
            given = self._checked_normalizer(self.log_normalizer)
            object.__setattr__(self, "log_normalizer", given)

    @classmethod
    def from_density(
        cls, space: PhaseSpace, density: Any, *, log_normalizer: Any = None
    ) -> BaseDensity:
        """Make a base density from the formula of π itself, up to a factor.

        Parameters
        ----------
        space : PhaseSpace
            The coordinates.
        density : sympy.Expr
            π(q, p), positive, up to a constant factor.
        log_normalizer : sympy.Expr or int, optional
            ln of the integral of ``density``.

        Returns
        -------
        BaseDensity
            Its ``log_density`` is ln π with products, powers and exponentials written out.

        Raises
        ------
        FormulaError
            If ``density`` is not a formula of this space, or is nowhere positive.

        Examples
        --------
        >>> from sympy import exp
        >>> space = PhaseSpace(1)
        >>> (q,), (p,) = space.q, space.p
        >>> BaseDensity.from_density(space, exp(-(q**2 + p**2) / 2)).log_density
        -p1**2/2 - q1**2/2
        """
        formula = space.validate(density, "density")
        if formula.is_nonpositive:
            raise FormulaError(f"density is {quoted(formula)}; it should be positive")
        return cls(space, log_density=_exact_log(formula), log_normalizer=log_normalizer)

    def gaussian(self) -> Gaussian | None:
        """Mean and precision if this density is Gaussian, found exactly from its formula.

        Returns
        -------
        Gaussian or None
            None unless the formula is proved to be a quadratic polynomial with negative definite
            Hessian; so never on a space with angles.

        Examples
        --------
        >>> from ehf_sym import StandardNormal
        >>> StandardNormal(PhaseSpace(1)).gaussian().precision
        Matrix([
        [1, 0],
        [0, 1]])
        """
        return self._gaussian

    def factors(self) -> tuple[Expr, ...] | None:
        """One formula a coordinate, together summing to the log density, if it factorizes.

        Returns
        -------
        tuple of sympy.Expr or None
            2d formulas in the order of ``space.coordinates``, each in its coordinate alone; None
            unless the factorization is proved.

        Examples
        --------
        >>> from ehf_sym import StandardNormal
        >>> StandardNormal(PhaseSpace(1)).factors()
        (-q1**2/2, -p1**2/2)
        """
        return self._factors

    def __mul__(self, other: BaseDensity) -> BaseDensity:
        """Product density on the joint phase space, the other's coordinates after this one's.

        Its normalizer is known where both are.

        Examples
        --------
        >>> from ehf_sym import SoftUniform, StandardNormal
        >>> product = StandardNormal(PhaseSpace(1)) * SoftUniform(PhaseSpace(1))
        >>> product.space, product.name
        (PhaseSpace(dim=2), 'standard normal x soft-uniform(width=5, sharpness=10)')
        """
        if not isinstance(other, BaseDensity):
            return NotImplemented
        formula = other.log_density.xreplace(other.space.renamed(self.space.dim))
        normalizers = self.log_normalizer, other.log_normalizer
        return BaseDensity(
            self.space * other.space,
            log_density=self.log_density + formula,
            log_normalizer=None if None in normalizers else Add(*normalizers),
            name=self.name if self.name == other.name else f"{self.name} x {other.name}",
        )

    __repr__ = record_text

    def _repr_latex_(self) -> str:
        r"""LaTeX for notebooks: ``\ln π = …``."""
        normalizer = self.log_normalizer
        ln_z = r"\ln Z" if normalizer is None else rf"\left({formula_latex(normalizer)}\right)"
        return rf"$\ln \pi = {formula_latex(self.log_density)} - {ln_z}$"

    def with_values(self, values: Mapping[Symbol, Any]) -> BaseDensity:
        """Give parameters of the space values.

        Parameters
        ----------
        values : mapping from sympy.Symbol to sympy.Expr or int or fractions.Fraction
            Exact numbers, or formulas in the parameters that get no value.

        Returns
        -------
        BaseDensity
            On the space without these parameters.

        Raises
        ------
        ArgumentError
            If a key is no parameter of the space, or a value contradicts what is assumed of it.
        FormulaError
            If a value is no exact, real formula in the remaining parameters.

        Examples
        --------
        >>> a = Symbol("a", positive=True)
        >>> space = PhaseSpace(1, parameters=[a])
        >>> base = BaseDensity(space, log_density=-a * (space.q[0] ** 2 + space.p[0] ** 2) / 2)
        >>> base.log_normalizer
        -log(a) + log(2) + log(pi)
        >>> base.with_values({a: 4}).log_density
        -2*p1**2 - 2*q1**2
        """
        assignment = assign(self.space, values)
        normalizer = self.log_normalizer
        return BaseDensity(
            assignment.space,
            log_density=assignment(self.log_density),
            log_normalizer=None if normalizer is None else assignment(normalizer),
            name=f"{self.name} at {assignment}" if values else self.name,
        )

    @cached_property
    def _gaussian(self) -> Gaussian | None:
        """See `gaussian`."""
        if self.space.angles:
            return None
        return find_gaussian(self.space.coordinates, self.log_density)

    @cached_property
    def _factors(self) -> tuple[Expr, ...] | None:
        """See `factors`."""
        return find_factors(self.space, self.log_density)

    def _gaussian_normalizer(self) -> Expr | None:
        """Exact ln Z of a Gaussian, uniform on angles; None for any other density."""
        linear, formula = self.space.linear, self.log_density
        if not formula.free_symbols.isdisjoint(self.space.angular):
            return None
        gaussian = find_gaussian(linear, formula)
        if gaussian is None:
            return None
        turns = len(self.space.angles) * log(2 * pi)
        return log_integral(linear, formula, gaussian) + turns

    def _checked_normalizer(self, given: Any) -> Expr:
        """Admit the user's ln Z: a constant, and the Gaussian's if this is one."""
        value = self.space.validate(given, "log_normalizer")
        if value.free_symbols.intersection(self.space.coordinates):
            raise FormulaError(f"log_normalizer is {quoted(value)}; it should be a constant")
        exact = self._gaussian_normalizer()
        if exact is not None and is_zero(value - exact).refuted:
            raise FormulaError(
                f"log_normalizer is {quoted(value)}; for this Gaussian it should be {quoted(exact)}"
            )
        return value


def _exact_log(density: Expr) -> Expr:
    """Logarithm of a positive formula with products, real powers and exponentials written out."""
    if isinstance(density, Piecewise) and not any(v.is_nonpositive for v, _ in density.args):
        return Piecewise(*((_exact_log(value), condition) for value, condition in density.args))
    logs, rest = [], []
    for factor in Mul.make_args(density):
        base, power = factor.as_base_exp()
        if isinstance(factor, exp):
            logs.append(factor.args[0])
        elif isinstance(factor, Pow) and base.is_positive:
            logs.append(power * _exact_log(base))
        elif factor.is_positive:
            logs.append(expand_log(log(factor)))
        else:
            rest.append(factor)
    return Add(*logs, log(Mul(*rest)))

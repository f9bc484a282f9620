"""Targets known by their energy: densities e^−S(q) up to a constant.

S is a formula, of which it is proved that the symmetry keeps it, or an object that computes it,
of which a wrong slope or a broken symmetry is looked for at states of the base.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol, runtime_checkable

import autograd.numpy as anp
import numpy as np
import sympy as sp
from autograd.extend import defvjp, primitive
from autograd.tracer import isbox

from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.formula_energy import FormulaEnergy
from ehf_num.targets.linear_forms import ThroughForms, with_gradient
from ehf_sym import FiniteSymmetry, InvarianceError, LieAlgebra, PhaseSpace, to_numpy
from ehf_sym.errors import ArgumentError, FormulaError
from ehf_sym.formulas.printing import quoted
from ehf_sym.symmetry.symmetry import AnySymmetry, as_symmetry
from ehf_sym.zero.periodicity import function_on

_STEP = 1e-5  # of differences, times the width of the states; at least
_SLOPE = 1e-4  # relative, of differences
_BROKEN = 1e-7  # relative, of a bracket: rounding of float64 is far below
_STRAIGHT = 1e-4  # of the width: what is no parabola over so little is rounding
_ROUNDINGS = 30  # that a comparison may be off by
_SHOWN = 8  # coordinates of a state in a message


@runtime_checkable
class TargetEnergy(Protocol):
    """S(q), the energy of a density e^−S, in units of k_B T, as code."""

    def value(self, x: Array, /) -> Array:
        """Evaluate S: (n, d) to (n,); infinite where there is no density."""

    def gradient(self, x: Array, /) -> Array:
        """Evaluate ∂S/∂q: (n, d) to (n, d)."""


@dataclass(frozen=True, eq=False)
class KnownEnergy:
    """S(q) as models use it. Made by `known_energy`.

    Attributes
    ----------
    given : sympy.Expr or TargetEnergy
        What the user gave.
    value, gradient : callable
        (n, d) to (n,), on the tape too, and to (n, d).
    """

    given: Any
    value: Callable[[Any], Any] = field(compare=False, repr=False)
    gradient: Callable[[Array], Array] = field(compare=False, repr=False)

    def in_units(self, shift: Array, scale: Array) -> KnownEnergy:
        """Return S(scale z + shift) − ln det scale, of z: e^− of it has the integral of e^−S.

        Parameters
        ----------
        shift, scale : ndarray, shapes (d,) and (d, d)
            In the units of q; scale symmetric and positive definite.

        Examples
        --------
        >>> import ehf_sym as es
        >>> space = es.PhaseSpace(1)
        >>> S = known_energy(space.q[0] ** 2, space, None, np.zeros((1, 2)))
        >>> moved = S.in_units(np.array([1.0]), np.array([[2.0]]))
        >>> moved.value(np.array([[3.0]])) + np.log(2), moved.gradient(np.array([[3.0]]))
        (array([49.]), array([[28.]]))
        """
        log_volume = float(np.linalg.slogdet(scale)[1])
        return KnownEnergy(
            self.given,
            lambda z: self.value(z @ scale + shift) - log_volume,
            lambda z: self.gradient(z @ scale + shift) @ scale,
        )

    def fault(self, q: Array) -> str | None:
        """Name the first state where S is not finite, or its slope; None where all are."""
        with np.errstate(all="ignore"):
            found = {"S": np.asarray(self.value(q)), "∂S/∂q": self.gradient(q).sum(axis=1)}
        for what, values in found.items():
            bad = np.flatnonzero(~np.isfinite(values))
            if len(bad):
                return f"{what} was {values[bad[0]]} at q = {state_text(q[bad[0]])}"
        return None


def state_text(q: Array) -> str:
    """Write one state (d,) for a message.

    Examples
    --------
    >>> state_text(np.array([0.5, -1 / 3]))
    '(0.5, -0.333333)'
    """
    more = ", …" if len(q) > _SHOWN else ""
    return f"({', '.join(f'{x:.6g}' for x in q[:_SHOWN])}{more})"


def known_energy(
    S: Any, space: PhaseSpace, symmetry: AnySymmetry | None, states: Array
) -> KnownEnergy:
    """Admit an energy for a model, or refuse it before any work.

    Parameters
    ----------
    S : sympy.Expr or TargetEnergy
        A formula of the positions with exact numbers, or an object.
    space : PhaseSpace
        Of the model.
    symmetry : LieAlgebra, FiniteSymmetry, Symmetry or None
        What has to keep S.
    states : ndarray, shape (n, 2d)
        Where an object is tried.

    Raises
    ------
    ehf_sym.InvarianceError
        If {g, S} = 0 is not proved for a formula and some generator g, with the witness.
    ehf_sym.FormulaError
        If a formula is not exact, or is of more or less than the positions.
    ehf_sym.ArgumentError
        If S is neither, its gradient is not its slope, or an object breaks the symmetry.

    Examples
    --------
    >>> import ehf_sym as es
    >>> so2 = es.groups.so(2)
    >>> q1, q2 = so2.space.q
    >>> known_energy(q1**2 + q2**2, so2.space, so2, np.zeros((1, 4))).value(np.ones((1, 2)))
    array([2.])
    """
    bare = replace(space, parameters=())
    if isinstance(S, sp.Basic):
        energy = FormulaEnergy(function_on(bare, _of_positions(S, bare), "S"), bare)
        if symmetry is not None:
            _prove(energy, symmetry)
        through = with_gradient(to_numpy(energy.formula, bare.q))
        if not isinstance(through, ThroughForms):
            return KnownEnergy(S, partial(energy.value, []), partial(energy.gradient, []))
        energy_of = _OfObject(_OfForms(energy, through))
        return KnownEnergy(S, energy_of.value, energy_of.gradient)
    if isinstance(S, type) or not isinstance(S, TargetEnergy):
        way = " (ehf_sym.parse(text, space) reads one)" if isinstance(S, str) else ""
        raise ArgumentError(
            f"S was {S!r}; it should be a formula of {bare.q[0]}, …{way}, or an object with "
            "value(x), (n, d) to (n,), and gradient(x), (n, d) to (n, d)"
        )
    energy_of = _OfObject(S)
    _hold_to_slope(energy_of, states[:, : space.dim])
    if symmetry is not None:
        _look_at_symmetry(energy_of, symmetry, states)
    return KnownEnergy(S, energy_of.value, energy_of.gradient)


def _of_positions(S: sp.Basic, space: PhaseSpace) -> sp.Basic:
    """Admit a formula of positions alone, some of them at least."""
    known = {x.name for x in space.coordinates}
    others = sorted((x for x in S.free_symbols if x.name not in known), key=str)
    if others:
        raise FormulaError(
            f"S contains {others[0]}, which is no position; it should be given an exact value "
            f"first, such as S.subs({others[0]}, 2)"
        )
    momenta = sorted(S.free_symbols.intersection(space.p), key=str)
    if momenta or not S.free_symbols:
        fault = f"depends on {momenta[0]}" if momenta else "is constant"
        raise FormulaError(f"S was {quoted(S)}, which {fault}; it should be of positions alone")
    return S


def _prove(energy: Any, symmetry: AnySymmetry) -> None:
    """Have {g, S} = 0 proved for every generator, or refuse."""
    proof = energy.invariance(symmetry, "q")
    if not proof.proved:
        claim = proof.report.claim.replace("π", "S")
        raise InvarianceError(
            f"S is not proved to be kept by the symmetry, {claim} is {proof.report.status}:\n"
            f"{proof.report}",
            proof.report,
        )


@dataclass(frozen=True, eq=False)
class _OfForms:
    """A formula of many linear forms as an object, whose gradient goes through them."""

    energy: FormulaEnergy
    through: ThroughForms

    def value(self, q: Array) -> Array:
        return np.asarray(self.energy.value([], q))

    def gradient(self, q: Array) -> Array:
        return self.through(q)[:, 1:]


@dataclass(frozen=True, eq=False)
class _OfObject:
    """An object's value and gradient, held to their shapes, on the tape."""

    given: TargetEnergy

    def value(self, q: Any) -> Any:
        return _value(q, of=self) if isbox(q) else self.values(q)

    def values(self, q: Array) -> Array:
        return self._called("value", q, (len(q),))

    def gradient(self, q: Array) -> Array:
        return self._called("gradient", q, q.shape)

    def _called(self, name: str, q: Array, shape: tuple[int, ...]) -> Array:
        found = np.asarray(getattr(self.given, name)(q))
        if found.shape != shape or found.dtype.kind not in "fiu":
            raise ArgumentError(
                f"S.{name} returned shape {found.shape}, dtype {found.dtype}, for x of shape "
                f"{q.shape}; it should be numbers of shape {shape}"
            )
        return found.astype(q.dtype, copy=False)


@primitive  # type: ignore[untyped-decorator]
def _value(q: Array, of: _OfObject) -> Array:
    return of.values(q)


defvjp(
    _value,
    lambda _answer, q, of: lambda bar: anp.expand_dims(bar, 1) * of.gradient(q),
    argnums=(0,),
)


def _rounding(f: Callable[[Array], Array], q: Array) -> float:
    """Find how far values are rounded, relative to them: 1e-16, or 1e-7 where float32 is within."""
    step = _STRAIGHT * float(np.std(q) or 1.0) * np.random.default_rng(1).standard_normal(q.shape)
    with np.errstate(all="ignore"):
        far, near, here, back = (np.asarray(f(q + k * step)) for k in (2, 1, 0, -1))
        shares = np.abs(far - 3 * near + 3 * here - back) / (np.abs(here) + np.finfo(float).tiny)
    shares = shares[np.isfinite(shares)]
    single = np.array_equal(here.astype(np.float32), here, equal_nan=True)
    least = float(np.finfo(np.float32 if single else np.float64).eps)
    return max(least, float(np.median(shares))) if len(shares) else least


def _hold_to_slope(energy: _OfObject, q: Array) -> None:
    """Refuse an object whose gradient is not the slope of its value at most of the states."""
    direction = np.random.default_rng(0).standard_normal(q.shape)
    with np.errstate(all="ignore"):
        here, terms = energy.values(q), energy.gradient(q) * direction
        noise = _rounding(energy.given.value, q) * np.abs(here)
        width, large = float(np.std(q) or 1.0), np.abs(terms).sum(axis=1)
        wanted = np.cbrt(noise / (large * width + noise + np.finfo(float).tiny))
        share = float(np.clip(np.median(np.nan_to_num(wanted, nan=_STEP)), _STEP, 1e-2))
        step = share * width
        ends = [energy.values(q + sign * step * direction) for sign in (1, -1)]
        slope, given = (ends[0] - ends[1]) / (2 * step), terms.sum(axis=1)
        scale = large + np.abs(slope) + _SLOPE
        off = np.maximum(np.abs(slope - given) - 4 * noise / step, 0) / scale
    looked = np.isfinite(off)
    if looked.any() and np.median(off[looked]) > _SLOPE + 10 * (share**2 - _STEP**2):
        worst = int(np.argmax(np.where(looked, off, -1)))
        raise ArgumentError(
            f"S was {energy.given!r}, whose gradient is not the slope of its value: at q = "
            f"{state_text(q[worst])} along a random direction the slope is {slope[worst]:.6g}, "
            f"the gradient's {given[worst]:.6g}"
        )


def _look_at_symmetry(energy: _OfObject, symmetry: AnySymmetry, states: Array) -> None:
    """Ask an object for its proof, or look for states where {g, S} is not 0."""
    prove = getattr(energy.given, "invariance", None)
    whole = as_symmetry(symmetry)
    if callable(prove):
        proof = prove(symmetry if isinstance(symmetry, LieAlgebra) else whole, "q")
        if not proof.proved:
            raise ArgumentError(
                f"S was {energy.given!r}; it is not proved to be kept by the symmetry:\n{proof}"
            )
        return
    if whole is not None and whole.algebra is not None:
        _look_at_brackets(energy, whole.algebra, states)
    if whole is not None and whole.finite is not None:
        _look_at_maps(energy, whole.finite, states)


def _look_at_maps(energy: _OfObject, finite: FiniteSymmetry, states: Array) -> None:
    """Look for states where S(Aq) is not S(q)."""
    q = states[:, : finite.space.dim]
    allowed = max(_BROKEN, _ROUNDINGS * _rounding(energy.given.value, q))
    with np.errstate(all="ignore"):
        before = energy.values(q)
        for label, A in zip(finite.labels, finite.generators, strict=True):
            gap = energy.values(q @ np.array(A.evalf().tolist(), q.dtype).T) - before
            broken = np.isfinite(gap) & (np.abs(gap) > allowed * (1 + np.abs(before)))
            if broken.any():
                row = int(np.argmax(broken))
                raise ArgumentError(
                    f"S was {energy.given!r}, which the symmetry does not keep: {label} changes it "
                    f"by {gap[row]:.6g} at q = {state_text(q[row])}, where it is {before[row]:.6g}"
                )


def _look_at_brackets(energy: _OfObject, symmetry: LieAlgebra, states: Array) -> None:
    """Look for states where {g, S} is not 0."""
    dim = symmetry.space.dim
    fields = to_numpy(symmetry.generators, symmetry.space.coordinates).gradient(states)
    with np.errstate(all="ignore"):
        terms = fields[:, :, dim:] * energy.gradient(states[:, :dim])[:, np.newaxis]
        brackets, scale = -terms.sum(axis=2), np.abs(terms).sum(axis=2)
    allowed = max(_BROKEN, _ROUNDINGS * _rounding(energy.given.gradient, states[:, :dim]))
    limit = allowed * scale + np.finfo(float).tiny
    broken = np.isfinite(brackets) & (np.abs(brackets) > limit)
    if broken.any():
        row, k = np.argwhere(broken)[0]
        raise ArgumentError(
            f"S was {energy.given!r}, which the symmetry does not keep: {{{symmetry.labels[k]}, S}}"
            f" = {brackets[row, k]:.6g} at q = {state_text(states[row, :dim])}, where its terms "
            f"add up to {scale[row, k]:.6g} in absolute value"
        )

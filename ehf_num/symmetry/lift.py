"""Point transformations of q with p carried along: densities of q that bend no momenta."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import autograd.numpy as anp
import numpy as np
import sympy as sp
from autograd.tracer import isbox

from ehf_num.engine.arguments import positive_integer
from ehf_num.engine.networks import Weights, sigmoid, softplus
from ehf_num.engine.tape import constant
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.implicit import InversionError, root
from ehf_num.hamiltonian.integrators import (
    Equivariance,
    WithWeights,
    Wrapped,
    admit_integrator,
    equivariance,
    in_place,
    initial,
    learned,
    rotation,
)
from ehf_num.symmetry.orbit_sum import Layout, OrbitSum, admit_sum_of_positions
from ehf_sym import FiniteSymmetry, LieAlgebra, PhaseSpace
from ehf_sym.errors import ArgumentError

_FLAT = -3.0  # softplus of it: learning starts near a dilation
_SMOOTH = 1e-4  # added to |w|²
_MOST = 0.98  # of what convexity leaves to c
_ROUNDS, _ENOUGH = 200, 1e-10  # of Newton's method; what is left there, relative
_OF_EACH = 5  # arrays of one map


@dataclass(frozen=True, eq=False)
class Lifted(WithWeights):
    r"""An integrator, and after it maps of q alone, with p carried along: learned, equivariant.

    The inverse of each is (q, p) ↦ (∂Φ(q), (∂²Φ(q))⁻¹ p) with the convex function

    .. math:: Φ(q) = e^t \Big(\tfrac12 |q|^2 + \sum_w \big(ψ(|w|) - \tfrac{c}{2} |w|^2\big)\Big),
        \quad ψ'(r) = \sum_k a_k \big(σ(\tfrac{r - b_k}{s_k}) + σ(\tfrac{r + b_k}{s_k}) - 1\big)

    over the windows w = W q of an `OrbitSum`; t, and for each kind of window a, s > 0, b and
    0 < c < 1/λ, λ the largest eigenvalue of Σ WᵀW, are learned. Canonical, whence symplectic. It
    changes the law of q as a normalizing flow does, and where p | q was normal it is normal again:
    kicks and drifts that do the same bend it. Encoders are given where the Hamiltonians find q, and
    their momenta are carried along. Densities take no iteration, and draws Newton's method.

    Every symmetry that turns q and p alike and keeps each |w|, or exchanges windows by orthogonal
    matrices, is kept exactly; models refuse others.

    Parameters
    ----------
    integrator : Integrator
        What comes before.
    energy : OrbitSum
        Whose windows: one form each, or such that the connected group keeps |w| alone.
    maps : int
        How many of these maps there are after each Hamiltonian of a chain.
    units : int
        Number of terms of ψ', at first evenly up to the energy's ``reach``.

    Raises
    ------
    ehf_sym.ArgumentError
        If an argument is not as described.

    Examples
    --------
    >>> import ehf_sym as es
    >>> from ehf_num.hamiltonian.integrators import Leapfrog
    >>> frame = es.Particles(4, 2).relative()
    >>> lifted = Lifted(Leapfrog(), OrbitSum.pairs(frame))
    >>> print(lifted.equivariance(frame.rotations()))
    the map commutes with the symmetry where it turns q and p alike and keeps every |w|
      L_12: proved
    """

    energy: OrbitSum
    maps: int = 2
    units: int = 12

    def __post_init__(self) -> None:
        admit_integrator(self.integrator)
        admit_sum_of_positions(self.energy)
        if self.energy.space.angles or not _of_lengths(self.energy):
            raise ArgumentError(
                f"energy was {self.energy!r:.200}, some of whose invariants are no function of "
                "|w| alone; its windows should be one separation or form each, and no angles"
            )
        for name in ("maps", "units"):
            object.__setattr__(self, name, positive_integer(getattr(self, name), name))

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Return of each map a, b, s, c and t, before what bounds them, and what the rest has."""
        kinds, reach = self.energy.layout.kinds, self.energy.reach
        each = (
            np.full((kinds, self.units), _FLAT, dtype),
            np.tile(np.linspace(0, reach, self.units + 1, dtype=dtype)[1:], (kinds, 1)),
            np.full((kinds, self.units), np.log(reach / self.units), dtype),
            np.zeros((kinds, 1), dtype),
            np.zeros(1, dtype),
        )
        own = [array.copy() for _ in range(self.maps) for array in each]
        return [*own, *initial(self.integrator, rng, dtype)]

    def at(self, weights: Sequence[Any]) -> _Lifts:
        """Put the weights in place."""
        cut = _OF_EACH * self.maps
        maps = tuple(
            _Lift(self.energy.layout, weights[k : k + _OF_EACH]) for k in range(0, cut, _OF_EACH)
        )
        return _Lifts(in_place(self.integrator, weights[cut:]), maps)

    @property
    def carries(self) -> bool:
        """It does."""
        return True

    def coefficients(self, weights: Sequence[Any]) -> dict[str, float]:
        """Return what the integrator learned."""
        return learned(self.integrator, weights[_OF_EACH * self.maps :])

    def equivariance(self, symmetry: LieAlgebra) -> Equivariance:
        """Decide whether every generator turns q and p alike and keeps every |w|."""

        def defects(space: PhaseSpace, g: sp.Expr) -> Any:
            yield from rotation(space, g)
            if not self.energy.invariance(symmetry, "q").proved:
                for row in self.energy.orbits.rows:
                    w = row.window * sp.Matrix(space.q)
                    yield space.bracket(g, w.dot(w))

        condition = "it turns q and p alike and keeps every |w|"
        own = equivariance(symmetry, condition, defects, in_the_limit=False)
        inner = super().equivariance(symmetry)
        return own if inner.proved or not own.proved else inner

    def commutes_with(self, finite: FiniteSymmetry) -> bool:
        """Whether every matrix of a finite group exchanges the windows: proved."""
        kept = self.energy.invariance(finite, "q").proved
        return kept and super().commutes_with(finite)


def _of_lengths(energy: OrbitSum) -> bool:
    """Whether |w|² is a function of the invariants of a window."""
    if energy.orbits.forms == 1:
        return True
    found = energy.features.quadratics
    if found is None or len(found.forms) != 1 or found.slopes.any():
        return False
    form = found.forms[0]
    return bool(np.allclose(form, form[0, 0] * np.eye(len(form))))


@dataclass(frozen=True, eq=False)
class _Lift:
    """∂Φ with its weights."""

    layout: Layout
    weights: Weights
    _kept: list[Any] = field(default_factory=list, init=False)

    def gradient(self, q: Any) -> Any:
        """Evaluate ∂Φ: (n, d) to (n, d)."""
        return self.both(q)[0]

    def carried(self, q: Any, p: Any) -> tuple[Any, Any]:
        """Evaluate (∂Φ(q), (∂²Φ(q))⁻¹ p)."""
        slope, hessian = self.both(q)
        back = anp.linalg.solve(hessian, anp.expand_dims(p, 2))
        return slope, anp.reshape(back, p.shape).astype(q.dtype)

    def undone(self, q: Any, p: Any) -> tuple[Any, Any]:
        """Undo `carried`."""
        found, hessian = self._search(constant(q))
        x = root(partial(_gap, np.linalg.inv(hessian)), self, [q], found, "Lifted")
        back = anp.matmul(self.both(x)[1], anp.expand_dims(p, 2))
        return x, anp.reshape(back, p.shape)

    def both(self, q: Any) -> tuple[Any, Any]:
        """Evaluate ∂Φ and ∂²Φ: (n, d) to (n, d) and (n, d, d).

        On the tape once for the encoder and the flow: there, no weight changes in place.
        """
        if not isbox(self.weights[0]):
            return self._evaluated(q)
        if not self._kept or self._kept[0] is not q:
            self._kept[:] = q, self._evaluated(q)
        found: tuple[Any, Any] = self._kept[1]
        return found

    def _evaluated(self, q: Any) -> tuple[Any, Any]:
        count, dtype, number = len(q), q.dtype, q.dtype.type
        forms = self.layout.forms.astype(dtype, copy=False)
        rows, size, dim = forms.shape
        squares = np.einsum("rmi,rmj->rij", forms, forms).reshape(rows, dim * dim)
        most = _MOST / np.linalg.eigvalsh(squares.sum(axis=0).reshape(dim, dim))[-1]
        kinds = self.layout.one_hot[0].astype(dtype, copy=False)
        *of_kinds, log_scale = self.weights
        a, b, s, c = (anp.dot(kinds, each) for each in of_kinds)
        height, narrow = softplus(a), anp.exp(-s)
        flat = forms.reshape(rows * size, dim)
        w = anp.reshape(anp.dot(q, flat.T), (count, rows, size))
        square = anp.sum(w * w, axis=2) + number(_SMOOTH)
        r = anp.sqrt(square)
        far = anp.expand_dims(r, 2)
        above, below = sigmoid((far - b) * narrow), sigmoid((far + b) * narrow)
        pull = anp.sum((above + below - 1) * height, axis=2) / r
        steep = above * (1 - above) + below * (1 - below)
        curve = (anp.sum(steep * (height * narrow), axis=2) - pull) / square
        pull = pull - number(most) * anp.reshape(sigmoid(c), (rows,))
        moved = anp.reshape(w * anp.expand_dims(pull, 2), (count, rows * size))
        along = anp.einsum("nrm,rmi->nri", w, forms)
        outer = anp.matmul(anp.swapaxes(along, 1, 2), along * anp.expand_dims(curve, 2))
        hessian = np.eye(dim, dtype=dtype) + outer
        hessian = hessian + anp.reshape(anp.dot(pull, squares), (count, dim, dim))
        scale = anp.exp(log_scale)
        return scale * (q + anp.dot(moved, flat)), scale * hessian

    def _search(self, y: Array) -> tuple[Array, Array]:
        """Find x with ∂Φ(x) = y, and ∂²Φ(x), by Newton's method with steps that help."""
        plain = replace(self, weights=[np.asarray(constant(w), np.float64) for w in self.weights])
        y64 = y.astype(np.float64)
        x, share = y64.copy(), np.ones((len(y), 1))
        slope, hessian = plain.both(x)
        size = np.abs(y64 - slope).max(axis=1, keepdims=True)
        for _ in range(_ROUNDS):
            if not (size > _ENOUGH * (1 + np.abs(y64).max(axis=1, keepdims=True))).any():
                return x.astype(y.dtype), hessian.astype(y.dtype)
            step = np.linalg.solve(hessian, (y64 - slope)[:, :, np.newaxis])[:, :, 0]
            at_slope, at_hessian = plain.both(x + share * step)
            now = np.abs(y64 - at_slope).max(axis=1, keepdims=True)
            better = now < size
            x = np.where(better, x + share * step, x)
            slope = np.where(better, at_slope, slope)
            hessian = np.where(better[:, :, np.newaxis], at_hessian, hessian)
            size = np.where(better, now, size)
            share = np.where(better, np.minimum(1, 2 * share), share / 2)
        raise InversionError(f"Lifted found no root in {_ROUNDS} rounds: its weights are extreme")


def _gap(inverse: Array, lift: _Lift, arguments: Sequence[Any], z: Any) -> Any:
    """Evaluate M (∂Φ(z) − y), M the inverse of ∂²Φ near the root: its slope is near 1 there."""
    (y,) = arguments
    return anp.reshape(anp.matmul(inverse, anp.expand_dims(lift.gradient(z) - y, 2)), z.shape)


@dataclass(frozen=True, eq=False)
class _Lifts(Wrapped):
    """An integrator and maps after it, with weights in place."""

    maps: tuple[_Lift, ...]

    def forward(self, hamiltonian: Any, q: Any, p: Any) -> tuple[Any, Any]:
        q, p = self.integrator.forward(hamiltonian, q, p)
        for lift in self.maps:
            q, p = lift.undone(q, p)
        return q, p

    def inverse(self, hamiltonian: Any, q: Any, p: Any) -> tuple[Any, Any]:
        for lift in reversed(self.maps):
            q, p = lift.carried(q, p)
        back: tuple[Any, Any] = self.integrator.inverse(hamiltonian, q, p)
        return back

    def carried_back(self, q: Any, carrier: Any) -> tuple[Any, Any]:
        for lift in reversed(self.maps):
            q, hessian = lift.both(q)
            carrier = anp.matmul(carrier, hessian)
        return super().carried_back(q, carrier)

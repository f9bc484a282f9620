"""Gaussian encoders made of sums over windows: momenta turn and are exchanged along with q."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import autograd.numpy as anp
import numpy as np
import sympy as sp

from ehf_num.engine.arguments import one_of, positive_integer
from ehf_num.engine.log_space import HALF_LOG_2PI
from ehf_num.engine.networks import Weights, affine, init_relu, softplus
from ehf_num.engine.workspace import Array
from ehf_num.symmetry.orbit_sum import OrbitSum, admit_sum_of_positions, kind_biases
from ehf_num.symmetry.windows import halves
from ehf_sym import Symmetry
from ehf_sym.errors import ArgumentError, EHFError
from ehf_sym.exact.functions import coordinates
from ehf_sym.symmetry.frames import affine_velocities, rotation_matrices

_SHIFT = -3.0  # softplus(−3) = 0.05: widths start near those of N(0, 1)
_SMOOTH = 0.01  # added to |w|² in r̂ = w/|w|
_SMALL = 0.1
_NEGLIGIBLE = 1e-10  # singular values of forms, of the largest


@dataclass(frozen=True, eq=False)
class OrbitEncoder:
    r"""h(p|q) = N(∂_q Φ(q), Λ(q)⁻¹): Φ a sum over windows, Λ a number or such a sum as well.

    The mean is the slope of an invariant function, and so moves with q under every orthogonal
    matrix that leaves Φ alone. With ``precision="windows"``,

    .. math:: Λ(q) = s^2 T \Big(1 + \sum_w W_w^T (α_w 1 + β_w \hat w \hat w^T) W_w\Big) T + γ P,
              \quad \hat w = w/|w|, \quad T = 1 - P

    where w = W_w q, and α, β, γ > 0 are networks of a window's invariants and of what is at its
    sites, ln γ a mean over windows: momenta may be narrow along the line between two particles
    and wide across. P(q) projects on the directions in which rotations of the symmetry move q; it
    is 0 where there are none. A flow with that symmetry conserves the angular momentum, so that
    momenta along P are as narrow as under the base, however wide others have become. With
    ``"scalar"`` Λ is one number, exp −2Ψ(q) with Ψ another sum like Φ. With ``"conjugate"``, for
    windows of one form each, the momenta π of p = Wᵀπ, W all forms, are as wide as their windows
    have it, and what W does not see of p is standard normal: a connected group that moves no form
    leaves it alone.

    .. math:: p = \partial Φ + W^T e^{a(q)} (W W^T)^{(γ - 1)/2} W z + (1 - W^+ W) z

    where a of each window is such a network as α, and γ a number, at first −1.

    Draws move with q in law under all of the symmetry that is orthogonal: `moves_with`.

    Parameters
    ----------
    energy : OrbitSum
        The form of Φ, of q.
    precision : {"windows", "scalar", "conjugate"}
        What Λ is.
    width : int
        Units of the hidden layers of α and β, or of a.

    Raises
    ------
    ehf_sym.ArgumentError
        If an argument is not as described.

    Examples
    --------
    >>> import ehf_sym as es
    >>> frame = es.Particles(4, 2).relative()
    >>> encoder = OrbitEncoder(OrbitSum.pairs(frame, hidden=(8,)), width=8)
    >>> rng = np.random.default_rng(0)
    >>> q, noise = rng.standard_normal((2, 5, 6))
    >>> p, log_h = encoder.draw(encoder.init(rng, "float64"), q, noise)
    >>> p.shape, log_h.shape
    ((5, 6), (5,))
    """

    energy: OrbitSum
    precision: str = "windows"
    width: int = 32

    def __post_init__(self) -> None:
        admit_sum_of_positions(self.energy)
        one_of(self.precision, "precision", ("windows", "scalar", "conjugate"))
        if self.precision == "conjugate" and self.energy.orbits.forms != 1:
            raise ArgumentError(
                f"energy was {self.energy!r:.200}; with precision='conjugate' its windows should "
                f"have one form each, and they have {self.energy.orbits.forms}"
            )
        object.__setattr__(self, "width", positive_integer(self.width, "width"))

    @property
    def _of_mean(self) -> int:
        """Number of arrays of Φ."""
        sites = 2 * len(self.energy.site_hidden) if self.energy.sites is not None else 0
        return 2 * len(self.energy.hidden) + 1 + sites

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the weights of Φ, ln s, and those of Λ."""
        mean, log_scale = self.energy.init(rng, dtype), np.zeros(1, dtype)
        if self.precision == "scalar":
            return [*mean, log_scale, *self.energy.init(rng, dtype)]
        layout, channels = self.energy.layout, 0
        around: list[Array] = []
        if self.energy.sites is not None:
            channels = self.width
            around = init_relu((self.energy.inputs, self.width, channels), rng, dtype)[:-1]
            around[1] = np.zeros((layout.kinds, self.width), dtype)
            around[-1] /= np.sqrt(len(layout.edges) / layout.sites).astype(dtype)
            around.append(np.zeros((layout.kinds_of_sites, channels), dtype))
        outputs = 1 if self.precision == "conjugate" else 2 if self._rotations is None else 3
        sizes = (self.energy.inputs + channels, self.width, self.width, outputs)
        of_rows = init_relu(sizes, rng, dtype)
        of_rows[1] = np.zeros((layout.kinds, self.width), dtype)
        of_rows[-2] *= np.asarray(_SMALL, dtype)
        return [*mean, log_scale, *around, *of_rows]

    def draw(self, weights: Weights, q: Any, noise: Any) -> tuple[Any, Any]:
        """Turn standard normal noise (n, d) into p ~ h(p|q) (n, d) and ln h(p|q) (n,) in nats."""
        mean, of_scale = self._halves(weights, q)
        spread = -0.5 * anp.sum(noise**2, axis=1) - q.shape[1] * HALF_LOG_2PI
        if self.precision == "scalar":
            log_width = self._log_width(of_scale, q)
            p = mean + anp.exp(log_width)[:, np.newaxis] * noise
            return p, spread - q.shape[1] * log_width
        if self.precision == "conjugate":
            stretch = self._stretch(of_scale, q)
            return mean + stretch.apply(noise), spread - stretch.log_det()
        factor = self._factor(of_scale, q)
        step = anp.linalg.solve(anp.swapaxes(factor, 1, 2), noise[:, :, np.newaxis])[:, :, 0]
        return mean + step, spread + _log_det(factor)

    def score(self, weights: Weights, q: Array, noise: Array) -> Array:
        """Evaluate ∂ ln h(p|q)/∂p at the p drawn from the noise: (n, d)."""
        score: Array
        _, of_scale = self._halves(weights, q)
        if self.precision == "scalar":
            score = -noise * np.exp(-self._log_width(of_scale, q))[:, np.newaxis]
            return score
        if self.precision == "conjugate":
            score = -self._stretch(of_scale, q).undo(noise, transposed=True)
            return score
        factor = self._factor(of_scale, q)
        score = -np.einsum("nij,nj->ni", factor, noise)
        return score

    def log_prob(self, weights: Weights, q: Array, p: Array) -> Array:
        """Evaluate ln h(p|q) at momenta from anywhere: (n, d) twice to (n,), nats."""
        mean, of_scale = self._halves(weights, q)
        if self.precision == "scalar":
            log_width = self._log_width(of_scale, q)
            noise = (p - mean) * anp.exp(-log_width)[:, np.newaxis]
            log_scales = q.shape[1] * log_width
        elif self.precision == "conjugate":
            stretch = self._stretch(of_scale, q)
            noise, log_scales = stretch.undo(p - mean), stretch.log_det()
        else:
            factor = self._factor(of_scale, q)
            noise = anp.einsum("nji,nj->ni", factor, p - mean)
            log_scales = -_log_det(factor)
        log_prob: Array = -0.5 * anp.sum(noise**2, axis=1) - q.shape[1] * HALF_LOG_2PI - log_scales
        return log_prob

    def moves_with(self, symmetry: Symmetry) -> bool:
        """Whether draws move with q in law under all of a symmetry, whatever the weights: proved.

        Its matrices are orthogonal, its generators turn q or shift it, Φ keeps it, and it maps the
        rotations that P is made of to themselves.
        """
        lie, finite = halves(symmetry)
        if not self.energy.invariance(symmetry, "q").proved:
            return False
        if finite is not None and not all(a.T * a == sp.eye(a.rows) for a in finite.generators):
            return False
        velocities = () if lie is None else affine_velocities(lie)
        if velocities is None or any(A.T != -A for A, _ in velocities):
            return False
        if self._rotations is None or self.precision != "windows":
            return True
        own = self.energy.orbits.lie
        if own is None or Symmetry(own, finite).added:
            return False
        known, wanted = own.close().generators, () if lie is None else lie.generators
        return all(coordinates(known, g) is not None for g in wanted)

    def precision_matrix(self, of_scale: Weights, q: Any) -> Any:
        """Evaluate Λ from its weights: q (n, d) to (n, d, d)."""
        layout, dtype, count = self.energy.layout, q.dtype, len(q)
        forms = layout.forms.astype(dtype, copy=False)
        rows, size, dim = forms.shape
        w, inputs = self.energy.rows_of(q)
        outputs = anp.reshape(self._of_rows(of_scale[1:], inputs, count), (count, rows, -1))
        shares = softplus(outputs[:, :, :2] + dtype.type(_SHIFT))
        squares = np.einsum("rmi,rmj->rij", forms, forms).reshape(rows, dim * dim)
        isotropic = anp.reshape(anp.dot(shares[:, :, 0], squares), (count, dim, dim))
        w = w * anp.sqrt(
            anp.reshape(shares[:, :, 1], (count * rows, 1))
            / (anp.sum(w * w, axis=1, keepdims=True) + dtype.type(_SMOOTH))
        )
        along = anp.einsum("nrm,rmi->nri", anp.reshape(w, (count, rows, size)), forms)
        radial = anp.matmul(anp.swapaxes(along, 1, 2), along)
        inside = isotropic + radial + np.eye(dim, dtype=dtype)
        if self._rotations is not None:
            along_orbit = self._along_orbit(q)
            across = np.eye(dim, dtype=dtype) - along_orbit
            inside = anp.matmul(across, anp.matmul(inside, across))
            narrow = anp.exp(anp.mean(outputs[:, :, 2], axis=1) + 2 * of_scale[0])
            inside = inside + anp.reshape(narrow, (count, 1, 1)) * along_orbit
        return anp.exp(-2 * of_scale[0]) * inside

    def _factor(self, of_scale: Weights, q: Any) -> Any:
        """Evaluate L of Λ = L Lᵀ: (n, d, d)."""
        # The slope of a Cholesky factor on the tape is float64: astype takes it back.
        return anp.linalg.cholesky(self.precision_matrix(of_scale, q).astype(q.dtype))

    @cached_property
    def _rotations(self) -> Array | None:
        """A_a of the closed algebra: (K, d, d); None: they do not rotate."""
        lie, _ = halves(self.energy.symmetry)
        try:
            found = None if lie is None else rotation_matrices(lie.close())
        except EHFError:  # it does not close, or not in time: the orbit is left out
            return None
        if not found:
            return None
        return np.array(found, dtype=float)

    def _along_orbit(self, q: Any) -> Any:
        """Evaluate the projector on the directions in which rotations move q: (n, d, d)."""
        matrices = np.asarray(self._rotations, q.dtype)
        count, dim, _ = matrices.shape
        moved = anp.dot(q, matrices.reshape(count * dim, dim).T)
        moved = anp.reshape(moved, (len(q), count, dim))
        back = anp.swapaxes(moved, 1, 2)
        gram = anp.matmul(moved, back) + q.dtype.type(_SMOOTH) * np.eye(count, dtype=q.dtype)
        return anp.matmul(back, anp.linalg.solve(gram, moved))

    @cached_property
    def _conjugate(self) -> _Conjugate:
        return _Conjugate.of(self.energy.layout.forms[:, 0])

    def _stretch(self, of_scale: Weights, q: Any) -> _Stretch:
        """Evaluate a and γ of "conjugate"."""
        logs = self._of_rows(of_scale[1:], self.energy.rows_of(q)[1], len(q))
        logs = anp.reshape(logs, (len(q), len(self.energy.layout.forms)))
        return _Stretch(self._conjugate, logs, of_scale[0] - 1)

    def _of_rows(self, weights: Weights, inputs: Any, count: int) -> Any:
        """Evaluate the network of α, β and ln γ, not yet positive, or that of a: (n R, 1 to 3)."""
        layout = self.energy.layout
        if self.energy.sites is not None:
            matrix, bias, out, at_site = weights[:4]
            z = anp.dot(inputs, matrix) + kind_biases(layout.one_hot[0], bias, count)
            each = anp.reshape(anp.dot(softplus(z), out), (count, len(layout.forms), self.width))
            incidence = layout.incidence.astype(inputs.dtype, copy=False)
            sites = anp.einsum("sr,nrc->nsc", incidence, each)
            biases = kind_biases(layout.one_hot[1], at_site, 1)
            ends = anp.einsum("sr,nsc->nrc", incidence, softplus(sites + biases))
            flat = anp.reshape(ends, (count * len(layout.forms), self.width))
            inputs, weights = anp.concatenate([inputs, flat], axis=1), weights[4:]
        z = anp.dot(inputs, weights[0]) + kind_biases(layout.one_hot[0], weights[1], count)
        z = affine(softplus(z), weights[2], weights[3])
        return affine(softplus(z), weights[4], weights[5])

    def _halves(self, weights: Weights, q: Any) -> tuple[Any, Weights]:
        """Evaluate the mean, and return the weights of the width."""
        cut = self._of_mean
        return self.energy.gradient(weights[:cut], q), weights[cut:]

    def _log_width(self, of_scale: Weights, q: Any) -> Any:
        return of_scale[0] + self.energy.value(of_scale[1:], q)

    def saved(self) -> dict[str, Any]:
        """Return the options of `restored`, as JSON has them."""
        return {"energy": self.energy.saved(), "precision": self.precision, "width": self.width}

    @classmethod
    def restored(cls, energy: Mapping[str, Any], precision: str, width: int) -> OrbitEncoder:
        """Make one again of what `saved` returned."""
        return cls(OrbitSum.restored(**energy), precision, width)


@dataclass(frozen=True, eq=False)
class _Conjugate:
    """W = U S Vᵀ by its singular values, all forms of windows as rows.

    Attributes
    ----------
    left : ndarray, shape (R, r)
        U.
    rest : ndarray, shape (R, R − r)
        The combinations of rows that vanish: Wᵀ rest = 0.
    values : ndarray, shape (r,)
        S.
    right : ndarray, shape (d, r)
        V.
    """

    left: Array
    rest: Array
    values: Array
    right: Array

    @classmethod
    def of(cls, forms: Array) -> _Conjugate:
        left, values, right = np.linalg.svd(forms)
        rank = int((values > _NEGLIGIBLE * values[0]).sum())
        return cls(left[:, :rank], left[:, rank:], values[:rank], right[:rank].T)


@dataclass(frozen=True, eq=False)
class _Stretch:
    """B(q) = V S Uᵀ e^a U S^γ Vᵀ + (1 − V Vᵀ), with a (n, R) and γ (1,) on the tape."""

    of: _Conjugate
    logs: Any
    power: Any

    def apply(self, z: Any) -> Any:
        """Evaluate B z: (n, d) to (n, d)."""
        left, _, values, right = self._cast(z)
        along = anp.dot(z, right)
        rows = anp.exp(self.logs) * anp.dot(along * values**self.power, left.T)
        return z + anp.dot(anp.dot(rows, left) * values - along, right.T)

    def undo(self, x: Any, *, transposed: bool = False) -> Any:
        """Evaluate B⁻¹ x, or B⁻ᵀ x: (n, d) to (n, d)."""
        left, rest, values, right = self._cast(x)
        along, first, last = anp.dot(x, right), values**-1.0, values ** (-self.power)
        if transposed:
            first, last = last, first
        shrink, rows = anp.exp(-self.logs), anp.dot(along * first, left.T)
        if rest.shape[1]:  # (Uᵀ e^a U)⁻¹: what solves it may have a share of the rows' relations
            free = anp.linalg.solve(
                self._relations(rest, shrink), anp.dot(shrink * rows, rest)[:, :, np.newaxis]
            )
            rows = rows - anp.dot(free[:, :, 0], rest.T)
        return x + anp.dot(anp.dot(shrink * rows, left) * last - along, right.T)

    def log_det(self) -> Any:
        """Evaluate ln det B: (n,)."""
        _, rest, values, _ = self._cast(self.logs)
        found = anp.sum(self.logs, axis=1) + (1 + self.power) * np.sum(np.log(values))
        if rest.shape[1]:
            found = found + anp.linalg.slogdet(self._relations(rest, anp.exp(-self.logs)))[1]
        return found

    def _relations(self, rest: Array, shrink: Any) -> Any:
        """Evaluate Nᵀ e^−a N, N the rows' relations: (n, k, k)."""
        return anp.einsum("rk,nr,rl->nkl", rest, shrink, rest)

    def _cast(self, like: Any) -> tuple[Array, Array, Array, Array]:
        found = self.of
        parts = found.left, found.rest, found.values, found.right
        left, rest, values, right = (part.astype(like.dtype, copy=False) for part in parts)
        return left, rest, values, right


def _log_det(factor: Any) -> Any:
    """Return ln det of triangular matrices (n, d, d): (n,)."""
    diagonal = anp.sum(factor * np.eye(factor.shape[1], dtype=factor.dtype), axis=2)
    return anp.sum(anp.log(diagonal), axis=1)

"""Mixtures of tubes around orbits in numbers: evaluated, drawn from, and fitted to points by EM.

Of a point and a tube, a block of coordinates y counts by the length ζ along the orbit's sphere or
circle, |y| or |m̄·y|/|m| (or y itself at rest), and by the square of what is left:

    ln N_k(y) = −[(ζ − ρ)² + |y|² − ζ²] / 2s² − ln Z(ρ, s)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy
import sympy as sp

from ehf_num.engine.log_space import LOG_2PI
from ehf_num.engine.workspace import Array
from ehf_sym import LieAlgebra
from ehf_sym.densities.orbit_mixture import OrbitBlock, OrbitMixture, orbit_blocks
from ehf_sym.symmetry.frames import UnitChanges, rotation_matrices

_MOST_TUBES, _LATER = 12, 2  # tried; BIC may rise so often before the search ends
_STARTS = 3
_ROUNDS, _CONVERGED = 300, 1e-5  # of EM, and a gain in nats a point
_CHOSEN_BY = 2_000  # points that decide how many tubes there are
_NARROWEST = 2e-3  # of a tube, in units of the data's width
_FEWEST = 4  # points to a tube
_DIGITS = 7
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class _Block:
    """A block in numbers: y = q @ basis, orthonormal; `turn` is a phase's J there, else 0."""

    kind: str
    flat: int
    around: int
    basis: Array
    turn: Array

    @classmethod
    def of(cls, block: OrbitBlock) -> _Block:
        basis = np.array(sp.Matrix.hstack(*map(sp.Matrix, block.axes)), float)
        basis /= np.linalg.norm(basis, axis=0)
        turn = np.zeros((basis.shape[1], basis.shape[1]))
        if block.turn is not None:
            turn = basis.T @ np.array(block.turn, float) @ basis / math.sqrt(float(block.rate))
        return cls(block.kind, block.flat, block.around, basis, turn)

    def lengths(self, y: Array, unit: Array) -> tuple[Array, Array]:
        """Return ζ and ∂ζ/∂y: y (n, m) and unit vectors (K, m) to (n, K) and (n, K, m)."""
        if self.kind == "rest":
            return np.repeat(y, len(unit), 1), np.ones((len(y), len(unit), 1), y.dtype)
        if self.kind == "sphere":
            size = np.sqrt((y * y).sum(axis=1, keepdims=True) + _TINY)
            slope = np.repeat((y / size)[:, np.newaxis], len(unit), 1)
            return np.repeat(size, len(unit), 1), slope
        beside = unit @ self.turn.T.astype(y.dtype)
        real, imaginary = y @ unit.T, y @ beside.T
        size = np.sqrt(real**2 + imaginary**2 + _TINY)
        slope = real[..., np.newaxis] * unit + imaginary[..., np.newaxis] * beside
        return size, slope / size[..., np.newaxis]

    def moments(self, radius: Array, width: Array) -> Array:
        """Return ∫ ζ^j exp(−(ζ − ρ)²/2s²) over ζ > 0, j up to `around` + 1."""
        found = [
            width * math.sqrt(math.pi / 2) * scipy.special.erfc(-radius / width / math.sqrt(2))
        ]
        found.append(radius * found[0] + width**2 * np.exp(-((radius / width) ** 2) / 2))
        for j in range(2, self.around + 2):
            found.append(radius * found[j - 1] + (j - 1) * width**2 * found[j - 2])
        return np.stack(found)

    def log_mass(self, radius: Array, width: Array) -> Array:
        """Return ln Z of tubes."""
        straight = self.flat * (0.5 * LOG_2PI + np.log(width))
        if self.kind == "rest":
            return np.asarray(straight)
        half = self.around / 2
        sphere = math.log(2) + half * math.log(math.pi) - math.lgamma(half)
        moment = self.moments(radius, width)[self.around - 1]
        return np.asarray(straight + sphere + np.log(moment))

    def expected(self, radius: Array, width: Array) -> tuple[Array, Array]:
        """Return E[ζ − ρ] and E[d²] of tubes."""
        if self.kind == "rest":
            return np.zeros_like(radius), width**2
        low, middle, high = self.moments(radius, width)[self.around - 1 :]
        mean = middle / low
        return mean - radius, high / low - 2 * radius * mean + radius**2 + self.flat * width**2

    def draw(self, radius: Array, unit: Array, width: Array, rng: np.random.Generator) -> Array:
        """Draw y, one of each tube (n,)."""
        n, normal = len(radius), rng.standard_normal((len(radius), self.basis.shape[1]))
        if self.kind == "rest":
            return (radius + width * normal[:, 0])[:, np.newaxis]
        length = _draw_lengths(radius, width, self.around, rng)[:, np.newaxis]
        if self.kind == "sphere":
            size = np.linalg.norm(normal, axis=1, keepdims=True)
            return np.asarray(length * normal / size)
        beside, angle = unit @ self.turn.T, 2 * np.pi * rng.random((n, 1))
        scaled = width[:, np.newaxis] * normal
        for direction in (unit, beside):
            scaled = scaled - (scaled * direction).sum(1, keepdims=True) * direction
        return np.asarray(scaled + length * (np.cos(angle) * unit + np.sin(angle) * beside))


def _draw_lengths(radius: Array, width: Array, around: int, rng: np.random.Generator) -> Array:
    """Draw ζ from ζ^(m−1) exp(−(ζ − ρ)²/2s²), of which normals about the mode lie above."""
    power = around - 1
    mode = (radius + np.sqrt(radius**2 + 4 * power * width**2)) / 2
    drawn, left = np.empty_like(radius), np.arange(len(radius))

    def log_weight(x: Array, r: Array, s: Array) -> Array:
        return np.asarray(power * np.log(x) - ((x - r) / s) ** 2 / 2)

    while len(left):
        r, s, top = radius[left], width[left], mode[left]
        x = top + s * rng.standard_normal(len(left))
        positive = np.maximum(x, _TINY)
        ratio = log_weight(positive, r, s) - log_weight(top, r, s) + ((x - top) / s) ** 2 / 2
        kept = (x > 0) & (np.log(rng.random(len(left))) < ratio)
        drawn[left[kept]] = x[kept]
        left = left[~kept]
    return drawn


@dataclass(frozen=True, eq=False)
class Tubes:
    """K tubes in numbers: ln w (K,), and for each block ρ (K,), unit vectors (K, m) and s (K,)."""

    blocks: tuple[_Block, ...]
    log_weights: Array
    radii: list[Array]
    units: list[Array]
    widths: list[Array]

    @classmethod
    def of(cls, mixture: OrbitMixture) -> Tubes:
        """Read them off a formula's parts."""
        blocks = tuple(map(_Block.of, mixture.blocks))
        radii: list[Array] = []
        units: list[Array] = []
        widths: list[Array] = []
        for b, (block, exact) in enumerate(zip(blocks, mixture.blocks, strict=True)):
            lengths = np.array([math.sqrt(float(v.dot(v))) for v in exact.axes])
            given = np.array([center[b] for center in mixture.centers], float)
            widths.append(np.array([width[b] for width in mixture.widths], float))
            if block.kind != "circle":
                units.append(np.eye(len(given), block.basis.shape[1]) * 0)
                radii.append(given[:, 0] * (lengths[0] if block.kind == "rest" else 1))
                continue
            points = given * lengths
            size = np.linalg.norm(points, axis=1)
            units.append(points / np.maximum(size, _TINY)[:, np.newaxis])
            radii.append(size)
        weights = np.log(np.array(mixture.weights, float))
        return cls(blocks, weights, radii, units, widths)

    def joint(self, x: Array, slopes: bool = False) -> tuple[Array, list[Array]]:
        """Return ln w_k N_k(x) (n, K), normalized, and −∂(d²/2s²)/∂x of each block if asked for."""
        dtype = x.dtype
        total, found = np.zeros((len(x), len(self.log_weights)), dtype), []
        constant = self.log_weights.copy()
        for block, radius, unit, width in zip(
            self.blocks, self.radii, self.units, self.widths, strict=True
        ):
            y = x @ block.basis.astype(dtype)
            length, along = block.lengths(y, unit.astype(dtype))
            r, precision = radius.astype(dtype), (1 / width**2).astype(dtype)
            square = (length - r) ** 2
            if block.flat and block.kind == "circle":
                square += np.maximum((y * y).sum(axis=1, keepdims=True) - length**2, 0)
            total -= square * (precision / 2)
            constant -= block.log_mass(radius, width)
            if slopes:
                pull = along * r[:, np.newaxis]
                pull -= y[:, np.newaxis] if block.kind == "circle" else along * length[..., None]
                found.append(pull * precision[:, np.newaxis])
        return total + constant.astype(dtype), found

    def value_and_gradient(self, states: Array) -> Array:
        """Evaluate ln Σ_k w_k N_k(q) − |p|²/2 and its gradient: (n, 2d) to (n, 1 + 2d)."""
        dim = states.shape[1] // 2
        q, p = states[:, :dim], states[:, dim:]
        joint, pulls = self.joint(q, slopes=True)
        value = scipy.special.logsumexp(joint, axis=1)
        shares = np.exp(joint - value[:, np.newaxis])[..., np.newaxis]
        result = np.empty((len(states), 1 + 2 * dim), states.dtype)
        result[:, 0] = value - (p * p).sum(axis=1) / 2
        result[:, 1 + dim :] = -p
        result[:, 1 : 1 + dim] = sum(
            (shares * pull).sum(axis=1) @ block.basis.T.astype(states.dtype)
            for block, pull in zip(self.blocks, pulls, strict=True)
        )
        return result

    def sample(self, n: int, rng: np.random.Generator) -> Array:
        """Draw states (n, 2d)."""
        shares = np.exp(self.log_weights - scipy.special.logsumexp(self.log_weights))
        k = rng.choice(len(shares), n, p=shares / shares.sum())
        q = sum(
            block.draw(radius[k], unit[k], width[k], rng) @ block.basis.T
            for block, radius, unit, width in zip(
                self.blocks, self.radii, self.units, self.widths, strict=True
            )
        )
        return np.concatenate([q, rng.standard_normal((n, self.blocks[0].basis.shape[0]))], axis=1)

    def improved(self, x: Array, shares: Array, tied: bool) -> Tubes | None:
        """Take one step of EM, given whose each point is; None where a tube has lost its points.

        ρ and s are moved to where E[ζ] and E[d²] of a tube are those of its points.
        """
        count = shares.sum(axis=0)
        if count.min() < _FEWEST:
            return None
        radii: list[Array] = []
        units: list[Array] = []
        widths: list[Array] = []
        for block, radius, unit, width in zip(
            self.blocks, self.radii, self.units, self.widths, strict=True
        ):
            y = x @ block.basis
            length, _ = block.lengths(y, unit)
            if block.kind == "circle":  # turned back, all lie about one point
                unit = np.einsum("nk,nk,nm->km", shares, (y @ unit.T) / length, y) + np.einsum(
                    "nk,nk,nm->km", shares, (y @ (unit @ block.turn.T).T) / length, y @ block.turn
                )
                unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
                length, _ = block.lengths(y, unit)
            mean = (shares * length).sum(axis=0) / count
            offset, _ = block.expected(radius, width)
            radius = mean - offset
            if block.kind != "rest":
                radius = np.maximum(radius, 0)
            square = (length - radius) ** 2
            if block.kind == "circle":
                square = square + (y * y).sum(axis=1, keepdims=True) - length**2
            found = (shares * square).sum(axis=0) / count
            factor = found / block.expected(radius, width)[1]
            if tied:
                factor = np.full_like(factor, (count * factor).sum() / count.sum())
            width = np.maximum(width * np.sqrt(factor), _NARROWEST)
            radii, units, widths = [*radii, radius], [*units, unit], [*widths, width]
        return Tubes(self.blocks, np.log(count / count.sum()), radii, units, widths)


def _started(blocks: tuple[_Block, ...], x: Array, count: int, rng: np.random.Generator) -> Tubes:
    """Put tubes around the orbits of points that lie far from each other, as k-means++ does."""
    chosen = [int(rng.integers(len(x)))]
    nearest = np.full(len(x), np.inf)
    while True:
        nearest = np.minimum(nearest, _around(blocks, x, [chosen[-1]], 1.0).joint(x)[0][:, 0] * -1)
        nearest -= nearest.min()
        if len(chosen) == count:
            break
        chosen.append(int(rng.choice(len(x), p=nearest / nearest.sum())))
    directions = sum(block.basis.shape[1] for block in blocks)
    width = math.sqrt(2 * float(nearest.mean()) / directions)
    return _around(blocks, x, chosen, max(width, 10 * _NARROWEST))


def _around(blocks: tuple[_Block, ...], x: Array, chosen: list[int], width: float) -> Tubes:
    count, radii, units = len(chosen), [], []
    for block in blocks:
        y = x[chosen] @ block.basis
        size = np.linalg.norm(y, axis=1)
        radii.append(y[:, 0] if block.kind == "rest" else size)
        units.append(y / np.maximum(size, _TINY)[:, np.newaxis])
    widths = [np.full(count, width) for _ in blocks]
    return Tubes(blocks, np.full(count, -math.log(count)), radii, units, widths)


def _learned(tubes: Tubes, x: Array, tied: bool) -> tuple[Tubes, float] | None:
    """Repeat EM until the mean of ln p stands still."""
    before = -math.inf
    for _ in range(_ROUNDS):
        joint, _ = tubes.joint(x)
        value = scipy.special.logsumexp(joint, axis=1, keepdims=True)
        mean = float(value.mean())
        if not abs(mean - before) > _CONVERGED:
            break
        before = mean
        better = tubes.improved(x, np.exp(joint - value), tied)
        if better is None:
            return None
        tubes = better
    return (tubes, before) if math.isfinite(before) else None


def _candidates(
    blocks: tuple[_Block, ...], x: Array, rng: np.random.Generator
) -> Iterator[tuple[float, Tubes, bool]]:
    """Fit ever more tubes until BIC has risen; yield BIC, tubes, whether they are of one width."""
    own = sum({"rest": 1, "sphere": 1, "circle": b.basis.shape[1] - 1}[b.kind] for b in blocks)
    best, risen = math.inf, 0
    for count in range(1, min(_MOST_TUBES, len(x) // (2 * _FEWEST)) + 1):
        here = math.inf
        for tied in (False, True)[: 1 + (count > 1)]:
            starts = (_started(blocks, x, count, rng) for _ in range(_STARTS if count > 1 else 1))
            found = [each for start in starts if (each := _learned(start, x, tied)) is not None]
            if not found:
                continue
            tubes, mean = max(found, key=lambda each: each[1])
            size = count - 1 + count * own + (1 if tied else count) * len(blocks)
            bic = size * math.log(len(x)) - 2 * len(x) * mean
            here = min(here, bic)
            yield bic, tubes, tied
        best, risen = min(best, here), risen + 1 if here > best else 0
        if risen > _LATER:
            return


def fit_orbit_mixture(
    symmetry: LieAlgebra, x: Array, rng: np.random.Generator
) -> OrbitMixture | None:
    """Fit tubes around orbits to points, as many as BIC says; None where orbits are not known.

    Widths are each tube's own or one for all, by BIC too.

    Parameters
    ----------
    symmetry : LieAlgebra
        Generators of rotations; others have no orbits that are known here.
    x : ndarray, shape (n, d)
        Points, of width near 1.
    rng : numpy.random.Generator
        Draws where tubes start.

    Examples
    --------
    >>> import ehf_num as en, ehf_sym as es
    >>> x = en.rings().sample(1000, rng=0)
    >>> base = fit_orbit_mixture(es.groups.so(2), x, np.random.default_rng(0))
    >>> len(base.weights), es.groups.so(2).check(base).proved
    (2, True)
    """
    exact = _known_blocks(symmetry)
    if exact is None:
        return None
    blocks = tuple(map(_Block.of, exact))
    found = min(_candidates(blocks, x[:_CHOSEN_BY], rng), key=lambda each: each[0], default=None)
    if found is None:
        return None
    _, tubes, tied = found
    tubes, _ = _learned(tubes, x, tied) or (tubes, 0.0)
    return _as_formula(symmetry, exact, tubes)


def _as_formula(symmetry: LieAlgebra, exact: Sequence[OrbitBlock], tubes: Tubes) -> OrbitMixture:
    """Round to decimals, which are exact from then on."""
    centers = []
    for k in range(len(tubes.log_weights)):
        center = []
        for b, block in enumerate(exact):
            lengths = [math.sqrt(float(v.dot(v))) for v in block.axes]
            radius = float(tubes.radii[b][k])
            if block.kind == "sphere":
                center.append([_rounded(radius)])
            elif block.kind == "rest":
                center.append([_rounded(radius / lengths[0])])
            else:
                along = radius * tubes.units[b][k] / lengths
                center.append([_rounded(float(c)) for c in along])
        centers.append(center)
    log_heights = tubes.log_weights - _log_masses(tubes)
    weights = [_rounded(math.exp(float(each))) for each in log_heights - log_heights.max()]
    widths = [[_rounded(float(s[k])) for s in tubes.widths] for k in range(len(weights))]
    return OrbitMixture(symmetry.space, exact, weights, centers, widths)


def _log_masses(tubes: Tubes) -> Array:
    """Return ln ∏_b Z_b of each tube."""
    each = zip(tubes.blocks, tubes.radii, tubes.widths, strict=True)
    return np.asarray(sum(block.log_mass(radius, width) for block, radius, width in each))


def _rounded(value: float) -> sp.Rational:
    return sp.Rational(f"{value:.{_DIGITS}g}")


def numeric_mixture(mixture: OrbitMixture) -> Tubes:
    """Return tubes whose value is the formula's: its weights are not of tubes of mass 1."""
    tubes = Tubes.of(mixture)
    return replace(tubes, log_weights=tubes.log_weights + _log_masses(tubes))


def log_density_of_positions(mixture: OrbitMixture, q: Array) -> Array:
    """Evaluate ln p(q), with momenta integrated out: (n, d) to (n,), nats."""
    tubes = numeric_mixture(mixture)
    joint = tubes.joint(q)[0]
    return np.asarray(
        scipy.special.logsumexp(joint, axis=1) - scipy.special.logsumexp(tubes.log_weights)
    )


def with_round_tubes(changes: UnitChanges) -> UnitChanges:
    """Keep to units in which tubes stay round: one scale for each block that is moved."""
    symmetry = changes.symmetry
    blocks = _known_blocks(symmetry) if isinstance(symmetry, LieAlgebra) else None
    if blocks is None:
        return changes
    rest = [v for block in blocks if block.kind == "rest" for v in block.axes]
    scales = [v * w.T + w * v.T for k, v in enumerate(rest) for w in rest[: k + 1]]
    for block in blocks:
        if block.kind != "rest":
            axes = sp.Matrix.hstack(*block.axes)
            scales.append(sp.ImmutableMatrix(axes * (axes.T * axes).inv() * axes.T))
    return replace(changes, scales=tuple(scales))


def read_mixture(symmetry: Any, text: Mapping[str, Any]) -> OrbitMixture:
    """Make a mixture of what a file holds, for the symmetry beside it.

    Raises
    ------
    ValueError
        If they do not go together.
    """
    blocks = _known_blocks(symmetry) if isinstance(symmetry, LieAlgebra) else None
    if blocks is None:
        raise ValueError("the orbits of the symmetry beside a mixture are not known")
    return OrbitMixture.from_text(symmetry.space, blocks, text)


def _known_blocks(symmetry: LieAlgebra) -> tuple[OrbitBlock, ...] | None:
    rotations = None if symmetry.space.angles else rotation_matrices(symmetry)
    return None if rotations is None else orbit_blocks(rotations)

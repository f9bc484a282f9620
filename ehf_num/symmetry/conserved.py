"""What stays constant along trajectories, as formulas, and the symmetry that it generates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, Literal

import numpy as np
import scipy
import sympy as sp

from ehf_num.engine import arguments
from ehf_num.engine.workspace import Array
from ehf_num.symmetry.exact_subspace import NullSpace, least, null_space
from ehf_sym import LieAlgebra, PhaseSpace, ZeroVerdict, is_zero, parse, to_numpy
from ehf_sym.errors import ArgumentError, ClosureError, UndecidedError
from ehf_sym.exact.linear import Echelon, Subspace
from ehf_sym.formulas.arrays import real_array
from ehf_sym.formulas.report import Document, Line, Reported, formula_data

_FEWEST_RUNS = 4
_FOLDS = 10
_PLATEAU = 1.1
_NOISE_OF_NOISE = 5.0  # variance of σ² by differences, in units of that of σ² itself
_CLEAR = 2.0  # variances of the noise by which what is not conserved has to change
_EXACT = 1e-5  # of |∇F|; what changes less than this is taken for constant
_FEWEST_TIMES = 8
_MOST_FEATURES = 400
_ORDERS = range(3, 9)
_LARGEST_ALGEBRA = 40
_CLOSING_SECONDS = 60.0
_LARGEST_DEGREE = 100
_NOT_EXCLUDED = (
    "noise hides whether one of these functions is conserved: more runs, less noise, or fewer "
    "functions"
)
Changes = Callable[[int, Array], tuple[Array, Array]]
"""Run and coefficients to changes (times,) of the function and the variance of their noise."""
Status = Literal["found", "none", "undecided"]


@dataclass(frozen=True, eq=False)
class Candidate:
    """A function that was not seen to change along any run.

    Attributes
    ----------
    formula : sympy.Expr
        With exact coefficients, or decimal ones where the data do not decide them.
    exact : bool
        Whether all are exact.
    largest_error : float
        Largest standard error of a coefficient, in units of the one that is set to 1.
    verdict : ehf_sym.ZeroVerdict or None
        Whether {F, H} = 0, where a formula of H was given and F is exact.
    """

    formula: sp.Expr
    exact: bool
    largest_error: float
    verdict: ZeroVerdict | None = None


@dataclass(frozen=True, eq=False, repr=False)
class ConservedQuantities(Reported):
    """What `conserved_quantities` found: prints as text, HTML, LaTeX and JSON.

    Attributes
    ----------
    status : {"found", "none", "undecided"}
        "found": `quantities` are what the data decide. "none": nothing of the kind that was looked
        for is conserved. "undecided": something is not seen to change, and the data leave open
        what it is exactly.
    quantities : tuple of Candidate
        Independent functions whose products and sums give all that was found; the lowest degree
        first.
    algebra : ehf_sym.LieAlgebra or None
        What exact candidates generate, closed under the bracket; None where there are none, or
        where they do not close.
    noise : ndarray, shape (2d,)
        Standard deviation of the noise of q and p: given, or estimated.
    remarks : tuple of str
        What else is to be known.
    """

    status: Status
    quantities: tuple[Candidate, ...]
    algebra: LieAlgebra | None
    noise: Array
    remarks: tuple[str, ...] = ()

    def document(self) -> Document:
        """Return the quantities, what they close to, and remarks."""
        heads = {
            "found": f"{len(self.quantities)} conserved quantities",
            "none": "no conserved quantity among these functions",
            "undecided": "undecided: something is conserved, and not all of it is known exactly",
        }
        lines = [Line(0, heads[self.status])]
        for found in self.quantities:
            error = "" if found.exact else f"(decimals ± {found.largest_error:.2g}) "
            proof = "" if found.verdict is None else f"[{found.verdict.status}] "
            lines.append(Line(1, f"{proof}{error}", found.formula))
        closed = None if self.algebra is None else self.algebra.describe()
        if closed is not None:
            lines += [replace(line, level=line.level + 1) for line in closed.document().lines]
        lines += [Line(1, remark) for remark in self.remarks]
        data = {
            "report": "conserved quantities",
            "status": self.status,
            "quantities": [
                {
                    "formula": formula_data(found.formula),
                    "exact": found.exact,
                    "largest_error": found.largest_error,
                    "verdict": None if found.verdict is None else found.verdict.status,
                }
                for found in self.quantities
            ],
            "algebra": None if closed is None else dict(closed.document().data),
            "noise": self.noise.tolist(),
            "remarks": list(self.remarks),
        }
        return Document(tuple(lines), data)


def conserved_quantities(
    q: Any,
    p: Any,
    degree: int = 2,
    *,
    functions: Sequence[Any] = (),
    hamiltonian: Any = None,
    noise: Any = None,
    derivatives: tuple[Any, Any] | None = None,
    level: float = 0.01,
    resolution: float = 0.02,
) -> ConservedQuantities:
    """Find what is constant along trajectories, and write it as exact formulas.

    F = Σ c_k φ_k with φ_k the monomials of q and p, and the user's functions, is conserved where
    its variance within each run vanishes: Σ_k C_jk c_k = 0, C the covariances within runs. What
    noise adds to C is taken out (C is unbiased to second order in the noise), the null space of C
    is found with errors from runs that were left out, and a coefficient is taken for exact only
    where the data decide it. What is found is closed under the bracket.

    Parameters
    ----------
    q, p : array_like, shape (runs, times, d)
        Trajectories, at least 4 that start differently, of any common length, at equal steps of
        time where the noise is to be estimated.
    degree : int
        Of the monomials, at most.
    functions : sequence of sympy.Expr or str, optional
        More functions φ(q, p), such as ``"1/sqrt(q1**2 + q2**2)"``.
    hamiltonian : sympy.Expr or str, optional
        H(q, p): {F, H} = 0 is then proved or refuted for each exact candidate.
    noise : float or array_like of shape (2d,), optional
        Standard deviation of independent normal noise in q and p; None: estimated from
        differences of high order in time, which needs at least 8 times.
    derivatives : tuple of array_like, optional
        (q̇, ṗ) at the states, of the shape of q, without noise: F is then conserved where
        Σ_k (φ̇_k) c_k = 0 at every state, and times need not be of one run.
    level : float
        Of the tests: the share of data for which a quantity that changes is taken for conserved.
    resolution : float
        A coefficient that is off by less is not told from an exact one; what is found holds up to
        that.

    Returns
    -------
    ConservedQuantities
        Its `algebra` is a LieAlgebra, or None.

    Raises
    ------
    ehf_sym.ArgumentError
        If an argument cannot be used, or a coordinate does not change at all.

    Examples
    --------
    An oscillator in the plane, on nine orbits:

    >>> rng = np.random.default_rng(0)
    >>> t = np.linspace(0, 6, 50)[:, np.newaxis]
    >>> start, push = rng.standard_normal((2, 9, 1, 2))
    >>> q, p = start * np.cos(t) + push * np.sin(t), push * np.cos(t) - start * np.sin(t)
    >>> found = conserved_quantities(q, p)
    >>> [str(candidate.formula) for candidate in found.quantities]
    ['p1**2 + q1**2', 'p1*p2 + q1*q2', 'p1*q2 - p2*q1', 'p2**2 + q2**2']
    >>> print(found.algebra.describe().identity)
    so(3) + R = u(2)
    """
    states = _states(q, p)
    dim = states.shape[2] // 2
    top = arguments.positive_integer(degree, "degree")
    _between(level, "level")
    _between(resolution, "resolution")
    space = PhaseSpace(dim)
    features = _features(space, top, functions)
    energy = None if hamiltonian is None else _formula(hamiltonian, space, "hamiltonian")
    deviations = _noise(noise, states, derivatives is None)
    table = _Table.of(features, space, states, deviations)
    if derivatives is None:
        blocks, changes = table.within_runs()
    else:
        blocks, changes = table.along(_states(*derivatives, "derivatives", states.shape))
    blocks = table.whitening.T @ blocks  # equations in units of their own, whatever those of q, p
    size = _dimension(blocks @ table.whitening, table.whitening, changes, level)
    if size is None:
        return ConservedQuantities("undecided", (), None, deviations, (_NOT_EXCLUDED,))
    found = null_space(blocks, size, level, resolution, table.whitening, table.scales)
    found = found.where(
        lambda row: _explained(changes, table.in_all_runs(table.normalized(row)), 0, level)
    )
    return _judged(found, features, space, energy, deviations, states)


@dataclass(frozen=True, eq=False)
class _Table:
    """Features φ at states, with what normal noise of the states does to them.

    Attributes
    ----------
    values, curvatures : ndarray, shape (runs, times, m)
        φ, and Σ_i σ_i² ∂²φ/∂s_i².
    slopes : ndarray, shape (runs, times, m, 2d)
        ∂φ/∂s_i.
    noise, sizes : ndarray, shape (2d,)
        Standard deviations of the noise, and of the states.
    """

    values: Array
    curvatures: Array
    slopes: Array
    noise: Array
    sizes: Array

    @classmethod
    def of(
        cls, features: Sequence[sp.Expr], space: PhaseSpace, states: Array, noise: Array
    ) -> _Table:
        """Evaluate features (m) at states (runs, times, 2d)."""
        symbols = space.coordinates
        formula = to_numpy(list(features), symbols)
        variances = [sp.Float(x**2) for x in noise]
        curved = [
            sp.Add(*(v * f.diff(s, 2) for v, s in zip(variances, symbols, strict=True)))
            for f in features
        ]
        flat = states.reshape(-1, states.shape[-1])
        shape = (*states.shape[:2], len(features))
        with np.errstate(all="ignore"):
            values, slopes = formula(flat), formula.gradient(flat)
            curvatures = to_numpy(curved, symbols)(flat)
        if not all(np.isfinite(part).all() for part in (values, slopes, curvatures)):
            raise ArgumentError("functions are not finite at all states; leave out what is not")
        sizes = np.std(flat, axis=0)
        if not (sizes > 1e-9 * np.abs(flat).max()).all():
            place = int(np.argmin(sizes))
            raise ArgumentError(
                f"{symbols[place]} is the same at all states; leave that coordinate out, or start "
                "runs where it differs"
            )
        return cls(
            values.reshape(shape),
            curvatures.reshape(shape),
            slopes.reshape(*shape, -1),
            noise,
            sizes,
        )

    @cached_property
    def scales(self) -> Array:
        """What makes coefficients comparable: root mean squares of the slopes, (m,)."""
        scales: Array = np.sqrt(np.mean((self.slopes * self.sizes) ** 2, axis=(0, 1)).sum(axis=1))
        return scales

    @cached_property
    def whitening(self) -> Array:
        """Columns T with c = T u, |∇F| of one size for all u: (m, m)."""
        scaled = (self.slopes * self.sizes).reshape(-1, *self.slopes.shape[2:])
        scaled = scaled / self.scales[:, np.newaxis]
        gram = np.einsum("nji,nki->jk", scaled, scaled) / len(scaled)
        values, vectors = np.linalg.eigh(gram)
        if values[0] < 1e-12 * values[-1]:
            raise ArgumentError(
                "functions and monomials are linearly dependent at these states; leave out those "
                "that others give, lower the degree, or start runs that differ more"
            )
        whitening: Array = vectors / np.sqrt(values) / self.scales[:, np.newaxis]
        return whitening

    def normalized(self, row: Array) -> Array:
        """Return c divided by the size of |∇F|, in which `_EXACT` is told."""
        normalized: Array = row / np.linalg.norm(np.linalg.solve(self.whitening, row))
        return normalized

    def in_all_runs(self, row: Array) -> list[tuple[int, Array]]:
        """Pair every run with coefficients."""
        return [(run, row) for run in range(len(self.values))]

    def within_runs(self) -> tuple[Array, Changes]:
        """Covariances of features within runs, without what noise adds, and changes of functions.

        To second order in the noise, E[φ] is off by ½ Σ σ² ∂²φ, and likewise for products.
        """
        runs, times, _ = self.values.shape
        clean = self.values - self.curvatures / 2
        covariances = []
        for run in range(runs):
            value, curved = self.values[run], self.curvatures[run]
            noisy = self.slopes[run] * self.noise
            product = value.T @ value - (value.T @ curved + curved.T @ value) / 2
            product = product - np.einsum("tji,tki->jk", noisy, noisy)
            sums = clean[run].sum(axis=0)
            pairs = np.outer(sums, sums) - clean[run].T @ clean[run]
            covariances.append((1 - 1 / times) * product / times - pairs / times**2)
        return np.stack(covariances), self._changes

    def along(self, velocities: Array) -> tuple[Array, Changes]:
        """Mean products of the features' derivatives in time, and those of any function."""
        rates = np.einsum("rtji,rti->rtj", self.slopes, velocities)
        products = np.einsum("rtj,rtk->rjk", rates, rates) / rates.shape[1]
        return products, lambda run, row: (rates[run] @ row, np.zeros(rates.shape[1]))

    def _changes(self, run: int, row: Array) -> tuple[Array, Array]:
        """How F = Σ c_k φ_k differs from its mean in a run, and the variance noise gives that."""
        curved = self.curvatures[run] @ row
        values = self.values[run] @ row - curved / 2
        slopes = np.einsum("tji,j->ti", self.slopes[run], row) * self.noise
        variance = np.sum(slopes**2, axis=1) + curved**2 / 2  # the second where slopes vanish
        return values - values.mean(), variance


def _dimension(moved: Array, whitening: Array, changes: Changes, level: float) -> int | None:
    """Count directions that change by no more than noise does, in runs that did not choose them.

    Σ_t (F(t) − F̄)²/σ_F² has as many degrees of freedom as there are times, less one for each run
    and those that the choice takes; its variance is larger by that of the estimated noise. None
    where there is no such direction, but one that changes by little more in the runs that chose it.
    """
    runs, size = len(moved), moved.shape[-1]
    parts = np.array_split(np.arange(runs), min(_FOLDS, runs))
    total = moved.sum(axis=0)
    chosen = [
        (part, least((total - moved[part].sum(axis=0)) / (runs - len(part))) @ whitening.T)
        for part in parts
    ]
    for k in range(size):
        tried = [(run, rows[k]) for part, rows in chosen for run in part]
        if not _explained(changes, tried, size, level):
            least_of_all = least(total)[0] @ whitening.T
            square, count = _changed(changes, [(run, least_of_all) for run in range(runs)])
            if k == 0 and square <= _CLEAR * (count + size):
                return None
            return k
    return int(size)


def _explained(
    changes: Changes, tried: Sequence[tuple[int, Array]], chosen: int, level: float
) -> bool:
    """Whether noise explains what functions change by in runs; so many coefficients were chosen."""
    square, count = _changed(changes, tried)
    limit = float(scipy.stats.norm.isf(level / 2)) * np.sqrt(2 * _NOISE_OF_NOISE * count)
    return bool(square - count - chosen <= limit)


def _changed(changes: Changes, tried: Sequence[tuple[int, Array]]) -> tuple[float, int]:
    """Sum up squared changes in units of their noise, and count degrees of freedom."""
    square, count = 0.0, 0
    for run, row in tried:
        change, variance = changes(run, row)
        square += float(np.sum(change**2 / (variance + _EXACT**2)))
        count += len(change) - 1
    return square, count


def _states(q: Any, p: Any, name: str = "q, p", shape: tuple[int, ...] | None = None) -> Array:
    """Join trajectories of positions and momenta: (runs, times, 2d)."""
    wanted = "(runs, times, d)"
    parts = [real_array(part, name, f"real, finite arrays of shape {wanted}") for part in (q, p)]
    if parts[0].shape != parts[1].shape or parts[0].ndim != 3 or not parts[0].size:
        raise ArgumentError(
            f"{name} had shapes {parts[0].shape} and {parts[1].shape}; both should be {wanted}"
        )
    states = np.concatenate(parts, axis=2).astype(np.float64)
    if not np.isfinite(states).all():
        raise ArgumentError(f"{name} were not finite everywhere; leave out runs that are not")
    if shape is not None and states.shape != shape:
        raise ArgumentError(f"{name} had shape {parts[0].shape}; it should be that of q and p")
    if len(states) < _FEWEST_RUNS:
        raise ArgumentError(
            f"{name} had {len(states)} runs; at least {_FEWEST_RUNS} that start differently are "
            "needed to tell a law from what a single orbit fulfils"
        )
    return states


def _between(value: Any, name: str) -> None:
    if arguments.positive_number(value, name) >= 1:
        raise ArgumentError(f"{name} was {value!r}; it should be less than 1")


def _formula(given: Any, space: PhaseSpace, name: str) -> sp.Expr:
    formula = parse(given, space) if isinstance(given, str) else sp.sympify(given, strict=True)
    strange = formula.free_symbols - set(space.coordinates)
    if strange:
        raise ArgumentError(
            f"{name} has {', '.join(sorted(map(str, strange)))}; it should be a formula of "
            f"{', '.join(map(str, space.coordinates))}"
        )
    return formula


def _features(space: PhaseSpace, degree: int, functions: Sequence[Any]) -> list[sp.Expr]:
    """Monomials of positive degree, the lowest first, then the user's functions."""
    if isinstance(functions, str):
        raise ArgumentError(f"functions was {functions!r}; it should be a sequence of formulas")
    order = [s for pair in zip(space.p, space.q, strict=True) for s in pair]
    monomials = [
        sp.Mul(*factors)
        for k in range(1, degree + 1)
        for factors in combinations_with_replacement(order, k)
    ]
    own = [_formula(f, space, f"functions[{k}]") for k, f in enumerate(functions)]
    if len(monomials) + len(own) > _MOST_FEATURES:
        raise ArgumentError(
            f"degree was {degree}, which makes {len(monomials)} monomials of {len(order)} "
            f"coordinates; there should be {_MOST_FEATURES} functions at the most"
        )
    return [*monomials, *(f for f in own if f not in monomials)]


def _noise(given: Any, states: Array, in_order: bool) -> Array:
    """Read the noise of each coordinate, or estimate it."""
    width = states.shape[2]
    if given is None:
        return _estimated_noise(states) if in_order else np.zeros(width)
    noise = real_array(given, "noise", f"a number, or {width}, 0 or more")
    if noise.ndim > 1 or noise.shape not in ((), (width,)) or not (noise >= 0).all():
        raise ArgumentError(f"noise was {given!r}; it should be a number, or {width}, 0 or more")
    return np.broadcast_to(noise.astype(np.float64), (width,))


def _estimated_noise(states: Array) -> Array:
    """Estimate from differences of high order in time, which smooth curves hardly have.

    The k-th difference of white noise has variance σ² (2k)!/(k!)²; the lowest order that makes σ²
    about as small as any is taken (J. J. Moré and S. M. Wild, SIAM J. Sci. Comput. 33 (2011) 1292).
    """
    if states.shape[1] < _FEWEST_TIMES:
        raise ArgumentError(
            f"q, p had {states.shape[1]} times; to estimate noise at least {_FEWEST_TIMES} are "
            "needed: give noise="
        )
    found = []
    for order in (k for k in _ORDERS if k < states.shape[1] - 2):
        gain = float(sp.binomial(2 * order, order))
        found.append(np.mean(np.diff(states, order, axis=1) ** 2, axis=(0, 1)) / gain)
    first = np.argmax(np.array(found) <= _PLATEAU * np.min(found, axis=0), axis=0)
    noise: Array = np.sqrt(np.take_along_axis(np.array(found), first[np.newaxis], axis=0)[0])
    return noise


def _judged(
    found: NullSpace,
    features: Sequence[sp.Expr],
    space: PhaseSpace,
    energy: sp.Expr | None,
    noise: Array,
    states: Array,
) -> ConservedQuantities:
    """Write down what was found, and close what is exact."""
    if not len(found.basis):
        return ConservedQuantities("none", (), None, noise)
    errors = [float(e.max()) for e in found.errors]
    formulas = _generators(found.decided_rows, features, space)
    verdicts = [None if energy is None else is_zero(space.bracket(f, energy)) for f in formulas]
    largest = max(
        (e for e, row in zip(errors, found.exact, strict=True) if None not in row), default=0.0
    )
    candidates = [
        Candidate(f, True, largest, verdict) for f, verdict in zip(formulas, verdicts, strict=True)
    ]
    open_rows = [k for k, row in enumerate(found.exact) if None in row]
    candidates += [
        Candidate(_combined(found.basis[k], features), False, errors[k]) for k in open_rows
    ]
    remarks = []
    if any(verdict is not None and verdict.refuted for verdict in verdicts):
        remarks.append("a candidate is refuted by H: it is conserved up to what the data resolve")
    kept = [f for f, v in zip(formulas, verdicts, strict=True) if v is None or not v.refuted]
    points = states.reshape(-1, states.shape[2])
    algebra = _closed(space, kept, points, remarks)
    status: Status = "undecided" if open_rows else "found"
    return ConservedQuantities(status, tuple(candidates), algebra, noise, tuple(remarks))


def _combined(row: Sequence[Any], features: Sequence[sp.Expr]) -> sp.Expr:
    numbers = (sp.Float(x, 6) if isinstance(x, float) else x for x in row)
    return sp.Add(*(c * f for c, f in zip(numbers, features, strict=True) if c != 0))


def _generators(
    rows: Sequence[Sequence[sp.Rational]], features: Sequence[sp.Expr], space: PhaseSpace
) -> list[sp.Expr]:
    """Take from what the rows span what products of lower functions do not give."""
    degrees = [_degree(f, space) for f in features]
    order = sorted(range(len(features)), key=lambda k: -degrees[k])
    place = {k: i for i, k in enumerate(order)}
    span = Subspace.spanned(
        sp.QQ,
        len(features),
        [{place[k]: sp.QQ(c.p, c.q) for k, c in enumerate(row) if c != 0} for row in rows],
    )
    by_degree: dict[int, list[sp.Expr]] = {}
    for vector, pivot in zip(span.basis, span.pivots, strict=True):
        terms = {order[i]: sp.QQ.to_sympy(c) for i, c in vector.items()}
        formula = sp.Add(*(c * features[k] for k, c in sorted(terms.items())))
        by_degree.setdefault(degrees[order[pivot]], []).append(formula)
    within = {term for f in features for term in _terms(f)}
    known = Echelon(sp.QQ)
    generators: list[sp.Expr] = []
    for degree in sorted(by_degree):
        for formula in by_degree[degree]:
            for product in _products(generators, degree):
                terms = _terms(product)
                if terms.keys() <= within:
                    known.add(terms)
            if known.add(_terms(formula)) is None:
                generators.append(sp.primitive(formula)[1])
    return generators


def _degree(formula: sp.Expr, space: PhaseSpace) -> int:
    """Total degree of a polynomial; what is none comes after all, longer formulas later."""
    poly = formula.as_poly(*space.coordinates)
    if poly is not None:
        return int(poly.total_degree())
    return _LARGEST_DEGREE + int(sp.count_ops(formula))


def _products(factors: Sequence[sp.Expr], degree: int) -> Iterator[sp.Expr]:
    """Products of two factors or more, up to the degree, or up to four."""
    for count in range(2, min(degree, 4) + 1):
        for chosen in combinations_with_replacement(factors, count):
            yield sp.Mul(*chosen)


def _terms(formula: sp.Expr) -> dict[sp.Expr, Any]:
    """Coefficients of the terms of an expanded formula."""
    return {
        term: sp.QQ(c.p, c.q) for term, c in formula.expand().as_coefficients_dict().items() if c
    }


def _closed(
    space: PhaseSpace, formulas: list[sp.Expr], points: Array, remarks: list[str]
) -> LieAlgebra | None:
    """Close what was found under the bracket; where it takes that, on a level of one of them."""
    if not formulas:
        return None
    scaled = _scaled(space, formulas, points)
    if scaled is not None:
        level, formulas = scaled
        remarks.append(f"they close where {level} is constant: divided by its root, without it")
    try:
        return LieAlgebra(space, formulas).close(_LARGEST_ALGEBRA, time_limit=_CLOSING_SECONDS)
    except (ClosureError, UndecidedError) as error:
        remarks.append(f"they generate no algebra that was found: {error}")
        return None


def _scaled(
    space: PhaseSpace, formulas: list[sp.Expr], points: Array
) -> tuple[sp.Expr, list[sp.Expr]] | None:
    """Find C among the formulas with {F_i, F_j} in the span of C·F where it is in no span of F.

    C commutes with all; dividing those F by √|C| makes the span close. In numbers, at the points;
    what closes is proved afterwards.
    """
    formula = to_numpy(list(formulas), space.coordinates)
    some = points[:: max(1, len(points) // 200)]
    values, gradients, half = formula(some), formula.gradient(some), space.dim
    scale = np.abs(gradients).max()
    brackets = {
        (i, j): np.sum(
            gradients[:, i, :half] * gradients[:, j, half:]
            - gradients[:, i, half:] * gradients[:, j, :half],
            axis=1,
        )
        for i in range(len(formulas))
        for j in range(i)
    }
    outside = [pair for pair, b in brackets.items() if not _spanned(b, values, scale)]
    moved = sorted({k for pair in outside for k in pair})
    for k, level in enumerate(formulas) if outside else ():
        sign = np.sign(values[0, k])
        if k in moved or not (np.sign(values[:, k]) == sign).all():
            continue
        if all(_spanned(brackets[pair], values * values[:, k : k + 1], scale) for pair in outside):
            root = sp.sqrt((int(sign) * level).expand())
            others = [f / root if i in moved else f for i, f in enumerate(formulas) if i != k]
            return level, others
    return None


def _spanned(values: Array, functions: Array, scale: float) -> bool:
    """Whether values at points (n,) are a combination of functions (n, k)."""
    rest = values - functions @ np.linalg.lstsq(functions, values)[0]
    return bool(np.abs(rest).max() <= 1e-9 * max(np.abs(values).max(), scale**2))

"""Is a function invariant, a map equivariant, a density kept? Where not: the worst point.

A function of numbers can be refuted and not proved: what is not refuted is "consistent", to
rounding, on these points and elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ehf_num.engine import arguments
from ehf_num.engine.networks import wrapped
from ehf_num.engine.workspace import Array
from ehf_num.symmetry.elements import PointAction, point_actions
from ehf_num.symmetry.foreign import Function, as_numpy
from ehf_num.symmetry.reading import read_symmetry
from ehf_sym import PhaseSpace
from ehf_sym.errors import ActionError, ArgumentError
from ehf_sym.formulas.arrays import real_array
from ehf_sym.formulas.report import Document, Line, Reported

Kind = Literal["invariant", "equivariant", "density"]
Status = Literal["consistent", "broken", "undecided"]

_ROUNDING = 10.0  # floors; larger defects may be more than rounding
_BROKEN = 50.0  # floors; larger defects are more than rounding
_BY_CHANCE = 1e-6  # of f; calls that differ by more differ by more than the order of sums
_KEPT = 0.5  # of the defect, by what is simpler
_WORDS = {
    "invariant": "f(Rx) = f(x)",
    "equivariant": "f(Rx) = R f(x)",
    "density": "f(Rx) + ln |det R| = f(x)",
}


@dataclass(frozen=True, eq=False)
class Defects:
    """What a generator's elements do to f.

    Attributes
    ----------
    label : str
        Of the generator.
    values : ndarray, shape (elements · n,)
        Largest coordinate of |f(Rx) − R f(x)|, in units of f, for each element and point.
    floors : ndarray, shape (elements · n,)
        What rounding can explain of each, and the tolerance.
    slope : float
        Largest derivative of the defect by the group parameter at the identity, over points, in
        units of f; NaN for a generator of a finite group.
    slope_floor : float
        What rounding can explain of that.
    """

    label: str
    values: Array
    floors: Array
    slope: float
    slope_floor: float

    @property
    def ratio(self) -> float:
        """Largest defect, in units of what rounding can explain."""
        return float(np.max(self.values / self.floors))

    @property
    def status(self) -> Status:
        """Whether rounding explains the defects."""
        if self.ratio > _BROKEN:
            return "broken"
        return "consistent" if self.ratio <= _ROUNDING else "undecided"


@dataclass(frozen=True, eq=False)
class Counterexample:
    """A point and an element at which the promise fails, as simple as was found.

    Attributes
    ----------
    element : str
        Which one.
    point, image : ndarray
        x and Rx, of the shape of a row of x.
    value, expected, found : ndarray, shape (m,)
        f(x); what f(Rx) should be; what it is.
    defect : float
        Largest coordinate of |found − expected|.
    """

    element: str
    point: Array
    image: Array
    value: Array
    expected: Array
    found: Array
    defect: float


@dataclass(frozen=True, eq=False, repr=False)
class Audit(Reported):
    """What `audit` found: prints as text, HTML, LaTeX and JSON.

    Attributes
    ----------
    kind : {"invariant", "equivariant", "density"}
        What was promised.
    status : {"consistent", "broken", "undecided"}
        "broken": some defect is more than 50 times what rounding explains. "consistent": all are
        within 10 times; this is no proof.
    defects : tuple of Defects
        One for each generator.
    counterexample : Counterexample or None
        If broken: where, simplified.
    points, elements : int
        How many were tried, elements for each generator.
    remarks : tuple of str
        What else was seen of f.
    """

    kind: Kind
    status: Status
    defects: tuple[Defects, ...]
    counterexample: Counterexample | None
    points: int
    elements: int
    remarks: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing but rounding was seen."""
        return self.status == "consistent"

    @property
    def worst(self) -> Defects:
        """The generator whose elements do worst, in units of rounding."""
        return max(self.defects, key=lambda defects: defects.ratio)

    def document(self) -> Document:
        """Return the verdict, a line a generator, and the counterexample."""
        verdict = {
            "consistent": "consistent: no defect beyond rounding (not a proof)",
            "broken": "broken",
            "undecided": "undecided: defects are larger than rounding should make them",
        }[self.status]
        tried = f"{self.points} points, {self.elements} elements of each generator"
        lines = [
            Line(0, f"{self.kind}, {_WORDS[self.kind]}: {verdict}"),
            Line(1, f"{tried}; largest |defect|, in units of f:"),
            *(Line(2, text) for text in map(_defects_line, self.defects)),
        ]
        if self.counterexample is not None:
            lines += [Line(1 + (k > 0), t) for k, t in enumerate(_example(self.counterexample))]
        lines += [Line(1, remark) for remark in self.remarks]
        return Document(tuple(lines), self._data())

    def _data(self) -> dict[str, Any]:
        found = self.counterexample
        return {
            "report": "audit",
            "kind": self.kind,
            "status": self.status,
            "points": self.points,
            "elements": self.elements,
            "generators": [
                {
                    "label": d.label,
                    "status": d.status,
                    "largest": float(d.values.max()),
                    "quantiles": np.quantile(d.values, (0.5, 0.9, 0.99)).tolist(),
                    "largest_over_rounding": d.ratio,
                    "slope": None if np.isnan(d.slope) else d.slope,
                    "slope_rounding": None if np.isnan(d.slope) else d.slope_floor,
                }
                for d in self.defects
            ],
            "counterexample": None
            if found is None
            else {
                name: value.tolist() if isinstance(value, np.ndarray) else value
                for name, value in vars(found).items()
            },
            "remarks": list(self.remarks),
        }


def audit(
    f: Callable[[Any], Any],
    symmetry: Any,
    x: Any,
    kind: Kind = "invariant",
    *,
    output: Any = "vectors",
    elements: int = 16,
    tolerance: float = 0.0,
    rng: int | np.random.Generator | None = 0,
) -> Audit:
    """Look for points and elements at which a function breaks a symmetry.

    f is called with arrays of the kind of x, whatever library they are of, in batches. Elements
    are random over a period of each generator, or within one unit of a parameter that has none.
    A function that every generator's elements leave alone is left alone by the whole connected
    group, and by the finite group that matrices generate. Rounding is estimated from f itself, so
    that float32 is told apart from a symmetry that is broken.

    Parameters
    ----------
    f : callable
        From points (n, ...) to one row a point: (n,) or (n, ...). NumPy, PyTorch or JAX; made in
        evaluation mode, so that it does not depend on chance.
    symmetry : ehf_sym.LieAlgebra, ehf_sym.Symmetry, ehf_sym.FiniteSymmetry, str, sequence or None
        On the d coordinates of a point, generators linear in p; or names and formulas, as
        `SymmetricDensity` takes them.
    x : array, shape (n, d) or (n, k, d)
        Points of the library that f takes. In the second form each of k points moves alike, or,
        where the symmetry has k·d coordinates, all of them together.
    kind : {"invariant", "equivariant", "density"}
        "invariant": f(Rx) = f(x). "equivariant": f(Rx) = R f(x). "density": f is ln p, and
        ln p(Rx) + ln |det DR(x)| = ln p(x).
    output : {"vectors", "points"} or a symmetry
        How values of an equivariant map move: as vectors at the point, by the derivative DR; as
        points, shifts included; or by the generators of a symmetry of their own, as many and in
        the order of those of ``symmetry``.
    elements : int
        How many of each generator are tried, each at every point.
    tolerance : float
        What is allowed besides rounding, in units of f: the error of an estimate.
    rng : int or numpy.random.Generator
        Draws elements.

    Returns
    -------
    Audit
        Its `status` is "broken", "consistent" (which is not a proof) or "undecided".

    Raises
    ------
    ehf_sym.ArgumentError
        If an argument cannot be used, or f raises, or has no finite value.

    Examples
    --------
    >>> import ehf_sym as es
    >>> x = np.random.default_rng(0).standard_normal((100, 2))
    >>> audit(lambda x: (x**2).sum(axis=1), es.groups.so(2), x).status
    'consistent'
    >>> print(audit(lambda x: x[:, 0] ** 2 + 2 * x[:, 1] ** 2, es.groups.so(2), x))
    invariant, f(Rx) = f(x): broken
    ...
    """
    arguments.one_of(kind, "kind", ("invariant", "equivariant", "density"))
    count = arguments.positive_integer(elements, "elements")
    allowed = arguments.number_from_zero(tolerance, "tolerance")
    random = arguments.generator(rng)
    given = x if hasattr(x, "shape") else np.asarray(x)
    trial = _Trial.of(f, symmetry, given, kind, output, allowed, random)
    found = tuple(trial.defects(k, count, random) for k in range(len(trial.actions)))
    worst = max(range(len(found)), key=lambda k: found[k].ratio)
    statuses = {defects.status for defects in found}
    status: Status = "consistent"
    for word in ("undecided", "broken"):
        status = word if word in statuses else status
    example = trial.simplest(worst, found[worst], random) if status == "broken" else None
    return Audit(kind, status, found, example, len(trial.x), count, trial.remarks)


@dataclass(frozen=True, eq=False)
class _Trial:
    """A function at points, and what moves both.

    Points x (n, D) hold `blocks` groups of coordinates, each of which an action moves alike.
    """

    f: Function
    kind: Kind
    x: Array
    values: Array
    floors: Array
    blocks: int
    actions: tuple[PointAction, ...]
    outputs: tuple[PointAction, ...] | str
    tolerance: float
    remarks: tuple[str, ...]
    angles: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        f: Callable[[Any], Any],
        symmetry: Any,
        given: Any,
        kind: Kind,
        output: Any,
        tolerance: float,
        rng: np.random.Generator,
    ) -> _Trial:
        """Check the arguments and look at f as it is."""
        if not callable(f):
            raise ArgumentError(f"f was {f!r:.100}; it should be a function of points")
        x = _flat(given)
        actions, blocks = _actions(symmetry, tuple(given.shape))
        function = Function(f, given)
        values = function(x)
        finite = np.isfinite(values).all(axis=1)
        if not finite.any():
            raise ArgumentError("f is finite at none of the points; give points where it is")
        x, values = x[finite], values[finite]
        if kind == "density" and values.shape[1] != 1:
            raise ArgumentError(
                f"f returned {values.shape[1]} numbers a point; ln p should be one, shape (n,)"
            )
        remarks = []
        if not finite.all():
            remarks.append(f"f is not finite at {np.count_nonzero(~finite)} points, left out")
        noise = function.noise(x, values, rng)
        again = np.abs(function(x) - values).max(axis=1)
        if again.max() > _BY_CHANCE * np.abs(values).max():
            remarks.append(f"f depends on chance: two calls differ by up to {again.max():.3g}")
        alone = np.abs(function(x[:1]) - values[:1]).max()
        if alone > _ROUNDING * max(noise[0], again.max()):
            remarks.append(
                f"f of a point depends on the other points of its batch, by {alone:.3g} at the "
                "first one: evaluation mode may be off"
            )
        floors = noise + 2 * again + tolerance
        floors = np.maximum(floors, np.finfo(np.float64).tiny)
        told, angles = tuple(remarks), tuple(getattr(symmetry, "space", PhaseSpace(1)).angles)
        trial = cls(function, kind, x, values, floors, blocks, actions, "", tolerance, told, angles)
        return trial._with_output(output)

    def _with_output(self, output: Any) -> _Trial:
        """Say how values move."""
        given: tuple[PointAction, ...] | str
        if isinstance(output, str) and output in ("vectors", "points"):
            given = output
            size, width = self.values.shape[1], self.x.shape[1] // self.blocks
            if self.kind == "equivariant" and size % width:
                raise ArgumentError(
                    f"f returned {size} numbers a point, and the symmetry moves {width} at a time; "
                    "give output=, the symmetry by which its values move"
                )
        else:
            given = _moving(output, self.values.shape[1], "f returned")
            if len(given) != len(self.actions):
                raise ArgumentError(
                    f"output has {len(given)} generators; it should have as many as symmetry, "
                    f"{len(self.actions)}, in their order"
                )
        return replace(self, outputs=given)

    def defects(self, k: int, elements: int, rng: np.random.Generator) -> Defects:
        """Try elements of a generator at all points."""
        action = self.actions[k]
        count = elements if action.smooth else 1
        values = [
            self.defect(
                k, self.x, self.values, action.times(self._blocked(self.x), len(self.x), rng)
            )
            for _ in range(count)
        ]
        slope, slope_floor = np.nan, np.nan
        if action.smooth:
            step = float(np.cbrt(np.median(self.floors / self._scale())))
            ends = [
                self._difference(k, self.x, self.values, np.full(len(self.x), sign * step))
                for sign in (1.0, -1.0)
            ]
            slopes = np.abs(ends[0] - ends[1]).max(axis=1) / (2 * step)
            slope, slope_floor = float(slopes.max()), float(self.floors.max() / step)
        return Defects(
            action.label, np.concatenate(values), np.tile(self.floors, count), slope, slope_floor
        )

    def _scale(self) -> Array:
        size = np.abs(self.values).max(axis=1)
        scale: Array = size + np.sqrt(np.mean(size**2)) + np.finfo(np.float64).tiny
        return scale

    def defect(self, k: int, x: Array, values: Array, t: Array) -> Array:
        """Evaluate the largest coordinate of |f(Rx) − R f(x)|: (n,); infinite where f is not."""
        largest: Array = np.abs(self._difference(k, x, values, t)).max(axis=1)
        return largest

    def _difference(self, k: int, x: Array, values: Array, t: Array) -> Array:
        image, derivative = self._moved(k, x, t)
        found, expected = self.f(image), self._expected(k, values, t, derivative)
        with np.errstate(invalid="ignore"):
            difference = found - expected
        if self.kind == "equivariant" and self.outputs == "points":
            width = self.x.shape[1] // self.blocks
            starts = range(0, difference.shape[1], width)
            difference = wrapped(difference, [k + a for k in starts for a in self.angles])
        return np.where(np.isnan(difference), np.inf, difference)

    def _blocked(self, x: Array) -> Array:
        return x.reshape(len(x) * self.blocks, -1)

    def _moved(self, k: int, x: Array, t: Array) -> tuple[Array, Array]:
        """Move points: images (n, D), derivatives (n, blocks, d, d)."""
        image, derivative = self.actions[k](self._blocked(x), np.repeat(t, self.blocks))
        return image.reshape(x.shape), derivative.reshape(
            len(x), self.blocks, *derivative.shape[1:]
        )

    def _expected(self, k: int, values: Array, t: Array, derivative: Array) -> Array:
        """Return what f(Rx) should be."""
        if self.kind == "invariant":
            return values
        if self.kind == "density":
            volume = np.linalg.slogdet(derivative)[1].sum(axis=1)
            return np.asarray(values - volume[:, np.newaxis])
        if not isinstance(self.outputs, str):
            return self.outputs[k](values, t)[0]
        n, d = len(values), derivative.shape[-1]
        vectors = values.reshape(n, -1, d)
        if self.outputs == "points":
            times = np.repeat(t, vectors.shape[1])
            return self.actions[k](vectors.reshape(-1, d), times)[0].reshape(values.shape)
        if vectors.shape[1] != self.blocks:
            if not np.allclose(derivative, derivative[:, :1]):
                raise ArgumentError(
                    "f returned vectors that belong to no point, and the symmetry turns vectors by "
                    "where they are; give output=, the symmetry by which they move"
                )
            derivative = derivative[:, :1]
        moved: Array = np.einsum(
            "nbij,nbj->nbi", np.broadcast_to(derivative, (n, vectors.shape[1], d, d)), vectors
        )
        return moved.reshape(values.shape)

    def simplest(self, k: int, found: Defects, rng: np.random.Generator) -> Counterexample:
        """Start from the worst point, and take simpler numbers as long as the defect stays."""
        row = int(np.argmax(found.values / found.floors)) % len(self.x)
        point, action = self.x[row : row + 1], self.actions[k]
        wanted = _KEPT * min(float(found.values.max()), _BROKEN * 1e3 * float(self.floors[row]))
        tries = [t for t in action.simple_times() if self._at(k, point, t) >= wanted]
        if not tries:
            drawn = (action.times(self._blocked(point), 1, rng)[0] for _ in range(200))
            tries = [max(drawn, key=lambda t: self._at(k, point, t))]
        t = float(tries[0])
        wanted = min(wanted, self._at(k, point, t))
        for place in range(point.shape[1]):
            for simpler in _simpler(float(point[0, place])):
                other = point.copy()
                other[0, place] = simpler
                if self._at(k, other, t) >= wanted:
                    point = other
                    break
        return self._example(k, point, t)

    def _at(self, k: int, point: Array, t: float) -> float:
        """Evaluate the defect at one point; none where f or the image is not finite."""
        try:
            values = self.f(point)
            if not np.isfinite(values).all():
                return 0.0
            return float(self.defect(k, point, values, np.array([t]))[0])
        except (ActionError, ArgumentError):
            return 0.0

    def _example(self, k: int, point: Array, t: float) -> Counterexample:
        times, values = np.array([t]), self.f(point)
        image, derivative = self._moved(k, point, times)
        found, expected = self.f(image), self._expected(k, values, times, derivative)
        shape = tuple(self.f.like.shape[1:])
        return Counterexample(
            self.actions[k].element(t),
            point.reshape(shape),
            image.reshape(shape),
            values[0],
            expected[0],
            found[0],
            self._at(k, point, t),
        )


def _simpler(number: float) -> Iterator[float]:
    """Numbers that are easier to work with by hand, the easiest first."""
    yield from dict.fromkeys((0.0, 1.0, -1.0, *(round(number, digits) for digits in range(3))))


def _flat(given: Any) -> Array:
    """Read points of any library as finite float64 (n, D)."""
    wanted = "a real, finite array of shape (n, d) or (n, k, d), n ≥ 1"
    values = as_numpy(given) if hasattr(given, "detach") else real_array(given, "x", wanted)
    if values.ndim < 2 or not values.size:
        raise ArgumentError(f"x had shape {values.shape}; it should be {wanted}")
    return arguments.points(values.reshape(len(values), -1), "x", values[0].size, np.float64)


def _actions(symmetry: Any, shape: tuple[int, ...]) -> tuple[tuple[PointAction, ...], int]:
    """Find what moves a row of that shape, and how many parts of it alike."""
    whole, last = int(np.prod(shape[1:])), int(shape[-1])
    try:
        return _moving(symmetry, whole, "x has"), 1
    except ArgumentError:
        if len(shape) < 3:
            raise
        return _moving(symmetry, last, "x has vectors of"), whole // last


def _moving(symmetry: Any, dim: int, what: str) -> tuple[PointAction, ...]:
    """Read a symmetry of so many coordinates."""
    found = read_symmetry(symmetry, dim, what)
    if found is None:
        raise ArgumentError("symmetry was None; there is nothing to look for")
    return point_actions(found)


def _defects_line(d: Defects) -> str:
    slope = "" if np.isnan(d.slope) else f", slope at the identity {d.slope:.3g}"
    return (
        f"{d.label}: {d.values.max():.3g} (mean {d.values.mean():.3g}), {d.ratio:.3g} times what "
        f"rounding explains{slope}: {d.status}"
    )


def _example(found: Counterexample) -> Iterator[str]:
    yield f"counterexample: {found.element}, by {found.defect:.4g}"
    yield f"x = {_numbers(found.point)}, Rx = {_numbers(found.image)}"
    yield f"f(x) = {_numbers(found.value)}"
    yield f"f(Rx) = {_numbers(found.found)}, and should be {_numbers(found.expected)}"


def _numbers(values: Array) -> str:
    return np.array2string(
        np.squeeze(values) + 0.0, precision=5, separator=", ", suppress_small=True, threshold=20
    ).replace("\n", "")

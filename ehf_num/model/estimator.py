"""SymmetricDensity: measured data and a symmetry in, a density out, by scikit-learn's protocol."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Self

import numpy as np
import sympy as sp

from ehf_num.densities.orbit_mixture import (
    fit_orbit_mixture,
    log_density_of_positions,
    with_round_tubes,
)
from ehf_num.engine import arguments as checks
from ehf_num.engine.workspace import Array
from ehf_num.files.archive import write_model
from ehf_num.files.frames import KINDS, as_frame, column_names, frame_kind
from ehf_num.inference.estimate import LikelihoodEstimate
from ehf_num.inference.weighing import WeightedDraws
from ehf_num.model.averaged_training import Course, learn_average
from ehf_num.model.density import weighed
from ehf_num.model.diagnosis import Diagnosis
from ehf_num.model.model import EquivariantHamiltonianFlow
from ehf_num.model.units import Units
from ehf_num.symmetry.reading import read_symmetry
from ehf_num.targets.target_energy import TargetEnergy
from ehf_sym import (
    BaseDensity,
    FiniteSymmetry,
    LieAlgebra,
    PhaseSpace,
    StandardNormal,
    Symmetry,
    format_formula,
    invariant_hamiltonian,
)
from ehf_sym.errors import ArgumentError, DataWarning
from ehf_sym.formulas.arrays import real_array
from ehf_sym.symmetry.frames import unit_changes
from ehf_sym.symmetry.symmetry import (
    AnySymmetry,
    as_symmetry,
    symmetry_as_text,
    symmetry_of_text,
)

_MOST_HELD_OUT = 500
_SHOWN = 5
_FEW_TUBES = 3  # of a mixture that says what the points are


class SymmetricDensity:
    """A density of measured data that keeps a symmetry: scikit-learn's protocol, good defaults.

    It learns an `EquivariantHamiltonianFlow` in units of its own, x = S z + t,

        ln p(x) = ln p_flow(S⁻¹(x − t)) − ln det S,

    and everything that it takes and gives is in the units of the data. What t and S may be is
    derived from the symmetry, exactly: t is at rest under it, S commutes with it.

    It starts as what the symmetry alone makes of the points: a mixture of tubes around orbits,
    chosen by BIC, is the base π, and the flow is the identity. Training goes on at one rate as long
    as points held out gain from it, then the rate falls. What is kept is the average of the latest
    weights, or the start, if the points held out do not tell that they are better than it.

    Parameters
    ----------
    symmetry : LieAlgebra, FiniteSymmetry, Symmetry, str, sequence of str, or None
        The generators: as formulas, ``"q1*p2 - q2*p1"``, several separated by commas or in a
        sequence; by a name, ``"so(3)"`` or ``"SO(2) about z"`` (see `ehf_sym.named_symmetry`); or
        an `ehf_sym.LieAlgebra`, `FiniteSymmetry` or `Symmetry`; ``"S_3"`` and ``"O(3)"`` are names
        too. None: no symmetry is asked for.
    standardize : {"auto", False}
        Whether units are estimated from the data, as far as the symmetry is proved to allow; False
        leaves the data as they are. Data on a space with angles are left as they are, too.
    enforce : {"auto", "exact", "penalty"}
        How the symmetry is kept, see `EquivariantHamiltonianFlow`. "auto": exactly where its
        invariants are known to generate all, else by a penalty.
    kappa : float
        With a penalty: the mean squared bracket that is allowed, dimensionless. It moves points by
        its root times the time that each Hamiltonian acts, `steps` times `step_size`.
    base : ehf_sym.BaseDensity, optional
        π(q, p), in standardized units. None: a mixture of tubes around orbits, fitted to the points
        and proved like any base, where orbits are known, of rotations of vectors and phases; else
        the standard normal density.
    hamiltonians, steps, step_size, hidden, dtype
        Of the flow, see `EquivariantHamiltonianFlow`.
    learning_rate : float
        Adam's α.
    batch_size : int
        Of minibatches.
    max_iter : int
        Iterations at the most.
    patience : int
        Iterations before the rate falls, at the least: learning stands still before it goes on.
    tol : float
        The rate falls, over half as many iterations again, after the second half of the iterations
        so far gained the points held out no more than this, nats a point, or than its standard
        error.
    validation_fraction : float
        Share of the points that is held out to say when training ends, at most 500 points.
    progress : bool, optional
        Progress bar; None: only on a terminal.
    rng, random_state : int, numpy.random.Generator, numpy.random.RandomState, optional
        Draws the split, the initial weights and the noise of training. `random_state` is
        scikit-learn's word for it, and counts where both are given.

    Attributes
    ----------
    flow_ : EquivariantHamiltonianFlow
        What was learned, in standardized units.
    units_ : Units
        t and S.
    symmetry_ : LieAlgebra, FiniteSymmetry, Symmetry or None
        The generators, in the coordinates of the data.
    n_features_in_ : int
        The number of coordinates, d.
    feature_names_in_ : ndarray of str, shape (d,)
        Names of the columns; only where `fit` was given a data frame, or a file with a header.
    n_iter_ : int
        Iterations done.
    stop_reason_ : str
        What ended training: "no gain", "max_iter", or what ended it early.

    Raises
    ------
    ehf_sym.ArgumentError
        By `fit`, if an option is out of range or cannot be used together with X.
    ehf_sym.InvarianceError
        By `fit`, if the base is not proved to keep the symmetry.

    Examples
    --------
    >>> import ehf_num as en
    >>> x = 150 * en.rings().sample(300, rng=0)
    >>> model = en.SymmetricDensity("q1*p2 - q2*p1", max_iter=40, rng=0).fit(x)
    >>> model.sample(5, random_state=1).shape, model.score_samples(x).shape
    ((5, 2), (300,))
    """

    _estimator_type = "density_estimator"

    def __init__(
        self,
        symmetry: AnySymmetry | str | Sequence[str] | None = None,
        *,
        standardize: str | bool = "auto",
        enforce: str = "auto",
        kappa: float = 1e-2,
        base: BaseDensity | None = None,
        hamiltonians: int = 6,
        steps: int = 2,
        step_size: float = 0.125,
        hidden: Sequence[int] = (32, 32),
        dtype: str = "float32",
        learning_rate: float = 1e-2,
        batch_size: int = 128,
        max_iter: int = 12_000,
        patience: int = 2_000,
        tol: float = 0.015,
        validation_fraction: float = 0.2,
        progress: bool | None = None,
        rng: Any = None,
        random_state: Any = None,
    ) -> None:
        self.symmetry = symmetry
        self.standardize = standardize
        self.enforce = enforce
        self.kappa = kappa
        self.base = base
        self.hamiltonians = hamiltonians
        self.steps = steps
        self.step_size = step_size
        self.hidden = hidden
        self.dtype = dtype
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.patience = patience
        self.tol = tol
        self.validation_fraction = validation_fraction
        self.progress = progress
        self.rng = rng
        self.random_state = random_state

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        parameters = inspect.signature(cls.__init__).parameters.values()
        return {x.name: x.default for x in parameters if x.name != "self"}

    def __repr__(self) -> str:
        defaults = self._defaults()
        given = (
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if not (value is defaults[name] or value == defaults[name])
        )
        return f"{type(self).__name__}({', '.join(given)})"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the options by name; `deep` is there for scikit-learn and changes nothing."""
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Change options by name; what was learned stays until the next `fit`.

        Raises
        ------
        ehf_sym.ArgumentError
            If there is no option of that name.
        """
        known = self._defaults()
        for name in params:
            if name not in known:
                raise ArgumentError(
                    f"set_params was given {name!r}; the options are {', '.join(known)}"
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """Return what scikit-learn, which is the only one that asks, should expect."""
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=False),
            input_tags=InputTags(),
        )

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there is something to score with."""
        return hasattr(self, "flow_")

    def fit(self, X: Any, y: object = None) -> Self:
        """Learn anew, whatever was learned before.

        Parameters
        ----------
        X : array_like or data frame, shape (n, d)
            Points.
        y
            Not looked at.

        Returns
        -------
        SymmetricDensity
            This model.

        Raises
        ------
        ehf_sym.ArgumentError
            If an option or X cannot be used; what was learned before is kept.

        Warns
        -----
        DataWarning
            As `EquivariantHamiltonianFlow.fit`.
        TrainingWarning
            If training turned non-finite or was interrupted.
        """
        x, names = _table(X), column_names(X)
        rng = _generator(self.rng, self.random_state)
        course = Course(
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            max_iter=self.max_iter,
            patience=self.patience,
            tol=self.tol,
            progress=self.progress,
        )
        checks.one_of(self.standardize, "standardize", ("auto", False))
        checks.one_of(self.enforce, "enforce", ("auto", "exact", "penalty"))
        symmetry = read_symmetry(self.symmetry, x.shape[1])
        held_out = self._held_out(len(x))
        changes = None if symmetry is None else unit_changes(symmetry)
        if changes is not None and self.base is None:
            changes = with_round_tubes(changes)
        units, inner = Units.none(x.shape[1]), symmetry
        space = self._space(symmetry, x.shape[1])
        allowed = not space.angles and (symmetry is None or changes is not None)
        if self.standardize == "auto" and allowed:
            units = Units.of(x, changes)
            inner = symmetry if changes is None else changes.symmetry
        z = units.standardized(x)[rng.permutation(len(x))]
        flow, iterations, reason = self._learned(inner, z, held_out, course, rng)
        self.flow_, self.units_, self.symmetry_ = flow, units, symmetry
        self.n_iter_, self.stop_reason_ = iterations, reason
        self.n_features_in_ = x.shape[1]
        self.__dict__.pop("feature_names_in_", None)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        self._frame = frame_kind(X)
        return self

    def _learned(
        self,
        symmetry: AnySymmetry | None,
        z: Array,
        held_out: int,
        course: Course,
        rng: np.random.Generator,
    ) -> tuple[EquivariantHamiltonianFlow, int, str]:
        """Train from the fitted mixture; where it is of many tubes, unless the flow alone wins.

        A mixture of few is a finding; of many, an approximation that a flow may do better.
        """
        training, watched = z[held_out:], z[:held_out]
        mixture = None
        if self.base is None and isinstance(symmetry, LieAlgebra):
            mixture = fit_orbit_mixture(symmetry, z, rng)
        if mixture is None or len(mixture.weights) > _FEW_TUBES:
            flow = self._flow(symmetry, z.shape[1], self.base, rng)
            ended = learn_average(flow, training, watched, course)
            if mixture is None or _beats_mixture(flow, training, watched, rng):
                return flow, *ended
        flow = self._flow(symmetry, z.shape[1], mixture, rng)
        return flow, *learn_average(flow, training, watched, course, fitted=True)

    def _held_out(self, n: int) -> int:
        """Return how many points say when training ends."""
        share = checks.positive_number(self.validation_fraction, "validation_fraction")
        if share >= 1:
            raise ArgumentError(f"validation_fraction was {share!r}; it should be less than 1")
        if n < 2:
            raise ArgumentError(
                f"X had {n} sample(s) (n_samples={n}); at least 2 are needed, one of them held out"
            )
        return min(max(1, round(share * n)), n - 1, _MOST_HELD_OUT)

    def _space(self, symmetry: AnySymmetry | None, dim: int) -> PhaseSpace:
        """Return the coordinates, of which the base or the symmetry know the angles."""
        if symmetry is not None:
            return symmetry.space
        return PhaseSpace(dim) if self.base is None else self.base.space

    def _flow(
        self,
        symmetry: AnySymmetry | None,
        dim: int,
        base: BaseDensity | None,
        rng: np.random.Generator,
    ) -> EquivariantHamiltonianFlow:
        space = self._space(symmetry, dim)
        enforce = self.enforce
        if symmetry is None:
            enforce = "none"
        elif enforce == "auto":
            enforce = "exact" if _can_be_exact(symmetry) else "penalty"
        return EquivariantHamiltonianFlow(
            StandardNormal(space) if base is None else base,
            symmetry,
            enforce=enforce,
            kappa=self.kappa,
            encoder="coupling",
            hamiltonians=self.hamiltonians,
            steps=self.steps,
            step_size=self.step_size,
            hidden=self.hidden,
            start="random" if enforce == "exact" and base is None else "identity",
            dtype=self.dtype,
            rng=rng,
        )

    def score_samples(self, X: Any) -> Array:
        """Estimate ln p at each point: (n, d) to (n,), nats per unit volume of X.

        By importance weighting, as `EquivariantHamiltonianFlow.log_prob`; in expectation low.
        """
        z = self.units_.standardized(self._fitted_table(X))
        return self.flow_.log_prob(z).astype(np.float64) - self.units_.log_jacobian

    def likelihood(self, X: Any, **options: Any) -> LikelihoodEstimate:
        """Estimate ln p at each point with its error: `EquivariantHamiltonianFlow.likelihood`."""
        z = self.units_.standardized(self._fitted_table(X))
        found = self.flow_.likelihood(z, **options)
        return replace(found, values=found.values.astype(np.float64) - self.units_.log_jacobian)

    def weigh(
        self,
        S: sp.Expr | TargetEnergy,
        n: int = 10_000,
        *,
        momenta: int = 1,
        rng: int | np.random.Generator = 0,
    ) -> WeightedDraws:
        """Weigh n draws, so that they stand for e^−S(x)/Z: `EquivariantHamiltonianFlow.weigh`.

        S, Z = ∫ e^−S dx, means and points are in the units of the data.

        Parameters
        ----------
        S : sympy.Expr or TargetEnergy
            A formula of q1, q2, …, which are the columns of the data, or an object with value and
            gradient; infinite where there is no density.
        n, momenta : int
            Draws, and momenta for each.
        rng : int or numpy.random.Generator
            Draws them; the default repeats itself.

        Returns
        -------
        WeightedDraws
            ``.ess``, ``.log_z``, ``.mean(f)``, ``.resample(m)`` and more; prints as a summary.

        Raises
        ------
        ehf_sym.ArgumentError, ehf_sym.FormulaError
            If it is not fitted, S or another argument cannot be used, or a weight is no number.

        Examples
        --------
        >>> import ehf_num as en
        >>> x = 150 * en.rings().sample(300, rng=0)
        >>> model = en.SymmetricDensity(max_iter=40, rng=0).fit(x)
        >>> r2 = sum(q**2 for q in model.flow_.base.space.q)
        >>> weights = model.weigh(r2 / 150**2, 2000)  # Z = π 150², ln Z = 11.166
        >>> bool(abs(weights.log_z - 11.166) < 4 * weights.log_z_error)
        True
        """
        self._refuse_unfitted()
        return weighed(self.flow_, S, n, rng, self.units_, momenta)

    def diagnose(self, X: Any, **options: Any) -> Diagnosis:
        """Measure what the flow keeps, in its units: `EquivariantHamiltonianFlow.diagnose`."""
        return self.flow_.diagnose(self.units_.standardized(self._fitted_table(X)), **options)

    def score(self, X: Any, y: object = None) -> float:
        """Return the mean of `score_samples`, nats, as `GaussianMixture` does; larger is better."""
        return float(np.mean(self.score_samples(X)))

    def sample(self, n_samples: int = 1, random_state: Any = None, *, rng: Any = None) -> Any:
        """Draw points, in the units of the data: shape (n_samples, d).

        An array; a data frame of the same columns, of pandas or polars, if `fit` was given one.

        Parameters
        ----------
        n_samples : int
            How many.
        random_state, rng : int, numpy.random.Generator, numpy.random.RandomState, optional
            Draws them; two words for one thing.
        """
        self._refuse_unfitted()
        n = checks.positive_integer(n_samples, "n_samples")
        drawn = self.units_.restored(self.flow_.sample(n, _generator(rng, random_state)))
        return as_frame(drawn, getattr(self, "feature_names_in_", None), self._frame)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model with its options and units to one .npz file; `ehf_num.load` reads it.

        A `LieAlgebra` comes back as the formulas of its generators, a random generator as None.

        Raises
        ------
        ehf_sym.ArgumentError
            If it is not fitted.
        OSError
            If the file cannot be written; one that was there stays as it was.
        """
        self._refuse_unfitted()
        saved = self.flow_.saved()
        write_model(path, replace(saved, header={**saved.header, "estimator": self._plain()}))

    def _plain(self) -> dict[str, Any]:
        """Return all that is not in the flow's own file, as JSON has it."""
        options = {**self.get_params(), "hidden": list(self.hidden), "base": None}
        for name in ("rng", "random_state"):  # generators have moved on
            options[name] = None if options[name] is None else _seed(options[name])
        symmetry = self.symmetry
        if isinstance(symmetry, LieAlgebra) and not symmetry.space.angles:
            options["symmetry"] = [format_formula(g) for g in symmetry.generators]
        elif isinstance(symmetry, LieAlgebra | FiniteSymmetry | Symmetry):
            options["symmetry"] = symmetry_as_text(as_symmetry(symmetry))
        names = getattr(self, "feature_names_in_", None)
        return {
            "options": options,
            "own_base": self.base is not None,
            "shift": self.units_.shift.tolist(),
            "scale": self.units_.scale.tolist(),
            "names": None if names is None else names.tolist(),
            "frame": self._frame,
            "iterations": self.n_iter_,
            "stop_reason": self.stop_reason_,
        }

    @classmethod
    def _restored(cls, plain: dict[str, Any], flow: EquivariantHamiltonianFlow) -> Self:
        """Make a fitted model of what a file holds."""
        options = dict(plain["options"])
        if isinstance(options["symmetry"], dict):  # of matrices, or of angles
            space = replace(flow.base.space, parameters=())
            options["symmetry"] = symmetry_of_text(options["symmetry"], space)
        model = cls(**options)
        if isinstance(model.hidden, list):
            model.hidden = tuple(model.hidden)
        dim = flow.dim
        shift, scale = np.array(plain["shift"], float), np.array(plain["scale"], float)
        if shift.shape != (dim,) or scale.shape != (dim, dim) or not np.isfinite(scale).all():
            raise ValueError(f"its units have shapes {shift.shape} and {scale.shape}")
        np.linalg.cholesky(scale)
        if plain.get("own_base", flow.base.name != StandardNormal(flow.base.space).name):
            model.base = flow.base
        model.flow_, model.units_ = flow, Units(shift, scale)
        model.symmetry_ = read_symmetry(model.symmetry, dim)
        model.n_features_in_ = dim
        model.n_iter_, model.stop_reason_ = int(plain["iterations"]), str(plain["stop_reason"])
        if plain["names"] is not None:
            model.feature_names_in_ = np.array(plain["names"], dtype=object)
        kind = plain.get("frame")  # files of old have none
        model._frame = kind if kind in KINDS else None
        return model

    def _refuse_unfitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise ArgumentError(f"{type(self).__name__} was not fitted yet; call fit(X) first")

    def _fitted_table(self, X: Any) -> Array:
        """Read points that have to be of the kind that was learned."""
        self._refuse_unfitted()
        names, learned = column_names(X), getattr(self, "feature_names_in_", None)
        if names is not None and learned is not None:
            _compare_names(names, learned.tolist())
        elif (names is None) != (learned is None):
            name = type(self).__name__
            text = (
                f"X has feature names, but {name} was fitted without feature names"
                if learned is None
                else f"X does not have valid feature names, but {name} was fitted with them"
            )
            warnings.warn(text, DataWarning, stacklevel=3)
        x = _table(X)
        if x.shape[1] != self.n_features_in_:
            raise ArgumentError(
                f"X has {x.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )
        return x


def _beats_mixture(
    flow: EquivariantHamiltonianFlow, training: Array, watched: Array, rng: np.random.Generator
) -> bool:
    """Whether points held out are more likely than under a mixture that has not seen them either.

    By more than a standard error.
    """
    mixture = None
    if isinstance(flow.symmetry, LieAlgebra):
        mixture = fit_orbit_mixture(flow.symmetry, training, rng)
    if mixture is None:
        return True
    gains = flow.log_prob(watched).astype(np.float64) - log_density_of_positions(mixture, watched)
    return bool(gains.mean() > gains.std() / np.sqrt(len(gains)))


def _can_be_exact(symmetry: AnySymmetry) -> bool:
    """Whether its invariants are proved, and known to keep no larger group, such as mirrors."""
    try:
        construction = invariant_hamiltonian(symmetry)
    except ArgumentError:  # there are none
        return False
    return construction.proved and construction.is_generating


def _generator(rng: Any, random_state: Any) -> np.random.Generator:
    """Read either word for a source of random numbers; tools of scikit-learn set the second."""
    given = rng if random_state is None else random_state
    if isinstance(given, np.random.RandomState):
        return np.random.default_rng(given.randint(2**31, size=4))
    return checks.generator(given)


def _seed(given: Any) -> int | None:
    return int(given) if isinstance(given, int | np.integer) else None


def _table(X: Any) -> Array:
    """Read points (n, d) as finite float64; errors are in the words that scikit-learn's are in."""
    wanted = "a real, finite table of shape (n, d)"
    if hasattr(X, "toarray"):
        raise ArgumentError(f"X was sparse ({type(X).__name__}); it should be {wanted}: dense")
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        raise ArgumentError(f"X was complex: Complex data not supported; it should be {wanted}")
    x = real_array(X, "X", wanted)
    if x.ndim != 2:
        raise ArgumentError(
            f"X had shape {x.shape}; it should be {wanted}. Reshape your data: X.reshape(-1, 1) "
            "has one column, X.reshape(1, -1) one row"
        )
    if not x.shape[0] or not x.shape[1]:
        raise ArgumentError(
            f"X had {x.shape[0]} sample(s) and {x.shape[1]} feature(s) (shape={x.shape}) while a "
            f"minimum of 1 is required; it should be {wanted}"
        )
    x = x.astype(np.float64)
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        raise ArgumentError(
            f"X had {np.count_nonzero(~finite)} rows with NaN or inf, first row "
            f"{int(np.argmin(finite))}; it should be {wanted}: leave them out"
        )
    return x


def _compare_names(names: list[str], learned: list[str]) -> None:
    """Refuse columns that are not those that were learned, in scikit-learn's words."""
    if names == learned:
        return
    lines = ["The feature names should match those that were passed during fit."]
    for head, left, right in (
        ("Feature names unseen at fit time:", names, learned),
        ("Feature names seen at fit time, yet now missing:", learned, names),
    ):
        missing = sorted(set(left) - set(right))
        if missing:
            more = ["- ..."] if len(missing) > _SHOWN else []
            lines += [head, *(f"- {name}" for name in missing[:_SHOWN]), *more]
    if len(lines) == 1:
        lines.append("Feature names must be in the same order as they were in fit.")
    raise ArgumentError("\n".join(lines) + "\n")

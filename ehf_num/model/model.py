"""EquivariantHamiltonianFlow: what a user holds."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from os import PathLike
from textwrap import shorten
from typing import Any, Self

import numpy as np
import sympy as sp

from ehf_num.densities.base import Sampler
from ehf_num.densities.encoder import Encoder
from ehf_num.engine import arguments
from ehf_num.engine.adam import AdamSettings
from ehf_num.engine.engine import tell_of_missing_kernels
from ehf_num.engine.tape import make_vjp
from ehf_num.engine.workspace import Array
from ehf_num.files.archive import SavedModel, write_model
from ehf_num.files.checkpoint import Checkpoint
from ehf_num.files.identity import RunIdentity, options_of
from ehf_num.files.result import TrainingResult, versions
from ehf_num.hamiltonian.protocols import Energy, Hamiltonian, Integrator
from ehf_num.inference.chains import look_for_missing_modes
from ehf_num.model.assembly import (
    build_objective,
    formulas_as_text,
    initial_parameters,
    prove,
    random_state,
)
from ehf_num.model.density import FlowDensity, admitted_energy
from ehf_num.model.diagnosis import Diagnosis, diagnose
from ehf_num.model.model_card import model_rows
from ehf_num.model.parts import Parts, admit_penalty, describe_parts
from ehf_num.model.settings import OWN, FlowSettings
from ehf_num.symmetry.orbits import orbit_sampler_for
from ehf_num.targets.target_energy import KnownEnergy, TargetEnergy
from ehf_num.training.bounds import Bound, TrainingObjective
from ehf_num.training.constraint import Penalty
from ehf_num.training.energy_bound import EnergyBound
from ehf_num.training.interrupts import interrupts
from ehf_num.training.minibatches import is_single_pass, no_points, training_data, warn_if_far
from ehf_num.training.multipliers import MultiplierSettings
from ehf_num.training.training import TrainingWarning, train
from ehf_num.training.training_settings import Observer, TrainingSettings
from ehf_sym import BaseDensity
from ehf_sym.errors import ArgumentError
from ehf_sym.formulas.report import ResultTable
from ehf_sym.symmetry.symmetry import AnySymmetry

_BASE_STATES = 2048  # enough for quantiles of 1 %
_KEPT = "the last good parameters are kept, with patience= the best"


class EquivariantHamiltonianFlow(FlowDensity):
    """A density over q, learned as a Hamiltonian flow that keeps a declared symmetry.

    The flow of H_n ∘ … ∘ H_1, each K(p) + U(q) with soft-plus networks, turns the base π(q, p)
    into p(q, p); the data's momenta come from an encoder h(p|q); training maximizes the ELBO
    (eq. 1) under E_π[{g_k, H}²] ≤ κ.

    Parameters
    ----------
    base : ehf_sym.BaseDensity
        π. Parameters of its space are learned, within the family that is proved invariant.
    symmetry : ehf_sym.LieAlgebra, FiniteSymmetry or Symmetry, optional
        The generators g_k: {g_k, π} = 0 is proved here or the model is refused, whatever
        `enforce` says; of a finite symmetry π∘σ = π. None needs ``enforce="none"``.
    enforce : {"penalty", "exact", "none"}
        Whether {g_k, H} is penalized in training, or zero by construction: K and U are then
        networks of the invariants of p and of q (`construction` holds the proof), and a coupling
        encoder is equivariant too where the symmetry rotates q and p alike.
    invariants : {"generating", "independent"}
        What K and U are networks of with ``enforce="exact"``: invariants that are known to generate
        all of them, or as many independent ones as there can be, which are fewer, but may keep a
        larger group: the dot products of three vectors keep reflections too.
    kappa : float
        κ, the mean squared bracket that is allowed, dimensionless.
    constraint_on : {"base", "data", "both"}
        States that brackets are penalized on: draws from π, the two ends of the data's
        trajectories, or each of these with multipliers of its own.
    split_bracket : bool
        Whether {g_k, K} and {g_k, U} are penalized one by one: leapfrog needs each.
    normalized_bracket : bool
        Whether each {g_k, H}² is divided by |∂g_k|² |X_H|², which a weaker H does not lower.
    encoder : {"gaussian", "coupling"} or Encoder
        Family of h(p|q): a diagonal Gaussian, or a chain of four affine couplings conditioned on
        q, which fits momenta that no Gaussian does (for d = 1, an increasing map); or an object
        of your own (see `Encoder`).
    hamiltonians : int
        Length n of the chain.
    steps : int
        Leapfrog steps for each Hamiltonian.
    step_size : float
        dt, dimensionless.
    hidden : sequence of int
        Widths of the hidden layers of every network.
    start : {"random", "identity"}
        How weights of K and U are drawn: all at random; or so that the flow starts as the identity,
        its networks bent all over the base's mass, which learns several times as fast where K and U
        are networks of the coordinates of data about two wide.
    dtype : {"float64", "float32"}
        Of parameters and of all that is computed.
    reversible : {"auto", True, False}
        Whether training rebuilds the flow's states backwards from its end instead of keeping them:
        its memory does not grow with steps then, for one more forward pass in time.
        ``result_.reversal_error`` says how exact it was. "auto" keeps up to 256 MiB.
    integrator : Integrator, optional
        What turns each H into a map, instead of leapfrog with `steps` and `step_size`: an object
        with `forward`, `inverse`, `order` and `symplectic`. One that is not symplectic is refused.
    kinetic, potential : Energy, optional
        K and U instead of networks: objects with `init`, `value` and `gradient`. With
        ``enforce="exact"`` they have to prove what they keep (`ProvedEnergy`).
    hamiltonian : Hamiltonian, optional
        H(q, p) instead of K + U: an object with `init` and `vector_field`.
    penalty : Penalty, optional
        What is held below κ instead of {g_k, H}²: an object with `names` and `terms`.
    base_sampler : callable, optional
        (n, rng) to (n, 2d) base states, for a base that is neither Gaussian nor factorizes.
    base_parameters : mapping from sympy.Symbol to float, optional
        Where the base's parameters start, those of its space that the symmetry leaves free: they
        are learned with the weights. Without a value, 1 for what is positive, else 0.
    rng : int or numpy.random.Generator, optional
        Draws the initial weights and the noise of training.

    Attributes
    ----------
    report : ehf_sym.InvarianceReport or None
        The proof that the model rests on.
    construction : ehf_sym.InvariantHamiltonian or None
        With ``enforce="exact"``: what K and U are networks of, and the proof that {g_k, H} = 0.
    result_ : TrainingResult
        Of the last `fit`.

    Raises
    ------
    ehf_sym.InvarianceError
        If {g_k, π} = 0 is not proved for some generator.
    ehf_sym.ArgumentError
        If an option is out of range, the base cannot be sampled or normalized, or
        ``enforce="exact"`` finds no invariants to build from.

    Examples
    --------
    >>> import ehf_sym as es, ehf_num as en
    >>> space = es.PhaseSpace(2)
    >>> q, p = space.q, space.p
    >>> symmetry = es.LieAlgebra(space, [q[0]*p[1] - q[1]*p[0]])
    >>> base = es.StandardNormal(space)
    >>> flow = en.EquivariantHamiltonianFlow(base, symmetry, hidden=(16, 16), rng=0)
    >>> x = en.rings().sample(200, rng=0)
    >>> flow.fit(x, iterations=20, progress=False).sample(5, rng=1).shape
    (5, 2)
    """

    result_: TrainingResult

    def __init__(
        self,
        base: BaseDensity,
        symmetry: AnySymmetry | None = None,
        *,
        enforce: str = "penalty",
        invariants: str = "generating",
        kappa: float = 1e-3,
        constraint_on: str = "base",
        split_bracket: bool = False,
        normalized_bracket: bool = False,
        encoder: str | Encoder = "gaussian",
        hamiltonians: int = 1,
        steps: int = 2,
        step_size: float = 0.5,
        hidden: Sequence[int] = (128, 128),
        start: str = "random",
        dtype: str = "float64",
        reversible: bool | str = "auto",
        integrator: Integrator | None = None,
        kinetic: Energy | None = None,
        potential: Energy | None = None,
        hamiltonian: Hamiltonian | None = None,
        penalty: Penalty | None = None,
        base_sampler: Sampler | None = None,
        base_parameters: Mapping[sp.Symbol, float] | None = None,
        rng: int | np.random.Generator | None = None,
    ) -> None:
        settings = FlowSettings(
            enforce=enforce,
            invariants=invariants,
            kappa=kappa,
            constraint_on=constraint_on,
            split_bracket=split_bracket,
            normalized_bracket=normalized_bracket,
            encoder=encoder if isinstance(encoder, str) else OWN,
            hamiltonians=hamiltonians,
            steps=steps,
            step_size=step_size,
            hidden=hidden,  # type: ignore[arg-type]  # FlowSettings makes a tuple of it
            start=start,
            dtype=dtype,
            reversible=reversible,
        )
        parts = Parts(
            None if isinstance(encoder, str) else encoder,
            integrator,
            kinetic,
            potential,
            hamiltonian,
            penalty,
            base_sampler,
        )
        settings.refuse_overruled(parts.given())
        premises = prove(base, symmetry, settings, parts)
        self.base, self.symmetry = premises.base, premises.symmetry
        self.report, self.construction = premises.report, premises.construction
        self._rng = arguments.generator(rng)
        self.seed = None if rng is None or isinstance(rng, np.random.Generator) else int(rng)
        objective = build_objective(premises, settings, parts, base_parameters)
        self._parts = parts
        super().__init__(settings, objective, initial_parameters(objective, settings, self._rng))
        if penalty is not None:
            admit_penalty(self.bound, self.dim)

    def __repr__(self) -> str:
        lie, finite = self.lie, self.finite
        generators: list[Any] = [] if lie is None else [*lie.generators]
        generators += [] if finite is None else [*finite.labels]
        symmetry = shorten(", ".join(map(str, generators)) or "none", 60, placeholder=" …")
        options = asdict(self.settings).items()
        own = [f"{k}={v!r}" for k, v in options if v not in (getattr(FlowSettings, k), OWN)]
        own += [f"{name}={type(part).__name__}" for name, part in self._parts.given().items()]
        given = ", ".join([self.base.name, f"symmetry={symmetry}", *own])
        return f"EquivariantHamiltonianFlow({given})"

    def _repr_html_(self) -> str:
        result, parts = getattr(self, "result_", None), self._parts.given()
        rows = model_rows(self.settings, self.base, self.report, parts, self.weights, result)
        return ResultTable("Equivariant Hamiltonian flow", [*rows]).to_html()

    def fit(
        self,
        x: Any,
        *,
        iterations: int = 15_000,
        batch_size: int = 128,
        learning_rate: float = 3e-4,
        epsilon: float = 1e-8,
        schedule: Any = "constant",
        objective: str | TrainingObjective = "elbo",
        draws: int = 1,
        augment: bool | str = "auto",
        validation: Any = None,
        patience: int | None = None,
        progress: bool | None = None,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int = 1000,
        record_every: int | None = None,
        on_record: Observer | None = None,
    ) -> Self:
        """Learn from data, starting from the present weights.

        A second call goes on from the first one's weights, with a fresh optimizer, and
        ``result_.earlier`` says from how many iterations; to start anew, make another model.

        Parameters
        ----------
        x : array_like (n, d), callable, iterator or generator function
            Points; or endless data: a function ``(n, rng)`` that returns (n, d), such as a
            target's `sample`, or an iterator of arrays (m, d).
        iterations : int
            Updates at the most.
        batch_size : int
            Of minibatches, and of the base states that {g, H} is penalized on.
        learning_rate, epsilon : float
            Adam's α and ε. An ε of 1e-2 keeps what has little gradient from being moved by noise.
        schedule : {"constant", "cosine"}, LearningRateSchedule or callable
            What α is multiplied by: a function of the number of iterations done.
        objective : {"elbo", "importance"} or TrainingObjective
            The ELBO, or the tighter bound of `draws` importance-weighted momenta with doubly
            reparametrized gradients (arXiv:1810.04152); or an object of your own with `value`.
        draws : int
            Momenta drawn for each point in each iteration.
        augment : {"auto", True, False}
            Whether each minibatch is moved by uniformly random elements of the symmetry's group,
            which has to be compact and to act on q alone (`orbit_sampler`). "auto": with
            ``enforce="exact"``, where that is proved to be harmless and h(p|q) gains from it.
        validation : float or array_like, optional
            A share of x to hold out, or points (m, d).
        patience : int, optional
            Iterations without a better validation figure before training stops; records (about 300
            a run) look. With it, the weights that are kept are those of the best record, whatever
            ends the run.
        progress : bool, optional
            Progress bar with ELBO, bracket and λ; None: only on a terminal.
        checkpoint : path-like, optional
            A file that the state of the run is written to every `checkpoint_every` iterations. If
            it is there when `fit` is called with the same data, options and start, the run goes on
            where it ended, to the same bits; not for iterators, which cannot be wound on. The file
            of another run is refused, with what differs.
        checkpoint_every : int
            Iterations between two writings.
        record_every : int, optional
            Iterations between two records of the history; None: about 300 records a run.
        on_record : callable, optional
            Called with a `TrainingRecord` at each record: an observer of progress. The run does
            not depend on it, unless it raises `StopTraining`, which ends it, or draws from this
            model's own generator.

        Returns
        -------
        EquivariantHamiltonianFlow
            This model; `result_` holds the history.

        Raises
        ------
        ehf_sym.ArgumentError
            If an argument cannot be used; the model is as it was.
        ModelFileError
            If the checkpoint is damaged; the model is as it was.
        Exception
            What the data, the schedule, the observer or the writing of a checkpoint raise. Where it
            comes after the first iteration, what was learned is kept as for Ctrl-C, and
            ``result_.stop_reason`` tells of it.

        Warns
        -----
        DataWarning
            Before training, if points lie far from where the base has its mass, or some of them far
            from all others.
        EngineWarning
            Once a process, if the kernels in C could not be compiled.
        TrainingWarning
            If training turned non-finite or was interrupted (Ctrl-C ends it after the iteration, a
            second one at once): the last good weights are kept, with patience the best.
        """
        settings = self._settings(
            (learning_rate, epsilon),
            (checkpoint, checkpoint_every),
            iterations=iterations,
            batch_size=batch_size,
            schedule=schedule,
            bound=Bound(objective, draws),
            patience=patience,
            progress=progress,
            record_every=record_every,
            on_record=on_record,
        )
        if patience is not None and validation is None:
            raise ArgumentError("patience was given without validation= to watch")
        return self._train(x, settings, validation, augment)

    def fit_energy(
        self,
        S: sp.Expr | TargetEnergy,
        x: Any = None,
        *,
        iterations: int = 15_000,
        batch_size: int = 128,
        learning_rate: float = 3e-4,
        epsilon: float = 1e-8,
        schedule: Any = "constant",
        annealing: int = 0,
        gradient: str = "total",
        data_weight: float = 0.5,
        augment: bool | str = "auto",
        validation: int | None = None,
        patience: int | None = None,
        progress: bool | None = None,
        checkpoint: str | PathLike[str] | None = None,
        checkpoint_every: int = 1000,
        record_every: int | None = None,
        on_record: Observer | None = None,
    ) -> Self:
        """Learn the density e^−S(q)/Z from its energy, starting from the present weights.

        Raises E[ln w] ≤ ln Z, w = e^−S(q) h(p|q)/π(s0) with (q, p) = flow(s0), by gradients along
        the paths from the base states s0 ~ π; the history holds it. What is kept of the symmetry
        is as in `fit`. `weigh` says afterwards how good the model is.

        Parameters
        ----------
        S : sympy.Expr or TargetEnergy
            A formula of q with numbers for its parameters, of which {g, S} = 0 is proved here; or
            an object with ``value(x)``, (n, d) to (n,), and ``gradient(x)``, (n, d) to (n, d), of
            which slopes and brackets are looked at.
        x : array_like (n, d), callable, iterator or generator function, optional
            Points of e^−S, such as those of a chain; the ELBO of minibatches is raised with the
            bound of ln Z then, and keeps modes that the flow does not find by itself.
        annealing : int
            Iterations over which the target goes from the base, at strength β = 0, to e^−S, at 1:
            (e^−S h)^β π^(1−β). The history holds the bound at β = 1 all the time.
        gradient : {"total", "path"}
            How the bound's slope is estimated: "path" takes what is zero in the mean off it, the
            path's share of the flow's own ln p(q, p). It has less noise near the optimum, and
            costs about twice the time an iteration.
        data_weight : float
            The share of the ELBO where there are points, in (0, 1).
        validation : int, optional
            Base states, always the same, that the bound is evaluated on at each record.
        iterations, batch_size, learning_rate, epsilon, schedule, augment, patience
            As in `fit`.
        progress, checkpoint, checkpoint_every, record_every, on_record
            As in `fit`.

        Returns
        -------
        EquivariantHamiltonianFlow
            This model; `result_` holds the history.

        Raises
        ------
        ehf_sym.InvarianceError
            If S is a formula that is not proved to be kept by the symmetry; the witness is told.
        ehf_sym.FormulaError
            If the formula is not exact, or is of anything but q.
        ehf_sym.ArgumentError
            If another argument cannot be used, or the encoder has no density at given momenta
            (``log_prob``) on the tape. In all of these cases the model is as it was.
        ModelFileError, Exception
            As in `fit`.

        Warns
        -----
        TrainingWarning
            As in `fit`; an energy that is not finite is named with its state. And if chains from
            the base's states, or annealed from far away, end where e^−S has mass that the model
            does not reach, though its weights look well: modes are missing. Or if they fall without
            an end: e^−S has no finite integral, as where its sign is wrong.

        Examples
        --------
        >>> import sympy as sp, ehf_sym as es, ehf_num as en
        >>> so2 = es.groups.so(2)
        >>> S, base = sum(x**2 for x in so2.space.q) * 2, es.StandardNormal(so2.space)
        >>> flow = en.EquivariantHamiltonianFlow(base, so2, hidden=(8,), rng=0)
        >>> flow.fit_energy(S, iterations=20, progress=False).result_.objective
        'energy'
        """
        if patience is not None and validation is None:
            raise ArgumentError("patience was given without validation= base states to watch")
        if x is not None and not arguments.number_from_zero(data_weight, "data_weight", 1) > 0:
            raise ArgumentError(f"data_weight was {data_weight!r}; it should be in (0, 1)")
        arguments.one_of(gradient, "gradient", ("total", "path"))
        bound = EnergyBound(
            self._learnable(S),
            annealing=arguments.count(annealing, "annealing"),
            own_slope=gradient == "path",
            data_weight=0.0 if x is None else float(data_weight),
            validation=0 if validation is None else arguments.count(validation, "validation"),
        )
        settings = self._settings(
            (learning_rate, epsilon),
            (checkpoint, checkpoint_every),
            iterations=iterations,
            batch_size=batch_size,
            schedule=schedule,
            bound=bound,
            patience=patience,
            progress=progress,
            record_every=record_every,
            on_record=on_record,
        )
        self._train(x, settings, None, augment if x is not None else False)
        if not self.result_.ended_early:
            self._warn_of_missing_modes(bound.target)
        return self

    def _settings(
        self, rates: tuple[float, float], file: tuple[Any, int], **options: Any
    ) -> TrainingSettings:
        """Put the options of a run together; what they have in common is checked here."""
        (learning_rate, epsilon), (checkpoint, every) = rates, file
        return TrainingSettings(
            adam=AdamSettings(learning_rate, epsilon=epsilon),
            multipliers=MultiplierSettings(self.settings.kappa),
            checkpoint=None if checkpoint is None else Checkpoint(checkpoint, every),
            **options,
        )

    def _train(self, x: Any, settings: TrainingSettings, validation: Any, augment: Any) -> Self:
        """Run the loop, and keep what was learned whatever ends it; x may be None for an energy."""
        tell_of_missing_kernels()
        checkpoint = settings.checkpoint
        if checkpoint is not None and is_single_pass(x):
            raise ArgumentError("checkpoint was given for an iterator x, which cannot be wound on")
        move = orbit_sampler_for(
            augment,
            self.symmetry,
            exact=self.settings.enforce == "exact",
            equivariant_encoder=self.encoder_is_equivariant,
        )
        with interrupts(signal.SIGINT) as stop:
            before = self._rng.bit_generator.state
            learned = False
            try:
                if x is None and settings.bound.starts_at_base:
                    data = no_points(self.dim, self.settings.dtype)
                else:
                    data = training_data(
                        x,
                        dim=self.dim,
                        dtype=self.settings.dtype,
                        batch_size=settings.batch_size,
                        validation=validation,
                        rng=self._rng,
                    ).watched(self._warn_if_far)
                identity = None
                if checkpoint is not None:
                    given = options_of(settings) | {**data.given, "augment": augment}
                    identity = self._identity_of(given, before)
                parts = self._objective, self._parameters, data.moved(move), settings, self._rng
                ending = train(*parts, stop=stop, identity=identity, seed=self.seed, model=self)
                learned = ending.error is None or ending.result.iterations > 0
            finally:
                if not learned:
                    self._rng.bit_generator.state = before
            if learned:
                last = getattr(self, "result_", None)
                earlier = 0 if last is None else last.earlier + last.iterations
                self.result_ = replace(ending.result, earlier=earlier)
        fault = "" if ending.fault is None else f"; {ending.fault}"
        text = f"training ended early: {ending.result}{fault}; {_KEPT}"
        if ending.error is not None:
            if learned:
                ending.error.add_note(text)
            raise ending.error
        if ending.result.ended_early:
            warnings.warn(text, TrainingWarning, stacklevel=3)
        return self

    def _learnable(self, S: Any) -> KnownEnergy:
        """Admit an energy that the symmetry keeps, for an encoder whose density has slopes."""
        target, encoder = admitted_energy(self, S, self.symmetry), self._parts.encoder
        if encoder is not None:
            evaluate: Any = encoder.log_prob  # type: ignore[attr-defined]
            dim, weights = self.dim, list(self.bound.encoder_weights)
            rows = self.bound.base.sample(2, np.random.default_rng(0), self.settings.dtype)
            ends = [*weights, rows[:, :dim], rows[:, dim:]]
            try:
                make_vjp(lambda boxes: evaluate(boxes[:-2], *boxes[-2:]), ends)[0](rows[:, 0])
            except Exception as error:
                raise ArgumentError(
                    f"encoder was {type(encoder).__name__}, whose log_prob raised "
                    f"{type(error).__name__} on the tape: {error}; learning from an energy needs "
                    "one that is made of autograd.numpy's functions"
                ) from error
        return target

    def _warn_of_missing_modes(self, target: KnownEnergy) -> None:
        """Warn where chains find mass of e^−S that draws from this model do not reach."""
        try:
            found = look_for_missing_modes(self.bound, target, np.random.default_rng(0))
        except ArgumentError as error:  # e^−S has no finite integral
            warnings.warn(f"S was learned, but: {error}", TrainingWarning, stacklevel=3)
            return
        if found.collapsed:
            warnings.warn(str(found), TrainingWarning, stacklevel=3)

    def _identity_of(self, given: dict[str, Any], random_state: Any) -> RunIdentity:
        """Tell a run of these arguments of `fit` by all that it starts from."""
        start = {"weights": self._parameters.flat, "random state": random_state}
        return RunIdentity.of(self._arguments() | given, start)

    def _warn_if_far(self, x: Array) -> None:
        """Warn where points lie far from the base; no random numbers of this model are drawn."""
        base = self._objective.base_at(self.weights)
        states = base.sample(_BASE_STATES, np.random.default_rng(0))
        straight = [k for k in range(self.dim) if k not in self.base.space.angles]
        if straight:
            warn_if_far(x[:, straight], states[:, straight])

    def _arguments(self) -> dict[str, Any]:
        """Return what this model was made of, by the names of the arguments."""
        own = {"base": self.base, "symmetry": self.symmetry, "rng": self.seed}
        given = {each.name: getattr(self._parts, each.name) for each in fields(self._parts)}
        given["encoder"] = given["encoder"] or self.settings.encoder
        return options_of(self.settings) | own | given | {
            "base_parameters": {x.name: value for x, value in self.base_parameters.items()}
        }  # fmt: skip

    def _run_identity(self) -> dict[str, Any]:
        """Return what a run depends on that learns from this model."""
        return self._arguments() | {"weights": self._parameters.flat}

    def diagnose(
        self,
        x: Any,
        *,
        epsilon: float | None = None,
        n_samples: int = 1024,
        rng: int | np.random.Generator = 0,
    ) -> Diagnosis:
        """Measure what this model keeps, on points (n, d) held out; see `ehf_num.diagnose`."""
        return diagnose(self, x, epsilon=epsilon, n_samples=n_samples, rng=rng)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the model to one .npz file, no pickle; `ehf_num.load` reads it.

        Raises
        ------
        ehf_sym.FormulaError
            If a formula cannot be written in the grammar of `ehf_sym.parse`.
        OSError
            If the file cannot be written; one that was there stays as it was.
        """
        write_model(path, self.saved())

    def saved(self) -> SavedModel:
        """Return what a file of this model holds, in plain data; raises as `save` does."""
        header = {
            "formulas": formulas_as_text(self.base, self.symmetry),
            "settings": asdict(self.settings),
            "parts": describe_parts(self._parts, self.bound),
            "sampler": self._objective.base.route == "sampler",
            "seed": self.seed,
            "random_state": random_state(self._rng),
            "versions": versions(),
        }
        return SavedModel(header, self._parameters.flat, getattr(self, "result_", None))

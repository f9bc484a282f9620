"""What one asks of a learned density: points, states, brackets, likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np
import sympy as sp

from ehf_num.densities.coupling import CouplingEncoder
from ehf_num.densities.encoder import EquivariantEncoder, EvaluatedEncoder
from ehf_num.densities.momentum_frames import MovingFrame
from ehf_num.engine import arguments
from ehf_num.engine.engine import Engine, goes_with, present_engine
from ehf_num.engine.native import takes
from ehf_num.engine.networks import wrapped
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.flow import HamiltonianFlow, knows_kernels
from ehf_num.hamiltonian.hamiltonian import NetworkHamiltonian
from ehf_num.hamiltonian.integrators import innermost
from ehf_num.hamiltonian.invariant_energy import FeatureHamiltonian
from ehf_num.hamiltonian.parameters import ParameterVector
from ehf_num.inference import likelihood
from ehf_num.inference.estimate import LikelihoodEstimate
from ehf_num.inference.inference import draw_positions, draw_states, in_blocks
from ehf_num.inference.weighing import DrawnUnits, Draws, WeightedDraws
from ehf_num.model.settings import FlowSettings
from ehf_num.targets.target_energy import KnownEnergy, TargetEnergy, known_energy
from ehf_num.training.objective import BoundModel, Objective
from ehf_sym import (
    BaseDensity,
    FiniteSymmetry,
    InvarianceReport,
    InvariantHamiltonian,
    LieAlgebra,
)
from ehf_sym.errors import ArgumentError
from ehf_sym.symmetry.symmetry import AnySymmetry, as_symmetry

_SAME_ANGLE = 2.0**-36
_PROBES = 64  # base states that an energy given as code is tried at


class FlowDensity:
    """The density over q that a flow with given weights makes of its base.

    `EquivariantHamiltonianFlow` is one that can be made from formulas, fitted and saved.

    Attributes
    ----------
    settings : FlowSettings
        The options.
    base : BaseDensity
        π.
    symmetry : LieAlgebra, FiniteSymmetry, Symmetry or None
        What it is invariant under.
    report, construction : InvarianceReport or None, InvariantHamiltonian or None
        What is proved of the base, and of H.
    """

    base: BaseDensity
    symmetry: AnySymmetry | None
    report: InvarianceReport | None
    construction: InvariantHamiltonian | None

    def __init__(
        self, settings: FlowSettings, objective: Objective, parameters: ParameterVector
    ) -> None:
        self.settings, self._objective, self._parameters = settings, objective, parameters

    @property
    def dim(self) -> int:
        """The number of positions, d."""
        return self._objective.base.dim

    @property
    def lie(self) -> LieAlgebra | None:
        """The connected part of the symmetry."""
        whole = as_symmetry(self.symmetry)
        return None if whole is None else whole.algebra

    @property
    def finite(self) -> FiniteSymmetry | None:
        """The finite part of the symmetry."""
        whole = as_symmetry(self.symmetry)
        return None if whole is None else whole.finite

    @property
    def encoder_is_equivariant(self) -> bool:
        """Whether h(p|q) moves with the symmetry by construction, draw by draw or in law.

        Of an encoder given as an object that is what its ``moves_with(symmetry)`` says.
        """
        encoder, whole = self._objective.encoder, as_symmetry(self.symmetry)
        if self.noise_moves_along:
            return True
        return (
            whole is not None
            and isinstance(encoder, EquivariantEncoder)
            and goes_with(encoder, "moves_with", "draw")
            and bool(encoder.moves_with(whole))
        )

    @property
    def noise_moves_along(self) -> bool:
        """Whether the noise of moved momenta is the moved noise: the encoder has a moving frame."""
        encoder = self._objective.encoder
        return isinstance(encoder, CouplingEncoder) and isinstance(encoder.frame, MovingFrame)

    @property
    def base_parameters(self) -> dict[sp.Symbol, float]:
        """The base's parameters as learned, those included that the symmetry determines."""
        return self._objective.base.parameters(self._objective.layout.base_weights(self.weights))

    @property
    def coefficients(self) -> list[dict[str, dict[str, float]]]:
        """What was learned under a name: of each H of the chain, by part.

        The free symbols of a `FormulaEnergy`, the steps and dilations of integrators that have
        any. Networks have no names.
        """
        return self._objective.layout.coefficients(self.weights)

    @property
    def engine(self) -> Engine:
        """What computes, the kernels in C or the reference, and why it is that.

        Examples
        --------
        >>> import ehf_sym as es, ehf_num as en
        >>> base = es.StandardNormal(es.PhaseSpace(2))
        >>> flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(8,) * 9, rng=0)
        >>> flow.engine.name, flow.engine.why
        ('reference', 'kernels in C: ...')
        """
        reason, (hamiltonian, *_) = None, self.flow.hamiltonians
        known: Any = (None, None)
        if not isinstance(hamiltonian, NetworkHamiltonian):
            known = getattr(hamiltonian, "in_c", None)
        if known is None and isinstance(hamiltonian, FeatureHamiltonian):
            reason = "they know invariants of degree two at the most"
        elif known is None:
            reason = "they do not know these energies"
        elif not knows_kernels(innermost(self._objective.layout.integrator)):
            reason = "they do not know this integrator"
        elif not takes(hamiltonian.kinetic_weights, 1, known[0]):
            reason = "networks of so many layers or of this dtype are not theirs"
        return present_engine(self.settings.dtype, reason)

    @property
    def objective(self) -> Objective:
        """The loss's fixed parts."""
        return self._objective

    @property
    def weights(self) -> list[Array]:
        """The weight arrays, live: K_1, U_1, …, K_n, U_n, encoder, base."""
        return self._parameters.arrays

    @property
    def flat_weights(self) -> Array:
        """All of `weights` in one vector of length P, live: the arrays are views of it."""
        return self._parameters.flat

    def weights_of(self, part: str) -> list[Sequence[Array]]:
        """Return a part's weight arrays, live, for each Hamiltonian of the chain.

        Parameters
        ----------
        part : {"kinetic", "potential", "hamiltonian", "integrator"}
            Which; K and U have some where H is their sum.

        Examples
        --------
        >>> import sympy as sp, ehf_sym as es, ehf_num as en
        >>> space, a = es.PhaseSpace(1), sp.Symbol("a", positive=True)
        >>> U = en.FormulaEnergy(a * space.q[0] ** 2, space)
        >>> flow = en.EquivariantHamiltonianFlow(
        ...     es.StandardNormal(space), enforce="none", potential=U, hidden=(4,), rng=0
        ... )
        >>> [U.coefficients(weights) for weights in flow.weights_of("potential")]
        [{'a': 1.0}]
        """
        arguments.one_of(part, "part", ("kinetic", "potential", "hamiltonian", "integrator"))
        return self._objective.layout.weights_of(part, self.weights)

    @property
    def flow(self) -> HamiltonianFlow:
        """The flow with its present weights."""
        return self.bound.flow

    @property
    def bound(self) -> BoundModel:
        """The parts with the present weights in place."""
        return self._objective.at(self.weights)

    @overload
    def sample(
        self,
        n: int,
        rng: int | np.random.Generator | None = None,
        *,
        return_momenta: Literal[False] = False,
    ) -> Array: ...

    @overload
    def sample(
        self,
        n: int,
        rng: int | np.random.Generator | None = None,
        *,
        return_momenta: Literal[True],
    ) -> tuple[Array, Array]: ...

    def sample(
        self,
        n: int,
        rng: int | np.random.Generator | None = None,
        *,
        return_momenta: bool = False,
    ) -> Array | tuple[Array, Array]:
        """Draw n points: base states through the flow. Shape (n, d).

        Parameters
        ----------
        n : int
            How many.
        rng : int or numpy.random.Generator, optional
            Draws the base states.
        return_momenta : bool
            Whether the last momenta are returned too, (q, p), (n, d) each: draws from p(q, p).
        """
        n, generator = arguments.positive_integer(n, "n"), arguments.generator(rng)
        if arguments.one_of(return_momenta, "return_momenta", (True, False)):
            return draw_states(self.bound, n, generator)
        return draw_positions(self.bound, n, generator)

    def forward(self, q: Any, p: Any) -> tuple[Array, Array]:
        """Push base states to data states: (n, d) twice to (n, d) twice."""
        moved_q, moved_p = in_blocks(self.flow.forward, *self._states(q, p))
        return moved_q, moved_p

    def inverse(self, q: Any, p: Any) -> tuple[Array, Array]:
        """Pull data states back to base states: (n, d) twice to (n, d) twice."""
        base_q, base_p = in_blocks(self.flow.inverse, *self._states(q, p))
        return base_q, base_p

    def joint_log_prob(self, q: Any, p: Any) -> Array:
        """Evaluate ln p(q, p) = ln π(inverse(q, p)), exactly: (n, d) twice to (n,), nats."""
        log_prob = self.bound.joint_log_prob
        return in_blocks(lambda q, p: (log_prob(q, p),), *self._states(q, p))[0]

    def log_encoder(self, p: Any, q: Any) -> Array:
        """Evaluate ln h(p|q), the encoder's log density: (n, d) twice to (n,), nats.

        Raises
        ------
        ehf_sym.ArgumentError
            If the arguments are no states, or an encoder of the user's own has no `log_prob`.
        """
        encoder = self._objective.encoder
        if not isinstance(encoder, EvaluatedEncoder):
            raise ArgumentError(
                f"encoder was {type(encoder).__name__}, which has no method log_prob(weights, q, p)"
            )
        evaluate = self.bound.log_encoder
        return in_blocks(lambda q, p: (evaluate(q, p),), *self._states(q, p))[0]

    def brackets(self, q: Any, p: Any) -> Array:
        """Evaluate {g_k, H} at states: (n, d) twice to (n, K), dimensionless.

        In a chain, each entry is that of the H_j for which it is largest in absolute value: every
        one of them has to commute with g_k.
        """
        values = np.stack(in_blocks(self.bound.brackets, *self._states(q, p)))
        largest = np.argmax(np.abs(values), axis=0)[np.newaxis]
        result: Array = np.take_along_axis(values, largest, axis=0)[0]
        return result

    def elbo(
        self, x: Any, *, n_samples: int = 16, rng: int | np.random.Generator | None = 0
    ) -> Array:
        """Estimate the ELBO (eq. 1) of each point, a lower bound of ln p(x): (n, d) to (n,), nats.

        What comes out at a point does not depend on the other rows: each point has momenta of its
        own, keyed by its coordinates and `rng`. So have `log_prob` and `likelihood`.

        Parameters
        ----------
        x : array_like (n, d)
            Points.
        n_samples : int
            Momenta drawn for each point.
        rng : int or numpy.random.Generator
            Draws them; the default repeats itself.
        """
        return likelihood.elbo(self.bound, *self._draws(x, n_samples, rng))

    def log_prob(
        self, x: Any, *, n_samples: int = 128, rng: int | np.random.Generator | None = 0
    ) -> Array:
        """Estimate ln p(x) by importance weighting: (n, d) to (n,), nats.

        In expectation a lower bound that tightens as n_samples grows (arXiv:1509.00519);
        `likelihood` gives the errors too.

        Parameters
        ----------
        x : array_like (n, d)
            Points.
        n_samples : int
            Momenta drawn for each point.
        rng : int or numpy.random.Generator
            Draws them; the default repeats itself.
        """
        draws = self._draws(x, n_samples, rng)
        return likelihood.importance_log_prob(self.bound, *draws)

    score_samples = log_prob

    def score(self, x: Any) -> float:
        """Return the mean of `log_prob` over points (n, d), nats."""
        return float(np.mean(self.log_prob(x), dtype=np.float64))

    def likelihood(
        self,
        x: Any,
        *,
        method: str = "importance",
        n_samples: int | None = None,
        standard_error: float | None = None,
        max_samples: int = 65_536,
        rng: int | np.random.Generator | None = 0,
    ) -> LikelihoodEstimate:
        """Estimate ln p(x) with the error of each value.

        Parameters
        ----------
        x : array_like (n, d)
            Points.
        method : {"importance", "laplace", "quadrature"}
            Importance weighting with momenta from h(p|x), as `log_prob`; half of them from normal
            laws around the modes of p(p|x) instead, by its curvature; or the trapezoidal rule over
            p, for d ≤ 2, which needs no random numbers.
        n_samples : int, optional
            Momenta drawn for each point, 1,024 unless said otherwise; not for quadrature.
        standard_error : float, optional
            The error that is wanted of each value, nats. Importance: draws are doubled at the
            points that need it. Quadrature: lattices are refined at the points that need it;
            1e-3 unless said otherwise.
        max_samples : int
            The most draws, or nodes, of a point.
        rng : int or numpy.random.Generator
            Draws the momenta; the default repeats itself.

        Returns
        -------
        LikelihoodEstimate
            Values, errors, k̂ of the weights and number of draws; prints as a summary.

        Raises
        ------
        ehf_sym.ArgumentError
            If an argument cannot be used, or d > 2 with quadrature.

        Warns
        -----
        LikelihoodWarning
            If points have an error above the one that was asked for, or k̂ above its threshold:
            the share of the points is said.

        Examples
        --------
        >>> import ehf_sym as es, ehf_num as en
        >>> base = es.StandardNormal(es.PhaseSpace(1))
        >>> flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(8,), rng=0)
        >>> drawn = flow.likelihood([[0.5], [2.0]], standard_error=0.005)
        >>> exact = flow.likelihood([[0.5], [2.0]], method="quadrature")
        >>> bool((abs(drawn.values - exact.values) < 4 * drawn.standard_errors).all())
        True
        """
        arguments.one_of(method, "method", ("importance", "laplace", "quadrature"))
        if n_samples is not None:
            arguments.positive_integer(n_samples, "n_samples")
        if standard_error is not None:
            arguments.positive_number(standard_error, "standard_error")
        return likelihood.likelihood_estimate(
            self.bound,
            self._points(x),
            method=method,
            n_samples=n_samples,
            standard_error=standard_error,
            max_samples=arguments.positive_integer(max_samples, "max_samples"),
            rng=arguments.generator(rng),
        )

    def weigh(
        self,
        S: sp.Expr | TargetEnergy,
        n: int = 10_000,
        *,
        momenta: int = 1,
        rng: int | np.random.Generator = 0,
    ) -> WeightedDraws:
        """Draw n states and weigh them, so that they stand for the density e^−S(q)/Z exactly.

        w = e^−S(q) h(p|q)/π(s0) for (q, p) = flow(s0). The model may have learned from S, from
        data, or not at all: that shows in the effective share of the draws. S need not have the
        model's symmetry. Memory does not grow with n beyond 256 MiB of draws.

        That weight has the misfit of the encoder h in it. With K momenta for each q, p_1 of the
        flow and the others drawn from h, w = e^−S(q) K / Σ_k p(q, p_k)/h(p_k|q), exact too: the
        larger K, the less of it, at K times the price.

        Parameters
        ----------
        S : sympy.Expr or TargetEnergy
            A formula of q, or an object with value and gradient, as `fit_energy` takes it;
            infinite where there is no density.
        n : int
            Draws.
        momenta : int
            K.
        rng : int or numpy.random.Generator
            Draws them; the default repeats itself.

        Returns
        -------
        WeightedDraws
            ``.ess``, ``.log_z``, ``.log_z_error``, ``.pareto_k``, ``.mean(f)``, ``.resample(m)``,
            ``.metropolis(m)``, ``.polish(m)``, ``.missing_modes()``; prints as a summary.

        Raises
        ------
        ehf_sym.ArgumentError, ehf_sym.FormulaError
            If S or another argument cannot be used, the encoder has no ``log_prob``, or a weight
            is no number: the state is named.

        Examples
        --------
        >>> import ehf_sym as es, ehf_num as en
        >>> base = es.StandardNormal(es.PhaseSpace(1))
        >>> flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(8,), rng=0)
        >>> weights = flow.weigh(base.space.q[0] ** 2, 1000)
        >>> 0 < weights.ess <= 1
        True
        """
        return weighed(self, S, n, rng, momenta=momenta)

    def _states(self, q: Any, p: Any) -> tuple[Array, Array]:
        return arguments.states(q, p, self.dim, self.settings.dtype)

    def _points(self, x: Any) -> Array:
        """Read points; angles that differ by full turns become the same numbers.

        Momenta are keyed by a point's coordinates, so that rounding must not tell turns apart.
        """
        angles, dtype = self._objective.layout.angles, self.settings.dtype
        points = arguments.points(x, "x", self.dim, np.float64 if angles else dtype)
        if not angles:
            return points
        columns = list(angles)
        points = wrapped(points, angles).copy()
        points[:, columns] = np.round(points[:, columns] / _SAME_ANGLE) * _SAME_ANGLE
        return np.ascontiguousarray(wrapped(points, angles), dtype)

    def _draws(
        self, x: Any, n_samples: int, rng: int | np.random.Generator | None
    ) -> tuple[Array, int, np.random.Generator]:
        return (
            self._points(x),
            arguments.positive_integer(n_samples, "n_samples"),
            arguments.generator(rng),
        )


def weighed(
    flow: FlowDensity,
    S: sp.Expr | TargetEnergy,
    n: int,
    rng: int | np.random.Generator,
    units: DrawnUnits | None = None,
    momenta: int = 1,
) -> WeightedDraws:
    """Weigh n draws of a model, whose weights may change afterwards, in the units of the user."""
    n, generator = arguments.positive_integer(n, "n"), arguments.generator(rng)
    momenta = arguments.positive_integer(momenta, "momenta")
    target = admitted_energy(flow, S, None, units)
    kept = flow.bound.objective.at([array.copy() for array in flow.weights])
    draws = Draws(kept, target, int(generator.integers(2**62)), units, momenta)
    return WeightedDraws.of(draws, n)


def admitted_energy(
    flow: FlowDensity, S: Any, symmetry: AnySymmetry | None, units: DrawnUnits | None = None
) -> KnownEnergy:
    """Admit an energy, which the symmetry has to keep, for an encoder that can weigh it."""
    encoder = flow.bound.objective.encoder
    if not isinstance(encoder, EvaluatedEncoder) or not goes_with(encoder, "log_prob", "draw"):
        raise ArgumentError(
            f"encoder was {type(encoder).__name__}, whose draw has no log_prob(weights, q, p) "
            "beside it; weights need ln h(p|q) at momenta that the flow found"
        )
    states = flow.bound.base.sample(_PROBES, np.random.default_rng(0))
    if units is not None:
        states[:, : flow.dim] = units.restored(states[:, : flow.dim])
    return known_energy(S, flow.base.space, symmetry, states)

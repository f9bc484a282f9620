"""Is this a penalty? What is asked of `names` and `terms`, looked at one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from ehf_num.engine import arguments
from ehf_num.engine.tape import make_vjp
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.energies import NetworkEnergy, SeparableHamiltonian
from ehf_num.hamiltonian.flow import HamiltonianFlow
from ehf_num.hamiltonian.integrators import Leapfrog
from ehf_num.hamiltonian.parameters import Layout
from ehf_num.hamiltonian.part_probe import DRAWS, STEP, PartReport, look_at
from ehf_num.training.constraint import Penalty


class PenaltyProbe:
    """A penalty, and a flow and states to try it with.

    Every ``…_fault`` returns what is wrong, or None.

    Parameters
    ----------
    penalty : object
        What should be one.
    flow : HamiltonianFlow
        Whose terms are evaluated.
    dim : int
        d.
    rng : Generator
        Draws states.
    """

    def __init__(
        self, penalty: Any, flow: HamiltonianFlow, dim: int, rng: np.random.Generator
    ) -> None:
        self.penalty, self.flow, self.rng = penalty, flow, rng
        self.states = rng.standard_normal((DRAWS, 2 * dim))

    def names_fault(self) -> str | None:
        """Look at `names`."""
        names = getattr(self.penalty, "names", None)
        if not isinstance(names, tuple) or not names or not all(isinstance(n, str) for n in names):
            return f"its names are {names!r}; they should be a tuple of texts, one for each value"
        if not callable(getattr(self.penalty, "terms", None)):
            return "it has no method terms; see ehf_num.Penalty"
        return None

    def shapes_fault(self) -> str | None:
        """Look at what `terms` returns, and that it does so again."""
        terms = self.penalty.terms(self.flow, self.states)
        if np.shape(terms) != (len(self.penalty.names),):
            return (
                f"terms returned shape {np.shape(terms)}; it should be one value for each of its "
                f"names, {(len(self.penalty.names),)}"
            )
        if not np.isfinite(terms).all():
            return "terms returned values that are not finite"
        if not np.array_equal(terms, self.penalty.terms(self.flow, self.states)):
            return "terms returned other values for the same states; it should use no chance"
        return None

    def negative_fault(self) -> str | None:
        """Look whether a value is negative: it could be lowered for ever."""
        terms = np.asarray(self.penalty.terms(self.flow, self.states))
        if (terms >= 0).all():
            return None
        return f"terms returned {terms.min():.6g}; what is held below κ should not be negative"

    def gradient_fault(self, layout: Layout) -> str | None:
        """Hold the tape's gradient by a flow's weights against central differences."""
        weights = layout.init(self.rng, "float64")

        def terms(arrays: list[Any]) -> Any:
            return self.penalty.terms(layout.flow(arrays), self.states)

        try:
            pull_back, values = make_vjp(terms, weights)
        except Exception as error:
            return (
                f"on the tape it raised {type(error).__name__}: {error}; terms should be made of "
                "autograd.numpy's functions and change no array in place"
            )
        direction = [self.rng.standard_normal(w.shape) for w in weights]
        ends: list[Array] = [
            terms([w + s * STEP * v for w, v in zip(weights, direction, strict=True)])
            for s in (1, -1)
        ]
        slopes = (ends[0] - ends[1]) / (2 * STEP)
        for k, slope in enumerate(slopes):
            bars = pull_back(np.eye(len(values))[k])
            expected = sum(float(np.sum(g * v)) for g, v in zip(bars, direction, strict=True))
            if not any(map(np.any, bars)):
                return f"the gradient of value {k} is zero: it does not depend on the flow"
            if abs(slope - expected) > 1e-3 * max(1.0, abs(slope)):
                return (
                    f"the slope of value {k} in a random direction is {slope:.6g}, the gradient's "
                    f"{expected:.6g}"
                )
        return None


def check_penalty(penalty: Penalty, dim: int, *, rng: int | np.random.Generator = 0) -> PartReport:
    """Look for what is wrong with a penalty of one's own.

    It is tried on a flow of two small networks under leapfrog. It is evidence, no proof.

    Parameters
    ----------
    penalty : Penalty
        An object with `names` and `terms`.
    dim : int
        d, the number of positions and of momenta.
    rng : int or numpy.random.Generator
        Draws weights and states.

    Returns
    -------
    PartReport

    Raises
    ------
    ehf_sym.ArgumentError
        If dim or rng cannot be used; faults of the penalty are in the report.

    Examples
    --------
    >>> import autograd.numpy as anp
    >>> class Speed:
    ...     names = ("speed²",)
    ...     def terms(self, flow, states):
    ...         return anp.mean(flow.fields(states)[:, :, :2] ** 2, axis=(0, 1))[:1]
    >>> print(check_penalty(Speed(), 2))
    names: ok
    shapes from terms: ok
    values are not negative: ok
    gradient by the weights: ok
    """
    dim, random = arguments.positive_integer(dim, "dim"), arguments.generator(rng)
    energy = NetworkEnergy(dim, (8,))
    layout = Layout(SeparableHamiltonian(energy, energy), Leapfrog(2, 0.3))
    flow = layout.flow(layout.init(random, "float64"))
    probe = PenaltyProbe(penalty, flow, dim, random)
    return look_at("penalty", [
        ("names", probe.names_fault, True),
        ("shapes from terms", probe.shapes_fault, True),
        ("values are not negative", probe.negative_fault, False),
        ("gradient by the weights", lambda: probe.gradient_fault(layout), True),
    ])  # fmt: skip

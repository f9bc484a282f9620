"""The weights of a model: one flat vector, seen as named arrays.

The optimizer moves the vector; the tape sees the arrays, which are views of it. Slicing the vector
on the tape instead would cost a zero array of full length for each slice in the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.energies import SeparableHamiltonian, in_place
from ehf_num.hamiltonian.flow import HamiltonianFlow
from ehf_num.hamiltonian.integrators import learned
from ehf_num.hamiltonian.protocols import Hamiltonian, Integrator, LearnedIntegrator


@dataclass(frozen=True, eq=False)
class Layout:
    """How many arrays belong to each H, its integrator, the encoder and the base, in this order.

    Attributes
    ----------
    hamiltonian : Hamiltonian
        Of which every one of the chain has weights of its own.
    integrator : Integrator
        Likewise, where it has weights.
    hamiltonians : int
        How many there are in the chain.
    base_arrays : int
        Arrays of the base's parameters: 1 where it has any.
    angles : tuple of int
        Positions that are angles.
    """

    hamiltonian: Hamiltonian
    integrator: Integrator
    hamiltonians: int = 1
    base_arrays: int = 0
    angles: tuple[int, ...] = ()

    @cached_property
    def sizes(self) -> tuple[int, int]:
        """How many arrays one H has, and its integrator."""
        rng, integrator = np.random.default_rng(0), self.integrator
        learned = (
            integrator.init(rng, "float64") if isinstance(integrator, LearnedIntegrator) else ()
        )
        return len(self.hamiltonian.init(rng, "float64")), len(learned)

    def init(self, rng: np.random.Generator, dtype: Any) -> list[Array]:
        """Draw the weights of every H and its integrator."""
        found: list[Array] = []
        for _ in range(self.hamiltonians):
            found += self.hamiltonian.init(rng, dtype)
            if isinstance(self.integrator, LearnedIntegrator):
                found += self.integrator.init(rng, dtype)
        return found

    def flow(self, arrays: Sequence[Any]) -> HamiltonianFlow:
        """Put weights in place, those of H_1 first."""
        of_h, of_map = self.sizes
        starts = [k * (of_h + of_map) for k in range(self.hamiltonians)]
        chain = [in_place(self.hamiltonian, arrays[k : k + of_h]) for k in starts]
        integrator: Any = self.integrator
        if not of_map:
            return HamiltonianFlow(chain, integrator, self.angles)
        ends = [k + of_h for k in starts]
        rules = [integrator.at(arrays[k : k + of_map]) for k in ends]
        return HamiltonianFlow(chain, rules, self.angles)

    def parts(self, arrays: Sequence[Any]) -> list[dict[str, tuple[Any, Sequence[Any]]]]:
        """Tell the parts of every H apart by their names, each with its weights.

        A sum has "kinetic" and "potential", any other H is one "hamiltonian"; each has its
        "integrator".
        """
        (of_h, of_map), found = self.sizes, []
        for start in [k * (of_h + of_map) for k in range(self.hamiltonians)]:
            cut, end = start + of_h, start + of_h + of_map
            own: dict[str, tuple[Any, Sequence[Any]]]
            own = {"hamiltonian": (self.hamiltonian, arrays[start:cut])}
            if isinstance(self.hamiltonian, SeparableHamiltonian):
                kinetic, potential = self.hamiltonian.halves(arrays[start:cut])
                own = {
                    "kinetic": (self.hamiltonian.kinetic, kinetic),
                    "potential": (self.hamiltonian.potential, potential),
                }
            found.append(own | {"integrator": (self.integrator, arrays[cut:end])})
        return found

    def coefficients(self, arrays: Sequence[Any]) -> list[dict[str, dict[str, float]]]:
        """Name what was learned, where a part can tell: of every H, by part and by name."""
        told = [{name: learned(*part) for name, part in own.items()} for own in self.parts(arrays)]
        return [{name: values for name, values in own.items() if values} for own in told]

    def weights_of(self, name: str, arrays: Sequence[Any]) -> list[Sequence[Any]]:
        """Return the arrays of one part of every H that has it."""
        return [own[name][1] for own in self.parts(arrays) if name in own]

    def encoder_weights(self, arrays: Sequence[Any]) -> Sequence[Any]:
        """Return the encoder's arrays."""
        return arrays[sum(self.sizes) * self.hamiltonians : len(arrays) - self.base_arrays]

    def without_encoder(self, arrays: Sequence[Any]) -> list[Any]:
        """Return all arrays but the encoder's."""
        of_flow = sum(self.sizes) * self.hamiltonians
        return [*arrays[:of_flow], *self.base_weights(arrays)]

    def with_encoder(self, arrays: Sequence[Any], encoder_arrays: Sequence[Any]) -> list[Any]:
        """Undo `without_encoder`: put the encoder's arrays where they belong."""
        of_flow = sum(self.sizes) * self.hamiltonians
        return [*arrays[:of_flow], *encoder_arrays, *arrays[of_flow:]]

    def base_weights(self, arrays: Sequence[Any]) -> Sequence[Any]:
        """Return the base's arrays."""
        return arrays[len(arrays) - self.base_arrays :]


class ParameterVector:
    """A flat vector and its views, one a weight array.

    Parameters
    ----------
    arrays : sequence of ndarray
        Initial values, copied.

    Attributes
    ----------
    flat : ndarray
        All parameters in one vector; written in place by the optimizer between tape passes.
    arrays : list of ndarray
        Views of `flat` in the shapes of the weights.

    Examples
    --------
    >>> import numpy as np
    >>> vector = ParameterVector([np.zeros((2, 3)), np.ones(3)])
    >>> vector.flat[:] = 7.0
    >>> vector.arrays[1]
    array([7., 7., 7.])
    """

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.flat: Array = np.concatenate([array.ravel() for array in arrays])
        self.arrays: list[Array] = []
        start = 0
        for array in arrays:
            view = self.flat[start : start + array.size].reshape(array.shape)
            self.arrays.append(view)
            start += array.size

"""The weights of a model: one flat vector, seen as named arrays.

The optimizer moves the vector; the tape sees the arrays, which are views of it. Slicing the vector
on the tape instead would cost a zero array of full length for each slice in the backward pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.hamiltonian import NetworkHamiltonian
from ehf_num.hamiltonian.invariant_energy import FeatureHamiltonian, Features
from ehf_num.hamiltonian.protocols import Separable


@dataclass(frozen=True)
class Layout:
    """How many arrays belong to each K, each U, the encoder and the base, in this order.

    Attributes
    ----------
    hamiltonians : int
        Number of Hamiltonians in the chain.
    energy_arrays : int
        Arrays in one energy network.
    features : tuple of (Features, Features) or None
        What K and U are networks of: functions of p and of q; None: p and q themselves.
    base_arrays : int
        Arrays of the base's parameters: 1 where it has any.
    """

    hamiltonians: int
    energy_arrays: int
    features: tuple[Features, Features] | None = None
    base_arrays: int = 0

    def hamiltonian_weights(self, arrays: Sequence[Any]) -> tuple[Separable, ...]:
        """Bind the energy networks, H_1 first."""
        size = self.energy_arrays
        pairs = [
            (arrays[start : start + size], arrays[start + size : start + 2 * size])
            for start in range(0, 2 * size * self.hamiltonians, 2 * size)
        ]
        if self.features is None:
            return tuple(NetworkHamiltonian(*pair) for pair in pairs)
        return tuple(FeatureHamiltonian(*pair, *self.features) for pair in pairs)

    def encoder_weights(self, arrays: Sequence[Any]) -> Sequence[Any]:
        """Return the encoder's arrays."""
        return arrays[2 * self.energy_arrays * self.hamiltonians : len(arrays) - self.base_arrays]

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

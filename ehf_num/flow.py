"""The flow T_{Hn} ∘ … ∘ T_{H1}: base states to data states, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ehf_num.hamiltonian import Separable
from ehf_num.integrators import Integrator


@dataclass(frozen=True, eq=False)
class HamiltonianFlow:
    """A chain of Hamiltonians under one integrator.

    With a symplectic integrator it preserves volume, so ln p(s') = ln π(inverse(s')).

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.hamiltonian import NetworkHamiltonian
    >>> from ehf_num.integrators import Leapfrog
    >>> from ehf_num.networks import init_energy
    >>> rng = np.random.default_rng(0)
    >>> H = NetworkHamiltonian(*(init_energy([2, 8, 1], rng, "float64") for _ in range(2)))
    >>> flow = HamiltonianFlow((H, H), Leapfrog(steps=3, step_size=0.2))
    >>> q, p = rng.standard_normal((2, 5, 2))
    >>> back = flow.inverse(*flow.forward(q, p))
    >>> bool(np.allclose(back, (q, p), atol=1e-13))
    True
    """

    hamiltonians: Sequence[Separable]
    integrator: Integrator

    def forward(self, q: Any, p: Any) -> tuple[Any, Any]:
        """Push base states forward: q, p (n, d) to (n, d) each."""
        for hamiltonian in self.hamiltonians:
            q, p = self.integrator.forward(hamiltonian, q, p)
        return q, p

    def inverse(self, q: Any, p: Any) -> tuple[Any, Any]:
        """Pull data states back: q, p (n, d) to (n, d) each."""
        for hamiltonian in reversed(self.hamiltonians):
            q, p = self.integrator.inverse(hamiltonian, q, p)
        return q, p

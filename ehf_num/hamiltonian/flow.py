"""The flow T_{Hn} ∘ … ∘ T_{H1}: base states to data states, and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import autograd.numpy as anp
import numpy as np

from ehf_num.engine.engine import goes_with
from ehf_num.engine.native import NativeChain
from ehf_num.engine.networks import wrapped
from ehf_num.hamiltonian.hamiltonian import vector_field
from ehf_num.hamiltonian.integrators import carried_back
from ehf_num.hamiltonian.protocols import Integrator, KernelIntegrator
from ehf_num.hamiltonian.splitting import Chain


@dataclass(frozen=True, eq=False)
class HamiltonianFlow:
    """A chain of Hamiltonians, under one integrator or one for each.

    With a symplectic integrator it preserves volume, so ln p(s') = ln π(inverse(s')).

    Examples
    --------
    >>> import numpy as np
    >>> from ehf_num.hamiltonian.hamiltonian import NetworkHamiltonian
    >>> from ehf_num.hamiltonian.integrators import Leapfrog
    >>> from ehf_num.engine.networks import init_energy
    >>> rng = np.random.default_rng(0)
    >>> H = NetworkHamiltonian(*(init_energy([2, 8, 1], rng, "float64") for _ in range(2)))
    >>> flow = HamiltonianFlow((H, H), Leapfrog(steps=3, step_size=0.2))
    >>> q, p = rng.standard_normal((2, 5, 2))
    >>> back = flow.inverse(*flow.forward(q, p))
    >>> bool(np.allclose(back, (q, p), atol=1e-13))
    True
    """

    hamiltonians: Sequence[Any]  # Separable, or Motion, as its integrator asks
    integrator: Integrator | Sequence[Integrator]
    angles: tuple[int, ...] = ()  # positions that come out in (−π, π]

    def __repr__(self) -> str:
        kinds = Counter(type(each).__name__ for each in self.hamiltonians)
        chain = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
        rules = self.integrator[0] if isinstance(self.integrator, Sequence) else self.integrator
        return f"HamiltonianFlow({chain}; {type(rules).__name__})"

    @property
    def maps(self) -> list[tuple[Integrator, Any]]:
        """Each Hamiltonian with its integrator, H_1 first."""
        rules: Any = self.integrator
        if isinstance(rules, Sequence):
            return list(zip(rules, self.hamiltonians, strict=True))
        return [(rules, hamiltonian) for hamiltonian in self.hamiltonians]

    def forward(self, q: Any, p: Any) -> tuple[Any, Any]:
        """Push base states forward: q, p (n, d) to (n, d) each."""
        for integrator, hamiltonian in self.maps:
            q, p = integrator.forward(hamiltonian, q, p)
        return wrapped(q, self.angles), p

    def inverse(self, q: Any, p: Any) -> tuple[Any, Any]:
        """Pull data states back: q, p (n, d) to (n, d) each."""
        for integrator, hamiltonian in reversed(self.maps):
            q, p = integrator.inverse(hamiltonian, q, p)
        return wrapped(q, self.angles), p

    def carried_back(self, q: Any) -> tuple[Any, Any]:
        """Undo what integrators do besides the Hamiltonians: q (n, d), and A of p = A p'.

        Where every Hamiltonian is 0, p' are the momenta at the base: A (n, d, d) says how wide
        p | q is.
        """
        dim = q.shape[1]
        carrier = np.broadcast_to(np.eye(dim, dtype=q.dtype), (len(q), dim, dim))
        for integrator, _ in reversed(self.maps):
            q, carrier = carried_back(integrator, q, carrier)
        return q, carrier

    def positions(self, q: Any, p: Any) -> Any:
        """Push base states forward, and return where they are without their momenta: (n, d)."""
        *first, (integrator, last) = self.maps
        for rule, hamiltonian in first:
            q, p = rule.forward(hamiltonian, q, p)
        if goes_with(integrator, "positions", "forward"):
            end = integrator.positions(last, q, p)  # type: ignore[attr-defined]  # optional
        else:
            end = integrator.forward(last, q, p)[0]
        return wrapped(end, self.angles)

    def inverse_with_fields(self, q: Any, p: Any, probes: Any) -> tuple[Any, Any]:
        """Pull data states back, and evaluate every Hamiltonian's vector field elsewhere.

        All of it is one tape node where the kernels in C take networks under kicks and drifts.

        Parameters
        ----------
        q, p : ndarray, shape (n, d)
            Data states.
        probes : ndarray, shape (m, 2d)
            Where the vector fields X_H = (∂K/∂p, −∂U/∂q) are wanted.

        Returns
        -------
        states : ndarray, shape (n, 2d)
            Base states.
        fields : ndarray, shape (m, number of Hamiltonians, 2d)
            X_H, that of H_1 first.
        """
        plan = self._plan(len(q), len(probes), inverse=True)
        if plan is None:
            return anp.concatenate(self.inverse(q, p), axis=1), self.fields(probes)
        chain, weights = plan
        states, fields = chain(q, p, probes, *weights)
        states = wrapped(states, self.angles)
        return states, fields[:, ::-1] if len(self.hamiltonians) > 1 else fields

    def inverse_kernel(self, rows: int, probes: int) -> NativeChain | None:
        """Return what does the same in C, the last Hamiltonian first; None: no kernel applies."""
        plan = self._plan(rows, probes, inverse=True)
        return None if plan is None else plan[0].kernel(tuple(plan[1]))

    def _plan(self, rows: int, probes: int, *, inverse: bool) -> tuple[Chain, list[Any]] | None:
        integrator = self.integrator
        if not knows_kernels(integrator):
            return None
        chain = self.hamiltonians[::-1] if inverse else self.hamiltonians
        return integrator.plan(chain, rows, probes, inverse=inverse)

    def forward_with_fields(self, q: Any, p: Any, probes: Any) -> tuple[Any, Any]:
        """Push base states forward, else as `inverse_with_fields`."""
        plan = self._plan(len(q), len(probes), inverse=False)
        if plan is None:
            return anp.concatenate(self.forward(q, p), axis=1), self.fields(probes)
        chain, weights = plan
        states, fields = chain(q, p, probes, *weights)
        return wrapped(states, self.angles), fields

    def fields(self, states: Any) -> Any:
        """Evaluate every X_H = (∂K/∂p, −∂U/∂q): states (n, 2d) to (n, number of H, 2d)."""
        if not len(states):
            return np.empty((0, len(self.hamiltonians), states.shape[1]), states.dtype)
        return anp.stack([vector_field(h, states) for h in self.hamiltonians], axis=1)


def knows_kernels(integrator: Any) -> TypeGuard[KernelIntegrator]:
    """Whether an integrator can say which kernel in C does what its own two maps do."""
    return goes_with(integrator, "plan", "forward", "inverse")

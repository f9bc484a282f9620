"""Is this an energy, a Hamiltonian, an integrator? What is asked of each, looked at one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ehf_num.engine import arguments
from ehf_num.engine.workspace import Array
from ehf_num.hamiltonian.energies import (
    NetworkEnergy,
    SeparableHamiltonian,
    in_place,
)
from ehf_num.hamiltonian.part_probe import DRAWS, STEP, PartProbe, PartReport, look_at
from ehf_num.hamiltonian.protocols import (
    Energy,
    Hamiltonian,
    Integrator,
    LearnedIntegrator,
    Motion,
    Separable,
)

_DIRECTIONS = 3
_SYMPLECTIC = 1e-4  # of Jacobians by differences of order STEP²
_REVERSED = 1e-8
_HALVINGS = 3


class EnergyProbe(PartProbe):
    """An energy."""

    kind = "energy"
    methods = ("init", "value", "gradient")
    evaluates, takes = "value and gradient", "x"

    def __init__(self, energy: Any, dim: int, rng: np.random.Generator) -> None:
        super().__init__(energy, [rng.standard_normal((DRAWS, dim))], rng)

    def call(self, weights: Sequence[Any], *rows: Any) -> tuple[Any, ...]:
        """Evaluate value and gradient."""
        return self.part.value(weights, *rows), self.part.gradient(weights, *rows)

    def shapes(self, n: int, dim: int) -> tuple[tuple[int, ...], ...]:
        """Return those of value and gradient."""
        return (n,), (n, dim)

    def slope_fault(self) -> str | None:
        """Hold `gradient` against differences of `value` in several directions."""
        weights, (x,) = self.moved(), self.rows
        gradient = self.part.gradient(weights, x)
        for _ in range(_DIRECTIONS):
            direction = self.rng.standard_normal(x.shape)
            ends = [self.part.value(weights, x + s * STEP * direction) for s in (1, -1)]
            slope = (ends[0] - ends[1]) / (2 * STEP)
            given = np.sum(gradient * direction, axis=1)
            worst = int(np.argmax(np.abs(slope - given)))
            if not np.allclose(slope, given, rtol=1e-4, atol=1e-4):
                return (
                    f"the slope of value in a random direction is {slope[worst]:.6g}, that of "
                    f"gradient {given[worst]:.6g}"
                )
        return None


def check_energy(energy: Energy, dim: int, *, rng: int | np.random.Generator = 0) -> PartReport:
    """Look for what is wrong with an energy of one's own.

    `gradient` is held against finite differences of `value` in several directions, derivatives by
    the weights against differences too, at random weights near those of `init`. It is evidence, no
    proof.

    Parameters
    ----------
    energy : Energy
        An object with `init`, `value` and `gradient`.
    dim : int
        d, the number of positions and of momenta.
    rng : int or numpy.random.Generator
        Draws weights and points.

    Returns
    -------
    PartReport

    Raises
    ------
    ehf_sym.ArgumentError
        If dim or rng cannot be used; faults of the energy are in the report.

    Examples
    --------
    >>> print(check_energy(NetworkEnergy(2, (8,)), 2))
    weights from init: ok
    shapes from value and gradient: ok
    dtype float32 is kept: ok
    rows do not see each other: ok
    gradient is the slope of value: ok
    gradient by the weights: ok
    every weight has a gradient: ok
    """
    probe = EnergyProbe(energy, arguments.positive_integer(dim, "dim"), arguments.generator(rng))
    return look_at("energy", [
        *_of_any_part(probe, "value and gradient"),
        ("gradient is the slope of value", probe.slope_fault, True),
        ("gradient by the weights", probe.gradient_fault, True),
        ("every weight has a gradient", probe.unreached_fault, False),
    ])  # fmt: skip


class HamiltonianProbe(PartProbe):
    """A Hamiltonian."""

    kind = "hamiltonian"
    methods = ("init", "vector_field")
    evaluates, takes = "vector_field", "q and p"

    def __init__(self, hamiltonian: Any, dim: int, rng: np.random.Generator) -> None:
        super().__init__(hamiltonian, list(rng.standard_normal((2, DRAWS, dim))), rng)

    def call(self, weights: Sequence[Any], *rows: Any) -> tuple[Any, ...]:
        """Evaluate the vector field."""
        return tuple(self.part.vector_field(weights, *rows))

    def shapes(self, n: int, dim: int) -> tuple[tuple[int, ...], ...]:
        """Return those of velocity and force."""
        return (n, dim), (n, dim)

    def field_fault(self) -> str | None:
        """Look whether some H has this field: ΩᵀX is a gradient where its Jacobian is symmetric."""
        weights, dim = self.moved(), self.rows[0].shape[1]

        def slopes(states: Array) -> Array:
            velocity, force = self.call(weights, states[:, :dim], states[:, dim:])
            return np.concatenate([-force, velocity], axis=1)  # (∂H/∂q, ∂H/∂p)

        hessian = jacobian_by_differences(slopes, np.concatenate(self.rows, axis=1))
        defect = float(np.abs(hessian - hessian.transpose(0, 2, 1)).max())
        if defect <= 1e-4 * max(1.0, float(np.abs(hessian).max())):
            return None
        return (
            "there is no H with this vector field: (∂H/∂p, −∂H/∂q) has a symmetric Hessian, and "
            f"this differs from symmetry by {defect:.3g}"
        )


def check_hamiltonian(
    hamiltonian: Hamiltonian, dim: int, *, rng: int | np.random.Generator = 0
) -> PartReport:
    """Look for what is wrong with a Hamiltonian of one's own.

    Its vector field has to be that of some H: the Hessian by finite differences is symmetric. It is
    evidence, no proof.

    Parameters
    ----------
    hamiltonian : Hamiltonian
        An object with `init` and `vector_field`.
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
        If dim or rng cannot be used; faults of the Hamiltonian are in the report.

    Examples
    --------
    >>> H = SeparableHamiltonian(NetworkEnergy(2, (8,)), NetworkEnergy(2, (8,)))
    >>> check_hamiltonian(H, 2).passed
    True
    """
    dim = arguments.positive_integer(dim, "dim")
    probe = HamiltonianProbe(hamiltonian, dim, arguments.generator(rng))
    return look_at("Hamiltonian", [
        *_of_any_part(probe, "vector_field"),
        ("the field is that of a Hamiltonian", probe.field_fault, True),
        ("gradient by the weights", probe.gradient_fault, True),
        ("every weight has a gradient", probe.unreached_fault, False),
    ])  # fmt: skip


class IntegratorProbe(PartProbe):
    """An integrator, tried on a Hamiltonian."""

    kind = "integrator"
    methods = ("forward", "inverse")
    evaluates, takes = "forward and inverse", "q and p"

    def __init__(
        self, integrator: Any, hamiltonian: Hamiltonian, dim: int, rng: np.random.Generator
    ) -> None:
        super().__init__(integrator, list(rng.standard_normal((2, DRAWS, dim))), rng)
        self.hamiltonian = hamiltonian

    def initial(self, dtype: str) -> list[Array]:
        """Draw weights of the integrator, where it has any, and of the Hamiltonian."""
        rng = np.random.default_rng(0)
        own = list(self.part.init(rng, dtype)) if self._learned else []
        return [*own, *self.hamiltonian.init(rng, dtype)]

    @property
    def _learned(self) -> bool:
        return isinstance(self.part, LearnedIntegrator)

    def bound(self, weights: Sequence[Any]) -> tuple[Integrator, Separable | Motion]:
        """Put weights in place."""
        of_h = len(self.hamiltonian.init(np.random.default_rng(0), "float64"))
        cut = len(weights) - of_h
        part = self.part.at(weights[:cut]) if self._learned else self.part
        return part, in_place(self.hamiltonian, weights[cut:])

    def call(self, weights: Sequence[Any], *rows: Any) -> tuple[Any, ...]:
        """Go forward and backward."""
        integrator, hamiltonian = self.bound(weights)
        return (*integrator.forward(hamiltonian, *rows), *integrator.inverse(hamiltonian, *rows))

    def shapes(self, n: int, dim: int) -> tuple[tuple[int, ...], ...]:
        """Return those of both maps."""
        return ((n, dim),) * 4

    def declared_fault(self) -> str | None:
        """Look at `order` and `symplectic`."""
        order, symplectic = (getattr(self.part, name, None) for name in ("order", "symplectic"))
        if isinstance(order, bool) or not isinstance(order, int) or order < 1:
            return f"its order is {order!r}; it should be a positive whole number"
        if not isinstance(symplectic, bool):
            return f"its symplectic is {symplectic!r}; it should be True or False"
        return None

    def inverse_fault(self) -> str | None:
        """Go forward and come back."""
        integrator, hamiltonian = self.bound(self.moved())
        back = integrator.inverse(hamiltonian, *integrator.forward(hamiltonian, *self.rows))
        away = max(float(np.abs(a - b).max()) for a, b in zip(back, self.rows, strict=True))
        if away <= _REVERSED:
            return None
        return f"inverse after forward is off by {away:.3g}; it should undo it to rounding"

    def symplectic_fault(self) -> str | None:
        """Hold Jᵀ Ω J against Ω, J by differences, where the map is said to be symplectic."""
        if not self.part.symplectic:
            return None
        integrator, hamiltonian = self.bound(self.moved())
        dim = self.rows[0].shape[1]

        def push(states: Array) -> Array:
            moved = integrator.forward(hamiltonian, states[:, :dim], states[:, dim:])
            return np.concatenate(moved, axis=1)

        jacobian = jacobian_by_differences(push, np.concatenate(self.rows, axis=1))
        unit, none = np.eye(dim), np.zeros((dim, dim))
        omega = np.block([[none, unit], [-unit, none]])
        defect = jacobian.transpose(0, 2, 1) @ omega @ jacobian - omega
        worst = float(np.abs(defect).max())
        if worst <= _SYMPLECTIC * max(1.0, float(np.abs(jacobian).max()) ** 2):
            return None
        return f"symplectic is True, and Jᵀ Ω J differs from Ω by {worst:.3g}"


def check_integrator(
    integrator: Integrator,
    dim: int = 2,
    *,
    hamiltonian: Hamiltonian | None = None,
    rng: int | np.random.Generator = 0,
) -> PartReport:
    """Look for what is wrong with an integrator of one's own.

    `inverse` has to undo `forward`, the map to be symplectic where it says so (its Jacobian by
    finite differences), and differentiable by the Hamiltonian's weights. It is evidence, no proof.

    Parameters
    ----------
    integrator : Integrator
        An object with `forward`, `inverse`, `order` and `symplectic`.
    dim : int
        d, the number of positions and of momenta.
    hamiltonian : Hamiltonian, optional
        What it is tried on; a sum of two small networks unless given.
    rng : int or numpy.random.Generator
        Draws weights and states.

    Returns
    -------
    PartReport

    Raises
    ------
    ehf_sym.ArgumentError
        If dim or rng cannot be used; faults of the integrator are in the report.

    Examples
    --------
    >>> from ehf_num.hamiltonian.integrators import Leapfrog
    >>> print(check_integrator(Leapfrog(2, 0.3)))
    order and symplectic: ok
    weights from init: ok
    shapes from forward and inverse: ok
    dtype float32 is kept: ok
    rows do not see each other: ok
    inverse undoes forward: ok
    symplectic where it says so: ok
    gradient by the weights: ok
    """
    dim = arguments.positive_integer(dim, "dim")
    if hamiltonian is None:
        hamiltonian = SeparableHamiltonian(NetworkEnergy(dim, (8,)), NetworkEnergy(dim, (8,)))
    probe = IntegratorProbe(integrator, hamiltonian, dim, arguments.generator(rng))
    return look_at("integrator", [
        ("order and symplectic", probe.declared_fault, True),
        *_of_any_part(probe, "forward and inverse"),
        ("inverse undoes forward", probe.inverse_fault, True),
        ("symplectic where it says so", probe.symplectic_fault, False),
        ("gradient by the weights", probe.gradient_fault, True),
    ])  # fmt: skip


def _of_any_part(
    probe: PartProbe, methods: str
) -> list[tuple[str, Callable[[], str | None], bool]]:
    return [
        ("weights from init", probe.weights_fault, True),
        (f"shapes from {methods}", probe.shapes_fault, True),
        ("dtype float32 is kept", probe.dtype_fault, False),
        ("rows do not see each other", probe.rows_fault, False),
    ]


def jacobian_by_differences(function: Callable[[Array], Array], states: Array) -> Array:
    """Differentiate a function of rows (n, m) → (n, k) by central differences: (n, k, m).

    Examples
    --------
    >>> bool(np.allclose(jacobian_by_differences(lambda x: 3 * x, np.ones((2, 2))), 3 * np.eye(2)))
    True
    """
    columns = [
        function(states + step) - function(states - step) for step in STEP * np.eye(states.shape[1])
    ]
    return np.stack(columns, axis=2) / (2 * STEP)

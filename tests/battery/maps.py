"""Rows 4 to 6: what the maps of the integrators keep, their order, their energy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import autograd.numpy as anp
import numpy as np
from autograd import jacobian
from scipy.integrate import solve_ivp

import ehf_num as en
from ehf_num.engine.networks import init_energy
from tests.battery.frame import SEED, Case, Row, require, require_close

INTEGRATORS = {
    "leapfrog": en.Leapfrog,
    "leapfrog, rebuilt": partial(en.Leapfrog, reversible=True),
    "Euler": en.Euler,
}


def network(dim: int, rng: np.random.Generator, strength: float = 1.0) -> en.NetworkHamiltonian:
    """Draw a network with biases that are not zero."""
    parts = []
    for _ in range(2):
        weights = init_energy((dim, 12, 10, 1), rng, "float64")
        parts.append([w + 0.3 * strength * rng.standard_normal(w.shape) for w in weights])
    return en.NetworkHamiltonian(*parts)


def _drawn_flow(name: str, seed: int) -> tuple[en.HamiltonianFlow, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    dim, length = (1, 2, 3, 5)[seed % 4], int(rng.integers(1, 4))
    # Euler's inverse is a fixed point that has to be a contraction.
    largest = 0.15 if name == "Euler" else 0.8
    steps, size = int(rng.integers(1, 5)), rng.uniform(0.02, largest)
    flow = en.HamiltonianFlow(
        [network(dim, rng) for _ in range(length)], INTEGRATORS[name](steps, float(size))
    )
    return flow, *rng.standard_normal((2, 6, dim))


def _reversible(name: str, seed: int) -> None:
    flow, q, p = _drawn_flow(name, seed)
    for there, back in ((flow.forward, flow.inverse), (flow.inverse, flow.forward)):
        require_close(np.stack(back(*there(q, p))), [q, p], 1e-10, "returned state")
    require(np.abs(flow.forward(q, p)[0] - q).max() > 1e-4, "the map moves nothing")


def _matrix(flow: en.HamiltonianFlow, q: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Differentiate the whole map at one state."""
    dim = q.size

    def push(state: Any) -> Any:
        return anp.concatenate(flow.forward(state[None, :dim], state[None, dim:]), axis=1)[0]

    return jacobian(push)(np.concatenate([q, p]))


def _symplectic(name: str, seed: int) -> None:
    flow, q, p = _drawn_flow(name, seed)
    omega = np.kron([[0, 1], [-1, 0]], np.eye(q.shape[1]))
    matrix = _matrix(flow, q[0], p[0])
    require_close(matrix.T @ omega @ matrix, omega, 1e-10, "symplectic defect")


def _volume(name: str, seed: int) -> None:
    flow, q, p = _drawn_flow(name, seed)
    require_close(np.linalg.slogdet(_matrix(flow, q[0], p[0]))[1], 0, 1e-10, "ln |det|")


def _euler_is_not_symplectic(seed: int) -> None:
    """The check of symplecticity can fail: Euler's map fails it."""
    flow, q, p = _drawn_flow("Euler", seed)
    defect = abs(np.linalg.slogdet(_matrix(flow, q[0], p[0]))[1])
    require(defect > 1e-9, f"Euler's map has ln |det| {defect}")


def structure_cases(quick: bool) -> Iterator[Case]:
    count = 4 if quick else 80
    for name in INTEGRATORS:
        symplectic = name != "Euler"
        checks = (_reversible, _symplectic, _volume) if symplectic else (_reversible,)
        for check in checks:
            for k in range(count):
                title = f"{name}: {check.__name__[1:]}, {k}"
                yield Case(title, partial(check, name, SEED + k))
    for k in range(1 if quick else 20):
        yield Case(f"Euler is caught, {k}", partial(_euler_is_not_symplectic, SEED + k))


class Named:
    """A Hamiltonian by the gradients of its two parts."""

    def __init__(self, grad_kinetic, grad_potential, kinetic=None, potential=None):
        self.grad_kinetic, self.grad_potential = grad_kinetic, grad_potential
        self.kinetic, self.potential = kinetic, potential


def _henon_heiles(q):
    x, y = q[:, :1], q[:, 1:]
    return np.concatenate([x + 2 * x * y, y + x**2 - y**2], axis=1)


def _henon_heiles_energy(q):
    x, y = q.T
    return (x**2 + y**2) / 2 + x**2 * y - y**3 / 3


def _half_square(p):
    return (p**2).sum(axis=1) / 2


def hamiltonians() -> dict[str, Any]:
    rng = np.random.default_rng(SEED)
    coupling = np.array([[2.0, 0.7], [0.7, 1.0]])
    return {
        "oscillator": Named(lambda p: p, lambda q: q),
        "coupled oscillators": Named(lambda p: p / 2, lambda q: q @ coupling),
        "pendulum": Named(lambda p: p, np.sin, _half_square, lambda q: -np.cos(q).sum(axis=1)),
        "double well": Named(lambda p: p, lambda q: q**3 - q),
        "quartic": Named(lambda p: p, lambda q: q**3),
        "relativistic": Named(lambda p: p / np.sqrt(1 + p**2), lambda q: q),
        "Hénon–Heiles": Named(lambda p: p, _henon_heiles, _half_square, _henon_heiles_energy),
        "Toda": Named(lambda p: p, lambda q: np.exp(q) - np.exp(-q)),
        "network": network(2, rng),
        "network in a bowl": _in_a_bowl(network(2, rng, 2.0)),
    }


def _in_a_bowl(part: en.NetworkHamiltonian) -> Named:
    """H of a network and of an oscillator together: its orbits stay where they are."""
    return Named(
        lambda p: p + part.grad_kinetic(p) / 4,
        lambda q: q + part.grad_potential(q) / 4,
        lambda p: _half_square(p) + part.kinetic(p) / 4,
        lambda q: _half_square(q) + part.potential(q) / 4,
    )


def exact(hamiltonian: Any, q: np.ndarray, p: np.ndarray, time: float) -> np.ndarray:
    """Integrate Hamilton's equations by an explicit method of order 8."""
    shape = (2, *q.shape)

    def field(_, flat):
        at, momentum = flat.reshape(shape)
        return np.stack([hamiltonian.grad_kinetic(momentum), -hamiltonian.grad_potential(at)])

    start = np.stack([q, p]).ravel()
    done = solve_ivp(
        lambda t, s: field(t, s).ravel(), (0, time), start, "DOP853", rtol=1e-13, atol=1e-13
    )
    return done.y[:, -1].reshape(shape)


def _order(integrator: str, name: str, time: float = 0.8) -> str:
    hamiltonian = hamiltonians()[name]
    q, p = 0.4 * np.random.default_rng(SEED).standard_normal((2, 5, 2))
    truth = exact(hamiltonian, q, p, time)
    counts = 24 * 2 ** np.arange(7) if integrator == "Euler" else 6 * 2 ** np.arange(7)
    errors = []
    for count in counts:
        made = INTEGRATORS[integrator](int(count), time / int(count))
        errors.append(np.abs(np.stack(made.forward(hamiltonian, q, p)) - truth).max())
    slope = -np.polyfit(np.log(counts[1:]), np.log(errors[1:]), 1)[0]
    wanted = INTEGRATORS[integrator](1, 0.1).order
    require(abs(slope - wanted) < 0.1, f"slope {slope:.3f}, order {wanted}")
    return f"slope {slope:.3f}"


def order_cases(quick: bool) -> Iterator[Case]:
    for integrator in ("leapfrog", "Euler"):
        for name in list(hamiltonians())[2 if quick else 0 : 3 if quick else None]:
            yield Case(f"{integrator}, {name}", partial(_order, integrator, name))


def _energies(integrator: Any, name: str, steps: int) -> np.ndarray:
    """H − H(0) of several states after each step: (steps, n)."""
    hamiltonian = hamiltonians()[name]
    q, p = 0.12 * np.random.default_rng(SEED + 1).standard_normal((2, 8, 2))
    values = []
    for _ in range(steps):
        values.append(hamiltonian.kinetic(p) + hamiltonian.potential(q))
        q, p = integrator.forward(hamiltonian, q, p)
    return np.array(values) - values[0]


def _trend(energies: np.ndarray) -> float:
    """Slope of block means over steps, in its standard errors, the largest of all states."""
    blocks = energies.reshape(20, -1, energies.shape[1]).mean(axis=1)
    t = np.linspace(-1, 1, len(blocks))
    slopes = t @ blocks / (t @ t)
    rest = blocks - blocks.mean(axis=0) - np.outer(t, slopes)
    errors = np.sqrt((rest**2).sum(axis=0) / (len(t) - 2) / (t @ t))
    return float(np.abs(slopes / errors).max())


def _energy(name: str, steps: int) -> str:
    energies = _energies(en.Leapfrog(1, 0.1), name, steps)
    largest, trend = np.abs(energies).max(), _trend(energies)
    require(largest < 2e-3, f"energy is off by {largest:.2g}")
    require(trend < 5, f"the slope is {trend:.1f} of its errors")
    return f"within {largest:.1e}, slope {trend:.1f} of its errors"


def _energy_of_euler(steps: int) -> None:
    """A drift has to be seen."""
    energies = _energies(en.Euler(1, 0.01), "pendulum", steps)
    require(_trend(energies) > 10, "Euler's drift was not seen")


def energy_cases(quick: bool) -> Iterator[Case]:
    steps = 3000 if quick else 10_000
    for name in ("pendulum", "Hénon–Heiles", "network in a bowl")[: 1 if quick else None]:
        yield Case(name, partial(_energy, name, steps))
    yield Case("Euler is caught", partial(_energy_of_euler, steps))


ROWS = [
    Row(4, "reversible, symplectic, volume kept (1e-10); every integrator", structure_cases, 60),
    Row(5, "order by slope (± 0.1), 10 Hamiltonians × 6 halvings", order_cases, 60),
    Row(6, "energy over 10,000 steps: bounded, no trend", energy_cases, 120),
]

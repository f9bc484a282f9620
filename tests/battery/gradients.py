"""Row 8: every gradient by its Taylor remainder, f(x + h d) − f(x) − h g·d = O(h²)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import autograd.numpy as anp
import numpy as np
import sympy as sp

import ehf_sym as es
from ehf_num.engine.engine import energy_gradient, relu_network
from ehf_num.engine.networks import init_energy, init_relu
from ehf_num.engine.tape import make_vjp, on_tape
from ehf_num.hamiltonian.splitting import Chain, schedule
from ehf_num.targets.target_energy import known_energy
from ehf_num.training.bounds import Bound
from ehf_num.training.constraint import mean_squared_brackets
from ehf_num.training.energy_bound import EnergyBound
from ehf_num.training.minibatches import Minibatch
from tests.battery.frame import SEED, Case, Row, require
from tests.num.models import make

DIRECTIONS = 5
STEPS = {"float64": 1e-4 * 0.5 ** np.arange(5), "float32": 1e-3 * 0.5 ** np.arange(4)}
Arrays = Sequence[Any]


@dataclass(frozen=True)
class Problem:
    """A function of arrays, where it is looked at, and its gradient there."""

    value: Callable[[Arrays], float]
    gradient: Callable[[Arrays], list[Any]]
    arrays: list[Any]


def _weighed(output: Any) -> Any:
    """Turn any array into one number that sees each entry by itself."""
    weights = 1 + np.arange(output.size).reshape(output.shape) % 7
    return anp.sum(anp.sin(output) * weights.astype(constant_dtype(output)))


def constant_dtype(output: Any) -> Any:
    return getattr(output, "_value", output).dtype


def _by_tape(function: Callable[..., Any], arrays: list[Any]) -> Problem:
    def total(boxes: Arrays) -> Any:
        return _weighed(function(*boxes))

    def gradient(at: Arrays) -> list[Any]:
        vjp, value = make_vjp(total, at)
        return vjp(np.ones_like(value))

    return Problem(lambda at: float(total(at)), gradient, arrays)


def _drawn(shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    rng = np.random.default_rng(SEED)
    return [rng.standard_normal(shape) for shape in shapes]


def _weights(initial: Any, widths: tuple[int, ...], networks: int = 1) -> list[Any]:
    rng = np.random.default_rng(SEED + 1)
    made = [w for _ in range(networks) for w in initial(widths, rng, "float64")]
    return [w + 0.2 * rng.standard_normal(w.shape) for w in made]


def _energy() -> Problem:
    return _by_tape(energy_gradient, _drawn([(7, 3)]) + _weights(init_energy, (3, 9, 8, 1)))


def _relu() -> Problem:
    return _by_tape(relu_network, _drawn([(7, 3)]) + _weights(init_relu, (3, 9, 8, 2)))


def _chain(rebuild: bool) -> Problem:
    flow = Chain(schedule(3, 0.3), 2, rebuild)

    def joined(*arrays: Any) -> Any:
        states, fields = flow(*arrays)
        return anp.concatenate([anp.ravel(states), anp.ravel(fields)])

    rows = _drawn([(6, 2), (6, 2), (4, 4)])
    return _by_tape(joined, rows + _weights(init_energy, (2, 8, 7, 1), networks=4))


def _encoder(case: str, **options: Any) -> Problem:
    flow = make(case, **options)
    encoder = flow.objective.encoder
    rng = np.random.default_rng(SEED + 2)
    weights = [w + 0.3 * rng.standard_normal(w.shape) for w in encoder.init(rng, "float64")]
    q, noise = rng.standard_normal((2, 3, flow.dim))  # few: a kink of a relu is seldom met

    def drawn(*arrays: Any) -> Any:
        p, log_h = encoder.draw(arrays[:-1], q.astype(constant_dtype(arrays[-1])), arrays[-1])
        return anp.concatenate([anp.ravel(p), log_h])

    return _by_tape(drawn, [*weights, noise])


def _formula() -> Problem:
    x, y = sp.symbols("x y", real=True)
    formula = on_tape(es.to_numpy([sp.exp(-(x**2)) * y, sp.log(1 + sp.exp(x * y))], (x, y)))
    return _by_tape(formula, _drawn([(6, 2)]))


def _brackets() -> Problem:
    return _by_tape(partial(_squares, _drawn([(7, 2, 4)])[0]), _drawn([(7, 3, 4)]))


def _squares(gradients: Any, fields: Any) -> Any:
    return mean_squared_brackets(fields, gradients.astype(constant_dtype(fields)))


def _objective(
    case: str, bound: Bound | EnergyBound, theta_only: bool = False, **options: Any
) -> Problem:
    """The Lagrangian's gradient as training takes it, all weights, or all but the encoder's.

    The doubly reparametrized gradient of an encoder is another estimate of the same expectation,
    not the derivative of this value.
    """
    flow = make(case, **options)
    rng = np.random.default_rng(SEED)
    arrays = [w + 0.1 * rng.standard_normal(w.shape) for w in flow.weights]
    x = bound.repeat(rng.standard_normal((6, flow.dim)))
    noise = rng.standard_normal(x.shape)
    constraint = flow.objective.constraint
    count = 0 if constraint is None else len(constraint.names)
    base = None
    if count or bound.starts_at_base:
        base = flow.objective.base_at(arrays).sample(6, rng)
    rates = 0.5 + rng.random(count)
    own = len(flow.bound.encoder_weights)
    split = len(arrays) - own if theta_only else len(arrays)

    def step(at: Arrays) -> tuple[Any, list[Any]]:
        dtype = at[0].dtype
        states = None if base is None else base.astype(dtype)
        whole = [*at, *(w.astype(dtype) for w in arrays[split:])]
        flat = np.empty(sum(w.size for w in whole), dtype)
        batch = Minibatch(x.astype(dtype), noise.astype(dtype), states)
        terms = bound.step(flow.objective.at(whole), batch, rates, flat)
        ends = np.cumsum([w.size for w in whole])[:-1]
        pieces = np.split(flat, ends)
        return terms, [g.reshape(w.shape) for g, w in zip(pieces, whole, strict=True)]

    def value(at: Arrays) -> float:
        terms, _ = step(at)
        return float(-terms[0] + rates @ terms[1:])

    return Problem(value, lambda at: step(at)[1][:split], arrays[:split])


def _from_energy(case: str, options: dict[str, Any], **chosen: Any) -> Problem:
    """The same with an energy to learn from; the base's parameters, if any, are drawn by score."""
    space = make(case).base.space
    square = sum(x**2 for x in space.q)
    target = known_energy(square**2 / 8 + sp.cos(square), space, None, np.zeros((1, 2 * space.dim)))
    return _objective(case, EnergyBound(target, **options), **chosen)


PROBLEMS: dict[str, Callable[[], Problem]] = {
    "energy gradient": _energy,
    "relu network": _relu,
    "chain, kept": partial(_chain, False),
    "chain, rebuilt": partial(_chain, True),
    "Gaussian encoder": partial(_encoder, "so2"),
    "coupling encoder": partial(_encoder, "so2", encoder="coupling"),
    "coupling encoder, moving frame": partial(_encoder, "so3", encoder="coupling", enforce="exact"),
    "increasing map": partial(_encoder, "oscillator", encoder="coupling"),
    "formula": _formula,
    "mean squared brackets": _brackets,
    "ELBO": partial(_objective, "so2", Bound(), enforce="none"),
    "Lagrangian": partial(_objective, "so3", Bound(), hamiltonians=2),
    "Lagrangian, split, normalized": partial(
        _objective, "so2", Bound(), split_bracket=True, normalized_bracket=True
    ),
    "Lagrangian, soft-uniform": partial(_objective, "soft-uniform", Bound()),
    "ELBO, 3 draws": partial(_objective, "squeezed", Bound("elbo", 3)),
    "exact": partial(_objective, "so2", Bound(), enforce="exact"),
    "exact, coupling": partial(_objective, "so3", Bound(), enforce="exact", encoder="coupling"),
    "importance-weighted, flow": partial(
        _objective, "so2", Bound("importance", 4), True, hamiltonians=2
    ),
    "importance-weighted, exact flow": partial(
        _objective, "so2", Bound("importance", 3), True, enforce="exact"
    ),
    "energy": partial(_from_energy, "so3", {}, hamiltonians=2),
    "energy, couplings": partial(_from_energy, "so2", {}, encoder="coupling"),
    "energy, exact": partial(_from_energy, "so3", {}, enforce="exact", encoder="coupling"),
    "energy and data": partial(_from_energy, "so2", {"data_weight": 0.4}),
    "rebuilt training": partial(_objective, "so2", Bound(), reversible=True, steps=4),
}


def _check(name: str, dtype: str, spoil: float = 1.0) -> str:
    """Values are in float64; the gradient is that of the dtype."""
    problem = PROBLEMS[name]()
    arrays = [a.astype(dtype) for a in problem.arrays]
    start = [a.astype(np.float64) for a in arrays]
    gradient = problem.gradient(arrays)
    require(all(g.dtype == dtype for g in gradient), "a gradient has another dtype")
    value, rng, found = problem.value(start), np.random.default_rng(SEED), []
    for _ in range(DIRECTIONS):
        direction = [rng.standard_normal(a.shape) for a in start]
        norm = np.sqrt(sum((d**2).sum() for d in direction))
        slope = spoil * sum(
            float((g.astype(np.float64) * d).sum())
            for g, d in zip(gradient, direction, strict=True)
        )
        remainders = []
        for h in STEPS[dtype]:
            moved = [a + h / norm * 3 * d for a, d in zip(start, direction, strict=True)]
            remainders.append(abs(problem.value(moved) - value - 3 * h / norm * slope))
        found.append(np.polyfit(np.log(STEPS[dtype]), np.log(remainders), 1)[0])
    worst = max(found, key=lambda slope: abs(slope - 2))
    require(abs(worst - 2) < 0.1, f"slope {worst:.3f}")
    return f"slopes {min(found):.3f} to {max(found):.3f}"


def _caught() -> None:
    """A gradient that is off by 3 % has slope 1."""
    try:
        _check("Lagrangian", "float64", spoil=1.03)
    except AssertionError:
        return
    raise AssertionError("a gradient that is 3 % off passes")


def cases(quick: bool) -> Iterator[Case]:
    for name in list(PROBLEMS)[:: 5 if quick else 1]:
        for dtype in ("float64", "float32"):
            yield Case(f"{name}, {dtype}", partial(_check, name, dtype))
    yield Case("3 % are caught", _caught)


ROWS = [Row(8, "gradients by Taylor remainder (slope 2 ± 0.1), 5 directions each", cases, 60)]

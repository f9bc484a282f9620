"""A peer: a continuous flow whose velocity is an E(n) graph network, on PyTorch.

The velocity field of Satorras et al., *E(n) Equivariant Normalizing Flows* (arXiv:2105.09016), with
the training of Klein et al., *Equivariant flow matching* (arXiv:2306.15030): straight paths from a
normal to points, aligned by permutation and rotation, so that training solves no equation. ln p is
that of Runge and Kutta's fourth order with the divergence, exact for few coordinates. Written for
this study; it needs the extra `bench`, which is imported only when it is to learn.
"""

from __future__ import annotations

import math
import time
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from ehf_num import LearningRateSchedule
from ehf_num.reproduce.common import Floats
from ehf_num.reproduce.efficiency.contender import Budget, Learned, Split
from ehf_num.reproduce.efficiency.zuko_flows import minibatches
from ehf_num.reproduce.molecules.problems import ParticleProblem

_VALIDATION_ROWS = 1_000
_CHUNK = 60_000  # pairs of particles times directions at once, for the divergence


@dataclass(frozen=True)
class GraphFlowContender:
    """An E(n) graph network as the velocity of a continuous flow.

    Attributes
    ----------
    hidden, layers : int
        Width of the messages and of the networks of a layer, and their number.
    steps : int
        Of Runge and Kutta's fourth order, for ln p and for draws.
    probes : int
        Up to so many coordinates the divergence is exact; above, it is Hutchinson's estimate from
        so many random signs, new ones at each evaluation. The NLL has no bias from that.
    learning_rate : float
        Adam's α.
    """

    hidden: int = 32
    layers: int = 3
    steps: int = 12
    probes: int = 8
    learning_rate: float = 2e-3

    def learn(self, problem: ParticleProblem, split: Split, budget: Budget, seed: int) -> Learned:
        """Train on the split's points and nothing else, with one thread."""
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        scale = float(split.training.std())
        flow = _GraphFlow(problem, scale, self)
        validation = _Pairs(problem, scale)(
            split.validation_copies(_VALIDATION_ROWS), np.random.default_rng(seed)
        )
        pairs = _Pairs(problem, scale)
        rate = LearningRateSchedule(budget.schedule).factors(budget.iterations)
        batches = minibatches(split.training, budget.batch_size, rng)
        adam = torch.optim.Adam(flow.field.parameters())
        best: tuple[float, int, Any] = (math.inf, 0, deepcopy(flow.field.state_dict()))
        start, stop_reason = time.process_time(), "iterations"
        for iteration in range(1, budget.iterations + 1):
            loss = flow.mismatch(*pairs(next(batches), rng))
            if not torch.isfinite(loss):
                stop_reason = "non_finite"
                break
            adam.param_groups[0]["lr"] = self.learning_rate * rate(iteration - 1)
            adam.zero_grad()
            loss.backward()
            adam.step()
            if iteration % budget.check_every == 0 or iteration == budget.iterations:
                with torch.no_grad():
                    score = float(flow.mismatch(*validation))
                if score < best[0]:
                    best = (score, iteration, deepcopy(flow.field.state_dict()))
                if iteration - best[1] >= budget.patience:
                    stop_reason = "early_stopping"
                    break
        flow.field.load_state_dict(best[2])
        return Learned(
            log_prob=lambda x, _draws: flow.log_prob(x),
            iterations=iteration,
            best=best[1],
            stop_reason=stop_reason,
            seconds=time.process_time() - start,
            parameters=sum(p.numel() for p in flow.field.parameters()),
            sample=flow.sample,
        )


@dataclass(frozen=True)
class _Pairs:
    """Ends of paths: points, and normals that are turned and permuted to lie near them."""

    problem: ParticleProblem
    scale: float

    def __call__(self, x: Floats, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Return normals, points in units of the scale, and times in [0, 1]."""
        frame, ends = self.problem.frame, x / self.scale
        starts = frame.from_relative(rng.standard_normal(x.shape))
        pairs = zip(starts, frame.from_relative(ends), strict=True)
        aligned = np.stack([_aligned(start, end) for start, end in pairs])
        return frame.to_relative(aligned), ends, rng.random((len(x), 1))


def _aligned(start: Floats, end: Floats) -> Floats:
    """Permute the particles of a start (N, D), then turn it, to bring it near an end."""
    cost = -(end @ start.T)
    _, order = scipy.optimize.linear_sum_assignment(cost)
    permuted = start[order]
    left, _, right = np.linalg.svd(permuted.T @ end)
    return np.asarray(permuted @ left @ right)


class _GraphFlow:
    """The ODE dz/dt = v(z, t) from a normal at 0 to points in units of their scale at 1."""

    def __init__(
        self, problem: ParticleProblem, scale: float, settings: GraphFlowContender
    ) -> None:
        import torch

        self._torch, self._problem, self._scale = torch, problem, scale
        self._steps, self._probes = settings.steps, settings.probes
        self._signs = torch.Generator().manual_seed(0)
        self.field = _velocity_field(problem, settings)

    def _tensor(self, x: Floats) -> Any:
        return self._torch.as_tensor(x, dtype=self._torch.float32)

    def mismatch(self, starts: Floats, ends: Floats, times: Floats) -> Any:
        """Return the mean squared difference of v from the velocity of straight paths."""
        a, b, t = self._tensor(starts), self._tensor(ends), self._tensor(times)
        return ((self.field(a + t * (b - a), t) - (b - a)) ** 2).sum(dim=1).mean()

    def log_prob(self, x: Floats) -> Floats:
        """Evaluate ln p, nats, backwards along the flow."""
        parts = [self._integrated(part, -1.0) for part in self._chunks(x / self._scale)]
        z, change = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return np.asarray(self._log_normal(z) + change - z.shape[1] * math.log(self._scale))

    def sample(self, n: int, seed: int) -> tuple[Floats, Floats]:
        """Draw points, with ln p of each."""
        start = np.random.default_rng(seed).standard_normal((n, self._problem.dim))
        parts = [self._integrated(part, 1.0) for part in self._chunks(start)]
        z, change = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        log_prob = self._log_normal(start) + change - z.shape[1] * math.log(self._scale)
        return z * self._scale, log_prob

    def _chunks(self, z: Floats) -> list[Floats]:
        width = min(self._problem.dim, self._probes) * self._problem.energy.count**2
        return np.array_split(z, -(-len(z) * width // _CHUNK))

    def _log_normal(self, z: Floats) -> Floats:
        return np.asarray(-0.5 * (z**2).sum(axis=1) - z.shape[1] / 2 * math.log(2 * math.pi))

    def _integrated(self, z: Floats, direction: float) -> tuple[Floats, Floats]:
        """Return the other end of the flow, and −∫_0^1 div v dt along it."""
        step = direction / self._steps
        t = 0.0 if direction > 0 else 1.0
        at, change = self._tensor(z), self._torch.zeros(len(z))
        with self._torch.no_grad():
            for _ in range(self._steps):
                v1, d1 = self._with_divergence(at, t)
                v2, d2 = self._with_divergence(at + step / 2 * v1, t + step / 2)
                v3, d3 = self._with_divergence(at + step / 2 * v2, t + step / 2)
                v4, d4 = self._with_divergence(at + step * v3, t + step)
                at = at + step / 6 * (v1 + 2 * v2 + 2 * v3 + v4)
                change = change + step / 6 * (d1 + 2 * d2 + 2 * d3 + d4)
                t += step
        # Either way ln p(x) = ln p(z) − ∫_0^1 div v dt, and backwards the sum is −∫_0^1.
        return at.double().numpy(), np.asarray(-direction * change.double().numpy())

    def _with_divergence(self, z: Any, t: float) -> tuple[Any, Any]:
        """Return v and its divergence, along each coordinate or along random signs."""
        torch, dim = self._torch, z.shape[1]
        times = torch.full((len(z), 1), t)
        if dim <= self._probes:
            directions, share = torch.eye(dim)[:, None].expand(-1, len(z), -1), 1.0
        else:
            signs = torch.randint(2, (self._probes, *z.shape), generator=self._signs)
            directions, share = 2.0 * signs - 1, 1 / self._probes

        def along(direction: Any) -> Any:
            v, slope = torch.func.jvp(lambda at: self.field(at, times), (z,), (direction,))
            return v, (slope * direction).sum(dim=1)

        v, slopes = torch.func.vmap(along)(directions)
        return v[0], share * slopes.sum(dim=0)


def _velocity_field(problem: ParticleProblem, settings: GraphFlowContender) -> Any:
    """Make v(z, t): particles move along their separations, by messages that are invariant."""
    import torch
    from torch import nn

    count, dimension = problem.energy.count, problem.energy.dimension
    width = settings.hidden
    others = torch.tensor([[b for b in range(count) if b != a] for a in range(count)])

    def network(inputs: int, outputs: int) -> Any:
        return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, outputs))

    class Layer(nn.Module):  # type: ignore[misc]  # torch is optional
        def __init__(self) -> None:
            super().__init__()
            self.message = network(2 * width + 2, width)
            self.shift = network(width, 1)
            self.node = network(2 * width, width)
            nn.init.zeros_(self.shift[2].weight)
            nn.init.zeros_(self.shift[2].bias)

        def forward(self, x: Any, h: Any, first: Any) -> tuple[Any, Any]:
            apart = x[:, :, None] - x[:, others]
            square = (apart**2).sum(dim=3, keepdim=True)
            pair = torch.cat(
                [h[:, :, None].expand(-1, -1, count - 1, -1), h[:, others], square, first], dim=3
            )
            message = nn.functional.silu(self.message(pair))
            pull = apart / (torch.sqrt(square + 1e-8) + 1) * self.shift(message)
            h = h + self.node(torch.cat([h, message.mean(dim=2)], dim=2))
            return x + pull.mean(dim=2), h

    class Field(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.time = network(1, width)
            self.layers = nn.ModuleList(Layer() for _ in range(settings.layers))
            basis = np.array(problem.frame.basis.tolist(), dtype=np.float32)
            self.register_buffer("basis", torch.as_tensor(basis))

        def forward(self, z: Any, t: Any) -> Any:
            start = self.basis.T @ z.reshape(len(z), count - 1, dimension)
            first = ((start[:, :, None] - start[:, others]) ** 2).sum(dim=3, keepdim=True)
            x, h = start, self.time(t)[:, None].expand(-1, count, -1)
            for layer in self.layers:
                x, h = layer(x, h, first)
            return (self.basis @ (x - start)).reshape(z.shape)

    return Field()

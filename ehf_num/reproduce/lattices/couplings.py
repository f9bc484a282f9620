"""A peer: affine couplings on a checkerboard, on PyTorch, trained on the action alone.

The flow of Albergo, Kanwar and Shanahan (arXiv:1904.12072): by turns the even and the odd sites are
scaled and shifted by convolutional networks of the others,

    φ' = φ e^{s(h²)} + t(h),    h an odd function of the sites that stay,

so that φ → −φ and the translations that keep the checkerboard are exact. The others and the point
group come by averaging: a draw is moved by one of the 16 images at random, and its density is
p̄(φ) = Σ_g p(gφ)/16, exact. Written for this study; it needs the extra `bench`, which is imported
only when it is to learn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import ehf_num as en
from ehf_num.reproduce.common import Floats, versions_of

_ROWS = 1_000  # draws at a time, of which each has 16 images
_RECORDS = 100
_GROWS = 0.02  # of the time, in which the rate grows to its full size


def torch_version() -> dict[str, str]:
    """Return that of PyTorch; nothing where it is missing."""
    return versions_of("torch")


@dataclass(frozen=True)
class Learned:
    """A flow that was trained for so many seconds of the processor.

    Attributes
    ----------
    draws : CouplingDraws
        What is weighed.
    curve : tuple of (ndarray, ndarray)
        Processor seconds, and the bound of ln Z in nats.
    iterations : int
        Done in that time.
    """

    draws: CouplingDraws
    curve: tuple[Floats, Floats]
    iterations: int

    def weigh(self, n: int) -> en.WeightedDraws:
        """Weigh n draws."""
        draws: Any = self.draws  # has all of what draws of a model are asked for here
        return en.WeightedDraws.of(draws, n)


@dataclass(frozen=True)
class CouplingContender:
    """Affine couplings, trained by gradients along paths, with the same kinds of means as ours.

    Attributes
    ----------
    layers, channels : int
        Couplings, and the width of the two hidden layers of each.
    batch_size : int
        Fields an iteration.
    learning_rate : float
        Adam's α, with a linear warm-up and a cosine over the time.
    """

    layers: int = 8
    channels: int = 8
    batch_size: int = 64
    learning_rate: float = 2e-2

    def learn(
        self, size: int, constants: tuple[float, float], energy: en.TargetEnergy, *, seconds: float,
        seed: int,
    ) -> Learned:  # fmt: skip
        """Train on L × L sites with m² and λ for so much time of the processor, one thread."""
        import torch

        torch.set_num_threads(1)
        torch.manual_seed(seed)
        flow = _flow(size, self)
        adam = torch.optim.Adam(flow.parameters())
        start = last = time.process_time()
        times, bounds, since, iterations, share = [], [], [], 0, 0.0
        while share < 1:
            rate = min(1, (share + 1e-3) / _GROWS) * (1 + math.cos(math.pi * share)) / 2
            adam.param_groups[0]["lr"] = self.learning_rate * rate
            phi, _ = flow(torch.randn(self.batch_size, size, size))
            loss = (_action(phi, *constants) + flow.log_prob(phi, fixed=True)).mean()
            if not torch.isfinite(loss):
                break
            adam.zero_grad()
            loss.backward()
            adam.step()
            iterations += 1
            since.append(-float(loss.detach()))
            now = time.process_time()
            share = (now - start) / seconds
            if now - last > seconds / _RECORDS or share >= 1:
                times.append(now - start)
                bounds.append(float(np.mean(since)))
                last, since = now, []
        draws = CouplingDraws(flow, size, energy, seed)
        return Learned(draws, (np.array(times), np.array(bounds)), iterations)


@dataclass(frozen=True, eq=False)
class CouplingDraws:
    """Draws of the averaged flow, with their weights, block by block; a stream repeats itself.

    Attributes
    ----------
    flow : torch.nn.Module
        Before it is averaged.
    size : int
        L.
    energy : ehf_num.TargetEnergy
        S.
    seed : int
        What all that is random follows from.
    """

    flow: Any
    size: int
    energy: en.TargetEnergy
    seed: int

    def log_prob(self, q: Floats) -> Floats:
        """Evaluate ln p̄, nats: fields (n, L²) to (n,)."""
        import torch

        fields = torch.as_tensor(q, dtype=torch.float32).reshape(-1, self.size, self.size)
        with torch.no_grad():
            each = torch.stack([self.flow.log_prob(image) for image in images(fields)])
            mean = torch.logsumexp(each, dim=0) - math.log(len(each))
        return np.asarray(mean.double().numpy())

    def blocks(self, n: int, stream: int = 0) -> Iterator[tuple[Floats, Floats]]:
        """Draw block by block: q (m, L²) and ln w (m,)."""
        import torch

        for number, start in enumerate(range(0, n, _ROWS)):
            rng = np.random.default_rng([self.seed, stream, number])
            z = rng.standard_normal((min(_ROWS, n - start), self.size, self.size))
            with torch.no_grad():
                phi, _ = self.flow(torch.as_tensor(z, dtype=torch.float32))
                moved = torch.stack(images(phi), dim=1)
            q = moved.numpy()[np.arange(len(z)), rng.integers(moved.shape[1], size=len(z))]
            q = q.reshape(len(z), -1).astype(float)
            yield q, -self.energies(q) - self.log_prob(q)

    def energies(self, q: Floats) -> Floats:
        """Evaluate S."""
        return np.asarray(self.energy.value(q))

    def restored(self, q: Floats) -> Floats:
        """Return points as they are: there are no units but those of S."""
        return q


def images(fields: Any) -> list[Any]:
    """Move fields (n, L, L) by what the flow does not keep: a step, quarter turns, a mirror."""
    starts = [fields, fields.roll(1, 1)]
    return [
        turned.rot90(turns, (1, 2))
        for start in starts
        for turned in (start, start.transpose(1, 2))
        for turns in range(4)
    ]


def _action(phi: Any, mass_squared: float, coupling: float) -> Any:
    """Evaluate S, to be differentiated: (n, L, L) to (n,)."""
    square = phi**2
    steps = sum((phi.roll(1, axis) - phi) ** 2 for axis in (1, 2))
    return (steps + mass_squared * square + coupling * square**2).sum(dim=(1, 2))


def _flow(size: int, settings: CouplingContender) -> Any:
    """Make the flow from a standard normal, the identity at the start."""
    import torch
    from torch import nn

    even = (torch.arange(size)[:, None] + torch.arange(size)) % 2 == 0

    def convolution(inputs: int, outputs: int, *, bias: bool = False) -> Any:
        return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="circular", bias=bias)

    class Coupling(nn.Module):  # type: ignore[misc]  # torch is optional
        def __init__(self, active: Any) -> None:
            super().__init__()
            self.register_buffer("active", active.float())
            width = settings.channels
            self.odd = nn.Sequential(
                convolution(1, width), nn.Tanh(), convolution(width, width), nn.Tanh()
            )
            self.shift, self.scale = convolution(width, 1), convolution(width, 1, bias=True)
            for layer in (self.shift, self.scale):
                for weight in layer.parameters():
                    nn.init.zeros_(weight)

        def forward(self, phi: Any) -> tuple[Any, Any]:
            h = self.odd((phi * (1 - self.active))[:, None])
            return self.scale(h**2)[:, 0] * self.active, self.shift(h)[:, 0] * self.active

    class Flow(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            masks = [even, ~even]
            self.couplings = nn.ModuleList(Coupling(masks[k % 2]) for k in range(settings.layers))

        def forward(self, z: Any) -> tuple[Any, Any]:
            """Return fields, and ln |∂φ/∂z|."""
            change = 0.0
            for coupling in self.couplings:
                s, t = coupling(z)
                z, change = z * torch.exp(s) + t, change + s.sum(dim=(1, 2))
            return z, change

        def log_prob(self, phi: Any, *, fixed: bool = False) -> Any:
            """Evaluate ln p; fixed: without a slope by the weights, which is 0 in the mean."""
            self.requires_grad_(not fixed)
            change = 0.0
            for coupling in reversed(self.couplings):
                s, t = coupling(phi)
                phi, change = (phi - t) * torch.exp(-s), change - s.sum(dim=(1, 2))
            self.requires_grad_(True)
            normal = -0.5 * (phi**2).sum(dim=(1, 2)) - phi[0].numel() / 2 * math.log(2 * math.pi)
            return normal + change

    return Flow()

"""A training step of a model of particles: ours and JAX on the same loss, DW4 and LJ13, float32.

    python -m tests.benchmarks.particles --write
    python -m tests.benchmarks.particles --threads 1

The loss is −ELBO with the Gaussian encoder; a chain of Hamiltonians whose K and U are sums over
pairs of particles and over what each particle has around it (`OrbitSum.pairs`), with Gaussians
of the distances. A step is loss, gradient and Adam. Loss and gradient are compared before anything
is timed. JAX has the energies' gradients in two arrangements, by `jax.grad` of the energy and as
the chain rule written out; the faster one in a trial counts. Samples are interleaved.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import ehf_num as en
import ehf_sym as es
from ehf_num.engine.parallel import one_blas_thread, set_threads
from ehf_num.training.bounds import Bound
from ehf_num.training.minibatches import Minibatch
from tests.benchmarks import common
from tests.benchmarks.contender import flat
from tests.benchmarks.ours import ADAM
from tests.benchmarks.problem import Array

HAMILTONIANS, STEP_SIZE, GAUSSIANS, REACH = 8, 0.25, 8, 4.0
HIDDEN, SITE_HIDDEN, OF_ENCODER = (32,), (32,), (64, 64)
TOLERANCE = 2e-4  # of loss and gradient, of the largest entry: sums over all pairs cancel


@dataclass(frozen=True)
class ParticleStep:
    """N particles in D dimensions, a batch of points."""

    name: str
    count: int
    dimension: int
    batch: int
    seed: int

    @cached_property
    def frame(self) -> es.RelativeFrame:
        """Coordinates about the centre of mass."""
        return es.Particles(self.count, self.dimension).relative()

    def energy(self, of: str) -> en.OrbitSum:
        """U(q) or K(p)."""
        return en.OrbitSum.pairs(
            self.frame,
            of=of,
            hidden=HIDDEN,
            site_hidden=SITE_HIDDEN,
            gaussians=GAUSSIANS,
            reach=REACH,
        )

    def flow(self) -> en.EquivariantHamiltonianFlow:
        """The model."""
        return en.EquivariantHamiltonianFlow(
            es.StandardNormal(self.frame.space),
            self.frame.rotations(),
            kinetic=self.energy("p"),
            potential=self.energy("q"),
            enforce="exact",
            hamiltonians=HAMILTONIANS,
            steps=1,
            step_size=STEP_SIZE,
            hidden=OF_ENCODER,
            dtype="float32",
            rng=self.seed,
        )

    @cached_property
    def inputs(self) -> tuple[Array, Array]:
        """Points and noise (n, d)."""
        rng = np.random.default_rng(self.seed)
        x, noise = rng.standard_normal((2, self.batch, self.frame.space.dim))
        return x.astype(np.float32), noise.astype(np.float32)


class Ours:
    """The step that `fit` does, but for the draws."""

    def __init__(self, problem: ParticleStep) -> None:
        self._flow = problem.flow()
        self._batch = Minibatch(*problem.inputs, None)
        self._theta = self._flow.flat_weights
        self._adam = en.Adam(self._theta.size, ADAM, self._theta.dtype)
        self._gradient, self._none = np.empty_like(self._theta), np.empty(0)
        self.engine = str(self._flow.engine)

    def _terms(self) -> Array:
        return Bound().step(self._flow.bound, self._batch, self._none, self._gradient)

    def evaluate(self) -> Array:
        with one_blas_thread():
            return flat([self._terms(), self._gradient])

    def advance(self, steps: int) -> None:
        with one_blas_thread():
            for _ in range(steps):
                self._terms()
                self._adam.step(self._theta, self._gradient)


def run(problem: ParticleStep, rounds: int, samples: int) -> tuple[str, list[str]]:
    """Check and time one system; return how ours ran, and the row."""
    ours, runs, peers = Ours(problem), {}, {}
    runs["ehf_num"] = ours.advance
    wanted = ours.evaluate()
    if "jax" in common.peers()[0]:
        module = importlib.import_module("tests.benchmarks.peers_jax_particles")
        peers = {name: module.JaxParticles(problem, name) for name in module.ARRANGEMENTS}
        for name, peer in peers.items():
            apart = np.abs(peer.evaluate() - wanted).max() / np.abs(wanted).max()
            if apart > TOLERANCE:
                raise ValueError(f"JAX, {name}: other numbers, by {apart:.1e}")
    if peers:
        best = common.fastest({name: peer.advance for name, peer in peers.items()})
        runs["JAX"] = peers[best].advance
    times = common.interleaved(runs, rounds, samples)
    row = [problem.name, str(problem.batch), str(times["ehf_num"])]
    if "JAX" in times:
        ratio = times["JAX"].median / times["ehf_num"].median
        row += [f"{times['JAX']}, {best}", f"{ratio:.2f}"]
    return ours.engine, row


def main() -> None:
    parser = common.parser(__doc__ or "")
    parser.add_argument("--batch", type=int, default=128, help="default: 128")
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    parser.add_argument("--samples", type=int, default=3, help="a round (default: 3)")
    parser.add_argument("--threads", type=int, help="of ours (default: as many as cores)")
    options = parser.parse_args()
    set_threads(options.threads)
    rows, engine = [], ""
    for name, count, dimension in (("DW4", 4, 2), ("LJ13", 13, 3)):
        problem = ParticleStep(name, count, dimension, options.batch, options.seed)
        engine, row = run(problem, options.rounds, options.samples)
        rows.append(row)
    header = ["system", "batch", "ehf_num, ms", "JAX, jit, ms", "JAX over ours"][: len(rows[0])]
    command = "python -m tests.benchmarks.particles"
    if options.threads:
        command += f" --threads {options.threads}"
    _, notes = common.peers()
    about = f"{common.machine(*notes)}; {options.rounds} rounds of {options.samples} samples"
    text = f"`{command}`\n\n{about}; ours: {engine}.\n\n{common.table(header, rows)}"
    common.show("particles", text, write=options.write)


if __name__ == "__main__":
    main()

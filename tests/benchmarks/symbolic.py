"""Times of the symbolic side, and how they grow with the size of the problem.

    python -m tests.benchmarks.symbolic [section ...] [--rounds 3]

Every case runs in this process, after one small run that loads what is needed; of the rounds the
fastest is printed, in seconds of processor time. Sections:

    invariants   all joint invariants of rotations of particles, to degree 4
    symmetries   all generators that leave a Hamiltonian or a density alone
    conditions   Gaussians of unknown precision matrix, under rotations
    particles    N in space: relative frame, algebra closed, both groups checked, windows of pairs;
                 both groups checked against the sum of a function over all pairs
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import sympy as sp

import ehf_num as en
import ehf_sym as es


@dataclass(frozen=True)
class Case:
    """A problem by name, and what solves it and says in a few words what came out."""

    name: str
    solve: Callable[[], str]


def rotations(n: int, particles: int = 1) -> es.LieAlgebra:
    """Total angular momentum of particles in n dimensions."""
    space = es.PhaseSpace(n * particles)
    q, p = space.q, space.p
    starts = range(0, n * particles, n)
    return es.LieAlgebra(
        space,
        [
            sum(q[s + i] * p[s + j] - q[s + j] * p[s + i] for s in starts)
            for i, j in combinations(range(n), 2)
        ],
    )


def invariants() -> Iterator[Case]:
    """Particles in space, then more dimensions; q alone, p alone, and both."""
    sizes = [(3, k, of) for k in (1, 2, 3) for of in "qps"] + [(3, 4, "s")]
    for n, particles, of in [*sizes, (2, 3, "s"), (4, 3, "s"), (5, 2, "s")]:

        def solve(n: int = n, particles: int = particles, of: str = of) -> str:
            found = rotations(n, particles).invariants(4, of=of)
            total = sum(found.dimension(k) for k in range(1, 5))
            return f"{len(found.generators)} generate {total}"

        variables = n * particles * (2 if of == "s" else 1)
        yield Case(f"so({n}), {particles} particles, of {of}, {variables} variables", solve)


def symmetries() -> Iterator[Case]:
    """Oscillators, Kepler with and without q/r, soft-uniform."""

    def count(f: object, degree: int, **options: object) -> str:
        found = es.symmetries_of(f, degree, **options)  # type: ignore[arg-type]
        return "none" if found is None else f"{len(found.generators)} generators"

    for d in (2, 3, 4, 6):
        s = es.PhaseSpace(d).coordinates
        H = sum(x**2 for x in s) / 2
        yield Case(f"oscillator, d = {d}, degree 2", lambda H=H: count(H, 2))
    q, p = es.PhaseSpace(3).q, es.PhaseSpace(3).p
    r = sp.sqrt(sum(x**2 for x in q))
    kepler = sum(x**2 for x in p) / 2 - 1 / r
    yield Case("Kepler, degree 3", lambda: count(kepler, 3))
    lenz = [x / r for x in q]
    yield Case("Kepler, degree 3 and q/r", lambda: count(kepler, 3, basis=lenz))
    for d in (1, 2, 3):
        base = es.SoftUniform(es.PhaseSpace(d))
        yield Case(f"soft-uniform, d = {d}, degree 2", lambda base=base: count(base, 2))


def conditions() -> Iterator[Case]:
    """Rotations of d dimensions: d (2d + 1) parameters."""
    for d in (2, 3, 4):

        def solve(d: int = d) -> str:
            symmetry = rotations(d)
            found = symmetry.conditions(es.GaussianFamily(symmetry.space))
            return f"{len(found.equations)} equations, {len(found.families)} family"

        yield Case(f"so({d}) on Gaussians, {d * (2 * d + 1)} parameters", solve)


_PATIENCE = 600.0  # seconds


def particles() -> Iterator[Case]:
    """All that an exact model of identical particles asks for before it is trained."""
    for count in (4, 13, 25, 38, 55):

        def solve(count: int = count) -> str:
            frame = es.Particles(count, 3).relative()
            try:
                finite = frame.permutations(time_limit=_PATIENCE)
                both = es.Symmetry(lie=frame.rotations().close(), finite=finite)
                kept = both.check(es.StandardNormal(frame.space), time_limit=_PATIENCE).proved
                energy = en.OrbitSum.pairs(frame, time_limit=_PATIENCE)
                proof = energy.invariance(both, "q").proved
            except es.UndecidedError as error:
                return str(error)
            windows = len(energy.layout.forms)
            return f"{windows} windows; base {_word(kept)}, energy {_word(proof)}"

        yield Case(f"{count} particles in space, {6 * (count - 1)} coordinates", solve)
    for count in (4, 13, 25, 38):

        def check(count: int = count) -> str:
            frame = es.Particles(count, 3).relative()
            squares = [frame.distance(a, b) ** 2 for a, b in combinations(range(count), 2)]
            energy = sp.Add(*(r2**-6 / 4 - r2**-3 for r2 in squares))
            base = es.BaseDensity(frame.space, log_density=-energy, log_normalizer=0)
            report = frame.symmetry(time_limit=_PATIENCE).check(base, time_limit=_PATIENCE)
            return f"{len(squares)} pairs; {report.status}"

        yield Case(f"{count} particles in space, Lennard-Jones base", check)


def _word(proved: bool) -> str:
    return "proved" if proved else "not proved"


SECTIONS = {
    "invariants": invariants,
    "symmetries": symmetries,
    "conditions": conditions,
    "particles": particles,
}


def seconds(case: Case, rounds: int) -> tuple[float, str]:
    """Fastest of some runs, and the result."""
    best, result = float("inf"), ""
    for _ in range(rounds):
        sp.core.cache.clear_cache()
        start = time.process_time()  # other work on the machine counts less
        result = case.solve()
        best = min(best, time.process_time() - start)
    return best, result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    unknown = set(options.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown section {', '.join(sorted(unknown))}")
    rotations(2).invariants(2)
    for name in options.sections or SECTIONS:
        print(f"{name}\n{'':2}{'case':48}{'seconds':>9}  result")
        for case in SECTIONS[name]():
            best, result = seconds(case, options.rounds)
            print(f"{'':2}{case.name:48}{best:>9.2f}  {result}", flush=True)
    ground = sp.external.gmpy.GROUND_TYPES
    print(f"{os.cpu_count()} cores, {platform.machine()}; SymPy {sp.__version__} on {ground}")


if __name__ == "__main__":
    main()

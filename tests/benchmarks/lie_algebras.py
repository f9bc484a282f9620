"""Times of structure constants, Killing form, decomposition and name, as algebras grow.

    python -m tests.benchmarks.lie_algebras [--rounds 3]

Each case starts from the formulas of the generators, with empty caches; of the rounds the fastest
counts. The table is in the format of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Iterator
from itertools import combinations

import sympy as sp

import ehf_sym as es


def rotations(n: int) -> es.LieAlgebra:
    """so(n) on n positions."""
    space = es.PhaseSpace(n)
    pairs = combinations(zip(space.q, space.p, strict=True), 2)
    return es.LieAlgebra(space, [a * d - b * c for (a, c), (b, d) in pairs])


def chain(n: int) -> es.LieAlgebra:
    """Rotations of neighbouring axes: all of so(n) once closed."""
    space = es.PhaseSpace(n)
    q, p = space.q, space.p
    return es.LieAlgebra(space, [q[i] * p[i + 1] - q[i + 1] * p[i] for i in range(n - 1)])


def gell_mann(n: int) -> es.LieAlgebra:
    """su(n) on n oscillators, all generators of one length: constants with square roots."""
    space = es.PhaseSpace(n)
    q, p = space.q, space.p
    squares = [(a**2 + b**2) / 2 for a, b in zip(q, p, strict=True)]
    pairs = list(combinations(range(n), 2))
    return es.LieAlgebra(
        space,
        [
            *(q[i] * q[j] + p[i] * p[j] for i, j in pairs),
            *(q[i] * p[j] - q[j] * p[i] for i, j in pairs),
            *(
                (sum(squares[:k]) - k * squares[k]) / sp.sqrt(sp.Rational(k * (k + 1), 2))
                for k in range(1, n)
            ),
        ],
    )


def quadratics(d: int) -> es.LieAlgebra:
    """sp(2d, R): all products of two coordinates."""
    x = es.PhaseSpace(d).coordinates
    return es.LieAlgebra(es.PhaseSpace(d), [a * b for i, a in enumerate(x) for b in x[i:]])


def euclidean(n: int) -> es.LieAlgebra:
    """e(n): rotations and translations."""
    turns = rotations(n)
    return es.LieAlgebra(turns.space, [*turns.generators, *turns.space.p])


def kepler() -> es.LieAlgebra:
    """Angular momentum and the Runge-Lenz vector over sqrt(-2H)."""
    space = es.PhaseSpace(3)
    q, p = sp.Matrix(space.q), sp.Matrix(space.p)
    r = sp.sqrt(q.dot(q))
    momentum = q.cross(p)
    lenz = (p.cross(momentum) - q / r) / sp.sqrt(2 / r - p.dot(p))
    return es.LieAlgebra(space, [*momentum, *lenz])


def cases() -> Iterator[tuple[str, es.LieAlgebra]]:
    """Families by growing size."""
    yield from ((f"so({n})", rotations(n)) for n in (4, 6, 8, 10, 12))
    yield from ((f"so({n}) closed from {n - 1}", chain(n)) for n in (6, 8, 10))
    yield from ((f"su({n}), Gell-Mann's basis", gell_mann(n)) for n in (2, 3, 4, 5))
    yield from ((f"sp({2 * d},R)", quadratics(d)) for d in (1, 2, 3, 4))
    yield from ((f"e({n})", euclidean(n)) for n in (3, 4, 5, 6))
    yield "Kepler, scaled Runge-Lenz", kepler()


def solve(symmetry: es.LieAlgebra) -> tuple[int, es.LieAlgebra]:
    """Close, and ask for all that the table promises."""
    closed = symmetry.close()
    _ = closed.structure_constants, closed.killing_form, closed.ideals(), closed.levi()
    return len(closed.generators), closed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rotations(3).close()
    print("| generators of | dimension | seconds | name |\n| --- | --- | --- | --- |")
    for name, symmetry in cases():
        best = float("inf")
        for _ in range(options.rounds):
            fresh = es.LieAlgebra(symmetry.space, symmetry.generators)
            sp.core.cache.clear_cache()
            start = time.perf_counter()
            dimension, closed = solve(fresh)
            found = closed.identity
            best = min(best, time.perf_counter() - start)
        print(f"| {name} | {dimension} | {best:.2f} | {found} |", flush=True)
    ground = sp.external.gmpy.GROUND_TYPES
    print(f"{os.cpu_count()} cores, {platform.machine()}; SymPy {sp.__version__} on {ground}")


if __name__ == "__main__":
    main()

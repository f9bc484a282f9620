"""Audits of another library's equivariant layers, as they are and with one thing broken.

    python -m tests.benchmarks.audit_peer [--seed 0]

The layers are e3nn's (extra `bench`), in float32: a linear layer on vectors and scalars, and a
tensor product. What is broken: one axis swapped, a normalization by another norm, a parity that is
wrong under reflections. On stdout, a verdict each and the counterexample of what is broken.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np

import ehf_num as en
import ehf_sym as es


def cases(seed: int) -> Iterator[tuple[str, str, Any, Any, Any]]:
    """Yield name, wanted verdict, function, symmetry and points."""
    import torch
    from e3nn import o3

    torch.manual_seed(seed)
    linear = o3.Linear("4x1o", "4x1o")
    product = o3.FullyConnectedTensorProduct("2x1o", "2x1o", "3x1e")
    draw = np.random.default_rng(seed).standard_normal
    vectors = torch.as_tensor(draw((100, 4, 3)), dtype=torch.float32)
    # e3nn orders the axes of a vector y, z, x; rotations of all three are the same group.
    turns = es.groups.so(3)
    mirror = es.FiniteSymmetry(turns.space, [[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]], ["mirror"])

    def layer(x: Any) -> Any:
        return linear(x.reshape(-1, 12)).reshape(-1, 4, 3)

    def pairs(x: Any) -> Any:
        return product(x[:, :2].reshape(-1, 6), x[:, 2:].reshape(-1, 6)).reshape(-1, 3, 3)

    def swapped(x: Any) -> Any:
        return layer(x)[..., [1, 0, 2]]

    def normalized(x: Any) -> Any:
        return layer(x) / x.abs().sum(dim=-1, keepdim=True)

    yield "linear layer, rotations", "consistent", layer, turns, vectors
    yield "linear layer, a mirror", "consistent", layer, mirror, vectors
    yield "tensor product, rotations", "consistent", pairs, turns, vectors
    yield "one swapped axis", "broken", swapped, turns, vectors
    yield "normalized by another norm", "broken", normalized, turns, vectors
    yield "tensor product, wrong parity", "broken", pairs, mirror, vectors


def main() -> None:
    """Print a verdict for each case."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    for name, wanted, function, symmetry, points in cases(parser.parse_args().seed):
        report = en.audit(function, symmetry, points, "equivariant")
        right = "as wanted" if report.status == wanted else f"WRONG, should be {wanted}"
        print(f"{name}: {report.status} ({report.worst.ratio:.3g} times rounding), {right}")
        if report.counterexample is not None:
            shown = str(report).splitlines()
            at = next(k for k, line in enumerate(shown) if "counterexample" in line)
            print("\n".join(shown[at:]))


if __name__ == "__main__":
    main()

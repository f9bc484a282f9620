"""Row 28: weights against known ln Z; errors calibrated over replicates; wrong energies caught.

Over R replicates with different seeds, (ln Z − true)/error squared and added up follows χ² with R
degrees of freedom. An energy with a sign, a factor or a symmetry broken by 1e-6 has to be noticed:
by that sum, by the proof, or by the states that an object is tried at; and a well that a model does
not draw, of which its weights know nothing. The gradient of the loss is in row 8.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import sympy as sp
from scipy import integrate, stats

import ehf_num as en
import ehf_sym as es
from tests.battery.frame import SEED, Case, Row, require
from tests.num.models import make

BUDGET = 1e-4  # probability that a right model fails, on either side
DRAWS = 1000
Spoil = Callable[[sp.Expr], sp.Expr]


@cache
def _trained(name: str, **options: Any) -> tuple[en.EquivariantHamiltonianFlow, sp.Expr, float]:
    """A model that learned a target for a short time: weights without a heavy tail."""
    dim, target = TARGETS[name]
    base = es.StandardNormal(es.PhaseSpace(dim))
    options = {"enforce": "none", "hidden": (16,), "hamiltonians": 2, "rng": SEED} | options
    flow = en.EquivariantHamiltonianFlow(base, **options)
    S, log_z = target(base.space.q)
    flow.fit_energy(S, iterations=300, learning_rate=4e-3, progress=False)
    return flow, S, log_z


def _gaussian(q: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, float]:
    """S = qᵀAq/2 − q1, with ln Z in closed form."""
    n = len(q)
    A = sp.Matrix(n, n, lambda i, j: sp.Rational(3, 2) if i == j else sp.Rational(1, 4))
    x = sp.Matrix(q)
    log_z = sp.log(2 * sp.pi) * n / 2 - sp.log(A.det()) / 2 + A.inv()[0, 0] / 2
    return sp.expand((x.T * A * x)[0] / 2 - q[0]), float(log_z)


def _quadrature(formula: str, q: tuple[sp.Symbol, ...]) -> tuple[sp.Expr, float]:
    S = sp.sympify(formula, {"q": q[0]})
    energy = sp.lambdify(q[0], S, "math")
    z, _ = integrate.quad(lambda x: math.exp(-energy(x)), -15, 15, limit=500)
    return S, math.log(z)


TARGETS: dict[str, tuple[int, Callable[..., tuple[sp.Expr, float]]]] = {
    "Gaussian, d = 1": (1, _gaussian),
    "Gaussian, d = 3": (3, _gaussian),
    "two wells": (1, partial(_quadrature, "q**4/4 - q**2")),
    "skew": (1, partial(_quadrature, "cosh(q) + q/2")),
}


def _p_value(name: str, replicates: int, spoil: Spoil, momenta: int = 1, **options: Any) -> float:
    """Probability of a sum of squares so large, or so small."""
    flow, S, log_z = _trained(name, **options)
    found = [flow.weigh(spoil(S), DRAWS, momenta=momenta, rng=SEED + k) for k in range(replicates)]
    squares = sum(((w.log_z - log_z) / w.log_z_error) ** 2 for w in found)
    law = stats.chi2(replicates)
    return 2 * float(min(law.cdf(squares), law.sf(squares)))


def _calibrated(name: str, replicates: int, **options: Any) -> str:
    p = _p_value(name, replicates, lambda S: S, **options)
    require(p > 2 * BUDGET, f"p = {p:.1e}")
    return f"p = {p:.2f}"


def _caught(name: str, replicates: int, spoil: Spoil) -> None:
    p = _p_value(name, replicates, spoil)
    require(p < 2 * BUDGET, f"p = {p:.1e} for a wrong energy")


def _mean(name: str) -> str:
    """⟨q1²⟩ against quadrature."""
    flow, S, log_z = _trained(name)
    (q,) = flow.base.space.q
    energy = sp.lambdify(q, S, "math")
    second, _ = integrate.quad(lambda x: x**2 * math.exp(-energy(x) - log_z), -15, 15, limit=500)
    found = flow.weigh(S, 100_000, rng=SEED).mean(q**2)
    off = (found.value - second) / found.error
    require(abs(off) < 4, f"{off:.1f} standard errors off")
    return f"{off:+.1f} standard errors"


class _Broken:
    """|q|²/2 with a symmetry that is broken, or a gradient that is wrong, by a factor."""

    def __init__(self, tilt: float = 0.0, slope: float = 1.0) -> None:
        self.tilt, self.slope = tilt, slope

    def value(self, x: Any) -> Any:
        return (x**2).sum(axis=1) / 2 + self.tilt * x[:, 0] ** 2

    def gradient(self, x: Any) -> Any:
        tilted = x * 1.0
        tilted[:, 0] *= 1 + 2 * self.tilt
        return self.slope * tilted


def _refused(make_energy: Callable[[Any], Any], error: type[Exception]) -> None:
    flow = make("so2", hidden=(4,))
    before = flow.flat_weights.copy()
    try:
        flow.fit_energy(make_energy(flow.base.space.q), iterations=2, progress=False)
    except error:
        require(bool((flow.flat_weights == before).all()), "the weights were moved")
        return
    raise AssertionError("it was taken")


def _tilted(q: Any) -> sp.Expr:
    return sp.expand(q[0] ** 2 + q[1] ** 2 * (1 + sp.Rational(1, 10**6)))


def _tilted_one_by_one() -> None:
    """S∘σ = S, broken by 1e-6 at one site of a ring."""
    lattice = es.ScalarLattice([3])
    flow = en.EquivariantHamiltonianFlow(
        es.StandardNormal(lattice.space), lattice.symmetry(), hidden=(4,), rng=0
    )
    S = lattice.action(1, 2) + lattice.space.q[1] ** 2 / 10**6
    try:
        flow.fit_energy(S, iterations=2, progress=False)
    except es.InvarianceError as error:
        require(str(error.report.status) == "refuted", f"it was {error.report.status}")
        return
    raise AssertionError("it was taken")


def _collapse(dim: int, *wells: int) -> None:
    """A model that draws the well at 0 alone: its weights look well, and Z is that well's."""
    base = es.StandardNormal(es.PhaseSpace(dim))
    flow = en.EquivariantHamiltonianFlow(base, enforce="none", hidden=(8,), rng=SEED)
    q1, *others = base.space.q
    bound = -sp.log(sum(sp.exp(-((q1 - x) ** 2) / 2) for x in wells))
    weights = flow.weigh(bound + sum(q**2 for q in others) / 2, DRAWS, rng=SEED)
    found = weights.missing_modes(rng=SEED)
    require(found.collapsed == (len(wells) > 1), str(found))


def cases(quick: bool) -> Iterator[Case]:
    replicates = 30 if quick else 200
    for name in list(TARGETS)[:: 3 if quick else 1]:
        yield Case(f"{name}: calibrated", partial(_calibrated, name, replicates))
    if not quick:
        yield Case("couplings", partial(_calibrated, "Gaussian, d = 3", 200, encoder="coupling"))
    yield Case("momenta", partial(_calibrated, "two wells", replicates, momenta=5))
    for name in ("two wells", "skew"):
        yield Case(f"{name}: mean", partial(_mean, name))
    wrong: dict[str, tuple[str, Spoil]] = {
        "sign of a term": ("two wells", lambda S: S.replace(_is_square, lambda x: -x)),
        "factor 1.1": ("Gaussian, d = 3", lambda S: S * sp.Rational(11, 10)),
        "constant 0.1": ("two wells", lambda S: S + sp.Rational(1, 10)),
    }
    for what, (name, spoil) in wrong.items():
        yield Case(f"{what}: caught", partial(_caught, name, replicates, spoil))
    yield Case("tilt of 1e-6, formula", partial(_refused, _tilted, es.InvarianceError))
    yield Case("tilt of 1e-6, finite", _tilted_one_by_one)
    for where in ((1, 0, 12), (2, 0, 25), (2, 0)):
        yield Case(f"d = {where[0]}, wells at {where[1:]}", partial(_collapse, *where))
    for what, broken in (
        ("tilt of 1e-6", _Broken(tilt=1e-6)),
        ("sign", _Broken(slope=-1.0)),
        ("0.1 %", _Broken(slope=1.001)),
    ):
        yield Case(f"{what}, object", partial(_refused, lambda _, S=broken: S, es.ArgumentError))


def _is_square(x: sp.Basic) -> bool:
    return bool(x.is_Pow and x.exp == 2)


ROWS = [Row(28, "weights: ln Z calibrated over 200 replicates, wrong energies caught", cases, 300)]

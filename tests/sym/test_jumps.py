"""Densities that jump, compared with their values on orbits: closed forms, at 30 digits."""

import json
from itertools import product

import mpmath
import pytest
import sympy as sp
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sympy import Abs, Heaviside, Max, Piecewise, Rational, atan, exp, log, sign, sqrt, tan

import ehf_sym as es
from ehf_sym.symmetry.jumps.sides import jump_formulas, sheets
from ehf_sym.symmetry.jumps.walls import walls_of

SPACE = es.PhaseSpace(2)
(Q1, Q2), (P1, P2) = SPACE.q, SPACE.p
SHIFT, TURN = P1, Q1 * P2 - Q2 * P1
RADIUS = Q1**2 + Q2**2
NORMAL = -(RADIUS + P1**2 + P2**2) / 2
STEP = Piecewise((0, Q1 < 0), (1, True))
BOX = Piecewise((0, Abs(Q1) < 1), (5, True))


def check(generator, f, space=SPACE):
    return es.LieAlgebra(space, [generator]).check(es.BaseDensity(space, log_density=f))


# Φ_ε in closed form, written down by hand.
FLOWS = {
    SHIFT: lambda e, a, b, c, d: (a + e, b, c, d),
    P1 + P2: lambda e, a, b, c, d: (a + e, b + e, c, d),
    Q1: lambda e, a, b, c, d: (a, b, c - e, d),
    P1**2 / 2: lambda e, a, b, c, d: (a + e * c, b, c, d),
    Q1 * P1: lambda e, a, b, c, d: (a * mpmath.exp(e), b, c * mpmath.exp(-e), d),
    Q1**2 * P2: lambda e, a, b, c, d: (a, b + e * a**2, c - 2 * e * a * d, d),
    TURN: lambda e, a, b, c, d: (
        a * mpmath.cos(e) - b * mpmath.sin(e),
        a * mpmath.sin(e) + b * mpmath.cos(e),
        c * mpmath.cos(e) - d * mpmath.sin(e),
        c * mpmath.sin(e) + d * mpmath.cos(e),
    ),
}


def value(f, place):
    """f at a point of floats, None where it is not real."""
    at = dict(zip(SPACE.coordinates, (sp.Float(str(x), 30) for x in place), strict=True))
    number = sp.N(f.xreplace(at), 25)
    return number if number.is_number and number.is_real else None


def differs(f, generator, tries=60):
    """Whether f is seen to differ along orbits of a generator, at scattered points."""
    numbers = iter(range(1, 10**6))

    def scattered():
        return mpmath.frac(next(numbers) * mpmath.phi) * 6 - 3

    with mpmath.workdps(30):
        for _ in range(tries):
            start = [scattered() / (1 + next(numbers) % 3) for _ in range(4)]
            end = FLOWS[generator](scattered(), *start)
            one, other = value(f, start), value(f, end)
            if (one is None) is not (other is None) or (one and other and abs(one - other) > 1e-12):
                return True
    return False


def assert_crossing(report, f, generator):
    """Both points, by the flow written down by hand, have the values that are claimed."""
    crossing = report.verdicts[0].crossing
    assert crossing.surfaces
    start = [mpmath.mpf(int(u.p)) / int(u.q) for u in
             (crossing.start.get(x, Rational(1, 3)) for x in SPACE.coordinates)]  # fmt: skip
    with mpmath.workdps(30):
        end = FLOWS[generator](mpmath.mpf(str(crossing.eps.evalf(30))), *start)
    for place, claimed in ((start, crossing.values[0]), (end, crossing.values[1])):
        found = value(f, place)
        if claimed is None:
            assert found is None
            continue
        low, high = claimed if isinstance(claimed, tuple) else (claimed, claimed)
        assert low - Rational(1, 10**12) <= found <= high + Rational(1, 10**12)
    for x, u, claimed in zip(
        SPACE.coordinates, end, (crossing.end.get(x) for x in SPACE.coordinates), strict=True
    ):
        if claimed is not None:
            low = claimed[0] if isinstance(claimed, tuple) else claimed
            assert abs(mpmath.mpf(str(sp.N(low, 20))) - u) < 1e-10, x


CROSSED = {
    "box": (BOX, SHIFT),
    "half plane": (STEP, TURN),
    "half line": (STEP, SHIFT),
    "sign": (sign(Q1), SHIFT),
    "Heaviside": (Heaviside(Q1), SHIFT),
    "sign, turned": (sign(Q1), TURN),
    "quotient": (Abs(Q1) / Q1, TURN),
    "root of a square": (sqrt(Q1**2) / Q1, SHIFT),
    "square in the plane": (Piecewise((0, (Abs(Q1) < 1) & (Abs(Q2) < 1)), (5, True)), TURN),
    "square by a maximum": (Piecewise((0, Max(Abs(Q1), Abs(Q2)) < 1), (5, True)), SHIFT),
    "ball, shifted": (Piecewise((0, RADIUS < 1), (5, True)), SHIFT),
    "half ball": (Piecewise((0, (Q1 > 0) & (RADIUS < 1)), (5, True)), TURN),
    "quarter planes": (sign(Q1) * sign(Q2), TURN),
    "checkerboard": (sign(sp.sin(Q1) * sp.sin(Q2)), SHIFT),
    "saw": (atan(sp.cot(sp.pi * Q1)) / sp.pi + Q1, SHIFT),
    "arc of a reciprocal": (atan(1 / Q1) + atan(Q1), SHIFT),
    "arc of a tangent": (atan(tan(Q1)) - Q1, SHIFT),
    "arc cotangent": (sp.acot(Q1) + atan(Q1), SHIFT),
    "arc of two arguments": (sp.atan2(Q1, Q2) + atan(Q2 / Q1), SHIFT),
    "saturation": (sp.tanh(1 / Q1) ** 2 * 0 + Piecewise((1, 1 / Q1 > 0), (0, True)), SHIFT),
    "seen by momenta": (Piecewise((0, P1 < 1), (2, True)), Q1),
    "seen by kicks of momenta": (sign(P1 - Q2), Q1**2 * P2),
    "dilated": (Piecewise((0, Abs(Q1) < 1), (1, True)), Q1 * P1),
    "drift": (Piecewise((0, Q1 < P2), (1, True)), P1**2 / 2),
    "nonlinear condition": (Piecewise((0, Q1**3 + Q2**5 < 1), (1, True)), SHIFT),
    "quartic": (Piecewise((0, Q1**4 + Q2**4 < 1), (1, True)), TURN),
    "condition with an exponential": (Piecewise((0, exp(Q1) < 2), (1, True)), SHIFT),
    "even double zero": (sp.sin(Q1) / sqrt((1 - sp.cos(Q1)) * (1 + sp.cos(Q1))), SHIFT),
    "step in a step": (sign(Q2 + sign(Q1)), SHIFT),
    "zero outside": (log(Heaviside(Q1)), SHIFT),
    "no value outside": (Piecewise((0, Q1 > 0)), SHIFT),
    "condition on a reciprocal": (Piecewise((1, 1 / Q1 >= 1), (0, True)), SHIFT),
    "derivative that is not taken": (exp(Abs(Q1) / Q1) + Abs(Abs(P2) / P2), SHIFT),
    "logarithms that cancel": (log(Q1) + log(1 / Q1), SHIFT),
}


@pytest.mark.parametrize(("f", "generator"), CROSSED.values(), ids=CROSSED)
def test_a_jump_that_is_crossed_refutes_with_two_points_of_an_orbit(f, generator):
    report = check(generator, f)
    assert report.status == "refuted"
    assert_crossing(report, f, generator)


KEPT = {
    "ball": (Piecewise((0, RADIUS < 1), (5, True)), TURN),
    "ball by its radius": (Piecewise((0, sqrt(RADIUS) < 1), (5, True)), TURN),
    "shells": (Piecewise((0, RADIUS < 1), (2, RADIUS < 4), (1, True)), TURN),
    "ball of momenta": (Piecewise((0, P1**2 + P2**2 < 1), (5, True)), TURN),
    "sign of an invariant": (sign(Q1 * P2 - Q2 * P1), TURN),
    "step beside": (Piecewise((0, Q2 < 0), (1, True)), SHIFT),
    "steps of the momentum": (Piecewise((0, P1 < 0), (1, True)), SHIFT),
    "side of the origin": (sign(Q1), Q1 * P1),
    "quadrant": (Piecewise((0, Q1 * P1 > 0), (1, True)), Q1 * P1),
    "squares of signs": (sign(Q1) ** 2, SHIFT),
    "signs that cancel": (Q1 * sign(Q1) - Abs(Q1), SHIFT),
    "cases that agree": (Piecewise((Q1, Q1 > 0), (-Q1, True)) - Abs(Q1), SHIFT),
    "cases and a maximum": (Piecewise((Q1, Q1 > Q2), (Q2, True)) - Max(Q1, Q2), TURN),
    "the same sign twice": (sign(Q1) * sign(2 * Q1), SHIFT),
    "equal cases": (Piecewise((1, Q1 > 0), (1, Q2 > 0), (1, True)), TURN),
    "a point is nothing": (Piecewise((5, sp.Eq(Q1, 0)), (0, True)), SHIFT),
    "pole": (1 / RADIUS, TURN),
    "logarithm": (log(RADIUS), TURN),
    "pole beside": (atan(1 / Q2), SHIFT),
    "flat side": (exp(-1 / Q1**2) - exp(-1 / Abs(Q1) ** 2), SHIFT),
    "center elsewhere": (Piecewise((0, (Q1 - 1) ** 2 + Q2**2 > 0), (1, True)), SHIFT),
    "logarithms of one size": (log(Abs(Q1**2 - 1)) - log((Q1**2 - 1) ** 2) / 2, SHIFT),
    "half line that is kept": (log(Q1) + log(P1), Q1 * P1),
}


@pytest.mark.parametrize(("f", "generator"), KEPT.values(), ids=KEPT)
def test_jumps_that_are_not_crossed_do_no_harm(f, generator):
    assert check(generator, f).status == "proved"
    assert not differs(f, generator)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_boxes_and_balls(dim):
    space = es.PhaseSpace(dim)
    q, p = space.q, space.p
    box = Piecewise((0, sp.And(*(Abs(x) < 1 for x in q))), (3, True))
    ball = Piecewise((0, sum(x**2 for x in q) < 2), (3, True))
    shifts = es.LieAlgebra(space, p)
    for f in (box, ball):
        assert shifts.check(es.BaseDensity(space, log_density=f - sum(y**2 for y in p))).status == (
            "refuted"
        )
    if dim > 1:
        turns = es.LieAlgebra(
            space, [q[i] * p[j] - q[j] * p[i] for i, j in product(range(dim), repeat=2) if i < j]
        )
        normal = -sum(x**2 for x in (*q, *p)) / 2
        assert turns.check(es.BaseDensity(space, log_density=normal + ball)).proved
        report = turns.check(es.BaseDensity(space, log_density=normal + box))
        for verdict in report.verdicts:  # a turn keeps the normal part, and the box is 0 or 3
            found = verdict.crossing.difference
            low, high = found if isinstance(found, tuple) else (found, found)
            assert 3 - 1e-9 < min(abs(low), abs(high)) <= max(abs(low), abs(high)) < 3 + 1e-9


@pytest.mark.parametrize("power", [4, 6])
@pytest.mark.parametrize("side", [1, -1])
def test_a_jump_on_one_sheet_of_a_wall(power, side):
    """Constant between walls, with limits that agree at one end of an interval alone."""
    f = Piecewise((0, Q1**power < 2), (1 - side * sign(Q1), True))
    assert check(SHIFT, f - P1**2).status == "refuted"
    on_none = Piecewise((0, Q1**power < 2), (1 - sign(Q1) ** 2, True))
    assert check(SHIFT, on_none - P1**2).proved


def test_flows_that_roots_let_across_a_wall():
    """q' = |q|^(2/3) is 0 at q = 0, and q(t) = (t/3)³ goes through it; 1 − cos q is as flat."""
    space = es.PhaseSpace(1)
    (q,), (p,) = space.q, space.p
    for rate in ((q**2) ** Rational(1, 3), (1 - sp.cos(q)) ** Rational(1, 3)):
        assert not check(p * rate, sign(q) - (p * rate) ** 2, space).proved
    assert check(p * q, sign(q) - (p * q) ** 2, space).proved


def test_a_huber_function_is_continuous_whatever_its_width():
    width = sp.Symbol("w", positive=True)
    space = es.PhaseSpace(2, parameters=[width])
    r = sqrt(space.q[0] ** 2 + space.q[1] ** 2)
    huber = Piecewise((r**2 / 2, r < width), (width * r - width**2 / 2, True))
    assert check(TURN, -huber - P1**2 - P2**2, space).proved
    assert check(SHIFT, -huber - P1**2 - P2**2, space).status == "refuted"
    x, wide = Q1, sp.Integer(2)
    flat = Piecewise((x**2 / 2, Abs(x) < wide), (wide * Abs(x) - wide**2 / 2, True))
    same = Piecewise((x**2 / 2, x**2 < wide**2), (wide * Abs(x) - wide**2 / 2, True))
    lower = Piecewise((x**2 / 2, x**2 < wide**2), (wide * Abs(x) - wide**2, True))
    assert check(SHIFT, flat - same).proved
    assert check(SHIFT, flat - lower).status == "refuted"


def test_the_report_names_the_surface_and_the_points():
    report = check(TURN, NORMAL + STEP)
    text = report.to_text()
    assert "crosses a jump of π where 0 = q1" in text
    assert "{g1, ln π} = 0" in text
    data = json.loads(report.to_json())["generators"][0]
    assert data["verdict"]["status"] == "refuted"
    assert data["crossing"]["surfaces"] == ["q1"]
    start, end = data["crossing"]["start"], data["crossing"]["end"]
    assert sp.Rational(start["q1"]) * sp.Rational(end["q1"]) < 0
    before, after = map(sp.Rational, data["crossing"]["log_density"])
    assert abs(before - after) == 1
    assert report.verdicts[0].verdict.value == after - before


def test_a_proof_says_why_its_jumps_do_no_harm():
    ball = Piecewise((0, RADIUS < 1), (5, True))
    certificate = check(TURN, NORMAL + ball).verdicts[0].verdict.certificate
    assert "jumps and poles too are those of their values" in certificate.rests_on[-1]
    half = Piecewise((0, Q1 < 0), (5, True)) - exp(Q1 * P1)
    certificate = check(Q1 * P1, half).verdicts[0].verdict.certificate
    assert "the flow keeps the sign of q1" in certificate.rests_on
    agreeing = Piecewise((Q1, Q1 > 0), (-Q1, True)) - Abs(Q1)
    certificate = check(SHIFT, agreeing).verdicts[0].verdict.certificate
    assert "no jump across q1 = 0 where the flow crosses it" in certificate.rests_on


def test_what_is_not_understood_is_undecided():
    report = check(SHIFT, sp.besselj(0, Q1) - sp.besselj(0, Q1 + 1) + sp.besselj(0, Q2))
    assert report.status != "proved"
    hidden = sp.besselj(0, Q2) * sign(Q2)
    assert check(SHIFT, hidden).proved  # its argument does not move
    essential = 1 / (1 + exp(1 / Q1) / exp(2 / Q1 + 1)) - 1 / (1 + exp(-1 / Q1 - 1))
    assert check(SHIFT, essential).status in ("proved", "undecided")


def test_linear_and_volume_are_not_concluded_from_derivatives_across_jumps():
    kinked = check(Piecewise((P1, P1 > 0), (2 * P1, True)), NORMAL).verdicts[0]
    assert kinked.linear_in_p is None
    faster = check(Piecewise((P1, Q1 > 0), (2 * P1, True)), -(P1**2)).verdicts[0]
    assert faster.linear_in_p
    assert not faster.volume_preserving.proved
    beside = check(Piecewise((P1, Q2 > 0), (2 * P1, True)), -(P1**2)).verdicts[0]
    assert beside.volume_preserving.proved
    assert kinked.leapfrog_exact  # a function of p alone
    assert not faster.leapfrog_exact
    steep = Piecewise((P1, P1 > 0), (2 * P1, True))
    assert es.LieAlgebra(SPACE, [steep, P2]).disentangle().of == "s"
    assert es.LieAlgebra(SPACE, [P1, P2]).disentangle().of == "q"


def test_orbits_are_not_drawn_with_velocities_that_jump():
    orbits = pytest.importorskip("ehf_num.symmetry.orbits")
    steep = Piecewise((P1, P1 > 0), (2 * P1, True))
    with pytest.raises(es.ArgumentError, match="linear in p, without"):
        orbits.orbit_sampler(es.LieAlgebra(SPACE, [steep]))


@pytest.mark.parametrize(
    ("f", "degree", "generators"),
    [
        (P1**2 + P2**2 + STEP, 2, {P2, P2**2}),
        (P1**2 + P2**2 + sign(Q1), 1, {P2}),
        (P1**2 + P2**2 + Piecewise((0, RADIUS < 1), (1, True)), 2, {TURN}),
        (P1**2 + P2**2 + Piecewise((0, (Abs(Q1) < 1) & (Abs(Q2) < 1)), (1, True)), 2, set()),
        (P1**2 + P2**2 + Piecewise((0, Q1 + Q2 < 1), (1, True)), 1, {P1 - P2}),
        (P1**2 + P2**2 + sign(sp.sin(Q1)), 1, {P2}),
        (P1**2 + P2**2 + sign(Q1) * Q1 - Abs(Q1), 1, {P1, P2}),
        (STEP, 1, {Q1, Q2, P2}),
    ],
)
def test_generators_whose_flows_cross_no_jump(f, degree, generators):
    found = es.symmetries_of(f, degree, space=SPACE)
    spans = set(found.generators) if found else set()
    assert len(spans) == len(generators)
    assert {sp.expand(g) for g in spans} <= {
        s * g for s, g in product((1, -1), map(sp.expand, generators))
    }


def test_a_function_of_steps_that_do_not_jump_is_a_constant():
    with pytest.raises(es.FormulaError, match="constant"):
        es.symmetries_of(sign(Q1) ** 2, 1, space=SPACE)


def conditions(generator, f, *parameters):
    space = es.PhaseSpace(2, parameters=parameters)
    return es.LieAlgebra(SPACE, [generator]).conditions(es.BaseDensity(space, log_density=f))


def test_parameters_that_make_a_jump_vanish():
    a, b = sp.symbols("a b", real=True)
    height = NORMAL + Piecewise((a, Q1 < 0), (b, True))
    found = conditions(TURN, height, a, b)
    assert found.status == "conditional"
    (family,) = found.families
    assert family.proved
    assert {x - v for x, v in family.values.items()} <= {a - b, b - a}
    ball = NORMAL + Piecewise((a, RADIUS < 1), (b, True))
    assert conditions(TURN, ball, a, b).status == "always"
    assert conditions(TURN, NORMAL + STEP + a - a, a).status == "never"
    both = -(a * Q1**2 + b * Q2**2 + P1**2 + P2**2) / 2 + a * sign(Q1) - sign(Q1)
    (family,) = conditions(TURN, both, a, b).families
    assert dict(family.values) == {a: 1, b: 1}


def test_parameters_that_may_make_a_jump_empty_are_left_open():
    a = sp.Symbol("a", real=True)
    found = conditions(TURN, NORMAL + Piecewise((0, Abs(Q1) < a), (1, True)), a)
    assert found.status == "undecided"
    assert not any(family.proved for family in found.families)


def test_a_model_is_not_built_on_a_base_that_jumps():
    en = pytest.importorskip("ehf_num")
    space = es.PhaseSpace(2)
    base = es.BaseDensity(space, log_density=NORMAL + STEP)
    with pytest.raises(es.InvarianceError, match="crosses a jump"):
        en.EquivariantHamiltonianFlow(base, es.LieAlgebra(space, [TURN]), enforce="exact")


def test_a_learned_base_is_not_made_of_one_that_jumps():
    a = sp.Symbol("a", positive=True)
    space = es.PhaseSpace(2, parameters=[a])
    from ehf_sym.symmetry.learnable_bases import learnable_base

    base = es.BaseDensity(space, log_density=-a * (RADIUS + P1**2 + P2**2) / 2 + STEP)
    with pytest.raises(es.InvarianceError):
        learnable_base(base, es.LieAlgebra(SPACE, [TURN]))


def test_sheets_solve_their_walls():
    walls = [Q1 - 1, Q1 * Q2 - 1, RADIUS - 1, exp(Q1) - Q2, sp.sin(Q1), Q1**4 + Q2 - 3]
    for b in walls:
        for sheet in sheets(b, SPACE.coordinates):
            n = {s: 3 for s in sheet[Q1].free_symbols if s.is_integer} if Q1 in sheet else {}
            assert sp.simplify(b.xreplace(sheet).xreplace(n)) == 0
    assert sheets(Q1 + sp.sin(Q1), SPACE.coordinates) is None


@pytest.mark.parametrize(
    ("f", "jump"),
    [
        (sign(Q1) * (Q2 + 1), 2 * Q2 + 2),
        (Piecewise((Q2, Q1 > 0), (Q1, True)), Q2),
        (Q2 * Abs(Q1) ** 3 / Q1**3, 2 * Q2),
        (atan(1 / Q1**3), sp.pi),
        (1 / (1 + exp(1 / Q1)), -1),
        ((Abs(Q1) + Q1 * Q2) / Q1, 2),
        (Q1 * log(Abs(Q1)), 0),
    ],
)
def test_limits_on_both_sides(f, jump):
    """Against values next to the wall, at 30 digits."""
    ((found, sheet),) = jump_formulas(walls_of(f), Q1, [Q1]) if walls_of(f) else ((0, {Q1: 0}),)
    assert sheet == {Q1: 0}
    assert sp.simplify(found - jump) == 0
    near = Rational(1, 10**6)
    for u in (Rational(3, 7), -2):
        both = [f.xreplace({Q1: s * near, Q2: u}).evalf(30) for s in (1, -1)]
        assert abs(both[0] - both[1] - sp.sympify(found).subs(Q2, u)) < 1e-4


WALLS = st.sampled_from(
    [
        Q1, Q2, P1, Q1 - 1, Q1 + Q2, RADIUS - 1, P1**2 + P2**2 - 2, TURN, Q1 * P1, Q1 * Q2,
        Abs(Q1) - 1, Abs(Q1) - Abs(Q2), Max(Q1, Q2), sp.sin(Q1), exp(Q1) - 2, Q1**2 - Q2,
        Max(Abs(Q1), Abs(Q2)) - 1, Q1 * P1 - 1, sqrt(RADIUS) - 1,
    ]
)  # fmt: skip
HEIGHTS = st.sampled_from([0, 1, -1, Rational(1, 2)])


@st.composite
def steps(draw):
    b, c = draw(WALLS), draw(WALLS)
    one, other, third = draw(HEIGHTS), draw(HEIGHTS), draw(HEIGHTS)
    kinds = [
        lambda: sign(b),
        lambda: Heaviside(b),
        lambda: Abs(b) / b,
        lambda: atan(1 / b) + atan(b),
        lambda: Piecewise((one, b > 0), (other, True)),
        lambda: Piecewise((one, (b > 0) & (c < 0)), (other, True)),
        lambda: Piecewise((one, (b >= 0) | (c < 0)), (other, c > 1), (third, True)),
        lambda: sign(b) * sign(c),
        lambda: sign(b) ** 2,
        lambda: Piecewise((one, b < 1)),
    ]
    return draw(st.sampled_from(kinds))()


@settings(max_examples=40, deadline=None, derandomize=True, phases=[Phase.generate])
@given(steps(), steps(), st.sampled_from([0, 1, 2, 3]), st.sampled_from(list(FLOWS)))
def test_verdicts_agree_with_values_along_orbits(one, other, kind, generator):
    f = [one, one + other, one * other, one - other][kind]
    report = check(generator, sp.sympify(f))
    if report.proved:
        assert not differs(sp.sympify(f), generator)
    crossing = report.verdicts[0].crossing
    if crossing is not None:
        assert_crossing(report, f, generator)

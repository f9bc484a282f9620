"""Verdicts and promises, by hand and against linear algebra over polynomial K and U."""

import itertools
import json
from html.parser import HTMLParser

import pytest
import sympy as sp
from sympy import Rational, exp, log, sqrt

import ehf_sym as es
from ehf_sym.symmetry.invariance.report import GeneratorVerdict, InvarianceReport

LINE = es.PhaseSpace(1)
(Q,), (P,) = LINE.q, LINE.p
PLANE = es.PhaseSpace(2)
(Q1, Q2), (P1, P2) = PLANE.q, PLANE.p
ROTATION = Q1 * P2 - Q2 * P1
NORMAL = es.StandardNormal(PLANE)


def only_verdict(space, generator, log_density):
    base = es.BaseDensity(space, log_density=log_density)
    (verdict,) = es.LieAlgebra(space, [generator]).check(base).verdicts
    return verdict


def test_rotations_keep_the_standard_normal():
    report = es.LieAlgebra(PLANE, [ROTATION]).check(NORMAL)
    assert report.proved
    assert report.status == "proved"
    assert report.verdicts[0].bracket == 0


def test_rotations_do_not_keep_the_soft_uniform():
    base = es.SoftUniform(PLANE, width=5, sharpness=10)
    report = es.LieAlgebra(PLANE, [ROTATION]).check(base)
    assert report.status == "refuted"
    assert not report.proved
    assert_witness(report)


def test_an_anisotropy_of_1e_12_is_refuted():
    log_density = -(Q1**2 * (1 + Rational(1, 10**12)) + Q2**2 + P1**2 + P2**2) / 2
    report = es.LieAlgebra(PLANE, [ROTATION]).check(es.BaseDensity(PLANE, log_density=log_density))
    assert report.status == "refuted"
    assert_witness(report)
    witness, value = report.verdicts[0].verdict.witness, report.verdicts[0].verdict.value
    # {g, ln π} = -q1 q2 / 10^12, by hand.
    assert value == -witness[Q1] * witness[Q2] / 10**12


def assert_witness(report):
    """{g, π} itself, by differentiation and substitution, must not vanish at the witness."""
    space, density = report.base.space, exp(report.base.log_density)
    for verdict in report.verdicts:
        at = verdict.verdict.witness
        assert set(at) <= set(space.coordinates)
        assert all(value.is_Rational for value in at.values())
        # Coordinates that the witness leaves out do not matter; any value will do.
        at = {x: at.get(x, Rational(2, 7)) for x in space.coordinates}
        rate = sum(
            verdict.generator.diff(q) * density.diff(p)
            - verdict.generator.diff(p) * density.diff(q)
            for q, p in zip(space.q, space.p, strict=True)
        )
        value = (rate / density).subs(at).evalf(50)
        assert abs(value) > 1e-30
        given = verdict.verdict.value
        low, high = given if isinstance(given, tuple) else (given, given)
        assert low - 1e-10 <= value <= high + 1e-10


@pytest.mark.parametrize("dim", [2, 3])
def test_rotations_in_every_plane(dim):
    space = es.PhaseSpace(dim)
    generators = [
        space.q[i] * space.p[j] - space.q[j] * space.p[i]
        for i, j in itertools.combinations(range(dim), 2)
    ]
    report = es.LieAlgebra(space, generators).check(es.StandardNormal(space))
    assert report.proved
    assert len(report.verdicts) == dim * (dim - 1) // 2
    for verdict in report.verdicts:
        assert verdict.linear_in_p
        assert verdict.volume_preserving.proved
        assert verdict.leapfrog_exact
        assert "invariant under" in verdict.marginal
        assert "keeps volume" in verdict.marginal


def test_oscillator_energy_promises_nothing_for_the_marginal():
    verdict = only_verdict(LINE, (Q**2 + P**2) / 2, -(Q**2 + P**2) / 2)
    assert verdict.verdict.proved
    assert verdict.linear_in_p is False
    assert verdict.volume_preserving is None
    assert verdict.marginal.startswith("nothing is promised: g is not linear in p")
    assert not verdict.leapfrog_exact
    assert "O(dt²)" in verdict.leapfrog


def test_translation():
    verdict = only_verdict(PLANE, P1, -(P1**2 + P2**2 + Q2**2) / 2)
    assert verdict.verdict.proved
    assert verdict.linear_in_p
    assert verdict.volume_preserving.proved
    assert verdict.leapfrog_exact


def test_dilation_keeps_the_marginal_as_a_measure_only():
    verdict = only_verdict(PLANE, Q1 * P1 + Q2 * P2, -((Q1 * P1 + Q2 * P2) ** 2))
    assert verdict.verdict.proved
    assert verdict.linear_in_p
    assert verdict.volume_preserving.refuted
    assert verdict.volume_preserving.value == 2
    assert "as a measure" in verdict.marginal
    assert verdict.leapfrog_exact


def test_a_curved_flow_of_q_is_linear_in_p():
    # X = (q1², -2 q1 q2) has divergence 0.
    verdict = only_verdict(PLANE, Q1**2 * P1 - 2 * Q1 * Q2 * P2, -((Q1**2 * Q2) ** 2))
    assert verdict.verdict.proved
    assert verdict.linear_in_p
    assert verdict.volume_preserving.proved
    assert not verdict.leapfrog_exact


def test_position_and_momentum_together_leave_a_constant():
    verdict = only_verdict(LINE, Q + P, -((Q + P) ** 2))
    assert verdict.verdict.proved
    assert verdict.linear_in_p
    assert not verdict.leapfrog_exact
    # By hand: K = p and U = q have {g, K + U} = 0, yet {g, K} = 1.
    assert LINE.bracket(Q + P, P + Q) == 0
    assert LINE.bracket(Q + P, P) == 1


def test_a_function_of_q_moves_no_q():
    verdict = only_verdict(LINE, Q**3, -(Q**2))
    assert verdict.marginal.startswith("nothing to keep")
    assert verdict.leapfrog_exact


def test_nothing_is_promised_without_proof():
    verdict = only_verdict(LINE, P, -(Q**2))
    assert verdict.verdict.refuted
    assert "not proved" in verdict.marginal


def test_an_invariant_base_written_in_other_words():
    radius = sqrt(Q1**2 + Q2**2)
    formula = log(1 / (1 + exp(-radius))) - log(sp.cosh(P1**2 + P2**2)) + (Q1 * P1 + Q2 * P2) ** 3
    report = es.LieAlgebra(PLANE, [ROTATION]).check(es.BaseDensity(PLANE, log_density=formula))
    assert report.proved


# generator -> whether {g, K + U} = 0 implies {g, K} = {g, U} = 0.
LEAPFROG = {
    "rotation": (ROTATION, True),
    "dilation": (Q1 * P1 + Q2 * P2, True),
    "shear": (Q1 * P2, True),
    "translation": (P1, True),
    "boost": (Q1, True),
    "rotation and translation": (ROTATION + P1, True),
    "rotation about a point": (ROTATION + Q1 + P2, True),
    "dilation and boost": (Q1 * P1 + Q2, True),
    "dilation and translation": (Q1 * P1 + P2, True),
    "function of q": (Q1**2 * Q2, True),
    "function of p": (P1**2, True),
    "screw": (Q1 * P1 + Q2 + P2, False),
    "position and momentum": (Q1 + P1, False),
    "oscillator": (Q1**2 + P1**2, False),
    "su(2)": (Q1 * Q2 + P1 * P2, False),
    "hyperbolic": (Q1**2 - P1**2, False),
}


def invariant_hamiltonians(g, degree=3):
    """All polynomial (K, U) with {g, K + U} = 0, by linear algebra."""

    def monomials(xs):
        powers = itertools.product(range(degree + 1), repeat=len(xs))
        return [sp.prod(x**n for x, n in zip(xs, ns, strict=True)) for ns in powers
                if 0 < sum(ns) <= degree]  # fmt: skip

    terms = [(m, 0) for m in monomials(PLANE.p)] + [(0, m) for m in monomials(PLANE.q)]
    columns = [sp.Poly(PLANE.bracket(g, K + U), *PLANE.coordinates).as_dict() for K, U in terms]
    rows = sorted(set().union(*columns))
    matrix = sp.Matrix([[column.get(row, 0) for column in columns] for row in rows])
    for vector in matrix.nullspace():
        yield tuple(sum(c * t[i] for c, t in zip(vector, terms, strict=True)) for i in (0, 1))


@pytest.mark.parametrize("name", LEAPFROG)
def test_leapfrog_promises_agree_with_linear_algebra(name):
    g, exact = LEAPFROG[name]
    assert only_verdict(PLANE, g, -(Q1**2)).leapfrog_exact == exact
    brackets = [PLANE.bracket(g, K) for K, _ in invariant_hamiltonians(g)]
    assert exact or brackets
    assert all(sp.expand(b) == 0 for b in brackets) == exact


def test_leapfrog_is_not_promised_where_ranks_are_not_rational():
    g = P1 * Q1 + sqrt(2) * (Q1 + P1)
    assert not only_verdict(PLANE, g, -(Q1**2)).leapfrog_exact


def test_overall_status():
    proved, refuted = es.is_zero(sp.Integer(0)), es.is_zero(sp.Integer(1))
    undecided = es.ZeroVerdict(status="undecided", method="time", residual=Q1)
    symmetry = es.LieAlgebra(PLANE, [ROTATION, P1])
    for zeros, status in [
        ((proved, proved), "proved"),
        ((proved, undecided), "undecided"),
        ((undecided, refuted), "refuted"),
    ]:
        verdicts = tuple(
            GeneratorVerdict(g, Q1, zero, None, None, "nothing", False, "nothing")
            for g, zero in zip(symmetry.generators, zeros, strict=True)
        )
        report = InvarianceReport(symmetry, NORMAL, verdicts)
        assert report.status == status
        assert report.proved == (status == "proved")
        for text in (report.to_text(), report.to_latex(), report.to_html()):
            assert status in text
        if status == "undecided":
            assert "undecided (time) whether this is identically 0: q1" in str(report)


def test_text_is_short_when_all_is_well():
    space = es.PhaseSpace(3)
    (q1, q2, q3), (p1, p2, p3) = space.q, space.p
    so3 = es.LieAlgebra(space, [q2 * p3 - q3 * p2, q3 * p1 - q1 * p3, q1 * p2 - q2 * p1])
    text = str(so3.check(es.StandardNormal(space)))
    assert text.splitlines()[0] == "{g, π} = 0 for π = standard normal: proved"
    assert len(text.splitlines()) == 6
    assert text.count("Leapfrog") == 1


def test_text_shows_a_counterexample_to_check_by_hand():
    text = str(es.LieAlgebra(LINE, [P]).check(es.StandardNormal(LINE)))
    assert "{g1, ln π} = q1" in text
    assert "at q1 = 1 its value is 1, not 0: refuted" in text


def test_reports_name_whom_a_promise_concerns():
    report = es.LieAlgebra(PLANE, [ROTATION, P1**2 + Q1**2, P1]).check(NORMAL)
    text = report.to_text()
    assert "Marginal over q (g1): if" in text
    assert "Marginal over q (g2): nothing is promised" in text
    assert "(g3)" not in text


def test_latex_is_balanced_and_in_ascii_or_greek():
    base = es.BaseDensity(PLANE, log_density=-(Q1**2), name=r"50% of $\x_1^2 & ~#{")
    latex = es.LieAlgebra(PLANE, [ROTATION, P1]).check(base).to_latex()
    assert latex.startswith(r"\[")
    bare = latex.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}")
    assert latex.isascii()
    for special in "%&#_":
        assert special not in latex.replace(rf"\{special}", "").replace("_{", "")
    assert es.LieAlgebra(PLANE, [P1]).check(NORMAL)._repr_latex_().endswith(r"\]")


def test_html_is_well_formed_and_escaped():
    class Checker(HTMLParser):
        def __init__(self):
            super().__init__()
            self.stack = []

        def handle_starttag(self, tag, attrs):
            assert tag in ("div", "code")
            self.stack.append(tag)

        def handle_endtag(self, tag):
            assert self.stack.pop() == tag

    base = es.BaseDensity(PLANE, log_density=-(Q1**2), name="<script>&")
    report = es.LieAlgebra(PLANE, [ROTATION]).check(base)
    checker = Checker()
    checker.feed(report._repr_html_())
    assert checker.stack == []
    assert "&lt;script&gt;&amp;" in report.to_html()


def test_long_formulas_are_cut():
    formula = -sum((Q1 + k) ** 4 * sp.cos(k * Q2) for k in range(1, 40))
    report = es.LieAlgebra(PLANE, [P1]).check(es.BaseDensity(PLANE, log_density=formula))
    assert max(map(len, str(report).splitlines())) < 500
    assert "characters)" in str(report)


def test_json_holds_what_the_report_knows():
    report = es.LieAlgebra(PLANE, [ROTATION, P1]).check(NORMAL)
    data = json.loads(report.to_json())
    assert data["status"] == "refuted"
    assert data["space"] == {"dim": 2, "parameters": []}
    first, second = data["generators"]
    assert es.parse(first["generator"], PLANE) == ROTATION
    assert first["verdict"]["status"] == "proved"
    assert second["verdict"] == {
        "status": "refuted",
        "method": "exact arithmetic",
        "witness": {"q1": "1"},
        "value": "1",
    }
    assert es.parse(second["bracket"], PLANE) == Q1


def test_parameters_take_part_in_proofs_and_counterexamples():
    a = sp.Symbol("a", positive=True)
    space = es.PhaseSpace(2, parameters=[a])
    (q1, q2), (p1, p2) = space.q, space.p
    rotation = es.LieAlgebra(space, [q1 * p2 - q2 * p1])
    round_ = es.BaseDensity(space, log_density=-a * (q1**2 + q2**2) - p1**2 - p2**2)
    assert rotation.check(round_).proved
    stretched = es.BaseDensity(space, log_density=-a * q1**2 - q2**2 - p1**2 - p2**2)
    text = str(rotation.check(stretched))
    assert "refuted" in text
    assert ", a = " in text


def test_reports_use_the_labels_of_the_generators():
    symmetry = es.LieAlgebra(PLANE, [ROTATION, P1], labels=["L_12", "P_1"])
    report = symmetry.check(NORMAL)
    assert "  L_12 = -p1*q2 + p2*q1\n" in report.to_text()
    assert "{P_1, ln π} = q1" in report.to_text()
    assert "Leapfrog (L_12): " in report.to_text()
    assert r"\text{L\_12 = }" in report.to_latex()
    labels = [generator["label"] for generator in json.loads(report.to_json())["generators"]]
    assert labels == ["L_12", "P_1"]

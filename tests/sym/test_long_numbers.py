"""Reports of every kind print, whatever the length of the numbers in them."""

import json
import sys

import pytest
import sympy as sp

import ehf_sym as es
from ehf_sym.formulas.printing import formula_text

N, R = sp.Integer(10) ** 5000 + 7, sp.Rational(3, 10) ** 5000
LINE = es.PhaseSpace(1)
(Q,), (P,) = LINE.q, LINE.p
A = sp.Symbol("a", real=True)
FAMILY = es.PhaseSpace(1, parameters=[A])


def algebra(*generators):
    return es.LieAlgebra(LINE, list(generators))


REPORTS = {
    "algebra": lambda: algebra(N * Q, P / N, R * Q * P).describe(),
    "dependent generators": lambda: algebra(N * Q, Q).describe(),
    "not closed": lambda: algebra(N * Q**3, P**2).describe(5),
    "disentangled": lambda: algebra(N * Q * P).disentangle(),
    "refuted": lambda: algebra(N * P).check(es.BaseDensity(LINE, log_density=-(Q**2) - N * P**2)),
    "proved": lambda: algebra(N * Q**2 + P**2).check(
        es.BaseDensity(LINE, log_density=-N * Q**2 - P**2)
    ),
    "invariants": lambda: algebra(N * Q**2 + P**2).invariants(2),
    "conditions": lambda: es.LieAlgebra(FAMILY, [Q**2 + P**2]).conditions(
        es.BaseDensity(FAMILY, log_density=-N * Q**2 - A * P**2)
    ),
    "value": lambda: es.is_zero(N * Q - P),
    "undecided": lambda: es.is_zero(N * sp.gamma(Q) - P * sp.gamma(Q + 1)),
    "action": lambda: algebra(N * Q * P).action(0),
    "symmetries": lambda: es.symmetries_of(N * Q**2 + P**2, 2).describe(),
}


@pytest.mark.parametrize("kind", REPORTS)
def test_every_report_prints_in_every_form(kind):
    report = REPORTS[kind]()
    for text in (str(report), repr(report), report.to_latex(), report.to_html()):
        assert text
    assert report._repr_latex_()
    assert report._repr_html_()
    assert json.loads(report.to_json())


def test_the_digits_are_those_of_the_number():
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        expected = str(N * Q - R)
    finally:
        sys.set_int_max_str_digits(limit)
    assert formula_text(N * Q - R) == expected


FOREIGN = sp.Symbol("q2", real=True)
OBJECTS = {
    "algebra": lambda: algebra(N * Q, P),
    "larger algebra": lambda: algebra(*(N * Q**k for k in range(1, 9))),
    "density": lambda: es.BaseDensity(LINE, log_density=-N * Q**2 - P**2),
    "witness": lambda: es.is_zero(N).certificate,
    "point": lambda: es.is_zero(Q - N).witness,
    "value": lambda: es.is_zero(N * (Q**2 + 1)),
    "verdict": lambda: algebra(N * P).check(es.BaseDensity(LINE, log_density=N * Q - P)).verdicts,
    "crossing": lambda: (
        algebra(N * P).check(es.BaseDensity(LINE, log_density=sp.sign(Q - N))).verdicts[0].crossing
    ),
    "Gaussian": lambda: es.BaseDensity(LINE, log_density=-N * Q**2 - P**2).gaussian(),
    "certificate": lambda: es.is_zero(N * sp.gamma(Q) - P).certificate,
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_every_object_is_shown(kind):
    shown = OBJECTS[kind]()
    assert str(shown)
    assert repr(shown)
    if hasattr(shown, "_repr_latex_"):
        assert shown._repr_latex_()


# What is refused, with numbers that messages quote.
REFUSED = {
    "not positive": lambda: es.BaseDensity.from_density(LINE, -N - Q**2),
    "another normalizer": lambda: es.BaseDensity(
        LINE, log_density=-(Q**2) - P**2, log_normalizer=N
    ),
    "against what is assumed": lambda: es.LieAlgebra(
        es.PhaseSpace(1, parameters=[sp.Symbol("b", positive=True)]), [Q]
    ).with_values({sp.Symbol("b", positive=True): -N}),
    "dependent": lambda: algebra(Q, N * Q).structure,
    "foreign": lambda: algebra(N * FOREIGN),
    "not exact": lambda: LINE.bracket(N * Q, 0.5 * Q),
    "not real": lambda: algebra(sp.sqrt(-N) * Q),
    "no integer": lambda: LINE.renamed(-(10**5000)),
    "a scope": lambda: algebra(sp.Integral(Q**Q, (Q, 0, N))),
    "moving": lambda: algebra(P).action(0).at(N * Q),
    "constant": lambda: es.symmetries_of(N, 2, space=LINE),
    "no formula": lambda: LINE.validate([N]),
    "no algebra": lambda: es.LieAlgebra(LINE, N),
    "no density": lambda: algebra(P).check(N * P),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_quoted_in_short(kind):
    with pytest.raises(es.errors.EHFError) as caught:
        REFUSED[kind]()
    assert len(str(caught.value)) < 2000

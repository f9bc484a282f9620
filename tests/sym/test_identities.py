"""The corpus of the zero test: its truth checked without the engine, then the engine's answers."""

import random

import mpmath
import pytest
import sympy as sp
from evaluation import UndefinedError, value_at
from identities import HARD, PLANTED, TRUE

from ehf_sym.zero.zero_test import is_zero

POINTS = 6
TRIES = 400
PATIENCE = 60
UNDECIDED_AT_MOST = {"true": 5, "hard": 5}


def named(entries):
    return [pytest.param(entry, id=f"{entry.kind}: {entry.name}") for entry in entries]


def domain_points(formula, count=POINTS):
    """Rational points, near 0 and far, at which every part of the formula is real."""
    rng = random.Random(str(formula))
    symbols = sorted(formula.free_symbols, key=str)
    found = 0
    for attempt in range(TRIES):
        scale = (1, 1, 3, 30)[attempt % 4]
        point = {}
        for s in symbols:
            number = sp.Rational(rng.randint(1, 997), 499) * scale / 2
            point[s] = number if s.is_positive or rng.random() < 0.6 else -number
        try:
            yield point, value_at(formula, point, 200)
        except UndefinedError:
            continue
        found += 1
        if found == count or not symbols:
            return


def check_witness(formula, verdict):
    """The value at the witness has 50 digits on the side that the enclosure says."""
    assert verdict.refuted, str(verdict)
    assert set(verdict.witness) == formula.free_symbols
    assert all(isinstance(number, sp.Rational) for number in verdict.witness.values())
    low, high = verdict.value if isinstance(verdict.value, tuple) else (verdict.value,) * 2
    assert low * high > 0
    found = value_at(formula, verdict.witness, 100)
    slack = mpmath.mpf(10) ** -50 * (1 + abs(found))
    with mpmath.workdps(100):
        bounds = [mpmath.mpf(sp.Rational(end).p) / sp.Rational(end).q for end in (low, high)]
        assert bounds[0] - slack <= found <= bounds[1] + slack


def test_the_corpus_is_as_large_as_it_says():
    assert len(TRUE) >= 150
    assert len(PLANTED) == len(TRUE)
    assert len(HARD) == 40
    assert sum(entry.true for entry in HARD) >= 28
    for group in (TRUE, PLANTED, HARD):
        assert len({entry.name for entry in group}) == len({e.formula for e in group}) == len(group)


@pytest.mark.parametrize("entry", named([*TRUE, *(e for e in HARD if e.true)]))
def test_true_ones_vanish_to_50_digits(entry):
    assert entry.formula != 0
    values = list(domain_points(entry.formula))
    assert len(values) >= (3 if entry.formula.free_symbols else 1)
    for point, value in values:
        assert abs(value) < mpmath.mpf(10) ** -50, (point, value)


@pytest.mark.parametrize("entry", named(PLANTED))
def test_planted_ones_are_refuted(entry):
    check_witness(entry.formula, is_zero(entry.formula, time_limit=PATIENCE))


@pytest.mark.parametrize("group", UNDECIDED_AT_MOST)
def test_nothing_is_decided_wrongly(group):
    undecided = []
    for entry in {"true": TRUE, "hard": HARD}[group]:
        verdict = is_zero(entry.formula, time_limit=PATIENCE)
        if verdict.undecided:
            undecided.append(entry.name)
        elif entry.true:
            assert verdict.proved, entry.name
        else:
            check_witness(entry.formula, verdict)
    assert len(undecided) <= UNDECIDED_AT_MOST[group], undecided

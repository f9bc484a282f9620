"""Figure 1: the square against closed forms, the expansion against finite differences."""

import numpy as np
import pytest
import sympy as sp
from matplotlib.image import imread

import ehf_sym as es
from ehf_num.cli import main
from ehf_num.experiments import fig1
from ehf_num.experiments.chapter import chapters_in
from ehf_num.experiments.commuting_square import (
    FormulaHamiltonian,
    Square,
    expansion,
    first_order,
    squares,
)
from ehf_sym.errors import ArgumentError

SPACE = es.PhaseSpace(2)
(Q1, Q2), (P1, P2) = SPACE.q, SPACE.p
ROTATION = Q1 * P2 - Q2 * P1
STATES = np.random.default_rng(0).standard_normal((50, 4))


def gap_of(g, h, epsilon, dt):
    square = Square("", first_order(SPACE, g), first_order(SPACE, h))
    return square.gap(STATES, epsilon, dt)


def test_first_order_map_is_the_formula():
    epsilon = sp.Rational(3, 10)
    h = P1**2 * P2 + sp.cos(Q1) * Q2
    formula = es.to_numpy(SPACE.infinitesimal(h, epsilon), SPACE.coordinates)
    np.testing.assert_allclose(first_order(SPACE, h)(STATES, 0.3), formula(STATES), rtol=1e-13)


def test_gap_of_two_shears_is_known():
    """g = p1 moves q1 by ε; H = q1³/3 kicks p1 by −dt q1²: the ends differ by dt (2 ε q1 + ε²)."""
    expected = 0.1 * np.sqrt(np.mean((2 * 0.2 * STATES[:, 0] + 0.2**2) ** 2))
    assert gap_of(P1, Q1**3 / 3, 0.2, 0.1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("g", "h"),
    [
        (ROTATION, (Q1**2 + Q2**2) ** 2 + (P1**2 + P2**2) ** 2),
        (ROTATION, Q1**4 + P2**2 * P1),
        (ROTATION**2 / 2, (Q1**2 + Q2**2) ** 2 + P1**2 + P2**2),  # not quadratic: ε dt² enters
        (Q1**2 * P2, Q2 * P1**3),
    ],
)
def test_expansion_is_what_is_left_for_small_steps(g, h):
    """On the diagonal no term dominates by choice: their sum has to be right."""
    found = expansion(SPACE, g, h)
    for epsilon, dt in ((1e-4, 1e-4), (1e-3, 2e-6), (2e-6, 1e-3)):
        measured = gap_of(g, h, epsilon, dt)
        assert measured == pytest.approx(found.gap(STATES, epsilon, dt), rel=0.02)


def test_bracket_that_is_constant_leaves_higher_orders():
    """{p1, q1 + q2²} = −1: constant, so that the fields commute though the bracket is not zero."""
    assert gap_of(P1, Q1 + Q2**2, 0.3, 0.2) < 1e-15


def test_squares_of_a_symmetric_hamiltonian_close():
    kinetic, potential = (P1**2 + P2**2) ** 2, sp.log(1 + Q1**2 + Q2**2)
    symmetric = FormulaHamiltonian(SPACE, kinetic, potential)
    tilted = FormulaHamiltonian(SPACE, kinetic, potential + Q1)
    for square in squares(SPACE, ROTATION, symmetric)[1:]:
        assert square.gap(STATES, 0.7, 0.01) < 1e-14
    for square in squares(SPACE, ROTATION, tilted):
        assert square.gap(STATES, 0.7, 0.01) > 1e-3


def test_slopes_are_those_derived(tmp_path):
    fig1.run(fig1.Settings(states=100), tmp_path)
    rows = chapters_in(tmp_path)["fig1"].tables[0].rows[1:]
    cells = [[cell.split(" ") for cell in row[2:]] for row in rows]
    for measured, derived in (pair for row in cells for pair in row):
        if derived == "(rounding)":
            assert measured == "rounding"
        else:
            assert float(measured) == pytest.approx(float(derived[1:-1]), abs=0.01)
    assert [row[2][1] for row in cells] == ["(3)", *["(rounding)"] * 2, *["(2)"] * 3]


def test_from_the_command_line(tmp_path, capsys):
    assert main(["reproduce", "fig1", "--states", "20", "--out", str(tmp_path)]) == 0
    assert "first-order maps" in capsys.readouterr().out
    assert imread(tmp_path / "fig1.png").std() > 0.05
    assert f"fig1 --states 20 --out {tmp_path}" in (tmp_path / "fig1.chapter.json").read_text()


def test_bad_settings_are_named():
    with pytest.raises(ArgumentError, match="states"):
        fig1.Settings(states=0)
    with pytest.raises(ArgumentError, match="fixed"):
        fig1.Settings(fixed=-1.0)

"""Figure 1: the square against closed forms, the expansion against finite differences."""

import numpy as np
import pytest
import sympy as sp
from matplotlib.image import imread

import ehf_sym as es
from ehf_num.cli import main
from ehf_num.reproduce.chapter import chapters_in
from ehf_num.reproduce.paper import fig1
from ehf_num.reproduce.paper.commuting_square import (
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


def test_slopes_are_those_of_small_steps():
    """Large steps, where higher orders enter, are left out of the fit."""
    bent = np.where(fig1._SIZES <= 1e-2, fig1._SIZES**2, 1.0)
    assert fig1.slope(bent) == pytest.approx(2)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """The picture and the tables of a small experiment."""
    kept, save = [], fig1.save
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            fig1, "save", lambda canvas, *rest: kept.append(canvas) or save(canvas, *rest)
        )
        folder = tmp_path_factory.mktemp("fig1")
        fig1.run(SETTINGS, folder)
    (canvas,) = kept
    return canvas, chapters_in(folder)["fig1"]


SETTINGS = fig1.Settings(states=30, seed=7)


def test_errors_are_drawn_where_their_axis_says(drawn):
    """Every curve against its square, by its label and its panel's title."""
    canvas, _ = drawn
    states = np.random.default_rng(7).standard_normal((30, 4))
    squares_by_label = {
        f"H {case.name}: {square.name}": square
        for case in fig1.examples()
        for square in case.squares
    }
    for ax, held in zip(canvas.axes[3:6], ("dt = 0.1", "ε = 0.1", "ε = dt"), strict=True):
        assert ax.get_title().endswith(held)
        curves = [line for line in ax.lines if line.get_label() in squares_by_label]
        assert len(curves) == 4
        for line in curves:
            step, error = line.get_xydata()[4]
            pair = {"dt = 0.1": (step, 0.1), "ε = 0.1": (0.1, step)}.get(held, (step, step))
            expected = squares_by_label[line.get_label()].gap(states, *pair)
            assert error == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_squares_are_drawn_where_their_title_says(drawn):
    canvas, _ = drawn
    found = {
        case.name: {square.name: square for square in case.squares} for case in fig1.examples()
    }
    titles = [ax.get_title() for ax in canvas.axes[:3]]
    assert titles == [
        "H symmetric,\nfirst-order maps", "H symmetric,\nfinite action, leapfrog",
        "H not symmetric,\nfinite action, leapfrog",
    ]  # fmt: skip
    for ax, title in zip(canvas.axes, titles, strict=False):
        name, square = title.removeprefix("H ").split(",\n")
        one, other = found[name][square].ends(np.array([[1.6, 0.2, 0.4, 1.2]]), 0.6, 0.4)
        np.testing.assert_allclose(ax.lines[0].get_xydata()[-1], one[0, :2], rtol=1e-12)
        np.testing.assert_allclose(ax.lines[2].get_xydata()[-1], other[0, :2], rtol=1e-12)


def test_lowest_order_is_that_of_the_smallest_step(drawn):
    """What is left over goes as the step: a thousandth of it, not a tenth."""
    _, chapter = drawn
    head, *body = chapter.tables[1].rows
    assert head == ("H", "ε = 0.001", "dt = 0.001", "ε = dt = 0.001")
    states = np.random.default_rng(7).standard_normal((30, 4))
    for case, row in zip(fig1.examples(), body, strict=True):
        for cell, pair in zip(row[1:], ((1e-3, 0.1), (0.1, 1e-3), (1e-3, 1e-3)), strict=True):
            ratio = case.squares[0].gap(states, *pair) / case.expansion.gap(states, *pair)
            assert float(cell) == pytest.approx(ratio, abs=1e-4)
        assert float(row[3]) == pytest.approx(1, abs=0.01)


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

"""Tables and pictures of Figure 2A: each figure stands where its run, its row and its name are."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from rings_rows import row

from ehf_num.reproduce.chapter import Picture
from ehf_num.reproduce.paper import fig2a, rings_figures
from ehf_num.reproduce.paper.rings_claims import Row, Rows
from ehf_num.reproduce.sweep import Outcome


@pytest.fixture
def runs():
    """Two seeds of two κ and two sizes, no two figures of which are equal."""
    found = []
    for number, (kappa, points, seed) in enumerate(
        (k, n, s) for n in (20, None) for k in (None, 1e-3) for s in (1, 0)
    ):
        run = row(kappa, points, seed, 10 + number, 20 + number, 0.1 * number, 1e-3 * 2**number)
        run.values.update(
            bracket_data=number + 1.0, seconds=100.0 + number, samples=np.full((3, 2), number)
        )
        run.values["kinetic"] = 1_000.0 + (number + 1) * np.arange(61.0**2)
        run.values["potential"] = 2_000.0 - (number + 10) * np.arange(61.0**2)
        run.values["multiplier"] = np.full(10, 3.0 ** (number + 1))
        found.append(run)
    return Rows(tuple(found))


def of(runs: Rows, title: str) -> list[Row]:
    """The runs that a panel's title names, the lowest seed first."""
    kappa = None if "no constraint" in title else 1e-3
    points = None if "endless" in title else 20
    cell = runs.cell(kappa, points)
    assert len(cell) == 2
    return [cell[seed] for seed in sorted(cell)]


def told(runs, monkeypatch):
    """The chapter, without its pictures."""
    monkeypatch.setattr(fig2a, "_pictures", lambda *_: ())
    outcomes = [Outcome(run.spec, run.values, None, 1.0) for run in runs.rows]
    return fig2a.chapter(fig2a.Settings(points=("20", "endless")), outcomes, None, "")


def test_results_stand_in_their_columns(runs, monkeypatch):
    claims, results, effects = told(runs, monkeypatch).tables
    assert claims.rows[0][0] == "claim"
    assert results.rows[1] == (
        "20", "none", "10.500 ± 0.707", "20.500 ± 0.707", "-10.000 ± 0.000", "0.050 ± 0.071",
        "0.0015", "1.5", "100",
    )  # fmt: skip
    assert [line[:2] for line in results.rows[1:]] == [
        ("20", "none"), ("20", "0.001"), ("endless", "none"), ("endless", "0.001")
    ]  # fmt: skip
    assert effects.rows[0] == ("data", "κ", "test ln p", "train − test", "|change under rotation|")


def test_runs_that_ended_early_are_named(runs, monkeypatch):
    assert not any("ended early" in remark for remark in told(runs, monkeypatch).remarks)
    runs.rows[0].values["stop_reason"] = "not finite"
    last = told(runs, monkeypatch).remarks[-1]
    assert last.endswith("last good weights: data 20, κ none, seed 1")


def test_pictures_have_the_names_of_what_they_show(runs, tmp_path, monkeypatch):
    shown = {}

    def recorded(canvas: Figure, folder, file, caption):
        shown[file] = canvas
        return Picture(file, caption)

    monkeypatch.setattr(fig2a, "save", recorded)
    for name in ("curves", "scores", "densities", "constraint"):
        monkeypatch.setattr(rings_figures, name, lambda rows, name=name: name)
    monkeypatch.setattr(rings_figures, "energies", lambda rows, part: part)
    fig2a._pictures(runs, tmp_path)
    assert shown == {
        f"fig2a_{name}.png": name
        for name in ("curves", "scores", "densities", "kinetic", "potential", "constraint")
    }


def test_densities_are_those_of_the_first_seed(runs, monkeypatch):
    seen = []
    monkeypatch.setattr(
        rings_figures, "plot_density", lambda x, ax, *, extent, title: seen.append((x, title))
    )
    rings_figures.densities(runs)
    assert [len(x) for x, title in seen if title.startswith("data")] == [20, 2_000]
    models = [(x, title) for x, title in seen if not title.startswith("data")]
    assert len(models) == 4
    for x, title in models:
        np.testing.assert_array_equal(x, of(runs, title)[0].values["samples"])


@pytest.mark.parametrize(("part", "letter"), [("kinetic", "p"), ("potential", "q")])
def test_energies_are_those_of_the_first_seed(runs, monkeypatch, part, letter):
    seen = []
    monkeypatch.setattr(rings_figures, "plot_field", lambda f, ax, **o: seen.append((f, o)))
    rings_figures.energies(runs, part)
    assert len(seen) == 4
    for energy, options in seen:
        values = of(runs, options["title"])[0].values[part]
        np.testing.assert_array_equal(energy(None), values - values.min())
        assert options["labels"] == (f"${letter}_1$", f"${letter}_2$")
        assert options["colorbar_label"][2] == letter


def test_bands_span_the_seeds():
    rows = Rows(tuple(row(None, 100, seed, test=value) for seed, value in enumerate((1.0, 3.0))))
    canvas = rings_figures.curves(rows)
    (ax,) = canvas.axes
    test = next(line for line in ax.lines if line.get_label() == "test")
    assert test.get_ydata()[-1] == 2.0
    heights = ax.collections[1].get_paths()[0].vertices
    last = heights[heights[:, 0] == 3.0, 1]
    assert (last.min(), last.max()) == (1.0, 3.0)


def test_curves_are_those_of_their_panel(runs):
    for ax in rings_figures.curves(runs).axes:
        cell = of(runs, ax.get_title())
        for name in ("train", "test"):
            (line,) = (line for line in ax.lines if line.get_label() == name)
            mean = np.mean([run.values[f"{name}_curve"] for run in cell], axis=0)
            np.testing.assert_allclose(line.get_ydata(), mean)


def test_constraint_is_the_geometric_mean(runs):
    canvas = rings_figures.constraint(runs)
    for column, points in enumerate((20, None)):
        cell = list(runs.cell(1e-3, points).values())
        for ax, name in zip(canvas.axes[column::2], ("squared_bracket", "multiplier"), strict=True):
            mean = np.prod([run.values[name] for run in cell], axis=0) ** (1 / 2)
            np.testing.assert_allclose(ax.lines[0].get_ydata(), mean)
            assert ax.get_yscale() == "log"


def test_scores_are_of_test_points(runs):
    (ax,) = rings_figures.scores(runs).axes
    lines = {line.get_label(): line for line in ax.lines}
    for points, label in ((20, "20 points"), (None, "endless data")):
        means = [
            np.mean([run.values["test"] for run in runs.cell(kappa, points).values()])
            for kappa in (None, 1e-3)
        ]
        np.testing.assert_allclose(lines[label].get_ydata(), means)
    assert set(lines["true ln p of the test points"].get_ydata()) == {-2.5}


def test_cells_without_a_run_stay_empty(monkeypatch):
    """Of two sizes and two κ, one cell each."""
    rows = Rows((row(None, 100, 0), row(1e-3, None, 0, bracket=2e-3)))
    names = ("train", "test")
    curves = rings_figures.curves(rows).axes
    assert [sum(line.get_label() in names for line in ax.lines) for ax in curves] == [2, 0, 0, 2]
    densities = rings_figures.densities(rows).axes[:6]  # the data's, then one a κ
    assert [ax.axison for ax in densities] == [True, True, False, True, False, True]
    energies = rings_figures.energies(rows, "kinetic").axes[:4]
    assert [ax.axison for ax in energies] == [True, False, False, True]
    constraint = rings_figures.constraint(rows).axes
    assert [len(ax.lines) for ax in constraint] == [0, 2, 0, 1]
    assert "endless   none" not in told(rows, monkeypatch).as_text()

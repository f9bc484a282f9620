from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.contour import QuadContourSet
from matplotlib.quiver import Quiver
from scipy.stats import gaussian_kde

import ehf_num as en
from ehf_num import ModeScore, SymmetryCost, plotting
from ehf_num.plotting import (
    plot_constraint,
    plot_density,
    plot_diagnosis,
    plot_field,
    plot_learning_curves,
    plot_multipliers,
    plot_samples,
    plot_symmetry_cost,
    plot_trace,
    plot_vector_field,
)
from ehf_sym.errors import ArgumentError

ITERATIONS = np.arange(0, 50, 10)
VALUES = np.array([-4.0, -3.0, np.nan, -2.7, -2.6])
SAMPLES = np.random.default_rng(0).normal(size=(60, 2)) * [1.0, 0.3] + [2.0, -1.0]
COST = SymmetryCost((ModeScore("exact", np.zeros(3), 0.1, 0.01, 1e-9),), 0.01)
BOX = (0.0, 4.0, -2.0, 0.5)
DIAGNOSIS = en.Diagnosis(
    (en.Check("good", 1e-3, 1e-2), en.Check("bad", 4.0, 2.0), en.Check("zero", 0.0, 1.0))
)


def run(columns: int = 2) -> en.TrainingResult:
    squares = 10.0 ** -np.arange(5 * columns).reshape(5, columns)
    history = en.History(ITERATIONS, VALUES, squares, 1 / squares, VALUES)
    names = ("{g1,H}² base", "{g1,H}² data")[:columns]
    return en.TrainingResult(history, "iterations", 50, 1.0, 0, {}, None, names, 1e-3)


def bump(q: np.ndarray) -> np.ndarray:
    return np.asarray(-8 * ((q - [2.0, -1.0]) ** 2).sum(axis=1))


def swirl(q: np.ndarray) -> np.ndarray:
    return np.stack([q[:, 1], -3 * q[:, 0]], axis=1)


CALLS = {
    "learning curves": lambda ax: plot_learning_curves({"a": (ITERATIONS, VALUES)}, ax, truth=-2.5),
    "diagnosis": lambda ax: plot_diagnosis(DIAGNOSIS, ax),
    "constraint": lambda ax: plot_constraint(run(), ax),
    "multipliers": lambda ax: plot_multipliers(run(), ax),
    "trace": lambda ax: plot_trace(ITERATIONS, -VALUES, ax, threshold=1e-3),
    "density": lambda ax: plot_density(bump, ax, resolution=20),
    "kernel density": lambda ax: plot_density(SAMPLES, ax, resolution=20),
    "density with a color bar": lambda ax: plot_density(bump, ax, resolution=20, colorbar=True),
    "field": lambda ax: plot_field(bump, ax, resolution=20),
    "vector field": lambda ax: plot_vector_field(swirl, ax, resolution=7),
    "cost of a symmetry": lambda ax: plot_symmetry_cost(COST, ax),
    "samples": lambda ax: plot_samples(SAMPLES, ax, label="data"),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture(autouse=True)
def _clean_figures(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(plt, "show", lambda *_, **__: pytest.fail("a plot was shown"))
    yield
    plt.close("all")


@pytest.fixture
def ax() -> plt.Axes:
    return plt.subplots()[1]


def test_table_is_complete() -> None:
    functions = {name for name in plotting.__all__ if name.startswith("plot_")}
    plotted = {name for call in CALLS.values() for name in call.__code__.co_names}
    assert functions <= plotted


@every_call
def test_draws_on_the_axes_given(call, ax) -> None:
    assert call(ax) is ax
    assert plt.get_fignums() == [ax.figure.number]
    assert ax.has_data()
    assert ax.get_title()
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    ax.figure.canvas.draw()


@every_call
def test_makes_axes_if_none_are_given(call) -> None:
    made = call(None)
    assert plt.get_fignums() == [made.figure.number]
    with pytest.raises(ArgumentError, match=r"^ax was"):
        call(plt)


def test_learning_curves_show_the_data(ax) -> None:
    plot_learning_curves({"train": (ITERATIONS, VALUES), "test": ([1, 2], [3, 4])}, ax, truth=-2.5)
    train, test, truth = ax.get_lines()
    np.testing.assert_array_equal(train.get_xdata(), ITERATIONS)
    np.testing.assert_array_equal(train.get_ydata(), VALUES)
    np.testing.assert_array_equal(test.get_xydata(), [[1, 3], [2, 4]])
    assert set(truth.get_ydata()) == {-2.5}
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["train", "test", "truth"]
    assert ax.get_ylabel() == "log-likelihood [nats]"
    assert ax.get_xlabel() == "iteration"


def test_many_curves_stay_distinct(ax) -> None:
    plot_learning_curves({str(k): ([0, 1], [k, k]) for k in range(18)}, ax)
    looks = {(to_hex(line.get_color()), line.get_linestyle()) for line in ax.get_lines()}
    assert len(looks) == 18


def test_trace_shows_each_column(ax) -> None:
    values = np.exp(-np.arange(10.0)).reshape(5, 2)
    plot_trace(ITERATIONS, values, ax, labels=["g1", "g2"], threshold=1e-3)
    first, second, threshold = ax.get_lines()
    np.testing.assert_array_equal(first.get_ydata(), values[:, 0])
    np.testing.assert_array_equal(second.get_ydata(), values[:, 1])
    assert threshold.get_label() == "κ"
    assert ax.get_yscale() == "log"


def test_trace_scale(ax) -> None:
    assert plot_trace([0, 1], [1.0, 2.0], log=False).get_yscale() == "linear"
    assert plot_trace([0, 1], [0.0, 0.0]).get_yscale() == "linear"
    assert plot_trace([0, 1, 2], [0.0, 2.0, 3.0], ax).get_yscale() == "log"
    ax.figure.canvas.draw()
    assert ax.get_legend() is None
    assert not np.isfinite(ax.transData.transform((0.0, 0.0))[1])  # left out, not drawn at the edge


def cell_centers(resolution: int) -> tuple[np.ndarray, np.ndarray]:
    left, right, bottom, top = BOX
    half = 0.5 / resolution
    x = np.linspace(left + half * (right - left), right - half * (right - left), resolution)
    y = np.linspace(bottom + half * (top - bottom), top - half * (top - bottom), resolution)
    return np.meshgrid(x, y)


def test_density_of_a_callable(ax) -> None:
    plot_density(bump, ax, extent=BOX, resolution=40)
    (image,) = ax.get_images()
    x, y = cell_centers(40)
    exact = np.exp(-8 * ((x - 2.0) ** 2 + (y + 1.0) ** 2))
    np.testing.assert_allclose(image.get_array(), exact, rtol=1e-12)
    assert tuple(image.get_extent()) == BOX
    assert image.origin == "lower"
    assert ax.get_aspect() == 1


def test_density_has_a_color_bar_if_asked_for(ax) -> None:
    """Beside the axes that are given, over the drawn values from 0 up."""
    plot_density(bump, ax, resolution=20)
    assert ax.figure.axes == [ax]
    plot_density(bump, ax, extent=BOX, resolution=40, colorbar=True)
    (image,) = ax.get_images()[1:]
    bar = ax.figure.axes[1]
    assert bar.get_ylabel() == "density [per unit area]"
    assert bar.get_ylim() == pytest.approx((0.0, image.get_array().max()))
    plot_density(bump, ax, resolution=20, colorbar=True, colorbar_label="p(q)")
    assert ax.figure.axes[2].get_ylabel() == "p(q)"


@pytest.mark.parametrize("bandwidth", [None, 0.4])
def test_density_of_samples(ax, bandwidth: float | None) -> None:
    plot_density(SAMPLES, ax, extent=BOX, resolution=30, bandwidth=bandwidth)
    scott = len(SAMPLES) ** (-1 / 6)
    kernel = gaussian_kde(SAMPLES.T, bw_method=bandwidth or scott / 2)
    x, y = cell_centers(30)
    expected = kernel(np.stack([x.ravel(), y.ravel()])).reshape(30, 30)
    np.testing.assert_allclose(ax.get_images()[0].get_array(), expected, rtol=1e-9)


def test_density_of_many_samples_uses_all_parts_of_them() -> None:
    moving = np.random.default_rng(1).normal(size=(20_000, 2))
    moving[10_000:] += 6
    image = plot_density(moving, resolution=20).get_images()[0].get_array()
    assert image[:10, :10].sum() == pytest.approx(image[10:, 10:].sum(), rel=0.05)


def test_extent_of_samples_holds_them_all(ax) -> None:
    for plotted in (plot_samples(SAMPLES), plot_density(SAMPLES, resolution=5)):
        left, right = plotted.get_xlim()
        bottom, top = plotted.get_ylim()
        assert ([left, bottom] < SAMPLES).all()
        assert ([right, top] > SAMPLES).all()
        assert right - left == pytest.approx(top - bottom)
    plot_samples([[1.0, 1.0]], ax)
    assert ax.get_xlim() == pytest.approx((0.45, 1.55))


def test_pole_of_a_density_is_masked(ax) -> None:
    def pole(q: np.ndarray) -> np.ndarray:
        r = np.linalg.norm(q, axis=1)
        return np.select([r == 0, r < 1.3], [np.inf, 1e4], -r)

    plot_density(pole, ax, resolution=5)
    ax.figure.canvas.draw()
    hidden = ax.get_images()[0].get_array().mask
    np.testing.assert_array_equal(np.argwhere(hidden), [[1, 2], [2, 1], [2, 2], [2, 3], [3, 2]])


def test_field_shows_the_function(ax, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    contourf = ax.contourf
    monkeypatch.setattr(ax, "contourf", lambda *a, **k: seen.append(a) or contourf(*a, **k))
    plot_field(
        lambda q: q[:, 0] + 10 * q[:, 1],
        ax,
        extent=BOX,
        labels=("$p_1$", "$p_2$"),
        title="K(p)",
        colorbar_label="K",
        resolution=12,
    )
    ((x, y, z),) = seen
    centers = cell_centers(12)
    np.testing.assert_allclose(x, centers[0])
    np.testing.assert_allclose(y, centers[1])
    np.testing.assert_allclose(z, x + 10 * y)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("$p_1$", "$p_2$", "K(p)")
    assert ax.figure.axes[1].get_ylabel() == "K"


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_constant_field_draws(ax, value: float) -> None:
    plot_field(lambda q: np.full(len(q), value), ax, resolution=5)
    ax.figure.canvas.draw()
    filled = next(child for child in ax.get_children() if isinstance(child, QuadContourSet))
    assert filled.levels[0] <= value <= filled.levels[-1]


def arrows_of(ax) -> Quiver:
    (arrows,) = (child for child in ax.get_children() if isinstance(child, Quiver))
    return arrows


def test_vector_field_shows_the_function(ax) -> None:
    plot_vector_field(swirl, ax, extent=BOX, resolution=6)
    arrows = arrows_of(ax)
    x, y = (part.ravel() for part in cell_centers(6))
    np.testing.assert_allclose(arrows.get_offsets(), np.stack([x, y], axis=1))
    length = np.hypot(y, 3 * x)
    np.testing.assert_allclose(arrows.get_array(), length)
    np.testing.assert_allclose(arrows.U, y / length)
    np.testing.assert_allclose(arrows.V, -3 * x / length)
    assert ax.get_aspect() == 1


def test_arrows_without_direction_are_left_out(ax) -> None:
    def partial(q: np.ndarray) -> np.ndarray:
        vectors = np.ones_like(q)
        vectors[0], vectors[1, 0], vectors[2, 0] = 0, np.nan, np.inf
        return vectors

    plot_vector_field(partial, ax, resolution=3)
    assert len(arrows_of(ax).U) == 6
    still = plot_vector_field(np.zeros_like, resolution=3)
    still.figure.canvas.draw()


def test_samples_are_where_they_are(ax) -> None:
    plot_samples(SAMPLES, ax, extent=BOX, label="data", color="#D55E00")
    (dots,) = ax.collections
    np.testing.assert_array_equal(dots.get_offsets(), SAMPLES)
    assert to_hex(dots.get_facecolor()[0]) == "#d55e00"
    assert ax.get_xlim() + ax.get_ylim() == BOX


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: plot_learning_curves({}), "curves"),
        (lambda: plot_learning_curves([1, 2]), "curves"),
        (lambda: plot_learning_curves({"a": 3}), r"curves\['a'\]"),
        (lambda: plot_learning_curves({"a": ([1, 2], [1])}), r"curves\['a'\]"),
        (lambda: plot_learning_curves({"a": ([1], ["x"])}), r"curves\['a'\]"),
        (lambda: plot_learning_curves({"a": ([[1]], [[1]])}), r"curves\['a'\]"),
        (lambda: plot_learning_curves({"a": ([1, 2], [[1], [2, 3]])}), r"curves\['a'\]"),
        (lambda: plot_trace([1, 2], [1.0, 2.0, 3.0]), r"\(iterations, values\)"),
        (lambda: plot_trace([1, 2], np.ones((2, 2, 2))), "values"),
        (lambda: plot_trace([1, 2], [1.0, 2.0], labels=["a", "b"]), "values"),
        (lambda: plot_density(np.ones((5, 3))), "source"),
        (lambda: plot_density([[1.0, np.nan]]), "source"),
        (lambda: plot_density([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), "source"),
        (lambda: plot_density(SAMPLES, bandwidth=-1), "bandwidth"),
        (lambda: plot_density(SAMPLES, resolution=0), "resolution"),
        (lambda: plot_density(bump, extent=(1, 0, 0, 1)), "extent"),
        (lambda: plot_density(bump, extent=(0, 1, 1, 0)), "extent"),
        (lambda: plot_density(bump, extent=(0, 1, 0)), "extent"),
        (lambda: plot_density(swirl), "source"),
        (lambda: plot_field(swirl), "function"),
        (lambda: plot_field(3), "function"),
        (lambda: plot_field(lambda q: q[:, 0] * 1j), "the result of function"),
        (lambda: plot_field(lambda q: np.full(len(q), np.nan)), "function"),
        (lambda: plot_field(bump, extent=(0, np.inf, 0, 1)), "extent"),
        (lambda: plot_vector_field(bump), "function"),
        (lambda: plot_samples(np.ones((4, 3))), "x"),
        (lambda: plot_samples(np.ones(4)), "x"),
    ],
)
def test_bad_arguments_are_named_and_leave_no_figure(call, name: str) -> None:
    with pytest.raises(ArgumentError, match=f"^{name} "):
        call()
    assert plt.get_fignums() == []


def test_diagnosis_is_drawn_against_its_thresholds():
    ax = plot_diagnosis(DIAGNOSIS)
    passed, _, failed, _ = ax.collections
    np.testing.assert_allclose(passed.get_offsets(), [[1e-12, 0], [0.1, 2]])
    np.testing.assert_allclose(failed.get_offsets(), [[2.0, 1]])
    assert [label.get_text() for label in ax.get_yticklabels()] == ["zero", "bad", "good"]
    assert not np.array_equal(passed.get_facecolors(), failed.get_facecolors())
    (circle,), (diamond,) = passed.get_paths(), failed.get_paths()
    assert len(circle.vertices) != len(diamond.vertices)  # not by color alone
    plt.close(ax.figure)


def test_curves_of_a_constraint_are_its_columns_with_kappa():
    result = run()
    drawn = {line.get_label(): line for line in plot_constraint(result).lines}
    assert list(drawn) == ["{g1,H}² base", "{g1,H}² data", "κ"]
    assert set(drawn["κ"].get_ydata()) == {1e-3}
    for k, name in enumerate(result.constraints):
        np.testing.assert_array_equal(drawn[name].get_xdata(), ITERATIONS)
        np.testing.assert_array_equal(
            drawn[name].get_ydata(), result.history.squared_brackets[:, k]
        )
    lines = plot_multipliers(result, title="λ").lines
    for k, line in enumerate(lines):
        np.testing.assert_array_equal(line.get_ydata(), result.history.multipliers[:, k])
    assert [line.get_label() for line in lines] == list(result.constraints)


@pytest.mark.parametrize("draw", [plot_constraint, plot_multipliers])
def test_runs_without_a_constraint_have_no_such_curves(draw):
    with pytest.raises(ArgumentError, match="penalized nothing"):
        draw(run(0))
    with pytest.raises(ArgumentError, match="TrainingResult"):
        draw([1.0])

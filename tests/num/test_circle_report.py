"""Tables and pictures of Figure 2B: each figure stands where its run, its row and its name are."""

import numpy as np
import pytest
from circle_rows import row

import ehf_num as en
from ehf_num.reproduce.paper import circle_figures, fig2b
from ehf_num.reproduce.paper.circle_figures import figure
from ehf_num.reproduce.sweep import Outcome


@pytest.fixture
def told(monkeypatch):
    """The chapter of rows, without its pictures."""
    monkeypatch.setattr(fig2b, "_pictures", lambda *_: [])

    def chapter(rows):
        outcomes = [Outcome(r.spec, r.values, None, 1.0) for r in rows]
        return fig2b.chapter(fig2b.Settings(), outcomes, None, "")

    return chapter


def test_settings_that_do_it_are_named_with_their_seeds(told):
    rows = [
        row(5), row(5, seed=1, one_to_one=False), row(5, dt=0.5, one_to_one=False, kl=0.05),
        row(3, one_to_one=False), row(5, width=None, one_to_one=False, kl=0.7),
    ]  # fmt: skip
    assert told(rows).tables[0].rows[1:] == (
        ("soft-uniform", "3", "none of 1 tried", "0.100", "width 5, dt 1"),
        ("soft-uniform", "5", "width 5, dt 1 (1 of 2)", "0.050", "width 5, dt 0.5"),
        ("normal", "5", "none of 1 tried", "0.700", "dt 1"),
    )


def test_results_stand_in_their_columns(told):
    run = row(3, dt=0.5, seed=4, one_to_one=False, kl=0.3)
    run.values.update(distances=np.array([0.1, 0.7]), near=1, minima=np.zeros((2, 2)), seconds=9.0)
    assert told([run]).tables[1].rows[1] == (
        "soft-uniform", "5", "0.5", "3", "4", "2", "1 of 3", "0.70", "0.300 ± 0.010", "9"
    )  # fmt: skip


def test_runs_that_ended_early_are_named(told):
    run = row(3)
    assert not any("ended early" in remark for remark in told([run]).remarks)
    run.values["stop_reason"] = "not finite"
    assert told([run]).remarks[-1].endswith(": 3 modes, soft-uniform, width 5, dt 1, seed 0")


def test_the_best_run_of_each_target_is_drawn(tmp_path, monkeypatch):
    """One with a minimum a mode, whatever the others' KL; the least KL among equals."""
    drawn, moved = [], []
    monkeypatch.setattr(fig2b, "save", lambda canvas, folder, file, caption: canvas)
    monkeypatch.setattr(fig2b, "figure", lambda rows: drawn.append(rows))
    monkeypatch.setattr(fig2b, "animate", lambda rows, path: moved.append((rows, path.name)))
    best = [row(3, one_to_one=False, kl=0.2), row(5, kl=0.4)]
    others = [row(5, kl=0.5), row(5, one_to_one=False, kl=0.1), row(3, one_to_one=False, kl=0.9)]
    normal = row(2, width=None)
    fig2b._pictures([*others, *best, normal], tmp_path, "some")
    assert drawn == [best, [normal]]
    assert moved == [(best, "some_soft_uniform.gif"), ([normal], "some_normal.gif")]


def test_wells_are_marked_on_u():
    potential = figure([row(5)]).axes[3]
    assert potential.get_title() == "U(q): ○ modes, + 5 minima"
    modes, wells = potential.lines
    np.testing.assert_array_equal(modes.get_xydata(), en.modes_on_circle(5).centers)
    np.testing.assert_array_equal(wells.get_xydata(), modes.get_xydata())


def test_panels_show_what_their_titles_say(monkeypatch):
    run = row(3)
    names = ("kinetic", "potential", "one_step", "whole_flow")
    for number, name in enumerate(names):
        run.values[name] = run.values[name] * (number + 2.0)
    seen = {}

    def recorded(source, ax, *, title, **_):
        seen[title.split(":")[0]] = source if isinstance(source, np.ndarray) else source(None)

    for plot in ("plot_density", "plot_field", "plot_vector_field"):
        monkeypatch.setattr(circle_figures, plot, recorded)
    figure([run])
    titles = ("K(p)", "U(q)", "One leapfrog step", "Whole flow, 2 steps")
    for title, name in zip(titles, names, strict=True):
        np.testing.assert_array_equal(seen[title], run.values[name])
    np.testing.assert_array_equal(seen["samples, dt = 1, width 5"], run.values["samples"])


def test_one_base_alone_has_runs_of_its_own_widths():
    soft = fig2b.Settings(modes=(3,), bases=("soft-uniform",)).runs()
    assert {run.width for run in soft} == set(fig2b.Settings().widths)
    assert {run.width for run in fig2b.Settings(modes=(3,), bases=("normal",)).runs()} == {None}

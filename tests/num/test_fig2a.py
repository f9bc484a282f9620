"""Figure 2A end to end, small: tables, pictures, records, failures."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from matplotlib.image import imread
from rings_rows import TINY, row

import ehf_num as en
from ehf_num.cli import main
from ehf_num.reproduce.chapter import chapters_in
from ehf_num.reproduce.paper import fig2a
from ehf_num.reproduce.paper.rings_runs import RingsRun
from ehf_num.reproduce.sweep import Outcome
from ehf_sym.errors import ArgumentError


@pytest.fixture(autouse=True)
def threads_as_before():
    yield
    en.set_threads(None)


def test_from_the_command_line(tmp_path, capsys, monkeypatch):
    """In the sweep's own processes, as users run it."""
    monkeypatch.setattr(fig2a, "Budget", lambda: TINY)
    arguments = ["--kappas", "none", "1e-2", "--points", "20", "--seeds", "1", "--iterations", "4"]
    command = ["reproduce", "fig2a", *arguments, "--no-progress", "--out", str(tmp_path)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "from 20 points, the constraint generalizes better" in shown
    assert "not decided" in shown
    (chapter,) = chapters_in(tmp_path).values()
    assert chapter.command == (
        "ehf reproduce fig2a --kappas none 1e-2 --points 20 --seeds 1 --iterations 4 "
        f"--out {tmp_path}"
    )
    assert len(list((tmp_path / "records").iterdir())) == 2
    assert len(chapter.pictures) == 6
    for picture in chapter.pictures:
        assert imread(tmp_path / picture.file).std() > 0.02


def test_failed_runs_are_named_and_the_others_told(tmp_path):
    settings = fig2a.Settings(points=("100",), seeds=1)
    runs = settings.runs()
    outcomes = [
        Outcome(runs[0], row(None, 100, 0).values, None, 1.0),
        Outcome(runs[1], None, "Traceback\nRuntimeError: out of luck", 1.0),
    ]
    text = fig2a.chapter(settings, outcomes, tmp_path, "").as_text()
    assert "failed: data 100, κ 0.001, seed 0: RuntimeError: out of luck" in text
    assert "100   none" in text
    nothing = fig2a.chapter(settings, [outcomes[1]] * 2, tmp_path, "")
    assert (nothing.tables, len(nothing.remarks)) == ((), 2)


def test_what_has_a_record_is_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(fig2a, "Budget", lambda: TINY)
    settings = fig2a.Settings(points=("20",), seeds=1, iterations=2, progress=False)
    with ThreadPoolExecutor(1) as executor:
        first = fig2a.run(settings, tmp_path, executor)
        monkeypatch.setattr(RingsRun, "run", lambda self: 1 / 0)
        assert fig2a.run(settings, tmp_path, executor) == first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kappas": ("0",)}, "kappas had '0'"),
        ({"kappas": ("some",)}, "kappas had 'some'"),
        ({"kappas": ("inf",)}, "kappas had 'inf'"),
        ({"kappas": ()}, "kappas was empty"),
        ({"points": ("1.5",)}, "points had '1.5'"),
        ({"points": ("none",)}, "points had 'none'"),
        ({"seeds": 0}, "seeds"),
        ({"iterations": 0}, "iterations"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ArgumentError, match=message):
        fig2a.Settings(**options)


def test_full_study_is_the_one_that_the_issue_names():
    runs = fig2a.FULL.runs()
    assert len(runs) == 5 * 3 * 5
    assert {run.kappa for run in runs} == {None, 1e-1, 1e-2, 1e-3, 1e-4}
    assert {run.points for run in runs} == {100, 500, None}
    assert runs[0].budget.iterations == 15_000

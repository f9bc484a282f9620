"""Figure 2B end to end, small: tables, pictures, animations, failures."""

from dataclasses import replace

import numpy as np
import pytest
from circle_rows import TINY, row
from matplotlib.image import imread

import ehf_num as en
from ehf_num.cli import main
from ehf_num.reproduce.chapter import chapters_in
from ehf_num.reproduce.paper import fig2b
from ehf_num.reproduce.paper.circle_runs import CircleRun
from ehf_num.reproduce.sweep import Outcome
from ehf_sym.errors import ArgumentError


@pytest.fixture(autouse=True)
def threads_as_before():
    yield
    en.set_threads(None)


def test_failed_runs_are_named(tmp_path):
    settings = fig2b.Settings(modes=(5,), bases=("normal",))
    outcome = Outcome(settings.runs()[0], None, "Traceback\nRuntimeError: out of luck", 1.0)
    text = fig2b.chapter(settings, [outcome], tmp_path, "").as_text()
    assert text == "failed: 5 modes, normal, dt 1, seed 0: RuntimeError: out of luck"


def test_from_the_command_line(tmp_path, capsys, monkeypatch):
    """In the sweep's own processes, as users run it."""
    monkeypatch.setattr(fig2b, "Budget", lambda: TINY)
    arguments = ["--modes", "2", "--widths", "4", "--step-sizes", "0.5", "--iterations", "3"]
    arguments += ["--epsilon", "1e-3"]
    command = ["reproduce", "fig2b", *arguments, "--no-progress", "--out", str(tmp_path)]
    assert main(command) == 0
    assert "one minimum of U a mode" in capsys.readouterr().out
    (chapter,) = chapters_in(tmp_path).values()
    assert "--step-sizes 0.5 --iterations 3" in chapter.command
    assert len(list((tmp_path / "records").iterdir())) == 2
    assert "Adam's ε 0.001" in chapter.as_text()
    assert [picture.file for picture in chapter.pictures] == [
        "fig2b_soft_uniform.png", "fig2b_soft_uniform.gif", "fig2b_normal.png", "fig2b_normal.gif"
    ]  # fmt: skip
    for picture in chapter.pictures:
        content = (tmp_path / picture.file).read_bytes()
        if picture.file.endswith(".gif"):
            assert content.startswith(b"GIF89a")
        else:
            assert imread(tmp_path / picture.file).std() > 0.05


def test_animation_moves(tmp_path):
    from PIL import Image

    still = row(2)
    moving = replace(
        still, values=still.values | {"moving": np.arange(3.0)[:, None, None] * np.ones((3, 4, 2))}
    )
    fig2b.animate([moving], tmp_path / "moving.gif")
    with Image.open(tmp_path / "moving.gif") as film:
        assert film.n_frames > 20
        frames = []
        for number in (0, film.n_frames - 1):
            film.seek(number)
            frames.append(np.asarray(film.convert("L"), dtype=float))
    assert np.abs(frames[0] - frames[1]).max() > 50


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modes": ()}, "modes was empty"),
        ({"modes": (0,)}, "modes"),
        ({"bases": ("uniform",)}, "bases"),
        ({"widths": (0.0,)}, "widths"),
        ({"step_sizes": (-1.0,)}, "step_sizes"),
        ({"seeds": 0}, "seeds"),
        ({"iterations": -1}, "iterations"),
        ({"epsilon": 0.0}, "epsilon"),
    ],
)
def test_bad_settings_are_named(options, message):
    with pytest.raises(ArgumentError, match=message):
        fig2b.Settings(**options)


def test_full_study_is_the_one_that_the_issue_names():
    runs = fig2b.FULL.runs()
    assert {run.modes for run in runs} == {2, 3, 5, 8, 9}
    assert len({(run.width, run.step_size) for run in runs}) == 12
    assert len(runs) == len(set(runs)) == 12 * 5 * 3
    assert CircleRun(8, 5.0, 1.0, 0) in runs

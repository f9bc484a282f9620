"""The command line as a user types it: outputs and exit statuses."""

import argparse
import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from inspect import signature

import numpy as np
import pytest

import ehf_num as en
import ehf_sym as es
from ehf_num.cli import main
from ehf_num.cli.command import CommandHelp, command_parser
from ehf_num.cli.training import add_fit

ROTATION = "q1*p2 - q2*p1"
NORMAL = "exp(-(q1**2+q2**2+p1**2+p2**2)/2)"
QUICK = ["--iterations", "3", "--hidden", "4", "--no-progress"]


def run(*arguments):
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as error:
        return error.code


def check(base, *more, dim=2):
    return run("check", "--dim", dim, "--generator", ROTATION, "--base", base, *more)


@pytest.mark.parametrize("base", [NORMAL, "normal", "exp(-0.5*(q1^2+q2^2) - p1^2 - p2^2)"])
def test_check_proves(base, capsys):
    assert check(base) == 0
    assert "proved" in capsys.readouterr().out


@pytest.mark.parametrize("base", ["soft-uniform", "exp(-q1**2 - 2*q2**2 - p1**2 - p2**2)"])
def test_check_refutes_with_a_witness(base, capsys):
    assert check(base) == 1
    shown = capsys.readouterr().out
    assert "refuted" in shown
    assert "q1 = " in shown


def test_check_admits_what_it_cannot_decide(capsys):
    """A true identity of too many terms for the bound on the zero test's work."""
    square = "(q1**2+q2**2+p1**2+p2**2+2*q1*q2+2*q1*p1+2*q1*p2+2*q2*p1+2*q2*p2+2*p1*p2)"
    hidden_zero = f"((q1+q2+p1+p2)**50 - {square}**25)"
    assert check(f"exp(-(q1**2+q2**2+p1**2+p2**2)/2 + q1*{hidden_zero})") == 2
    assert "undecided" in capsys.readouterr().out


@pytest.mark.parametrize("style", ["latex", "html"])
def test_check_writes_other_formats(style, capsys):
    assert check("normal", "--format", style) == 0
    assert ("\\" if style == "latex" else "<") in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ["--generator", "-p1*q2+p2*q1"],
        ["--gen", "-(p1*q2 - p2*q1)"],
        ["--generator=-p1*q2+p2*q1"],
        ["--generator", "-2.5*p1*q2 + 5/2*p2*q1", "--base", "-q1*0 + exp(-q1^2-q2^2)"],
        ["--base", "-0.5 + exp(-p1^2 - p2^2) + 1", "--generator", "-1*q1*p2 + q2*p1"],
    ],
)
def test_formulas_may_begin_with_a_minus(words, capsys):
    assert run("check", "--dim", 2, *words) == 0
    assert "proved" in capsys.readouterr().out


def test_an_option_is_no_formula(capsys):
    for words in (["--generator", "--dim", "2"], ["--generator"], ["--base", "-h"]):
        assert run("check", *words) == 3
        assert "expected one argument" in capsys.readouterr().err


def test_what_reports_print_is_read(capsys):
    assert run("check", "--dim", 1, "--generator", "-p1", "--base", "exp(-ln(1 + p1^2))") == 0
    report = capsys.readouterr().out
    assert "proved" in report


def test_check_writes_json_that_reads_back(capsys):
    second = "q1*p1 - q2*p2"
    assert check("normal", "--generator", second, "--format", "json") == 1
    data = json.loads(capsys.readouterr().out)
    assert data["status"] == "refuted"
    space = es.PhaseSpace(2)
    texts = [verdict["generator"] for verdict in data["generators"]]
    assert [es.parse(text, space) for text in texts] == [
        es.parse(text, space) for text in (ROTATION, second)
    ]


def test_check_proves_for_every_value_of_a_parameter(capsys):
    base = "exp(-(q1**2+q2**2)*m - (p1**2+p2**2)/(2*m) - lam*q1**2 - lam*q2**2)"
    assert check(base, "--parameter", "m:positive", "--parameter", "lam") == 0
    assert "m" in capsys.readouterr().out
    assert check("exp(-(q1**2+n*q2**2+p1**2+p2**2))", "--parameter", "n:positive,integer") == 1
    assert "n = " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("exp", "exp"),
        ("q1", "q1"),
        ("m:large", "large"),
        ("m:positive,negative", "positive and negative"),
        ("2m", "2m"),
        ("", "named ''"),
        ("m.real", "m.real"),
        ("True", "True"),
        ("Piecewise", "Piecewise"),
    ],
)
def test_check_refuses_parameters_that_mean_something_else(parameter, message, capsys):
    assert check("normal", "--parameter", parameter) == 3
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "--dim", 2),
        ("check", "--dim", 0, "--generator", ROTATION),
        ("check", "--dim", "two", "--generator", ROTATION),
        ("check", "--dim", 2, "--generator", "q1*p3"),
        ("check", "--dim", 2, "--generator", "q1**"),
        ("check", "--dim", 2, "--generator", "__import__('os')"),
        ("check", "--dim", 2, "--generator", ROTATION, "--base", "q1.real"),
        ("check", "--dim", 2, "--generator", ROTATION, "--base", "0"),
        ("reproduce", "fig9"),
        ("sample", "absent.npz", "--out", "x.csv"),
        ("fit", "absent.csv", "--out", "m.npz"),
        ("nonsense",),
        (),
    ],
    ids=str,
)
def test_bad_input_ends_with_status_three(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(*arguments) == 3
    captured = capsys.readouterr()
    assert captured.err
    assert "Traceback" not in captured.err


def test_fit_takes_the_options_of_training(tmp_path, capsys):
    points, model = tmp_path / "x.csv", tmp_path / "m.npz"
    en.write_points(points, en.rings().sample(30, rng=0))
    options = ["--constraint-on", "both", "--split-bracket", "--normalized-bracket"]
    options += ["--schedule", "cosine", "--warmup", "1", "--objective", "importance"]
    options += ["--draws", "2", "--augment", "yes"]
    assert run("fit", points, "--generator", ROTATION, "--out", model, *QUICK, *options) == 0
    flow = en.load(model)
    settings = flow.settings
    assert (settings.constraint_on, settings.split_bracket) == ("both", True)
    assert settings.normalized_bracket
    assert flow.result_.augmented
    assert len(flow.result_.constraints) == 4
    for name, wrong in (("warmup", "-1"), ("epsilon", "0")):
        refused = [*QUICK, f"--{name}", wrong]
        assert run("fit", points, "--generator", ROTATION, "--out", model, *refused) == 3
        assert name in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".csv", ".npy", ".npz"])
def test_fit_then_sample(suffix, tmp_path, capsys):
    points, model, out = (tmp_path / name for name in ("x" + suffix, "m.npz", "s" + suffix))
    en.write_points(points, en.rings().sample(30, rng=0))
    assert run("fit", points, "--generator", ROTATION, "--out", model, *QUICK) == 0
    shown = capsys.readouterr().out
    assert "proved" in shown
    assert "log-likelihood" in shown
    assert run("sample", model, "-n", 25, "--out", out, "--seed", 4) == 0
    samples = en.read_points(out)
    np.testing.assert_array_equal(samples, en.load(model).sample(25, rng=4))


def test_fit_without_a_generator_enforces_nothing(tmp_path):
    en.write_points(tmp_path / "x.csv", en.modes_on_circle(3).sample(30, rng=0))
    arguments = ("fit", tmp_path / "x.csv", "--base", "soft-uniform", "--out", tmp_path / "m.npz")
    assert run(*arguments, *QUICK) == 0
    assert en.load(tmp_path / "m.npz").settings.enforce == "none"


def test_fit_names_the_bad_line(tmp_path, capsys):
    (tmp_path / "x.csv").write_text("1,2\n3,4\n5,x\n")
    assert run("fit", tmp_path / "x.csv", "--out", tmp_path / "m.npz") == 3
    assert "line 3" in capsys.readouterr().err
    assert not (tmp_path / "m.npz").exists()


@pytest.mark.parametrize("columns", ["x,y", "1, 2"])
def test_commands_take_some_columns(columns, tmp_path, capsys):
    points, out = tmp_path / "points.csv", tmp_path / "m.npz"
    rows = [f"star {k};{a!r};{b!r}" for k, (a, b) in enumerate(en.rings().sample(20, rng=0))]
    text = "\n".join(["name;x;y", *rows]).replace("np.float64(", "").replace(")", "")
    points.write_text(text.replace(".", ","))
    fit = ["fit", str(points), "--columns", columns, "--out", str(out), "--iterations", "1"]
    assert main([*fit, "--hidden", "4"]) == 0
    assert en.load(out).dim == 2
    assert main(["score", str(out), str(points), "--columns", columns, "--n-samples", "8"]) == 0
    capsys.readouterr()
    assert main(["score", str(out), str(points), "--columns", "x,z"]) == 3
    assert "no column 'z'" in capsys.readouterr().err


def test_fit_tells_of_far_data_in_one_line(tmp_path):
    en.write_points(tmp_path / "points.csv", 150 * en.rings().sample(50, rng=0) + 50)
    command = ["fit", "points.csv", "--out", "m.npz", "--iterations", "1", "--hidden", "4"]
    ran = subprocess.run(
        [sys.executable, "-m", "ehf_num.cli", *command, "--no-progress"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    told = [line for line in ran.stderr.splitlines() if "x lies far" in line]
    assert len(told) == 1
    assert told[0].startswith("ehf: x lies far from where the base has its mass: in column")


def test_fit_refuses_before_it_trains(tmp_path, capsys):
    en.write_points(tmp_path / "x.csv", en.rings().sample(30, rng=0))
    fit = ("fit", tmp_path / "x.csv", "--generator", ROTATION, *QUICK)
    assert run(*fit, "--out", tmp_path / "no" / "m.npz") == 3
    assert run(*fit, "--base", "soft-uniform", "--out", tmp_path / "m.npz") == 3
    assert run(*fit, "--kappa", -1, "--out", tmp_path / "m.npz") == 3
    assert "kappa" in capsys.readouterr().err


def test_check_knows_the_catalogue(capsys):
    assert run("check", "--group", "so(3)") == 0
    assert "L_3 = -p1*q2 + p2*q1" in capsys.readouterr().out
    assert run("check", "--group", "e(2)", "--generator", "q1*q2") == 1
    assert "{g1, ln π}" in capsys.readouterr().out
    assert run("check", "--group", "so(2)", "--dim", 2) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--group", "so(3)", "--dim", "2"], "so(3) acts on 3 positions; there are 2"),
        (["--group", "so(x)"], "should be like so(3)"),
        (["--group", "nothing(3)"], "the catalogue has"),
        (["--dim", "2"], "nothing to check"),
        (["--generator", "p1"], "--dim is missing"),
    ],
)
def test_check_refuses_a_bad_group(arguments, message, capsys):
    assert run("check", *arguments) == 3
    assert message in capsys.readouterr().err


def test_fit_knows_the_catalogue(tmp_path, capsys):
    points, model = tmp_path / "x.csv", tmp_path / "model.npz"
    en.write_points(points, np.random.default_rng(0).normal(size=(20, 2)))
    assert run("fit", points, "--group", "so(2)", "--out", model, *QUICK) == 0
    assert "L_12 = " in capsys.readouterr().out
    assert run("fit", points, "--group", "so(3)", "--out", model, *QUICK) == 3
    assert "so(3) acts on 3 positions; there are 2" in capsys.readouterr().err


def test_fit_takes_a_group_whose_space_has_a_parameter_that_nothing_holds(tmp_path):
    points, model = tmp_path / "points.npy", tmp_path / "model.npz"
    np.save(points, np.random.default_rng(0).standard_normal((20, 4)))
    options = ("--iterations", 2, "--hidden", 4, "--no-progress")
    assert run("fit", points, "--group", "lattice_local_phases(2)", "--out", model, *options) == 0
    assert en.load(model).dim == 4


@pytest.fixture
def fitted(tmp_path):
    points, model = tmp_path / "x.csv", tmp_path / "model.npz"
    en.write_points(points, en.rings().sample(40, rng=0))
    assert run("fit", points, "--generator", ROTATION, "--out", model, *QUICK) == 0
    return model, points


@pytest.mark.parametrize("options", [["--n-samples", "64"], ["--method", "quadrature"]])
def test_score_writes_what_the_model_says(fitted, options, tmp_path, capsys):
    model, points = fitted
    capsys.readouterr()
    out = tmp_path / "scores.csv"
    assert run("score", model, points, *options, "--out", out) == 0
    shown = capsys.readouterr()
    method = "quadrature" if "quadrature" in options else "importance"
    names = {} if method == "quadrature" else {"n_samples": 64}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimate = en.load(model).likelihood(en.read_points(points), method=method, **names)
    assert shown.out.strip() == str(estimate)
    assert [line[5:] for line in shown.err.splitlines()] == [str(w.message) for w in caught]
    table = np.genfromtxt(out, delimiter=",", names=True)
    np.testing.assert_array_equal(table["log_prob"], estimate.values)
    np.testing.assert_array_equal(table["standard_error"], estimate.standard_errors)
    np.testing.assert_array_equal(table["draws"], estimate.draws)


def test_score_and_diagnose_refuse_bad_input(fitted, tmp_path, capsys):
    model, points = fitted
    assert run("score", model, points, "--out", tmp_path / "scores.npy") == 3
    assert "should end in .csv" in capsys.readouterr().err
    assert run("score", model, points, "--standard-error", "-1") == 3
    assert "standard_error" in capsys.readouterr().err
    assert run("diagnose", model, points, "--n-samples", "3") == 3
    assert "n_samples" in capsys.readouterr().err


def test_score_and_diagnose_write_nothing_unless_asked(fitted, tmp_path, capsys):
    model, points = fitted
    before = sorted(tmp_path.iterdir())
    assert run("score", model, points, "--n-samples", "64") == 0
    assert run("diagnose", model, points, "--n-samples", "64") in (0, 1)
    assert sorted(tmp_path.iterdir()) == before
    assert run("diagnose", model, points, "--plot", tmp_path / "picture.bmp") == 3
    assert "--plot was" in capsys.readouterr().err


def test_fit_with_exact_says_what_it_is_made_of(tmp_path, capsys):
    points, model = tmp_path / "x.csv", tmp_path / "model.npz"
    en.write_points(points, en.rings().sample(40, rng=0))
    options = ("--enforce", "exact", "--base", "normal", "--out", model, *QUICK)
    assert run("fit", points, "--group", "so(2)", *options) == 0
    assert "q1**2 + q2**2" in capsys.readouterr().out


def test_fit_takes_a_base_as_a_formula(tmp_path):
    """A twice as narrow normal, recognized as a Gaussian: its samples have the law's spread."""
    points, model = tmp_path / "x.csv", tmp_path / "model.npz"
    en.write_points(points, en.rings().sample(40, rng=0))
    base = "exp(-2*(q1**2 + q2**2 + p1**2 + p2**2))"
    assert run("fit", points, "--generator", ROTATION, "--base", base, "--out", model, *QUICK) == 0
    base_in_numbers = en.load(model).objective.base
    draws = base_in_numbers.sample(20_000, np.random.default_rng(0))
    np.testing.assert_allclose(draws.std(axis=0), 0.5, rtol=0.02)


def test_diagnose_prints_draws_and_ends_with_the_verdict(fitted, tmp_path, capsys):
    model, points = fitted
    capsys.readouterr()
    picture = tmp_path / "diagnosis.png"
    status = run("diagnose", model, points, "--n-samples", "64", "--plot", picture)
    diagnosis = en.load(model).diagnose(en.read_points(points), n_samples=64)
    assert capsys.readouterr().out.strip() == str(diagnosis)
    assert status == (0 if diagnosis.passed else 1)
    assert picture.read_bytes().startswith(b"\x89PNG")


FIT = ["--hidden", "4", "--no-progress", "--base", "normal", "--generator", ROTATION]


@pytest.fixture
def points(tmp_path):
    path = tmp_path / "points.npy"
    np.save(path, en.rings().sample(40, rng=0))
    return path


def test_fit_does_without_options_what_python_does_without_arguments():
    parser = argparse.ArgumentParser()
    add_fit(parser)
    options = vars(parser.parse_args(["points.csv", "--out", "model.npz"]))
    flow = en.EquivariantHamiltonianFlow
    arguments = {**signature(flow).parameters, **signature(flow.fit).parameters}
    shared = options.keys() & arguments.keys() - {"base", "x", "enforce"}  # follows the symmetry
    assert {"kappa", "hidden", "iterations", "learning_rate"} < shared
    for name in shared:
        given = options[name]
        default = arguments[name].default
        assert (tuple(given) if isinstance(given, list) else given) == default, name


def test_fit_that_meets_a_full_disk_writes_the_model(points, tmp_path, monkeypatch, capsys):
    """The disk of the checkpoint is full at the third writing; that of the model is not."""
    from ehf_num.files import checkpoint

    out, run_file, written = tmp_path / "model.npz", tmp_path / "run.npz", []
    write = checkpoint.atomic_write

    def atomic_write(path):
        written.append(path)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path)

    monkeypatch.setattr(checkpoint, "atomic_write", atomic_write)
    more = ["--iterations", "50", "--checkpoint", run_file, "--checkpoint-every", "5"]
    assert run("fit", points, "--out", out, *FIT, *more) == 4
    shown = capsys.readouterr().err
    assert "No space left" in shown
    assert str(out) in shown
    result = en.load(out).result_
    assert (result.iterations, len(result.history)) == (15, 15)
    assert result.stop_reason.startswith("error: OSError")


def test_fit_that_turns_non_finite_says_so_by_its_status(points, tmp_path, capsys):
    more = ["--iterations", "50", "--learning-rate", "1e200"]
    with pytest.warns(en.TrainingWarning, match="non_finite"):
        assert run("fit", points, "--out", tmp_path / "m.npz", *FIT, *more) == 4
    assert en.load(tmp_path / "m.npz").result_.stop_reason == "non_finite"
    assert "non_finite" in capsys.readouterr().err


def test_fit_with_a_checkpoint_of_another_model_names_what_differs(points, tmp_path, capsys):
    more = ["--iterations", "6", "--checkpoint", tmp_path / "run.npz", "--checkpoint-every", "3"]
    assert run("fit", points, "--out", tmp_path / "one.npz", *FIT, *more) == 0
    other = [*more, "--step-size", "0.1", "--steps", "6"]
    assert run("fit", points, "--out", tmp_path / "two.npz", *FIT, *other) == 3
    shown = capsys.readouterr().err
    assert "step_size was 0.5, is 0.1" in shown
    assert "steps was 2, is 6" in shown
    assert not (tmp_path / "two.npz").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_fit_that_is_interrupted_writes_the_model(number, points, tmp_path):
    out, run_file = tmp_path / "model.npz", tmp_path / "run.npz"
    command = [sys.executable, "-m", "ehf_num.cli", "fit", points, "--out", out, *FIT]
    command += ["--iterations", "100000000", "--checkpoint", run_file, "--checkpoint-every", "5"]
    held = signal.signal(number, signal.SIG_DFL)  # tests in the background inherit SIG_IGN
    try:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
    finally:
        signal.signal(number, held)
    with process:
        try:
            while not run_file.exists() and process.poll() is None:
                time.sleep(0.02)
            for _ in range(3):  # impatient
                process.send_signal(number)
                time.sleep(0.001)
            _, shown = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 4, shown
    assert str(out) in shown
    assert en.load(out).result_.stop_reason == "interrupted"
    assert en.load(out).result_.iterations >= 5


def options_of(parser):
    """Yield each command with its options, those of commands in it included."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from options_of(command)
        else:
            yield parser.prog, action


def test_help_has_a_line_and_the_default_of_each_option():
    options = list(options_of(command_parser()))
    assert [(name, action.dest) for name, action in options if not action.help] == []
    told = {
        (name, action.dest): CommandHelp(name)._get_help_string(action) for name, action in options
    }
    assert told["ehf reproduce so2", "out"] == "folder for results (default: ehf-output)"
    assert told["ehf fit", "kappa"].endswith("(default: 0.001)")
    assert told["ehf fit", "hidden"].endswith("(default: 128 128)")
    assert told["ehf score", "seed"].endswith("(default: 0)")
    assert "default" not in told["ehf fit", "split_bracket"]


def test_experiments_say_how_long_they_take(tmp_path, capsys):
    assert run("reproduce", "fig1", "--states", "4", "--out", tmp_path) == 0
    assert "fig1: seconds, on two cores" in capsys.readouterr().err
    assert run("reproduce", "--help") == 0
    assert "one or two minutes" in " ".join(capsys.readouterr().out.split())


def test_help_tells_the_status_of_an_interrupted_fit(capsys):
    assert run("fit", "--help") == 0
    assert "4 training was interrupted" in " ".join(capsys.readouterr().out.split())


def test_a_closed_pipe_ends_quietly():
    command = [sys.executable, "-m", "ehf_num.cli", "check", "--group", "so(3)"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        shown = process.stderr.read()
    assert (process.returncode, shown) == (141, b"")


def test_density_takes_a_table_in_its_units(tmp_path, capsys):
    x = np.random.default_rng(0).normal((0, 0, 50), (150, 150, 80), (60, 3))
    table, model, drawn = (tmp_path / name for name in ("v.csv", "v.npz", "drawn.csv"))
    lines = [f"s{k};{a};{b};{c}" for k, (a, b, c) in enumerate(x)]
    table.write_text("\n".join(["star;vx;vy;vz", *lines]), encoding="utf-8")
    options = ["--columns", "vx,vy,vz", "--symmetry", "-q2*p1 + q1*p2", "--max-iter", "4"]
    assert run("density", table, *options, "--out", model) == 0
    assert "{g, H} = 0" in capsys.readouterr().out
    assert run("sample", model, "-n", "50", "--out", drawn) == 0
    assert en.read_points(drawn).std() > 50
    assert run("score", model, drawn, "--n-samples", "16") == 0
    told = float(re.search(r"mean ln p\(x\) = (-[0-9.]+)", capsys.readouterr().out)[1])
    assert -25 < told < -14  # that of a normal density so wide is -18.6
    assert run("density", table, "--symmetry", "so(9)", "--out", model) == 3


def test_density_leaves_bad_rows_out_and_keeps_the_names_of_columns(tmp_path, capsys):
    x = np.random.default_rng(0).normal((0, 0, 50), (150, 150, 80), (60, 3))
    table, model, drawn = (tmp_path / name for name in ("v.csv", "v.npz", "drawn.csv"))
    lines = [f"s{k};{a};{b};{c}".replace(".", ",") for k, (a, b, c) in enumerate(x)]
    lines[7:7], lines[30:30] = ["s7;n/a;1,5;2,5"], ["s30;3,5"]
    table.write_text("\n".join(["star;vx;vy;vz", *lines]), encoding="utf-8")
    options = ["--columns", "vz,vx,vy", "--symmetry", "q2*p3 - q3*p2", "--max-iter", "4"]
    assert run("density", table, *options, "--out", model) == 3
    assert "(--skip-bad-rows) leaves such rows out" in capsys.readouterr().err
    with pytest.warns(en.DataWarning, match=r"2 of 62 rows .*\(1 missing, 1 of another width\)"):
        assert run("density", table, *options, "--skip-bad-rows", "--out", model) == 0
    fitted = en.SymmetricDensity(options[3], max_iter=4, rng=0).fit(x[:, [2, 0, 1]])
    assert run("sample", model, "-n", "50", "--out", drawn) == 0
    assert drawn.read_text().splitlines()[0] == "vz,vx,vy"
    np.testing.assert_allclose(en.read_points(drawn), fitted.sample(50, rng=0), rtol=1e-6)


def test_an_energy_is_learned_and_weighed(tmp_path, capsys):
    """Without points; S = q² has ln Z = ln π / 2 and the mean square 1/2 in each direction."""
    model, points = tmp_path / "model.npz", tmp_path / "points.csv"
    energy = ["--energy", "(q1^2 + q2^2)*1.0"]
    assert run("fit", "--group", "so(2)", *energy, "--out", model, *QUICK, "--validation", 8) == 0
    assert "ln Z = " in capsys.readouterr().out
    flow = en.load(model)
    status = run(
        "weigh", model, *energy, "-n", 2000, "--observable", "-q1", "--observable", "q1^2",
        "--out", points, "--resample", 7, "--seed", 3,
    )  # fmt: skip
    shown = capsys.readouterr().out
    assert status == 0
    S = sum(q**2 for q in flow.base.space.q)
    weights = flow.weigh(S, 2000, rng=3)
    assert str(weights) in shown
    value, error = weights.mean(flow.base.space.q[0] ** 2)
    assert f"mean of q1^2 = {value:.6g} ± {error:.2g}" in shown
    assert abs(value - 0.5) < 4 * error
    assert "mean of -q1 = " in shown
    np.testing.assert_array_equal(en.read_points(points), weights.resample(7, rng=3))
    assert run("weigh", model, *energy, "-n", 2000, "--observable", "p1") == 3
    told = capsys.readouterr()
    assert "--observable is p1, which depends on p1" in told.err
    assert "ln Z" not in told.out  # before any work
    quick = [*QUICK, "--out", model]
    assert run("fit", "--finite", "D_4", "--energy", "q1^4 + q2^4", *quick) == 0  # it knows d


def test_an_energy_takes_points_too(tmp_path, capsys):
    points, model = tmp_path / "x.csv", tmp_path / "model.npz"
    en.write_points(points, np.random.default_rng(0).standard_normal((20, 2)))
    energy = ["--energy", "q1^2 + q2^2", "--data-weight", "0.3", "--annealing", "2"]
    assert run("fit", points, *energy, "--out", model, *QUICK) == 0
    flow = en.load(model)
    assert flow.result_.objective == "energy"
    again = en.EquivariantHamiltonianFlow(
        es.StandardNormal(es.PhaseSpace(2)), enforce="none", hidden=(4,), rng=0
    )
    S = sum(q**2 for q in again.base.space.q)
    options = {"data_weight": 0.3, "annealing": 2, "iterations": 3, "progress": False}
    again.fit_energy(S, en.read_points(points), **options)
    np.testing.assert_array_equal(flow.flat_weights, again.flat_weights)


def test_a_model_in_units_of_its_data_is_weighed_in_them(tmp_path, capsys):
    path, points = tmp_path / "density.npz", tmp_path / "points.csv"
    x = 1000 + 50 * np.random.default_rng(0).standard_normal((60, 2))
    model = en.SymmetricDensity(max_iter=2, progress=False, rng=0).fit(x)
    model.save(path)
    S = "(q1 - 1000)^2/5000 + (q2 - 1000)^2/5000"
    options = ["-n", "500", "--observable", "q1", "--out", points, "--resample", "5"]
    assert run("weigh", path, "--energy", S, *options) == 0
    weights = model.weigh(es.parse(S, es.PhaseSpace(2)), 500)
    assert str(weights) in capsys.readouterr().out
    np.testing.assert_array_equal(en.read_points(points), weights.resample(5))

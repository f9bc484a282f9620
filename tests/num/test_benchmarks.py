"""The benchmarks' own logic: contenders agree, disagreement is caught, tables land in the page."""

import mmap
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests.benchmarks import common, contender, floor, ours, scaling, training_step
from tests.benchmarks.problem import HIDDEN, Problem

SMALL = Problem(dim=4, batch=6, dtype="float64")


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(common, "_THREADS_GO_TO_SLEEP", 0.0)
    monkeypatch.setattr(common, "_LEAST_SAMPLE", 0.0)


@pytest.fixture
def page(monkeypatch, tmp_path):
    copy = tmp_path / "benchmarks.md"
    copy.write_text(common.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(common, "PAGE", copy)
    return copy


def check(made, problem=SMALL):
    training_step._Reference(problem).check(made)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("dim", [2, 4])
def test_ours_comes_to_the_numbers_of_plain_autograd(dim, dtype):
    problem = replace(SMALL, dim=dim, dtype=dtype)
    check(ours.Ours(problem), problem)


@pytest.mark.parametrize("shared", [False, True])
def test_the_arrangements_of_the_loss_agree(shared):
    operations = replace(ours.WRITTEN_OUT, shared=shared)
    check(ours.PlainAutograd(SMALL, operations))


def test_jax_agrees():
    pytest.importorskip("jax")
    from tests.benchmarks import peers_jax

    for entry in peers_jax.entries():
        for make in entry.arrangements.values():
            check(make(SMALL))


def test_torch_agrees():
    pytest.importorskip("torch")
    from tests.benchmarks import peers_torch

    for entry in peers_torch.entries(modes=[]):
        for make in entry.arrangements.values():
            check(make(SMALL))


def test_a_contender_with_another_loss_is_refused():
    leaky = replace(ours.WRITTEN_OUT, relu=lambda z: ours.anp.maximum(z, 1e-6 * z))
    with pytest.raises(ValueError, match="other numbers"):
        check(ours.PlainAutograd(SMALL, leaky))


def test_a_contender_with_another_adam_is_refused():
    class Hasty(ours.PlainAutograd):
        def advance(self, steps):
            super().advance(steps + 1)

    with pytest.raises(ValueError, match="Adam"):
        check(Hasty(SMALL, ours.WRITTEN_OUT))


def test_a_failing_peer_is_recorded_and_the_others_are_timed(no_pauses):
    def broken(problem):
        raise RuntimeError("no compiler")

    entries = [
        contender.Entry("ehf_num", {"": ours.Ours}),
        contender.Entry("peer", {"": broken}),
    ]
    cell = training_step.run_cell(SMALL, entries, rounds=1, samples=1)
    assert cell["ehf_num"].timing is not None
    assert cell["peer"].failure == "RuntimeError: no compiler"
    text = training_step.report({SMALL: cell}, "here", "command")
    assert "failed: RuntimeError: no compiler" in text


def test_the_floor_counts_what_the_chain_rule_needs():
    d, n, (h, _) = 2, 10, HIDDEN
    # A row through ∂energy/∂x and back, by hand: 4 + 1 products of width d and 6 between hidden
    # layers, and one more of width d where the input depends on weights.
    row, varying = 5 * d * h + 6 * h**2, d * h
    kicks, drifts = 4 * n * row + 2 * n * varying, 3 * n * row + 2 * n * varying
    encoder = 2 * n * (5 * d * h + 3 * h**2)
    assert floor.multiply_adds(floor.products(d, n)) == kicks + drifts + encoder


def test_the_command_writes_its_section(no_pauses, page, monkeypatch, capsys):
    arguments = "training_step --no-peers --batch 4 8 --rounds 1 --samples 1 --write"
    monkeypatch.setattr(sys, "argv", arguments.split())
    training_step.main()
    text = page.read_text(encoding="utf-8")
    section = text.split("<!-- benchmark: training_step -->")[1].split("<!-- end: train")[0]
    assert section.strip() == capsys.readouterr().out.strip()
    assert "| 2 | 8 | float64 |" in section
    assert "geometric mean" in section


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("memory", ["--batch", "4", "--run", "3", "2"]),
        ("inference", ["--points", "9", "--run", "sample", "float32"]),
        ("startup", ["--run", "ehf_num"]),
    ],
)
def test_a_run_in_a_process_of_its_own_reports_numbers(module, arguments):
    numbers = np.atleast_1d(common.run_apart(module, *arguments))
    assert numbers[0] > 0  # the growth of a few points may be no page
    assert (numbers >= 0).all()
    assert (numbers < np.inf).all()


def test_a_peer_starts_without_our_packages():
    code = "import sys, tests.benchmarks.startup, tests.benchmarks.loss; "
    code += "sys.exit(bool({'ehf_num', 'ehf_sym'} & set(sys.modules)))"
    root = common.PAGE.parents[1]
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=root).returncode == 0


def test_growth_is_that_of_the_resident_memory():
    pages = mmap.mmap(-1, 40_000_000)  # malloc might give what is resident already
    grown = common.peak_growth(lambda: np.frombuffer(pages, np.uint8).fill(1))
    assert 39 < grown < 80  # 40 MB, and what others did meanwhile


def test_every_script_has_a_section_on_the_page():
    page = common.PAGE.read_text(encoding="utf-8")
    for section in (
        "training_step",
        "training_step in company",
        "startup",
        "inference",
        "memory",
        "scaling",
    ):
        assert f"x\n<!-- end: {section} -->" in common.replace_section(page, section, "x")


def test_fits_recover_a_line():
    x = [1.0, 2.0, 4.0, 8.0, 16.0]
    slope, a, b, deviation = scaling.fits(x, [3.0 * value for value in x])
    np.testing.assert_allclose([slope, a, b, deviation], [1, 0, 3, 0], atol=1e-12)
    _, a, b, _ = scaling.fits(x, [5 + 2 * value for value in x])
    np.testing.assert_allclose([a, b], [5, 2])


def test_replacing_a_section_leaves_the_rest_alone():
    page = "a\n<!-- benchmark: x -->\nold\n<!-- end: x -->\nb\n"
    once = common.replace_section(page, "x", "new")
    assert once == "a\n<!-- benchmark: x -->\nnew\n<!-- end: x -->\nb\n"
    assert common.replace_section(once, "x", "new") == once
    with pytest.raises(ValueError, match="no section"):
        common.replace_section(page, "y", "new")


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.0123"), (1.0, "1.00"), (31.25, "31.2"), (4321.0, "4321")]
)
def test_numbers_have_three_significant_digits(value, text):
    assert common.number(value) == text


def test_interleaved_rounds_take_all_runs_in_turn(no_pauses, monkeypatch):
    calls, clock, cost = [], [0.0], {"a": 0.25, "b": 2.0}

    def run(steps, name):
        calls.append(name)
        clock[0] += steps * cost[name]

    monkeypatch.setattr(common.time, "perf_counter", lambda: clock[0])
    runs = {name: partial(run, name=name) for name in cost}
    timings = common.interleaved(runs, rounds=2, samples_a_round=2)
    assert calls[-12:] == list("aaabbb" * 2)
    assert {name: timing.median for name, timing in timings.items()} == {"a": 250, "b": 2000}

"""The benchmarks' own logic: contenders agree, disagreement is caught, tables land in the page."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks import common, contender, floor, ours, training_step
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


def test_interleaved_rounds_take_all_runs_in_turn(no_pauses):
    calls = []
    runs = {name: lambda steps, name=name: calls.append(name) for name in "ab"}
    timings = common.interleaved(runs, rounds=2, samples_a_round=2)
    assert calls[-12:] == list("aaabbb" * 2)
    assert all(np.isfinite(timing.median) for timing in timings.values())

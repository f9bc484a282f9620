"""Claims: verdicts against Student's t by hand, effects of runs whose figures are known."""

import math

import numpy as np
import pytest
from rings_rows import row

from ehf_num.reproduce.claims import Claim, as_table, decide, interval
from ehf_num.reproduce.paper.rings_claims import Rows, effects, judgements

# Verdicts


def test_interval_is_student_s():
    """t at 0.975 and two degrees of freedom has a closed form: 2 (2 · 0.975 − 1) / √(2 · …)."""
    share = 0.95
    quantile = share * math.sqrt(2 / (1 - share**2))
    low, high = interval(2.0, 0.5, 3)
    assert (low, high) == (
        pytest.approx(2 - 0.5 * quantile), pytest.approx(2 + 0.5 * quantile)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "low", "high", "verdict"),
    [
        ([1.0, 1.1, 0.9], 0, math.inf, "holds"),
        ([-1.0, -1.1, -0.9], 0, math.inf, "does not hold"),
        ([1.0, -0.5, 0.9], 0, math.inf, "not decided"),
        ([1.0, 1.1], 0, math.inf, "not decided"),
        ([1.0], 0, math.inf, "not decided"),
        ([], 0, math.inf, "not decided"),
        ([0.01, 0.0, 0.02], -0.1, 0.1, "holds"),
        ([0.01, 0.3, -0.2], -0.1, 0.1, "not decided"),
        ([0.3, 0.31, 0.32], -0.1, 0.1, "does not hold"),
        ([-0.3, -0.31, -0.32], -0.1, 0.1, "does not hold"),
        ([-3.0, -3.1, -3.2], -math.inf, 0.1, "holds"),
    ],
)
def test_verdicts_follow_the_rule(values, low, high, verdict):
    found = decide(Claim("it is so", "effect [nats]", low, high), values)
    assert found.verdict == verdict
    assert found.seeds == len(values)
    if len(values) > 1:
        assert found.error == pytest.approx(np.std(values, ddof=1) / np.sqrt(len(values)))
    assert verdict in as_table([found]).as_text()


def test_an_interval_that_meets_neither_end_decides():
    """A mean outside the claim is not enough: its interval has to be."""
    values = [0.2, 0.05, 0.3]  # 0.18 ± 0.18
    found = decide(Claim("small", "effect", -0.1, 0.1), values)
    assert found.mean > 0.1
    assert found.verdict == "not decided"


@pytest.mark.parametrize(
    ("low", "high", "claimed"),
    [(0, math.inf, "> 0"), (-math.inf, 0.1, "< 0.1"), (-0.1, 0.1, "-0.1 to 0.1")],
)
def test_table_says_what_is_claimed_and_what_was_found(low, high, claimed):
    judged = [decide(Claim(name, "nats", low, high), [0.25, 0.5, 0.75]) for name in "ab"]
    rows = as_table(judged).rows[1:]
    assert [row[0] for row in rows] == ["a", "b"]
    assert rows[0][1:5] == ("nats", claimed, "+0.500 ± 0.144", "3")


def test_table_leaves_out_what_was_not_measured():
    judged = [decide(Claim("a", "nats"), values) for values in ([], [0.25], [0.25, 0.75])]
    assert [row[3] for row in as_table(judged).rows[1:]] == ["-", "+0.250", "+0.500 ± 0.250"]


# What claims are judged by


def paired(gain=0.6, late=0.0, bracket=1e-3):
    """Runs whose seeds differ by far more than κ makes: only pairs show what it does."""
    rows = []
    for seed in range(4):
        luck, noise = 5.0 * seed, 0.01 * (-1) ** seed
        rows += [
            row(None, 100, seed, luck, luck - 2),
            row(1e-3, 100, seed, luck, luck - 2 + gain + noise, -0.5 + noise, bracket),
            row(None, None, seed, luck, luck),
            row(1e-3, None, seed, luck, luck + late + noise, 0.0, bracket),
        ]
    return Rows(tuple(rows))


def test_effects_are_paired_by_seed():
    found = judgements(paired())
    assert [f.verdict for f in found] == ["holds"] * 7
    better, smaller, efficient, rounder, agree, held, settled = found
    assert better.mean == pytest.approx(0.6)
    assert better.error == pytest.approx(np.std([0.01, -0.01, 0.01, -0.01], ddof=1) / 2)
    assert smaller.mean == pytest.approx(0.6)
    assert efficient.mean == pytest.approx(0.6)
    assert rounder.mean == pytest.approx(0.5)
    assert agree.mean == pytest.approx(0, abs=1e-12)
    assert held.mean == settled.mean == pytest.approx(0, abs=1e-12)


def test_gains_are_paired_with_the_same_seed_alone():
    runs = [row(None, 100, 0, test=1.0), row(None, 100, 2, test=7.0), row(1e-3, 100, 1, test=3.0)]
    runs += [row(1e-3, 100, 2, test=5.0), row(1e-2, 100, 0, test=9.0)]
    assert Rows(tuple(runs)).gains(1e-3, 100, lambda r: r.values["test"]) == {2: -2.0}


def test_brackets_settle_at_the_end_of_training():
    run = row(1e-3, 100, 0)
    run.values["squared_bracket"] = np.array([8.0] * 8 + [1.0, 3.0])
    assert run.settled == 2.0


def test_each_kappa_is_judged_over_all_data_of_a_seed():
    """A factor of 10 above and one of 10 below have the mean 1, where a seed has both."""
    runs = [
        row(kappa, points, seed, bracket=kappa * over)
        for kappa, overs in (
            (1e-1, (3, 3)),
            (1e-4, (1.5, 1.5)),
            (1e-3, (10, 0.1)),
            (1e-2, (1e-3, 1e-3)),
        )
        for points, over in zip((None, 100), overs, strict=True)
        for seed in range(3)
    ]
    lonely = row(1e-3, 100, 9, bracket=1e3)
    found = [j for j in judgements(Rows((*runs, lonely))) if j.claim.text.startswith("E{g,H}²")]
    assert [(j.claim.text.split(",")[1], round(j.mean, 6), j.seeds, j.verdict) for j in found] == [
        ("H}² is held to κ = 0.1", round(math.log10(3), 6), 3, "does not hold"),
        ("H}² settles at κ = 0.1", round(math.log10(3), 6), 3, "does not hold"),
        ("H}² is held to κ = 0.01", -3.0, 3, "holds"),
        ("H}² settles at κ = 0.01", -3.0, 3, "does not hold"),
        ("H}² is held to κ = 0.001", 0.0, 3, "holds"),
        ("H}² settles at κ = 0.001", 0.0, 3, "holds"),
        ("H}² is held to κ = 0.0001", round(math.log10(1.5), 6), 3, "holds"),
        ("H}² settles at κ = 0.0001", round(math.log10(1.5), 6), 3, "holds"),
    ]


def test_claims_are_judged_by_one_kappa_at_the_fewest_points():
    runs = Rows(tuple(row(k, n, 0) for k in (None, 1e-1, 1e-3, 1e-4) for n in (None, 500, 100)))
    assert runs.kappas == [None, 1e-1, 1e-3, 1e-4]
    assert runs.sizes == [100, 500, None]
    assert runs.shown_kappa == 1e-3
    assert Rows(tuple(row(k, 100, 0) for k in (0.3, 0.2, 0.1))).shown_kappa == 0.2
    texts = [found.claim.text for found in judgements(runs)[:4]]
    assert all("100 points" in text for text in texts)


def test_what_comes_out_against_the_paper_is_said():
    found = [f.verdict for f in judgements(paired(gain=-0.6, late=0.5, bracket=1e-5))]
    assert found == [
        "does not hold", "does not hold", "does not hold", "holds", "does not hold", "holds",
        "does not hold",
    ]  # fmt: skip


def test_what_was_not_run_is_not_judged():
    rows = paired().rows
    free = Rows(tuple(r for r in rows if r.spec.kappa is None))
    assert judgements(free) == []
    few = Rows(tuple(r for r in rows if r.spec.points == 100))
    assert len(judgements(few)) == 5
    bounded = Rows(tuple(r for r in rows if r.spec.kappa is not None))
    assert {f.verdict for f in judgements(bounded)} == {"not decided", "holds"}


def test_effects_of_each_kappa_are_laid_out():
    """Without κ minus: test −2, gap 2, no change under rotation."""
    table = effects(paired())
    assert [line[:2] for line in table.rows[1:]] == [("100", "0.001"), ("endless", "0.001")]
    assert table.rows[1][2:] == (
        "+0.600 ± 0.006 [+0.582, +0.618]",
        "-0.600 ± 0.006 [-0.618, -0.582]",
        "-0.500 ± 0.006 [-0.518, -0.482]",
    )

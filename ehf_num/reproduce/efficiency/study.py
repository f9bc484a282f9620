"""Data efficiency: how close N points bring ours and its peers to the truth.

Every run is recorded as it ends, under its settings, in the folder ``records``: a study that was
killed continues, and one that is repeated only writes its tables anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ehf_num import cores, versions
from ehf_num.reproduce.chapter import save
from ehf_num.reproduce.common import check_cells, seed_range
from ehf_num.reproduce.efficiency.classical import (
    KernelContender,
    MixtureContender,
    OracleContender,
    scikit_learn_versions,
)
from ehf_num.reproduce.efficiency.problems import PROBLEMS, WITH_ONE_COORDINATE
from ehf_num.reproduce.efficiency.report import Findings, Row, as_chapter, figure
from ehf_num.reproduce.efficiency.runs import BUDGETS, CONTENDERS, Run
from ehf_num.reproduce.efficiency.zuko_flows import ZukoContender, zuko_versions
from ehf_num.reproduce.recorded import failures, run_all
from ehf_num.reproduce.sweep import Outcome
from ehf_sym import ArgumentError

_CLASSICAL = MixtureContender, KernelContender, OracleContender


@dataclass(frozen=True)
class Settings:
    """Size of the study.

    Attributes
    ----------
    targets, contenders : tuple of str
        Names in `PROBLEMS` and in `CONTENDERS`.
    sizes : tuple of int
        The N.
    seeds : int
        Repetitions: data, weights and noise all change with the seed.
    budget : str
        A name in `BUDGETS`.
    progress : bool or None
        Progress bar over runs; None: only on a terminal.

    Raises
    ------
    ehf_sym.ArgumentError
        If a name is unknown, or a size leaves no point on either side of the split.
    """

    targets: tuple[str, ...] = tuple(PROBLEMS)
    contenders: tuple[str, ...] = tuple(CONTENDERS)
    sizes: tuple[int, ...] = (100, 1_000, 10_000)
    seeds: int = 3
    budget: str = "default"
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_cells(
            self,
            targets=(self.targets, PROBLEMS),
            contenders=(self.contenders, CONTENDERS),
            budget=((self.budget,), BUDGETS),
        )

    def runs(self) -> dict[Run, str]:
        """List every run with its contender's name: all cells of a seed before the next seed."""
        return {
            Run(target, size, CONTENDERS[name], seed, BUDGETS[self.budget]): name
            for seed in range(self.seeds)
            for target in self.targets
            for size in self.sizes
            for name in self.contenders
            if name != "oracle" or target in WITH_ONE_COORDINATE
        }


FULL = Settings(seeds=5, budget="full")


def run(
    settings: Settings,
    folder: Path,
    executor: Executor | None = None,
    *,
    command: str = "ehf reproduce data-efficiency",
) -> str:
    """Do what has no record yet; write `data_efficiency.json`, `.txt` and `.png`; return the text.

    Raises
    ------
    ehf_sym.ArgumentError
        If a peer is asked for and zuko is not installed: before any work.
    RecordError
        If a record is damaged.
    """
    _check_peers(settings)
    found = findings(settings, run_all(settings, folder, executor))
    found.write(folder / "data_efficiency.json")
    pictures = []
    if found.rows:
        pictures = [
            save(
                figure(found),
                folder,
                "data_efficiency.png",
                "KL to the truth against N: means over seeds, bands from least to largest.",
            )
        ]
    seeds = f"{seed_range(settings.seeds)}: data, weights and noise"
    return as_chapter(found, command, seeds, pictures).write(folder)


def _check_peers(settings: Settings) -> None:
    kinds: list[tuple[str, Any, dict[str, str]]] = [
        ("zuko", ZukoContender, zuko_versions()),
        ("scikit-learn", _CLASSICAL, scikit_learn_versions()),
    ]
    for package, kind, found in kinds:
        peers = [name for name, each in CONTENDERS.items() if isinstance(each, kind)]
        asked = [name for name in settings.contenders if name in peers]
        if asked and not found:
            raise ArgumentError(
                f"contenders had {', '.join(asked)}, which need {package}, and it is not "
                "installed: pip install '.[bench]', or leave them out: "
                f"--contenders {' '.join(name for name in CONTENDERS if name not in peers)}"
            )


def findings(settings: Settings, outcomes: Sequence[Outcome]) -> Findings:
    """Collect what runs returned."""
    runs = settings.runs()
    rows = [
        Row(spec.target, name, spec.size, spec.seed, **outcome.values)
        for (spec, name), outcome in zip(runs.items(), outcomes, strict=True)
        if outcome.values is not None
    ]
    failed = failures(
        outcomes, lambda run: f"{runs[run]} on {run.target}, N = {run.size}, seed {run.seed}"
    )
    truths = {name: PROBLEMS[name]().target.expected_log_prob() for name in settings.targets}
    return Findings(tuple(rows), tuple(failed), _notes(settings), truths)


def _notes(settings: Settings) -> tuple[str, ...]:
    budget = BUDGETS[settings.budget]
    found = versions() | zuko_versions() | scikit_learn_versions()
    return (
        f"seeds 0 to {settings.seeds - 1}; at most {budget.iterations:,} iterations of batch "
        f"{budget.batch_size}, learning rates {budget.schedule}; a fifth of the N points, but at "
        f"most 500, is held out and looked at every {budget.check_every} iterations; training ends "
        f"after {budget.patience:,} iterations without a better score, and the weights are those "
        "of the best",
        f"{budget.test_points:,} test points; ours importance weighted with {budget.draws} draws",
        *(f"{name}: {_settings_of(name)}" for name in settings.contenders),
        f"one thread a run, a run on each of {cores()} cores; "
        + ", ".join(f"{name} {number}" for name, number in found.items()),
    )


def _settings_of(name: str) -> str:
    contender: Any = CONTENDERS[name]  # a dataclass, as all are
    return ", ".join(f"{key} {value}" for key, value in asdict(contender).items())

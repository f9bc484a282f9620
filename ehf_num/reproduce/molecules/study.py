"""The studies DW4 and LJ13: NLL of ours and its peers against the floor, from N points.

Every run is recorded as it ends, under its settings, in the folder ``records``: a study that was
killed continues, and one that is repeated only writes its tables anew. Points are drawn where they
are needed, from their seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ehf_num import cores, versions
from ehf_num.reproduce.chapter import Chapter, Table, save
from ehf_num.reproduce.common import check_cells, mean_and_spread, seed_range
from ehf_num.reproduce.efficiency.zuko_flows import zuko_versions
from ehf_num.reproduce.molecules.pictures import distributions, potentials, progress_by_points
from ehf_num.reproduce.molecules.priors import PriorContender
from ehf_num.reproduce.molecules.problems import PROBLEMS
from ehf_num.reproduce.molecules.runs import BUDGETS, CONTENDERS, FLOOR_WALKERS, MOMENTA, Floor, Run
from ehf_num.reproduce.molecules.window_flows import LOOK_EVERY, WindowContender
from ehf_num.reproduce.recorded import FinishedRun, failures, rows_of, run_all
from ehf_num.reproduce.sweep import Outcome
from ehf_sym import ArgumentError

Finished = FinishedRun[Run]
Floors = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Settings:
    """Size of a study.

    Attributes
    ----------
    name : str
        Of the study, and of its files.
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

    name: str = "dw4"
    targets: tuple[str, ...] = ("dw4",)
    contenders: tuple[str, ...] = (
        *("prior", "prior-windows", "windows", "lifted", "spline-moved", "graph-flow"),
    )
    sizes: tuple[int, ...] = (100, 1_000, 10_000)
    seeds: int = 5
    budget: str = "default"
    progress: bool | None = None

    def __post_init__(self) -> None:
        check_cells(
            self,
            targets=(self.targets, PROBLEMS),
            contenders=(self.contenders, CONTENDERS),
            budget=((self.budget,), BUDGETS),
        )

    def named(self) -> dict[Run, str]:
        """List every run with its contender's name: all cells of a seed before the next seed."""
        return {
            Run(target, size, CONTENDERS[name], seed, BUDGETS[self.budget]): name
            for seed in range(self.seeds)
            for target in self.targets
            for size in self.sizes
            for name in self.contenders
        }

    def runs(self) -> list[Floor | Run]:
        """List the floors, then every run."""
        floors = [Floor(target, FLOOR_WALKERS[self.budget]) for target in self.targets]
        return [*floors, *self.named()]


FULL = Settings(budget="full")


def run(
    settings: Settings, folder: Path, executor: Executor | None = None, *, command: str = ""
) -> str:
    """Do what has no record yet; write tables and pictures; return the text.

    Raises
    ------
    ehf_sym.ArgumentError
        If a peer is asked for and zuko or PyTorch is not installed: before any work.
    RecordError
        If a record is damaged.
    """
    _check_peers(settings)
    outcomes = run_all(settings, folder, executor)
    named, split = settings.named(), len(settings.targets)
    floors = {row.spec.target: row.values for row in rows_of(FinishedRun[Floor], outcomes[:split])}
    rows = rows_of(Finished, outcomes[split:])
    tables = [_table(named, rows, floors, t) for t in settings.targets if t in floors]
    pictures = []
    if rows and floors:
        pictures = [
            save(
                progress_by_points(named, rows, floors),
                folder,
                f"{settings.name}_nll.png",
                "NLL minus the floor against N: means over seeds, bands from least to largest.",
            ),
            save(
                distributions(named, rows, floors),
                folder,
                f"{settings.name}_distributions.png",
                "Distances of pairs and energies of draws, seed 0, the largest N; e^{−U} in grey.",
            ),
        ]
    if floors and any("potentials" in row.values for row in rows):
        pictures.append(
            save(
                potentials(named, rows, floors),
                folder,
                f"{settings.name}_potentials.png",
                "Pairs in the learned U of each Hamiltonian, seed 0, the largest N; the target's "
                "in grey, which none of them has to be: they push the base on one by one.",
            )
        )
    return Chapter(
        name=settings.name,
        title=" and ".join(PROBLEMS[t].energy.name for t in settings.targets),
        command=command or f"ehf reproduce {settings.name}",
        seeds=f"{seed_range(settings.seeds)}: data, weights and noise",
        tables=tuple(tables),
        pictures=tuple(pictures),
        remarks=(*_failed(settings, outcomes), *_errors(rows), *_remarks(settings, floors)),
        versions=versions() | zuko_versions(),
    ).write(folder)


def _check_peers(settings: Settings) -> None:
    ours = [
        name for name, c in CONTENDERS.items() if isinstance(c, WindowContender | PriorContender)
    ]
    asked = [name for name in settings.contenders if name not in ours]
    if asked and not zuko_versions():
        raise ArgumentError(
            f"contenders had {', '.join(asked)}, which need PyTorch and zuko, and they are not "
            f"installed: pip install '.[bench]', or leave them out: --contenders {' '.join(ours)}"
        )


def _table(named: dict[Run, str], rows: list[Finished], floors: Floors, target: str) -> Table:
    """Lay out a row for each N and contender: means over seeds, ± standard deviation."""
    log_z = floors[target]["log_z"]
    cells: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row.spec.target == target:
            cells.setdefault((row.spec.size, named[row.spec]), []).append(row.values)
    lines: list[tuple[str, ...]] = [
        (
            *("N", "contender", "seeds", "NLL", "gap", "ESS", f"ESS, {MOMENTA} momenta"),
            *("seconds", "iterations", "parameters"),
        )
    ]
    for (size, name), runs in sorted(cells.items(), key=lambda cell: cell[0][0]):
        lines.append(
            (
                f"{size:,}",
                name,
                str(len(runs)),
                mean_and_spread([values["nll"] for values in runs]),
                mean_and_spread([values["excess"] - log_z for values in runs]),
                *(_shares(runs, name) for name in ("ess", "ess_marginal")),
                f"{_mean(runs, 'seconds'):.0f}",
                f"{_mean(runs, 'iterations'):,.0f}",
                f"{_mean(runs, 'parameters'):,.0f}",
            )
        )
    caption = (
        f"{target}: NLL of test points in nats (ours an upper bound, by importance weights); gap: "
        "mean of −ln p − U over them, minus ln Z, which is KL(e^{−U}/Z ‖ model); share of "
        "draws that weights leave, of ours also with more momenta a draw; processor time of "
        "training; mean ± standard deviation over seeds"
    )
    return Table(caption, tuple(lines))


def _shares(runs: list[dict[str, Any]], name: str) -> str:
    shares = [values[name] for values in runs if values[name] is not None]
    return mean_and_spread(shares) if shares else "-"


def _mean(runs: list[dict[str, Any]], name: str) -> float:
    return float(sum(values[name] for values in runs) / len(runs))


def _failed(settings: Settings, outcomes: Sequence[Outcome]) -> list[str]:
    named = settings.named()

    def name(spec: Any) -> str:
        if isinstance(spec, Floor):
            return f"floor of {spec.target}"
        return f"{named[spec]} on {spec.target}, N = {spec.size}, seed {spec.seed}"

    return [f"failed: {line}" for line in failures(outcomes, name)]


def _errors(rows: list[Finished]) -> list[str]:
    """Say how far means over test points can be off."""
    if not rows:
        return []
    of_nll, of_gap = (max(row.values[f"{n}_error"] for row in rows) for n in ("nll", "excess"))
    return [
        f"standard error over test points: of an NLL at most {of_nll:.3f}, of a gap {of_gap:.3f}, "
        "without that of ln Z"
    ]


def _remarks(settings: Settings, floors: Floors) -> list[str]:
    budget = BUDGETS[settings.budget]
    remarks = [
        f"{target}: entropy {floor['entropy']:.3f} ± {floor['entropy_error']:.3f}, ln Z "
        f"{floor['log_z']:.3f} ± {floor['log_z_error']:.3f} (from the normal's end "
        f"{floor['forward']:.3f} ± {floor['forward_error']:.3f}, from the target's "
        f"{floor['backward']:.3f} ± {floor['backward_error']:.3f}); {floor['checks']}"
        for target, floor in floors.items()
    ]
    for name in settings.contenders:
        contender: Any = CONTENDERS[name]  # a dataclass, as all are
        chosen = ", ".join(f"{key} {value}" for key, value in asdict(contender).items())
        remarks.append(f"{name}: {chosen}")
    remarks.append(
        f"at most {budget.iterations:,} iterations of batch {budget.batch_size}, learning rates "
        f"{budget.schedule}; a fifth of the N points, but at most 500, is held out and looked at "
        f"every {budget.check_every} iterations (ours: at least {LOOK_EVERY}); training ends after "
        f"{budget.patience:,} iterations without a better score, and the weights are those of the "
        "best"
    )
    remarks.append(
        f"{budget.test_points:,} test points; ours importance weighted with {budget.draws:,} "
        f"draws each; one thread a run, a run on each of {cores()} cores"
    )
    return remarks

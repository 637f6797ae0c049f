"""The tables of a continual job: strategies, error matrices, sensors, what was forgotten, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from equipose.models.sensors.registry import letter_of
from equipose.orchestrator.continual.claims import claim_rows
from equipose.orchestrator.continual.config import FINETUNE
from equipose.orchestrator.continual.detection import Detection
from equipose.orchestrator.continual.detection_tables import detection_table, flagged_table
from equipose.orchestrator.continual.results import ContinualOutcome
from equipose.pipelines.files.path_safety import file_name
from equipose.pipelines.statistics.missing import lacking_one
from equipose.pipelines.tables.results_table import difference_cell
from equipose.pipelines.tables.table import Caption, Cell, Table, columns_named, ranked

ERRORS: Mapping[str, str] = {
    "final": "final_mm",
    "learned": "learned_mm",
    "average": "average_mm",
    "worst": "worst_mm",
    "forgetting": "forgetting_mm",
    "backward": "bwt_mm",
    "forward": "fwt_mm",
    "intransigence": "intransigence_mm",
}
"""Column -> metric, mm; see `equipose.pipelines.statistics.streams.metrics.StreamErrors`."""
LOWER: tuple[str, ...] = ("final", "learned", "average", "worst", "forgetting", "intransigence")
"""Columns whose lowest number is best."""
NOTES: tuple[str, ...] = (
    "final: mean error over all tasks at the end; learned: on every task right after it; average: over time, "
    "on the tasks seen so far; worst: the largest validation error on a task after it was learnt.",
    "forgetting: final error on earlier tasks above its lowest since (positive: forgot); backward: what "
    "later tasks gave to earlier ones (negative: forgot); forward: what earlier tasks gave to the next one, "
    "against the mean pose; intransigence: what is lacking as a task is learnt, against learning it with all "
    "before.",
    "kept: share kept of what joint training knows, 1 is as good, 0 the mean pose.",
    "time: seconds of training relative to finetune, other work on the machine included; memory: what the "
    "method keeps when the stream has ended, and rows of earlier tasks that it may look at again.",
)


def continual_tables(outcome: ContinualOutcome, found: Sequence[Detection] = ()) -> dict[str, Table]:
    """File name -> table. found: what noise separation found."""
    tables = {
        "strategies": strategies_table(outcome),
        "forgetting": forgetting_table(outcome),
        "sensors": sensors_table(outcome),
        **{f"matrix-{file_name(name)}": matrix_table(outcome, name) for name in outcome.strategies},
    }
    for one in found:
        name, slug = one.strategy, file_name(one.strategy)
        title = caption(outcome, f"Contaminated readings found, {name}")
        tables[f"detection-{slug}"] = detection_table(one, title)
        for by in ("subject", "action"):
            title = caption(outcome, f"Clean readings flagged per {by}, {name}")
            tables[f"flagged-{by}-{slug}"] = flagged_table(one, by, title)
    claims = claim_rows(outcome)
    return tables | ({"claims": claims_table(outcome, claims)} if claims else {})


def caption(outcome: ContinualOutcome, title: str) -> Caption:
    """The caption of a table: what its numbers come from."""
    config, full = outcome.config, outcome.of_subset()
    tested = full.filter(pl.col("strategy") == FINETUNE, pl.col("after") == 0)
    one = tested.filter(pl.col("seed") == config.seeds[0], pl.col("order") == config.orders[0])
    return Caption(
        title=title,
        provenance=outcome.learnt[0].results[0].provenance,
        protocol=config.base.data.protocol,
        split=f"tasks by {config.tasks[0].by}: {', '.join(task.name for task in config.tasks)}",
        frames=int(one["count"].sum()),
        fingerprint=outcome.fingerprint,
    )


def strategies_table(outcome: ContinualOutcome) -> Table:
    """Every strategy with its metrics, its difference to fine-tuning, and what it costs."""
    means = {row["strategy"]: row for row in outcome.means.iter_rows(named=True)}
    differences = {row["method"]: row for row in outcome.against_finetuning.iter_rows(named=True)}
    columns: dict[str, dict[str, Cell]] = {}
    for name, metric in ERRORS.items():
        cells = {one: _metric(row, metric) for one, row in means.items()}
        columns[name] = ranked(cells) if name in LOWER else cells
    final = {name: difference_cell(row) for name, row in differences.items()}
    verdicts = {name: Cell(text=row["verdict"], hint=row["why"]) for name, row in differences.items()}
    seconds = means[FINETUNE]["seconds"]
    columns = {
        "final": columns.pop("final"),
        f"Δ {FINETUNE}": final,
        "verdict": verdicts,
        **columns,
        "kept": {name: _metric(row, "kept", decimals=2) for name, row in means.items()},
        "time": {name: Cell(value=row["seconds"] / seconds, decimals=2) for name, row in means.items()},
        "memory (kB)": {name: Cell(value=row["kept_bytes"] / 1000) for name, row in means.items()},
        "rows": {name: Cell(value=row["memory_rows"], decimals=0) for name, row in means.items()},
    }
    rows = [
        (Cell(text=name), *(column.get(name, Cell()) for column in columns.values()))
        for name in outcome.strategies
    ]
    note = _paired_note(outcome)
    return Table(
        caption=caption(outcome, "Strategies"),
        columns=columns_named(["strategy", *columns]),
        rows=tuple(rows),
        notes=(*NOTES, note),
    )


def _metric(row: Mapping[str, float | None], name: str, decimals: int = 1) -> Cell:
    """A mean with its deviation over streams; blank where it is not known."""
    value = row[name]
    if value is None or not np.isfinite(value):
        return Cell()
    spread = row[f"{name}/std"]
    return Cell(
        value=value,
        std=spread if spread is not None and np.isfinite(spread) else None,
        n=int(row["streams"] or 0),
        decimals=decimals,
    )


def _paired_note(outcome: ContinualOutcome) -> str:
    return (
        f"Δ {FINETUNE}: paired difference of the final error, same seeds, orders and test frames, with the "
        "95 % interval of a bootstrap over seeds and subjects; t test over both, Holm-corrected; orders are "
        "averaged within a seed."
    )


def forgetting_table(outcome: ContinualOutcome) -> Table:
    """Per strategy, the error on earlier tasks after the stream against that as they were learnt."""
    rows = tuple(
        (Cell(text=row["method"]), difference_cell(row), Cell(text=FORGOT[row["verdict"]], hint=row["why"]))
        for row in outcome.forgot.iter_rows(named=True)
    )
    return Table(
        caption=caption(outcome, "What was forgotten"),
        columns=columns_named(["strategy", "later minus as learnt", "verdict"]),
        rows=rows,
        notes=("On all tasks but the last; positive: forgot. Paired over streams and subjects.",),
    )


FORGOT: Mapping[str, str] = {
    "helped": "improved",
    "hurt": "forgot",
    "did not help": "did not improve",
    "undecided": "undecided",
}
"""Verdict of the test -> what it says of earlier tasks."""


def sensors_table(outcome: ContinualOutcome) -> Table:
    """Final error with each sensor alone and without each: which sensor forgets."""
    sensors = outcome.example.modalities
    subsets = {f"{letter_of(name) or name} alone": letter_of(name) or name for name in sensors}
    lacking = lacking_one(outcome.errors["subset"].unique(maintain_order=True))
    subsets |= {f"without {letter_of(name) or name}": subset for name, subset in lacking.items()}
    columns = {
        title: ranked({name: _final(outcome, name, subset) for name in outcome.strategies})
        for title, subset in {"all": outcome.full, **subsets}.items()
    }
    rows = tuple(
        (Cell(text=name), *(cells[name] for cells in columns.values())) for name in outcome.strategies
    )
    return Table(
        caption=caption(outcome, "Final error per subset of sensors"),
        columns=columns_named(["strategy", *columns]),
        rows=rows,
    )


def _final(outcome: ContinualOutcome, strategy: str, subset: str) -> Cell:
    values = [outcome.matrix(learnt, subset)[-1].mean() for learnt in outcome.of(strategy)]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(value=float(np.mean(values)), std=spread, n=len(values))


def matrix_table(outcome: ContinualOutcome, strategy: str) -> Table:
    """The error on every task (columns) after every task (rows), mean over the seeds of the first order."""
    order = outcome.config.orders[0]
    learnt = [one for one in outcome.of(strategy) if one.stream.order == order]
    mean = np.mean([outcome.matrix(one) for one in learnt], axis=0)
    names = learnt[0].names
    rows = tuple(
        (Cell(text=f"after {name}"), *(Cell(value=float(value)) for value in mean[position]))
        for position, name in enumerate(names)
    )
    seeds = f"{len(learnt)} seeds" if len(learnt) > 1 else "1 seed"
    return Table(
        caption=caption(outcome, f"Error after every task, {strategy}"),
        columns=columns_named(["learnt", *(f"tested on {name}" for name in names)]),
        rows=rows,
        notes=(f"Mean over {seeds}; rows: the last task that was learnt; columns: the task that is tested.",),
    )


def claims_table(outcome: ContinualOutcome, claims: list[dict[str, object]]) -> Table:
    """What the paper's abstract says, each with its interval and its control."""
    rows = tuple(
        (
            Cell(text=str(row["claim"])),
            Cell(text=str(row["compared"])),
            Cell(text=str(row["about"])),
            difference_cell(row),
            Cell(text=str(row["verdict"]), hint=str(row["why"])),
        )
        for row in claims
    )
    return Table(
        caption=caption(outcome, "Claims of the abstract, within our reading of it"),
        columns=columns_named(["claim", "compared", "of the", "difference", "verdict"]),
        rows=rows,
        notes=(
            "Only the abstract of the paper (arXiv 2501.05264) is public, so the methods within its words "
            "are ours. Negative differences are better, mm; a claim must beat its control too.",
        ),
    )

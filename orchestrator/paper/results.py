"""From finished runs to the paper's tables: means over seeds, links to the runs behind them, verdicts."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from equipose.orchestrator.comparison.judgements import Judgements
from equipose.orchestrator.comparison.methods_table import evidence
from equipose.orchestrator.comparison.results import collect
from equipose.orchestrator.evaluation.evaluation import Evaluation
from equipose.orchestrator.grid.run_one import RunsFolder, evaluation_of
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.paper.notes import notes
from equipose.orchestrator.paper.plan import PaperConfig, Position
from equipose.pipelines.paper.awc import AWC_TABLES, FUSIONS, METHODS, main_row
from equipose.pipelines.paper.table import (
    MPJPE,
    PA_MPJPE,
    RESULT_COLUMNS,
    SHAPLEY_SHARE,
    ColumnGroup,
    Metric,
    PaperTable,
    paper_table,
)
from equipose.pipelines.report.verdicts import MethodVerdict, verdicts_of
from equipose.pipelines.tables.table import Caption

EPOCH_SECONDS = Metric(key="epoch_s", label="per epoch", unit="s")
PEAK_MEMORY = Metric(key="peak_memory_mib", label="peak memory", unit="MiB", decimals=0)
ERRORS = (MPJPE, PA_MPJPE)
COSTS = (SHAPLEY_SHARE, EPOCH_SECONDS, PEAK_MEMORY)

Reader = Callable[[RunResult, Evaluation], float]
READERS: dict[str, Reader] = {
    MPJPE.key: lambda result, evaluation: evaluation.mpjpe_mm,
    PA_MPJPE.key: lambda result, evaluation: evaluation.pa_mpjpe_mm,
    SHAPLEY_SHARE.key: lambda result, evaluation: 100 * result.costs()["shapley_share"],
    EPOCH_SECONDS.key: lambda result, evaluation: result.costs()["epoch_s"],
    PEAK_MEMORY.key: lambda result, evaluation: result.costs()["peak_memory_mib"],
}
"""Metric -> how it is read from a finished run."""

Links = Callable[[Sequence[RunSpec]], str]
"""The page of the runs behind a number."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A plan with all its runs trained and tested."""

    config: PaperConfig
    plan: Mapping[Position, Sequence[RunSpec]]
    results: Mapping[str, RunResult]
    runs_folder: RunsFolder
    provenance: str

    def evaluation(self, spec: RunSpec) -> Evaluation:
        """Of a run, on its test part."""
        return evaluation_of(spec, self.runs_folder)


def paper_tables(finished: Finished, links: Links) -> list[PaperTable]:
    """The tables of the config, ours beside the published numbers."""
    return [_table(name, finished, links) for name in finished.config.tables]


def _table(name: str, finished: Finished, links: Links) -> PaperTable:
    mine = {position: specs for position, specs in finished.plan.items() if position.table == name}
    metrics = COSTS if name == "cost" else ERRORS
    columns = dict.fromkeys(position.column for position in mine)
    groups = [_group(name, column, metrics, mine, finished) for column in columns]
    lines = [
        line for position, specs in mine.items() for line in _lines(position, specs, metrics, finished, links)
    ]
    return paper_table(AWC_TABLES[name], groups, results_frame(lines), notes=notes(name, finished.config))


SCHEMA = dict(
    zip(
        RESULT_COLUMNS,
        (pl.String, pl.String, pl.String, pl.Float64, pl.Float64, pl.Int64, pl.String, pl.String),
        strict=True,
    )
)


def results_frame(lines: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Lines of `result_line` as the frame that `paper_table` takes."""
    return pl.DataFrame(lines, schema=SCHEMA, infer_schema_length=None)


def result_line(
    row: str, column: str, metric: str, values: Sequence[float], link: str, fingerprint: str
) -> dict[str, object]:
    """One measured number: mean, standard deviation and count of its values over seeds."""
    return {
        "row": row,
        "column": column,
        "metric": metric,
        "mean": statistics.mean(values),
        "std": statistics.stdev(values) if len(values) > 1 else None,
        "n": len(values),
        "link": link,
        "fingerprint": fingerprint,
    }


def _group(
    table: str,
    column: str,
    metrics: Sequence[Metric],
    mine: Mapping[Position, Sequence[RunSpec]],
    finished: Finished,
) -> ColumnGroup:
    """A column with the caption of the data behind it."""
    spec = next(specs[0] for position, specs in mine.items() if position.column == column)
    data = spec.config.data
    caption = Caption(
        title=column,
        provenance=finished.provenance,
        protocol=data.protocol,
        split=data.split,
        frames=finished.evaluation(spec).report.num_samples,
        fingerprint=finished.results[spec.name].fingerprint,
    )
    return ColumnGroup(name=column, caption=caption, metrics=tuple(metrics))


def _lines(
    position: Position, specs: Sequence[RunSpec], metrics: Sequence[Metric], finished: Finished, links: Links
) -> list[dict[str, object]]:
    found = [(finished.results[spec.name], finished.evaluation(spec)) for spec in specs]
    lines = []
    for metric in metrics:
        values = [READERS[metric.key](result, evaluation) for result, evaluation in found]
        fingerprint = found[0][0].fingerprint
        lines.append(
            result_line(position.row, position.column, metric.key, values, links(specs), fingerprint)
        )
    return lines


def main_judgements(finished: Finished) -> tuple[Judgements, ...]:
    """The main table's runs and their checks as a comparison, one setting per fusion and column."""
    mine = [spec for position, specs in finished.plan.items() if position.table == "main" for spec in specs]
    specs = {spec.name: spec for spec in (*mine, *finished.config.check_runs())}
    if not specs:
        return ()
    return tuple(map(Judgements, collect(specs, finished.results, finished.runs_folder)))


def overview(judgements: Sequence[Judgements], finished: Finished, links: Links) -> list[MethodVerdict]:
    """Verdict of every method in every fusion and column, as plainly where it did not help."""
    verdicts: list[MethodVerdict] = []
    for one in judgements:
        fusion, column = one.outcome.setting.fusion, column_of(one, finished.config)
        pages = {}
        for method in one.outcome.methods:
            position = Position(table="main", row=main_row(fusion, method), column=column)
            pages[method] = links(finished.plan[position])
        verdicts += verdicts_of(one.judged(), column, group=FUSIONS[fusion], names=METHODS, links=pages)
    return verdicts


def rests_on(judgements: Sequence[Judgements], config: PaperConfig) -> list[str]:
    """What the verdicts rest on, per fusion and column; empty where it was not measured."""
    return [
        f"{FUSIONS[one.outcome.setting.fusion]}, {column_of(one, config)}. {' '.join(found)}"
        for one in judgements
        if (found := evidence(one))
    ]


def column_of(one: Judgements, config: PaperConfig) -> str:
    """The column whose protocol and split a setting has."""
    columns = {split: column for column, split in config.columns.items()}
    return columns[one.outcome.setting.protocol, one.outcome.setting.split]

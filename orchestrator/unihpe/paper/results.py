"""UniHPE's tables with our numbers in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from equipose.models.alignment.config import AlignedConfig
from equipose.orchestrator.grid.run_spec import RunResult
from equipose.orchestrator.paper.results import result_line, results_frame
from equipose.orchestrator.unihpe.paper.cost import BatchCost, batch_costs
from equipose.orchestrator.unihpe.paper.plan import (
    ADDED,
    BATCH,
    ERROR_OF,
    METRICS,
    PCK,
    WHOLE,
    Origin,
    origins,
)
from equipose.orchestrator.unihpe.results import UnihpeOutcome
from equipose.orchestrator.unihpe.tables import PER_CENT, caption
from equipose.pipelines.paper.table import ColumnGroup, PaperTable, paper_table
from equipose.pipelines.paper.unihpe import UNIHPE_TABLES

Links = Callable[[Sequence[RunResult]], str]
"""The page of the runs behind a number."""
NOTES: Mapping[str, str] = {
    "lifting": "Ours is trained on a detector's key points and tested on both kinds.",
    "parts": "Ours is trained on a detector's key points.",
    "ablation": "The row without contrastive loss trains encoders and decoders anew, as long as the last "
    "stage of the others, whose encoders were aligned before: it has had fewer steps. Our row below it "
    "has as many epochs as they have.",
    "cost": "Ours: a step with pairs alone as it ran, plus the term timed by itself at the same batch.",
}


def unihpe_paper_tables(outcome: UnihpeOutcome, links: Links) -> list[PaperTable]:
    """The tables of which any number was measured, in the paper's order."""
    found = [_table(name, cells, outcome, links) for name, cells in origins(outcome.config).items() if cells]
    costs = _cost_table(outcome, links)
    return [*found, *([costs] if costs else [])]


def _table(
    name: str, cells: Mapping[tuple[str, str], Origin], outcome: UnihpeOutcome, links: Links
) -> PaperTable:
    published = UNIHPE_TABLES[name]
    groups: list[ColumnGroup] = []
    lines: list[dict[str, object]] = []
    for column in published.columns:
        mine = {row: origin for (row, at), origin in cells.items() if at == column}
        if not mine:
            continue
        data = next(iter(mine.values())).data
        group = ColumnGroup(name=column, caption=caption(outcome, column, data), metrics=METRICS[column])
        groups.append(group)
        for row, origin in mine.items():
            lines += _lines(row, group, origin, outcome, links)
    measured = {line["row"] for line in lines}
    rows = {key: row for key, row in published.rows.items() if row.printed or key in measured}
    shown = replace(published, rows=rows)
    return paper_table(shown, groups, results_frame(lines), notes=_notes(name, outcome))


def _lines(
    row: str, group: ColumnGroup, origin: Origin, outcome: UnihpeOutcome, links: Links
) -> Iterator[dict[str, object]]:
    for metric in group.metrics:
        factor = PER_CENT if metric == PCK else 1.0
        values = [
            factor * value
            for value in outcome.error(origin.variant, origin.route, ERROR_OF[metric.key], origin.data)
        ]
        if values:
            page = links([run.results[-1] for run in outcome.of(origin.variant)])
            yield _line(row, group, metric.key, values, page)


def _line(row: str, group: ColumnGroup, metric: str, values: Sequence[float], link: str) -> dict[str, object]:
    return result_line(row, group.name, metric, values, link, group.caption.fingerprint)


def _cost_table(outcome: UnihpeOutcome, links: Links) -> PaperTable | None:
    """Table 7; None where no variant with pairs alone was trained."""
    runs = outcome.of("pairs")
    if not runs:
        return None
    result, model = runs[0].results[-1], runs[0].variant.model
    assert isinstance(model, AlignedConfig)
    costs = batch_costs(result, model.space)
    batch = result.config.data.batch.batch_size
    title = f"B = {batch}, D = {model.space}"
    group = ColumnGroup(name="one batch", caption=caption(outcome, title), metrics=METRICS["one batch"])
    page = links([result])
    lines = [line for row, cost in costs.items() for line in _cost_lines(row, cost, group, page)]
    return paper_table(UNIHPE_TABLES["cost"], [group], results_frame(lines), notes=_notes("cost", outcome))


def _cost_lines(row: str, cost: BatchCost, group: ColumnGroup, page: str) -> Iterator[dict[str, object]]:
    yield _line(row, group, BATCH.key, [cost.batch_s], page)
    if cost.added_percent:
        yield _line(row, group, ADDED.key, [cost.added_percent], page)


def _notes(table: str, outcome: UnihpeOutcome) -> list[str]:
    """How our numbers came about."""
    found = [NOTES[table]] if table in NOTES else []
    labels = sorted({run.aligned[""].label for run in outcome.of(WHOLE)})
    if table != "cost" and labels:
        found.append(f"Ours, decoded by: {'; '.join(labels)}. The paper does not say how it samples.")
    whole = next((v for v in outcome.config.variants if v.name == WHOLE), None)
    if whole is not None and isinstance(whole.model, AlignedConfig) and whole.model.preset != "paper":
        found.append(f"Ours has the {whole.model.preset} widths and fewer steps, not the paper's.")
    return found

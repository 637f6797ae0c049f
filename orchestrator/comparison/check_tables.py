"""The tables behind the verdicts: headroom per subset, what training did, and the repetition."""

from __future__ import annotations

import numpy as np
import polars as pl

from equipose.models.sensors.registry import letter_of
from equipose.orchestrator.comparison.judgements import Judgements
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.pipelines.statistics.subset_errors import in_size_order, subset_scores
from equipose.pipelines.tables.results_table import difference_cell
from equipose.pipelines.tables.table import Cell, Table, columns_named


def check_tables(judgements: Judgements) -> dict[str, Table]:
    """File name -> table, for what was measured."""
    tables = {"training": training_table(judgements)}
    if judgements.outcome.upper:
        tables["headroom"] = headroom_table(judgements)
    if judgements.outcome.again:
        tables["repetition"] = repetition_table(judgements)
    return tables


def headroom_table(judgements: Judgements) -> Table:
    """Per subset of sensors, plain training and what each upper reference changes."""
    sums = judgements.reference_sums
    assert sums is not None
    subsets = in_size_order(sums["subset"].unique(maintain_order=True))
    scores = subset_scores(sums).filter(pl.col("method") == REFERENCE)
    plain = dict(scores.select("subset", "mean").iter_rows())
    rows, names = [], list[str]()
    for subset in reversed(subsets):
        references = judgements.references(subset)
        assert references is not None
        found = {row["method"]: row for row in references.iter_rows(named=True)}
        names = names or list(found)
        cells = [difference_cell(found[name]) for name in names]
        state = judgements.headroom(subset)
        rows.append((Cell(text=subset), Cell(value=plain[subset]), *cells, Cell(text=str(state))))
    return Table(
        caption=judgements.outcome.caption("Headroom: what is there to win with these sensors at test"),
        columns=columns_named(("sensors", REFERENCE, *(f"Δ {name}" for name in names), "headroom")),
        rows=tuple(rows),
        notes=(
            "Δ: the reference minus plain training, same seeds and frames, with its 95 % interval; below 0 "
            "there is something to win.",
            "Joint head: trained on all sensors, as plain training's is. Refitted head: ridge regression "
            "from the features of just these sensors, its strength chosen on validation data.",
        ),
    )


def training_table(judgements: Judgements) -> Table:
    """Errors on training and test data, steps in and after the window, and what happened to each encoder."""
    outcome = judgements.outcome
    sensors = outcome.modalities
    letters = [letter_of(sensor) or sensor for sensor in sensors]
    rows = []
    for method in outcome.methods:
        runs = outcome.of(method)
        train = [run.result.training_mm for run in runs]
        gaps = [run.evaluation.mpjpe_mm - run.result.training_mm for run in runs]
        last = [run.result.history[-1] for run in runs]
        steps = [_mean([epoch[name] for epoch in last]) for name in ("steps/method", "steps/plain")]
        of_sensors = [
            _cell([_epoch_mean(run.result.series(name.format(sensor))) for run in runs], 2)
            for name in ("method/penalty_ratio/{}", "moved/{}")
            for sensor in sensors
        ]
        counts = [Cell(value=value, decimals=0) for value in steps]
        rows.append((Cell(text=method), _cell(train), _cell(gaps), *counts, *of_sensors))
    names = [f"{what} {letter}" for what in ("penalty / task", "moved") for letter in letters]
    return Table(
        caption=outcome.caption("Training: what was fitted, and how the encoders went"),
        columns=columns_named(
            ("method", "train MPJPE", "test − train", "steps with method", "steps without", *names)
        ),
        rows=tuple(rows),
        notes=(
            "train MPJPE: evaluation mode, on training rows, at the tested checkpoint.",
            "penalty / task: norm of the penalty's gradient against the task's, mean over the epochs that "
            "have one. moved: norm of the change of an encoder's weights in an epoch, mean over all epochs.",
        ),
    )


def repetition_table(judgements: Judgements) -> Table:
    """Every decided verdict, and what fresh seeds say of it."""
    rows = []
    for subset in judgements.questions:
        found = judgements.repetition(subset)
        for row in found.iter_rows(named=True) if found is not None else ():
            rows.append(
                (
                    Cell(text=row["method"]),
                    Cell(text=subset or "all sensors"),
                    Cell(text=row["judgement"]),
                    Cell(value=row["difference_mm"], signed=True),
                    Cell(text=row["again"]),
                    Cell(value=row["again_mm"], signed=True),
                    Cell(text=row["agreement"]),
                )
            )
    return Table(
        caption=judgements.outcome.caption("Decided verdicts, repeated once on fresh seeds"),
        columns=columns_named(
            ("method", "sensors", "judgement", f"Δ {REFERENCE}", "again", "Δ again", "agrees")
        ),
        rows=tuple(rows),
        notes=(repetition_words(judgements),),
    )


def repetition_words(judgements: Judgements) -> str:
    """`3 of 4 decided verdicts came out again on fresh seeds (1 with the same sign, not beyond chance)`."""
    tables = [judgements.repetition(subset) for subset in judgements.questions]
    answers = [answer for table in tables if table is not None for answer in table["agreement"]]
    weak = answers.count("same sign")
    more = f" ({weak} more with the same sign, not beyond chance)" if weak else ""
    return f"{answers.count('yes')} of {len(answers)} decided verdicts came out again on fresh seeds{more}."


def _epoch_mean(series: list[float]) -> float:
    """Mean over the epochs that have the metric; NaN where none has."""
    values = np.asarray(series, dtype=np.float64)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _mean(values: list[float]) -> float:
    return float(np.mean(values))


def _cell(values: list[float], decimals: int = 1) -> Cell:
    """Mean and deviation over seeds; blank where a method has no such number."""
    if not np.isfinite(values).all():
        return Cell()
    std = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Cell(value=_mean(values), std=std, n=len(values), decimals=decimals)

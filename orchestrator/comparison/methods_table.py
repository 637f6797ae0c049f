"""The main table of a comparison: every method with all sensors, and with one missing."""

from __future__ import annotations

import polars as pl

from equipose.models.sensors.registry import letter_of
from equipose.orchestrator.comparison.judgements import Judgements
from equipose.orchestrator.comparison.results import SettingOutcome
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.pipelines.statistics.comparison import method_errors
from equipose.pipelines.statistics.judgement import EXPLAINED
from equipose.pipelines.statistics.missing import ONE_MISSING, lacking_one, worst_cases
from equipose.pipelines.tables.results_table import results_table, score_rows
from equipose.pipelines.tables.table import Table

WORST = "worst case"
"""Header of the largest error over which one sensor is missing."""


def methods_table(judgements: Judgements) -> Table:
    """Errors with all sensors and without each, differences to plain with what follows, and costs."""
    outcome = judgements.outcome
    several = judgements.several
    table = results_table(
        pl.concat([*_full_scores(outcome), *_missing_scores(outcome)]),
        outcome.caption(f"Balancing methods, {outcome.setting.words}, test part"),
        comparison=judgements.judged() if several else None,
        others={name: judgements.judged(name) for name in judgements.questions if name} if several else {},
        costs=outcome.costs(),
        reference=REFERENCE,
        units=f"{outcome.cluster}s",
    )
    return table.with_notes(*notes(judgements)) if several else table


def _full_scores(outcome: SettingOutcome) -> list[pl.DataFrame]:
    fingerprint = outcome.runs[0].result.fingerprint
    return [
        score_rows(method_errors(outcome.errors(metric=metric)), column, fingerprint)
        for metric, column in (("mpjpe_mm", "MPJPE"), ("pa_mpjpe_mm", "PA-MPJPE"))
    ]


def _missing_scores(outcome: SettingOutcome) -> list[pl.DataFrame]:
    """A column per missing sensor, and the worst of them; none for models of one sensor."""
    lacking = lacking_one(outcome.sums["subset"].unique(maintain_order=True))
    if not lacking:
        return []
    fingerprint = outcome.runs[0].result.fingerprint
    columns = [
        score_rows(
            method_errors(outcome.errors(subset)), f"without {letter_of(sensor) or sensor}", fingerprint
        )
        for sensor, subset in lacking.items()
    ]
    worst = worst_cases(outcome.sums).group_by("method", maintain_order=True)
    errors = worst.agg(mean_mm=pl.col("error_mm").mean(), std_mm=pl.col("error_mm").std(), seeds=pl.len())
    return [*columns, score_rows(errors, WORST, fingerprint)]


def notes(judgements: Judgements) -> list[str]:
    """What the verdicts rest on: convergence, headroom, and what the words mean."""
    lines = evidence(judgements)
    if ONE_MISSING in judgements.questions:
        lines.append(f"{ONE_MISSING}: mean over which one sensor is missing at test; {WORST}: the largest.")
    lines.append(
        "under-trained: worse than plain training, and at least "
        f"{100 * EXPLAINED:.0f} % of the difference is there on training data too."
    )
    return lines


def evidence(judgements: Judgements) -> list[str]:
    """Whether the runs have converged, and whether there is anything to win; empty where not measured."""
    lines = []
    if judgements.convergence:
        lines.append(f"Convergence: {judgements.convergence.words}.")
    for subset in judgements.questions:
        headroom = judgements.headroom(subset)
        if headroom:
            lines.append(f"Headroom, {subset or 'all sensors'}: {HEADROOM_WORDS[headroom]}.")
    return lines


HEADROOM_WORDS = {
    "found": "there is something to win: encoders trained alone, or a refitted head, do better",
    "none": "nothing to win was found, so a method that changes nothing says nothing about balancing",
    "unclear": "the runs cannot tell whether there is anything to win",
}
"""Headroom -> what it means; see the table `headroom`."""

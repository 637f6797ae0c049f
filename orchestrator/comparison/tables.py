"""Every table of one setting of a comparison, by the name of its file."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from equipose.balancing.search_spaces import search_space
from equipose.orchestrator.comparison.check_tables import check_tables
from equipose.orchestrator.comparison.judgements import Judgements
from equipose.orchestrator.comparison.methods_table import methods_table
from equipose.orchestrator.comparison.results import labels
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.orchestrator.training.config import TrainConfig
from equipose.pipelines.statistics.subset_errors import recording_sums
from equipose.pipelines.statistics.subset_steps import alone_effects, step_effects
from equipose.pipelines.tables.subset_tables import (
    alone_table,
    group_table,
    joint_table,
    spread_table,
    step_table,
    subset_table,
)
from equipose.pipelines.tables.table import Table


def comparison_tables(judgements: Judgements) -> dict[str, Table]:
    """File name -> table: methods and their checks, then subsets, steps, sensors, actions, rooms, joints."""
    outcome = judgements.outcome
    units = f"{outcome.cluster}s"
    of_reference = outcome.sums.filter(pl.col("method") == REFERENCE)
    spreads = pl.concat(run.spread for run in outcome.runs)
    tables = {
        "methods": methods_table(judgements),
        **check_tables(judgements),
        "subsets": subset_table(outcome.sums, outcome.caption("Every subset of sensors")),
        "steps": step_table(
            step_effects(of_reference, cluster=outcome.cluster),
            outcome.caption("What each further sensor changes, plain training"),
            units=units,
        ),
        "spread": spread_table(spreads, outcome.caption("Spread of each sensor's predictions")),
        "joints": joint_table(outcome.joints, outcome.caption("Error per joint")),
    }
    for group in ("action", "environment"):
        title = outcome.caption(f"Error per {group}")
        tables[f"{group}s"] = group_table(outcome.sums, title, by=group)
    if outcome.alone:
        alone = pl.concat(recording_sums(labels(run.evaluation.frames, run)) for run in outcome.alone)
        tables["alone"] = alone_table(
            alone_effects(outcome.sums, alone, cluster=outcome.cluster),
            outcome.caption("Each sensor in the joint model, and trained alone"),
            units=units,
        )
    return tables


def tuned_row(config: TrainConfig) -> dict[str, float | str]:
    """What tuning may change of a run: `lr`, and the fields of its method's search space."""
    return {
        "lr": config.optimizer.lr,
        **{name: getattr(config.method, name) for name in search_space(config.method)},
    }


def tuned_frame(chosen: Mapping[str, TrainConfig]) -> pl.DataFrame:
    """What tuning chose per method: `method`, `setting` in words."""
    rows = {name: tuned_row(config) for name, config in chosen.items()}
    return pl.DataFrame(
        {
            "method": list(rows),
            "setting": [", ".join(f"{k} {v:.3g}" for k, v in row.items()) for row in rows.values()],
        }
    )

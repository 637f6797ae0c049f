"""What one more sensor does to models trained from scratch: the paper's claim that adding one can hurt."""

from __future__ import annotations

import polars as pl

from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.paper.results import Finished
from equipose.pipelines.paper.awc import METHODS
from equipose.pipelines.statistics.comparison import resampled_unit
from equipose.pipelines.statistics.subset_errors import recording_sums
from equipose.pipelines.statistics.subset_steps import step_effects
from equipose.pipelines.tables.subset_tables import step_table
from equipose.pipelines.tables.table import Caption, Table

TITLE = "What one more sensor changes, each model trained from scratch"


def sensor_steps(finished: Finished) -> Table | None:
    """Every model of the table of combinations against those of one sensor less; None without that table.

    Tested over seeds and test people, Holm-corrected over all steps, see `statistics.subset_steps`.
    """
    specs = [
        spec
        for position, several in finished.plan.items()
        if position.table == "modalities"
        for spec in several
    ]
    if len({spec.config.model.modalities for spec in specs}) < 2:
        return None
    sums = pl.concat(_sums(spec, finished) for spec in specs)
    cluster = resampled_unit(sums["subject"].n_unique())
    whole = max(specs, key=lambda spec: len(spec.config.model.modalities))
    caption = Caption(
        title=TITLE,
        provenance=finished.provenance,
        protocol=whole.config.data.protocol,
        split=whole.config.data.split,
        frames=finished.evaluation(whole).report.num_samples,
        fingerprint=finished.results[whole.name].fingerprint,
    )
    return step_table(step_effects(sums, cluster=cluster), caption, units=f"{cluster}s")


def _sums(spec: RunSpec, finished: Finished) -> pl.DataFrame:
    """Error sums of a model with all its sensors, which name the subset."""
    evaluation = finished.evaluation(spec)
    frames = evaluation.frames.filter(pl.col("subset") == evaluation.full)
    return recording_sums(
        frames.with_columns(method=pl.lit(METHODS["plain"]), seed=pl.lit(spec.config.seed, dtype=pl.Int64))
    )

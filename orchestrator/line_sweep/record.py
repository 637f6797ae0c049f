"""What a search has found, on the parent run of its sweep: numbers, tables and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping

from matplotlib.figure import Figure

from equipose.orchestrator.line_sweep.config import LineSweep
from equipose.orchestrator.line_sweep.results import Swept
from equipose.orchestrator.sweep.trial import SweepLocation
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.training.config import to_json
from equipose.pipelines.figures import parallel_coordinates, sweep_history
from equipose.pipelines.files.path_safety import file_name


def record_search(
    swept: Swept, config: LineSweep, location: SweepLocation, metrics: Mapping[str, float] | None = None
) -> None:
    """Log the best trial and its error, all trials, the settings and the figures. metrics: others besides."""
    tracking = location.tracking
    with RunLogger(tracking.uri, tracking.parent_run, location.folder.outbox / "parent") as logger:
        best = swept.best
        numbers = {swept.objective: best[swept.objective][0], **(metrics or {})}
        # A point is logged once; the numbers of a sweep with more trials need a step of their own.
        logger.log_metrics(numbers, step=len(swept.finished))
        logger.set_tags({"best_trial": best["trial"][0]})
        logger.log_artifact(swept.trials.write_csv(), "tables/trials.csv")
        logger.log_artifact(best.write_csv(), "tables/best.csv")
        logger.log_artifact(json.dumps(to_json(config.base), indent=2), "config.json")
        for name, figure in search_figures(swept, config).items():
            logger.log_figure(figure, f"figures/{name}.png")


def search_figures(swept: Swept, config: LineSweep) -> dict[str, Figure]:
    """Name -> figure: of every search with dials its history, and its dials against the error."""
    figures = {}
    for search in config.searches():
        rows = swept.of(search)
        if search.dials and rows:
            slug = file_name(search.name)
            figures[f"history-{slug}"] = sweep_history(rows, swept.objective, swept.provenance)
            figures[f"dials-{slug}"] = parallel_coordinates(rows, swept.objective, swept.provenance)
    return figures

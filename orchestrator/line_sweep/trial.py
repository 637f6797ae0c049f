"""What Tune runs for each trial of a sweep of lines: its runs one after the other, reported run by run.

A run is a kept one of the grid: what trials have in common (the first task, where the method joins late; the
first stage) is trained once, and an interrupted trial goes on inside the run that it had reached. A run with
one worker is trained in the trial's own process, one with several on Ray Train
(`equipose.orchestrator.grid.launch`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ray import tune

from equipose.orchestrator.grid.run_one import RunsFolder, work_on
from equipose.orchestrator.line_sweep.config import LineSweep
from equipose.orchestrator.sweep.trial import NUMBER, RUN, SweepLocation, tried_once
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import create_run, flatten_config
from equipose.orchestrator.training.logged_run import HAND_OVER_SECONDS, PATIENCE
from equipose.pipelines.files.path_safety import file_name

SEARCH = "search"
"""Key of the search's name beside the searched dials."""


def trial_name(search: str, number: int) -> str:
    """Such as `ewc-003`: the number in the search's own study."""
    return f"{file_name(search)}-{number:03d}"


def searched(point: Mapping[str, Any]) -> dict[str, Any]:
    """The dials of a trial's config."""
    return {name: value for name, value in point.items() if name not in (NUMBER, RUN, SEARCH)}


def run_of(point: Mapping[str, Any], config: LineSweep, location: SweepLocation) -> str:
    """Id of a trial's MLflow run, created on the first call."""
    name, values = trial_name(point[SEARCH], point[NUMBER]), searched(point)
    last = config.runs(point[SEARCH], values)[-1].config
    return create_run(
        location.tracking.uri,
        location.tracking.experiment,
        name,
        key=location.key(name),
        parent=location.tracking.parent_run,
        tags={**location.tracking.tags, "trial_id": name, **config.tags(point[SEARCH], values)},
        params=flatten_config(last, omit=("data.store", "data.split", "earlier_tasks"))
        | {f"sweep.{key}": str(value) for key, value in values.items()},
    )


def run_line_trial(
    point: dict[str, Any], *, config: LineSweep, runs: RunsFolder, location: SweepLocation
) -> None:
    """Train the line of one point. After every run Tune is told the objective; NaN where there is none."""
    name = trial_name(point[SEARCH], point[NUMBER])
    run_id = point[RUN] or run_of(point, config, location)
    specs = config.runs(point[SEARCH], searched(point))
    place = location.folder.outbox / name
    with tried_once(location.given_up / name), _logger(location.tracking.uri, run_id, place) as logger:
        before = 0
        for position, spec in enumerate(specs, 1):
            result = work_on(spec, runs)
            value, prefix = config.value(result), config.prefix(spec)
            for epoch, metrics in enumerate(result.history):
                named = {f"{prefix}{metric}": number for metric, number in metrics.items()}
                logger.log_metrics(named, step=before + epoch)
            done = position if math.isfinite(value) else len(specs)
            if done < len(specs) and not config.grows:
                value = math.nan
            else:
                logger.log_metrics({config.objective: value}, step=before + len(result.history) - 1)
            before += spec.config.epochs
            tune.report({"epoch": done, config.objective: value})
            if done == len(specs):
                return


@contextlib.contextmanager
def _logger(uri: str, run_id: str, outbox: Path) -> Iterator[RunLogger]:
    """The trial's logger, which leaves to the job what it has not delivered; an error leaves the run open."""
    logger = RunLogger(uri, run_id, outbox, patience=PATIENCE, first_delivery=HAND_OVER_SECONDS)
    try:
        yield logger
    except BaseException:
        logger.close(0.0)
        raise
    logger.finish(timeout=0.0)

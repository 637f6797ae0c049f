"""What Tune runs for each trial of a sweep of streams: the tasks one after the other, reported task by task.

A task is a kept run of the grid: what trials have in common (the first task, where the method joins late) is
trained once, and an interrupted trial goes on inside the task that it had reached. A run with one worker is
trained in the trial's own process, one with several on Ray Train (`equipose.orchestrator.grid.launch`).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ray import tune

from equipose.orchestrator.continual.config import file_name
from equipose.orchestrator.grid.run_one import RunsFolder, work_on
from equipose.orchestrator.grid.run_spec import RunResult
from equipose.orchestrator.stream_sweep.config import OBJECTIVE, StreamSweepConfig
from equipose.orchestrator.sweep.trial import NUMBER, RUN, SweepLocation, tried_once
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import create_run, flatten_config
from equipose.orchestrator.training.logged_run import HAND_OVER_SECONDS, PATIENCE

STRATEGY = "strategy"
"""Key of the strategy's name beside the searched dials."""


def trial_name(strategy: str, number: int) -> str:
    """Such as `ewc-003`: the number in the strategy's own study."""
    return f"{file_name(strategy)}-{number:03d}"


def searched(point: Mapping[str, Any]) -> dict[str, float]:
    """The dials of a trial's config."""
    return {name: value for name, value in point.items() if name not in (NUMBER, RUN, STRATEGY)}


def validation_so_far(result: RunResult) -> float:
    """Mean error over the validation parts of the tasks learnt so far, mm; infinite for a run that diverged.

    Every task counts alike, however many frames it has.
    """
    last = result.history[-1]
    if "val/mpjpe_mm" not in last:
        return math.inf
    earlier = [v for name, v in last.items() if name.startswith("task/") and name.endswith("/val/mpjpe_mm")]
    return sum([*earlier, last["val/mpjpe_mm"]]) / (len(earlier) + 1)


def run_of(point: Mapping[str, Any], config: StreamSweepConfig, location: SweepLocation) -> str:
    """Id of a trial's MLflow run, created on the first call."""
    name, values = trial_name(point[STRATEGY], point[NUMBER]), searched(point)
    last = config.runs(point[STRATEGY], values)[-1].config
    return create_run(
        location.tracking.uri,
        location.tracking.experiment,
        name,
        key=location.key(name),
        parent=location.tracking.parent_run,
        tags={**location.tracking.tags, "trial_id": name, "strategy": point[STRATEGY]},
        params=flatten_config(last, omit=("data.store", "data.split", "earlier_tasks"))
        | {f"sweep.{key}": str(value) for key, value in values.items()},
    )


def run_stream_trial(
    point: dict[str, Any], *, config: StreamSweepConfig, runs: RunsFolder, location: SweepLocation
) -> None:
    """Learn the stream of one point. After every task Tune is told the error on all tasks so far."""
    name = trial_name(point[STRATEGY], point[NUMBER])
    run_id = point[RUN] or run_of(point, config, location)
    specs = config.runs(point[STRATEGY], searched(point))
    place = location.folder.outbox / name
    with tried_once(location.given_up / name), _logger(location.tracking.uri, run_id, place) as logger:
        before = 0
        for position, spec in enumerate(specs):
            result = work_on(spec, runs)
            value = validation_so_far(result)
            _log(logger, result.history, value, before)
            before += spec.config.epochs
            done = position + 1 if math.isfinite(value) else len(specs)
            tune.report({"epoch": done, OBJECTIVE: value})
            if done == len(specs):
                return


def _log(logger: RunLogger, history: Sequence[Mapping[str, float]], value: float, before: int) -> None:
    """The curves of a task, over the epochs of the whole stream, and the objective at its end."""
    for epoch, metrics in enumerate(history):
        logger.log_metrics(metrics, step=before + epoch)
    logger.log_metrics({OBJECTIVE: value}, step=before + len(history) - 1)


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

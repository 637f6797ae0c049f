"""Train the remaining epochs of a run, logging and keeping each; on Ray Train or in one process."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from equipose.orchestrator.tracking.run_logger import FINISH_SECONDS, RunLogger
from equipose.orchestrator.tracking.runs import Tracked
from equipose.orchestrator.training.config import TrainConfig, to_json
from equipose.orchestrator.training.loop import EpochResult, fit
from equipose.orchestrator.training.state import Training

PATIENCE = 90.0
"""Seconds that an attempt waits for the one before: workers of a lost node live on for a while."""
HAND_OVER_SECONDS = 10.0
"""Until a run that hands over delivers itself; the job delivers what a shorter one leaves."""
MAX_NOTE = 2000
"""Characters; MLflow refuses tags above 8000 bytes."""


def run_epochs(
    training: Training,
    config: TrainConfig,
    tracked: Tracked | None,
    keep: Callable[[EpochResult], None],
    notes: Sequence[str] = (),
) -> None:
    """Train to the end; `keep` is called after every epoch, when the state is complete.

    notes: on checkpoints that were skipped when resuming, for the tag `recovered`. The metrics of an epoch
    are on disk before its checkpoint, so a run that is killed after the checkpoint has lost none.
    """
    with _logging(tracked, training) as logger:
        if logger:
            logger.log_artifact(json.dumps(to_json(config), indent=2), "config.json")
            if notes:
                logger.set_tags({"recovered": "\n".join(notes)[:MAX_NOTE]})
        for result in fit(training):
            if logger:
                logger.log_metrics(result.metrics, step=result.epoch)
            keep(result)


@contextlib.contextmanager
def _logging(tracked: Tracked | None, training: Training) -> Iterator[RunLogger | None]:
    """The first rank's logger; an error leaves the MLflow run open for the attempt that resumes it."""
    if tracked is None or not training.ranks.first:
        yield None
        return
    # Validation needs it, and it imports SciPy. So does MLflow, which the logger's thread imports when it
    # first delivers: two threads that import SciPy at once can take it from each other (KeyError: 'scipy').
    importlib.import_module("equipose.models.metrics")
    wait, first = (0.0, HAND_OVER_SECONDS) if tracked.hand_over else (FINISH_SECONDS, 0.0)
    outbox = Path(tracked.outbox)
    logger = RunLogger(tracked.uri, tracked.run_id, outbox, patience=PATIENCE, first_delivery=first)
    try:
        yield logger
    except BaseException:
        logger.close(wait)
        raise
    logger.finish(timeout=wait)

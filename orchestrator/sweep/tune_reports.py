"""Reports the epochs of a Ray Train run to Tune, within a trial.

Ray's own `TuneReportCallback` lets the trial's main thread pass the epochs on, which waits for ever when the
function returns before its last epoch is passed on: its end then fills the queue that the epoch needs (seen
with short epochs on a busy machine, Ray 2.60). Here a thread reports, and the function waits for it.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from ray import tune
from ray.train import UserCallback
from ray.util.queue import Queue


class EpochReports(UserCallback):
    """Runs in Ray Train's controller and puts the first rank's metrics of every epoch into a queue."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        """An epoch has ended on all ranks."""
        self._queue.put(dict(metrics[0]))


@contextlib.contextmanager
def reported_to_tune() -> Iterator[EpochReports]:
    """The callback for a Ray Train run; when the block ends, Tune has every epoch."""
    queue = Queue(actor_options={"num_cpus": 0})
    thread = threading.Thread(target=_pass_on, args=(queue,), name="epochs-to-tune", daemon=True)
    thread.start()
    try:
        yield EpochReports(queue)
    finally:
        queue.put(None)
        thread.join()
        queue.shutdown()


def _pass_on(queue: Queue) -> None:
    """Report until None arrives; Tune ends the thread when it stops the trial."""
    while (metrics := queue.get()) is not None:
        tune.report(metrics)

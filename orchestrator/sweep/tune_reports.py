"""Reports the epochs of a Ray Train run to Tune, within a trial."""

from __future__ import annotations

from typing import Any

from ray import tune
from ray.train import UserCallback


class EpochReports(UserCallback):
    """Tells Tune the first rank's metrics of every epoch; runs in the trial's own process.

    Ray's own `TuneReportCallback` sends the epochs from a controller elsewhere through a queue, which is a
    process more, and waits for ever where the trial's function returns before its last epoch is passed on
    (seen with short epochs on a busy machine, Ray 2.60).
    """

    def after_report(self, run_context: Any, metrics: list[dict[str, Any]], checkpoint: Any) -> None:
        """An epoch has ended on all ranks; raises SystemExit where Tune stops the trial after it."""
        tune.report(dict(metrics[0]))

"""How long training waits for logging: the clock around `RunLogger`, put into the trials of a sweep.

The trials run in processes of their own, so the clock travels with the function that Tune runs per trial.
Nothing else about them changes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equipose.orchestrator.cluster.capacity import Resources
    from equipose.orchestrator.sweep.trial import SweepLocation

LOGGER_CALLS = (
    "__init__",
    "log_metrics",
    "set_tags",
    "log_artifact",
    "log_figure",
    "finish",
    "close",
)
"""All that a run calls; `finish` waits until the server has everything."""
FILE = "logging-time.json"
"""Beside a run's checkpoints."""


class Stopwatch:
    """Time inside functions, on one thread; a call within a call counts once."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed."""

        @functools.wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            self._depth += 1
            began = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.seconds += time.perf_counter() - began

        return timed


@dataclass(frozen=True, kw_only=True)
class TrialTimes:
    """Where the time of one trial that ran to its end went, in seconds on the wall."""

    trial_s: float
    """Whole trial, from the start of its function in Tune's process."""
    create_s: float
    """Of these, making its MLflow run, where the driver has not made it."""
    start_s: float
    """From there to the first line of the training worker: Ray Train starts its processes."""
    import_s: float
    """Importing torch and this project in the worker."""
    worker_s: float
    """The training worker's function after its imports: data, model, epochs, checkpoints, logging."""
    logging_s: float
    """Of those, in logging calls; all that the training thread waits for."""
    ending_s: float
    """Of those again, in the last call, which waits until the server has everything."""


def timed_trial(point: dict[str, Any], *, resources: Resources, location: SweepLocation) -> None:
    """`equipose.orchestrator.sweep.trial.run_trial` with a clock in it; runs in Tune's process."""
    from ray import tune

    from equipose.orchestrator.ray_train import run as runs
    from equipose.orchestrator.sweep import trial

    began = time.time()
    making = Stopwatch()
    trial.create_run = making.around(trial.create_run)
    runs._train_worker = timed_worker
    trial.run_trial(point, resources=resources, location=location)
    ended = time.time()
    path = location.train_path / tune.get_context().get_trial_name() / FILE
    worker = json.loads(path.read_text())
    times = TrialTimes(
        trial_s=ended - began,
        create_s=making.seconds,
        start_s=worker["called"] - began - making.seconds,
        import_s=worker["import_s"],
        worker_s=worker["worker_s"],
        logging_s=worker["logging_s"],
        ending_s=worker["ending_s"],
    )
    path.write_text(json.dumps(vars(times)))


def timed_worker(payload: dict[str, Any]) -> dict[str, float]:
    """`equipose.orchestrator.ray_train.worker.train_worker` with a clock around every call of its logger."""
    called, began = time.time(), time.perf_counter()
    from equipose.orchestrator.ray_train.worker import train_worker
    from equipose.orchestrator.tracking.run_logger import RunLogger

    logging, ending = Stopwatch(), Stopwatch()
    RunLogger.finish = ending.around(RunLogger.finish)  # type: ignore[method-assign]
    for name in LOGGER_CALLS:
        setattr(RunLogger, name, logging.around(getattr(RunLogger, name)))
    imported = time.perf_counter()
    metrics = train_worker(payload)
    seconds = {
        "called": called,
        "import_s": imported - began,
        "worker_s": time.perf_counter() - imported,
        "logging_s": logging.seconds,
        "ending_s": ending.seconds,
    }
    (Path(payload["folder"]) / FILE).write_text(json.dumps(seconds))
    return metrics


@contextlib.contextmanager
def timed_sweeps() -> Iterator[Stopwatch]:
    """Trials of sweeps inside the block have the clock; yields the driver's, for making MLflow runs."""
    from equipose.orchestrator.sweep import run, trial

    originals = run.run_trial, trial.create_run
    making = Stopwatch()
    run.run_trial, trial.create_run = timed_trial, making.around(trial.create_run)
    try:
        yield making
    finally:
        run.run_trial, trial.create_run = originals


def read_times(root: Path) -> list[TrialTimes]:
    """Of every trial of the sweep in `root` that ran to its end; ASHA's kill leaves the others half timed."""
    found = [json.loads(path.read_text()) for path in sorted(root.glob(f"train/*/*/{FILE}"))]
    wanted = {field.name for field in fields(TrialTimes)}
    return [TrialTimes(**times) for times in found if times.keys() == wanted]


def share_of_worker(times: list[TrialTimes]) -> float:
    """Per cent of the training workers' summed time that was spent in logging calls."""
    return 100 * sum(t.logging_s for t in times) / sum(t.worker_s for t in times)


def share_of_trial(times: list[TrialTimes]) -> float:
    """Per cent of the trials' summed time that was spent in logging calls and in making their MLflow runs."""
    return 100 * sum(t.logging_s + t.create_s for t in times) / sum(t.trial_s for t in times)


def medians(times: list[TrialTimes]) -> dict[str, float]:
    """Field -> median over trials."""
    return {f.name: statistics.median(getattr(t, f.name) for t in times) for f in fields(TrialTimes)}

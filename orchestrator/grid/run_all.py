"""Many runs side by side on Ray: a task per run, which Ray places, restarts and moves off dead nodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import ray

from equipose.orchestrator.checkpoints.folder import CheckpointFolder
from equipose.orchestrator.cluster.capacity import TRIAL_CPUS
from equipose.orchestrator.failures import FailedRunsError
from equipose.orchestrator.grid.launch import trains_in_process
from equipose.orchestrator.grid.run_one import TRAIN, RunsFolder, result_of, work_on
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.grid.waiting import WaitingRuns
from equipose.orchestrator.ray_train.parent_watch import end_with_parent

RETRIES = 3
"""How often a run whose process died starts again, from its newest checkpoint. Processes that Ray ends for
lack of memory are counted separately, see `session.QUIET`."""

LOOK_SECONDS = 10.0
"""Pause between two looks at how far the runs are."""

OnEpoch = Callable[[RunSpec, int], None]
"""Called with a running run and how many epochs it has trained, when a look finds more than before."""
OnChange = Callable[[RunSpec, str, RunResult | None], None]
"""Called with a run and its state: `waiting`, `kept` (had ended before), `running`, `done` or `failed`."""


def run_grid(
    specs: Sequence[RunSpec],
    runs: RunsFolder,
    concurrency: int,
    on_change: OnChange,
    on_epoch: OnEpoch = lambda spec, epochs: None,
) -> dict[str, RunResult]:
    """Bring every run to its end, `concurrency` at a time, in their order; name -> result.

    Runs that have ended are not repeated, and runs with the same key are trained once. A run that starts at
    another's end waits for it, so that one is in the list too, or has ended. Raises FailedRunsError once all
    others have ended if some have failed (those that wait for one are not started), ValueError when two have
    the same name or a run waits for one that is not there.
    """
    names = [spec.name for spec in specs]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ValueError(f"runs {double} are there twice; give every run its own name")
    results: dict[str, RunResult] = {}
    left: list[RunSpec] = []
    for spec in specs:
        if result_of(spec, runs) is None:
            on_change(spec, "waiting", None)
            left.append(spec)
        else:
            results[spec.name] = work_on(spec, runs)
            on_change(spec, "kept", results[spec.name])
    fresh, errors = _run_left(left, runs, concurrency, on_change, on_epoch)
    if errors:
        raise FailedRunsError(errors)
    results |= fresh
    return {name: results[name] for name in names}


def _run_left(
    specs: list[RunSpec], runs: RunsFolder, concurrency: int, on_change: OnChange, on_epoch: OnEpoch
) -> tuple[dict[str, RunResult], dict[str, Exception]]:
    """Keep no more tasks in flight than may run, so that a cluster's other users are not queued behind them.

    After Ctrl-C they end with this job's connection to Ray. They are not cancelled: Ray 2.60 ends the driver
    when a task that it cancels completes at that moment.
    """
    waiting = WaitingRuns(specs, runs.key, lambda spec: result_of(spec, runs) is not None)
    flying = dict[ray.ObjectRef[Any], RunSpec]()
    results: dict[str, RunResult] = {}
    errors: dict[str, Exception] = {}
    seen: dict[str, int] = {}
    looked = time.monotonic()
    # What a run raises it would raise again, so only dead processes are retried.
    task = ray.remote(max_retries=RETRIES, retry_exceptions=False)(_work_on)
    while waiting or flying:
        while len(flying) < concurrency and (spec := waiting.take()):
            on_change(spec, "running", None)
            flying[task.options(**_options(spec, runs)).remote(spec, runs)] = spec
        done, _ = ray.wait(list(flying), num_returns=1, timeout=LOOK_SECONDS)
        if time.monotonic() - looked >= LOOK_SECONDS:
            _look([spec for ready, spec in flying.items() if ready not in done], runs, seen, on_epoch)
            looked = time.monotonic()
        if not done:
            continue
        (ready,) = done
        spec = flying.pop(ready)
        failed = False
        try:
            results[spec.name] = ray.get(ready)
            on_change(spec, "done", results[spec.name])
        except ray.exceptions.RayError as error:
            errors[spec.name], failed = error, True
            on_change(spec, "failed", None)
        waiting.end(spec, failed=failed)
    return results, errors


def _look(running: Iterable[RunSpec], runs: RunsFolder, seen: dict[str, int], on_epoch: OnEpoch) -> None:
    """Tell of runs that have trained more epochs than were seen; those on Ray Train keep no count here."""
    for spec in filter(trains_in_process, running):
        epochs = CheckpointFolder(runs.folder(spec) / TRAIN).epochs
        if epochs > seen.get(spec.name, 0):
            seen[spec.name] = epochs
            on_epoch(spec, epochs)


def _options(spec: RunSpec, runs: RunsFolder) -> dict[str, float]:
    """What the task of a run takes; one whose run is on Ray Train only waits for it."""
    if not trains_in_process(spec):
        return {"num_cpus": TRIAL_CPUS, "num_gpus": 0}
    return {"num_cpus": runs.resources.cpus_per_worker, "num_gpus": 1 if runs.resources.gpu else 0}


def _work_on(spec: RunSpec, runs: RunsFolder) -> RunResult:
    end_with_parent()
    return work_on(spec, runs)

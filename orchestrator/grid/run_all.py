"""Many cells side by side on Ray: a task per cell, which Ray places, restarts and moves off dead nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ray

from equipose.orchestrator.cluster.capacity import TRIAL_CPUS
from equipose.orchestrator.failures import FailedCellsError
from equipose.orchestrator.grid.run_one import RunsFolder, result_of, work_on
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.ray_train.parent_watch import end_with_parent

RETRIES = 3
"""How often a cell whose process died starts again, from its newest checkpoint. A process that Ray ends for
lack of memory is counted apart, see `session.QUIET`."""

OnChange = Callable[[RunSpec, str, RunResult | None], None]
"""Hears of a cell: `waiting`, `kept` (had ended before), `running`, `done` or `failed`."""


def run_grid(
    cells: Sequence[RunSpec], place: RunsFolder, concurrency: int, on_change: OnChange
) -> dict[str, RunResult]:
    """Bring every cell to its end, `concurrency` at a time, in their order; cell name -> result.

    Cells that have ended are not repeated, and cells with one identity are trained once. Raises
    FailedCellsError when all are through and some have failed, ValueError when two cells have one name.
    """
    names = [cell.name for cell in cells]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ValueError(f"cells {double} are there twice; give every cell a name of its own")
    results: dict[str, RunResult] = {}
    left: list[RunSpec] = []
    for cell in cells:
        if result_of(cell, place) is None:
            on_change(cell, "waiting", None)
            left.append(cell)
        else:
            results[cell.name] = work_on(cell, place)
            on_change(cell, "kept", results[cell.name])
    fresh, errors = _run_left(left, place, concurrency, on_change)
    if errors:
        raise FailedCellsError(errors)
    results |= fresh
    return {name: results[name] for name in names}


def _run_left(
    cells: list[RunSpec], place: RunsFolder, concurrency: int, on_change: OnChange
) -> tuple[dict[str, RunResult], dict[str, Exception]]:
    """No more tasks are in flight than may run, so a cluster's other users are not queued behind them.

    After Ctrl-C they end with this job's connection to Ray. They are not cancelled: Ray 2.60 ends the driver
    when a task that it cancels completes at that moment.
    """
    waiting, flying = list(cells), dict[ray.ObjectRef[Any], RunSpec]()
    results: dict[str, RunResult] = {}
    errors: dict[str, Exception] = {}
    task = _task(place)
    while waiting or flying:
        while waiting and len(flying) < concurrency:
            cell = waiting.pop(0)
            on_change(cell, "running", None)
            flying[task.remote(cell, place)] = cell
        (ready,), _ = ray.wait(list(flying), num_returns=1)
        cell = flying.pop(ready)
        try:
            results[cell.name] = ray.get(ready)
            on_change(cell, "done", results[cell.name])
        except ray.exceptions.RayError as error:
            errors[cell.name] = error
            on_change(cell, "failed", None)
    return results, errors


def _task(place: RunsFolder) -> Any:
    """`work_on` as a Ray task; a cell with several workers only waits for its Ray Train run."""
    resources = place.resources
    alone = resources.workers == 1
    return ray.remote(
        num_cpus=resources.cpus_per_worker if alone else TRIAL_CPUS,
        num_gpus=1 if alone and resources.gpu else 0,
        max_retries=RETRIES,
        retry_exceptions=False,  # what a cell raises it would raise again
    )(_work_on)


def _work_on(cell: RunSpec, place: RunsFolder) -> RunResult:
    end_with_parent()
    return work_on(cell, place)

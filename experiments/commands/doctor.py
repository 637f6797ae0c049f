"""`equipose doctor`: find what would hang, fail or run out before anything starts."""

from __future__ import annotations

from pathlib import Path

from equipose.experiments.presets.names import DEFAULT_OUT


def doctor(out: Path = DEFAULT_OUT, workers: int = 1, gpu: bool = False, store: str | None = None) -> None:
    """Check machine, Ray, MLflow and data, and say what to fix; exit status 1 if a job would not work.

    Args:
        out: Results folder of the planned jobs.
        workers: Ray Train workers per run (DDP ranks).
        gpu: Whether every worker needs a GPU.
        store: Path or URI of a prepared store to check as well.
    """
    from equipose.experiments.jobs.preflight import report
    from equipose.orchestrator.doctor.checks import Wanted
    from equipose.orchestrator.doctor.examine import examine

    wanted = Wanted(workers=workers, gpu=gpu)
    report(examine(out.resolve(), wanted, store), wanted)

"""`equipose doctor`: what would hang, fail or run out, said before anything starts."""

from __future__ import annotations

from pathlib import Path

from equipose.experiments.jobs.preflight import report
from equipose.experiments.jobs.records import DEFAULT_OUT


def doctor(out: Path = DEFAULT_OUT, workers: int = 1, gpu: bool = False, store: str | None = None) -> None:
    """Look at machine, Ray, MLflow and data, and say what to do; exit status 1 where a job would not work.

    Args:
        out: Results folder of the jobs to come.
        workers: Ray Train workers per run (DDP ranks).
        gpu: Whether every worker is to have a GPU.
        store: Path or URI of a prepared store, to be looked at too.
    """
    from equipose.orchestrator.doctor.checks import Wanted
    from equipose.orchestrator.doctor.examine import examine

    wanted = Wanted(workers=workers, gpu=gpu)
    report(examine(out.resolve(), wanted, store), wanted)

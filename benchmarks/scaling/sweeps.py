"""What a sweep costs as trials grow: tiny trials, so that what surrounds the training is what is seen."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.scaling.curves import Curve, Panel
from equipose.experiments.presets.sizes import PRESETS
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.jobs.location import JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.sweep.config import SearchSpace, SweepConfig
from equipose.orchestrator.sweep.job import run_sweep_job
from equipose.orchestrator.training.config import TrainConfig

TRIALS = (2, 4, 8, 16)


def trials_panel(base: TrainConfig, trials: tuple[int, ...] = TRIALS) -> Panel:
    """Whole jobs, wall time: Ray and MLflow up, trials, evaluation on the test part, figures, down."""
    curves = tuple(
        Curve(
            name=f"{concurrency} at a time",
            x=trials,
            seconds=tuple(timed_sweep(base, count, concurrency) for count in trials),
        )
        for concurrency in (1, 2)
    )
    return Panel(title="One sweep", over="trials", curves=curves)


def timed_sweep(base: TrainConfig, trials: int, concurrency: int) -> float:
    """Seconds from start to end."""
    preset = PRESETS["smoke"]
    config = SweepConfig(
        name=f"scaling-{trials}-{concurrency}",
        base=base,
        awc=preset.awc,
        paper_window=preset.paper_window,
        space=SearchSpace(window=preset.window, fusion=("concat",)),
        trials=trials,
        grace_epochs=preset.grace_epochs,
        resources=Resources(cpus_per_worker=1.8 / concurrency),
        concurrency=concurrency,
    )
    with tempfile.TemporaryDirectory() as folder, JobProgress(mode="quiet") as progress:
        start = time.perf_counter()
        run_sweep_job(config, JobLocation(out=Path(folder)), progress)
        return time.perf_counter() - start

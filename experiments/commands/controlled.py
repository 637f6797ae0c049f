"""`equipose controlled`, `experiments/controlled_imbalance.py`: does joint training starve a weak sensor?

A controlled experiment on simulated data; its results are in docs/imbalance.md.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from equipose.experiments.presets.names import DEFAULT_OUT, USUAL_WEAK, ImbalancePresetName, WeakSensorName

if TYPE_CHECKING:
    from equipose.orchestrator.imbalance.job import ImbalanceOutcome


def controlled(
    preset: ImbalancePresetName = "quick",
    weak: WeakSensorName = USUAL_WEAK,
    methods: tuple[str, ...] = (),
    seeds: int | None = None,
    epochs: int | None = None,
    lr: float | None = None,
    out: Path = DEFAULT_OUT,
    workers: int = 1,
    gpu: bool = False,
    store: tuple[str, ...] = (),
    sensors: tuple[str, ...] = (),
    quiet: bool = False,
) -> None:
    """Weaken one simulated sensor level by level, train all levels alike, and decide which claims hold.

    Finished runs are kept in `out`; the same command again continues where it stopped.

    Args:
        preset: `smoke` (a minute, shows nothing) or `quick` (the experiment of docs/imbalance.md).
        weak: The sensor that is weakened: `mmwave`, at first as good as `rgb` and `lidar` beside it, or
            `wifi`, which beside `lidar` and `mmwave` tells little of people whom it has not seen.
        methods: Instead of the preset's; `plain` is always included. `weak_dropout` (modality dropout of the
            weakened sensor alone) and `weak_awc` (AWC on the weak sensors in place of the strong ones) are
            known here only.
        seeds: How many, counted from 0.
        epochs: Instead of the preset's number; schedules keep their share.
        lr: Learning rate of all runs instead of the preset's.
        out: Results folder; jobs may share it, and equal runs are trained once.
        workers: Ray Train workers per run (DDP ranks).
        gpu: Give every worker a GPU.
        store: Prepared stores of the levels, the control first, in place of simulating them.
        sensors: Of the joint models, with the weak one, instead of those above.
        quiet: Print only the tables.
    """
    from equipose.experiments.jobs.preflight import stop_at_problems, wanted_by
    from equipose.experiments.presets.imbalance import (
        IMBALANCE,
        ControlledOptions,
        given_levels,
        imbalance_config,
        level_stores,
    )
    from equipose.orchestrator.imbalance.config import Level
    from equipose.orchestrator.imbalance.job import run_imbalance_job
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress

    options = ControlledOptions(
        preset=preset,
        weak=weak,
        methods=methods,
        seeds=seeds,
        epochs=epochs,
        lr=lr,
        workers=workers,
        gpu=gpu,
        sensors=sensors,
        stores=store,
    )
    given = given_levels(weak, store)
    # Refuses bad options before simulating.
    base = imbalance_config(options, given or (Level(name="unknown", store=""),)).base
    out = out.resolve()
    stop_at_problems(out, wanted_by(base, workers=workers, gpu=gpu))
    progress = JobProgress(noun="runs", mode="quiet" if quiet else None)
    with progress:
        progress.stage("opening every level" if given else "simulating every level")
        config = imbalance_config(options, given or level_stores(IMBALANCE[preset], weak, out))
        outcome = run_imbalance_job(config, JobLocation(out=out), progress, gpu=gpu)
    print_outcome(outcome)


def print_outcome(outcome: ImbalanceOutcome) -> None:
    """Print the claims of every level, the error of every sensor alone, and where the files are."""
    import polars as pl

    from equipose.experiments.jobs.console import wide_console
    from equipose.pipelines.tables.formats import to_rich

    console = wide_console()
    for table in outcome.tables:
        console.print(to_rich(table))
    mean = outcome.alone.group_by("sensor", "level", maintain_order=True).agg(pl.mean("mpjpe_mm"), n=pl.len())
    for row in mean.iter_rows(named=True):
        console.print("{sensor} alone, {level}: {mpjpe_mm:.1f} mm, mean of {n} seeds".format(**row))
    shown = os.path.relpath(outcome.folder)
    console.print(f"tables and figures: {shown}\nall data is simulated", soft_wrap=True)

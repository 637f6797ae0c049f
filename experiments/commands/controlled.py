"""Does joint training starve a weak sensor? A controlled experiment on simulated data.

`equipose controlled`, or `experiments/controlled_imbalance.py`. What came of it: docs/imbalance.md.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from equipose.experiments.jobs.records import DEFAULT_OUT
from equipose.experiments.presets.imbalance import (
    IMBALANCE,
    ImbalancePresetName,
    imbalance_config,
    level_stores,
)

if TYPE_CHECKING:
    from equipose.orchestrator.imbalance.config import ImbalanceConfig, Level
    from equipose.orchestrator.imbalance.job import ImbalanceOutcome


def controlled(
    preset: ImbalancePresetName = "small",
    methods: tuple[str, ...] = (),
    seeds: int | None = None,
    epochs: int | None = None,
    lr: float = 1e-3,
    out: Path = DEFAULT_OUT,
    workers: int = 1,
    gpu: bool = False,
    quiet: bool = False,
) -> None:
    """Make one simulated sensor weaker step by step, train all levels alike, and decide what holds.

    Started again with the same options it goes on where it stopped: runs that have ended are kept in `out`.

    Args:
        preset: `smoke` (a minute, says nothing) or `small` (the experiment of docs/imbalance.md).
        methods: Instead of the preset's; `plain` is always there.
        seeds: How many, counted from 0.
        epochs: Instead of the preset's number; schedules keep their share.
        lr: Learning rate of all runs; the paper's unless given.
        out: Results folder; jobs may share it, and equal runs are trained once.
        workers: Ray Train workers per run (DDP ranks).
        gpu: Give every worker a GPU.
        quiet: Print only the tables.
    """
    from equipose.orchestrator.imbalance.config import Level
    from equipose.orchestrator.imbalance.job import run_imbalance_job
    from equipose.orchestrator.jobs.location import JobLocation
    from equipose.orchestrator.jobs.progress import JobProgress

    out = out.resolve()

    def config(levels: tuple[Level, ...]) -> ImbalanceConfig:
        return experiment(preset, levels, methods=methods, seeds=seeds, epochs=epochs, lr=lr, workers=workers)

    config((Level(name="unknown", store=""),))  # bad options are told of before anything is simulated
    progress = JobProgress(noun="runs", mode="quiet" if quiet else None)
    with progress:
        progress.stage("simulating every level")
        chosen = config(level_stores(IMBALANCE[preset], out))
        outcome = run_imbalance_job(chosen, JobLocation(out=out), progress, gpu=gpu)
    print_outcome(outcome)


def experiment(
    preset: ImbalancePresetName,
    levels: tuple[Level, ...],
    *,
    methods: tuple[str, ...] = (),
    seeds: int | None = None,
    epochs: int | None = None,
    lr: float = 1e-3,
    workers: int = 1,
) -> ImbalanceConfig:
    """The experiment that the options describe; its name stands for them, so that it is found again."""
    sizes = IMBALANCE[preset]
    names = tuple(dict.fromkeys(("plain", *(methods or sizes.methods))))
    seeds = sizes.seeds if seeds is None else seeds
    epochs = sizes.epochs if epochs is None else epochs
    digest = hashlib.sha256(json.dumps([names, seeds, epochs, lr, workers]).encode()).hexdigest()[:8]
    return imbalance_config(
        f"controlled-{preset}-{digest}",
        sizes,
        levels,
        methods=names,
        seeds=seeds,
        epochs=epochs,
        lr=lr,
        workers=workers,
    )


def print_outcome(outcome: ImbalanceOutcome) -> None:
    """The claims of every level, what every sensor reaches alone, and where the files are."""
    from equipose.experiments.jobs.comparison_summary import wide_console
    from equipose.pipelines.tables.formats import to_rich

    console = wide_console()
    for table in outcome.tables:
        console.print(to_rich(table))
    mean = outcome.alone.group_by("sensor", "level", maintain_order=True).agg(pl.mean("mpjpe_mm"), n=pl.len())
    for row in mean.iter_rows(named=True):
        console.print("{sensor} alone, {level}: {mpjpe_mm:.1f} mm, mean of {n} seeds".format(**row))
    shown = os.path.relpath(outcome.folder)
    console.print(f"tables and figures: {shown}\nall data is simulated", soft_wrap=True)

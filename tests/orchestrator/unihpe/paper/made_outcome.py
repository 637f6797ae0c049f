"""Results of a UniHPE tables job, made up: errors per variant, person, action and frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from equipose.balancing.objectives.align import Align
from equipose.orchestrator.evaluation.aligned.evaluation import AlignedEvaluation
from equipose.orchestrator.grid.run_spec import RunResult
from equipose.orchestrator.unihpe.results import TrainedVariant, UnihpeOutcome
from equipose.orchestrator.unihpe.stages import UnihpeConfig, Variant
from tests.orchestrator.aligned_runs import unihpe_config

ROUTES = ("keypoints>pose", "exact_keypoints>pose", "image>pose", "image>keypoints")
FRAMES = 4


def routes(mean: float, seed: int) -> pl.DataFrame:
    """Two people, five actions, four frames each; errors around a mean, alike for equal seeds."""
    rng = np.random.default_rng(seed)
    rows = []
    for route in ROUTES:
        number = 0
        for subject in ("S09", "S11"):
            for action in range(1, 6):
                for _ in range(FRAMES):
                    error = mean + 10 * (subject == "S11") + action + rng.normal(0, 0.5)
                    rows.append((route, number, "E01", subject, f"A{action:02d}", error, error / 2, 8.0, 0.5))
                    number += 1
    names = ["route", "row", "environment", "subject", "action", "mpjpe_mm", "pa_mpjpe_mm", "epe_px"]
    frame = pl.DataFrame(rows, schema=[*names, "pck_share"], orient="row")
    return frame.with_columns(n_mpjpe_mm=pl.col("mpjpe_mm"), pa_mpjpe_j14_mm=pl.col("pa_mpjpe_mm") - 1)


def result(config: UnihpeConfig, variant: Variant, seed: int) -> RunResult:
    """Of a last stage that took two epochs of ten steps, half a second each."""
    epoch = {"time/train_s": 5.0, "steps/plain": 10.0, "steps/method": 0.0}
    last = {**epoch, "steps/plain": 20.0}
    cosines = {"val/cosine/image": 0.5, "val/cosine/keypoints": 0.8}
    return RunResult(
        key=f"{variant.name}-{seed}",
        config=config.runs(variant, seed)[-1].config,
        fingerprint="data",
        provenance="simulated data",
        parameters=1,
        history=({**epoch, **cosines}, {**last, **cosines}),
        folder=Path("nowhere"),
    )


def made_outcome(means: Mapping[str, float], seeds: tuple[int, ...] = (0, 1, 2)) -> UnihpeOutcome:
    """Variants with these mean errors for every seed."""
    made = unihpe_config(Path("nowhere"))
    whole = made.variants[0]
    variants = tuple(
        replace(
            whole,
            name=name,
            objective=Align.Config(higher=None) if name == "pairs" else whole.objective,
        )
        for name in means
    )
    config = replace(made, variants=variants, seeds=seeds)
    trained = [
        TrainedVariant(
            variant=variant,
            seed=seed,
            specs=config.runs(variant, seed),
            results=(result(config, variant, seed),),
            aligned={
                "": AlignedEvaluation(
                    routes=routes(means[variant.name], seed),
                    alignment=None,
                    label="ddim, 5 steps, 1 hypothesis",
                    provenance="simulated data",
                )
            },
            evaluation=None,
        )
        for variant in variants
        for seed in seeds
    ]
    return UnihpeOutcome(config=config, trained=tuple(trained))

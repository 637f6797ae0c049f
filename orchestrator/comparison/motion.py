"""Test frames in motion: a clip of one typical sequence with the predictions of trained models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipose.models.skeleton import NUM_JOINTS
from equipose.orchestrator.checkpoints.trained_model import predict
from equipose.orchestrator.comparison.results import EvaluatedRun, SettingOutcome
from equipose.orchestrator.evaluation.evaluation import Evaluation
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.pipelines.player import Clip, clip_of
from equipose.pipelines.player.stored import MOST_FRAMES, rows_by_sequence
from equipose.pipelines.sequence import evenly_spread
from equipose.pipelines.store import open_store

Rows = NDArray[np.int64]


def comparison_clip(outcome: SettingOutcome) -> Clip:
    """Plain training and the best other method of a setting, first seed, on plain's typical sequence."""
    runs = {method: outcome.of(method) for method in outcome.methods}
    means = {method: float(np.mean([run.evaluation.mpjpe_mm for run in of])) for method, of in runs.items()}
    rivals = [method for method in means if method != REFERENCE]
    shown = [REFERENCE, *([min(rivals, key=means.__getitem__)] if rivals else [])]
    return clip_of_runs([runs[method][0] for method in shown], shown)


def clip_of_runs(runs: Sequence[EvaluatedRun], names: Sequence[str]) -> Clip:
    """The first run's typical test sequence with the predictions of all runs, called `names`."""
    models = {name: run.result.folder / run.spec.select for name, run in zip(names, runs, strict=True)}
    rows = typical_rows(runs[0].evaluation)
    return predicted_clip(runs[0].spec.config.data.store, rows, models)


def typical_rows(evaluation: Evaluation) -> Rows:
    """Rows of the test sequence with the median error of all sequences: neither the best nor the worst."""
    frames = evaluation.frames.filter(pl.col("subset") == evaluation.full)
    means = frames.group_by("sequence").agg(pl.col("mpjpe_mm").mean()).sort("mpjpe_mm", "sequence")
    chosen = means["sequence"][(len(means) - 1) // 2]
    return frames.filter(pl.col("sequence") == chosen)["row"].sort().to_numpy().astype(np.int64)


def predicted_clip(store: str, rows: Rows, models: Mapping[str, Path]) -> Clip:
    """The clip of rows of one sequence, ascending, at most `MOST_FRAMES` of them.

    models: name -> folder of a checkpoint.
    """
    opened, keep = open_store(store), rows[evenly_spread(len(rows), MOST_FRAMES)]
    ((sequence, offsets),) = rows_by_sequence(opened, keep).items()
    predictions = {}
    for name, checkpoint in models.items():
        poses = np.full((len(opened.sequence(sequence)), NUM_JOINTS, 3), np.nan, dtype=np.float32)
        poses[offsets] = predict(checkpoint, keep, store=store)[1]
        predictions[name] = poses
    return replace(clip_of(opened, sequence, predictions, offsets=offsets), recorded=len(rows))

"""The figures of a finished sweep, from MLflow's histories, the trials and the best checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from equipose.orchestrator.checkpoints.trained_model import predict
from equipose.orchestrator.sweep.config import OBJECTIVE
from equipose.orchestrator.sweep.results import SweepOutcome
from equipose.orchestrator.tracking.client import client
from equipose.pipelines.figures import (
    best_median_worst,
    contribution_curves,
    fisher_traces,
    parallel_coordinates,
    skeleton_overlay,
    subset_bars,
    sweep_history,
    sweep_importance,
)

History = dict[str, np.ndarray]


def sweep_figures(
    outcome: SweepOutcome, uri: str, runs: Mapping[str, str], importance: Mapping[str, float]
) -> dict[str, Figure]:
    """Name -> figure. `runs`: trial -> MLflow run id; `importance` may be empty."""
    provenance, modalities = outcome.provenance, outcome.modalities
    trials = outcome.table.finished.sort("trial").select(
        "fusion", "strength", "weak_share", "window", OBJECTIVE
    )
    figures = {
        "sweep-history": sweep_history(trials, OBJECTIVE, provenance),
        "parallel-coordinates": parallel_coordinates(trials, OBJECTIVE, provenance),
        "subset-errors": subset_bars(_subset_errors(outcome), provenance),
        "skeletons": _skeletons(outcome.checkpoints, outcome.test_rows, provenance),
    }
    if importance:
        figures["importance"] = sweep_importance(importance, provenance, objective=OBJECTIVE)
    for role, trial in outcome.trials.items():
        shapley = metric_history(uri, runs[trial], "shapley/", modalities)
        window = outcome.table.frame.filter(pl.col("trial") == trial)["window"].item()
        figures[f"contributions-{role}"] = contribution_curves(
            shapley, provenance, window=range(window), title=f"Contribution of each sensor ({role}, {trial})"
        )
        fisher = metric_history(uri, runs[trial], "fisher/", modalities)
        if all(len(values) for values in fisher.values()):
            figures[f"fisher-{role}"] = fisher_traces(
                fisher, provenance, title=f"Fisher information ({role}, {trial})"
            )
    return figures


def metric_history(uri: str, run_id: str, prefix: str, names: tuple[str, ...]) -> History:
    """name -> [E] values of `<prefix><name>` in order of epochs; empty if it was never logged."""
    mlflow = client(uri)
    histories = {}
    for name in names:
        points = sorted(mlflow.get_metric_history(run_id, f"{prefix}{name}"), key=lambda point: point.step)
        histories[name] = np.array([point.value for point in points])
    return histories


def _subset_errors(outcome: SweepOutcome) -> dict[str, dict[str, float]]:
    return {
        role: report.coalitions.shown_by_name(report.mpjpe_mm, report.modalities)
        for role, report in outcome.test.items()
    }


def _skeletons(checkpoints: Mapping[str, Path], rows: np.ndarray, provenance: str) -> Figure:
    """Best, median and worst test frame of the first role, with every role's prediction."""
    poses = {role: predict(checkpoint, rows) for role, checkpoint in checkpoints.items()}
    truth, first = next(iter(poses.values()))
    errors = np.linalg.norm(first - truth, axis=-1).mean(axis=-1)
    chosen = best_median_worst(errors)
    return skeleton_overlay(
        truth[chosen], {role: predicted[chosen] for role, (_, predicted) in poses.items()}, provenance
    )

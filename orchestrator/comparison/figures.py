"""The figures of one setting of a comparison, from the curves and test errors of its runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from numpy.typing import NDArray

from equipose.orchestrator.checkpoints.trained_model import predict
from equipose.orchestrator.comparison.results import EvaluatedRun, SettingOutcome
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.pipelines.figures import (
    alpha_heatmap,
    best_median_worst,
    contribution_curves,
    cost_against_gain,
    feature_map,
    fisher_traces,
    gradient_norms,
    joint_heatmap,
    skeleton_overlay,
    subset_bars,
    subset_lattice,
)
from equipose.pipelines.statistics.subset_errors import (
    bar_values,
    full_subset,
    joint_values,
    lattice_values,
    seed_errors,
)

COEFFICIENT = re.compile(r"method/([^/]+)/([^/]+)")
"""How methods log what they do to a modality."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A figure of one metric per modality over the epochs."""

    name: str
    metric: str
    """With `{}` where the modality stands."""
    ylabel: str
    title: str
    zero: bool = True
    """Whether its axis shows the line of zero."""


CURVES: tuple[Curve, ...] = (
    Curve(
        name="contributions",
        metric="shapley/{}",
        ylabel="Shapley contribution",
        title="Contribution of each sensor",
    ),
    Curve(
        name="spread",
        metric="spread/{}_mm",
        ylabel="std of the predictions with one sensor (mm)",
        title="Spread of each sensor's predictions",
    ),
    Curve(
        name="mean",
        metric="mean/{}_mm",
        ylabel="mean of the predictions with one sensor (mm)",
        title="Mean of each sensor's predictions",
        zero=False,
    ),
)

Curves = dict[str, NDArray[np.float64]]
"""modality -> [seeds, epochs]."""


def comparison_figures(outcome: SettingOutcome) -> dict[str, Figure]:
    """File name -> figure, the provenance of the data on each."""
    provenance, first = outcome.runs[0].result.provenance, outcome.of(REFERENCE)[0]
    several = len(outcome.methods) > 1
    figures = {
        "subsets": subset_bars(bar_values(outcome.sums), provenance),
        "joints": joint_heatmap(
            joint_values(outcome.joints), provenance, reference=REFERENCE if several else None
        ),
        "features": feature_map(first.evaluation.feature_arrays, provenance, seed=first.seed),
        "skeletons": skeletons([outcome.of(method)[0] for method in outcome.methods], provenance),
    }
    if several:
        figures["cost-against-gain"] = _cost_against_gain(outcome, provenance)
    for method in outcome.methods:
        errors, modalities = lattice_values(outcome.sums, method)
        title = f"One sensor more: does it help? ({method})"
        figures[f"lattice-{method}"] = subset_lattice(errors, modalities, provenance, title=title)
        figures |= curve_figures(method, outcome.of(method), provenance)
    return figures


def curve_figures(label: str, runs: Sequence[EvaluatedRun], provenance: str) -> dict[str, Figure]:
    """What happened while the seeds of one method trained: contributions, spread, gradients, coefficients."""

    def title(what: str) -> str:
        return f"{what} ({label})"

    modalities = runs[0].evaluation.modalities
    figures = {
        f"{curve.name}-{label}": contribution_curves(
            curves(runs, curve.metric, modalities),
            provenance,
            window=_window(runs[0]),
            ylabel=curve.ylabel,
            title=title(curve.title),
            zero=curve.zero,
        )
        for curve in CURVES
    }
    norms = curves(runs, "grad/{}", modalities)
    figures[f"gradients-{label}"] = gradient_norms(
        norms, provenance, title=title("Gradient norm of each encoder")
    )
    fisher = curves(runs, "fisher/{}", modalities)
    if any(np.isfinite(values).any() for values in fisher.values()):
        figures[f"fisher-{label}"] = fisher_traces(fisher, provenance, title=title("Fisher information"))
    for what in _coefficients(runs[0], modalities):
        found = curves(runs, f"method/{what}/{{}}", modalities)
        figures[f"{what}-{label}"] = alpha_heatmap(found, provenance, title=title(what.replace("_", " ")))
    return figures


def curves(runs: Sequence[EvaluatedRun], name: str, modalities: Sequence[str]) -> Curves:
    """A metric per modality over the epochs of every seed; NaN where an epoch has none.

    name: with `{}` where the modality stands, such as `shapley/{}`.
    """
    return {m: np.array([run.result.series(name.format(m)) for run in runs]) for m in modalities}


def _coefficients(run: EvaluatedRun, modalities: Sequence[str]) -> list[str]:
    """What the run's method logged per modality, such as `alpha`."""
    found = [COEFFICIENT.fullmatch(name) for epoch in run.result.history for name in epoch]
    return list(dict.fromkeys(match[1] for match in found if match and match[2] in modalities))


def _window(run: EvaluatedRun) -> range | None:
    """The epochs in which the method acts, as far as the run has them; None for all."""
    active = run.result.config.method.active
    return None if active is None else range(active.start, min(active.stop, run.result.config.epochs))


def _cost_against_gain(outcome: SettingOutcome, provenance: str) -> Figure:
    """Seconds per epoch relative to plain, against the error saved by every seed."""
    full = outcome.sums.filter(pl.col("subset") == full_subset(outcome.sums))
    errors = seed_errors(full, "subset", "mpjpe_mm")
    by_method = {
        str(method): part.sort("seed")["error_mm"].to_numpy()
        for (method,), part in errors.group_by("method", maintain_order=True)
    }
    seconds = dict(outcome.costs().select("method", "s/epoch").iter_rows())
    rivals = [method for method in outcome.methods if method != REFERENCE]
    return cost_against_gain(
        {method: seconds[method] / seconds[REFERENCE] for method in rivals},
        {method: by_method[REFERENCE] - by_method[method] for method in rivals},
        provenance,
        xlabel="time per epoch / plain",
    )


def skeletons(runs: Sequence[EvaluatedRun], provenance: str) -> Figure:
    """Best, median and worst test frame of plain training, with the first two methods' predictions."""
    poses = {
        run.method: predict(
            run.result.folder / run.spec.select, _test_rows(run), store=run.spec.config.data.store
        )
        for run in runs[:2]
    }
    truth, first = next(iter(poses.values()))
    errors = np.linalg.norm(first - truth, axis=-1).mean(axis=-1)
    chosen = best_median_worst(errors)
    shown = {method: predicted[chosen] for method, (_, predicted) in poses.items()}
    return skeleton_overlay(truth[chosen], shown, provenance)


def _test_rows(run: EvaluatedRun) -> NDArray[np.int64]:
    """The store's rows of the run's test frames, in order."""
    frames = run.evaluation.frames
    return frames.filter(pl.col("subset") == run.evaluation.full)["row"].to_numpy()

"""The figures of a continual job."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from numpy.typing import NDArray

from equipose.orchestrator.checkpoints.trained_model import predict
from equipose.orchestrator.comparison.motion import predicted_clip
from equipose.orchestrator.continual.config import FINETUNE
from equipose.orchestrator.continual.detection import Detection
from equipose.orchestrator.continual.detection_tables import detection_figure
from equipose.orchestrator.continual.learnt import LearntStream
from equipose.orchestrator.continual.results import ContinualOutcome
from equipose.pipelines.figures import (
    best_median_worst,
    forgetting_against_learning,
    skeleton_overlay,
    task_curves,
    task_matrices,
)
from equipose.pipelines.files.path_safety import file_name
from equipose.pipelines.player import Clip
from equipose.pipelines.store import open_store

CURVES = "task/{}/val/mpjpe_mm"


def continual_figures(outcome: ContinualOutcome, found: Sequence[Detection] = ()) -> dict[str, Figure]:
    """File name -> figure, the provenance of the data on each. found: what noise separation found."""
    provenance = outcome.learnt[0].results[0].provenance
    order = outcome.config.orders[0]
    tasks = [task.name for task in outcome.config.ordered(order)]
    matrices = {
        name: np.mean([outcome.matrix(one) for one in outcome.of(name) if one.stream.order == order], axis=0)
        for name in outcome.strategies
    }
    figures = {
        "matrices": task_matrices(matrices, tasks, provenance),
        "plasticity-stability": _plasticity_stability(outcome, provenance),
        "contributions": _contributions(outcome, FINETUNE, provenance),
        "skeletons": before_and_after(outcome, provenance),
    }
    for one in found:
        figures[f"roc-{file_name(one.strategy)}"] = detection_figure(one, provenance)
    for name in outcome.strategies:
        streams = [one for one in outcome.of(name) if one.stream.order == order]
        if streams[0].stream.strategy.shape == "stream":
            curves, borders = stream_curves(streams)
            title = f"Validation error of every task over the stream ({name})"
            figures[f"curves-{file_name(name)}"] = task_curves(curves, borders, provenance, title=title)
    return figures


def stream_curves(streams: list[LearntStream]) -> tuple[dict[str, NDArray[np.float64]], list[int]]:
    """(task -> [S, E] mm over the epochs of the stream, NaN before it is learnt; where tasks begin)."""
    lengths = [len(result.history) for result in streams[0].results]
    starts = np.cumsum([0, *lengths]).tolist()
    curves = {name: np.full((len(streams), starts[-1]), np.nan) for name in streams[0].names}
    for row, learnt in enumerate(streams):
        for position, result in enumerate(learnt.results):
            here = slice(starts[position], starts[position + 1])
            for name in learnt.names[:position]:
                curves[name][row, here] = result.series(CURVES.format(name))
            curves[learnt.names[position]][row, here] = result.series("val/mpjpe_mm")
    return curves, starts[1:-1]


def _plasticity_stability(outcome: ContinualOutcome, provenance: str) -> Figure:
    """Strategies that learn a stream: error as learnt against forgetting, of every stream."""
    shown = [s.name for s in outcome.config.strategies if s.shape == "stream"]
    table = outcome.metrics.filter(pl.col("strategy").is_in(shown))

    def of(metric: str) -> dict[str, NDArray[np.float64]]:
        return {name: table.filter(pl.col("strategy") == name)[metric].to_numpy() for name in shown}

    return forgetting_against_learning(of("learned_mm"), of("forgetting_mm"), provenance)


def _contributions(outcome: ContinualOutcome, strategy: str, provenance: str) -> Figure:
    """The Shapley matrix of every sensor: which one loses its say on which task."""
    order = outcome.config.orders[0]
    tasks = [task.name for task in outcome.config.ordered(order)]
    mine = outcome.contributions.filter(pl.col("strategy") == strategy, pl.col("order") == order)
    matrices = {}
    for sensor in outcome.example.modalities:
        values = np.full((len(tasks), len(tasks)), np.nan)
        rows = mine.filter(pl.col("sensor") == sensor).group_by("after", "task").agg(pl.col("shapley").mean())
        for after, task, value in rows.iter_rows():
            values[after, tasks.index(task)] = value
        matrices[sensor] = values
    title = f"Contribution of every sensor after every task ({strategy})"
    return task_matrices(matrices, tasks, provenance, title=title, unit="Shapley", decimals=1)


def before_and_after(outcome: ContinualOutcome, provenance: str) -> Figure:
    """The first task's test frames: as fine-tuning had learnt them, and at the end of the stream.

    The frames with the least, the median and the largest error at the end.
    """
    learnt = outcome.of(FINETUNE)[0]
    spec, store = learnt.specs[0], learnt.specs[0].config.data.store
    first = learnt.stream.tasks[0]
    rows = outcome.test_rows[first.name]
    truth, learned = predict(learnt.results[0].folder / spec.select, rows, store=store)
    _, final = predict(learnt.results[-1].folder / spec.select, rows, store=store)
    errors = np.linalg.norm(final - truth, axis=-1).mean(axis=-1)
    chosen = best_median_worst(errors)
    called = _before_and_after_names(learnt)
    shown = dict(zip(called, (learned[chosen], final[chosen]), strict=True))
    return skeleton_overlay(truth[chosen], shown, provenance)


def motion_before_and_after(outcome: ContinualOutcome) -> Clip:
    """The first task's middle test sequence: as fine-tuning had learnt it, and at the end of the stream."""
    learnt = outcome.of(FINETUNE)[0]
    spec, store = learnt.specs[0], learnt.specs[0].config.data.store
    rows = np.sort(outcome.test_rows[learnt.stream.tasks[0].name]).astype(np.int64)
    located = open_store(store).index[rows]["sequence"].to_numpy()
    folders = [learnt.results[place].folder / spec.select for place in (0, -1)]
    models = dict(zip(_before_and_after_names(learnt), folders, strict=True))
    return predicted_clip(store, rows[located == located[len(located) // 2]], models)


def _before_and_after_names(learnt: LearntStream) -> tuple[str, str]:
    return f"as {learnt.stream.tasks[0].name} was learnt", f"after {learnt.names[-1]}"

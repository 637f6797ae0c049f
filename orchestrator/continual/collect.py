"""From the runs of a continual job to its outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl
import torch
from torch import Tensor

from equipose.orchestrator.continual.config import ContinualConfig, Stream
from equipose.orchestrator.continual.learnt import LearntStream, contribution_rows, error_rows
from equipose.orchestrator.continual.results import ContinualOutcome
from equipose.orchestrator.grid.run_one import RunsFolder, evaluation_on
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.training.data import RunData
from equipose.pipelines.statistics.streams.errors import (
    with_positions,
)


def collect(
    config: ContinualConfig, streams: Mapping[Stream, Sequence[RunSpec]], results: Mapping[str, RunResult],
    runs: RunsFolder,
) -> ContinualOutcome:  # fmt: skip
    """Gather what the runs of a job have left."""
    learnt = tuple(
        LearntStream(stream=stream, specs=tuple(specs), results=tuple(results[spec.name] for spec in specs))
        for stream, specs in streams.items()
    )
    orders = {order: [task.name for task in config.ordered(order)] for order in config.orders}
    errors = pl.concat(error_rows(one, config.tasks, runs) for one in learnt)
    return ContinualOutcome(
        config=config,
        learnt=learnt,
        errors=with_positions(errors, orders),
        contributions=pl.concat(contribution_rows(one, config.tasks, runs) for one in learnt),
        mean_pose=mean_pose_errors(config, runs),
        test_rows={
            task.name: runs.opened.of(replace(config.base.data, split=task.split)).rows["test"]
            for task in config.tasks
        },
        fingerprint=runs.opened.of(config.base.data).fingerprint,
        example=evaluation_on(learnt[0].specs[-1], config.tasks[0], runs),
    )


def mean_pose_errors(config: ContinualConfig, runs: RunsFolder) -> dict[tuple[int, str], float]:
    """(order, task) -> test error of the mean training pose of the order's first task, mm."""
    base = runs.opened.of(config.base.data)
    data = {task: base.of_split(config.base.data, task.split) for task in config.tasks}
    return {
        (order, task.name): error_of_pose_mm(data[task], data[config.ordered(order)[0]].mean_pose)
        for order in config.orders
        for task in config.tasks
    }


def error_of_pose_mm(data: RunData, pose: Tensor) -> float:
    """MPJPE on the test part of always predicting `pose` [17, 3] m."""
    frames = data.store.index[data.rows["test"]]
    total = 0.0
    for (sequence,), rows in frames.group_by("sequence"):
        truth = torch.from_numpy(data.store.sequence(int(sequence)).pose[rows["offset"].to_numpy()])
        total += float((truth.double() - pose.double()).norm(dim=-1).mean(dim=-1).sum())
    return 1000 * total / len(frames)

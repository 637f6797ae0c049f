"""Metrics of learning task after task, from the matrix of test errors, in mm and with one sign convention.

`errors[i, j]` is the test error on task j after training through task i (both counted from 0), T tasks. As in
GEM (Lopez-Paz and Ranzato, NeurIPS 2017) negative backward transfer means that something was forgotten; as in
Chaudhry et al. (ECCV 2018) positive forgetting does. Published code disagrees with these papers in indices
and signs, so the tests check every number on a worked example of three tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StreamErrors:
    """The errors of one stream with one strategy, and what they are measured against."""

    tasks: tuple[str, ...]
    """In the order in which they were learnt."""
    after: Matrix
    """[T, T] mm: rows are the task after which, columns the task on which the model is tested."""
    mean_pose: Matrix
    """[T] mm: the error of the mean training pose of the first task, on every task."""
    joint: Matrix | None = None
    """[T] mm: of a model trained on all tasks at once."""
    cumulative: Matrix | None = None
    """[T] mm: on task j, of a model trained on tasks 0 to j at once."""
    alone: Matrix | None = None
    """[T] mm: on task j, of a model trained on task j alone."""

    def __post_init__(self) -> None:
        count = len(self.tasks)
        if not count or len(set(self.tasks)) < count:
            raise ValueError(f"tasks must be different and at least one, got {list(self.tasks)}")
        shapes = {"after": (count, count), **dict.fromkeys(("mean_pose", *REFERENCES), (count,))}
        for name, shape in shapes.items():
            value = getattr(self, name)
            if value is None:
                continue
            array = np.asarray(value, dtype=np.float64)
            if array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{name} must be {list(shape)} finite errors in mm, got {value!r}")
            object.__setattr__(self, name, array)

    @property
    def final_mm(self) -> float:
        """Mean error over all tasks at the end."""
        return float(self.after[-1].mean())

    @property
    def learned_mm(self) -> float:
        """Mean error on every task right after it was learnt: plasticity."""
        return float(np.diag(self.after).mean())

    @property
    def average_mm(self) -> float:
        """Mean over time of the mean error on the tasks seen so far."""
        return float(np.mean([self.after[i, : i + 1].mean() for i in range(len(self.tasks))]))

    @property
    def bwt_mm(self) -> float:
        """Backward transfer: what later tasks improved on earlier ones; NaN for a single task."""
        return _mean(np.diag(self.after)[:-1] - self.after[-1, :-1])

    @property
    def forgetting_mm(self) -> float:
        """How far the error on earlier tasks has risen above its lowest since; NaN for a single task."""
        last = len(self.tasks) - 1
        lowest = [self.after[j:last, j].min() for j in range(last)]
        return _mean(self.after[-1, :-1] - np.asarray(lowest))

    @property
    def fwt_mm(self) -> float:
        """Forward transfer: what earlier tasks gave on the next one, against the mean pose; NaN for one task.

        Against a model with random weights, as published, it would measure that model's random output.
        """
        return _mean(self.mean_pose[1:] - np.diag(self.after, k=1))

    @property
    def intransigence_mm(self) -> float:
        """What is lacking on every task as it is learnt, against learning it with all tasks before it.

        NaN without `cumulative`.
        """
        return _mean(np.diag(self.after) - self.cumulative) if self.cumulative is not None else float("nan")

    @property
    def intransigence_alone_mm(self) -> float:
        """The same against learning every task alone; NaN without `alone`."""
        return _mean(np.diag(self.after) - self.alone) if self.alone is not None else float("nan")

    @property
    def kept(self) -> float:
        """Share kept of what joint training knows: 1 is as good, 0 the mean pose.

        The mean over tasks of (mean pose - final) / (mean pose - joint); it has no unit, so streams compare.
        NaN without `joint`, and where that is no better than the mean pose: then there is nothing to keep.
        """
        if self.joint is None:
            return float("nan")
        known = self.mean_pose - self.joint
        if (known <= 0).any():
            return float("nan")
        return _mean((self.mean_pose - self.after[-1]) / known)

    def metrics(self) -> dict[str, float]:
        """All of them under their tracking names, such as `stream/final_mm`."""
        return {f"stream/{name}": float(getattr(self, name)) for name in METRICS}


REFERENCES: tuple[str, ...] = ("joint", "cumulative", "alone")
METRICS: tuple[str, ...] = (
    "final_mm",
    "learned_mm",
    "average_mm",
    "bwt_mm",
    "forgetting_mm",
    "fwt_mm",
    "intransigence_mm",
    "intransigence_alone_mm",
    "kept",
)


def worst_on_the_way(curves: Sequence[ArrayLike]) -> float:
    """Mean over tasks of the largest validation error after the task was learnt, mm (the stability gap).

    curves: per task, its error after every epoch from the end of its own training on; at least one each.
    """
    if not curves or any(np.size(curve) == 0 for curve in curves):
        raise ValueError("give every task its error after at least one epoch")
    return _mean([np.max(np.asarray(curve, dtype=np.float64)) for curve in curves])


def _mean(values: ArrayLike) -> float:
    """The mean; NaN of nothing."""
    array = np.asarray(values, dtype=np.float64)
    return float(array.mean()) if array.size else float("nan")

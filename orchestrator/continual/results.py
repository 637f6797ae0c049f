"""The results of a continual job: errors after every task on every task, and what they say of a strategy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipose.orchestrator.continual.config import FINETUNE, ContinualConfig
from equipose.orchestrator.continual.learnt import LearntStream
from equipose.orchestrator.evaluation.evaluation import Evaluation
from equipose.pipelines.statistics.streams.errors import (
    STREAM,
    compare_final,
    compare_with_own_learning,
    matrix,
    mean_over_streams,
)
from equipose.pipelines.statistics.streams.metrics import StreamErrors
from equipose.pipelines.statistics.subset_errors import full_subset


@dataclass(frozen=True, kw_only=True)
class ContinualOutcome:
    """Everything that the tables and figures of a continual job are made of."""

    config: ContinualConfig
    learnt: tuple[LearntStream, ...]
    errors: pl.DataFrame
    """See `equipose.pipelines.statistics.streams.errors`, with `position`."""
    contributions: pl.DataFrame
    """See `contribution_rows`."""
    mean_pose: Mapping[tuple[int, str], float]
    """(order, task) -> error of the mean training pose of the order's first task, mm."""
    test_rows: Mapping[str, NDArray[np.integer]]
    """Task -> rows of the store that it is tested on."""
    fingerprint: str
    """Of all tasks together; strategies on contaminated data train on other frames than it says."""
    example: Evaluation
    """Of one run, for what all have in common: sensors and provenance."""

    @property
    def full(self) -> str:
        """The subset with every sensor."""
        return full_subset(self.errors)

    @property
    def strategies(self) -> tuple[str, ...]:
        """In their order."""
        return self.config.methods

    def of(self, strategy: str) -> list[LearntStream]:
        """A strategy's streams."""
        return [learnt for learnt in self.learnt if learnt.stream.strategy.name == strategy]

    def of_subset(self, subset: str | None = None) -> pl.DataFrame:
        """The errors of a subset of sensors; None is all of them."""
        return self.errors.filter(pl.col("subset") == (subset or self.full))

    def matrix(self, learnt: LearntStream, subset: str | None = None) -> np.ndarray:
        """[T, T] mm, rows after which task, columns tested on which, both in the order learnt.

        Joint training has learnt all tasks at once, so all its rows are alike.
        """
        mine = self._of_stream(self.of_subset(subset), learnt)
        found = matrix(mine, learnt.names)
        return np.repeat(found[:1], len(found), axis=0) if len(learnt.specs) == 1 else found

    def stream_errors(self, learnt: LearntStream, subset: str | None = None) -> StreamErrors:
        """A stream's errors with those of its references on clean data, where the job has them."""
        about = learnt.stream
        reference = {
            other.stream.strategy.shape: self.matrix(other, subset)
            for other in self.learnt
            if other.stream.strategy.shape != "stream"
            and not other.stream.strategy.noisy
            and (other.stream.seed, other.stream.order) == (about.seed, about.order)
        }
        return StreamErrors(
            tasks=learnt.names,
            after=self.matrix(learnt, subset),
            mean_pose=np.array([self.mean_pose[about.order, name] for name in learnt.names]),
            joint=reference["joint"][-1] if "joint" in reference else None,
            cumulative=np.diag(reference["cumulative"]) if "cumulative" in reference else None,
            alone=np.diag(reference["alone"]) if "alone" in reference else None,
        )

    @cached_property
    def metrics(self) -> pl.DataFrame:
        """A row per stream: `STREAM`, the metrics of `StreamErrors` and `worst_mm`, costs."""
        rows = []
        for learnt in self.learnt:
            numbers = self.stream_errors(learnt).metrics()
            plain = {name.removeprefix("stream/"): value for name, value in numbers.items()}
            rows.append({**learnt.labels, **plain, "worst_mm": learnt.worst_mm(), **learnt.costs()})
        return pl.DataFrame(rows)

    @cached_property
    def means(self) -> pl.DataFrame:
        """The same per strategy, means and deviations over its streams."""
        return mean_over_streams(self.metrics)

    @cached_property
    def against_finetuning(self) -> pl.DataFrame:
        """Every strategy's final error against plain fine-tuning's."""
        return compare_final(self.of_subset(), FINETUNE)

    @cached_property
    def forgot(self) -> pl.DataFrame:
        """Per strategy that learns a stream: whether it forgot beyond chance."""
        rows = [
            compare_with_own_learning(self.of_subset(), strategy.name).with_columns(
                method=pl.lit(strategy.name)
            )
            for strategy in self.config.strategies
            if strategy.shape == "stream"
        ]
        return pl.concat(rows)

    def _of_stream(self, table: pl.DataFrame, learnt: LearntStream) -> pl.DataFrame:
        return table.filter(*(pl.col(name) == learnt.labels[name] for name in STREAM))

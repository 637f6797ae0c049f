"""How well separated readings are the contaminated ones, from what noise separation keeps and the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from equipose.balancing.chained import ChainConfig
from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.continual.learnt import LearntStream
from equipose.orchestrator.continual.results import ContinualOutcome
from equipose.pipelines.statistics.streams.detection import ANY, Judged, detection, flagged_shares, roc_points
from equipose.pipelines.store import open_store, read_contamination


class Detection:
    """What the streams of one strategy have found in contaminated data."""

    def __init__(
        self, strategy: str, judged: Sequence[Judged], truth: pl.DataFrame, index: pl.DataFrame
    ) -> None:
        """judged: per stream. truth: see `read_contamination`. index: of the store."""
        self.strategy, self.judged = strategy, judged
        self._truth, self._index = truth, index

    @cached_property
    def measures(self) -> pl.DataFrame:
        """See `statistics.streams.detection.detection`; means over the streams, counts of the first one."""
        tables = [detection(judged, self._truth) for judged in self.judged]
        rates = ("auroc", "average_precision", "precision", "recall")
        means = pl.concat(tables).group_by("sensor", "kind", maintain_order=True)
        return means.agg(
            pl.col("contaminated", "readings").first(), *(pl.col(name).drop_nans().mean() for name in rates)
        )

    def shares(self, by: str) -> pl.DataFrame:
        """Share of flagged readings, and of clean ones that are, per `subject` or `action` and sensor."""
        groups = self._index.select("row", by)
        tables = [flagged_shares(judged, groups, by, self._truth) for judged in self.judged]
        means = pl.concat(tables).group_by(by, "sensor", maintain_order=True)
        return means.agg(pl.col("readings").first(), pl.col("flagged", "false_flags").drop_nans().mean())

    def curves(self) -> dict[str, pl.DataFrame]:
        """Sensor -> ROC curve over all kinds, of the first stream; only of sensors with contamination."""
        counts = detection(self.judged[0], self._truth).filter(pl.col("kind") == ANY)
        measured = counts.filter(pl.col("auroc").is_not_nan())["sensor"].to_list()
        return {sensor: roc_points(self.judged[0], self._truth, sensor) for sensor in measured}


def detections(outcome: ContinualOutcome) -> tuple[Detection, ...]:
    """Of every strategy that separates noise by its scores, on data whose truth is known.

    Not of those whose tasks end before the first judgement.
    """
    found = []
    for strategy in outcome.config.strategies:
        method = strategy.method
        parts = method.parts if isinstance(method, ChainConfig) else (method,)
        scores = any(isinstance(p, NoiseSeparation.Config) and p.act != "random" for p in parts)
        if not scores:
            continue
        streams = outcome.of(strategy.name)
        store = open_store(streams[0].specs[0].config.data.store)
        truth = read_contamination(store)
        judged = [one for learnt in streams if (one := judged_of(learnt)) is not None]
        if truth is not None and len(judged) == len(streams):
            found.append(Detection(strategy.name, judged, truth, store.index))
    return tuple(found)


def judged_of(learnt: LearntStream) -> Judged | None:
    """The readings of all tasks of a stream, each as its own task had judged it last; None if none was."""
    states = [checkpoints.load(result.folder / "last")["method"] for result in learnt.results]
    kept = [scores for state in states if (scores := _scores(state)) is not None]
    if not kept:
        return None
    return Judged(
        sensors=learnt.results[0].config.model.modalities,
        rows=np.concatenate([scores["rows"].numpy() for scores in kept]),
        scores=np.concatenate([scores["values"].numpy() for scores in kept]),
        flagged=np.concatenate([scores["flagged"].numpy() for scores in kept]),
    )


def _scores(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What noise separation keeps in a method's state, alone or in a chain."""
    own = state.get("nis", state)
    scores: Mapping[str, Any] | None = own.get("scores")
    return scores

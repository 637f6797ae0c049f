"""How well separated readings are the contaminated ones, from what noise separation keeps and the truth."""

from __future__ import annotations

from collections.abc import Mapping
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

    def __init__(self, outcome: ContinualOutcome, strategy: str) -> None:
        """strategy: one of `strategies_that_detect`."""
        self.strategy = strategy
        self.judged = [judged_of(learnt) for learnt in outcome.of(strategy)]
        store = open_store(outcome.of(strategy)[0].specs[0].config.data.store)
        truth = read_contamination(store)
        assert truth is not None, "strategies_that_detect has asked for it"
        self._truth, self._index = truth, store.index

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


def strategies_that_detect(outcome: ContinualOutcome) -> tuple[str, ...]:
    """Strategies that separate noise by their scores, on data whose truth is known.

    Not those whose tasks end before the first judgement.
    """
    names = []
    for strategy in outcome.config.strategies:
        method = strategy.method
        parts = method.parts if isinstance(method, ChainConfig) else (method,)
        scores = any(isinstance(p, NoiseSeparation.Config) and p.act != "random" for p in parts)
        store = outcome.of(strategy.name)[0].specs[0].config.data.store
        known = scores and read_contamination(open_store(store)) is not None
        if known and all(_judgements(learnt) for learnt in outcome.of(strategy.name)):
            names.append(strategy.name)
    return tuple(names)


def judged_of(learnt: LearntStream) -> Judged:
    """The readings of all tasks of a stream, each as its own task had judged it last."""
    kept = _judgements(learnt)
    return Judged(
        sensors=learnt.results[0].config.model.modalities,
        rows=np.concatenate([scores["rows"].numpy() for scores in kept]),
        scores=np.concatenate([scores["values"].numpy() for scores in kept]),
        flagged=np.concatenate([scores["flagged"].numpy() for scores in kept]),
    )


def _judgements(learnt: LearntStream) -> list[Mapping[str, Any]]:
    """The scores of every task that was judged."""
    found = [_scores(checkpoints.load(result.folder / "last")["method"]) for result in learnt.results]
    return [scores for scores in found if scores is not None]


def _scores(state: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What noise separation keeps in a method's state, alone or in a chain."""
    own = state.get("nis", state)
    scores: Mapping[str, Any] | None = own.get("scores")
    return scores

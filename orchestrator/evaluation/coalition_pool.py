"""Coalition evaluation on a pool of Ray actors: (data shard x coalition block) tasks, statistics back.

An actor encodes a shard once and keeps its features while it works through that shard's blocks; only
sufficient statistics are sent. Shards are whole batches, cut by the data alone and merged in order, and
fusions run in float64, so the result does not depend on how the work is cut, on the number of actors, or on
which of them die.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.shapley.coalitions import coalitions_of
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.models.batch import Batch
from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.orchestrator.training.validation import recordings
from equipose.pipelines.batches.source import BatchSource

BATCH_ROWS = 32
"""Frames encoded together. Fixed, because float32 rounds differently in batches of other sizes."""


@dataclass(frozen=True, kw_only=True)
class PoolConfig:
    """How the work is cut and how many actors share it."""

    actors: int = 1
    cpus_per_actor: float = 1.0
    shard_rows: int = 512
    """Frames per shard, rounded up to whole batches of `BATCH_ROWS`."""
    block: int = 256
    """Coalitions per task; 2^4 = 16 fit one block, those of more than 8 modalities are cut."""

    def __post_init__(self) -> None:
        for name in ("actors", "shard_rows", "block"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


START_SECONDS = 300.0
"""How long the pool waits for the cluster to have room for its first actor."""
RESTARTS = 3
"""How often a dead actor is restarted and its task repeated; without a bound, one that needs more memory than
there is would die forever."""


class CoalitionWorker:
    """Evaluates coalition blocks of one trained model on shards of its store; an actor's body."""

    def __init__(self, checkpoint: str) -> None:
        self._trained = load_model(checkpoint)
        self._store = self._trained.open_store()
        self._batch = replace(self._trained.config.data.batch, batch_size=BATCH_ROWS)
        self._trained.model.fusion.double()
        self._trained.model.head.double()
        self._shard: int | None = None
        self._encoded: list[tuple[Tensor, Tensor, Batch]] = []

    def started(self) -> None:
        """Return once the model is loaded; shows the driver that the cluster has room for this actor."""

    def evaluate(self, shard: int, rows: np.ndarray, first: int, last: int) -> CoalitionStatistics:
        """Statistics of coalitions `first:last` of `coalitions_of(M)` over the frames `rows` of a shard."""
        model = self._trained.model
        with torch.no_grad(), evaluating(model):
            if shard != self._shard:
                self._encoded, self._shard = list(self._encode(rows)), shard
            masks = coalitions_of(len(model.modalities)).masks[first:last]
            return CoalitionStatistics.merged(
                CoalitionStatistics.from_predictions(
                    model.fuse_coalitions(features, masks, present), batch.pose, recordings(batch)
                )
                for features, present, batch in self._encoded
            )

    def _encode(self, rows: np.ndarray) -> Iterator[tuple[Tensor, Tensor, Batch]]:
        model = self._trained.model
        dtype = getattr(torch, self._trained.config.dtype)
        for batch in BatchSource(self._store, rows, self._batch).in_order():
            features = model.encode(batch.to(dtype=dtype)).double()
            yield features, model.present_of(batch), replace(batch, inputs={}, masks={})


def evaluate_coalitions(
    checkpoint: Path | str, rows: np.ndarray, modalities: int, config: PoolConfig
) -> CoalitionStatistics:
    """Statistics of `coalitions_of(M)` of a trained model over `rows`, computed on a pool of actors.

    An actor that dies is restarted by Ray and its task repeated; nothing is counted twice, because a
    task's statistics are merged only when it has returned.
    """
    if len(rows) == 0:
        raise ValueError("no frames to evaluate; the chosen part of the split is empty")
    shards = shards_of(rows, config.shard_rows)
    blocks = blocks_of(len(coalitions_of(modalities).codes), config.block)
    return CoalitionStatistics.merged(map(joined, _dispatch(str(checkpoint), shards, blocks, config)))


def shards_of(rows: np.ndarray, shard_rows: int) -> list[np.ndarray]:
    """Runs of `rows` of about `shard_rows` frames, cut between batches."""
    step = -(-shard_rows // BATCH_ROWS) * BATCH_ROWS
    return [rows[i : i + step] for i in range(0, len(rows), step)]


def blocks_of(coalitions: int, block: int) -> list[tuple[int, int]]:
    """(first, last) of blocks of coalitions; last is exclusive."""
    return [(i, min(i + block, coalitions)) for i in range(0, coalitions, block)]


def joined(parts: list[CoalitionStatistics]) -> CoalitionStatistics:
    """Blocks of coalitions of the same frames, side by side."""
    along = ("mean", "m2", "comoment", "error_sum")
    columns = {name: torch.cat([getattr(part, name) for part in parts], dim=1) for name in along}
    return replace(parts[0], **columns)


def _dispatch(
    checkpoint: str, shards: list[np.ndarray], blocks: list[tuple[int, int]], config: PoolConfig
) -> list[list[CoalitionStatistics]]:
    """Give whole shards to idle actors; results are in shard order."""
    remote = ray.remote(num_cpus=config.cpus_per_actor, max_restarts=RESTARTS, max_task_retries=RESTARTS)(
        CoalitionWorker
    )
    actors = [remote.remote(checkpoint) for _ in range(min(config.actors, len(shards)))]
    results: dict[int, list[CoalitionStatistics]] = {}
    pending = iter(range(len(shards)))
    # An actor for which the cluster has no room yet must not hold a shard, so each first reports its start.
    running: dict[Any, tuple[Any, int | None, list[Any]]] = {
        actor.started.remote(): (actor, None, []) for actor in actors
    }
    try:
        while len(results) < len(shards):
            working = any(shard is not None for _, shard, _ in running.values())
            actor, shard, refs = running.pop(_next_done(list(running), working))
            if shard is not None:
                results[shard] = ray.get(refs)
            following = next(pending, None)
            if following is not None:
                rows = shards[following]
                refs = [actor.evaluate.remote(following, rows, first, last) for first, last in blocks]
                running[refs[-1]] = (actor, following, refs)
    finally:
        for actor in actors:
            ray.kill(actor)
    return [results[shard] for shard in range(len(shards))]


def _next_done(refs: list[Any], working: bool) -> Any:
    """The next call to end. Raises TimeoutError where no actor has started for a long time."""
    done, _ = ray.wait(refs, num_returns=1, timeout=None if working else START_SECONDS)
    if not done:
        raise TimeoutError(
            f"no coalition actor could start within {START_SECONDS:g} s; "
            f"the cluster has {ray.available_resources().get('CPU', 0):g} CPUs free of "
            f"{ray.cluster_resources().get('CPU', 0):g}: wait for other work, or ask for fewer CPUs per actor"
        )
    return done[0]

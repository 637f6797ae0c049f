"""The pool's Shapley values equal brute force, however the work is cut and whichever actor dies."""

from __future__ import annotations

import os
import signal
from dataclasses import fields, replace
from functools import lru_cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.balancing.shapley.value_functions import pearson_profit
from equipose.balancing.shapley.values import shapley_values
from equipose.models.build import ModelConfig
from equipose.models.randomness import torch_rng
from equipose.models.sensors import point_views
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.orchestrator.evaluation import coalition_pool
from equipose.orchestrator.evaluation.coalition_pool import (
    BATCH_ROWS,
    CoalitionWorker,
    PoolConfig,
    blocks_of,
    evaluate_coalitions,
    joined,
    shards_of,
)
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedReader, SimulatedSource
from equipose.pipelines.sequence import Defect, RawSequence, SequenceKey
from equipose.pipelines.simulator import SimulatorConfig

M = 4
FUSIONS = ("concat", "mlp", "attention")
fusions = pytest.mark.parametrize("fusion", FUSIONS)


class LossyReader(SimulatedReader):
    """Simulated recordings, of which every sensor has lost two frames."""

    def read(self, root: SimulatedSource, key: SequenceKey) -> RawSequence:
        sequence = super().read(root, key)
        for m, name in enumerate(("rgb", "lidar", "mmwave", "wifi")):
            for offset in (m, 10):
                sequence.frames[name][offset] = Defect(modality=name, frame=offset + 1, reason="missing")
        return sequence


@pytest.fixture(scope="module")
def lossy_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 frames of 10 recordings; one frame of each has no sensor at all."""
    source = SimulatedSource(
        subjects=("S08", "S09", "S19", "S25", "S31"),
        actions=("A02", "A13"),
        config=SimulatorConfig(frames=20, seed=3),
    )
    path = tmp_path_factory.mktemp("lossy") / "store"
    prepare("simulated", source, path, reader=LossyReader())
    return path


@pytest.fixture(scope="module")
def checkpoint_of(lossy_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """(fusion, dtype) -> folder of a checkpoint whose every weight is random."""

    @lru_cache
    def make(fusion: str, dtype: str = "float32") -> Path:
        config = TrainConfig(
            data=DataConfig(
                store=str(lossy_store),
                batch=BatchConfig(batch_size=24, views=point_views(lidar=24, mmwave=8)),
            ),
            model=ModelConfig(preset="tiny", fusion=fusion),  # type: ignore[arg-type]
            dtype=dtype,  # type: ignore[arg-type]
        )
        training = build_training(config)
        rng = torch_rng(0, "weights", fusion)
        with torch.no_grad():
            for parameter in training.model.fusion.parameters():
                parameter += 0.2 * torch.randn(parameter.shape, generator=rng, dtype=parameter.dtype)
        folder = tmp_path_factory.mktemp(f"{fusion}-{dtype}")
        checkpoints.save(training, config, folder, {})
        return folder

    return make


ROWS = np.arange(200)[::-1].copy()


def brute_force(checkpoint: Path) -> tuple[np.ndarray, np.ndarray]:
    """([16] Pearson profit, [16] MPJPE in mm) by 16 forwards of the whole model over all rows at once."""
    trained = load_model(checkpoint)
    model = trained.model.eval()
    (batch,) = replace_batches(trained, len(ROWS))
    profits, errors = [], []
    for code in range(2**M):
        chosen = torch.tensor([bool(code >> m & 1) for m in range(M)])
        with torch.no_grad():
            pose = model(replace(batch, present=batch.present & chosen)).pose.numpy().astype(np.float64)
        truth = batch.pose.numpy().astype(np.float64)
        errors.append(1000 * np.sqrt(((pose - truth) ** 2).sum(-1)).mean())
        columns = zip(pose.reshape(len(pose), -1).T, truth.reshape(len(truth), -1).T, strict=True)
        profits.append(sum(np.corrcoef(p, t)[0, 1] for p, t in columns if min(p.std(), t.std()) > 1e-5))
    return np.array(profits), np.array(errors)


def replace_batches(trained: Any, size: int) -> list[Any]:
    """All rows as batches of `size`, in the model's precision."""
    source = trained.batches(ROWS)
    source.config = replace(source.config, batch_size=size)
    return [batch.to(dtype=getattr(torch, trained.config.dtype)) for batch in source.in_order()]


def by_orders(values: np.ndarray) -> np.ndarray:
    """Shapley values as the mean gain over all 24 orders in which the sensors can join."""
    gains = np.zeros(M)
    orders = list(permutations(range(M)))
    for order in orders:
        code = 0
        for m in order:
            gains[m] += values[code | 1 << m] - values[code]
            code |= 1 << m
    return gains / len(orders)


def in_this_process(checkpoint: Path, shard_rows: int, block: int) -> CoalitionStatistics:
    """What the pool computes, by one worker without Ray."""
    worker = CoalitionWorker(str(checkpoint))
    parts = [
        joined([worker.evaluate(s, rows, first, last) for first, last in blocks_of(2**M, block)])
        for s, rows in enumerate(shards_of(ROWS, shard_rows))
    ]
    return CoalitionStatistics.merged(parts)


def assert_same(one: CoalitionStatistics, other: CoalitionStatistics, tolerance: float) -> None:
    for f in fields(CoalitionStatistics):
        torch.testing.assert_close(
            getattr(one, f.name), getattr(other, f.name), rtol=tolerance, atol=tolerance, msg=f.name
        )
    values = [pearson_profit(statistics) for statistics in (one, other)]
    torch.testing.assert_close(*map(shapley_values, values), rtol=0, atol=tolerance)
    assert abs(shapley_values(values[0]).sum() - (values[0][-1] - values[0][0])) < 1e-9


@fusions
def test_equals_sixteen_full_forwards(checkpoint_of: Any, fusion: str) -> None:
    checkpoint = checkpoint_of(fusion, "float64")
    statistics = in_this_process(checkpoint, 64, 5)
    profits, errors = brute_force(checkpoint)
    assert np.ptp(profits) > 0.1
    assert statistics.count.sum() == len(ROWS)
    np.testing.assert_allclose(pearson_profit(statistics), profits, rtol=0, atol=1e-6)
    np.testing.assert_allclose(statistics.mpjpe_mm(), errors, rtol=0, atol=1e-6)
    shapley = shapley_values(pearson_profit(statistics))
    np.testing.assert_allclose(shapley, by_orders(profits), rtol=0, atol=1e-6)
    assert abs(float(shapley.sum()) - (profits[-1] - profits[0])) < 1e-6


@fusions
@pytest.mark.parametrize(("shard_rows", "block"), [(1, 16), (64, 1), (100, 3), (200, 7)])
def test_any_cut_gives_the_same(checkpoint_of: Any, fusion: str, shard_rows: int, block: int) -> None:
    checkpoint = checkpoint_of(fusion)
    whole = in_this_process(checkpoint, len(ROWS), 2**M)
    assert_same(in_this_process(checkpoint, shard_rows, block), whole, 1e-9)


def test_float32_is_near_brute_force(checkpoint_of: Any) -> None:
    checkpoint = checkpoint_of("mlp")
    profits, _ = brute_force(checkpoint)
    values = pearson_profit(in_this_process(checkpoint, 200, 16))
    np.testing.assert_allclose(values, profits, rtol=0, atol=1e-3)


def test_shards_are_whole_batches_and_blocks_cover_all() -> None:
    shards = shards_of(ROWS, 33)
    assert [len(shard) for shard in shards] == [64, 64, 64, 8]
    assert len(shards_of(ROWS, 1)[0]) == BATCH_ROWS
    assert np.array_equal(np.concatenate(shards), ROWS)
    assert blocks_of(16, 7) == [(0, 7), (7, 14), (14, 16)]


def test_messages(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="actors must be at least 1, got 0"):
        PoolConfig(actors=0)
    with pytest.raises(ValueError, match="no frames to evaluate"):
        evaluate_coalitions(tmp_path, np.array([], np.int64), M, PoolConfig())


@pytest.mark.system
@fusions
def test_any_number_of_actors_gives_the_same(ray_cluster: None, checkpoint_of: Any, fusion: str) -> None:
    checkpoint = checkpoint_of(fusion)
    alone = in_this_process(checkpoint, len(ROWS), 2**M)
    counts = {1: (512, 256), 2: (64, 5), 5: (32, 16)} if fusion == "concat" else {2: (64, 16)}
    for actors, (shard_rows, block) in counts.items():
        pool = PoolConfig(actors=actors, cpus_per_actor=0.2, shard_rows=shard_rows, block=block)
        assert_same(evaluate_coalitions(checkpoint, ROWS, M, pool), alone, 1e-9)


@pytest.mark.system
def test_actors_without_a_place_hold_nothing_up(
    ray_cluster: None, checkpoint_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = checkpoint_of("concat")
    alone = in_this_process(checkpoint, len(ROWS), 2**M)
    pool = PoolConfig(actors=5, cpus_per_actor=1.5, shard_rows=32)  # this Ray has room for one
    assert_same(evaluate_coalitions(checkpoint, ROWS, M, pool), alone, 1e-9)

    monkeypatch.setattr(coalition_pool, "START_SECONDS", 0.5)
    with pytest.raises(TimeoutError, match=r"no coalition actor could start .* CPUs free of 2"):
        evaluate_coalitions(checkpoint, ROWS, M, PoolConfig(cpus_per_actor=3.0))


@pytest.mark.system
def test_a_killed_actor_changes_nothing(
    ray_cluster: None, checkpoint_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, obituary = checkpoint_of("concat"), tmp_path / "died"
    alone = in_this_process(checkpoint, len(ROWS), 2**M)

    class Mortal(CoalitionWorker):
        """Is killed in the middle of the second shard, once."""

        def evaluate(self, shard: int, rows: np.ndarray, first: int, last: int) -> CoalitionStatistics:
            statistics = super().evaluate(shard, rows, first, last)
            if shard == 1 and first > 0 and not obituary.exists():
                obituary.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            return statistics

    monkeypatch.setattr(coalition_pool, "CoalitionWorker", Mortal)
    pool = PoolConfig(actors=2, cpus_per_actor=0.2, shard_rows=64, block=6)
    statistics = evaluate_coalitions(checkpoint, ROWS, M, pool)
    assert obituary.exists(), "no actor died, so this test has shown nothing"
    assert_same(statistics, alone, 1e-9)

"""Two DDP ranks equal one rank, and a resumed run equals an uninterrupted one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.agm import AGM
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.g_blending import GBlending
from equipose.balancing.methods.mla import MLA
from equipose.balancing.methods.mmpareto import MMPareto
from equipose.balancing.methods.modality_resampling import ModalityResampling
from equipose.balancing.methods.ogm_ge import OGMGE
from equipose.balancing.methods.opm import OPM
from equipose.balancing.methods.pmr import PMR
from equipose.balancing.methods.recon_boost import ReconBoost
from equipose.balancing.methods.relearning import Relearning
from equipose.balancing.methods.sample_resampling import SampleResampling
from equipose.balancing.registry import METHODS
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.host import free_port
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.loop import EpochResult, fit
from equipose.orchestrator.training.ranks import Ranks
from equipose.orchestrator.training.state import Training
from equipose.pipelines.batches.source import BatchConfig


def config_of(store: Path, method: MethodConfig, batch_size: int = 24, **changes: Any) -> TrainConfig:
    """A tiny float64 run without batch statistics: 4 epochs x 5 steps, or fewer of larger batches."""
    batch = BatchConfig(batch_size=batch_size, views=point_views(lidar=16, mmwave=8))
    base = TrainConfig(
        data=DataConfig(store=str(store), batch=batch),
        model=ModelConfig(preset="tiny", norm="layer"),
        method=method,
        epochs=4,
        dtype="float64",
    )
    return replace(base, **changes)


def train(config: TrainConfig, ranks: Ranks | None = None) -> tuple[Training, list[EpochResult]]:
    """Train to the end in this process."""
    training = build_training(config, ranks=ranks)
    if training.ranks.world_size > 1:
        training.wrapped = DistributedDataParallel(training.model)
    return training, list(fit(training))


def state_of(training: Training, results: list[EpochResult]) -> dict[str, Any]:
    """Everything that must agree: weights, method state, metrics without what the machine adds."""
    machine = ("time/", "memory/")
    metrics = [{k: v for k, v in r.metrics.items() if not k.startswith(machine)} for r in results]
    return {
        "model": training.model.state_dict(),
        "method": training.method.state_dict(),
        "contributions": training.contributions,
        "metrics": metrics,
    }


def assert_close(one: Any, other: Any, tolerance: float, where: str = "") -> None:
    """Compare nested states; tolerance 0 means bit for bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_close(one[key], other[key], tolerance, f"{where}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_close(a, b, tolerance, f"{where}[{i}]")
    elif isinstance(one, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance, msg=lambda m: f"{where}: {m}")
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=tolerance, abs=tolerance), where
    else:
        assert one == other, where


def rank_main(rank: int, port: int, configs: dict[str, TrainConfig], out: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    dist.init_process_group("gloo", rank=rank, world_size=2)
    try:
        for name, config in configs.items():
            torch.save(state_of(*train(config, Ranks.current())), f"{out}/{name}-{rank}.pt")
    finally:
        dist.destroy_process_group()


EXACT = {
    "dataset": AWC.Config(window=3),
    "paper": AWC.Config(window=3, fisher="per_batch", anchor="init", contributions="batch"),
}
"""AWC as it is by default, and in the paper's other readings."""

SHORT = {
    "g_blending": GBlending.Config(super_epoch=1),
    "modality_resampling": ModalityResampling.Config(warmup=1),
    "sample_resampling": SampleResampling.Config(warmup=1),
    "relearning": Relearning.Config(every=1),
}
"""Methods whose defaults would not act within four epochs."""
VARIANTS = {
    "ogm_ge-probes": OGMGE.Config(unimodal="heads", window=1),
    "opm-probes": OPM.Config(unimodal="heads", rate=1.0),
    "agm-encoders": AGM.Config(scale="encoders"),
    "pmr-gradients": PMR.Config(act="gradients", eta=0.5),
    "mmpareto-window": MMPareto.Config(window=1),
    "mla-window": MLA.Config(window=1),
    "modality_resampling-soft": ModalityResampling.Config(warmup=0, value="soft", alpha=20.0),
    "sample_resampling-soft": SampleResampling.Config(warmup=0, value="soft", which="weakest"),
    "relearning-purity": Relearning.Config(every=1, diagnosis="purity"),
    "recon_boost-reweighted": ReconBoost.Config(reading="reweighted", window=1),
}
"""Readings that take another way through the backward pass, or change it during the run."""


SENSORS = ("rgb", "lidar", "mmwave")
"""Of the many runs; the longer ones have WiFi too, which takes as long as these."""


def every_method(store: Path) -> dict[str, TrainConfig]:
    """Runs of every registered method, by an MLP and by attention in turn, and of the variants.

    The contract suite has all of them on two ranks with a fusion that adds up, as concatenation does.
    """
    methods = {name: SHORT.get(name, method.Config()) for name, method in METHODS.items()}
    runs: list[tuple[str, MethodConfig, str]] = [
        *((name, config, ("mlp", "attention")[i % 2]) for i, (name, config) in enumerate(methods.items())),
        *((name, config, "concat") for name, config in VARIANTS.items()),
    ]
    return {
        name: config_of(
            store,
            config,
            data=DataConfig(
                store=str(store),
                batch=BatchConfig(batch_size=48, views=point_views(lidar=16, mmwave=8), modalities=SENSORS),
            ),
            model=ModelConfig(
                preset="tiny",
                norm="layer",
                fusion=fusion,  # type: ignore[arg-type]
                modalities=SENSORS,
            ),
            epochs=2,
        )
        for name, config, fusion in runs
    }


def longer_runs(store: Path) -> dict[str, TrainConfig]:
    """AWC beyond its window, and with batch statistics."""
    exact = {name: config_of(store, method, batch_size=48) for name, method in EXACT.items()}
    norm = ModelConfig(preset="tiny", norm="batch")
    return {**exact, "batch-norm": config_of(store, AWC.Config(window=3), batch_size=48, model=norm)}


RankState = Callable[[str, int], dict[str, Any]]


@pytest.fixture(scope="module")
def of_rank(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> RankState:
    """(name, rank) -> what that rank of two ends with, all trained by one pair of processes."""
    folder = tmp_path_factory.mktemp("ranks")
    configs = {**every_method(store_path), **longer_runs(store_path)}
    mp.spawn(rank_main, args=(free_port(), configs, str(folder)), nprocs=2)

    def state(name: str, rank: int) -> dict[str, Any]:
        found: dict[str, Any] = torch.load(folder / f"{name}-{rank}.pt", weights_only=True)
        return found

    return state


@pytest.mark.system
def test_two_ranks_equal_one_with_every_method(store_path: Path, of_rank: RankState) -> None:
    for name, config in every_method(store_path).items():
        assert_close(of_rank(name, 0)["model"], of_rank(name, 1)["model"], 0.0, name)
        assert_close(state_of(*train(config)), of_rank(name, 0), 1e-10, name)


@pytest.mark.system
def test_two_ranks_equal_one(store_path: Path, of_rank: RankState) -> None:
    configs = longer_runs(store_path)
    for name in configs:
        assert_close(of_rank(name, 0)["model"], of_rank(name, 1)["model"], 0.0, name)
        assert_close(of_rank(name, 0)["contributions"], of_rank(name, 1)["contributions"], 0.0, name)
    for name in EXACT:
        assert_close(state_of(*train(configs[name])), of_rank(name, 0), 1e-10, name)
    alone = state_of(*train(configs["batch-norm"]))
    with pytest.raises(AssertionError):
        assert_close(alone["model"], of_rank("batch-norm", 0)["model"], 1e-10)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_resumed_equals_uninterrupted(store_path: Path, tmp_path: Path, name: str) -> None:
    """With two sensors: test_training_faults.py resumes with four."""
    sensors = ("rgb", "lidar")
    config = config_of(
        store_path,
        METHODS[name].Config(),
        data=DataConfig(
            store=str(store_path),
            batch=BatchConfig(batch_size=48, views=point_views(lidar=16), modalities=sensors),
        ),
        dtype="float32",
        epochs=3,
        model=ModelConfig(preset="tiny", norm="batch", dropout=0.1, modalities=sensors),
    )
    whole = build_training(config)
    results: list[EpochResult] = []
    for result in fit(whole):
        results.append(result)
        folder = tmp_path / str(len(results))
        folder.mkdir()
        checkpoints.save(whole, config, folder, {})
    for done in range(1, config.epochs):
        resumed = build_training(config)
        checkpoints.restore(resumed, checkpoints.load(tmp_path / str(done)), config)
        state = state_of(resumed, results[:done] + list(fit(resumed)))
        assert_close(state_of(whole, results), state, 0.0, f"after {done}")


def test_a_checkpoint_of_other_settings_is_refused(store_path: Path, tmp_path: Path) -> None:
    config = config_of(store_path, METHODS["plain"].Config())
    training = build_training(config)
    checkpoints.save(training, config, tmp_path, {})
    with pytest.raises(ValueError, match=r"other settings for \['seed'\]"):
        checkpoints.restore(training, checkpoints.load(tmp_path), replace(config, seed=1))

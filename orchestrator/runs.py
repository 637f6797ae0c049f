"""One training run on Ray Train: from a config to a result with its best and last checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch

from orchestrator.config import TrainConfig
from orchestrator.resources import Resources
from orchestrator.tracking import Tracked

OBJECTIVE = "val/mpjpe_mm"
"""What checkpoints are ranked by: the error of the epoch that wrote them."""


def run_training(
    config: TrainConfig,
    *,
    name: str,
    storage: Path | str,
    resources: Resources,
    tracked: Tracked | None = None,
    callbacks: list[Any] | None = None,
) -> ray.train.Result:
    """Train on Ray Train V2 and wait for the end.

    The same `name` and `storage` again resume the run from its newest checkpoint. Raises
    `ray.train.TrainingFailedError` when it keeps failing.
    """
    trainer = ray.train.torch.TorchTrainer(
        _train_worker,
        train_loop_config={"config": config, "tracked": tracked},
        torch_config=ray.train.torch.TorchConfig(backend="nccl" if resources.gpu else "gloo"),
        scaling_config=ray.train.ScalingConfig(
            num_workers=resources.workers,
            use_gpu=resources.gpu,
            resources_per_worker={"CPU": resources.cpus_per_worker, **({"GPU": 1} if resources.gpu else {})},
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=str(storage),
            callbacks=callbacks,
            failure_config=ray.train.FailureConfig(max_failures=resources.max_failures),
            checkpoint_config=ray.train.CheckpointConfig(
                num_to_keep=2, checkpoint_score_attribute=OBJECTIVE, checkpoint_score_order="min"
            ),
            logging_config=ray.train.LoggingConfig(log_level="WARNING"),
        ),
    )
    return trainer.fit()


def _train_worker(payload: dict[str, Any]) -> dict[str, float]:
    """`workers.train_worker`, imported where it runs: two processes that only start it are spared seconds."""
    from orchestrator.workers import train_worker

    return train_worker(payload)


def best_checkpoint(result: ray.train.Result) -> Path:
    """Local folder of the checkpoint with the lowest validation error that was kept."""
    kept = [(checkpoint, metrics) for checkpoint, metrics in result.best_checkpoints if OBJECTIVE in metrics]
    if not kept:
        raise ValueError(f"run {result.path} kept no checkpoint; it reported none before it ended")
    checkpoint, _ = min(kept, key=lambda pair: pair[1][OBJECTIVE])
    return Path(checkpoint.path)

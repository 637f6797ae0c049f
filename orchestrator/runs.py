"""One training run on Ray Train: from a config to a result with its best and last checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch

from orchestrator.config import TrainConfig
from orchestrator.errors import failed_training
from orchestrator.resources import Resources
from orchestrator.tracking import Tracked
from orchestrator.train_folder import clear_scratch, tidy

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
    `FailedTrainingError` when it keeps failing.
    """
    folder = None if "://" in str(storage) else Path(storage).resolve() / name
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        tidy(folder)
    trainer = ray.train.torch.TorchTrainer(
        _train_worker,
        train_loop_config={"config": config, "tracked": tracked, "folder": folder},
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
    try:
        return trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise failed_training(name, f"{storage}/{name}", error) from error
    finally:
        if folder:
            clear_scratch(folder)


def _train_worker(payload: dict[str, Any]) -> dict[str, float]:
    """`workers.train_worker`, imported where it runs: two processes that only start it are spared seconds."""
    from orchestrator.workers import train_worker

    return train_worker(payload)


def best_checkpoint(result: ray.train.Result) -> Path:
    """Local folder of the checkpoint with the lowest validation error that was kept.

    After a damaged one an epoch was trained twice, to the same error: then the one that can be read.
    """
    from orchestrator.resume_state import readable  # torch, which processes that only start runs do without

    kept = [(checkpoint, metrics) for checkpoint, metrics in result.best_checkpoints if OBJECTIVE in metrics]
    if not kept:
        raise ValueError(f"run {result.path} kept no checkpoint; it reported none before it ended")
    lowest = min(metrics[OBJECTIVE] for _, metrics in kept)
    return readable([Path(checkpoint.path) for checkpoint, metrics in kept if metrics[OBJECTIVE] == lowest])

"""One training run on Ray Train: from a config to a result with its best and last checkpoints.

Ray Train 2.60 does not distinguish errors that would recur from processes that died:
`FailureConfig(max_failures)` counts both. It does not retry a run whose callback raises, which
`EndAtLastingErrors` uses.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray.exceptions
import ray.train
from ray.train import UserCallback
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.cluster.leaked_groups import release_after
from equipose.orchestrator.cluster.ray_private import trainer_with_few_processes
from equipose.orchestrator.failures import failed_training, is_lasting
from equipose.orchestrator.ray_train.run_folder import clear_scratch, tidy
from equipose.orchestrator.tracking.runs import Tracked

if TYPE_CHECKING:
    from equipose.orchestrator.training.config import TrainConfig

OBJECTIVE = "val/mpjpe_mm"
"""What checkpoints are ranked by: the error of the epoch that wrote them."""
RESTARTS = 2
"""How often a run is restarted where Ray Train gives up at once: after the death of its controller, or of a
worker before it trained (seen with Ray 2.60; a worker takes most memory while it imports its libraries)."""


ENDED_EARLY = (ray.train.ControllerError, ray.exceptions.RayError)
"""How a run fails whose controller could not clear up after itself."""


class EndAtLastingErrors(UserCallback):
    """Runs in Ray Train's controller and ends a run at once when another attempt would fail too."""

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Raise the first such error; those of other ranks are often only its consequence."""
        for error in worker_exceptions.values():
            if is_lasting(error):
                raise error


def run_training(
    config: TrainConfig,
    *,
    name: str,
    storage: Path | str,
    resources: Resources,
    tracked: Tracked | None = None,
    start: Path | None = None,
) -> ray.train.Result:
    """Train on Ray Train V2 and wait for the end; see `run_described`."""
    from equipose.orchestrator.training.config import to_text

    return run_described(
        to_text(config), name=name, storage=storage, resources=resources, tracked=tracked, start=start
    )


def run_described(
    config: str,
    *,
    name: str,
    storage: Path | str,
    resources: Resources,
    tracked: Tracked | None = None,
    callbacks: list[Any] | None = None,
    start: Path | None = None,
    controller_here: bool = False,
) -> ray.train.Result:
    """Train on Ray Train V2 and wait for the end; `config` is the text of a TrainConfig.

    start: folder of another run's checkpoint at which this one starts, which every node sees.
    controller_here: Ray Train's controller, and `callbacks` with it, run in this process, that of an actor
    whose job removes placement groups that outlive it; by default they have an actor of their own.

    Called again with the same `name` and `storage`, it resumes from the newest checkpoint. Raises
    FailedTrainingError when processes keep dying, or when a worker raised what it would raise again.
    """
    folder = None if "://" in str(storage) else Path(storage).resolve() / name
    run_config = ray.train.RunConfig(
        name=name,
        storage_path=str(storage),
        callbacks=[*(callbacks or ()), EndAtLastingErrors()],
        failure_config=ray.train.FailureConfig(max_failures=resources.max_failures),
        checkpoint_config=ray.train.CheckpointConfig(
            num_to_keep=2, checkpoint_score_attribute=OBJECTIVE, checkpoint_score_order="min"
        ),
        logging_config=ray.train.LoggingConfig(log_level="WARNING"),
    )
    payload = {"config": config, "tracked": tracked, "folder": folder, "start": start}
    for retries_left in reversed(range(RESTARTS + 1)):
        try:
            return _fit(payload, run_config, resources, controller_here)
        except (ray.train.TrainingFailedError, ray.exceptions.RayError) as error:
            failed = failed_training(name, f"{storage}/{name}", error)
            if isinstance(error, ENDED_EARLY) and not controller_here:
                release_after(error)
            if failed.lasting or not retries_left:
                raise failed from error
    raise AssertionError("unreachable: the last attempt returns or raises")


def _fit(
    payload: dict[str, Any], run_config: ray.train.RunConfig, resources: Resources, controller_here: bool
) -> ray.train.Result:
    """One `fit`, with the folder of the run tidied before and after."""
    folder: Path | None = payload["folder"]
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        tidy(folder)
    trainer = _trainer(
        resources,
        controller_here,
        train_loop_config=payload,
        scaling_config=ray.train.ScalingConfig(
            num_workers=resources.workers,
            use_gpu=resources.gpu,
            resources_per_worker={"CPU": resources.cpus_per_worker, **({"GPU": 1} if resources.gpu else {})},
        ),
        run_config=run_config,
    )
    try:
        return trainer.fit()
    finally:
        if folder:
            clear_scratch(folder)


def _trainer(resources: Resources, controller_here: bool, **options: Any) -> DataParallelTrainer:
    """A trainer that puts several workers into a process group of torch.

    One worker needs none. Without it, this process and Ray Train's controller do not import torch.
    """
    if resources.workers == 1:
        alone = trainer_with_few_processes(DataParallelTrainer, controller_here=controller_here)
        return alone(_train_worker, **options)
    from ray.train.torch import TorchConfig, TorchTrainer

    config = TorchConfig(backend="nccl" if resources.gpu else "gloo")
    group = trainer_with_few_processes(TorchTrainer, controller_here=controller_here)
    return group(_train_worker, torch_config=config, **options)


def _train_worker(payload: dict[str, Any]) -> dict[str, float]:
    """`worker.train_worker`, imported where it runs: the two processes that only start it save seconds."""
    from equipose.orchestrator.ray_train.worker import train_worker

    return train_worker(payload)


def best_checkpoint(result: ray.train.Result) -> Path:
    """Local folder of the checkpoint with the lowest validation error that was kept.

    After damage an epoch has been trained twice, to the same error; then it is the readable one.
    """
    from equipose.orchestrator.ray_train.resume import (
        readable,  # imports torch, which processes that only start runs do not need
    )

    kept = [(checkpoint, metrics) for checkpoint, metrics in result.best_checkpoints if OBJECTIVE in metrics]
    if not kept:
        raise ValueError(f"run {result.path} kept no checkpoint; it reported none before it ended")
    lowest = min(metrics[OBJECTIVE] for _, metrics in kept)
    return readable([Path(checkpoint.path) for checkpoint, metrics in kept if metrics[OBJECTIVE] == lowest])

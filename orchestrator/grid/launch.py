"""How a run is trained: in the process that wants it, or on Ray Train.

A run is trained **in this process** (`train_alone`) when it has one worker and belongs to a grid: a
comparison, the paper's tables, the controlled experiment, streams of tasks, stages of UniHPE, and the sweeps
of both. Every run of a grid is a Ray task already (in such a sweep, part of a trial of Tune), which Ray
places, restarts and moves off dead nodes, so Ray Train would only add two processes per run, a controller and
a worker, with their memory and start-up time.

A run is trained **on Ray Train** (`equipose.orchestrator.ray_train.run.run_training`) when it has several
workers, whose process group Ray Train forms and restarts as a whole; when it is a trial of a sweep, whose
epochs Ray Tune must see to stop it early; and when it is the one run of `equipose train`, whose job process
must survive the death of a worker.

Both run the same loop (`equipose.orchestrator.training.logged_run.run_epochs`), write the same checkpoints
(`equipose.orchestrator.checkpoints.layout`) and resume from the newest readable one, to the same numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from equipose.balancing.shapley.statistics import DivergedError
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.folder import CheckpointFolder
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.failures import FailedTrainingError
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.tracking.runs import Tracked
from equipose.orchestrator.training.build import build_training, own_device, run_facts
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.logged_run import run_epochs
from equipose.orchestrator.training.start import start_at

if TYPE_CHECKING:
    from ray.train import Result


def trains_in_process(spec: RunSpec) -> bool:
    """Whether the process that wants a run of a grid trains it, rather than workers of Ray Train."""
    return spec.workers == 1


def train(
    spec: RunSpec,
    data: RunData,
    folder: Path,
    resources: Resources,
    tracked: Tracked | None,
    start: Path | None = None,
) -> tuple[Path, Path]:
    """Train a run to its end with its checkpoints in `folder`, resuming where it was interrupted.

    start: folder of the checkpoint of another run at which it starts, see `training.start`. Returns the
    folders of its last checkpoint and its best one.
    """
    if trains_in_process(spec):
        return train_alone(spec.config, data, folder, tracked, start), CheckpointFolder(folder).best
    from equipose.orchestrator.ray_train.run import best_checkpoint

    result = _train_on_ray(spec, folder, resources, tracked, start)
    assert result.checkpoint is not None
    return Path(result.checkpoint.path), best_checkpoint(result)


def train_alone(
    config: TrainConfig, data: RunData, folder: Path, tracked: Tracked | None, start: Path | None = None
) -> Path:
    """Train in this process, resuming from the newest readable checkpoint in `folder`; returns the last."""
    training = build_training(config, data, device=own_device())
    facts = run_facts(training, data)
    kept = CheckpointFolder(folder)
    found = kept.resume_point()
    if found.state is not None:
        found.state["config"]["data"]["store"] = config.data.store  # the store may have moved since
        checkpoints.restore(training, found.state, config)
    elif start is not None:
        start_at(training, checkpoints.load(start), config, data)
    run_epochs(training, config, tracked, lambda _: kept.save(training, config, facts), found.notes)
    return kept.newest


def _train_on_ray(
    spec: RunSpec, folder: Path, resources: Resources, tracked: Tracked | None, start: Path | None
) -> Result:
    """Train on Ray Train; divergence raises the same error as in this process."""
    from equipose.orchestrator.ray_train.run import run_training

    try:
        return run_training(
            spec.config,
            name=folder.name,
            storage=folder.parent,
            resources=resources,
            tracked=tracked,
            start=start,
        )
    except FailedTrainingError as error:
        if isinstance(error.cause, DivergedError):
            raise error.cause from error
        raise

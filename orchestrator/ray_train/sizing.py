"""The size of a training run: memory per worker, from the widths of its model and its batches."""

from __future__ import annotations

from equipose.orchestrator.cluster.capacity import GIB_PER_WORKER, Resources, concurrent_runs
from equipose.orchestrator.training.config import TrainConfig

WIDTHS: dict[str, tuple[float, float]] = {
    "tiny": (0.0, 0.0005),
    "small": (0.0, 0.0015),
    "paper": (3.5, 0.085),
}
"""Model preset -> additional memory of a worker on the CPU: GiB for weights, gradients and Adam's moments
with their copies, and GiB per frame of a batch, each measured with the preset's own number of points."""


def gib_of_worker(config: TrainConfig, *, gpu: bool) -> float:
    """Memory of one training worker; on a GPU, its model and batches are not counted."""
    fixed, per_frame = WIDTHS[config.model.preset]
    return GIB_PER_WORKER + (0.0 if gpu else fixed + per_frame * config.data.batch.batch_size)


def concurrent_runs_of(config: TrainConfig, workers: int, *, gpu: bool, limit: int) -> tuple[int, Resources]:
    """`concurrent_runs` for runs like this one, whose widths and batches give the memory of a worker."""
    return concurrent_runs(workers, gpu=gpu, limit=limit, worker_gib=gib_of_worker(config, gpu=gpu))

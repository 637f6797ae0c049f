"""What one training run takes from a machine or cluster."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What one training run takes from the cluster."""

    workers: int = 1
    cpus_per_worker: float = 1.0
    gpu: bool = False
    max_failures: int = 3
    """How often a run whose worker died starts again from its newest checkpoint."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ValueError(f"workers must be at least 1, got {self.workers}")
        if self.cpus_per_worker <= 0:
            raise ValueError(f"cpus_per_worker must be positive, got {self.cpus_per_worker}")

"""What the tests of tracking log, and what the server must hold afterwards."""

from __future__ import annotations

from same_runs import Points, by_key

METRICS = ("val/mpjpe_mm", "subset/RL/mpjpe_mm", "shapley/rgb")


def values(epoch: int) -> dict[str, float]:
    """What an epoch logs: a function of the epoch, as in a run that resumes exactly."""
    return {name: 100.0 / (epoch + 1) + i for i, name in enumerate(METRICS)}


def expected(epochs: int) -> Points:
    """Metric -> (step, value) after so many epochs."""
    return by_key([values(epoch) for epoch in range(epochs)])

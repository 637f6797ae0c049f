"""How tests compare runs: metrics without timings and memory, states bit for bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.server import TrackingServer
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.loop import fit
from equipose.orchestrator.training.state import Training

Metrics = list[dict[str, float]]
Points = dict[str, list[tuple[int, float]]]


def untimed(metrics: dict[str, float]) -> dict[str, float]:
    """Metrics of an epoch without times and memory."""
    return {key: value for key, value in metrics.items() if not key.startswith(("time/", "memory/"))}


def reference(config: TrainConfig) -> tuple[Training, Metrics]:
    """The same run in this process, without interruption."""
    training = build_training(config)
    return training, [untimed(result.metrics) for result in fit(training)]


def history(server: TrackingServer, run_id: str) -> Points:
    """Metric -> (step, value) of every point in MLflow, without timings."""
    mlflow = client(server.uri)
    keys = untimed(mlflow.get_run(run_id).data.metrics)
    return {key: [(p.step, p.value) for p in mlflow.get_metric_history(run_id, key)] for key in keys}


def by_key(metrics: Metrics) -> Points:
    """The expected `history` after these epochs."""
    found: Points = {}
    for epoch, values in enumerate(metrics):
        for key, value in values.items():
            found.setdefault(key, []).append((epoch, value))
    return found


def assert_equal(one: Any, other: Any, same: Callable[[Any, Any], None] | None = None, at: str = "") -> None:
    """Compare nested states; tensors bit for bit unless `same` says otherwise."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), at
        for key in one:
            assert_equal(one[key], other[key], same, f"{at}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), at
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_equal(a, b, same, f"{at}[{i}]")
    elif isinstance(one, torch.Tensor):
        (same or (lambda a, b: torch.testing.assert_close(a, b, rtol=0, atol=0, msg=at)))(one, other)
    else:
        assert one == other, at

"""What goes to MLflow and comes back, for processes that do without its library; fields as there."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """One point: time in ms, step = epoch."""

    key: str
    value: float
    timestamp: int
    step: int


class Param(NamedTuple):
    """One parameter."""

    key: str
    value: str


class Experiment(NamedTuple):
    """An experiment's identity and state."""

    experiment_id: str
    lifecycle_stage: str


class RunInfo(NamedTuple):
    """Identity and state of a run."""

    run_id: str
    status: str
    artifact_uri: str


class RunData(NamedTuple):
    """Latest metrics, and tags."""

    metrics: dict[str, float]
    tags: dict[str, str]


class TrackedRun(NamedTuple):
    """A run as the server has it."""

    info: RunInfo
    data: RunData

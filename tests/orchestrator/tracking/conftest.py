"""A run for each test of tracking."""

from __future__ import annotations

import pytest

from equipose.orchestrator.tracking.runs import create_run
from equipose.orchestrator.tracking.server import TrackingServer


@pytest.fixture
def run_id(tracking: TrackingServer, request: pytest.FixtureRequest) -> str:
    """A new MLflow run, named after the test."""
    return create_run(tracking.uri, "logging", request.node.name)

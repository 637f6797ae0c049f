"""One tracking server for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.server_process import alive
from orchestrator.tracking_server import TrackingServer, tracking_server


@pytest.fixture(scope="session")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingServer]:
    """A running tracking server; checks at the end that nothing of it is left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        with tracking_server(tmp_path_factory.mktemp("tracking")) as server:
            yield server
    assert not alive(server.guard_pid)

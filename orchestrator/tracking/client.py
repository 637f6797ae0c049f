"""The one way to get an MLflow client: by address, with short timeouts, no output, no proxy for loopback.

MLflow is imported on first use: it takes most of a second, and not every command needs it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlparse

from equipose.orchestrator.host import LOOPBACK_NAMES

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Our own outbox retries; the client's default of 7 retries blocks for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
"""Defaults for this process; what the user has set stays."""


def bypass_proxy(uri: str) -> None:
    """Keep a loopback address off an `HTTP_PROXY` that the environment may set."""
    if urlparse(uri).hostname not in LOOPBACK_NAMES:
        return
    for name in ("no_proxy", "NO_PROXY"):
        hosts = [host for host in os.environ.get(name, "").split(",") if host]
        os.environ[name] = ",".join(dict.fromkeys([*hosts, *LOOPBACK_NAMES]))


def client(uri: str) -> MlflowClient:
    """A client of the tracking server at `uri`; no global MLflow state is touched."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    bypass_proxy(uri)
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)

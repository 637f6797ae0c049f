"""Where the links of a report lead: MLflow's pages."""

from __future__ import annotations

import os

UI_PORT = 5000


def pages_address(url: str | None) -> str:
    """Address of MLflow's pages for the reader: `url`, or that of the user's server, or of `equipose ui`."""
    own = os.environ.get("MLFLOW_TRACKING_URI", "")
    default = own if own.startswith("http") else f"http://127.0.0.1:{UI_PORT}"
    return (url or default).rstrip("/")

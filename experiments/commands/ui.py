"""`equipose ui`: MLflow's interface over the results of a job."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from equipose.experiments.presets.names import DEFAULT_OUT


def ui(out: Positional[Path] = DEFAULT_OUT, /, port: int | None = None) -> None:
    """Open MLflow's UI over a results folder on 127.0.0.1 until Ctrl-C.

    Args:
        out: The `--out` of the job.
        port: Port of the server; by default a free one.
    """
    from equipose.orchestrator.tracking.ui import open_ui

    open_ui(out, port=port)

"""`equipose ui`: MLflow's interface over the results of a job."""

from __future__ import annotations

from pathlib import Path

from tyro.conf import Positional

from equipose.experiments.presets.names import DEFAULT_OUT


def ui(
    out: Positional[Path] = DEFAULT_OUT,
    /,
    port: int | None = None,
    host: str = "127.0.0.1",
    allowed_hosts: tuple[str, ...] = (),
) -> None:
    """Open MLflow's UI over a results folder until Ctrl-C, by default for this machine alone.

    Args:
        out: The `--out` of the job.
        port: Port of the server; by default a free one.
        host: Address to listen at; `0.0.0.0` is all. Others than loopback let anyone in who reaches the port:
            there is no password.
        allowed_hosts: Further names by which browsers may address the server, such as `box.lab.example`.
    """
    from equipose.orchestrator.tracking.ui import open_ui

    open_ui(out, port, host=host, allowed_hosts=allowed_hosts)

"""`equipose ui`: the MLflow pages of a results directory, and their addresses."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.server import tracking_server

MODEL_TRAINING = "workflowType=machine_learning"
"""Opens the pages on "Model training" instead of "GenAI"."""


def runs_page(uri: str, experiment_id: str) -> str:
    """Address of an experiment's table of runs; each parent has a button that unfolds its children."""
    order = "orderByKey=attributes.start_time&orderByAsc=false"  # the page nests children in this order only
    return f"{uri}/#/experiments/{experiment_id}/runs?{MODEL_TRAINING}&searchFilter=&{order}"


def run_page(uri: str, experiment_id: str, run_id: str, tab: str = "") -> str:
    """Address of one run; tab: `model-metrics` (curves), `artifacts/<path>`, or empty (overview)."""
    return f"{uri}/#/experiments/{experiment_id}/runs/{run_id}/{tab}?{MODEL_TRAINING}"


def compare_page(uri: str, experiment_id: str, run_ids: Sequence[str]) -> str:
    """Address of MLflow's comparison of several runs; of the run itself where there is one."""
    if len(run_ids) == 1:
        return run_page(uri, experiment_id, run_ids[0])
    lists = {"runs": list(run_ids), "experiments": [experiment_id]}
    query = urlencode({name: json.dumps(value, separators=(",", ":")) for name, value in lists.items()})
    return f"{uri}/#/compare-runs?{query}&{MODEL_TRAINING}"


def experiments(uri: str) -> list[Any]:
    """MLflow experiments that hold runs, the latest first, without MLflow's empty default one."""
    found = client(uri).search_experiments(order_by=["last_update_time DESC"])
    return [item for item in found if item.experiment_id != "0"]


def wait_for_interrupt() -> None:
    """Sleep until Ctrl-C."""
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        pass


def open_ui(
    directory: Path,
    port: int | None = None,
    *,
    wait: Callable[[], None] = wait_for_interrupt,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a results directory on 127.0.0.1, print each experiment's address, and stay until Ctrl-C.

    A sweep that runs in the directory shares its server. Raises `ValueError` for a directory without runs.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (Path(directory) / "mlflow.db").exists():
        raise ValueError(
            f"{directory} holds no mlflow.db; give the results directory of a sweep or comparison"
        )
    with tracking_server(directory, port=port) as server:
        for experiment in experiments(server.uri):
            say(f"{experiment.name}: {runs_page(server.uri, experiment.experiment_id)}")
        say("Press Ctrl-C to stop.")
        wait()

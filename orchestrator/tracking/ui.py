"""`equipose ui`: the MLflow pages of a results directory, and their addresses."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlparse

from equipose.orchestrator.host import LOOPBACK, LOOPBACK_NAMES, free_port
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.server import tracking_server

MODEL_TRAINING = "workflowType=machine_learning"
"""Opens the pages on "Model training" instead of "GenAI"."""


EVERYWHERE = "0.0.0.0"
OPENED = (
    "Open to others: whoever reaches {uri} can read, change and delete the runs and files of {directory} and "
    "fill its disk. There is no password and no encryption; without --host, `ssh -L` keeps others out."
)
_HOST = re.compile(r"[A-Za-z0-9*]([A-Za-z0-9.*-]*[A-Za-z0-9*])?")


def check_hosts(host: str, allowed: Sequence[str]) -> None:
    """Raise ValueError unless a server of ours can listen at `host` and browsers can name it as `allowed`."""
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        raise ValueError(f"--host and --allowed-hosts are of a server of ours; MLFLOW_TRACKING_URI is {uri}")
    for name in allowed:
        if not _HOST.fullmatch(name):
            raise ValueError(
                f"--allowed-hosts {name!r} is no host; give a name without scheme, port and path"
            )
    try:
        free_port(host)
    except OSError as error:
        raise ValueError(
            f"--host {host!r} is no IPv4 address of this machine ({error.strerror or error}); "
            f"use one that it has, {EVERYWHERE} for all, or leave it out"
        ) from error


def server_names(host: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """By which names browsers may address the server; others are refused, against DNS rebinding."""
    own = (socket.gethostname(), socket.getfqdn()) if host == EVERYWHERE else ()
    return tuple(dict.fromkeys((host, *LOOPBACK_NAMES[:2], *own, *allowed)))


def environment_of(names: Sequence[str]) -> dict[str, str]:
    """MLflow's settings for these names: its pages send their own address along with every search."""
    origins = [f"{scheme}://{name}" for scheme in ("http", "https") for name in names]
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": _with_ports(names),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": _with_ports(origins),
    }


def _with_ports(names: Sequence[str]) -> str:
    return ",".join(text for name in names for text in (name, f"{name}:*"))


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment of processes that start within the block; what the user has set stays."""
    missing = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(missing)
    try:
        yield
    finally:
        for name in missing:
            del os.environ[name]


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
    host: str = LOOPBACK,
    allowed_hosts: Sequence[str] = (),
    wait: Callable[[], None] = wait_for_interrupt,
    say: Callable[[str], None] = print,
) -> None:
    """Serve a results directory, print each experiment's address, and stay until Ctrl-C.

    host: where to listen. allowed_hosts: names that browsers may use besides that and this machine's own. A
    sweep that runs in the directory shares its server. Raises `ValueError` for a directory without runs, and
    for a host or name that cannot be used.
    """
    opened = host not in LOOPBACK_NAMES or bool(allowed_hosts)
    if opened:
        check_hosts(host, allowed_hosts)
    if not os.environ.get("MLFLOW_TRACKING_URI") and not (Path(directory) / "mlflow.db").exists():
        raise ValueError(
            f"{directory} holds no mlflow.db; give the results directory of a sweep or comparison"
        )
    names = environment_of(server_names(host, allowed_hosts)) if opened else {}
    with _environment(names), tracking_server(directory, host=host, port=port) as server:
        if opened and urlparse(server.uri).hostname != host:
            raise ValueError(
                f"{directory} is served at {server.uri} already; look there, or wait for its job"
            )
        shown = server.uri.replace(EVERYWHERE, socket.gethostname())
        for experiment in experiments(server.uri):
            say(f"{experiment.name}: {runs_page(shown, experiment.experiment_id)}")
        if opened:
            say(OPENED.format(directory=directory, uri=shown))
        say("Press Ctrl-C to stop.")
        wait()

"""Delivering outbox records to the tracking server: in order, and each metric point once.

A point is identified by (metric, step). Every new connection reads the run's history, and points that the
server has are skipped. That covers a lost acknowledgement, an outbox read again after a crash, and a run
resumed from an older checkpoint, which computes some epochs a second time.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.outbox import Outbox, OutboxInUseError, Record, leading_group

logger = logging.getLogger(__name__)

TRANSIENT_CODES = {
    "INTERNAL_ERROR",
    "TEMPORARILY_UNAVAILABLE",
    "REQUEST_LIMIT_EXCEEDED",
    "DEADLINE_EXCEEDED",
    # Runs exist before anything is logged to them, so a server that does not know one is not ours: another
    # has taken its port. For a deleted run MLflow gives another code.
    "RESOURCE_DOES_NOT_EXIST",
    "ENDPOINT_NOT_FOUND",
}
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0


class ServerAwayError(RuntimeError):
    """The server did not answer; the same records can be sent again."""


def is_refusal(error: Exception) -> bool:
    """True when the server has answered that it will never take these records."""
    from mlflow.exceptions import RestException

    if isinstance(error, RestException):
        return error.error_code not in TRANSIENT_CODES
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status is not None and 400 <= status < 500 and status not in (404, 405, 408, 429)


def logged_points(mlflow: Any, run_id: str) -> set[tuple[str, int]]:
    """(metric, step) of every point that the server has of a run."""
    keys = mlflow.get_run(run_id).data.metrics
    return {(key, point.step) for key in keys for point in mlflow.get_metric_history(run_id, key)}


def request_errors() -> tuple[type[Exception], ...]:
    """What a request to the server may raise."""
    from mlflow.exceptions import MlflowException

    return MlflowException, OSError  # also what `requests` raises


class Delivery:
    """One run's connection to the server, renewed after every failure."""

    def __init__(self, uri: str, outbox: Outbox) -> None:
        self.outbox = outbox
        self.rejected = 0
        """Number of records that the server has refused."""
        self._uri = uri
        self._points: set[tuple[str, int]] | None = None

    def send(self, group: list[Record]) -> None:
        """Deliver one group; refused records go to the side file. Raises `ServerAwayError`."""
        try:
            self._send(group)
        except request_errors() as error:
            self._points = None
            if not is_refusal(error):
                raise ServerAwayError(str(error)) from error
            path = self._put_aside(group, str(error))
            self.rejected += len(group)
            logger.warning("the tracking server refused %d records, kept in %s: %s", len(group), path, error)

    def _put_aside(self, group: list[Record], reason: str) -> Path:
        try:
            return self.outbox.reject(group, reason)
        except OSError as error:  # a full disk: they stay in the outbox, for a later attempt
            raise ServerAwayError(str(error)) from error

    def _send(self, group: list[Record]) -> None:
        mlflow, run_id = client(self._uri), self.outbox.run_id
        first = group[0]
        if first["kind"] == "metric":
            self._send_metrics(mlflow, group)
        elif first["kind"] == "tag":
            mlflow.set_tag(run_id, first["key"], first["value"])
        elif first["kind"] == "artifact":
            self._send_artifact(mlflow, self.outbox.kept_file(first), first["name"])
        elif first["value"] == "RUNNING":
            mlflow.update_run(run_id, status="RUNNING")
        else:
            mlflow.set_terminated(run_id, first["value"], first["time"])

    def _send_metrics(self, mlflow: Any, group: list[Record]) -> None:
        from mlflow.entities import Metric

        if self._points is None:
            self._points = logged_points(mlflow, self.outbox.run_id)
        fresh = {
            (r["key"], r["step"]): r for r in reversed(group) if (r["key"], r["step"]) not in self._points
        }
        points = [Metric(r["key"], r["value"], r["time"], r["step"]) for r in reversed(fresh.values())]
        if points:
            mlflow.log_batch(self.outbox.run_id, metrics=points)
        self._points |= fresh.keys()

    def _send_artifact(self, mlflow: Any, kept: Path, name: str) -> None:
        """Upload under its own name; MLflow names an artifact after the local file."""
        if kept.is_symlink() or not kept.is_file():
            return  # delivered by an earlier attempt, or not put there by us
        folder, _, base = name.rpartition("/")
        # Beside the outbox, and removed with it: the process may end in the middle of an upload.
        with tempfile.TemporaryDirectory(dir=kept.parent) as scratch:
            shutil.copyfile(kept, Path(scratch) / base)
            mlflow.log_artifact(self.outbox.run_id, str(Path(scratch) / base), folder or None)
        kept.unlink()


def deliver_all(
    delivery: Delivery,
    records: list[Record],
    start: int = 0,
    *,
    deadline: float,
    wait: Callable[[float], object] = time.sleep,
) -> int:
    """Deliver `records[start:]`, retrying while the server is away, until `deadline` (monotonic s).

    Returns the index of the first record that is not delivered.
    """
    pause = FIRST_PAUSE
    while start < len(records):
        group = leading_group(records, start)
        try:
            delivery.send(group)
        except ServerAwayError as error:
            if time.monotonic() + pause > deadline:
                logger.debug("gave up for now: %s", error)
                break
            wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        else:
            start += len(group)
            pause = FIRST_PAUSE
    return start


def replay(folder: Path, uri: str, timeout: float = 60.0, patience: float = 0.0) -> dict[str, int]:
    """Deliver what runs could not deliver themselves; run id -> number of records still waiting.

    Empty when everything has arrived. `folder` and its subfolders are searched; outboxes that a live logger
    holds for more than `patience` s are skipped.
    """
    deadline = time.monotonic() + timeout
    waiting: dict[str, int] = {}
    for path in sorted(Path(folder).rglob("*.jsonl")):
        run_id = path.name.removesuffix(".jsonl")
        if run_id.endswith(".rejected"):
            continue
        try:
            outbox = Outbox(path.parent, run_id, patience)
        except OutboxInUseError:
            continue
        records = outbox.recover()
        left = len(records) - deliver_all(Delivery(uri, outbox), records, deadline=deadline)
        outbox.close(delivered=left == 0)
        if left:
            waiting[run_id] = left
    return waiting

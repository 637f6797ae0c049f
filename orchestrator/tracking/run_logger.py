"""The logger of one run: what is logged is on disk at once and on the server soon.

Every `log_*` call writes to the run's outbox (one disk flush, milliseconds, whatever the server does), and a
thread delivers from there: training never waits for the server, and a run that is killed after its
checkpoint has lost no point.
"""

from __future__ import annotations

import io
import logging
import math
import re
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from equipose.orchestrator.tracking.delivery import Delivery, deliver_all
from equipose.orchestrator.tracking.outbox import Outbox, Record
from equipose.pipelines.files.path_safety import check_artifact_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

METRIC_NAME = re.compile(r"[\w.\-/ ]{1,250}")
STATUSES = ("FINISHED", "FAILED", "KILLED")
SLICE_SECONDS = 1.0
FINISH_SECONDS = 10.0
"""Time that the end of a run waits for a server that is away."""


def latest_time(records: Iterable[Record]) -> int:
    """The largest time (ms) in records, 0 without one."""
    return max((record.get("time", 0) for record in records), default=0)


def metric_records(metrics: Mapping[str, float], step: int, now: int) -> list[Record]:
    """One record per metric; a name that MLflow would refuse raises `ValueError` here, at its source."""
    for name in metrics:
        if not METRIC_NAME.fullmatch(name):
            raise ValueError(
                f"metric name {name!r} must be 1-250 letters, digits, _ . - / or spaces; rename it"
            )
    return [
        {"kind": "metric", "key": name, "value": float(value), "step": int(step), "time": now}
        for name, value in metrics.items()
    ]


class RunLogger:
    """Logs to one MLflow run, on rank 0 or on the driver; see the module for the guarantees.

    One value per (metric, step): the first one counts. NaN and infinite values are logged as they are (a run
    that diverged must look so) and the first is named in the tag `first_nonfinite`.
    """

    def __init__(
        self, uri: str, run_id: str, folder: Path, patience: float = 0.0, first_delivery: float = 0.0
    ) -> None:
        """Take over the run's outbox in `folder`, with what an earlier attempt left in it.

        first_delivery: seconds before anything is sent; a run that ends sooner does not import MLflow.
        Raises `OutboxInUseError` when another process still logs to the run after `patience` seconds.
        """
        self.uri = uri
        self.run_id = run_id
        self._outbox = Outbox(folder, run_id, patience)
        self._records = self._outbox.recover()
        self._delivery = Delivery(uri, self._outbox)
        self._clock = latest_time(self._records)
        self._sent = 0
        self._first_delivery = first_delivery
        self._nonfinite = False
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._files = len(self._records)
        self._thread = threading.Thread(target=self._deliver, name=f"mlflow-{run_id[:8]}", daemon=True)
        self._thread.start()
        # An attempt before this one may have ended the run.
        self._add([{"kind": "status", "value": "RUNNING"}])

    def log_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """One value per metric for a step (= epoch)."""
        records = metric_records(metrics, step, self._now())
        self._add(records)
        odd = [r["key"] for r in records if not math.isfinite(r["value"])]
        if odd and not self._nonfinite:
            self._nonfinite = True
            self.set_tags({"first_nonfinite": f"{odd[0]} at step {step}"})

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Tags; the latest value of a tag counts."""
        self._add({"kind": "tag", "key": key, "value": str(value)} for key, value in tags.items())

    def log_artifact(self, content: Path | bytes | str, name: str) -> None:
        """Keep a copy of a file (a path), or of bytes or text, to be shown as `name` (may contain `/`).

        Raises ValueError for a name that leaves the run's folder.
        """
        check_artifact_name(name)
        content = content.encode() if isinstance(content, str) else content
        with self._changed:
            self._files += 1
            kept = self._outbox.keep_file(content, self._files)
        self._add([{"kind": "artifact", "file": str(kept), "name": name}])

    def log_figure(self, figure: Figure, name: str) -> None:
        """Keep a figure as an image; `name` ends in `.png`, `.svg` or `.pdf`."""
        buffer = io.BytesIO()
        figure.savefig(buffer, format=name.rpartition(".")[2], bbox_inches="tight")
        self.log_artifact(buffer.getvalue(), name)

    def wait(self, timeout: float) -> bool:
        """Wait (s) until everything logged has been delivered; False when time ran out."""
        with self._changed:
            return self._changed.wait_for(lambda: self._sent == len(self._records), timeout)

    def finish(self, status: str = "FINISHED", timeout: float = FINISH_SECONDS) -> bool:
        """End the run. True when all has arrived; else the outbox stays, for `delivery.replay`.

        timeout: seconds to wait for the server. 0 leaves delivery to `delivery.replay`.
        """
        if status not in STATUSES:
            raise ValueError(f"status {status!r} is unknown; use one of {STATUSES}")
        self._add([{"kind": "status", "value": status, "time": self._now()}])
        return self.close(timeout)

    def close(self, timeout: float = FINISH_SECONDS) -> bool:
        """As `finish`, but the run stays open for a later attempt to continue."""
        delivered = self.wait(timeout)
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        # A request to a hanging server may take longer; it does no harm, points are delivered once.
        self._thread.join(min(1.0, timeout))
        self._outbox.close(delivered=delivered)
        if not delivered and timeout:
            logger.warning(
                "%d records of run %s wait in %s",
                len(self._records) - self._sent,
                self.run_id,
                self._outbox.path,
            )
        return delivered and not self._delivery.rejected

    def __enter__(self) -> RunLogger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run: FINISHED, FAILED after an exception, KILLED after Ctrl-C."""
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        self.finish("KILLED" if interrupted else "FAILED" if kind else "FINISHED")

    def _now(self) -> int:
        """Milliseconds since 1970, never decreasing: MLflow orders points by time, and clocks go back."""
        self._clock = max(self._clock, int(time.time() * 1000))
        return self._clock

    def _add(self, records: Iterable[Record]) -> None:
        records = list(records)
        with self._changed:
            self._outbox.append(records)
            self._records += records
            self._changed.notify_all()

    def _deliver(self) -> None:
        """Body of the thread: sleep until there are records, deliver them, repeat until closed."""
        self._closing.wait(self._first_delivery)
        while not self._closing.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._closing.is_set() or self._sent < len(self._records))
                records, start = list(self._records), self._sent
            deadline = time.monotonic() + SLICE_SECONDS
            sent = deliver_all(self._delivery, records, start, deadline=deadline, wait=self._closing.wait)
            with self._changed:
                self._sent = sent
                self._changed.notify_all()

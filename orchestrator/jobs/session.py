"""What every job runs in: the tracking server, Ray, the job's own MLflow run, and delivery of its outbox."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from equipose.orchestrator.cluster.session import SessionConfig, address_to_join, ray_session, tracking_host
from equipose.orchestrator.jobs.location import JobFolder
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.tracking.delivery import replay
from equipose.orchestrator.tracking.runs import Tracking, parent_run
from equipose.orchestrator.tracking.server import tracking_server

Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class JobSession:
    """An open job: Ray and its tracking server are up."""

    folder: JobFolder
    tracking: Tracking
    joined: bool
    """Whether Ray is a cluster that was there before, so its size is known only now."""
    endings: list[Callable[[], object]] = field(default_factory=list)
    """Called after the last delivery of a job that succeeds."""

    def deliver(self, timeout: float = 60.0, patience: float = 0.0) -> None:
        """Send what runs have left in the job's outbox; see `delivery.replay`."""
        replay(self.folder.outbox, self.tracking.uri, timeout, patience)


@contextlib.contextmanager
def entered_beside(manager: contextlib.AbstractContextManager[Value]) -> Iterator[Callable[[], Value]]:
    """Enter a context manager on a thread while the block goes on, and leave it when the block ends.

    Yields a function that waits for its value, or raises what entering it has raised.
    """
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as stack:
        entering = pool.submit(stack.enter_context, manager)
        try:
            yield entering.result
        finally:
            wait([entering])


def server_beside(out: Path) -> contextlib.AbstractContextManager[object]:
    """Start the tracking server of `out` while the block prepares its data; the job in it finds it running.

    Nothing is said of a server that does not start: the job that needs it tries again, and says why.
    """
    return entered_beside(tracking_server(out, host=tracking_host()))


@contextlib.contextmanager
def job_session(
    folder: JobFolder,
    experiment: str,
    *,
    key: str,
    tags: Mapping[str, object],
    params: Mapping[str, object],
    child_tags: Mapping[str, str] | None = None,
    progress: JobProgress | None = None,
    session: SessionConfig | None = None,
) -> Iterator[JobSession]:
    """Open a job, new or interrupted: start server and Ray, open its MLflow run, deliver its outbox.

    key: identifies the job's run, so that a resumed job finds it. child_tags: set on every run below it.
    Server and Ray start side by side. The outbox is delivered again at the end. When the block fails, the
    job's run and its open children end as FAILED (KILLED after Ctrl-C), and what is undelivered stays for the
    next attempt. Ray stops before the server, so that workers can log to their last moment.
    """
    if progress:
        progress.stage("starting Ray and MLflow")
    with (
        entered_beside(tracking_server(folder.out, host=tracking_host(session))) as server,
        ray_session(session),
        parent_run(server().uri, experiment, folder.name, key=key, tags=tags, params=params) as run_id,
    ):
        tracking = Tracking(
            uri=server().uri,
            experiment=experiment,
            parent_run=run_id,
            tags=dict(child_tags or {}),
            outbox=str(folder.outbox),
        )
        job = JobSession(folder=folder, tracking=tracking, joined=address_to_join(session) is not None)
        job.deliver()
        yield job
        job.deliver()
        for end in job.endings:
            end()

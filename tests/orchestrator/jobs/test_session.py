"""What opens and closes around a job, in which order, and how its run ends."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from equipose.orchestrator.cluster.session import SessionConfig
from equipose.orchestrator.jobs import session
from equipose.orchestrator.jobs.location import JobFolder
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.jobs.session import JobSession, entered_beside, job_session

FIRST = {"server up", "ray up"}
"""In either order: they start side by side."""


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens around the job, in order; nothing real starts."""
    seen: list[str] = []

    def fake(name: str, value: Any) -> Any:
        @contextlib.contextmanager
        def manager(*args: Any, **options: Any) -> Iterator[Any]:
            seen.append(f"{name} up")
            try:
                yield value
            except BaseException as error:
                seen.append(f"{name} sees {type(error).__name__}")
                raise
            finally:
                seen.append(f"{name} down")

        return manager

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(session, "tracking_server", fake("server", SimpleNamespace(uri="http://server")))
    monkeypatch.setattr(session, "ray_session", fake("ray", None))
    monkeypatch.setattr(session, "parent_run", fake("run", "run-1"))
    monkeypatch.setattr(session, "replay", lambda folder, uri, *limits: seen.append(f"deliver {limits}"))
    return seen


def opened(folder: Path, **options: Any) -> contextlib.AbstractContextManager[JobSession]:
    job = JobFolder(out=folder, kind="sweeps", name="awc")
    return job_session(job, "experiment", key="sweep/awc", tags={}, params={}, **options)


def test_a_job_delivers_first_and_last_and_ray_stops_before_the_server(
    events: list[str], tmp_path: Path
) -> None:
    with opened(tmp_path, child_tags={"sweep": "awc"}) as job:
        job.endings.append(lambda: events.append("ended"))
        job.deliver(2.0)
        events.append("work")
    delivery = "deliver (60.0, 0.0)"
    inside = [delivery, "deliver (2.0, 0.0)", "work", delivery, "ended"]
    assert set(events[:2]) == FIRST
    assert events[2:] == ["run up", *inside, "run down", "ray down", "server down"]
    assert (job.tracking.uri, job.tracking.parent_run) == ("http://server", "run-1")
    assert job.tracking.outbox == str(tmp_path / "sweeps" / "awc" / "spool")
    assert job.tracking.tags == {"sweep": "awc"}
    assert not job.joined


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_job_that_fails_keeps_what_is_undelivered(
    events: list[str], tmp_path: Path, error: type[BaseException]
) -> None:
    def fail() -> None:
        with opened(tmp_path) as job:
            job.endings.append(lambda: events.append("ended"))
            raise error

    with pytest.raises(error):
        fail()
    seen = [
        f"{who} {what}" for who in ("run", "ray", "server") for what in (f"sees {error.__name__}", "down")
    ]
    assert set(events[:2]) == FIRST
    assert events[2:] == ["run up", "deliver (60.0, 0.0)", *seen]


@contextlib.contextmanager
def noted(seen: list[str], error: Exception | None = None) -> Iterator[str]:
    """Notes its thread on the way in and how it ends; `error` is raised on the way in."""
    seen.append(threading.current_thread().name)
    if error:
        raise error
    try:
        yield "value"
    finally:
        seen.append("left")


def test_entering_beside_does_not_keep_the_block_waiting() -> None:
    seen: list[str] = []
    with entered_beside(noted(seen)) as value:
        assert value() == "value"
        assert seen != [threading.current_thread().name]
        seen.append("block")
    assert seen[1:] == ["block", "left"]


def test_what_fails_beside_is_raised_where_it_is_needed() -> None:
    away = noted([], ValueError("no server"))
    with entered_beside(away) as value, pytest.raises(ValueError, match="no server"):
        value()


def test_a_block_that_fails_leaves_what_was_entered_beside() -> None:
    seen: list[str] = []
    with pytest.raises(KeyboardInterrupt), entered_beside(noted(seen)):
        raise KeyboardInterrupt
    assert seen[1:] == ["left"]


@pytest.mark.usefixtures("events")
def test_a_cluster_is_joined_and_the_stage_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "tracking_host", lambda config: "127.0.0.1")
    out = io.StringIO()
    progress = JobProgress(mode="lines", console=Console(file=out))
    with opened(tmp_path, progress=progress, session=SessionConfig(address="127.0.0.1:6379")) as job:
        assert job.joined
    assert out.getvalue().strip().endswith("starting Ray and MLflow")

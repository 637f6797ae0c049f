"""Files in `.tracking/` are not trusted: process ids, and the state of a running server."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipose.orchestrator.tracking.server import TrackingServer, _running
from equipose.orchestrator.tracking.server_process import ServerFiles, is_guard, kill_leftover, read_pid


@pytest.fixture
def files(tmp_path: Path) -> ServerFiles:
    found = ServerFiles(tmp_path)
    found.hidden.mkdir()
    return found


@pytest.mark.parametrize("text", ["0", "1", "-1", "-9", "x", "", "9" * 30, "٣٣٣"])
def test_process_ids_that_mean_many_processes_are_never_signalled(
    files: ServerFiles, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    signalled: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda group, _: signalled.append(group))
    files.pid.write_text(text)
    assert read_pid(files.pid) in (0, int("9" * 20))
    kill_leftover(files)
    assert [group for group in signalled if group < 2] == []
    assert not files.pid.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state | {"guard_pid": os.getpid()},
        lambda state: state | {"guard_pid": -1},
        lambda state: state | {"guard_pid": "1"},
        lambda state: state | {"uri": "http://example.org:80", "guard_pid": os.getpid()},
        lambda state: {},
        lambda state: [state],
    ],
)
def test_a_state_file_that_came_with_copied_results_is_not_trusted(
    files: ServerFiles, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], Any]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "equipose.orchestrator.tracking.server.wait_until_answers", lambda uri, *_: bool(asked.append(uri))
    )
    files.state.write_text(json.dumps(change({"uri": "http://127.0.0.1:5000"})))
    assert _running(files) is None
    assert asked == [], "the address was called"
    assert not files.state.exists()


@pytest.mark.system
def test_the_guard_of_a_running_server_is_known_by_its_command(tracking: TrackingServer) -> None:
    files = ServerFiles(tracking.directory)
    assert is_guard(files, tracking.guard_pid, tracking.uri)
    assert not is_guard(files, tracking.guard_pid, "http://example.org:80")
    assert not is_guard(ServerFiles(tracking.directory / "other"), tracking.guard_pid, tracking.uri)

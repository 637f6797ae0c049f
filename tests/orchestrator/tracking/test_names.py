"""No name of a job, run or artifact leaves its folder."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException

from equipose.experiments.jobs.records import create_job, resume_job
from equipose.orchestrator.ray_train.job import run_train_job
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.sweep.config import SearchSpace, SweepConfig
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.outbox import Outbox, check_record, parse_lines
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import create_run
from equipose.orchestrator.tracking.server import TrackingServer, _running
from equipose.orchestrator.tracking.server_process import ServerFiles, is_guard, kill_leftover, read_pid
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import check_artifact_name, check_name

HOSTILE = ["", ".", "..", "../x", "a/b", "/etc/x", "a\\b", "a\0b", "-rf", ".hidden", "a\n", "x" * 200, "Ä"]
CONFIG = TrainConfig(data=DataConfig(store="nowhere"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_everywhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"name is .*; use a letter"):
        check_name(name, "name")
    with pytest.raises(ValueError, match="name is"):
        create_job(tmp_path, "sweeps", name, {})
    with pytest.raises(ValueError, match="name is"):
        run_train_job(CONFIG, name=name, out=tmp_path / "out", dataset="x", resources=Resources())
    with pytest.raises(ValueError, match="run id is"):
        Outbox(tmp_path / "spool", name)
    with pytest.raises(ValueError, match="sweep name is"):
        replace_name(name)
    assert [path.name for path in tmp_path.iterdir()] == []


def replace_name(name: str) -> SweepConfig:
    sound = SweepConfig(
        name="awc", base=CONFIG, paper_window=1, space=SearchSpace(fusion=("concat",)), resources=Resources()
    )
    return replace(sound, name=name)


@pytest.mark.parametrize("name", ["awc-concat-s0", "awc-simulated-smoke-001", "a_b.c+d=1"])
def test_names_in_use_are_accepted(name: str) -> None:
    assert check_name(name, "name") == name


ARTIFACTS = ["", "/x", "../x", "a/../../x", "a//b", "a/", "a\\..\\b", "a\0", "%2e%2e/x", "file:x", "./a"]


@pytest.mark.parametrize("name", ARTIFACTS)
def test_artifacts_cannot_leave_their_run(name: str) -> None:
    with pytest.raises(ValueError, match="artifact name is"):
        check_artifact_name(name)
    with pytest.raises(ValueError, match="artifact name is"):
        check_record({"kind": "artifact", "file": "1", "name": name})


def test_artifact_names_in_use_are_accepted() -> None:
    for name in ("config.json", "tables/test-best.md", "figures/alpha sweep.png"):
        assert check_artifact_name(name) == name


@pytest.mark.system
def test_the_server_itself_keeps_artifacts_inside(tracking: TrackingServer, tmp_path: Path) -> None:
    run_id = create_run(tracking.uri, "hostile", "run")
    with RunLogger(tracking.uri, run_id, tmp_path) as logger:
        with pytest.raises(ValueError, match="artifact name is"):
            logger.log_artifact("x", "../../escaped.txt")
        logger.log_artifact("x", "inside/kept.txt")
    before = set(tracking.directory.rglob("*"))
    (tmp_path / "escaped.txt").write_text("x")
    for folder in ("../..", "a/../../..", "/tmp", "%2e%2e/%2e%2e"):
        with contextlib.suppress(MlflowException, OSError):
            client(tracking.uri).log_artifact(run_id, str(tmp_path / "escaped.txt"), folder)
    inside = tracking.directory / "artifacts"
    assert all(path.is_relative_to(inside) for path in set(tracking.directory.rglob("escaped.txt")) - before)
    assert not (tracking.directory.parent / "escaped.txt").exists()
    assert not Path("/tmp/escaped.txt").exists()


def outbox_with(folder: Path, *records: Any) -> Outbox:
    (folder / "run.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return Outbox(folder, "run")


@pytest.mark.parametrize(
    "record",
    [
        3,
        {},
        {"kind": []},
        {"kind": "shell", "value": "x"},
        {"kind": "metric", "key": "a", "value": "1", "step": 0, "time": 0},
        {"kind": "artifact", "file": "/etc/passwd", "name": "../x"},
        {"kind": "status", "value": "FINISHED"},
    ],
)
def test_records_that_nobody_logged_are_refused(tmp_path: Path, record: Any) -> None:
    with pytest.raises(DataError, match=r"run\.jsonl: the outbox is damaged"):
        outbox_with(tmp_path, record).recover()


def test_a_broken_line_in_the_middle_is_reported() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        parse_lines(b'{"kind": "tag"\n{}\n')


def test_an_outbox_delivers_and_deletes_only_its_own_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mine")
    record = {"kind": "artifact", "file": str(secret), "name": "x"}
    outbox = outbox_with(tmp_path, record)
    assert outbox.kept_file(outbox.recover()[0]) == tmp_path / "run.files" / "secret"
    outbox.close(delivered=True)
    assert secret.read_text() == "mine"


def test_an_outbox_that_is_a_link_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("half a line")
    (tmp_path / "run.jsonl").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="symbolic link"):
        Outbox(tmp_path, "run")


@pytest.mark.parametrize("content", ["[" * 10**5, "[]", "{", "\xff", "3"])
def test_damaged_job_files_are_named(tmp_path: Path, content: str) -> None:
    name = create_job(tmp_path, "sweeps", "awc", {"seed": 0})
    folder = tmp_path / "sweeps" / name
    (folder / "job.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"job\.json is no file of a job"):
        resume_job(tmp_path, "sweeps", "awc")
    (folder / "outcome.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"outcome\.json is no file of a job"):
        resume_job(tmp_path, "sweeps", "awc")


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
def test_a_state_file_that_came_with_the_results_is_not_believed(
    files: ServerFiles, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], Any]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "equipose.orchestrator.tracking.server.wait_until_answers", lambda uri, *_: bool(asked.append(uri))
    )
    files.state.write_text(json.dumps(change({"uri": "http://127.0.0.1:5000"})))
    assert _running(files) is None
    assert asked == [], "nobody was called"
    assert not files.state.exists()


@pytest.mark.system
def test_the_guard_of_a_running_server_is_known_by_its_command(tracking: TrackingServer) -> None:
    files = ServerFiles(tracking.directory)
    assert is_guard(files, tracking.guard_pid, tracking.uri)
    assert not is_guard(files, tracking.guard_pid, "http://example.org:80")
    assert not is_guard(ServerFiles(tracking.directory / "other"), tracking.guard_pid, tracking.uri)

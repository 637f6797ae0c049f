"""Ctrl-C once, twice and three times; a full disk and a lost server at the terminal."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import threading
from pathlib import Path

import optuna
import pytest

from equipose.experiments.cli import guarded
from equipose.experiments.jobs.records import OPTIONS, create_job, resume_job
from equipose.experiments.presets.sizes import PRESETS
from equipose.experiments.presets.sources import DataSource, ensure_store
from equipose.orchestrator.failures import failed_training
from equipose.pipelines.store import open_store

ROOT = Path(__file__).parents[2]
JOB = """
import time
from equipose.experiments.cli import guarded

def job():
    try:
        print("started", flush=True)
        time.sleep(60)
    finally:
        print("stopping", flush=True)
        time.sleep(1)
        print("stopped", flush=True)

guarded(job)
"""


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_second_interrupt_does_not_cut_the_first_short(times: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", JOB], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "stopping\n"
    for _ in range(times - 1):
        process.send_signal(signal.SIGINT)
        threading.Event().wait(0.1)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ("" if times == 3 else "stopped\n")
    assert ("already stopping" in err) == (times > 1)
    assert err.splitlines()[-1] == "equipose: interrupted; finished work is kept"
    assert "Traceback" not in err


@pytest.mark.parametrize("verb", ["script", "-m experiments"])
def test_an_interrupt_is_heard_while_libraries_are_imported(verb: str, tmp_path: Path) -> None:
    script = [str(ROOT / "experiments" / "awc_sweep.py")]
    command = script if verb == "script" else [*verb.split(), "sweep"]
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", *command, "--preset", "smoke", "--out", str(tmp_path / "out")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("torch._" in line for line in process.stderr)  # a part of torch is there, and more to come
    process.send_signal(signal.SIGINT)
    lines = [line for line in process.stderr.read().splitlines() if "import time:" not in line]
    assert process.wait(timeout=30) == 130
    assert lines == ["equipose: interrupted; finished work is kept"]
    assert not (tmp_path / "out").exists()


FAILED = failed_training("awc-s0", "/out/train", ValueError("a\nloss is nan"))
KEPT = "Finished work is kept: fix the cause, then run the same command (a job: with --resume)"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "/data/x"),
            f"the disk is full (/data/x): free some space or choose another --out. {KEPT}",
        ),
        (OSError(errno.EIO, "Input/output error"), f"[Errno 5] Input/output error. {KEPT}"),
        (FAILED, str(FAILED)),
    ],
)
def test_what_goes_wrong_outside_is_one_line(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(SystemExit) as ended:
        guarded(fail)
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"equipose: {message}\n"


def test_a_lost_server_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    from mlflow.exceptions import MlflowException

    def fail() -> None:
        raise MlflowException("Max retries exceeded")

    with pytest.raises(SystemExit, match="1"):
        guarded(fail)
    assert "MlflowException: Max retries exceeded. Finished work is kept" in capsys.readouterr().err


def test_the_cause_of_a_database_error_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "optuna.db").write_text("not a database " * 100)

    with pytest.raises(SystemExit, match="1"):
        guarded(lambda: optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'optuna.db'}"))
    assert capsys.readouterr().err.startswith(
        "equipose: DatabaseError: file is not a database. Finished work"
    )


def test_two_jobs_that_start_at_once_prepare_their_data_once(tmp_path: Path) -> None:
    paths: list[str] = []
    simulated = PRESETS["smoke"].simulated

    def start() -> None:
        paths.append(ensure_store(DataSource(kind="simulated"), tmp_path, simulated))

    jobs = [threading.Thread(target=start) for _ in range(2)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert paths[0] == paths[1]
    alone = ensure_store(DataSource(kind="simulated"), tmp_path / "alone", simulated)
    assert open_store(paths[0]).fingerprint == open_store(alone).fingerprint
    open_store(paths[0]).verify()
    assert {path.name.split("-")[0] for path in Path(paths[0]).iterdir()} == {
        "manifest.json", "header.json", "frames", "index", "defects"
    }  # fmt: skip


def test_the_newest_job_is_found_by_its_number(tmp_path: Path) -> None:
    for number in (999, 1000, 2):
        folder = tmp_path / "sweeps" / f"awc-{number:03d}"
        folder.mkdir(parents=True)
        (folder / OPTIONS).write_text(f'{{"number": {number}}}')
    assert resume_job(tmp_path, "sweeps", "awc") == ("awc-1000", {"number": 1000})


def test_a_job_that_cannot_write_its_options_leaves_nothing_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("equipose.pipelines.store.folder.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        create_job(tmp_path, "sweeps", "awc", {})
    monkeypatch.undo()
    assert not list(tmp_path.glob("sweeps/*/*"))
    with pytest.raises(ValueError, match="no unfinished job"):
        resume_job(tmp_path, "sweeps", "awc")
    assert create_job(tmp_path, "sweeps", "awc", {}) == "awc-002"

"""A disk that is really full (a small file system of its own): finished work is kept, the rest continues."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from equipose.experiments.jobs.records import create_job, resume_job
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.folder import CheckpointFolder
from equipose.orchestrator.evaluation.files import atomic_folder
from equipose.orchestrator.grid.launch import train_alone
from equipose.orchestrator.tracking.client import client
from equipose.orchestrator.tracking.outbox import Outbox, Record
from equipose.orchestrator.tracking.run_logger import RunLogger
from equipose.orchestrator.tracking.runs import create_run
from equipose.orchestrator.tracking.server import tracking_server
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import RunData
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig


class SmallDisk:
    """A file system in memory of so many KiB, mounted on a folder."""

    def __init__(self, folder: Path, kib: int) -> None:
        self.folder = folder
        self.kib = kib
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)]
        subprocess.run(command, check=True, capture_output=True)

    @property
    def free(self) -> int:
        """Bytes."""
        return shutil.disk_usage(self.folder).free

    def fill(self, leave: int = 0) -> None:
        """Take all but so many bytes (and less than a page)."""
        with (self.folder / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, self.free - leave))

    def make_room(self) -> None:
        """Remove what took the room."""
        (self.folder / "filler").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """32 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        small = SmallDisk(folder, 32 * 1024)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        pytest.skip(f"no file system can be mounted here ({error}); it takes root")
    yield small
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != "filler"}


def test_store(disk: SmallDisk, tmp_path: Path) -> None:
    source = SimulatedSource(
        subjects=("S01", "S02", "S03"), actions=("A02",), config=SimulatorConfig(frames=12)
    )
    whole = prepare("simulated", source, tmp_path / "whole")
    size = sum(path.stat().st_size for path in (tmp_path / "whole").iterdir())
    disk.fill(leave=size)  # room for the parts, and none for the joined file besides
    with pytest.raises(OSError, match="No space left") as full:
        prepare("simulated", source, disk.folder / "store")
    assert full.value.errno == errno.ENOSPC
    left = everything(disk.folder)
    parts = {name for name in left if name.endswith(".arrow")}
    assert parts, "it was full before anything was written, so nothing is shown"
    assert not [name for name in left if name.endswith(".tmp")]
    assert "store/manifest.json" not in left, "half a store is not to be seen"

    disk.make_room()
    before = {name: (disk.folder / name).stat().st_mtime_ns for name in parts}
    written: list[int] = []
    store = prepare(
        "simulated", source, disk.folder / "store", progress=lambda done, total: written.append(done)
    )
    assert written[0] == len(before), "what had been written was written again"
    store.verify()
    assert store.fingerprint == whole.fingerprint


def test_checkpoint(disk: SmallDisk, small_run: TrainConfig, tmp_path: Path) -> None:
    data = RunData.open(small_run.data)
    last = train_alone(small_run, data, tmp_path / "whole", None)
    size = (last / checkpoints.FILE).stat().st_size
    disk.fill(leave=size * 5 // 2)  # room for the checkpoints of two epochs, not for a third
    with pytest.raises(OSError, match=r"No space left on device: .*state\.pt"):
        train_alone(small_run, data, disk.folder / "train", None)
    left = everything(disk.folder)
    assert not [name for name in left if name.endswith(".tmp")]
    state = CheckpointFolder(disk.folder / "train").resume_point().state
    assert state is not None
    assert 0 < state["epoch"] < small_run.epochs

    disk.make_room()
    resumed = checkpoints.load(train_alone(small_run, data, disk.folder / "train", None))
    expected = checkpoints.load(last)
    for key, value in expected["model"].items():
        assert value.equal(resumed["model"][key]), key
    assert [untimed(epoch) for epoch in resumed["history"]] == [untimed(e) for e in expected["history"]]


def untimed(metrics: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in metrics.items() if not key.startswith(("time/", "memory/"))}


def points(first: int, last: int) -> list[Record]:
    return [
        {"kind": "metric", "key": "a", "value": 1.0, "step": step, "time": 1} for step in range(first, last)
    ]


def test_outbox(disk: SmallDisk) -> None:
    outbox = Outbox(disk.folder / "spool", "r1")
    outbox.append(points(0, 10))
    disk.fill(leave=8192)
    with pytest.raises(OSError, match=r"No space left on device: .*r1\.jsonl"):
        outbox.append(points(10, 2000))
    with pytest.raises(OSError, match="No space left"):
        outbox.keep_file(b"x" * 100_000, 1)
    assert not list(outbox.files.iterdir())
    disk.make_room()
    outbox.append(points(10, 20))
    outbox.close(delivered=False)
    assert Outbox(disk.folder / "spool", "r1").recover() == points(0, 20)


def test_job_and_evaluation(disk: SmallDisk) -> None:
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        create_job(disk.folder, "sweeps", "awc", {"seed": 1} | {f"x{i}": i for i in range(2000)})

    def save() -> None:
        with atomic_folder(disk.folder / "test-best") as partial:
            (partial / "frames").write_bytes(bytes(100_000))

    with pytest.raises(OSError, match="No space left"):
        save()
    assert not [name for name in everything(disk.folder) if "test-best" in name or name.endswith(".json")]
    disk.make_room()
    save()
    name = create_job(disk.folder, "sweeps", "awc", {"seed": 1})
    assert resume_job(disk.folder, "sweeps", "awc") == (name, {"seed": 1})


KILLED = """
import os, signal, sys
from pathlib import Path
from equipose.orchestrator.evaluation.files import atomic_folder
with atomic_folder(Path(sys.argv[1])) as partial:
    (partial / "frames").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_evaluation_killed_while_saving_leaves_nothing_for_long(tmp_path: Path) -> None:
    folder, neighbour = tmp_path / "test-best", tmp_path / ".test-best.mine"
    neighbour.mkdir()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not folder.exists()
    assert len(list(tmp_path.glob(".test-best.*.partial"))) == 1
    with atomic_folder(folder) as partial:
        (partial / "frames").write_bytes(b"whole")
    assert everything(tmp_path) == {"test-best", "test-best/frames", ".test-best.mine"}


@pytest.mark.slow
@pytest.mark.system
def test_tracking_database(disk: SmallDisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with tracking_server(disk.folder) as server:
        run_id = create_run(server.uri, "faults", "full")
        with RunLogger(server.uri, run_id, tmp_path / "spool") as logger:
            log(logger, 0, 5)
            assert logger.wait(60)
            disk.fill()
            for first in range(5, 205, 20):
                log(logger, first, first + 20)
            assert not logger.wait(5), "the database took all of it, so it was not full"
            disk.make_room()
            assert logger.wait(60)
        found = client(server.uri).get_metric_history(run_id, "val/mpjpe_mm")
        assert [(point.step, point.value) for point in found] == [(step, float(step)) for step in range(205)]
        assert client(server.uri).get_run(run_id).info.status == "FINISHED"


def log(logger: Any, first: int, last: int) -> None:
    for step in range(first, last):
        logger.log_metrics({"val/mpjpe_mm": float(step), **{f"x/{i}": 0.0 for i in range(50)}}, step)

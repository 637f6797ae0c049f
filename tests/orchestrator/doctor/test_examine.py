"""The doctor on this machine: nothing is started or written, and every fault is named."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from equipose.orchestrator.cluster.machine import Machine, filesystem_of
from equipose.orchestrator.cluster.ray_cluster import ClusterNode, RayCluster
from equipose.orchestrator.doctor import examine as examination
from equipose.orchestrator.doctor.checks import Wanted
from equipose.orchestrator.doctor.examine import Examination, examine
from equipose.orchestrator.tracking.server_process import (
    ServerFiles,
    TrackingServerError,
    create_database,
)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A large idle machine that knows of no cluster, server or token."""
    for name in (
        "RAY_ADDRESS",
        "RAY_AUTH_MODE",
        "RAY_AUTH_TOKEN",
        "RAY_AUTH_TOKEN_PATH",
        "MLFLOW_TRACKING_URI",
    ):
        monkeypatch.delenv(name, raising=False)
    short = tempfile.mkdtemp(dir="/tmp")
    monkeypatch.setenv("RAY_TMPDIR", short)
    monkeypatch.setenv("HOME", str(tmp_path))
    idle = Machine(cpus=8, memory_gib=32, memory_free_gib=30, shm_free_gib=4)
    monkeypatch.setattr(examination, "this_machine", lambda: idle)
    yield
    shutil.rmtree(short)


def statuses(found: Examination) -> dict[str, str]:
    """Name -> status of all but what depends on this machine."""
    return {c.name: c.status for c in found.checks if c.name not in ("disk", "open files")}


def one(found: Examination, name: str) -> Any:
    """The check of a name."""
    return next(check for check in found.checks if check.name == name)


def test_a_good_machine_passes_and_nothing_is_created(tmp_path: Path, store_path: Path) -> None:
    found = examine(tmp_path / "out", Wanted(workers=2), str(store_path))
    assert set(statuses(found).values()) == {"ok"}
    assert "fingerprint" in one(found, "store").found
    assert not (tmp_path / "out").exists()
    runs, resources = found.fitting(Wanted(workers=2))
    assert (runs, resources.workers) == (4, 2)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    assert {check.name for check in examine(Path("/proc/none"), Wanted()).problems} >= {"disk"}


@pytest.mark.parametrize(
    ("uri", "words"), [("sqlite:///x.db", "mlflow server"), ("http://127.0.0.1:9", "does not answer")]
)
def test_tracking_that_would_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, words: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (problem,) = examine(tmp_path, Wanted()).problems
    assert problem.name == "MLflow"
    assert words in str(problem)


def test_databases(tmp_path: Path) -> None:
    create_database(ServerFiles(tmp_path))
    assert one(examine(tmp_path, Wanted()), "MLflow").status == "ok"
    (tmp_path / "mlflow.db").write_bytes(os.urandom(5000))
    assert "move it away" in str(one(examine(tmp_path, Wanted()), "MLflow"))


def test_databases_of_other_mlflow_versions(tmp_path: Path) -> None:
    create_database(ServerFiles(tmp_path))
    for revision, words in (
        ("f00df00df00d", "written by a newer MLflow .* `mlflow db upgrade` does not help"),
        ("0a8213491aaa", "written by an older MLflow .* then run: mlflow db upgrade"),
    ):
        with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
            database.execute("update alembic_version set version_num = ?", [revision])
            database.commit()
        check = one(examine(tmp_path, Wanted()), "MLflow")
        assert check.status == "problem"
        assert re.search(words, str(check))
        with pytest.raises(TrackingServerError, match=words):
            create_database(ServerFiles(tmp_path))


@pytest.mark.parametrize("home", ["file", "file/below"])
def test_a_home_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / home))
    (problem,) = examine(tmp_path, Wanted()).problems
    assert (problem.name, problem.remedy) == ("home", "set HOME to a folder that you can write to")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "given")
    assert examine(tmp_path, Wanted()).problems == []


def test_a_folder_that_is_too_long_for_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TMPDIR", f"/{'x' * 60}")
    check = one(examine(tmp_path, Wanted()), "Ray's folder")
    assert check.status == "warning"
    assert "RAY_TMPDIR is /xxx" in check.found


def test_a_batch_that_workers_cannot_share(tmp_path: Path) -> None:
    (problem,) = examine(tmp_path, Wanted(workers=3, batch_size=32)).problems
    assert problem.name == "batch"
    assert examine(tmp_path, Wanted(workers=2, batch_size=32)).problems == []


def test_an_unreachable_cluster_is_noticed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        gone = f"127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("RAY_ADDRESS", gone)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    problems = examine(tmp_path, Wanted()).problems
    assert [check.name for check in problems] == ["Ray cluster", "Ray token"]
    assert f"{gone} does not answer" in str(problems[0])


def test_a_cluster_gives_the_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = tuple(ClusterNode(address=f"10.0.0.{i}", cpus=4, gpus=i, memory_gib=16) for i in range(3))
    cluster = RayCluster(address="10.0.0.0:6379", ray_version="1", python_version="3", nodes=nodes)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    monkeypatch.setattr(examination, "find_cluster", lambda address: cluster)
    monkeypatch.setattr(examination, "check_versions", lambda found: None)
    found = examine(tmp_path, Wanted(workers=3, gpu=True))
    assert "3 nodes, 12 CPUs" in one(found, "Ray cluster").found
    assert one(found, "GPUs").status == "ok"
    assert found.fitting(Wanted(workers=3, gpu=True))[0] == 1
    assert one(found, "shared folder").status in ("ok", "warning")


def test_an_unjoined_cluster_is_mentioned(tmp_path: Path) -> None:
    noted = Path(os.environ["RAY_TMPDIR"], "ray", "ray_current_cluster")
    noted.parent.mkdir()
    noted.write_text("10.0.0.1:6379")
    check = one(examine(tmp_path, Wanted()), "Ray cluster")
    assert check.status == "ok"
    assert "RAY_ADDRESS=auto joins" in check.found


def test_file_systems_by_the_longest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\nnone /proc proc rw 0 0\n")
    assert filesystem_of(tmp_path / "out", mounts) == "nfs4"
    assert filesystem_of(Path("/usr"), mounts) == "ext4"
    assert filesystem_of(tmp_path, tmp_path / "none") == "unknown"

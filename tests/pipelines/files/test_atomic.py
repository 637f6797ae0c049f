"""Files appear complete or not at all, and what killed writers leave can be removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from equipose.pipelines.files.atomic import atomic, remove_leftovers, write_json

KILLED = """
import os, signal, sys
from pathlib import Path
from equipose.pipelines.files.atomic import atomic
with atomic(Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_replaced_whole_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    for content in ({"a": 1}, {"b": 2}):
        write_json(path, content)
        assert json.loads(path.read_bytes()) == content
    assert names(path.parent) == {"a.json"}


def test_an_error_leaves_the_file_before(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def stopped() -> None:
        with atomic(path) as stream:
            stream.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert json.loads(path.read_bytes()) == {"a": 1}
    assert names(tmp_path) == {"a.json"}


def test_the_folder_is_synced_after_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bool, bool]] = []
    fsync = os.fsync

    def seen(handle: int) -> None:
        synced.append((Path(f"/proc/self/fd/{handle}").resolve() == tmp_path, (tmp_path / "a").exists()))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", seen)
    with atomic(tmp_path / "a") as stream:
        stream.write(b"whole")
    assert synced == [(False, False), (True, True)]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "a[1].pt")], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 1
    for other in ("a[1].pt", ".a[1].pt", ".a1.pt.0.tmp", ".a[1].pth.0.tmp"):
        (tmp_path / other).write_bytes(b"kept")
    remove_leftovers(tmp_path / "a[1].pt")
    assert names(tmp_path) == {"a[1].pt", ".a[1].pt", ".a1.pt.0.tmp", ".a[1].pth.0.tmp"}

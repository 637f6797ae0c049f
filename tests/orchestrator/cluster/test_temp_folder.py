"""Ray's sockets fit: a folder that is too long is replaced by a short one, and a Ray starts there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from equipose.orchestrator.cluster.temp_folder import SHORT, SOCKET, temp_folder

LONG = f"/{'x' * 99}"


def test_the_room_is_what_the_system_allows() -> None:
    name = f"session_2026-11-26_10-30-59_123456_{2**22}"
    assert f"ray/{'session_'.ljust(len(name), '0')}/sockets/dash_TaskEventsHead" == SOCKET
    for platform, limit in (("linux", 107), ("darwin", 103)):
        room = temp_folder({}, platform).room
        fits = temp_folder({"RAY_TMPDIR": "/".ljust(room, "x")}, platform)
        assert (fits.longest, fits.moved) == (limit, False)
        assert temp_folder({"RAY_TMPDIR": "/".ljust(room + 1, "x")}, platform).moved


def test_bytes_count_not_letters() -> None:
    assert not temp_folder({"TMPDIR": "/" + "u" * 20}, "linux").moved
    assert temp_folder({"TMPDIR": "/" + "ü" * 20}, "linux").moved


def test_rays_own_variable_comes_first() -> None:
    found = temp_folder({"RAY_TMPDIR": "/ray", "TMPDIR": LONG}, "linux")
    assert (found.given, found.variable, found.moved) == (Path("/ray"), "RAY_TMPDIR", False)
    assert temp_folder({"TMPDIR": LONG}, "linux").variable == "TMPDIR"
    assert not temp_folder({"TMPDIR": LONG}, "darwin").moved, "Ray does not read it there"
    assert temp_folder({}, "linux").given == SHORT


def test_a_long_folder_is_replaced_where_there_is_a_short_one(tmp_path: Path) -> None:
    assert temp_folder({"TMPDIR": LONG}, "linux").used == SHORT
    (tmp_path / "file").touch()
    found = temp_folder({"TMPDIR": LONG}, "linux", short=tmp_path / "file")
    assert (found.used, found.moved) == (None, True)


@pytest.fixture
def long_folder() -> Iterator[str]:
    top = tempfile.mkdtemp()
    folder = Path(top, "x" * 100)
    folder.mkdir()
    yield str(folder)
    shutil.rmtree(top)


PROGRAM = """
import ray
from equipose.orchestrator.cluster.session import SessionConfig, ray_session
with ray_session(SessionConfig(num_cpus=1)):
    node = ray._private.worker.global_worker.node
    print(ray.get(ray.remote(lambda: 3).remote()), node.get_session_dir_path())
"""


@pytest.mark.slow
@pytest.mark.system
@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_ray_starts_under_a_long_folder(long_folder: str, variable: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment | {variable: long_folder},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(f"3 {SHORT}/ray/session_")

"""One process holds a lock at a time, and a killed process releases it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from equipose.pipelines.files.locks import locked

HOLD = """
import sys
from pathlib import Path
from equipose.pipelines.files.locks import locked
with locked(Path(sys.argv[1])):
    print("has it", flush=True)
    input()
"""


def test_a_second_process_is_refused_or_waits_until_the_first_is_killed(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "has it\n"
    with pytest.raises(ValueError, match="taken; wait"), locked(path, "taken; wait"):
        pytest.fail("two have it")
    entered = threading.Event()

    def wait() -> None:
        with locked(path):
            entered.set()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert not entered.wait(0.2)
    holder.kill()
    holder.communicate()
    waiter.join(10)
    assert entered.is_set()


def test_what_the_file_holds_stays(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text("{}")
    with locked(tmp_path / "job.json", "taken"):
        pass
    assert (tmp_path / "job.json").read_text() == "{}"

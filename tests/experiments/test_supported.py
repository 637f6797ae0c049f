"""Systems that lack what Equipose imports are refused in one line, before any of it is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from equipose.experiments.supported import check_system

WINDOWS = """
import sys, tyro
sys.platform = "win32"
sys.modules["fcntl"] = None
import equipose.experiments.cli
"""


def test_linux_and_macos_run_it() -> None:
    for platform in ("linux", "darwin"):
        check_system(platform)
    with pytest.raises(SystemExit, match="equipose: runs on Linux and macOS, not on 'freebsd14'"):
        check_system("freebsd14")


def test_the_command_is_refused_in_one_line() -> None:
    found = subprocess.run([sys.executable, "-c", WINDOWS], capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr == ("equipose: runs on Linux and macOS, not on 'win32'; on Windows, use WSL 2\n")

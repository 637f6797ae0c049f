"""Commands of a checkout, each with all that it starts: watched, and ended whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = "SAME_NUMBERS_COMMAND"
"""Environment variable by which every process of a command is known, however deep and in whatever group."""
PINNED = {
    "EQUIPOSE_CONCURRENT": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""One run at a time, sums in one order whatever else the machine does, and nothing written to a checkout."""
FOREIGN = ("EQUIPOSE_", "RAY_", "MLFLOW_", "PYTHON")
"""Starts of variables that would lead a checkout elsewhere: to another Ray, server, folder or code."""
TIMEOUT = 3600.0
"""Seconds for one command."""
TAIL = 3000
"""Characters of what a failed command has said."""


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A folder with the code of one version."""

    folder: Path

    @property
    def package(self) -> str:
        """What stands before the names of modules: `equipose.`, or nothing in the older form."""
        return "equipose." if (self.folder / "equipose" / "__init__.py").exists() else ""

    @property
    def cli(self) -> tuple[str, ...]:
        """Arguments of Python that stand for the command line."""
        return ("-m", f"{self.package}experiments")

    def commit(self) -> str | None:
        """The commit that the folder holds, or None where something has been changed since."""
        git = ("git", "-C", str(self.folder))
        changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True)
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True)
        return head.stdout.strip() if head.returncode == 0 and not changed.stdout.strip() else None


@contextlib.contextmanager
def started(checkout: Checkout, arguments: tuple[str, ...], out: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Python with some arguments on a checkout's code; nothing of it is left after the block.

    What it says goes to `stdout.txt` and `stderr.txt` in `out`.
    """
    mark = uuid.uuid4().hex
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    here = out / "elsewhere"
    here.mkdir(parents=True, exist_ok=True)
    with (out / "stdout.txt").open("wb") as said, (out / "stderr.txt").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**kept, **PINNED, "PYTHONPATH": str(checkout.folder), MARK: mark},
            cwd=here,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=errors,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end_all(mark)
        process.wait()


def run(checkout: Checkout, arguments: tuple[str, ...], out: Path) -> str:
    """Run a command to its end and return its output; raises RuntimeError with what it said if it failed."""
    with started(checkout, arguments, out) as process:
        if process.wait(TIMEOUT):
            raise RuntimeError(f"{' '.join(arguments)[:200]} failed:\n{last_words(out)}")
    return (out / "stdout.txt").read_text()


def run_until(
    checkout: Checkout, arguments: tuple[str, ...], out: Path, reached: Callable[[], object], pause: float
) -> None:
    """Run a command and kill it with all its processes as soon as `reached`, asked every `pause` seconds.

    Raises RuntimeError when it ends before.
    """
    deadline = time.monotonic() + TIMEOUT
    with started(checkout, arguments, out) as process:
        while not reached():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{' '.join(arguments)[:200]} has not come so far:\n{last_words(out)}")
            time.sleep(pause)


def last_words(out: Path) -> str:
    """The end of what the latest command has said."""
    return "\n".join((out / name).read_text()[-TAIL:] for name in ("stdout.txt", "stderr.txt"))


def end_all(mark: str) -> None:
    """Kill every process with a mark, until two looks in a row find none."""
    quiet = 0
    while quiet < 2:
        found = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _marked(pid, mark)]
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        quiet = 0 if found else quiet + 1
        time.sleep(0.05)


def _marked(pid: int, mark: str) -> bool:
    try:
        return f"{MARK}={mark}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False

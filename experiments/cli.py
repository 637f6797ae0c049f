"""The `equipose` command; `COMMANDS` lists its verbs."""

from __future__ import annotations

import contextlib
import errno
import importlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import tyro
from tyro.extras import SubcommandApp

import equipose
import equipose.experiments.supported
from equipose.orchestrator.failures import OURS, reason
from equipose.orchestrator.tracking.server_process import TrackingServerError

COMMANDS: dict[str, str] = {
    "simulate": "equipose.experiments.commands.datasets:simulate",
    "prepare": "equipose.experiments.commands.datasets:prepare",
    "inspect": "equipose.experiments.commands.datasets:inspect",
    "verify": "equipose.experiments.commands.datasets:verify",
    "train": "equipose.experiments.commands.train:train",
    "sweep": "equipose.experiments.commands.sweep:sweep",
    "compare": "equipose.experiments.commands.compare:compare",
    "controlled": "equipose.experiments.commands.controlled:controlled",
    "tables": "equipose.experiments.commands.tables:tables",
    "doctor": "equipose.experiments.commands.doctor:doctor",
    "ui": "equipose.experiments.commands.ui:ui",
}
"""Verb -> its function, whose signature is the verb's options. Imported only when needed, so that looking at
a store does not wait for torch and Ray."""

LIBRARY_ERRORS = {
    "mlflow.exceptions": ("MlflowException",),
    "optuna.exceptions": ("StorageInternalError",),
    "ray.exceptions": (
        "NodeDiedError",
        "ObjectLostError",
        "OutOfMemoryError",
        "RayActorError",
        "RaySystemError",
        "WorkerCrashedError",
    ),
    "ray.tune.error": ("TuneError",),
    "sqlalchemy.exc": ("DatabaseError",),
}
"""Module -> its errors that have a cause outside this program."""
KEPT = "Finished work is kept: fix the cause, then run the same command (a job: with --resume)"


def command(verb: str) -> Callable[..., None]:
    """The function of a verb."""
    module, _, name = COMMANDS[verb].partition(":")
    function: Callable[..., None] = getattr(importlib.import_module(module), name)
    return function


def main(args: Sequence[str] | None = None) -> None:
    """Entry point of `equipose` and `python -m equipose.experiments`.

    Bad input prints one clear line on stderr and exits with status 2; Ctrl-C exits with status 130.
    """
    given = list(sys.argv[1:] if args is None else args)
    if given and given[0] in COMMANDS:
        guarded(lambda: tyro.cli(command(given[0]), prog=f"equipose {given[0]}", args=given[1:]))
        return
    if given == ["--version"]:
        print(f"equipose {equipose.__version__}")
        return
    app = SubcommandApp()
    for verb in COMMANDS:
        app.command(name=verb)(command(verb))
    guarded(lambda: app.cli(prog="equipose", args=given))


def run_script(verb: str) -> None:
    """Run a verb as a script; its module is imported inside the guard, so that Ctrl-C works at once."""
    guarded(lambda: tyro.cli(command(verb), prog=Path(sys.argv[0]).name))


def guarded(run: Callable[[], object]) -> None:
    """Run a command; expected failures end in one line on stderr and an exit status, without a traceback."""
    try:
        with patient_interrupts():
            run()
    except (ValueError, FileNotFoundError, TrackingServerError) as error:
        print(f"equipose: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except OURS as error:
        print(f"equipose: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    except OSError as error:
        print(f"equipose: {system_message(error)}", file=sys.stderr)
        raise SystemExit(1) from error
    except library_errors() as error:
        print(f"equipose: {library_message(error)}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        print("equipose: interrupted; finished work is kept", file=sys.stderr)
        raise SystemExit(130) from None


def system_message(error: OSError) -> str:
    """The error of the operating system, and the remedy."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return f"{error}. {KEPT}"
    where = f" ({error.filename})" if error.filename else ""
    return f"the disk is full{where}: free some space or choose another --out. {KEPT}"


def library_message(error: BaseException) -> str:
    """The root cause of a library's error, and the remedy."""
    while error.__cause__:
        error = error.__cause__
    return f"{type(error).__name__}: {reason(error).rstrip('.')}. {KEPT}"


def library_errors() -> tuple[type[Exception], ...]:
    """Errors of the libraries imported so far that mean a server, a database or the cluster is gone."""
    loaded = {module: names for module, names in LIBRARY_ERRORS.items() if module in sys.modules}
    return tuple(getattr(sys.modules[module], name) for module, names in loaded.items() for name in names)


@contextlib.contextmanager
def patient_interrupts() -> Iterator[None]:
    """Let a second Ctrl-C not cut short the cleanup that the first one started; a third one does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count = 0

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count == 2:
            print("equipose: already stopping, please wait a few seconds", file=sys.stderr)
        else:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        # After an interrupt the process is exiting, and another one must not change its status.
        signal.signal(signal.SIGINT, signal.SIG_IGN if count else before)

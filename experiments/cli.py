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
"""Verb -> where its function is; the function's signature is the verb's options. Named and not imported,
because looking at a store should not wait for torch and Ray."""


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
"""Module -> errors of it that say that something outside has gone wrong."""
KEPT = "What was finished is kept: mend the cause, then the same command (a job: with --resume)"


def command(verb: str) -> Callable[..., None]:
    """The function of a verb."""
    module, _, name = COMMANDS[verb].partition(":")
    function: Callable[..., None] = getattr(importlib.import_module(module), name)
    return function


def main(args: Sequence[str] | None = None) -> None:
    """Entry point of `equipose` and `python -m equipose.experiments`.

    Bad input ends with one clear line on stderr and status 2; Ctrl-C with status 130.
    """
    given = list(sys.argv[1:] if args is None else args)
    if given and given[0] in COMMANDS:
        guarded(lambda: tyro.cli(command(given[0]), prog=f"equipose {given[0]}", args=given[1:]))
        return
    app = SubcommandApp()
    for verb in COMMANDS:
        app.command(name=verb)(command(verb))
    guarded(lambda: app.cli(prog="equipose", args=given))


def run_script(verb: str) -> None:
    """A verb as a script of its own. The verb is imported in here, so that Ctrl-C is heard from the start."""
    guarded(lambda: tyro.cli(command(verb), prog=Path(sys.argv[0]).name))


def guarded(run: Callable[[], object]) -> None:
    """Run a command the way a person at a terminal expects its failures to look."""
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
        print(f"equipose: {of_the_system(error)}", file=sys.stderr)
        raise SystemExit(1) from error
    except library_errors() as error:
        print(f"equipose: {of_a_library(error)}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        print("equipose: interrupted; what was finished is kept", file=sys.stderr)
        raise SystemExit(130) from None


def of_the_system(error: OSError) -> str:
    """What the operating system would not do, and the remedy."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return f"{error}. {KEPT}"
    where = f" ({error.filename})" if error.filename else ""
    return f"the disk is full{where}: free some space or choose another --out. {KEPT}"


def of_a_library(error: BaseException) -> str:
    """What a library could not do: of its errors, the first one that was raised says it best."""
    while error.__cause__:
        error = error.__cause__
    return f"{type(error).__name__}: {reason(error).rstrip('.')}. {KEPT}"


def library_errors() -> tuple[type[Exception], ...]:
    """What libraries raise when a server, a database or the cluster is gone; only of those in use by now."""
    loaded = {module: names for module, names in LIBRARY_ERRORS.items() if module in sys.modules}
    return tuple(getattr(sys.modules[module], name) for module, names in loaded.items() for name in names)


@contextlib.contextmanager
def patient_interrupts() -> Iterator[None]:
    """A second Ctrl-C does not cut short what the first has begun: to stop every process. A third does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count = 0

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count == 2:
            print("equipose: already stopping, a few seconds more", file=sys.stderr)
        else:
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        # After an interrupt the process is on its way out, and one more must not change its status.
        signal.signal(signal.SIGINT, signal.SIG_IGN if count else before)

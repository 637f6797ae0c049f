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

import equipose
import equipose.experiments.supported
from equipose.orchestrator.failures import OURS, TrackingServerError, reason

COMMANDS: dict[str, str] = {
    "simulate": "equipose.experiments.commands.datasets:simulate",
    "triplets": "equipose.experiments.commands.triplets:triplets",
    "prepare": "equipose.experiments.commands.datasets:prepare",
    "inspect": "equipose.experiments.commands.datasets:inspect",
    "verify": "equipose.experiments.commands.datasets:verify",
    "train": "equipose.experiments.commands.train:train",
    "sweep": "equipose.experiments.commands.sweep:sweep",
    "compare": "equipose.experiments.commands.compare:compare",
    "controlled": "equipose.experiments.commands.controlled:controlled",
    "continual": "equipose.experiments.commands.continual:continual",
    "tables": "equipose.experiments.commands.tables:tables",
    "evaluate": "equipose.experiments.commands.trained.evaluate:evaluate",
    "predict": "equipose.experiments.commands.trained.predict:predict",
    "advise": "equipose.experiments.commands.trained.advise:advise",
    "view": "equipose.experiments.commands.trained.view:view",
    "export": "equipose.experiments.commands.trained.export:export",
    "doctor": "equipose.experiments.commands.doctor:doctor",
    "ui": "equipose.experiments.commands.ui:ui",
}
"""Verb -> its function, whose signature is the verb's options. Imported only when needed, so that looking at
a store does not wait for torch and Ray."""

SUMMARIES: dict[str, str] = {
    "simulate": "Write simulated sensor data in MM-Fi's on-disk layout.",
    "triplets": "Prepare a store of simulated image, 2D and 3D triplets; called again with more, the store "
    "grows.",
    "prepare": "Turn raw files into a store; called again, the store follows what has changed in the files.",
    "inspect": "Print counts per protocol and split, invalid frames by reason, provenance and fingerprint.",
    "verify": "Read a whole store and check it against its checksums: files, frames, index and defects.",
    "train": "Train one model on Ray Train and log it to MLflow.",
    "sweep": "Sweep AWC, strategies that learn tasks, or UniHPE's alignment, with Ray Tune and Optuna; "
    "log to MLflow.",
    "compare": "Tune every method with equal budget, train each for every seed, read the test part once, "
    "compare.",
    "controlled": "Weaken one simulated sensor level by level, train all levels alike, and decide which "
    "claims hold.",
    "continual": "Learn tasks one after the other with every strategy, test each task after each, and "
    "compare.",
    "tables": "Train what the paper's tables need and write them beside the published numbers, as one HTML "
    "report.",
    "evaluate": "Measure a trained model with every subset of its sensors, per joint, action and room.",
    "predict": "Predict a pose and a doubt for every frame of a store, with any of the sensors missing.",
    "advise": "Say which sensors of a trained model are worth their cost, and what each further one buys.",
    "view": "Play a sequence of a store with its sensors, and predicted poses beside the true ones.",
    "export": "Write a trained model and each of its encoders as ONNX or `torch.export` files.",
    "doctor": "Check machine, Ray, MLflow and data, and say what to fix; exit status 1 if a job would not "
    "work.",
    "ui": "Open MLflow's UI over a results folder until Ctrl-C, by default for this machine alone.",
}
"""Verb -> the first line of its function's docstring, for the list of verbs, which imports none of them."""

COMPLETION = "--tyro-"
"""Beginning of the options that print a script for the shell, which completes the options of every verb."""

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
        guarded(lambda: run_verb(given[0], f"equipose {given[0]}", given[1:]))
    elif given == ["--version"]:
        print(f"equipose {equipose.__version__}")
    else:
        guarded(lambda: list_verbs(given))


def run_script(verb: str, *options: str) -> None:
    """Run a verb as a script; `options` stand before those of the command line."""
    guarded(lambda: run_verb(verb, Path(sys.argv[0]).name, [*options, *sys.argv[1:]]))


def run_verb(verb: str, prog: str, args: Sequence[str] | None = None) -> None:
    """Parse a verb's options and call its function. Imports its module: call it guarded, for Ctrl-C."""
    import tyro

    tyro.cli(command(verb), prog=prog, args=args)


def list_verbs(args: Sequence[str]) -> None:
    """Help, or what is wrong with arguments that begin with no verb."""
    from tyro.extras import SubcommandApp

    app = SubcommandApp()
    completing = any(arg.startswith(COMPLETION) for arg in args)
    for verb in COMMANDS:
        app.command(name=verb)(command(verb) if completing else summarized(verb))
    app.cli(prog="equipose", args=args)


def summarized(verb: str) -> Callable[[], None]:
    """A function without options that stands for a verb in the list."""

    def stand_in() -> None:
        raise AssertionError("unreachable: what begins with a verb runs that verb")

    stand_in.__doc__ = SUMMARIES[verb]
    return stand_in


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

"""The `equipose` command: simulate, prepare, inspect, train, sweep, compare, controlled, tables, ui."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence

import tyro
from tyro.extras import SubcommandApp

from orchestrator.errors import FailedCellsError
from orchestrator.server_process import TrackingServerError

COMMANDS: dict[str, str] = {
    "simulate": "experiments.datasets:simulate",
    "prepare": "experiments.datasets:prepare",
    "inspect": "experiments.datasets:inspect",
    "train": "experiments.train:train",
    "sweep": "experiments.awc_sweep:sweep",
    "compare": "experiments.compare_methods:compare",
    "controlled": "experiments.controlled_imbalance:controlled",
    "tables": "experiments.paper_tables:tables",
    "ui": "experiments.viewer:ui",
}
"""Verb -> where its function is; the function's signature is the verb's options. Named and not imported,
because looking at a store should not wait for torch and Ray."""


def command(verb: str) -> Callable[..., None]:
    """The function of a verb."""
    module, _, name = COMMANDS[verb].partition(":")
    function: Callable[..., None] = getattr(importlib.import_module(module), name)
    return function


def main(args: Sequence[str] | None = None) -> None:
    """Entry point of `equipose` and `python -m experiments`.

    Bad input ends with one clear line on stderr and status 2; Ctrl-C with status 130.
    """
    given = list(sys.argv[1:] if args is None else args)
    if given and given[0] in COMMANDS:
        verb = given[0]
        guarded(lambda: tyro.cli(command(verb), prog=f"equipose {verb}", args=given[1:]))
        return
    app = SubcommandApp()
    for verb in COMMANDS:
        app.command(name=verb)(command(verb))
    guarded(lambda: app.cli(prog="equipose", args=given))


def guarded(run: Callable[[], object]) -> None:
    """Run a command the way a person at a terminal expects its failures to look."""
    try:
        run()
    except (ValueError, FileNotFoundError, TrackingServerError) as error:
        print(f"equipose: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except FailedCellsError as error:
        print(f"equipose: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        print("equipose: interrupted; what was finished is kept", file=sys.stderr)
        raise SystemExit(130) from None

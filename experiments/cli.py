"""The `equipose` command: simulate, prepare, inspect, train, sweep, ui."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from tyro.extras import SubcommandApp

from experiments import awc_sweep, datasets, train, viewer

COMMANDS: dict[str, Callable[..., None]] = {
    "simulate": datasets.simulate,
    "prepare": datasets.prepare,
    "inspect": datasets.inspect,
    "train": train.train,
    "sweep": awc_sweep.sweep,
    "ui": viewer.ui,
}
"""Verb -> function; the function's signature is the verb's options."""


def main(args: Sequence[str] | None = None) -> None:
    """Entry point of `equipose` and `python -m experiments`.

    Bad input ends with one clear line on stderr and status 2; Ctrl-C with status 130.
    """
    app = SubcommandApp()
    for name, command in COMMANDS.items():
        app.command(name=name)(command)
    guarded(lambda: app.cli(prog="equipose", args=args))


def guarded(command: Callable[[], object]) -> None:
    """Run a command the way a person at a terminal expects its failures to look."""
    try:
        command()
    except (ValueError, FileNotFoundError) as error:
        print(f"equipose: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("equipose: interrupted; finished work is kept", file=sys.stderr)
        raise SystemExit(130) from None

"""The console that tables are printed on."""

from __future__ import annotations

from rich.console import Console

WIDTH = 150
"""Columns of output that goes to a file or pipe."""


def wide_console() -> Console:
    """A console of the terminal's width; for a file or pipe, wide enough for the whole table."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)

"""The progress of a job: a live table on a terminal, one line per event elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from equipose.orchestrator.jobs.estimate import ENDED, Alike, Estimate

STATE_STYLES = {
    "waiting": "dim",
    "running": "cyan",
    "done": "green",
    "stopped": "yellow",
    "failed": "bold red",
}
ROWS = 12
"""Trials in the live table; more would scroll off a laptop's terminal."""
WORTH_SAYING = 20.0
"""Seconds; less is not announced: a job also writes down what it found, after its last run."""


@dataclass
class TrialRow:
    """The latest state of one trial."""

    id: str
    state: str = "waiting"
    epoch: int = 0
    epochs: int = 0
    value: float | None = None
    params: dict[str, Any] = field(default_factory=dict)


def format_seconds(seconds: float) -> str:
    """`75` as `1m15s`, `3700` as `1h01m`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def format_params(params: Mapping[str, Any]) -> str:
    """Parameters on one line, by the last part of their dotted names, numbers to three digits."""

    def show(value: Any) -> str:
        return f"{value:.3g}" if isinstance(value, float) else str(value)

    return " ".join(f"{name.rpartition('.')[2]}={show(value)}" for name, value in params.items())


def format_value(value: float | None) -> str:
    """An objective to one decimal; a dash for None."""
    return "-" if value is None else f"{value:.1f}"


def best_row(rows: list[TrialRow]) -> TrialRow | None:
    """The row with the lowest value; NaN never wins."""
    valued = [row for row in rows if row.value is not None and row.value == row.value]
    return min(valued, key=lambda row: row.value or 0.0, default=None)


def visible_rows(rows: list[TrialRow]) -> list[TrialRow]:
    """Every running trial and the best of the others, in order of arrival."""
    running = [row for row in rows if row.state not in ENDED]
    ended = [row for row in rows if row.state in ENDED]
    worst = float("inf")
    ended.sort(key=lambda row: worst if row.value is None or row.value != row.value else row.value)
    chosen = (running + ended)[:ROWS]
    return [row for row in rows if any(row is other for other in chosen)]


def trials_table(rows: list[TrialRow], objective: str) -> Table:
    """The trials as a table, the best one marked."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (("trial", "left"), ("state", "left"), ("epoch", "right"), (objective, "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("parameters", overflow="fold")
    best = best_row(rows)
    for row in visible_rows(rows):
        mark = " *" if row is best else "  "
        state = Text(row.state, style=STATE_STYLES.get(row.state, ""))
        epoch = f"{row.epoch}/{row.epochs}"
        table.add_row(row.id, state, epoch, format_value(row.value) + mark, format_params(row.params))
    return table


class JobProgress:
    """Live progress of a job's trials or runs; thread-safe, may be pickled with a callback.

    mode: `live` (terminal), `lines` (logs), `quiet` (nothing); None chooses by the console. noun: what rows
    are called, in the plural. alike: what takes as long as another, see `Alike`. Use as a context manager.
    """

    def __init__(
        self,
        trials: int = 0,
        *,
        objective: str = "best/mpjpe_mm",
        noun: str = "trials",
        alike: Alike = "epochs",
        mode: str | None = None,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console or Console()
        mode = mode or ("live" if self._console.is_terminal else "lines")
        if mode not in ("live", "lines", "quiet"):
            raise ValueError(f"progress mode {mode!r} is unknown; use live, lines or quiet")
        self.mode, self.trials, self.objective, self.noun = mode, trials, objective, noun
        self._clock = clock
        self._started = clock()
        self._stage = ""
        self._rows: dict[str, TrialRow] = {}
        self._estimate = Estimate(alike=alike)
        self._lock = threading.RLock()
        self._live: Live | None = None

    def __enter__(self) -> JobProgress:
        if self.mode == "live":
            self._live = Live(self, console=self._console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles its callbacks; a copy in another process is quiet."""
        return {"trials": self.trials, "objective": self.objective, "noun": self.noun}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state, mode="quiet")  # type: ignore[misc]

    def stage(self, name: str) -> None:
        """Show that a new part of the work begins, e.g. `"simulating data"`."""
        with self._lock:
            self._stage = name
            self._line(name)

    def trial(
        self,
        id: str,
        state: str,
        epoch: int = 0,
        epochs: int = 0,
        value: float | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> None:
        """Update a trial; state: waiting, running, done, stopped (early) or failed."""
        with self._lock:
            known = self._rows.get(id, TrialRow(id))
            row = TrialRow(id, state, epoch, epochs or known.epochs, value, dict(params or known.params))
            row.value = known.value if value is None else value
            self._rows[id] = row
            self._estimate.note(id, state, epoch, row.epochs, self._elapsed())
            if row != known and state != "waiting":
                self._line(self._event_line(row))

    def __rich__(self) -> RenderableType:
        """What the live display shows now."""
        with self._lock:
            rows = list(self._rows.values())
        head = Text(f"{self._stage or 'starting'}  ({self._status(rows)})", style="bold")
        hidden = len(rows) - len(visible_rows(rows))
        foot = Text(f"... and {hidden} more {self.noun}", style="dim") if hidden else Text()
        return Group(head, trials_table(rows, self.objective), foot) if rows else head

    def _elapsed(self) -> float:
        return self._clock() - self._started

    def _status(self, rows: list[TrialRow]) -> str:
        ended = sum(row.state in ENDED for row in rows)
        running = sum(row.state == "running" for row in rows)
        parts = [
            f"{ended}/{max(self.trials, len(rows))} {self.noun}, {running} running",
            f"{format_seconds(self._elapsed())} elapsed",
        ]
        left = self._estimate.remaining(max(self.trials, len(rows)), self._elapsed())
        if left is not None and left >= WORTH_SAYING:
            parts.append(f"about {format_seconds(left)} left")
        return ", ".join(parts)

    def _event_line(self, row: TrialRow) -> str:
        rows = list(self._rows.values())
        best = best_row(rows)
        parts = [f"{row.id} {row.state} epoch {row.epoch}/{row.epochs}"]
        if row.value is not None:
            parts.append(f"{self.objective} {format_value(row.value)}")
        if best is not None and best is not row:
            parts.append(f"best {format_value(best.value)} ({best.id})")
        if row.state == "running" and row.epoch == 0:
            parts.append(format_params(row.params))
        return "  ".join([*parts, f"[{self._status(rows)}]"])

    def _line(self, text: str) -> None:
        if self.mode == "lines":
            stamp = datetime.now().strftime("%H:%M:%S")
            self._console.print(f"{stamp} {text}", soft_wrap=True, highlight=False, markup=False)

"""The display: lines for logs, a table for terminals, silence on request."""

from __future__ import annotations

import io
import math
import pickle
import threading

import pytest
from rich.console import Console

from equipose.orchestrator.jobs.progress import (
    JobProgress,
    TrialRow,
    best_row,
    format_params,
    format_seconds,
)


def console(terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100)


def text(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_each_event_is_a_line() -> None:
    out, clock = console(), Clock()
    with JobProgress(2, console=out, clock=clock) as progress:
        progress.stage("sweeping")
        progress.trial("trial-000", "running", 0, 4, params={"method.alpha": 20000.0, "method.window": 3})
        clock.now = 50.0
        progress.trial("trial-000", "running", 2, 4, 91.26)
        progress.trial("trial-000", "running", 2, 4, 91.26)
        clock.now = 60.0
        progress.trial("trial-000", "running", 3, 4, 92.0)
        clock.now = 70.0
        progress.trial("trial-001", "running", 0, 4)
        progress.trial("trial-000", "done", 4, 4, 92.0)
        clock.now = 90.0
        progress.trial("trial-001", "running", 1, 4, 93.0)
        clock.now = 110.0
        progress.trial("trial-001", "running", 3, 4, 93.0)
    lines = text(out).splitlines()
    assert len(lines) == 8, "an event that changes nothing is no line"
    assert lines[0].endswith("sweeping")
    assert "alpha=2e+04 window=3" in lines[1]
    assert "trial-000 running epoch 2/4  best/mpjpe_mm 91.3" in lines[2]
    assert lines[2].endswith("[0/2 trials, 1 running, 50s elapsed]"), "one epoch says nothing about the next"
    assert lines[3].endswith("[0/2 trials, 1 running, 1m00s elapsed, about 1m20s left]")
    assert lines[-1].endswith("[1/2 trials, 1 running, 1m50s elapsed]"), "10 s are not worth saying"
    assert "\x1b" not in text(out)


def test_terminal_gets_a_table_with_the_best_marked() -> None:
    out = console(terminal=True)
    progress = JobProgress(3, console=out)
    assert progress.mode == "live"
    progress.trial("trial-000", "done", 4, 4, 91.0)
    progress.trial("trial-001", "stopped", 1, 4, 120.0)
    progress.trial("trial-002", "failed", 1, 4, math.nan)
    plain = console()
    plain.print(progress)
    rows = {line.split()[0]: line for line in text(plain).splitlines() if line.startswith("trial-")}
    assert "91.0 *" in rows["trial-000"]
    assert "*" not in rows["trial-001"] + rows["trial-002"]
    assert "stopped" in rows["trial-001"]


def test_live_display_starts_and_ends() -> None:
    out = console(terminal=True)
    with JobProgress(1, console=out) as progress:
        progress.stage("sweeping")
        progress.trial("trial-000", "running", 1, 4, 91.0)
    assert "sweeping" in text(out)


def test_many_trials_keep_the_running_ones_in_sight() -> None:
    progress = JobProgress(100, console=console(), mode="quiet")
    for i in range(50):
        progress.trial(f"trial-{i:03d}", "done", 4, 4, 100.0 - i)
    progress.trial("trial-050", "running", 1, 4, 500.0)
    plain = console()
    plain.print(progress)
    shown = [line.split()[0] for line in text(plain).splitlines() if line.startswith("trial-")]
    assert len(shown) == 12
    assert {"trial-050", "trial-049"} <= set(shown)
    assert "and 39 more trials" in text(plain)


def test_quiet_says_nothing() -> None:
    out = console()
    with JobProgress(2, console=out, mode="quiet") as progress:
        progress.stage("sweeping")
        progress.trial("trial-000", "running", 1, 4, 91.0, {"alpha": 1.0})
        progress.trial("trial-000", "done", 4, 4, 90.0)
    assert text(out) == ""


def test_threads_may_report_at_once() -> None:
    out = console()
    progress = JobProgress(8, console=out)

    def report(i: int) -> None:
        for epoch in range(1, 21):
            progress.trial(f"trial-{i:03d}", "running", epoch, 20, 100.0 - epoch)

    threads = [threading.Thread(target=report, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = text(out).splitlines()
    assert len(lines) == 160
    assert all("best/mpjpe_mm" in line and line.endswith("]") for line in lines)


def test_copies_are_quiet() -> None:
    copy = pickle.loads(pickle.dumps(JobProgress(5, objective="val/x", console=console())))
    assert (copy.mode, copy.trials, copy.objective) == ("quiet", 5, "val/x")
    copy.trial("trial-000", "running", 1, 2)


def test_unknown_mode() -> None:
    with pytest.raises(ValueError, match="'loud' is unknown; use live, lines or quiet"):
        JobProgress(mode="loud")


def test_best_ignores_what_has_no_number() -> None:
    rows = [TrialRow("a", value=math.nan), TrialRow("b"), TrialRow("c", value=3.0), TrialRow("d", value=2.0)]
    assert best_row(rows) is rows[3]
    assert best_row(rows[:2]) is None


@pytest.mark.parametrize(("seconds", "shown"), [(5.4, "5s"), (75, "1m15s"), (3700, "1h01m")])
def test_durations(seconds: float, shown: str) -> None:
    assert format_seconds(seconds) == shown


def test_parameters_by_their_short_names() -> None:
    assert format_params({"method.alpha": 0.123456, "fusion": "concat"}) == "alpha=0.123 fusion=concat"

"""How long a job still takes, from what its runs have taken so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

ENDED = ("done", "stopped", "failed")
"""States in which a run stays."""
Alike = Literal["epochs", "runs", "nothing"]
"""What takes about as long as another: an epoch, whichever run it is of; a whole run, though its epochs do
not, as of lines of stages; nothing."""


@dataclass
class RunClock:
    """When one run did what, in seconds of the job's clock."""

    epochs: int = 0
    """That it is to train."""
    started: float | None = None
    """None also for a run that was kept from before: it says nothing about time."""
    ended: float | None = None
    epoch: int = 0
    """The latest that was reported."""
    reported: float | None = None
    first_epoch: int = 0
    first_reported: float | None = None
    running: bool = False

    @property
    def taken(self) -> float | None:
        """Seconds from its start to its end; None before, and for a run that was kept."""
        return None if self.started is None or self.ended is None else self.ended - self.started

    @property
    def expected(self) -> float | None:
        """Seconds from its start to its end, from two epochs that were reported; None without."""
        if self.started is None or self.first_reported is None or self.reported is None:
            return None
        if self.epoch == self.first_epoch:
            return None
        pace = (self.reported - self.first_reported) / (self.epoch - self.first_epoch)
        return self.first_reported - self.started + pace * (self.epochs - self.first_epoch)


@dataclass
class Estimate:
    """Collects the events of a job's runs; `remaining` says what is left.

    No estimate is made before a run has ended, or one has reported two epochs: the first epochs of a job come
    after the start of processes, which later ones do not pay again.
    """

    runs: dict[str, RunClock] = field(default_factory=dict)
    most: int = 1
    """Runs that were seen side by side."""
    alike: Alike = "epochs"

    def note(self, name: str, state: str, epoch: int, epochs: int, now: float) -> None:
        """An event of a run; see `JobProgress.trial`."""
        run = self.runs.setdefault(name, RunClock())
        run.epochs = epochs or run.epochs
        run.running = state == "running"
        if run.running and run.started is None:
            run.started, run.epoch = now, epoch
        if epoch > run.epoch:
            run.epoch, run.reported = epoch, now
            if run.first_reported is None:
                run.first_epoch, run.first_reported = epoch, now
        if state in ENDED and run.ended is None:
            run.ended = now
        self.most = max(self.most, sum(each.running for each in self.runs.values()))

    def remaining(self, total: int, now: float) -> float | None:
        """Seconds until `total` runs have ended; None while nothing can be said.

        Runs to come count by the epochs that they are to train, at the pace of those that have ended, stopped
        ones among them, as later ones will be; a running one ends at its own pace, since it may be one that
        is not stopped, and of the last ones nothing is said before two epochs tell it. Runs that nothing is
        known of yet are as long as the longest. Where only whole runs are alike, all of it comes from those
        that have ended; where nothing is, nothing is said while there is a run whose own pace is not known.
        """
        pace = self._pace()
        if pace is None:
            return None
        longest = max(run.epochs for run in self.runs.values())
        unknown = max(0, total - len(self.runs)) * longest
        waiting = [run for run in self.runs.values() if run.started is None and run.ended is None]
        running = [
            max(0.0, (self._expected(run) or run.epochs * pace) - (now - run.started))
            for run in self.runs.values()
            if run.started is not None and run.ended is None
        ]
        ahead = (sum(run.epochs for run in waiting) + unknown) * pace
        untold = any(run.running and run.expected is None for run in self.runs.values())
        if self.alike == "nothing" and (ahead or untold):
            return None
        if self.alike == "epochs" and not ahead and untold:
            return None  # whether the last ones are stopped early is not known before they train
        return max((sum(running) + ahead) / self.most, *running, 0.0) or None

    def _pace(self) -> float | None:
        """Seconds of one run for one of its epochs, what it does before and after them included."""
        ended = [
            (run.taken, run.epochs) for run in self.runs.values() if run.taken is not None and run.epochs
        ]
        if ended:
            return sum(taken for taken, _ in ended) / sum(epochs for _, epochs in ended)
        told = [(self._expected(run), run.epochs) for run in self.runs.values()]
        seen = [(expected, epochs) for expected, epochs in told if expected is not None]
        if seen:
            return sum(expected for expected, _ in seen) / sum(epochs for _, epochs in seen)
        return None

    def _expected(self, run: RunClock) -> float | None:
        """What a run takes in all, by the epochs that it has had; None where they do not tell."""
        return None if self.alike == "runs" else run.expected

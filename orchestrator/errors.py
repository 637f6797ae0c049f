"""What can go wrong with a job as a whole; light to import, for those who only report it."""

from __future__ import annotations

from collections.abc import Mapping


class FailedCellsError(RuntimeError):
    """Some cells of a grid failed; the others have ended and are kept."""

    def __init__(self, errors: Mapping[str, Exception]) -> None:
        self.errors = dict(errors)
        shown = "; ".join(f"{name}: {reason(error)}" for name, error in errors.items())
        super().__init__(
            f"{len(errors)} {'run' if len(errors) == 1 else 'runs'} failed ({shown}). The others are kept: "
            "mend the cause, then the same command with --resume"
        )


def reason(error: Exception) -> str:
    """The last line of what happened; Ray puts a traceback before it, others say where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


class FailedTrainingError(RuntimeError):
    """A Ray Train run that kept failing; what it had finished is kept."""


def failed_training(name: str, folder: str, error: Exception) -> FailedTrainingError:
    """What to raise for a run that Ray Train has given up."""
    failures = getattr(error, "worker_failures", None) or {0: error}
    return FailedTrainingError(
        f"run {name} failed ({reason(next(iter(failures.values())))}). Its checkpoints are kept in "
        f"{folder}: mend the cause, then the same again goes on from the newest"
    )

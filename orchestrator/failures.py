"""Errors that end a job, and their causes in one line; light to import, for code that only reports them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

LASTING = (ValueError, TypeError, LookupError, AttributeError, NameError, AssertionError, ArithmeticError)
"""Errors that the same work would raise again: wrong settings, bad data, divergence, bugs.
Everything else may pass: a dead process, a full disk, a network failure, lack of memory."""
OUT_OF_MEMORY = ("OutOfMemoryError", "MemoryError")
"""Names of errors: Ray's when it ends a process, torch's on a GPU, and Python's own."""
FULL = "node running low on memory"
"""Ray's message in that case, which is sometimes all that is left of the error."""
WRAPPED = ("cause", "health_check_failure", "controller_failure")
"""Attributes in which Ray's errors hold their cause."""
CRASHES = ("WorkerCrashedError", "ActorDiedError", "RayActorError")
FAILED_START = "raised in its creation task"
"""Ray's message where an actor did not crash, but its `__init__` raised."""
CRASHED = (
    "its process died: killed from outside, by a fault in native code, or by the system for lack of memory "
    "(`dmesg` tells)"
)
FEWER = (
    "let fewer run at a time (EQUIPOSE_CONCURRENT=1 before the command, also with --resume); if one is too "
    "much, start a new job with smaller batches (--override data.batch.batch_size=16) or fewer --workers. "
    "--plan and `equipose doctor` say what fits"
)


class TrackingServerError(RuntimeError):
    """The tracking server could not be started or reached; the message says what to do."""


class FailedRunsError(RuntimeError):
    """Some runs of a grid failed; the others have ended and are kept."""

    def __init__(self, errors: Mapping[str, Exception]) -> None:
        self.errors = dict(errors)
        reasons = {name: reason(error) for name, error in errors.items()}
        super().__init__(
            f"{len(errors)} {'run' if len(errors) == 1 else 'runs'} failed ({listed(reasons)}). The others "
            "are kept: fix the cause, then run the same command with --resume"
        )


class FailedSweepError(RuntimeError):
    """No trial of a sweep produced an error to compare."""


class FailedTrainingError(RuntimeError):
    """A Ray Train run that was given up; its finished epochs are kept."""

    cause: Exception | None = None
    """The error of its worker or of its controller."""
    lasting: bool = False
    """Whether another attempt would fail in the same way, or enough have been made."""


OURS = (FailedRunsError, FailedSweepError, FailedTrainingError)
"""Errors of jobs whose parts have failed; their messages are shown unchanged."""


def failed_training(name: str, folder: str, error: Exception) -> FailedTrainingError:
    """The error to raise for a run that Ray Train has given up."""
    worker_failures = getattr(error, "worker_failures", None)
    found = list(worker_failures.values()) if worker_failures else [_of_controller(error)]
    cause = next((each for each in found if is_lasting(each)), found[0])
    failed = FailedTrainingError(
        f"run {name} failed ({reason(cause)}). Its checkpoints are kept in "
        f"{folder}: fix the cause, then run the same command again to resume from the newest"
    )
    failed.cause, failed.lasting = cause, bool(worker_failures) or is_lasting(cause)
    return failed


def _of_controller(error: Exception) -> Exception:
    found = getattr(error, "controller_failure", None)
    return found if isinstance(found, Exception) else error


def is_lasting(error: BaseException) -> bool:
    """Whether another attempt would fail in the same way."""
    return isinstance(error, LASTING) and not type(error).__module__.startswith("ray.")


def listed(reasons: Mapping[str, str]) -> str:
    """Names with their reasons on one line, those with the same reason together."""
    groups: dict[str, list[str]] = {}
    for name, text in reasons.items():
        groups.setdefault(text, []).append(name)
    return "; ".join(f"{_few(names)}: {text}" for text, names in groups.items())


def _few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def reason(error: BaseException) -> str:
    """The cause on one line: the last line of its message, or the remedy where memory ran out.

    Of errors that libraries have wrapped, the innermost counts; Ray puts a traceback before its message.
    """
    chain = list(_chain(error))
    if any(_named(each, OUT_OF_MEMORY) or FULL in str(each) for each in chain):
        return f"memory ran out{_how_much(chain)}: {FEWER}"
    if any(_named(each, CRASHES) and FAILED_START not in str(each) for each in chain):
        return f"{CRASHED}. If it was memory: {FEWER}"
    lines = [line.strip() for line in str(chain[-1]).splitlines() if line.strip()]
    kind = type(chain[-1]).__name__
    if len(chain) > 1 and lines and not isinstance(chain[-1], OURS):
        return f"{kind}: {lines[-1]}"
    return lines[-1] if lines else kind


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then those wrapped in it, from outside in."""
    seen: list[BaseException] = []
    found: object = error
    while isinstance(found, BaseException) and not any(found is each for each in seen):
        seen.append(found)
        yield found
        inner = (getattr(found, name, None) for name in WRAPPED)
        found = next((each for each in inner if isinstance(each, BaseException)), None)


def _named(error: BaseException, names: tuple[str, ...]) -> bool:
    """By name, since the libraries that define these errors take seconds to import."""
    return any(kind.__name__ in names for kind in type(error).__mro__)


def _how_much(chain: list[BaseException]) -> str:
    """How full memory was, if Ray reports it: ` (3.8GB used / 4.0GB limit)`."""
    found = re.search(r"was ([\d.]+GB used / [\d.]+GB limit)", "\n".join(map(str, chain)))
    return f" ({found[1]})" if found else ""

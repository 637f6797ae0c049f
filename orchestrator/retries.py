"""How often a run starts again: after a process has died a few times, after an error that would recur never.

Ray Train 2.60 tells the two apart nowhere: `FailureConfig(max_failures)` counts both. What it does not try
again is a run whose callback has raised.
"""

from __future__ import annotations

from typing import Any

from ray.train import UserCallback

from equipose.orchestrator.errors import is_lasting


class EndAtLastingErrors(UserCallback):
    """Runs in Ray Train's controller and ends a run at once when trying again would change nothing."""

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        """Raise the first such error; those of other ranks are often only its echo."""
        for error in worker_exceptions.values():
            if is_lasting(error):
                raise error

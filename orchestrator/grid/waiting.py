"""Which of the runs that are left may start: those that start at another run's end wait for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from equipose.orchestrator.grid.run_spec import RunSpec


class WaitingRuns:
    """Runs in their order, handed out one by one."""

    def __init__(
        self, specs: Sequence[RunSpec], key: Callable[[RunSpec], str], ended: Callable[[RunSpec], bool]
    ) -> None:
        """key: what identifies a run, whatever its name. ended: whether a run that is not among them has.

        Raises ValueError for a run that waits for one that is neither among them nor has ended.
        """
        self._key = key
        self._waiting = list(specs)
        self._left = [key(spec) for spec in specs]
        for spec in specs:
            before = spec.init_from
            if before and key(before) not in self._left and not ended(before):
                raise ValueError(
                    f"run {spec.name!r} starts at the end of {before.name!r}, which is not among the runs; "
                    "add it"
                )

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def take(self) -> RunSpec | None:
        """The first run that may start, which is handed out; None while all wait for others."""
        for position, spec in enumerate(self._waiting):
            if spec.init_from is None or self._key(spec.init_from) not in self._left:
                return self._waiting.pop(position)
        return None

    def end(self, spec: RunSpec, *, failed: bool) -> None:
        """A run that was handed out has ended; those that wait for a failed one are dropped."""
        key = self._key(spec)
        if not failed:
            self._left.remove(key)
            return
        self._waiting = [other for other in self._waiting if all(self._key(r) != key for r in other.line)]

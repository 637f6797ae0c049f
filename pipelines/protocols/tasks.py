"""Tasks of a stream: which rooms, people or actions a model learns one after the other.

A task is a split like any other, written `tasks:environment=E01`; several values are one task that holds all
of them (`tasks:subject=S01+S02`), which is what joint and cumulative training take. Every task has its own
training, validation and test part, so that each can be tested after each:

- by environment or action, the people of split S2 train, validate and test (in MM-Fi's E01: S05 and S10
  test, S09 validates, the other seven train);
- by subject there is one person only, so the end of every recording is tested (`protocols.carving`);
- MARS (subjects or actions) keeps the parts of its source.

Streams by environment are not one of MM-Fi's splits: their numbers compare with no paper's S1 to S3.
"""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "tasks:"
KINDS: tuple[str, ...] = ("environment", "subject", "action")
"""What tasks may differ by: columns of a store's index."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One task, or several learnt at once.

    >>> Task.of("tasks:environment=E01+E02").values
    ('E01', 'E02')
    >>> Task(by="subject", values=("S01",)).split
    'tasks:subject=S01'
    """

    by: str
    """One of `KINDS`."""
    values: tuple[str, ...]
    """Such as (`E01`,)."""

    def __post_init__(self) -> None:
        require_kind(self.by)
        if not self.values or len(set(self.values)) < len(self.values) or "" in self.values:
            raise ValueError(f"a task needs different {self.by}s, at least one, got {list(self.values)}")

    @classmethod
    def of(cls, split: str) -> Task:
        """The task of a split's name; ValueError where it is not one."""
        by, equals, values = split.removeprefix(PREFIX).partition("=")
        if not split.startswith(PREFIX) or not equals:
            raise ValueError(f"split is {split!r}; a task is written such as tasks:environment=E01+E02")
        return cls(by=by, values=tuple(values.split("+")))

    @property
    def name(self) -> str:
        """Short, for metrics and tables: `E01` or `E01+E02`."""
        return "+".join(self.values)

    @property
    def split(self) -> str:
        """The name of its split."""
        return f"{PREFIX}{self.by}={self.name}"


def require_kind(by: str) -> None:
    """Raise ValueError for what tasks cannot differ by."""
    if by not in KINDS:
        raise ValueError(f"tasks differ by {by!r}; use one of {list(KINDS)}")


def is_task(split: str) -> bool:
    """Whether a split is a task of a stream."""
    return split.startswith(PREFIX)


def union(tasks: tuple[Task, ...]) -> Task:
    """All tasks as one; ValueError where they differ by different things."""
    kinds = {task.by for task in tasks}
    if len(kinds) != 1:
        raise ValueError(f"the tasks of a stream must differ by one thing, got {sorted(kinds)}")
    return Task(by=kinds.pop(), values=tuple(value for task in tasks for value in task.values))

"""Which integers of a method's Config count epochs, declared at the field itself.

A run that is shortened for a quick comparison shortens its method's schedules by the same share: a window of
20 of 50 epochs becomes 4 of 10. Every integer field declares with `epoch_count` or `fixed_count` whether it
is such a schedule; the contract tests refuse one that declares neither.
"""

from __future__ import annotations

from dataclasses import field, fields
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", int, int | None)
SCHEDULE = "schedule"
"""Key in the metadata of a field: True where it counts epochs."""


def epoch_count(default: T) -> T:
    """A Config field that counts epochs and keeps its share of a shorter run.

    default: a number of epochs; None and 0 keep their meaning in a run of any length.
    """
    value: T = field(default=default, metadata={SCHEDULE: True})
    return value


def fixed_count(default: int) -> int:
    """A Config field that counts something else and does not depend on the length of the run."""
    value: int = field(default=default, metadata={SCHEDULE: False})
    return value


def schedule_fields(config: DataclassInstance | type[DataclassInstance]) -> tuple[str, ...]:
    """Names of the fields that count epochs, `window` included.

    Examples:
        >>> from equipose.balancing.registry import METHODS
        >>> schedule_fields(METHODS["relearning"].Config)
        ('window', 'every')
    """
    return tuple(f.name for f in fields(config) if f.metadata.get(SCHEDULE))

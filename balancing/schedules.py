"""Schedules are shares of the run: which integers of a Config count epochs, and how they fit its length.

Defaults are given for the paper's 50 epochs. Whoever builds the config of a run calls `fitted` with its
number of epochs, so that a window of 20 of 50 epochs becomes 4 of 10; what a user sets stays as it is.
Every integer field of a method's Config declares with `epoch_count` or `fixed_count` whether it is a
schedule; the contract tests refuse one that declares neither.
"""

from __future__ import annotations

from dataclasses import field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", int, int | None)
Config = TypeVar("Config", bound="DataclassInstance")
PAPER_EPOCHS = 50
"""The training length that defaults and the AWC paper's settings are given for."""
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


def share_of(count: int, epochs: int, of: int = PAPER_EPOCHS) -> int:
    """A number of epochs out of `of` as the same share of `epochs`: rounded, at least 1; 0 stays 0.

    Examples:
        >>> [share_of(20, epochs) for epochs in (2, 8, 50, 100)]
        [1, 3, 20, 40]
    """
    return max(1, round(count * epochs / of)) if count > 0 else count


def fitted(config: Config, epochs: int, of: int = PAPER_EPOCHS) -> Config:
    """The config with every schedule, given for a run of `of` epochs, as the same share of `epochs`.

    Those of the configs that it lists (a chain of methods) too.

    Examples:
        >>> from equipose.balancing.registry import METHODS
        >>> fitted(METHODS["awc"].Config(), 8).window
        3
    """
    counts = {name: getattr(config, name) for name in schedule_fields(config)}
    changed: dict[str, Any] = {
        n: share_of(count, epochs, of) for n, count in counts.items() if count is not None
    }
    for f in fields(config):
        value = getattr(config, f.name)
        if isinstance(value, tuple) and value and all(is_dataclass(part) for part in value):
            changed[f.name] = tuple(fitted(part, epochs, of) for part in value)
    return replace(config, **changed)

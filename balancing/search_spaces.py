"""Each method's search space: the fields of its Config that tuning varies, and how far.

A method declares its space where it declares the fields, with `searched` and `searched_count`. Tuning varies
the learning rate and one position in this space. All fields of a method move together along the position, and
every method is tried at the same positions equally often, so none is tuned harder than another. A sweep of
streams turns each dial by itself (`dials`), and counts too, which are no part of that position. The objective
of an alignment declares what a sweep searches of it in the same way.

A field belongs here only if it changes what a run with Adam learns (`tests/balancing/test_dials_act.py`). A
constant factor on a gradient does not: Adam divides it out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from equipose.balancing.schedules import SCHEDULE, share_of
from equipose.models.alignment.search_choice import SEARCH as SEARCH

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


@dataclass(frozen=True)
class SearchRange:
    """A logarithmic scale between two positive values."""

    low: float
    """Value at position 0."""
    high: float
    """Value at position 1; it may be the smaller one."""
    when: tuple[str, Any] | None = None
    """Another field and the value with which this one has an effect; None is always."""
    unless: tuple[str, Any] | None = field(default=None, repr=False)
    """Another field and the value with which this one has none."""
    whole: bool = field(default=False, repr=False)
    """Whether it counts something."""
    costs: bool = field(default=False, repr=False)
    """Whether more of it costs more memory, so that a search would take all that it may."""

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"search range: {name} must be finite and above 0, got {value}")

    def at(self, position: float) -> float:
        """The value at a position in [0, 1]."""
        return float(self.low * (self.high / self.low) ** position)


def searched(
    default: float,
    *,
    low: float,
    high: float,
    when: tuple[str, Any] | None = None,
    unless: tuple[str, Any] | None = None,
) -> float:
    """A Config field that tuning varies between `low` and `high`, both positive, on a logarithmic scale.

    when: another field and the value that it must have, where this one has no effect otherwise. unless: one
    with which it has none.
    """
    value: float = field(default=default, metadata={SEARCH: SearchRange(low, high, when, unless)})
    return value


def searched_count(default: int, *, low: int, high: int, epochs: bool = False, costs: bool = False) -> int:
    """An integer Config field that a sweep of streams varies between `low` and `high`, both positive.

    epochs: whether it counts epochs, of 50, see `equipose.balancing.schedules`. costs: see `SearchRange`.
    """
    scale = SearchRange(low, high, whole=True, costs=costs)
    value: int = field(default=default, metadata={SEARCH: scale, SCHEDULE: epochs})
    return value


def dials(config: DataclassInstance, epochs: int, *, memory: bool = False) -> dict[str, SearchRange]:
    """Field -> range, for all fields that a search may turn one by one; schedules fitted to `epochs`.

    memory: also those that cost memory.

    Examples:
        >>> from equipose.balancing.registry import CONTINUAL
        >>> [sorted(dials(CONTINUAL["replay"].Config(), 50, memory=memory)) for memory in (False, True)]
        [['beta'], ['beta', 'rows']]
        >>> dials(CONTINUAL["nis"].Config(), 10)["warmup"]
        SearchRange(low=1, high=7, when=None)
    """
    found = {}
    for f in fields(config):
        scale: SearchRange | None = f.metadata.get(SEARCH)
        if scale is None or not _acts(scale, config) or (scale.costs and not memory):
            continue
        if f.metadata.get(SCHEDULE):
            low, high = (share_of(int(end), epochs) for end in (scale.low, scale.high))
            scale = replace(scale, low=low, high=high)
        found[f.name] = scale
    return found


def _acts(scale: SearchRange, config: DataclassInstance) -> bool:
    """Whether the field of this range has an effect in a config."""
    if scale.unless is not None and getattr(config, scale.unless[0]) == scale.unless[1]:
        return False
    return scale.when is None or getattr(config, scale.when[0]) == scale.when[1]


def search_space(config: DataclassInstance | type[DataclassInstance]) -> dict[str, SearchRange]:
    """Field -> range, for the fields that tuning varies; empty where there are none.

    Examples:
        >>> from equipose.balancing.registry import METHODS
        >>> search_space(METHODS["mmpareto"].Config)
        {'weight': SearchRange(low=0.1, high=10.0, when=None)}
        >>> search_space(METHODS["plain"].Config)
        {}
    """
    config = config() if isinstance(config, type) else config
    ranges = {f.name: f.metadata[SEARCH] for f in fields(config) if SEARCH in f.metadata}
    return {name: scale for name, scale in ranges.items() if _acts(scale, config) and not scale.whole}


def at_position(config: Config, position: float) -> Config:
    """The config with every searched field at `position` in [0, 1]; equal to `config` where there are none.

    Raises ValueError for a position outside [0, 1].

    Examples:
        >>> from equipose.balancing.methods.mmpareto import MMPareto
        >>> at_position(MMPareto.Config(), 0.5).weight
        1.0
    """
    if not 0 <= position <= 1:
        raise ValueError(f"position in a search space must lie in [0, 1], got {position}")
    values: dict[str, Any] = {name: scale.at(position) for name, scale in search_space(config).items()}
    return replace(config, **values)

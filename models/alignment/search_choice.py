"""Settings that are one of a few, declared with what a search tries of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SEARCH = "search"
"""Key of what a search tries in the metadata of a field: a `SearchChoice`, or of a number a `SearchRange` of
`equipose.balancing.search_spaces`."""


@dataclass(frozen=True)
class SearchChoice:
    """What a search tries of a setting that it does not turn by degrees."""

    options: tuple[Any, ...]
    times: str = ""
    """Field or property of the same config which the options are multiples of; empty: they are values."""

    def of(self, config: object, name: str) -> tuple[tuple[Any, ...], Any]:
        """What to try of a config's field `name`, its own value first where it is new; and its own."""
        own = getattr(config, self.times or name)
        found = tuple(round(own * share) for share in self.options) if self.times else self.options
        return (found if own in found else (own, *found)), own


def one_of(default: Any, options: tuple[Any, ...], *, times: str = "") -> Any:
    """A Config field of which a search tries `options`; see `SearchChoice`."""
    return field(default=default, metadata={SEARCH: SearchChoice(options, times)})

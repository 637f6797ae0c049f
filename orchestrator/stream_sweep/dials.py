"""The dials of a strategy's methods, each under a name of its own, and the strategy with them turned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from equipose.balancing.chained import ChainConfig
from equipose.balancing.method import MethodConfig
from equipose.balancing.registry import method_name
from equipose.balancing.search_spaces import dials


@dataclass(frozen=True, kw_only=True)
class Dial:
    """A field of one of a strategy's methods, and how far a search turns it, on a logarithmic scale."""

    name: str
    """Such as `ewc.strength`."""
    low: float
    high: float
    whole: bool
    default: float
    """The strategy's own setting, within the range."""

    @property
    def label(self) -> str:
        """The name and the range, such as `ewc.strength 100 to 1e+07`."""
        return f"{self.name} {self.low:g} to {self.high:g}"


def dials_of(method: MethodConfig, epochs: int, *, memory: bool = False) -> tuple[Dial, ...]:
    """The dials of a method, or of all methods of a chain, in their order.

    epochs: of a task, which schedules are fitted to. memory: also the dials that cost memory. A setting that
    lies outside of its declared range widens the range; one that is 0, which no logarithm reaches, starts at
    the nearest end.
    """
    found = []
    for part in _parts(method):
        for field, scale in dials(part, epochs, memory=memory).items():
            now = float(getattr(part, field))
            ends = [scale.low, scale.high, *([now] if now > 0 else ())]
            low, high = min(ends), max(ends)
            found.append(
                Dial(
                    name=f"{method_name(part)}.{field}",
                    low=low,
                    high=high,
                    whole=scale.whole,
                    default=min(max(now, low), high),
                )
            )
    return tuple(found)


def turned(method: MethodConfig, values: Mapping[str, float]) -> MethodConfig:
    """The method with its dials at `values`, by their names. Raises ValueError for a name that it lacks."""
    parts = _parts(method)
    known = {method_name(part): part for part in parts}
    changes: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        part, _, field = name.partition(".")
        if part not in known or not hasattr(known[part], field):
            raise ValueError(f"no dial {name!r} in the strategy's methods {list(known)}; see `dials_of`")
        changes.setdefault(part, {})[field] = type(getattr(known[part], field))(value)
    new = tuple(replace(part, **changes.get(name, {})) for name, part in known.items())
    return replace(method, parts=new) if isinstance(method, ChainConfig) else new[0]


def _parts(method: MethodConfig) -> tuple[MethodConfig, ...]:
    return method.parts if isinstance(method, ChainConfig) else (method,)

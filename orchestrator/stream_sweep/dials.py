"""The dials of a strategy's methods, each under a name of its own, and the strategy with them turned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from equipose.balancing.chained import ChainConfig
from equipose.balancing.method import MethodConfig
from equipose.balancing.registry import method_name
from equipose.balancing.search_spaces import dials
from equipose.orchestrator.line_sweep.dials import Dial, dial_of


def dials_of(method: MethodConfig, epochs: int, *, memory: bool = False) -> tuple[Dial, ...]:
    """The dials of a method, or of all methods of a chain, in their order.

    epochs: of a task, which schedules are fitted to. memory: also the dials that cost memory.
    """
    return tuple(
        dial_of(f"{method_name(part)}.{field}", scale, float(getattr(part, field)))
        for part in _parts(method)
        for field, scale in dials(part, epochs, memory=memory).items()
    )


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

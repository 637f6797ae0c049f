"""Training without any balancing: the row that every method is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from equipose.balancing.method import Method, MethodConfig


class Plain(Method):
    """Every hook keeps its default."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """Nothing to set."""

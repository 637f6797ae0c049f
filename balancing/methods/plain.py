"""Training without balancing: the baseline of every comparison."""

from __future__ import annotations

from dataclasses import dataclass

from equipose.balancing.method import Method, MethodConfig


class Plain(Method):
    """Every hook keeps its default."""

    @dataclass(frozen=True, kw_only=True)
    class Config(MethodConfig):
        """Nothing to set."""

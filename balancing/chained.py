"""Several methods in one run, from their configs; `equipose.balancing.compose.chain` is what they become."""

from __future__ import annotations

from dataclasses import dataclass

from equipose.balancing.method import MethodConfig

CHAIN = "chain"
"""Name of such a method, where others are registered."""


@dataclass(frozen=True, kw_only=True)
class ChainConfig(MethodConfig):
    """Methods that act together, each on what the one before it has left.

    Noise separation comes first, so that what is measured afterwards is clean; then balancing; then what
    keeps earlier tasks. `equipose.balancing.registry.build_method` refuses any other order.
    """

    parts: tuple[MethodConfig, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.parts) < 2:
            raise ValueError(f"method.parts names {len(self.parts)} methods; a chain has two or more")
        if any(isinstance(part, ChainConfig) for part in self.parts):
            raise ValueError("method.parts holds a chain; list its methods instead")

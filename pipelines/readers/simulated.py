"""Sequences straight from the simulator, without files in between."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.readers.contract import check_key
from equipose.pipelines.sequence import RawSequence, SequenceKey
from equipose.pipelines.simulator import (
    Contamination,
    SimulatorConfig,
    environment_of,
    provenance_of,
    settings_of,
    simulate_sequence,
)


@dataclass(frozen=True, kw_only=True)
class SimulatedSource:
    """What to simulate; given instead of a root folder."""

    subjects: tuple[str, ...]
    """Such as `("S01", "S05")`; each lives in its MM-Fi environment."""
    actions: tuple[str, ...]
    """Such as `("A02", "A13")`."""
    config: SimulatorConfig = field(default_factory=SimulatorConfig)
    sensors: tuple[str, ...] = DEFAULT_SENSORS
    contamination: Contamination | None = None
    """What is spoilt on purpose; the store then keeps the truth about it beside its data."""

    def __post_init__(self) -> None:
        for name, letter, last in (("subjects", "S", 40), ("actions", "A", 27)):
            codes = tuple(getattr(self, name))
            known = {f"{letter}{n:02d}" for n in range(1, last + 1)}
            if not codes or len(set(codes)) < len(codes) or not set(codes) <= known:
                raise ValueError(
                    f"{name} is {codes}; use distinct codes {letter}01..{letter}{last}, at least one"
                )
            object.__setattr__(self, name, codes)
        if self.contamination is not None:
            self.contamination.require_recorded(self.sensors)

    @property
    def provenance(self) -> str:
        """Label of everything in it."""
        return provenance_of(self.config, self.contamination)


@dataclass(frozen=True, kw_only=True)
class SimulatedReader:
    """Reads a `SimulatedSource`: simulates the sequence that is asked for."""

    default_split: ClassVar[tuple[str, str]] = ("P1", "S2")

    def sequences(self, root: SimulatedSource) -> list[SequenceKey]:
        """Every subject with every action."""
        keys = [SequenceKey(environment_of(s), s, a) for s in root.subjects for a in root.actions]
        return sorted(keys)

    def read(self, root: SimulatedSource, key: SequenceKey) -> RawSequence:
        """The sequence of the key's subject and action."""
        subject = check_key(key).subject
        return simulate_sequence(subject, key.action, root.config, root.sensors, root.contamination)

    def notes(self, root: SimulatedSource) -> tuple[str, ...]:
        """A remark that all of it is simulated."""
        return (f"every sequence is {root.provenance}",)

    def sensors(self, root: SimulatedSource) -> tuple[str, ...]:
        """Those that are simulated."""
        return root.sensors

    def settings(self, root: SimulatedSource) -> dict[str, Any]:
        """Version and settings of the simulator; not the subjects and actions, so that a store can grow."""
        return {"simulator": root.provenance, "config": settings_of(root.config, root.contamination)}

"""The results of a sweep of streams: its trials as a table, and per strategy the best setting and its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import optuna

from equipose.orchestrator.continual.config import parts_of
from equipose.orchestrator.line_sweep.results import Swept, trials_of
from equipose.orchestrator.stream_sweep.config import StreamSweepConfig


@dataclass(frozen=True, kw_only=True)
class StreamSweepOutcome(Swept):
    """Results of a finished sweep of streams; `epochs` are the tasks that were learnt."""

    group: ClassVar[str] = "strategy"

    config: StreamSweepConfig

    def to_json(self) -> dict[str, Any]:
        """The outcome for scripts; errors on validation parts in mm, null where training diverged."""
        return super().to_json() | {"tasks": [task.name for task in self.config.job.tasks]}


def outcome_of(
    config: StreamSweepConfig, studies: Mapping[str, optuna.Study], provenance: str
) -> StreamSweepOutcome:
    """The outcome from the studies of all strategies."""
    group = StreamSweepOutcome.group
    return StreamSweepOutcome(
        config=config, provenance=provenance, **trials_of(config, studies, group, tuned_name)
    )


def tuned_name(strategy: str, values: Mapping[str, float]) -> str:
    """The strategy with its dials as `equipose continual` reads it.

    Examples:
        >>> tuned_name("noisy nis+ewc", {"ewc.strength": 123.456, "nis.warmup": 4})
        'noisy nis:warmup=4+ewc:strength=123.5'
        >>> tuned_name("replay:rows=400", {"replay.beta": 1e5})
        'replay:rows=400,beta=1e5'
    """
    noisy, _, names = strategy.rpartition(" ")
    parts = []
    for part in parts_of(names):
        name, _, typed = part.partition(":")
        settings = dict(pair.split("=") for pair in typed.split(",") if pair)
        for dial, value in values.items():
            method, _, field = dial.partition(".")
            if method == METHOD_OF.get(name, name):
                settings[field] = re.sub(r"e\+0*", "e", f"{value:.4g}")
        dials = ",".join(f"{field}={value}" for field, value in settings.items())
        parts.append(f"{name}:{dials}" if dials else name)
    return f"{noisy} {'+'.join(parts)}".strip()


METHOD_OF: Mapping[str, str] = {"random": "nis"}
"""Part of a strategy's name -> its method, where it is another."""

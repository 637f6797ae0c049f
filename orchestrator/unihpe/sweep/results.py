"""The results of a sweep of an alignment: its trials, and the best and the default setting on test data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from equipose.orchestrator.line_sweep.results import Swept, trials_of
from equipose.orchestrator.unihpe.results import UnihpeOutcome
from equipose.orchestrator.unihpe.sweep.config import DEFAULT, AlignSweepConfig
from equipose.orchestrator.unihpe.sweep.dials import changed, typed

JUDGED = "image>pose"
"""The route whose error is searched on the validation part."""


@dataclass(frozen=True, kw_only=True)
class Gain:
    """What the best setting gains over the default one on a route of the test part, paired by seed."""

    route: str
    default_mm: tuple[float, ...]
    tuned_mm: tuple[float, ...]
    """MPJPE of each seed."""

    @property
    def gains_mm(self) -> tuple[float, ...]:
        """Default less tuned, of each seed; above 0 where tuning has helped."""
        return tuple(float(one - other) for one, other in zip(self.default_mm, self.tuned_mm, strict=True))

    @property
    def mean_mm(self) -> float:
        """Over seeds."""
        return float(np.mean(self.gains_mm))

    @property
    def better(self) -> int:
        """In how many seeds the tuned setting has the smaller error."""
        return sum(gain > 0 for gain in self.gains_mm)


@dataclass(frozen=True, kw_only=True)
class AlignSweep(Swept):
    """What a search has found."""

    config: AlignSweepConfig

    @property
    def best_trial(self) -> str:
        """Name of the best trial."""
        return str(self.best["trial"][0])

    @property
    def overrides(self) -> list[str]:
        """The best setting as overrides of the default one; empty where that is the best."""
        return typed(changed(self.config.variant, self.values[self.best_trial]))


def search_outcome(
    config: AlignSweepConfig, studies: Mapping[str, optuna.Study], provenance: str
) -> AlignSweep:
    """The outcome of the search from its study."""
    fields = trials_of(config, studies, AlignSweep.group, lambda _, values: " ".join(typed(values)))
    return AlignSweep(config=config, provenance=provenance, **fields)


@dataclass(frozen=True, kw_only=True)
class AlignSweepOutcome:
    """Results of a finished sweep."""

    search: AlignSweep
    test: UnihpeOutcome
    """The default setting, and the best one where it is another."""
    frames: int
    """Of the validation part."""

    @property
    def tuned(self) -> str:
        """Name of the best setting's variant; empty where the default is the best."""
        return next((name for name in self.test.config.methods if name != DEFAULT), "")

    def gains(self) -> list[Gain]:
        """Of every route to a pose; empty where the default is the best."""
        if not self.tuned:
            return []
        routes = self.test.trained[0].aligned[""].routes["route"].unique(maintain_order=True)
        errors = {
            route: [self.test.error(name, route, "mpjpe_mm") for name in (DEFAULT, self.tuned)]
            for route in routes
        }
        return [
            Gain(route=route, default_mm=tuple(one), tuned_mm=tuple(other))
            for route, (one, other) in errors.items()
            if one and len(one) == len(other)
        ]

    def to_json(self) -> dict[str, Any]:
        """The outcome for scripts: trials, the best setting, and test errors of each seed in mm."""
        config, names = self.search.config, (DEFAULT, *([self.tuned] if self.tuned else ()))
        routes = self.test.trained[0].aligned[""].routes["route"].unique(maintain_order=True)
        return self.search.to_json() | {
            "judged_by": f"{JUDGED}, {config.judged_by}",
            "overrides": self.search.overrides,
            "seeds": list(self.test.config.seeds),
            "test_mpjpe_mm": {
                name: {
                    route: errors for route in routes if (errors := self.test.error(name, route, "mpjpe_mm"))
                }
                for name in names
            },
        }

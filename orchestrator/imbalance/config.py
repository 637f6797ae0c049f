"""The controlled experiment on imbalance: one sensor made weaker step by step, all else equal.

Levels x methods x seeds on simulated data, and beside them the models that the claims are measured against:
trained without the weak sensor, and on every sensor alone. Every level also has what its claims are worth:
plain training with more epochs, and the upper reference, as in a comparison of methods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from equipose.balancing.method import MethodConfig
from equipose.orchestrator.comparison.checks import CHANGED, as_check
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.grid.variants import REFERENCE, with_modalities
from equipose.orchestrator.training.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class Level:
    """One position of the dial, and the data simulated with it."""

    name: str
    """As shown in tables, such as `informativeness 0.1`."""
    store: str

    @property
    def slug(self) -> str:
        """The name as a folder's name."""
        return self.name.replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class ImbalanceConfig:
    """What is trained: all levels with the same settings."""

    name: str
    base: TrainConfig
    """The run that all others vary; every level replaces its store."""
    weak: str
    """The sensor that the dial makes weaker."""
    levels: tuple[Level, ...]
    """From as informative as the others, the control, to nearly noise."""
    methods: Mapping[str, MethodConfig]
    """By the names that they have in tables; `plain` is what the claims are about."""
    seeds: tuple[int, ...] = (0, 1, 2)
    workers: int = 1
    select: Literal["best", "last"] = "last"
    """Which checkpoint is tested; the claims are about what training ends in."""

    def __post_init__(self) -> None:
        if REFERENCE not in self.methods:
            names = list(self.methods)
            raise ValueError(f"methods {names} lack {REFERENCE!r}, which the claims are about; add it")
        for what, values in (
            ("seeds", self.seeds),
            ("levels", [level.name for level in self.levels]),
        ):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{what} must be different and at least one, got {list(values)}")
        if self.weak not in self.modalities or len(self.modalities) < 2:
            raise ValueError(
                f"sensors are {', '.join(self.modalities)}; name {self.weak}, the weakened one, and others"
            )

    @property
    def modalities(self) -> tuple[str, ...]:
        """All sensors of the joint models."""
        return self.base.model.modalities

    @property
    def others(self) -> tuple[str, ...]:
        """All but the weak one."""
        return tuple(name for name in self.modalities if name != self.weak)

    def joint_runs(self, level: Level) -> list[RunSpec]:
        """Every method and seed with all sensors at a level."""
        return [
            replace(
                self._spec(f"{name} {level.slug} s{seed}", level, replace(self.base, method=method), seed),
                method=name,
                refit=name == REFERENCE,
            )
            for seed in self.seeds
            for name, method in self.methods.items()
        ]

    def check_runs(self, level: Level) -> list[RunSpec]:
        """Plain training with more epochs, and the upper reference, with all sensors at a level."""
        plain = replace(self.base, method=self.methods[REFERENCE])
        return [
            as_check(self._spec(f"{name} {level.slug} s{seed}", level, changed(plain), seed), stage)
            for seed in self.seeds
            for stage, (name, changed) in CHANGED.items()
        ]

    def weak_runs(self, level: Level) -> list[RunSpec]:
        """The weak sensor trained alone at a level, seed by seed."""
        config = with_modalities(self.base, (self.weak,))
        return [
            self._spec(f"{self.weak} alone {level.slug} s{seed}", level, config, seed) for seed in self.seeds
        ]

    def rest_runs(self) -> list[RunSpec]:
        """Plain training without the weak sensor, at the first level only: the data of the other sensors
        are equal at all levels, bit for bit."""
        config, first = with_modalities(self.base, self.others), self.levels[0]
        return [self._spec(f"without {self.weak} s{seed}", first, config, seed) for seed in self.seeds]

    def other_runs(self) -> list[RunSpec]:
        """Every other sensor trained alone, which shows how strong the rivals of the weak one are."""
        return [
            self._spec(f"{name} alone s{seed}", self.levels[0], with_modalities(self.base, (name,)), seed)
            for seed in self.seeds
            for name in (self.others if len(self.others) > 1 else ())
        ]

    def runs(self) -> list[RunSpec]:
        """All runs; seeds vary slowest, so an interrupted job has complete seeds."""
        specs = [*self.rest_runs(), *self.other_runs()]
        for level in self.levels:
            specs += [*self.weak_runs(level), *self.joint_runs(level), *self.check_runs(level)]
        return sorted(specs, key=lambda spec: spec.config.seed)

    def _spec(self, name: str, level: Level, config: TrainConfig, seed: int) -> RunSpec:
        data = replace(config.data, store=level.store)
        return RunSpec(
            name=name,
            config=replace(config, data=data, seed=seed),
            workers=self.workers,
            select=self.select,
        )

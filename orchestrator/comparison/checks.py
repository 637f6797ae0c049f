"""The runs that show what a comparison's verdicts are worth: convergence, headroom, fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from equipose.balancing.registry import METHODS
from equipose.balancing.schedules import fitted
from equipose.orchestrator.comparison.config import ComparisonConfig, Setting
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.grid.variants import REFERENCE, lasting
from equipose.orchestrator.training.config import TrainConfig

UPPER = "frozen_unimodal"
"""The method whose encoders are trained alone: an upper reference that shows what can be won."""
CONVERGENCE, HEADROOM, REPETITION = "convergence", "headroom", "repetition"
"""What a run is for, beside `config.TEST`."""
LONGER = 1.5
"""Epochs of the convergence runs, as a factor."""

Chosen = Mapping[tuple[Setting, str], TrainConfig]
"""(setting, method) -> the run that tuning chose."""


def check_runs(config: ComparisonConfig, chosen: Chosen) -> list[RunSpec]:
    """Per setting and seed, plain training with more epochs, and the upper reference; none without checks."""
    if not config.checks:
        return []
    return [
        as_check(config.spec(f"{name} s{seed}", setting, changed(plain)), stage)
        for seed in config.seeds
        for setting in config.settings
        for plain in [replace(chosen[setting, REFERENCE], seed=seed)]
        for stage, (name, changed) in CHANGED.items()
    ]


def as_check(run: RunSpec, stage: str) -> RunSpec:
    """A run for one of `CHANGED`; the upper reference is judged under refitted heads too."""
    return replace(run, stage=stage, refit=stage == HEADROOM)


def longer(run: TrainConfig) -> TrainConfig:
    """The run with half as many epochs again; its learning rate drops at the same share."""
    return lasting(run, math.ceil(LONGER * run.epochs))


def upper(plain: TrainConfig) -> TrainConfig:
    """The same run under the upper reference: encoders trained alone, then a joint head."""
    return replace(plain, method=fitted(METHODS[UPPER].Config(), plain.epochs))


CHANGED: dict[str, tuple[str, Callable[[TrainConfig], TrainConfig]]] = {
    CONVERGENCE: (f"{REFERENCE} longer", longer),
    HEADROOM: (UPPER, upper),
}
"""Check -> name of its run, and how that departs from plain training."""


def repetition_runs(
    config: ComparisonConfig, chosen: Chosen, methods: Mapping[Setting, Sequence[str]]
) -> list[RunSpec]:
    """The named methods of every setting, and plain training, on as many seeds again, used nowhere else."""
    return [
        config.spec(f"{name} again s{seed}", setting, replace(chosen[setting, name], seed=seed), REPETITION)
        for seed in fresh_seeds(config)
        for setting, names in methods.items()
        if names
        for name in (REFERENCE, *names)
    ]


def fresh_seeds(config: ComparisonConfig) -> tuple[int, ...]:
    """As many seeds as the comparison has, after its own and not that of tuning."""
    first = max(config.seeds) + 1
    several = range(first, first + len(config.seeds) + 1)
    return tuple(seed for seed in several if seed != config.tuning_seed)[: len(config.seeds)]

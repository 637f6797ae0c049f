"""The runs behind the verdicts: longer, with encoders trained alone, and on seeds used nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.registry import METHODS, method_name
from equipose.orchestrator.comparison.checks import (
    CONVERGENCE,
    HEADROOM,
    REPETITION,
    UPPER,
    check_runs,
    fresh_seeds,
    longer,
    repetition_runs,
)
from equipose.orchestrator.comparison.config import ComparisonConfig
from equipose.orchestrator.training.config import OptimizerConfig, TrainConfig


@pytest.fixture
def build(small_run: TrainConfig) -> Callable[..., ComparisonConfig]:
    def build(**changes: Any) -> ComparisonConfig:
        methods = tuple(METHODS[name].Config() for name in ("plain", "awc", "ogm_ge"))
        return ComparisonConfig(**{"name": "c", "base": small_run, "methods": methods, **changes})

    return build


Build = Callable[..., ComparisonConfig]


def test_longer_runs_keep_the_shares_of_their_schedules(small_run: TrainConfig) -> None:
    awc = AWC.Config(window=20, free_epochs=2)
    run = replace(small_run, epochs=40, optimizer=OptimizerConfig(step_epochs=24), method=awc)
    more = longer(run)
    assert (more.epochs, more.optimizer.step_epochs) == (60, 36)
    assert more.method == replace(awc, window=30, free_epochs=3)
    assert replace(more, epochs=40, optimizer=run.optimizer, method=awc) == run
    assert longer(replace(run, epochs=1, optimizer=OptimizerConfig(step_epochs=1))).epochs == 2


def test_plain_training_is_checked_with_its_tuned_settings(build: Build) -> None:
    config = build(fusions=("concat", "mlp"), seeds=(0, 1))
    tuned = replace(OptimizerConfig(), lr=0.5)
    chosen = {which: replace(run, optimizer=tuned) for which, run in config.defaults().items()}
    runs = check_runs(config, chosen)
    assert len(runs) == 2 * 2 * 2
    assert {run.config.optimizer.lr for run in runs} == {0.5}
    stages = {CONVERGENCE: {"plain"}, HEADROOM: {UPPER}}
    for stage, names in stages.items():
        mine = [run for run in runs if run.stage == stage]
        assert {method_name(run.config.method) for run in mine} == names
        assert all(run.evaluate and run.refit == (stage == HEADROOM) for run in mine)
    assert len({run.name for run in runs}) == len(runs)


def test_only_plain_training_is_refitted(build: Build) -> None:
    config = build()
    refitted = {run.name for run in config.final_runs(config.defaults()) if run.refit}
    assert refitted == {f"plain s{seed}" for seed in config.seeds}


def test_without_checks_nothing_more_is_run(build: Build) -> None:
    config = build(checks=False)
    assert check_runs(config, config.defaults()) == []
    assert not any(run.refit for run in config.final_runs(config.defaults()))


@pytest.mark.parametrize(("seeds", "tuning"), [((0, 1, 2), 1000), ((0, 1, 2), 4), ((5,), 6)])
def test_fresh_seeds_are_as_many_and_new(seeds: tuple[int, ...], tuning: int, build: Build) -> None:
    config = build(seeds=seeds, tuning_seed=tuning)
    fresh = fresh_seeds(config)
    assert len(set(fresh)) == len(seeds)
    assert not {*fresh} & {*seeds, tuning}


def test_decided_methods_are_repeated_beside_plain_training(build: Build) -> None:
    config = build(fusions=("concat", "mlp"), seeds=(0, 1))
    first, second = config.settings
    runs = repetition_runs(config, config.defaults(), {first: ["awc"], second: []})
    assert {run.name for run in runs} == {
        f"{name} again s{seed} concat P1-S1" for name in ("plain", "awc") for seed in (2, 3)
    }
    assert {run.stage for run in runs} == {REPETITION}
    assert all(run.evaluate for run in runs)

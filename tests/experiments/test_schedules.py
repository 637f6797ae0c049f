"""Whatever the verb, the schedules of method and learning rate are shares of the run's epochs."""

from __future__ import annotations

import json

import pytest

from equipose.balancing.registry import METHODS, method_class, method_name
from equipose.balancing.schedules import PAPER_EPOCHS, schedule_fields
from equipose.experiments.cli import main
from equipose.experiments.presets.comparison import ComparisonOptions, comparison_config
from equipose.experiments.presets.imbalance import ControlledOptions, imbalance_config
from equipose.experiments.presets.paper import TablesOptions, paper_config
from equipose.experiments.presets.sweep import SweepOptions, sweep_config
from equipose.orchestrator.imbalance.config import Level
from equipose.orchestrator.training.config import TrainConfig, from_json

LENGTHS = (1, 2, 3, 8, 10, 50, 120)
LR_DROP = 30
"""Of the paper's 50 epochs."""


def at_its_share(value: int, default: int, epochs: int) -> bool:
    """Whether a schedule has its default's share of the run, within rounding, and at least one epoch."""
    exact = default * epochs / PAPER_EPOCHS
    return value >= 1 and (abs(value - exact) <= 0.5 or exact < 1 == value)


def check(run: TrainConfig, epochs: int, *, published: bool = False) -> None:
    """The run's learning rate drops once, and its method's schedules act, each at its share.

    published: whether the method is in the setting of its own paper.
    """
    assert run.epochs == epochs
    rates = [run.optimizer.lr_at(epoch) for epoch in range(epochs)]
    drops = [epoch for epoch in range(1, epochs) if rates[epoch] != rates[epoch - 1]]
    assert len(drops) == (epochs > 1)
    assert all(at_its_share(epoch, LR_DROP, epochs) for epoch in drops)
    method = method_class(method_name(run.method))
    default = method.Config(**(method.published if published else {}))
    for name in schedule_fields(default):
        given, value = getattr(default, name), getattr(run.method, name)
        off = value == method_class(method_name(run.method)).published.get(name)
        assert off or (at_its_share(value, given, epochs) if given else value == given), (run.method, name)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("epochs", LENGTHS)
def test_of_a_training_run(epochs: int, method: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["train", "--dry-run", "--method", method, "--epochs", str(epochs)])
    check(from_json(json.loads(capsys.readouterr().out)), epochs)


@pytest.mark.parametrize("epochs", LENGTHS)
@pytest.mark.parametrize("preset", ["smoke", "quick", "paper"])
def test_of_a_comparison(preset: str, epochs: int) -> None:
    options = ComparisonOptions(
        data="simulated", preset=preset, methods=tuple(METHODS), seeds=1, fusions=("concat",),
        protocols=("P1",), split="S1", budget=1, epochs=epochs,
    )  # fmt: skip
    runs = comparison_config("c", options, "store").defaults()
    assert len(runs) == len(METHODS)
    for run in runs.values():
        check(run, epochs, published=preset == "paper")


@pytest.mark.parametrize("epochs", LENGTHS)
@pytest.mark.parametrize("preset", ["smoke", "quick", "mars", "paper"])
def test_of_the_tables(preset: str, epochs: int) -> None:
    options = TablesOptions(preset=preset, data="simulated", epochs=epochs)
    config = paper_config("t", options, "store")
    for method in config.methods.values():
        check(config.run(config.ablated, 0, method=method), epochs, published=preset == "paper")


@pytest.mark.parametrize("epochs", LENGTHS)
@pytest.mark.parametrize("preset", ["smoke", "quick", "paper"])
def test_of_a_sweep(preset: str, epochs: int) -> None:
    options = SweepOptions(data="simulated", preset=preset, protocol="P1", split="S1", epochs=epochs)
    config = sweep_config("s", options, "store")
    check(config.run_config(config.enqueued()[0]), epochs, published=preset == "paper")
    assert config.space.window[0] == 0
    assert at_its_share(config.space.window[1], 30, epochs)


@pytest.mark.parametrize("epochs", LENGTHS)
def test_of_a_controlled_experiment(epochs: int) -> None:
    options = ControlledOptions(preset="smoke", methods=tuple(METHODS), epochs=epochs)
    config = imbalance_config(options, (Level(name="a", store=""),))
    for method in config.methods.values():
        check(TrainConfig(**{**vars(config.base), "method": method}), epochs)

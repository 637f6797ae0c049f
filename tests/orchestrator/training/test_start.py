"""A run that starts at another's end takes its weights and what its method kept, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from equipose.balancing.compose import chain
from equipose.balancing.method import Method
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.run import Run
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.training.build import build_training, run_facts
from equipose.orchestrator.training.config import DataConfig, TrainConfig, from_json, to_json
from equipose.orchestrator.training.data import RunData
from equipose.orchestrator.training.loop import fit
from equipose.orchestrator.training.start import start_at
from equipose.orchestrator.training.state import Training
from equipose.orchestrator.training.validation import validate
from equipose.pipelines.batches.source import BatchConfig

FIRST, SECOND = "tasks:action=A02", "tasks:action=A13"


@pytest.fixture(scope="module")
def first(store_path: Path) -> TrainConfig:
    batch = BatchConfig(batch_size=12, views=point_views(lidar=16), modalities=("rgb", "lidar"))
    return TrainConfig(
        data=DataConfig(store=str(store_path), split=FIRST, batch=batch),
        model=ModelConfig(preset="tiny", modalities=("rgb", "lidar")),
        epochs=2,
    )


@pytest.fixture(scope="module")
def second(first: TrainConfig) -> TrainConfig:
    return replace(first, data=replace(first.data, split=SECOND), earlier_tasks=(FIRST,))


@pytest.fixture(scope="module")
def ended(first: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The state of the first task's run at its end."""
    return end_of(first, tmp_path_factory.mktemp("first"))


def end_of(config: TrainConfig, folder: Path) -> dict[str, Any]:
    data = RunData.open(config.data)
    training = build_training(config, data)
    list(fit(training))
    checkpoints.save(training, config, folder, run_facts(training, data))
    return checkpoints.load(folder)


def started(config: TrainConfig, state: dict[str, Any], method: Method | None = None) -> Training:
    data = RunData.open(config.data)
    if method is not None:
        config = replace(config, method=AWC.Config())  # a method that the run before did not have
    training = build_training(config, data)
    training.method = method or training.method
    start_at(training, state, config, data)
    return training


def test_it_has_the_weights_and_the_scale_of_inputs_but_a_fresh_optimiser(
    second: TrainConfig, ended: dict[str, Any]
) -> None:
    training = started(second, ended)
    running = ("running_mean", "running_var", "num_batches_tracked")
    for name, value in training.model.state_dict().items():
        if not name.endswith(running):
            assert torch.equal(value, ended["model"][name]), name
    fresh = build_training(second).model.state_dict()
    assert any(not torch.equal(value, ended["model"][name]) for name, value in fresh.items())
    assert not training.optimizer.state
    assert (training.epoch, training.history, training.task) == (0, [], 1)


def test_errors_on_earlier_tasks_are_measured_after_every_epoch(
    first: TrainConfig, second: TrainConfig, ended: dict[str, Any]
) -> None:
    training = started(second, ended)
    measured = [result.metrics["task/A02/val/mpjpe_mm"] for result in fit(training)]
    assert measured[0] != measured[1]
    source = RunData.open(first.data).source("validation", first.data.batch)
    validation = validate(training.model, source.in_order())
    assert measured[-1] == pytest.approx(validation.mpjpe_mm, rel=1e-5)


class Watcher(Method):
    """Keeps the rows of every task's end that it is shown."""

    joins_late = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, Tensor]] = []
        self.weight: Tensor | None = None

    def on_task_end(self, run: Run) -> None:
        self.seen.append((run.task, run.training_rows))
        self.weight = next(run.model.parameters()).detach().clone()


def test_a_method_that_joins_late_is_shown_the_end_of_the_task_before(
    first: TrainConfig, second: TrainConfig, ended: dict[str, Any]
) -> None:
    method = Watcher()
    training = started(second, ended, method)
    [(task, rows)] = method.seen
    assert task == 0
    assert rows.tolist() == sorted(RunData.open(first.data).rows["train"].tolist())
    assert method.weight is not None
    assert torch.equal(method.weight, next(training.model.parameters()))


def test_new_weights_where_the_method_starts_every_task_from_scratch(
    second: TrainConfig, ended: dict[str, Any]
) -> None:
    method = Watcher()
    method.from_scratch = True
    training = started(second, ended, method)
    for name, value in build_training(second).model.named_parameters():
        assert torch.equal(value, training.model.get_parameter(name)), name
    assert len(method.seen) == 1


def test_a_method_that_was_not_there_is_refused(second: TrainConfig, ended: dict[str, Any]) -> None:
    config = replace(second, method=AWC.Config())
    with pytest.raises(ValueError, match="method awc cannot start at the end of one with plain"):
        started(config, ended)


def test_only_what_carries_on_is_taken_over(second: TrainConfig, ended: dict[str, Any]) -> None:
    class Counter(Method):
        count = 0

        def state_dict(self) -> dict[str, Any]:
            return {"count": self.count}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.count = state["count"]

    for carries_on, expected in ((True, 3), (False, 0)):
        method = Counter()
        method.carries_on = carries_on
        data = RunData.open(second.data)
        training = build_training(second, data)
        training.method = chain(one=method, other=Method())
        start_at(training, ended | {"method": {"one": {"count": 3}, "other": {}}}, second, data)
        assert method.count == expected


def test_an_unfinished_run_is_refused(second: TrainConfig, ended: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not after 1 of its 2 epochs"):
        started(second, ended | {"epoch": 1})


def test_another_model_is_refused(second: TrainConfig, ended: dict[str, Any]) -> None:
    config = replace(second, model=replace(second.model, fusion="mlp"))
    with pytest.raises(ValueError, match="cannot start at the end of one with"):
        started(config, ended)


def test_what_a_method_keeps_of_its_task_is_in_the_last_checkpoint(
    first: TrainConfig, tmp_path: Path
) -> None:
    class Counter(Method):
        ends = 0

        def on_task_end(self, run: Run) -> None:
            self.ends += 1

    training = build_training(first)
    training.method = Counter()
    at_epochs = [training.method.ends for _ in fit(training)]
    assert at_epochs == [0, 1]


def test_earlier_tasks_are_kept_in_json_and_nothing_else_gains_a_field(
    first: TrainConfig, second: TrainConfig
) -> None:
    assert from_json(to_json(second)) == second
    assert "earlier_tasks" not in to_json(first)


def test_a_task_among_its_earlier_ones_is_refused(second: TrainConfig) -> None:
    with pytest.raises(ValueError, match="among its own earlier_tasks"):
        replace(second, earlier_tasks=(SECOND,))

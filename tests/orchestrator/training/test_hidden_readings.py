"""A reading that noise separation hides does not reach anything that training computes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.balancing.fisher.diagonal import fisher_diagonal
from equipose.balancing.run import EpochPlan, Hidden, Run
from equipose.balancing.shapley.per_row import row_errors
from equipose.models.batch import Batch
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.loop import _validate, fit
from equipose.orchestrator.training.passes import full_plan, run_of
from equipose.orchestrator.training.state import Training
from equipose.pipelines.batches.source import BatchConfig, BatchSource

CONFIG = NoiseSeparation.Config(warmup=99)


def config_of(store: Path, method: NoiseSeparation.Config, **changes: Any) -> TrainConfig:
    batch = BatchConfig(batch_size=48, views=point_views(lidar=16, mmwave=8))
    return TrainConfig(
        data=DataConfig(store=str(store), batch=batch),
        model=ModelConfig(preset="tiny", norm="layer"),
        method=method,
        epochs=2,
        **changes,
    )


class Spoilt(BatchSource):
    """The same rows, with numbers without a meaning in place of some readings."""

    spoilt: Hidden

    def load(self, rows: Any, present: Any, seed: int, flip: float = 0.0) -> Batch:
        """The batch, spoilt."""
        batch = super().load(rows, present, seed, flip)
        away = ~self.spoilt.visible(torch.from_numpy(np.asarray(rows)))
        inputs = dict(batch.inputs)
        for m, (name, value) in enumerate(batch.inputs.items()):
            where = away[:, m].view(-1, *[1] * (value.dim() - 1))
            inputs[name] = torch.where(where, torch.full_like(value, 1e3 * (m + 1)), value)
        return replace(batch, inputs=inputs)


def training_of(store: Path, *, hide: bool, spoil: bool) -> Training:
    """A run with every fifth reading of every sensor hidden, or spoilt, or both."""
    training = build_training(config_of(store, CONFIG))
    rows = np.sort(training.train.rows)
    readings = torch.arange(len(rows))[:, None] % 5 == torch.arange(4)
    hidden = Hidden(rows=torch.from_numpy(rows), readings=readings)
    if hide:
        training.method.load_state_dict({"masked": vars(hidden)})
    if spoil:
        training.train = Spoilt(training.train.store, training.train.rows, training.train.config)
        training.train.spoilt = hidden
    return training


def outcome(training: Training) -> dict[str, Tensor]:
    """What a run of two epochs leaves: losses, weights, Fisher diagonal, contributions and errors per row."""
    results = list(fit(training))
    run = run_of(training, lambda name, value: None)
    found = {f"weights/{name}": value.clone() for name, value in training.model.state_dict().items()}
    found |= {f"loss/{n}": torch.tensor(result.metrics["train/loss"]) for n, result in enumerate(results)}
    fisher = fisher_diagonal(training.model, run.batches(), run.loss)
    found |= {f"fisher/{name}": value for name, value in fisher.items()}
    assert training.contributions is not None
    found |= {"contributions": training.contributions, "rows": row_errors(run, run.training_rows).errors}
    return found


def differing(one: dict[str, Tensor], other: dict[str, Tensor]) -> set[str]:
    return {name.split("/")[0] for name, value in one.items() if not torch.equal(value, other[name])}


def test_what_a_hidden_reading_holds_changes_nothing(store_path: Path) -> None:
    hidden = outcome(training_of(store_path, hide=True, spoil=False))
    assert differing(hidden, outcome(training_of(store_path, hide=True, spoil=True))) == set()
    shown = outcome(training_of(store_path, hide=False, spoil=False))
    spoilt = outcome(training_of(store_path, hide=False, spoil=True))
    assert {"loss", "weights", "fisher", "rows"} <= differing(shown, spoilt), "shown, they do reach it"
    assert {"loss", "weights", "fisher", "rows"} <= differing(shown, hidden)


def test_the_method_judges_in_the_real_loop_and_sees_what_it_hides(store_path: Path) -> None:
    training = build_training(config_of(store_path, NoiseSeparation.Config(warmup=0, every=1)))
    rows = torch.from_numpy(np.sort(training.train.rows))
    seen: list[Tensor] = []
    judge = training.method.plan_epoch

    def watch(plan: EpochPlan, run: Run) -> EpochPlan:
        seen.append(torch.cat([batch.present for batch in run.rows(rows[:9])]))
        return judge(plan, run)

    readings = torch.arange(len(rows))[:, None] % 5 == torch.arange(4)
    training.method.load_state_dict({"masked": {"rows": rows, "readings": readings}})
    training.method.plan_epoch = watch  # type: ignore[method-assign]
    metrics = next(iter(fit(training))).metrics
    assert seen[0].sum(dim=0)[[0, 1, 3]].tolist() == [9, 9, 9], "radar frames may be empty"
    for name in training.model.modalities:
        assert 0 <= metrics[f"noise/{name}/separated"] <= 0.25
        assert metrics[f"noise/{name}/alarm"] >= 0
    scores = training.method.state_dict()["scores"]
    assert torch.equal(scores["rows"], rows)
    assert scores["values"].shape == (len(rows), 4)
    assert len(full_plan(training).indices) == len(rows)


@pytest.mark.parametrize("act", ["mask", "random", "nothing"])
def test_a_resumed_run_hides_the_same(store_path: Path, act: Any) -> None:
    config = config_of(store_path, NoiseSeparation.Config(act=act, warmup=1, every=1))
    whole = build_training(config)
    list(fit(whole))
    first, second = build_training(config), build_training(config)
    next(iter(fit(first)))
    second.model.load_state_dict(first.model.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    second.method.load_state_dict(first.method.state_dict())
    second.epoch = 1
    list(fit(second))
    assert all(torch.equal(v, second.model.state_dict()[n]) for n, v in whole.model.state_dict().items())
    one, other = whole.method.state_dict(), second.method.state_dict()
    assert torch.equal(one["scores"]["values"].nan_to_num(), other["scores"]["values"].nan_to_num())
    assert one.keys() == other.keys()
    assert ("masked" in one) == (act != "nothing")


def test_hidden_readings_of_validation_reach_no_error_and_no_contribution(store_path: Path) -> None:
    def validated(*, hide: bool, spoil: bool) -> dict[str, float]:
        training = build_training(config_of(store_path, CONFIG))
        rows = np.sort(training.validation.rows)
        readings = torch.arange(len(rows))[:, None] % 5 == torch.arange(4)
        hidden = Hidden(rows=torch.from_numpy(rows), readings=readings)
        if hide:
            training.method.load_state_dict({"masked": vars(hidden)})
        if spoil:
            training.validation = Spoilt(training.train.store, rows, training.validation.config)
            training.validation.spoilt = hidden
        return _validate(training).metrics()

    without = validated(hide=True, spoil=False)
    assert validated(hide=True, spoil=True) == without
    assert validated(hide=False, spoil=False) != without
    assert validated(hide=False, spoil=True) != without

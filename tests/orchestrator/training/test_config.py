"""A config survives its JSON form, and what does not belong there is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from equipose.balancing.chained import ChainConfig
from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.balancing.continual.penalties.ewc import EWC
from equipose.balancing.registry import METHODS
from equipose.models.build import ModelConfig
from equipose.models.sensors import GridView
from equipose.orchestrator.training.config import (
    DataConfig,
    OptimizerConfig,
    TrainConfig,
    from_json,
    from_text,
    to_json,
    to_text,
)
from equipose.pipelines.batches.source import BatchConfig


def with_batch(batch: BatchConfig) -> TrainConfig:
    return TrainConfig(data=DataConfig(store="/data/store", batch=batch))


def config(**changes: Any) -> TrainConfig:
    return TrainConfig(data=DataConfig(store="/data/store"), **changes)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_json_form_and_back(name: str) -> None:
    before = config(
        method=METHODS[name].Config(), model=ModelConfig(preset="tiny", fusion="mlp", dropout=0.2), epochs=3
    )
    after = from_text(to_text(before))
    assert after == before == from_json(json.loads(json.dumps(to_json(before))))
    assert type(after.method) is METHODS[name].Config
    assert to_json(before)["method"]["name"] == name


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ((), "TrainConfig has no field"),
        (("data",), "DataConfig has no field"),
        (("data", "batch"), "BatchConfig has no field"),
        (("model",), "ModelConfig has no field"),
        (("optimizer",), "OptimizerConfig has no field"),
        (("method",), "Config has no field"),
    ],
)
def test_unknown_fields_are_named(path: tuple[str, ...], message: str) -> None:
    plain = to_json(config())
    here = plain
    for part in path:
        here = here[part]
    here["speed"] = 1
    with pytest.raises(ValueError, match=rf"{message} \['speed'\]; known: "):
        from_json(plain)


def test_configs_from_before_a_field_existed_get_its_default() -> None:
    """Runs were kept without `model.missing`, when an absent modality was always a zero feature."""
    plain = to_json(config())
    assert plain["model"].pop("missing") == "zero"
    assert from_json(plain) == config()


def test_unknown_method_is_named() -> None:
    plain = to_json(config())
    plain["method"] = {"name": "magic"}
    with pytest.raises(ValueError, match=r"magic.*awc"):
        from_json(plain)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: OptimizerConfig(name="lion"), "optimizer.name must be 'adam' or 'sgd', got 'lion'"),  # type: ignore[arg-type]
        (lambda: OptimizerConfig(momentum=1.0), r"optimizer.momentum must lie in \[0, 1\), got 1.0"),
        (lambda: DataConfig(store="s", train_stride=0), "data.train_stride must be at least 1, got 0"),
        (lambda: OptimizerConfig(lr=0.0), "optimizer.lr must be positive and finite, got 0"),
        (lambda: OptimizerConfig(gamma=float("nan")), "optimizer.gamma must be positive"),
        (lambda: OptimizerConfig(clip_norm=-1.0), "optimizer.clip_norm must be positive"),
        (lambda: config(epochs=0), "epochs must be at least 1, got 0"),
        (lambda: config(model=ModelConfig(modalities=("rgb", "wifi"))), "set both to the same sensors"),
        (
            lambda: TrainConfig(
                data=DataConfig(store="s", batch=BatchConfig(views={"rgb": GridView(window=5)}))
            ),
            "window=5: use 1 or a power of three",
        ),
    ],
)
def test_impossible_settings_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_learning_rate_is_a_function_of_the_epoch() -> None:
    optimizer = OptimizerConfig(lr=1e-3, gamma=0.1, step_epochs=30)
    rates = [optimizer.lr_at(epoch) for epoch in (0, 29, 30, 59, 60)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5])


def test_lists_come_back_as_tuples() -> None:
    data = DataConfig(store="s", batch=BatchConfig(modalities=("rgb", "wifi")))
    before = TrainConfig(data=data, model=ModelConfig(modalities=("rgb", "wifi")))
    assert from_json(to_json(before)).model.modalities == ("rgb", "wifi")


def test_chained_methods_are_kept_in_json() -> None:
    parts = (NoiseSeparation.Config(threshold=3.0), EWC.Config(strength=10.0))
    config = TrainConfig(data=DataConfig(store="s"), method=ChainConfig(parts=parts))
    plain = to_json(config)
    assert [part["name"] for part in plain["method"]["parts"]] == ["nis", "ewc"]
    assert from_json(plain) == config

"""Dotted settings on the command line."""

from __future__ import annotations

import pytest

from equipose.balancing.methods.awc.awc import AWC
from equipose.experiments.presets.overrides import with_overrides
from equipose.orchestrator.training.config import DataConfig, TrainConfig

BASE = TrainConfig(data=DataConfig(store="store"))


def test_fields_are_set_with_their_types() -> None:
    config = with_overrides(
        BASE,
        [
            "optimizer.lr=3e-4",
            "model.norm=layer",
            "optimizer.clip_norm=none",
            "epochs=3",
            "data.batch.batch_size=8",
        ],
    )
    assert config.optimizer.lr == 3e-4
    assert config.model.norm == "layer"
    assert config.optimizer.clip_norm is None
    assert (config.epochs, config.data.batch.batch_size) == (3, 8)


def test_a_method_is_chosen_by_name_whatever_the_order() -> None:
    config = with_overrides(BASE, ["method.alpha_s=5", "method=awc", "method.window=2"])
    assert config.method == AWC.Config(alpha_s=5.0, window=2)


def test_fields_that_must_agree_change_together() -> None:
    config = with_overrides(BASE, ["model.window=9", "data.batch.window=9"])
    assert config.model.window == config.data.batch.window == 9
    two = with_overrides(BASE, ["model.modalities=rgb,wifi", "data.batch.modalities=rgb,wifi"])
    assert two.model.modalities == ("rgb", "wifi")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.lr", "must read field=value"),
        ("optimizer.speed=1", "no setting 'speed'"),
        ("epochs=many", "epochs is 'many'; give a value of int"),
        ("model.norm=none", "model.norm is 'none'"),
        ("method=magic", "unknown method 'magic'"),
        ("optimizer=3", "a group of settings"),
        ("epochs.x=3", "a single value"),
        ("optimizer.lr=-1", r"optimizer\.lr must be positive"),
        ("model.window=9", "differ"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_overrides(BASE, [text])

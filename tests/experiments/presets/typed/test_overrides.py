"""Dotted settings on the command line."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import pytest

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.subsets.modality_dropout import ModalityDropout
from equipose.experiments.presets.typed.overrides import parse, with_overrides
from equipose.models.sensors import GridView, PointsView
from equipose.orchestrator.training.config import DataConfig, TrainConfig, from_json, to_json

BASE = TrainConfig(data=DataConfig(store="store"))


def test_fields_are_set_with_their_types() -> None:
    config = with_overrides(
        BASE,
        [
            "optimizer.lr=3e-4",
            "model.norm=layer",
            "optimizer.clip_norm=none",
            "data.batch.batch_size=8",
        ],
    )
    assert config.optimizer.lr == 3e-4
    assert config.model.norm == "layer"
    assert config.optimizer.clip_norm is None
    assert config.data.batch.batch_size == 8


def test_a_method_is_chosen_by_name_whatever_the_order() -> None:
    config = with_overrides(BASE, ["method.ratio_s=5", "method=awc", "method.window=2"])
    assert config.method == AWC.Config(ratio_s=5.0, window=2)


def test_a_method_fits_the_run_and_what_is_typed_stays() -> None:
    short = replace(BASE, epochs=8)
    assert with_overrides(short, ["method=awc"]).method == AWC.Config(window=3)
    typed = with_overrides(short, ["method=awc", "method.window=20", "optimizer.step_epochs=7"])
    assert (typed.method, typed.optimizer.step_epochs) == (AWC.Config(window=20), 7)


def test_fields_that_must_agree_change_together() -> None:
    config = with_overrides(BASE, ["model.modalities=rgb,wifi", "data.batch.modalities=rgb,wifi"])
    assert config.model.modalities == config.data.batch.modalities == ("rgb", "wifi")


def test_a_setting_without_effect_is_refused() -> None:
    alpha = ["method=awc", "method.alpha_s=15000"]
    with pytest.raises(
        ValueError, match=r"override method.alpha_s has no effect .*set method.strength=alpha too"
    ):
        with_overrides(BASE, alpha)
    config = with_overrides(BASE, [*alpha, "method.strength=alpha"])
    assert config.method == AWC.Config(strength="alpha", alpha_s=15_000.0)
    with pytest.raises(ValueError, match=r"set method\.strength=ratio too"):
        with_overrides(config, ["method.ratio_s=0.5"])


def test_a_method_may_have_a_number_per_sensor() -> None:
    config = with_overrides(
        BASE, ["method=modality_dropout", "method.rates.rgb=0.6", "method.rates.wifi=0.1", "method.rate=0.2"]
    )
    assert config.method == ModalityDropout.Config(rate=0.2, rates={"rgb": 0.6, "wifi": 0.1})
    assert from_json(to_json(config)) == config
    with pytest.raises(ValueError, match="sonar"):
        with_overrides(BASE, ["method=modality_dropout", "method.rates.sonar=0.6"])
    with pytest.raises(ValueError, match=r"method.rates.rgb is 'much'; give a value of float"):
        with_overrides(BASE, ["method=modality_dropout", "method.rates.rgb=much"])
    with pytest.raises(ValueError, match=r"modality_dropout.rates\['rgb'\] must lie in"):
        with_overrides(BASE, ["method=modality_dropout", "method.rates.rgb=1.5"])


def test_a_sensor_has_its_view_and_its_encoder() -> None:
    config = with_overrides(
        BASE,
        [
            "data.batch.lidar.points=77",
            "data.batch.mmwave.frames=3",
            "data.batch.rgb.window=9",
            "model.mmwave.levels=8,none",
            "model.wifi.readout=joints",
        ],
    )
    views = config.data.batch.views
    assert views["lidar"] == PointsView(points=77)
    assert views["mmwave"] == replace(BASE.data.batch.views["mmwave"], frames=3)
    assert views["rgb"] == GridView(window=9)
    assert config.model.encoders == {"mmwave": {"levels": (8, None)}, "wifi": {"readout": "joints"}}
    assert config.model.encoder("rgb", views["rgb"]).window == 9
    assert from_json(to_json(config)) == config
    two = with_overrides(BASE, ["model.modalities=rgb,wifi", "data.batch.modalities=rgb,wifi"])
    assert two.model.modalities == ("rgb", "wifi")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optimizer.lr", "must read field=value"),
        ("optimizer.speed=1", "no setting 'speed'"),
        ("data.batch.batch_size=many", "batch_size is 'many'; give a value of int"),
        ("epochs=3", "would leave the schedules behind; use --epochs"),
        ("model.norm=none", "model.norm is 'none'"),
        ("method=magic", "unknown method 'magic'"),
        ("optimizer=3", "a group of settings"),
        ("epochs.x=3", "a single value"),
        ("optimizer.lr=-1", r"optimizer\.lr must be positive"),
        ("model.modalities=rgb,wifi", "differ"),
        ("data.batch.lidar.frames=9", "batch.lidar: frames must be 1, 2 or 3, got 9"),
        ("data.batch.lidar.window=9", r"no setting 'window'; there are \['frames', 'points'\]"),
        ("data.batch.depth.stride=2", r"no setting 'depth'.*'lidar'"),
        ("data.batch.rgb.window=5", "window=5: use 1 or a power of three"),
        ("data.method.alpha=1", "no setting 'method'"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_overrides(BASE, [text])


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (int, "-3", -3),
        (int, "1_000", 1000),
        (float, "3", 3.0),
        (float, ".5", 0.5),
        (float, "inf", math.inf),
        (bool, "True", True),
        (bool, "false", False),
        (str, "3", "3"),
        (str, "none", "none"),
        (int | None, "None", None),
        (int | None, "3", 3),
        (float | None, "3", 3.0),
        (Literal["mean", "none"], "none", "none"),
        (tuple[str, ...], "rgb", ("rgb",)),
        (tuple[str, ...], "rgb,wifi", ("rgb", "wifi")),
    ],
)
def test_text_becomes_a_value_of_the_field(kind: Any, text: str, value: Any) -> None:
    found = parse("x", text, kind)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, "3.0"),
        (int, "1e3"),
        (int, "true"),
        (int, "none"),
        (int, ""),
        (float, "true"),
        (float, "none"),
        (float, "fast"),
        (bool, "1"),
        (bool, "0"),
        (bool, "yes"),
        (bool, "on"),
        (bool, "none"),
        (int | None, "null"),
        (int | None, "3.0"),
        (int | None, "false"),
        (Literal["mean", "none"], "None"),
    ],
)
def test_other_text_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(ValueError, match=f"x is {text!r}; give a value of "):
        parse("x", text, kind)

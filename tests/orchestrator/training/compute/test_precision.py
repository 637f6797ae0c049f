"""Runs with fewer bits: keys of other runs stay, resuming is exact, and what cannot work is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from equipose.balancing.registry import METHODS
from equipose.experiments.presets.typed.overrides import with_overrides
from equipose.models.build import ModelConfig
from equipose.models.compute.config import ComputeConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig, from_json, to_json
from equipose.orchestrator.training.loop import fit
from equipose.orchestrator.training.state import Training
from equipose.pipelines.batches.source import BatchConfig

SENSORS = ("rgb", "lidar")
BY_THEMSELVES = sorted(
    name for name, method in METHODS.items() if method().replaces_step or method().owns_backward
)


def config_of(store: Path, method: str = "plain", norm: Any = "batch", **compute: Any) -> TrainConfig:
    batch = BatchConfig(batch_size=48, views=point_views(lidar=16), modalities=SENSORS)
    return TrainConfig(
        data=DataConfig(store=str(store), batch=batch),
        model=ModelConfig(preset="tiny", modalities=SENSORS, norm=norm),
        method=METHODS[method].Config(),
        epochs=2,
        compute=ComputeConfig(**compute),
    )


def trained(config: TrainConfig) -> Training:
    training = build_training(config)
    list(fit(training))
    return training


def test_keys_of_runs_leave_the_defaults_out(store_path: Path) -> None:
    plain = config_of(store_path)
    assert "compute" not in to_json(plain)
    other = config_of(store_path, precision="bf16", activation_checkpointing=True)
    assert to_json(other)["compute"]["precision"] == "bf16"
    for config in (plain, other):
        assert from_json(to_json(config)) == config


def test_they_are_set_by_their_names(store_path: Path) -> None:
    typed = ["compute.precision=bf16", "compute.activation_checkpointing=true"]
    changed = with_overrides(config_of(store_path), typed)
    assert changed.compute == ComputeConfig(precision="bf16", activation_checkpointing=True)
    with pytest.raises(ValueError, match=r"compute\.precision is 'half'; give a value of"):
        with_overrides(config_of(store_path), ["compute.precision=half"])


@pytest.mark.parametrize("method", ["awc", *BY_THEMSELVES])
def test_bf16_trains_with_every_way_to_take_a_step(store_path: Path, method: str) -> None:
    exact, rough = (
        trained(config_of(store_path, method, precision=precision)) for precision in ("float32", "bf16")
    )
    one, other = exact.metrics["val/mpjpe_mm"], rough.metrics["val/mpjpe_mm"]
    assert one != other
    assert other == pytest.approx(one, rel=0.03)
    assert {p.dtype for p in rough.model.parameters()} == {torch.float32}


def test_fp16_scales_the_loss_and_ends_near_float32(store_path: Path) -> None:
    training = trained(config_of(store_path, precision="fp16"))
    scale = training.backward.scale
    assert scale is not None
    assert scale.clean > 0
    assert training.metrics["val/mpjpe_mm"] == pytest.approx(
        trained(config_of(store_path)).metrics["val/mpjpe_mm"], rel=0.02
    )


@pytest.mark.parametrize("method", BY_THEMSELVES)
def test_fp16_is_refused_where_a_method_takes_its_gradients_itself(store_path: Path, method: str) -> None:
    with pytest.raises(ValueError, match=f"method '{method}' takes its gradients itself; use bf16"):
        config_of(store_path, method, precision="fp16")


def test_an_overflow_leaves_the_step_out(store_path: Path) -> None:
    training = build_training(config_of(store_path, precision="fp16"))
    assert training.backward.scale is not None
    training.backward.scale.factor = 2.0**60
    before = {name: p.detach().clone() for name, p in training.model.named_parameters()}
    list(fit(training))
    steps = training.metrics["steps/method"] + training.metrics["steps/plain"]
    assert training.backward.scale.factor == 2.0 ** (60 - steps)
    assert all(torch.equal(before[name], p) for name, p in training.model.named_parameters())


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_resumed_equals_uninterrupted(store_path: Path, tmp_path: Path, precision: Any) -> None:
    config = config_of(store_path, "awc", precision=precision)
    whole = build_training(config)
    if whole.backward.scale is not None:
        whole.backward.scale.factor = 512.0
    epochs = fit(whole)
    next(epochs)
    checkpoints.save(whole, config, tmp_path, {})
    list(epochs)
    resumed = build_training(config)
    checkpoints.restore(resumed, checkpoints.load(tmp_path), config)
    list(fit(resumed))
    assert resumed.backward.scale == whole.backward.scale
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


@pytest.mark.parametrize("now", ["float32", "bf16"])
def test_a_checkpoint_of_another_precision_is_refused(store_path: Path, tmp_path: Path, now: Any) -> None:
    then = "bf16" if now == "float32" else "float32"
    written, wanted = (config_of(store_path, precision=each) for each in (then, now))
    checkpoints.save(build_training(written), written, tmp_path, {})
    with pytest.raises(ValueError, match=r"other settings for \['compute'\]"):
        checkpoints.restore(build_training(wanted), checkpoints.load(tmp_path), wanted)


def test_recomputing_changes_nothing_but_memory(store_path: Path) -> None:
    one, other = (
        trained(config_of(store_path, activation_checkpointing=on)).model.state_dict() for on in (False, True)
    )
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-5, atol=1e-6, msg=name)


def test_float64_and_fewer_bits_exclude_each_other(store_path: Path) -> None:
    with pytest.raises(ValueError, match="dtype is 'float64'"):
        replace(config_of(store_path, precision="bf16"), dtype="float64")

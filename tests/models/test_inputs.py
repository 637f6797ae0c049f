"""Inputs are scaled by what the training part holds, whatever the axes."""

from __future__ import annotations

import pytest
import torch

from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.inputs import InputNorm, InputStatistics, measure
from equipose.models.sensors import SENSORS, Points, sensor_of


def usable_of(batch: Batch, name: str) -> torch.Tensor:
    return batch.masks.get(name, batch.present[:, 0])


@pytest.mark.parametrize("name", SENSORS)
def test_every_channel_is_centred_and_scaled(name: str, make_batch: object) -> None:
    batch = make_batch(64, order=(name,), seed=3)  # type: ignore[operator]
    layout = sensor_of(name).layout
    norm = InputNorm(layout).double()
    norm.fit(measure(layout, batch.inputs[name], usable_of(batch, name)))
    scaled = norm(batch.inputs[name])
    assert scaled.shape == batch.inputs[name].shape
    again = measure(layout, scaled, usable_of(batch, name))
    assert torch.tensor(again.centre).abs().max() < 0.01
    scales = torch.tensor(again.scale)
    if isinstance(layout, Points):
        assert (scales[:3] == scales[0]).all()
    torch.testing.assert_close(scales, torch.ones_like(scales), rtol=0.02, atol=0)


def test_outliers_and_padding_do_not_move_the_scale() -> None:
    rng = torch.Generator().manual_seed(0)
    points = torch.randn(50, 20, 3, generator=rng)
    mask = torch.rand(50, 20, generator=rng) < 0.8
    plain = measure(Points(), points, mask)
    points[~mask] = 1e6
    points[:2] = 1e3
    spoilt = measure(Points(), points, mask)
    torch.testing.assert_close(torch.tensor(spoilt.centre), torch.tensor(plain.centre), atol=0.1, rtol=0)
    torch.testing.assert_close(torch.tensor(spoilt.scale), torch.tensor(plain.scale), atol=0.1, rtol=0)


def test_constant_and_absent_channels_keep_their_scale() -> None:
    layout = Points(columns=("x", "y", "z", "flag"))
    points = torch.randn(9, 5, 4)
    points[..., 3] = 7
    found = measure(layout, points, torch.ones(9, 5, dtype=torch.bool))
    assert (found.centre[3], found.scale[3]) == (7.0, 1.0)
    nothing = measure(layout, points, torch.zeros(9, 5, dtype=torch.bool))
    assert nothing == InputStatistics(centre=(0.0,) * 4, scale=(1.0,) * 4)


def test_remapped_axes_give_the_same_model(make_batch: object) -> None:
    """Depth in the first column instead of the last, as in some loaders, is no longer a handicap."""
    batch = make_batch(32, order=("lidar",))  # type: ignore[operator]
    layout, mask = sensor_of("lidar").layout, batch.masks["lidar"]
    order = [2, 0, 1]
    norm, turned = InputNorm(layout).double(), InputNorm(layout).double()
    norm.fit(measure(layout, batch.inputs["lidar"], mask))
    moved = batch.inputs["lidar"][..., order]
    turned.fit(measure(layout, moved, mask))
    torch.testing.assert_close(turned(moved), norm(batch.inputs["lidar"])[..., order])


def test_the_scaling_is_part_of_the_model(make_batch: object) -> None:
    batch = make_batch(8)  # type: ignore[operator]
    config = ModelConfig(preset="tiny", head_init="zeros")
    model = build_model(config, seed=0).double()
    present = batch.present[:, 0]
    model.fit_inputs(
        {
            name: measure(sensor_of(name).layout, batch.inputs[name], batch.masks.get(name, present))
            for name in model.modalities
        }
    )
    copy = build_model(config, seed=1).double()
    copy.load_state_dict(model.state_dict())
    torch.testing.assert_close(copy(batch).pose, model(batch).pose)
    assert not any(name.startswith("inputs.") for name, _ in model.named_parameters())

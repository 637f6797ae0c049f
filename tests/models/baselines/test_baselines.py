"""Baselines: their published sizes, their one route, and settings that say nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
import torch

from equipose.models.alignment.build import build_aligned
from equipose.models.alignment.config import AlignedConfig
from equipose.models.baselines.build import build_baseline
from equipose.models.baselines.config import Architecture, BaselineConfig
from equipose.models.baselines.model import BaselineModel
from equipose.models.batch import Batch
from equipose.models.encoders.pose import PoseMLP
from equipose.models.sensors import GridView
from tests.models.alignment.test_model import batch_of

ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
LIFTERS = ("simple_baseline", "videopose3d")


def config_of(architecture: Any, **changes: Any) -> BaselineConfig:
    return BaselineConfig(architecture=architecture, preset="tiny", norm="layer", **changes)


def made(architecture: Any, **changes: Any) -> BaselineModel:
    mean = torch.randn(17, 3, generator=torch.Generator().manual_seed(1))
    return build_baseline(config_of(architecture, **changes), mean_pose=mean, seed=0).eval()


def seen_by(model: BaselineModel, batch: Batch) -> Batch:
    """The batch without the sensors that the model does not look at."""
    held = [list(batch.inputs).index(name) for name in model.modalities]
    inputs = {name: batch.inputs[name] for name in model.modalities}
    return replace(batch, inputs=inputs, present=batch.present[:, held])


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_simple_baseline_has_its_published_size() -> None:
    """4.29 M with the 16 joints of the paper; the 17th costs two inputs and three outputs."""
    published = PoseMLP.Config(coordinates=2, joints=16, box=False, width=1024, blocks=2).build(48, "batch")
    assert count(published) == 4_291_632
    ours = build_baseline(BaselineConfig(preset="paper"), seed=0)
    assert count(ours) == 4_291_632 + 2 * 1024 + 3 * (1024 + 1)


def test_videopose3d_has_the_size_of_five_convolutions_of_width_one() -> None:
    """Of the model for 243 frames (16.95 M in its table 5) each filter of width 3 loses two thirds."""
    width, inputs, outputs = 1024, 34, 51
    blocks = 4 * (2 * width * width + 2 * 2 * width)
    expected = inputs * width + 2 * width + blocks + (width + 1) * outputs
    ours = build_baseline(BaselineConfig(architecture="videopose3d", preset="paper"), seed=0)
    assert count(ours) == expected
    assert expected + 2 * inputs * width + 4 * 2 * width * width == pytest.approx(16.95e6, abs=5e3)


@pytest.mark.parametrize(("name", "millions"), [("hrnet_w32", 28.5), ("hrnet_w48", 63.6)])
def test_hrnet_for_key_points_has_its_published_size(name: str, millions: float) -> None:
    """Sun et al., table 1."""
    with torch.device("meta"):
        hrnet = replace(config_of("heatmaps", image=name), norm="batch")
        model = build_baseline(hrnet, seed=0)
    assert round(count(model) / 1e6, 1) == millions


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_maps_are_a_quarter_of_the_picture_and_every_weight_is_used(name: str) -> None:
    model = made("heatmaps", image=name)
    batch = seen_by(model, batch_of(2))
    maps = model(batch).prediction
    assert maps.shape == (2, 17, 16, 16)
    maps.square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_network_under_heat_maps_starts_as_in_an_aligned_model() -> None:
    theirs = build_aligned(AlignedConfig(preset="tiny", norm="layer"), seed=0).encoders["image"].state_dict()
    ours = made("heatmaps").encoders["image"].get_submodule("backbone").state_dict()
    assert set(theirs) - set(ours) >= {"project.weight"}
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_weights_depend_on_seed_and_config_alone(architecture: Architecture) -> None:
    def weights(seed: int) -> torch.Tensor:
        model = build_baseline(config_of(architecture), seed=seed)
        return torch.cat([parameter.flatten() for parameter in model.parameters()])

    torch.manual_seed(5)
    before, once = torch.random.get_rng_state(), weights(0)
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(1)
    assert torch.equal(once, weights(0))
    assert not torch.equal(once, weights(1))


@pytest.mark.parametrize("architecture", LIFTERS)
def test_a_lifter_answers_with_the_mean_pose_where_key_points_are_absent(architecture: str) -> None:
    model = made(architecture)
    batch = seen_by(model, batch_of(4))
    batch.present[1] = False
    with torch.no_grad():
        found = model.follow(batch)
    assert list(found) == [*model.routes, ("exact_keypoints", "pose")]
    poses = found["keypoints", "pose"]
    assert torch.equal(poses[1], model.mean_pose)
    assert not torch.allclose(poses[0], poses[2])
    with torch.no_grad():
        alone = model.fuse(model.encode(batch), torch.tensor([False]))
    assert torch.equal(alone, model.mean_pose.expand(4, 17, 3))


@pytest.mark.parametrize("architecture", LIFTERS)
def test_a_lifter_sees_only_where_joints_are_in_the_box(architecture: str) -> None:
    """The same person elsewhere in the picture and nearer to the camera has the same pose."""
    model = made(architecture)
    batch = seen_by(model, batch_of(3))
    near = batch.inputs["keypoints"].clone()
    near[..., :2] = 2 * near[..., :2] + 30
    box = batch.context["box"] * 2 + torch.tensor([30.0, 30.0, 0.0])
    moved = replace(batch, inputs={"keypoints": near}, context={**batch.context, "box": box})
    with torch.no_grad():
        torch.testing.assert_close(model(batch).prediction, model(moved).prediction, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", LIFTERS)
def test_exact_key_points_go_the_way_of_detected_ones(architecture: str) -> None:
    model = made(architecture)
    batch = seen_by(model, batch_of(3))
    batch.inputs["keypoints"][..., :2] = batch.targets["exact_keypoints"]
    with torch.no_grad():
        found = model.follow(batch)
        without = model.follow(replace(batch, targets={}))
    torch.testing.assert_close(found["exact_keypoints", "pose"], found["keypoints", "pose"])
    assert list(without) == [("keypoints", "pose")]


def test_heat_maps_find_key_points_and_have_no_pose() -> None:
    model = made("heatmaps")
    batch = seen_by(model, batch_of(3))
    batch.present[1] = False
    with torch.no_grad():
        found = model.follow(batch)
        pose = model.fuse(model.encode(batch), batch.present)
    assert tuple(found) == model.routes == (("image", "keypoints"),)
    points = found["image", "keypoints"]
    assert points.shape == (3, 17, 2)
    assert (points[..., 0].abs() <= 0.75).all()
    assert (points[..., 1].abs() <= 1).all()
    assert (points[1] == 0).all(), "the middle of the box"
    assert torch.equal(pose, model.mean_pose.expand(3, 17, 3))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "openpose"}, "architecture='openpose'"),
        ({"preset": "huge"}, "preset='huge'"),
        ({"norm": "none"}, "norm='none'"),
        ({"image": "tiny"}, "image='tiny' says nothing to simple_baseline"),
        ({"image_weights": "w.pth"}, "says nothing"),
        ({"width": 0}, "width=0"),
        ({"dropout": 1.0}, r"dropout=1\.0"),
        ({"architecture": "heatmaps", "dropout": 0.1}, "says nothing to heatmaps"),
        ({"architecture": "heatmaps", "image": "vit_s"}, "use one of.*hrnet_w32"),
    ],
)
def test_settings_that_cannot_work_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BaselineConfig(**change)


def test_only_its_own_sensor_and_single_frames_are_encoded() -> None:
    config = config_of("videopose3d")
    with pytest.raises(ValueError, match="no sensor 'image'"):
        config.encoder("image")
    with pytest.raises(ValueError, match="window=3"):
        build_baseline(config, views={"keypoints": GridView(window=3)}, seed=0)

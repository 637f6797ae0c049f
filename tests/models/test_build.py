"""A built model depends only on its configuration and the seed."""

from __future__ import annotations

import pytest
import torch

from equipose.models.build import ModelConfig, build_model
from equipose.models.encoders import PRESETS
from equipose.models.encoders.metafi import MetaFi
from equipose.models.encoders.point_transformer import PointTransformer
from equipose.models.encoders.videopose import VideoPose3D
from equipose.models.fusion import FUSIONS
from equipose.models.sensors import GridView

MEAN = torch.arange(51.0).view(17, 3)


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_weights_depend_on_the_seed_alone_and_the_global_generator_is_left_alone() -> None:
    config = ModelConfig(preset="tiny", unimodal_heads=True, fusion="attention")
    before = torch.random.get_rng_state()
    first = build_model(config, mean_pose=MEAN, seed=3).state_dict()
    assert torch.equal(before, torch.random.get_rng_state())
    torch.rand(7)
    assert same(first, build_model(config, mean_pose=MEAN, seed=3).state_dict())
    assert not same(first, build_model(config, mean_pose=MEAN, seed=4).state_dict())


def test_encoders_start_alike_in_every_model() -> None:
    full = build_model(ModelConfig(preset="tiny"), mean_pose=MEAN, seed=3)
    one = build_model(ModelConfig(preset="tiny", modalities=("wifi",), fusion="mlp"), mean_pose=MEAN, seed=3)
    assert same(full.encoders["wifi"].state_dict(), one.encoders["wifi"].state_dict())


@pytest.mark.parametrize("fusion", FUSIONS)
def test_heads_start_at_the_mean_pose_or_at_zero(fusion: str) -> None:
    config = ModelConfig(preset="tiny", fusion=fusion, unimodal_heads=True)  # type: ignore[arg-type]
    model = build_model(config, mean_pose=MEAN, seed=0)
    assert model.heads is not None
    for head in (model.head, *model.heads.values()):
        assert torch.equal(head.linear.bias.view(17, 3), MEAN)  # type: ignore[union-attr,operator]
    model = build_model(
        ModelConfig(preset="tiny", fusion=fusion, head_init="zeros"),  # type: ignore[arg-type]
        mean_pose=MEAN,
        seed=0,
    )
    assert (model.head.linear.bias == 0).all()
    assert (model.head.linear.weight != 0).any()


def test_a_concat_model_without_sensors_predicts_the_mean_pose() -> None:
    model = build_model(ModelConfig(preset="tiny"), mean_pose=MEAN, seed=0)
    pose = model.fuse(torch.randn(2, 4, 16), torch.zeros(4, dtype=torch.bool))
    assert torch.equal(pose, MEAN.expand(2, -1, -1))


def test_a_model_has_missing_tokens_on_demand_and_starts_as_one_without() -> None:
    plain, tokens = (
        build_model(ModelConfig(preset="tiny", missing=missing), mean_pose=MEAN, seed=0)  # type: ignore[arg-type]
        for missing in ("zero", "token")
    )
    state = tokens.state_dict()
    assert torch.equal(state.pop("missing"), torch.zeros(4, 16))
    assert same(plain.state_dict(), state)


def test_options_reach_the_encoders() -> None:
    config = ModelConfig(
        preset="paper",
        dropout=0.3,
        feature_dim=256,
        encoders={"mmwave": {"levels": [32, None, None, None]}, "wifi": {"readout": "joints"}},
    )
    rgb = config.encoder("rgb", GridView(window=27))
    radar, wifi = config.encoder("mmwave"), config.encoder("wifi")
    assert isinstance(rgb, VideoPose3D.Config)
    assert (rgb.window, rgb.dropout) == (27, 0.3)
    assert isinstance(radar, PointTransformer.Config)
    assert radar.levels == (32, None, None, None)
    assert isinstance(wifi, MetaFi.Config)
    assert (wifi.readout, wifi.dropout) == ("joints", 0.3)
    assert config.width == 256
    assert config.fusion_options.dropout == 0.3
    published = ModelConfig(preset="paper").encoder("rgb")
    assert isinstance(published, VideoPose3D.Config)
    assert (published.window, published.dropout) == (1, 0.25)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_builds_with_its_width(preset: str) -> None:
    config = ModelConfig(preset=preset, head_init="zeros", modalities=("rgb", "mmwave"))  # type: ignore[arg-type]
    model = build_model(config, seed=0)
    assert model.head.linear.in_features == 2 * PRESETS[preset].feature_dim


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "huge"}, r"preset='huge' is unknown; use one of \['tiny', 'small', 'paper'\]"),
        ({"fusion": "sum"}, "fusion='sum'"),
        ({"norm": "none"}, "norm='none'"),
        ({"absent": "mean"}, "absent='mean'"),
        ({"head_init": "ones"}, "head_init='ones'"),
        ({"modalities": ("rgb", "sonar")}, "unknown sensor 'sonar'"),
        ({"modalities": ()}, "at least one"),
        ({"modalities": ("rgb", "rgb")}, "name each sensor once"),
        ({"absent": "mask"}, "absent='mask' has no effect with fusion='concat'"),
        ({"missing": "mean"}, "missing='mean'"),
        (
            {"missing": "token", "fusion": "cross_attention"},
            "missing='token' has no effect with fusion='cross",
        ),
        ({"missing": "token", "fusion": "attention", "absent": "mask"}, "missing='token' has no effect"),
        ({"feature_dim": 0}, "feature_dim=0"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"encoders": {"mmwave": {"levels": (0, None)}}}, r"levels=\(0"),
        ({"encoders": {"wifi": {"readout": "mean"}}}, "readout='mean'"),
        ({"encoders": {"wifi": {"width": 3}}}, r"encoders.wifi has no field \['width'\]"),
        ({"encoders": {"depth": {}}}, r"encoders=\['depth'\]: not among"),
    ],
)
def test_impossible_configurations_say_what_to_do(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModelConfig(**changes)  # type: ignore[arg-type]


def test_a_window_that_an_encoder_cannot_see_is_refused() -> None:
    config = ModelConfig(preset="tiny")
    with pytest.raises(ValueError, match="window=5"):
        config.encoder("rgb", GridView(window=5))
    with pytest.raises(ValueError, match="window=3: this encoder looks at one frame"):
        config.encoder("wifi", GridView(window=3))


def test_a_missing_or_misshapen_mean_pose_is_named() -> None:
    with pytest.raises(ValueError, match="no mean_pose given"):
        build_model(ModelConfig(preset="tiny"), seed=0)
    with pytest.raises(ValueError, match=r"mean_pose has shape \(3, 17\)"):
        build_model(ModelConfig(preset="tiny"), mean_pose=MEAN.T, seed=0)

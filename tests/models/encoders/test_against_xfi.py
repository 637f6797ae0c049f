"""With equal weights, our point encoders and channel transformer equal X-Fi's public code.

Needs a checkout of https://github.com/xyanchen/X-Fi, named by the variable XFI_CODE.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from equipose.models.encoders import PointTransformer
from equipose.models.encoders.channel_transformer import ChannelTransformer
from equipose.models.encoders.point_layers import PointMLP, VectorAttention
from equipose.models.encoders.points import farthest_points
from equipose.models.sensors import sensor_of

BACKBONES = "MMFi_HPE/backbones"


def public_module(monkeypatch: pytest.MonkeyPatch, path: str, name: str) -> ModuleType:
    """Load one file of the checkout under a name, or skip."""
    folder = os.environ.get("XFI_CODE")
    if not folder:
        pytest.skip("set XFI_CODE to a checkout of X-Fi")
    spec = importlib.util.spec_from_file_location(name, Path(folder) / BACKBONES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def copy_attention(ours: VectorAttention, theirs: Any) -> None:
    pairs = {
        "enter": "fc1",
        "leave": "fc2",
        "delta": "fc_delta",
        "gamma": "fc_gamma",
        "query": "w_qs",
        "key": "w_ks",
        "value": "w_vs",
    }
    for mine, other in pairs.items():
        getattr(ours, mine).load_state_dict(getattr(theirs, other).state_dict())


def copy_mlp(ours: PointMLP, convolutions: list[Any], norms: list[Any]) -> None:
    for place, convolution, norm in zip((0, 3), convolutions, norms, strict=True):
        state = {"weight": convolution.weight.data.flatten(1), "bias": convolution.bias.data}
        ours.rows[place].load_state_dict(state)
        ours.rows[place + 1].load_state_dict(norm.state_dict())


def assert_same(ours: nn.Module, theirs: Any, points: torch.Tensor) -> None:
    mask = torch.ones(points.shape[:2], dtype=torch.bool)
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        expected = theirs(points)[0].mean(1)
        torch.testing.assert_close(ours(points, mask), expected, rtol=1e-10, atol=1e-12)


def test_radar(monkeypatch: pytest.MonkeyPatch) -> None:
    path = "mmwave_benchmark/mmwave_point_transformer.py"
    theirs = public_module(monkeypatch, path, "xfi_radar").mmwave_PointTransformerReg().double().backbone
    config = sensor_of("mmwave").encoder("paper")
    assert isinstance(config, PointTransformer.Config)
    ours: Any = PointTransformer(config, 3, "batch").double().trunk
    ours.stem.load_state_dict(theirs.fc1.state_dict())
    copy_attention(ours.attend, theirs.transformer1)
    for level in range(4):
        copy_attention(ours.attentions[level], theirs.transformers[level])
        first, second = theirs.transition_downs[level].conv1, theirs.transition_downs[level].conv2
        copy_mlp(ours.transitions[level].mlp, [first[0], second[0]], [first[1], second[1]])
    assert_same(ours, theirs, torch.randn(3, 40, 5, dtype=torch.float64))


def test_lidar_given_the_same_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", ModuleType("yaml"))
    name = "backbones.lidar_benchmark.pointnet_util"
    util = public_module(monkeypatch, "lidar_benchmark/pointnet_util.py", name)
    monkeypatch.setattr(
        util, "farthest_point_sample", lambda xyz, n: farthest_points(xyz, xyz[..., 0] < 99, n)
    )
    lidar = public_module(monkeypatch, "lidar_benchmark/lidar_point_transformer.py", "xfi_lidar")
    sizes = {"num_point": 64, "nblocks": 3, "nneighbor": 8, "num_class": 51, "input_dim": 3}
    theirs = lidar.Backbone({**sizes, "transformer_dim": 32}).double()
    config = PointTransformer.Config(base=32, width=32, neighbours=8, levels=(16, 4, 1))
    ours: Any = PointTransformer(config, 3, "batch").double().trunk
    ours.stem.load_state_dict(theirs.fc1.state_dict())
    copy_attention(ours.attend, theirs.transformer1)
    for level in range(3):
        copy_attention(ours.attentions[level], theirs.transformers[level])
        group = theirs.transition_downs[level].sa
        copy_mlp(ours.transitions[level].mlp, group.mlp_convs, group.mlp_bns)
    assert_same(ours, theirs, torch.randn(3, 64, 3, dtype=torch.float64))


def test_channel_transformer(monkeypatch: pytest.MonkeyPatch) -> None:
    public = public_module(monkeypatch, "CSI_benchmark/models/CTrans.py", "xfi_channels")
    theirs = public.ChannelTransformer(False, (17, 12), 32, 1, 3).double().eval()
    nn.init.normal_(theirs.embeddings_1.position_embeddings)
    ours: Any = ChannelTransformer(32, (17, 12), 3, 0.1, "batch").double().eval()
    layer = theirs.encoder.layer[0]
    heads = (layer.channel_attn.query1, layer.channel_attn.key, layer.channel_attn.value)
    with torch.no_grad():
        ours.position.copy_(theirs.embeddings_1.position_embeddings)
        ours.attention.qkv.weight.copy_(torch.cat([head.weight for group in heads for head in group]))
    for mine, other in [
        (ours.attention.out, layer.channel_attn.out1),
        (ours.attention_norm, layer.attn_norm1),
        (ours.feed_norm, layer.ffn_norm1),
        (ours.feed[0], layer.ffn1.fc1),
        (ours.feed[3], layer.ffn1.fc2),
        (ours.last_norm, theirs.encoder.encoder_norm1),
        (ours.rebuild, theirs.reconstruct_1.conv),
        (ours.rebuild_norm, theirs.reconstruct_1.norm),
    ]:
        mine.load_state_dict(other.state_dict())
    maps = torch.randn(2, 32, 17, 12, dtype=torch.float64)
    torch.testing.assert_close(ours(maps), theirs(maps)[0], rtol=1e-10, atol=1e-12)

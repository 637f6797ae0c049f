"""Point Transformer: published sizes; padding and order make no difference; few points are valid."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from equipose.models.encoders import NORMS, Norm
from equipose.models.encoders.point_transformer import PointTransformer
from equipose.models.sensors import sensor_of

CONFIGS = {
    "down": PointTransformer.Config(base=8, width=8, neighbours=4, levels=(6, 2)),
    "keep": PointTransformer.Config(channels=5, base=8, width=8, neighbours=4, levels=(None, None)),
    "mixed": PointTransformer.Config(channels=5, base=8, width=8, neighbours=4, levels=(6, None)),
}
variants = pytest.mark.parametrize("variant", CONFIGS)
norms = pytest.mark.parametrize("norm", NORMS)


def build(variant: str, norm: Norm) -> PointTransformer:
    torch.manual_seed(0)
    return PointTransformer(CONFIGS[variant], 5, norm).double()


def cloud(encoder: PointTransformer, points: int = 15, batch: int = 3) -> Tensor:
    rng = torch.Generator().manual_seed(2)
    return torch.randn(batch, points, encoder.config.channels, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize(
    ("modality", "trunk", "head", "published"),
    [
        ("lidar", 13.64, (1024, 256, 64, 51), 13.92),
        ("mmwave", 1.28, (512, 256, 128, 51), 1.45),
    ],
)
def test_parameter_counts_are_the_published_ones(
    modality: str, trunk: float, head: tuple[int, ...], published: float
) -> None:
    config = sensor_of(modality).encoder("paper")
    assert isinstance(config, PointTransformer.Config)
    with torch.device("meta"):
        encoder = PointTransformer(config, 512, "batch")
    count = sum(parameter.numel() for parameter in encoder.trunk.parameters())
    layers = sum(a * b + b for a, b in pairwise(head))
    assert round(count / 1e6, 2) == trunk
    assert (count + layers) // 10_000 / 100 == pytest.approx(published, abs=0.011)


@variants
@norms
@pytest.mark.parametrize("training", [True, False])
def test_order_of_points_makes_no_difference(variant: str, norm: Norm, training: bool) -> None:
    encoder = build(variant, norm).train(training)
    points = cloud(encoder)
    mask = torch.arange(15).expand(3, -1) < torch.tensor([[15], [9], [3]])
    order = torch.randperm(15, generator=torch.Generator().manual_seed(3))
    expected = encoder(points, mask)
    torch.testing.assert_close(encoder(points[:, order], mask[:, order]), expected, rtol=1e-9, atol=1e-10)


@variants
@norms
@pytest.mark.parametrize("filler", [0.0, 1e6, float("nan")])
def test_padding_makes_no_difference_even_to_batch_statistics(
    variant: str, norm: Norm, filler: float
) -> None:
    encoder = build(variant, norm)
    points = cloud(encoder)
    padded = torch.cat([points, torch.full_like(points, filler)], 1)
    mask = torch.arange(30).expand(3, -1) < 15
    expected = encoder(points)
    torch.testing.assert_close(encoder(padded, mask), expected, rtol=1e-9, atol=1e-10)
    expected.sum().backward()
    wanted = {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}
    encoder.zero_grad()
    encoder(padded, mask).sum().backward()
    for name, parameter in encoder.named_parameters():
        torch.testing.assert_close(parameter.grad, wanted[name], rtol=1e-7, atol=1e-9, msg=name)


@variants
@norms
def test_padding_makes_no_difference_in_evaluation(variant: str, norm: Norm) -> None:
    encoder = build(variant, norm)
    points = cloud(encoder)
    encoder(points)  # moves the running statistics away from their start
    encoder.eval()
    padded = torch.cat([points, torch.full_like(points, float("nan"))], 1)
    mask = torch.arange(30).expand(3, -1) < 15
    torch.testing.assert_close(encoder(padded, mask), encoder(points), rtol=1e-9, atol=1e-10)


@variants
@norms
@pytest.mark.parametrize("points", [0, 1, 2, 3])
def test_too_few_points_stay_finite(variant: str, norm: Norm, points: int) -> None:
    encoder = build(variant, norm)
    features = encoder(cloud(encoder, points))
    assert features.isfinite().all()
    features.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in encoder.parameters())


@variants
@norms
def test_a_set_without_any_real_point_stays_finite_and_disturbs_no_other(variant: str, norm: Norm) -> None:
    encoder = build(variant, norm)
    points = cloud(encoder)
    mask = torch.ones(3, 15, dtype=torch.bool)
    mask[1] = False
    features = encoder(points, mask)
    assert features.isfinite().all()
    torch.testing.assert_close(features[[0, 2]], encoder(points[[0, 2]]), rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(features[1], encoder.project.bias)


def test_downsampling_to_one_point_and_the_radar_variant_work() -> None:
    published = PointTransformer.Config(base=4, width=4, neighbours=16, levels=(256, 64, 16, 4, 1))
    encoder = PointTransformer(published, 3, "batch")
    assert encoder(torch.randn(2, 60, 3)).isfinite().all()


def test_bad_configurations_are_named() -> None:
    with pytest.raises(ValueError, match=r"channels=2"):
        PointTransformer.Config(channels=2)
    with pytest.raises(ValueError, match=r"levels=\(0,\)"):
        PointTransformer.Config(levels=(0,))

"""VideoPose3D: published sizes, and strided convolutions equal to the paper's dilated ones."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from equipose.models.encoders.videopose import VideoPose3D

SHRINK = 1024 * 51 + 51
"""Parameters of the published last layer, which a pose model does not have."""


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("widths", "window", "trunk", "published"),
    [
        ((3, 3, 3), 27, 8_503_296, 8.56),
        ((3, 3, 3, 3, 3), 243, 16_900_096, 16.95),
        ((1, 1, 1), 1, 4_239_360, 4.29),
    ],
)
def test_parameter_counts_are_the_published_ones(
    widths: tuple[int, ...], window: int, trunk: int, published: float
) -> None:
    config = VideoPose3D.Config(widths=widths)
    with torch.device("meta"):
        encoder = VideoPose3D(config, 51, "batch")
    assert config.window == window
    assert parameters(encoder.trunk) == trunk
    assert round((trunk + SHRINK) / 1e6, 2) == published


def test_strided_equals_dilated() -> None:
    torch.manual_seed(0)
    config = VideoPose3D.Config(widths=(3, 3, 3), channels=8, dropout=0.0)
    trunk = VideoPose3D(config, 4, "batch").double().trunk
    trunk(torch.randn(9, 34, 27, dtype=torch.float64))
    trunk.eval()
    x = torch.randn(2, 34, 27, dtype=torch.float64)
    y = F.relu(trunk.expand_norm(F.conv1d(x, trunk.expand.weight)))
    for level, block in enumerate(trunk.blocks, start=1):
        step = 3**level
        residual = y[..., step:-step]
        z = F.relu(block.temporal_norm(F.conv1d(y, block.temporal.weight, dilation=step)))
        y = residual + F.relu(block.mix_norm(block.mix(z)))
    assert y.shape[-1] == 1
    torch.testing.assert_close(trunk(x), y[..., 0], rtol=1e-12, atol=1e-12)


def test_wrong_window_and_wrong_widths_are_named() -> None:
    encoder = VideoPose3D(VideoPose3D.Config(widths=(3,), channels=4), 4, "layer")
    with pytest.raises(ValueError, match=r"5 frames .* look at 3"):
        encoder(torch.zeros(2, 5, 17, 2))
    with pytest.raises(ValueError, match=r"widths=\(3, 2\)"):
        VideoPose3D.Config(widths=(3, 2))

"""MetaFi++: published size, readouts."""

from __future__ import annotations

import pytest
import torch

from equipose.models.encoders.metafi import MetaFi


def parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameter_counts_are_the_published_ones() -> None:
    with torch.device("meta"):
        encoder = MetaFi(MetaFi.Config(readout="joints"), 3, "batch")
    assert round(parameters(encoder.resnet) / 1e6, 2) == 21.28
    assert round(parameters(encoder) / 1e6, 1) == 26.5
    assert encoder.config.map_size == (17, 4)


@pytest.mark.parametrize("grid", [(136, 32), (32, 8), (33, 7)])
@pytest.mark.parametrize("stem_stride", [1, 2])
@pytest.mark.parametrize("readout", ["pool", "joints"])
def test_map_size_is_the_size_of_the_map(grid: tuple[int, int], stem_stride: int, readout: str) -> None:
    config = MetaFi.Config(
        grid=grid, base=4, blocks=(1, 1, 1, 1), stem_stride=stem_stride, heads=2, readout=readout
    )  # type: ignore[arg-type]
    encoder = MetaFi(config, 5, "layer")
    assert encoder.resnet(torch.randn(2, 1, *grid)).shape[2:] == config.map_size
    assert encoder(torch.rand(2, 3, 114, 10)).shape == (2, 5)


@pytest.mark.parametrize("wrong", [{"readout": "mean"}, {"stem_stride": 3}])
def test_bad_configurations_are_named(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        MetaFi.Config(**wrong)  # type: ignore[arg-type]

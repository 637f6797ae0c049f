"""What both image encoders guarantee, and that the published ones have their published sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from equipose.models.encoders import NORMS, Encoder, Norm
from equipose.models.encoders.image import IMAGE_ENCODERS, HRNet, ViT

TINY: dict[str, HRNet.Config | ViT.Config] = {
    "hrnet": replace(IMAGE_ENCODERS["tiny"], width=2, stem=4),
    "vit": ViT.Config(size=(64, 32), patch=16, width=8, heads=2, layers=2),
}
cases = pytest.mark.parametrize(("name", "norm"), [(name, norm) for name in TINY for norm in NORMS])

SIZES = {
    "hrnet_w32": (325_056, 612_224, 6_895_616, 21_472_640),
    "hrnet_w48": (325_056, 1_210_176, 15_501_312, 48_288_576),
}
"""Parameters of stem with first stage, and of the stages with two, three and four branches, their transitions
included: counted in pytorchcv 0.0.74 (`pytorchcv.models.hrnet`)."""


def build(name: str, norm: Norm) -> Encoder:
    torch.manual_seed(0)
    return TINY[name].build(12, norm).double()


def pictures(rows: int = 4) -> Tensor:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(rows, 3, 64, 32, generator=rng, dtype=torch.float64)


def count(*modules: nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


@cases
def test_gives_finite_embeddings_of_the_asked_width(name: str, norm: Norm) -> None:
    out = build(name, norm)(pictures())
    assert out.shape == (4, 12)
    assert out.dtype == torch.float64
    assert out.isfinite().all()


@cases
def test_rows_are_independent_in_eval_mode(name: str, norm: Norm) -> None:
    encoder = build(name, norm)
    encoder(pictures())
    encoder.eval()
    together = encoder(pictures())
    alone = torch.cat([encoder(pictures()[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)
    assert (together[0] - together[1]).abs().max() > 1e-6


@cases
def test_gradient_reaches_every_parameter(name: str, norm: Norm) -> None:
    encoder = build(name, norm)
    encoder(pictures()).pow(3).sum().backward()
    for key, parameter in encoder.named_parameters():
        assert parameter.grad is not None, f"{key} would make DDP raise"
        assert parameter.grad.isfinite().all()


@cases
def test_layer_norm_keeps_no_batch_statistics(name: str, norm: Norm) -> None:
    encoder = build(name, norm)
    same = torch.allclose(encoder(pictures())[:2], encoder(pictures()[:2]), rtol=1e-9, atol=1e-9)
    assert same == (norm == "layer" or name == "vit")
    statistics = any("running_mean" in key for key, _ in encoder.named_buffers())
    assert statistics == (norm == "batch" and name == "hrnet")


@pytest.mark.parametrize("name", SIZES)
def test_hrnet_has_the_published_parameters_stage_for_stage(name: str) -> None:
    with torch.device("meta"):
        net = IMAGE_ENCODERS[name].build(1024, "batch")
    assert isinstance(net, HRNet)
    stages = [count(start, stage) for start, stage in zip(net.starts, net.stages, strict=True)]
    assert (count(net.stem, net.bottlenecks), *stages) == SIZES[name]
    assert net.project.in_features == {"hrnet_w32": 480, "hrnet_w48": 720}[name]
    assert count(net) - count(net.project) == sum(SIZES[name])


@pytest.mark.parametrize(("name", "millions"), [("vit_s", 21.66), ("vit_b", 85.79)])
def test_vit_has_the_published_parameters(name: str, millions: float) -> None:
    with torch.device("meta"):
        net = IMAGE_ENCODERS[name].build(1024, "batch")
    assert isinstance(net, ViT)
    assert round((count(net) - count(net.project)) / 1e6, 2) == millions


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_sizes_for_cpus_take_the_published_crop(name: str) -> None:
    net = IMAGE_ENCODERS[name].build(16, "layer")
    with torch.no_grad():
        assert net(torch.randn(1, 3, 256, 192)).isfinite().all()
    assert count(net) < {"tiny": 0.1e6, "small": 2e6}[name]


def test_maps_have_four_resolutions_and_all_of_them_count() -> None:
    net = build("hrnet", "layer")
    assert isinstance(net, HRNet)
    maps = net.maps(pictures())
    assert [tuple(x.shape[1:]) for x in maps] == [(2, 16, 8), (4, 8, 4), (8, 4, 2), (16, 2, 1)]
    weight = net.project.weight.detach().clone()
    for low, high in ((0, 2), (2, 6), (6, 14), (14, 30)):
        with torch.no_grad():
            net.project.weight.copy_(weight)
            net.project.weight[:, low:high] = 0
        assert (net(pictures()) - net.project.bias).abs().max() > 0
        assert not torch.equal(net.project.weight, weight)
    pooled = torch.cat([x.mean((2, 3)) for x in maps], 1)
    with torch.no_grad():
        net.project.weight.copy_(weight)
    torch.testing.assert_close(net(pictures()), net.project(pooled))


def test_layers_of_vit_start_unlike_each_other() -> None:
    net = build("vit", "layer")
    weights = [value for key, value in net.named_parameters() if key.endswith("linear1.weight")]
    assert len(weights) == 2
    assert not torch.equal(*weights)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: HRNet.Config(width=0), "sizes of 1 or more"),
        (lambda: HRNet.Config(modules=(1, 4)), "three numbers"),  # type: ignore[arg-type]
        (lambda: ViT.Config(size=(250, 192)), r"size=\(250, 192\)"),
        (lambda: ViT.Config(heads=5), "multiple of heads=5"),
        (lambda: ViT.Config(layers=0), "layers=0"),
    ],
)
def test_configs_that_cannot_work_are_refused(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_pictures_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32"):
        build("hrnet", "layer")(pictures()[:, :, :40])
    with pytest.raises(ValueError, match=r"\(32, 32\) pixels .* size=\(64, 32\)"):
        build("vit", "layer")(pictures()[:, :, :32])


def test_a_vit_looks_at_thinned_pictures_with_fewer_patches() -> None:
    thinned = IMAGE_ENCODERS["vit_tiny"].with_stride(2)
    assert isinstance(thinned, ViT.Config)
    assert thinned.size == (128, 96)
    assert thinned.build(5, "layer")(torch.zeros(2, 3, 128, 96)).shape == (2, 5)
    with pytest.raises(ValueError, match="use multiples of patch"):
        IMAGE_ENCODERS["vit_tiny"].with_stride(3)
    assert IMAGE_ENCODERS["tiny"].with_stride(2) == IMAGE_ENCODERS["tiny"]

"""Point encoders in the form that CUDA and compilers take: the same numbers, and nothing to wait for."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DynamicOutputShapeException, FakeTensorMode

from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.encoders import point_layers
from equipose.models.encoders.point_layers import PointMLP, RowBatchNorm
from equipose.models.encoders.points import farthest_points
from equipose.models.pose_errors import mpjpe
from tests.models.conftest import random_batch

MASK = torch.arange(7) < torch.tensor([[7], [3], [0], [1]])
MASKS = {
    "some": MASK,
    "two": MASK & (torch.eye(4, 7) > 0),
    "one": MASK & (torch.arange(28).view(4, 7) == 5),
    "none": torch.zeros_like(MASK),
}


def without_waiting(monkeypatch: pytest.MonkeyPatch, on: bool) -> None:
    monkeypatch.setattr(point_layers, "without_waiting", lambda values: on)


@pytest.mark.parametrize("norm", ["batch", "layer"])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("momentum", [0.1, None])
def test_padding_is_left_out_of_statistics_and_gradients(
    monkeypatch: pytest.MonkeyPatch, norm: point_layers.Norm, mask: Tensor, momentum: float | None
) -> None:
    torch.manual_seed(0)
    cut = PointMLP(5, 6, norm).double().train()
    for layer in cut.modules():
        if isinstance(layer, RowBatchNorm):
            layer.momentum = momentum
    whole = copy.deepcopy(cut)
    values = torch.randn(4, 7, 5, dtype=torch.float64)
    results = []
    for mlp, on in ((cut, False), (whole, True)):
        without_waiting(monkeypatch, on)
        for _ in range(2):
            found = mlp(values, mask)
        (found.sin() * torch.arange(6)).sum().backward()
        results.append([found.detach(), *(p.grad for p in mlp.parameters()), *mlp.state_dict().values()])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


def trained_on(batch: Batch) -> None:
    """A training step's forward and backward pass of all four sensors."""
    model = build_model(ModelConfig(preset="tiny"), mean_pose=torch.zeros(17, 3), seed=0).train()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        fake = batch.each(mode.from_tensor)
        mpjpe(model(fake).pose, fake.pose).mean().backward()


def test_a_training_pass_never_asks_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake tensors have no content, so whatever needs some on the processor raises."""
    batch = random_batch(dtype=torch.float32)
    without_waiting(monkeypatch, True)
    trained_on(batch)
    without_waiting(monkeypatch, False)
    with pytest.raises(DynamicOutputShapeException):
        trained_on(batch)


def test_a_compiled_sample_is_the_same_in_one_graph() -> None:
    rng = torch.Generator().manual_seed(0)
    xyz, mask = torch.randn(3, 20, 3, generator=rng), torch.rand(3, 20, generator=rng) < 0.8
    sizes: list[int] = []

    def backend(graph: torch.fx.GraphModule, given: list[Tensor]) -> torch.fx.GraphModule:
        sizes.append(len(graph.graph.nodes))
        return graph

    compiled = torch.compile(farthest_points, backend=backend, fullgraph=True)
    assert torch.equal(compiled(xyz, mask, 9), farthest_points(xyz, mask, 9))
    assert sizes[0] < 9


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_is_never_waited_for() -> None:
    model = build_model(ModelConfig(preset="tiny"), mean_pose=torch.zeros(17, 3), seed=0).cuda().train()
    batch = random_batch(dtype=torch.float32).to("cuda")
    mpjpe(model(batch).pose, batch.pose).mean().backward()
    torch.cuda.set_sync_debug_mode("error")
    try:
        mpjpe(model(batch).pose, batch.pose).mean().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")

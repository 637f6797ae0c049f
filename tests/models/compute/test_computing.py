"""Only training passes of encoders see fewer bits or a compiler; all else stays float32, bit for bit."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.fisher.diagonal import fisher_diagonal
from equipose.models.batch_statistics import recalibrate
from equipose.models.build import ModelConfig, build_model
from equipose.models.compute.computing import Computing, exact_products, float32_products
from equipose.models.compute.config import HALF, ComputeConfig
from equipose.models.model import PoseModel
from equipose.models.pose_errors import mpjpe
from tests.models.conftest import random_batch

halves = pytest.mark.parametrize("precision", HALF)
BATCH = random_batch(dtype=torch.float32)


def model(**compute: object) -> PoseModel:
    built = build_model(ModelConfig(preset="tiny"), mean_pose=torch.zeros(17, 3), seed=0)
    built.compute_as(ComputeConfig(**compute))  # type: ignore[arg-type]
    return built.train()


def seen(network: PoseModel) -> set[torch.dtype]:
    """Types of the results of all layers below the encoders, from now on."""
    found: set[torch.dtype] = set()
    for layer in network.encoders.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            layer.register_forward_hook(lambda layer, given, result: found.add(result.dtype))
    return found


@halves
def test_encoders_train_in_half_and_hand_over_float32(precision: str) -> None:
    network = model(precision=precision)
    types = seen(network)
    outputs = network(BATCH)
    assert types == {HALF[precision]}
    assert (outputs.features.dtype, outputs.pose.dtype) == (torch.float32, torch.float32)
    mpjpe(outputs.pose, BATCH.pose).mean().backward()
    assert {p.grad.dtype for p in network.parameters() if p.grad is not None} == {torch.float32}


@halves
def test_features_are_close_to_those_of_float32(precision: str) -> None:
    exact, rough = (network(BATCH).features.detach() for network in (model(), model(precision=precision)))
    assert not torch.equal(exact, rough)
    assert float((exact - rough).norm() / exact.norm()) < 8 * torch.finfo(HALF[precision]).eps


@halves
def test_errors_scores_and_fisher_information_are_those_of_float32(precision: str) -> None:
    exact, rough = model(), model(precision=precision)
    for network in (exact, rough):
        recalibrate(network, lambda: [BATCH])
    assert all(map(torch.equal, exact.state_dict().values(), rough.state_dict().values()))
    with evaluating(exact), evaluating(rough):
        assert torch.equal(exact(BATCH).pose, rough(BATCH).pose)
    one, other = (fisher_diagonal(network, [BATCH], mpjpe) for network in (exact, rough))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_nothing_changes_by_default() -> None:
    plain = model()
    other = copy.deepcopy(plain)
    features = plain(BATCH).features
    one = [
        other.encoders[name](other.inputs[name](BATCH.inputs[name]), BATCH.masks.get(name))
        for name in other.modalities
    ]
    assert torch.equal(features, torch.stack(one, 1))


class Counting:
    """A backend of `torch.compile` that runs the graph as it is and counts how often it is used."""

    def __init__(self) -> None:
        self.graphs, self.calls = 0, 0

    def __call__(self, graph: torch.fx.GraphModule, given: list[Tensor]) -> object:
        self.graphs += 1

        def run(*values: Tensor) -> object:
            self.calls += 1
            return graph(*values)

        return run


def test_only_training_passes_are_compiled_and_copies_start_without() -> None:
    backend = Counting()
    computing = Computing(ComputeConfig(compile=True), backend)  # type: ignore[arg-type]
    layer, given = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), torch.randn(2, 3)
    expected = layer(given)
    assert torch.equal(computing.run(layer, given, training=False), expected)
    with torch.no_grad():
        computing.run(layer, given, training=True)
    assert backend.calls == 0
    for _ in range(2):
        assert torch.equal(computing.run(layer, given, training=True), expected)
    assert (backend.graphs, backend.calls) == (1, 2)
    assert computing._compiled
    assert not copy.deepcopy(computing)._compiled


def test_products_are_as_before_after_the_block() -> None:
    flags = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [flag.allow_tf32 for flag in flags]
    with float32_products(exact=False):
        assert [flag.allow_tf32 for flag in flags] == [True, True]
        with float32_products(exact=True):
            assert [flag.allow_tf32 for flag in flags] == [False, False]
        assert [flag.allow_tf32 for flag in flags] == [True, True]
    assert [flag.allow_tf32 for flag in flags] == before


def test_exact_products_are_for_good() -> None:
    exact_products()
    assert not torch.backends.cuda.matmul.allow_tf32
    assert not torch.backends.cudnn.allow_tf32

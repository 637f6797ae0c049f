"""Our Shapley values of single rows are those of the definition, and Captum's where it is installed."""

from __future__ import annotations

import importlib.util
from itertools import permutations

import pytest
import torch
from torch import Tensor

from benchmarks.peers import captum
from equipose.models.batch import Batch
from equipose.models.build import ModelConfig, build_model
from equipose.models.model import PoseModel
from equipose.models.pose_errors import mpjpe


@pytest.fixture(params=captum.COMPARED)
def subject(request: pytest.FixtureRequest) -> tuple[PoseModel, Batch]:
    config = ModelConfig(preset="tiny", fusion=request.param)
    model = build_model(config, mean_pose=torch.zeros(17, 3), seed=0).eval().double()
    return model, captum.scaled_batch(3).to(dtype=torch.float64)


def by_definition(model: PoseModel, batch: Batch) -> Tensor:
    """[B, M]: what a sensor adds to those before it, averaged over all orders."""
    features, players = model.encode(batch), len(model.modalities)
    total, orders = torch.zeros(len(batch), players, dtype=torch.float64), list(permutations(range(players)))
    for order in orders:
        shown = torch.zeros(players, dtype=torch.bool)
        before = mpjpe(model.fuse(features, shown), batch.pose)
        for player in order:
            shown[player] = True
            after = mpjpe(model.fuse(features, shown), batch.pose)
            total[:, player] += before - after
            before = after
    return total / len(orders)


@torch.no_grad()
def test_ours_are_those_of_the_definition(subject: tuple[PoseModel, Batch]) -> None:
    found, expected = captum.ours(*subject), by_definition(*subject)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@torch.no_grad()
def test_captum_gives_the_same(subject: tuple[PoseModel, Batch]) -> None:
    pytest.importorskip("captum")
    found = {name: run() for name, run in captum.candidates_of(*subject).items()}
    assert captum.require_same(found) < 1e-6


def test_other_values_are_noticed() -> None:
    values = torch.zeros(2, 4, dtype=torch.float64)
    with pytest.raises(AssertionError, match="theirs: "):
        captum.require_same({"theirs": values + 2e-5, "ours": values})
    assert captum.require_same({"theirs": values + 5e-6, "ours": values}) == pytest.approx(5e-6)


def test_without_captum_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert captum.table() == "Captum's exact Shapley values: skipped, because `captum` cannot be imported."

"""Peak memory grows by what is allocated until it is reset; gradient norms equal those computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from equipose.models.build import ModelConfig, build_model
from equipose.models.model import PoseModel
from equipose.orchestrator.training import epoch_measures
from equipose.orchestrator.training.epoch_measures import GradientNorms, peak_memory_mib, reset_peak_memory

CPU = torch.device("cpu")
MIB = 160
SLACK = 40
"""MiB that the process may give back or take for other reasons."""


def allocate(mib: int) -> None:
    """Use memory and give it back."""
    np.ones(mib * 2**17).sum()  # 8 bytes each; written, so resident


def test_peak_grows_by_what_was_allocated_until_reset() -> None:
    if not epoch_measures.CLEAR_REFS.exists():
        pytest.skip("this system cannot reset the peak")
    reset_peak_memory(CPU)
    before = peak_memory_mib(CPU)
    allocate(MIB)
    assert peak_memory_mib(CPU) - before == pytest.approx(MIB, abs=SLACK)
    reset_peak_memory(CPU)
    assert peak_memory_mib(CPU) - before == pytest.approx(0, abs=SLACK)


def test_without_proc_the_peak_is_that_of_the_whole_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    measured = peak_memory_mib(CPU)
    nowhere = tmp_path_factory.mktemp("proc") / "missing"
    monkeypatch.setattr(epoch_measures, "STATUS", nowhere / "status")
    monkeypatch.setattr(epoch_measures, "CLEAR_REFS", nowhere / "clear_refs")
    reset_peak_memory(CPU)  # does nothing, and does not fail
    assert peak_memory_mib(CPU) >= measured - SLACK


@pytest.fixture
def model() -> PoseModel:
    return build_model(ModelConfig(preset="tiny"), mean_pose=torch.zeros(17, 3), seed=0)


def fill(model: PoseModel, modality: str, value: float) -> int:
    """Give every gradient of an encoder the same value; returns how many numbers there are."""
    count = 0
    for parameter in model.encoder_parameters()[modality].values():
        parameter.grad = torch.full_like(parameter, value)
        count += parameter.numel()
    return count


def test_mean_over_steps_of_the_norm_per_encoder(model: PoseModel) -> None:
    norms = GradientNorms(model)
    counts = {name: fill(model, name, 0.5) for name in ("rgb", "wifi")}
    norms.add()
    fill(model, "rgb", -1.5)
    norms.add()
    found = norms.metrics()
    # The norm of n equal numbers v is |v| sqrt(n).
    assert found["grad/rgb"] == pytest.approx((0.5 + 1.5) / 2 * math.sqrt(counts["rgb"]), rel=1e-6)
    assert found["grad/wifi"] == pytest.approx(0.5 * math.sqrt(counts["wifi"]), rel=1e-6)
    assert set(found) == {f"grad/{name}" for name in model.modalities}


def test_an_encoder_left_alone_counts_as_zero(model: PoseModel) -> None:
    norms = GradientNorms(model)
    norms.add()
    count = fill(model, "lidar", 1.0)
    norms.add()
    found = norms.metrics()
    assert found["grad/rgb"] == 0.0
    assert found["grad/lidar"] == pytest.approx(math.sqrt(count) / 2, rel=1e-6)


def test_no_steps_have_no_norms(model: PoseModel) -> None:
    assert GradientNorms(model).metrics() == {}


def test_gradients_are_left_unchanged(model: PoseModel) -> None:
    fill(model, "rgb", 2.0)
    before = [p.grad.clone() for p in model.encoder_parameters()["rgb"].values() if p.grad is not None]
    GradientNorms(model).add()
    after = [p.grad for p in model.encoder_parameters()["rgb"].values() if p.grad is not None]
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))

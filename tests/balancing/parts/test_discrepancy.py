from __future__ import annotations

from collections.abc import Callable
from math import tanh

import pytest
import torch

from equipose.balancing.method import Method, Step
from equipose.balancing.methods.ogm_ge import OGMGE
from equipose.balancing.methods.opm import OPM
from equipose.balancing.parts.discrepancy import DiscrepancyConfig, discrepancy_ratios, modulation
from equipose.models.randomness import torch_rng


@pytest.mark.parametrize("method", [OGMGE, OPM])
@pytest.mark.parametrize(
    ("field", "value"), [("ratio", "best"), ("unimodal", "x"), ("temperature", 0.0), ("temperature", -1.0)]
)
def test_shared_settings_are_checked_under_the_name_of_each(method: type, field: str, value: object) -> None:
    name = {OGMGE: "ogm_ge", OPM: "opm"}[method]
    with pytest.raises(ValueError, match=rf"{name}\.{field} must"):
        method.Config(**{field: value})


def test_leads_by_hand(toy_training: Callable) -> None:
    training = toy_training(Method(), dtype=torch.float64)
    batch, model = training.batches[0], training.model
    outputs = model(batch)
    step = Step(run=training.view(), index=0, batch=batch, outputs=outputs, rng=torch_rng(0))
    scores = []
    for m in range(3):
        alone = torch.zeros_like(outputs.features)
        alone[:, m] = outputs.features[:, m]
        errors = (model.fuse(alone) - batch.pose).norm(dim=-1).mean(dim=-1)
        scores.append(torch.exp(-errors[batch.present[:, m]].mean() / 0.5).item())
    found = discrepancy_ratios(step, DiscrepancyConfig(centred=False, temperature=0.5, ratio="weakest"))
    assert found.tolist() == pytest.approx([score / min(scores) for score in scores])


def test_coefficients_by_hand() -> None:
    found = modulation(torch.tensor([2.0, 0.5, 1.0]), alpha=0.3)
    assert found.tolist() == pytest.approx([1 - tanh(0.6), 1, 1])
    assert modulation(torch.tensor([50.0]), alpha=1.0).item() >= 0

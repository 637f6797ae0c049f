from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from equipose.balancing.method import Method
from equipose.balancing.methods.modality_resampling import ModalityResampling
from equipose.balancing.methods.sample_resampling import SampleResampling
from equipose.balancing.parts.resampling import grown, left_visible, log_visits
from equipose.balancing.run import EpochPlan


@pytest.mark.parametrize("method", [ModalityResampling, SampleResampling])
@pytest.mark.parametrize(
    ("field", "value"), [("warmup", -1), ("value", "x"), ("scale_mm", 0.0), ("hide", "weaker")]
)
def test_shared_settings_are_checked_under_the_name_of_each(method: type, field: str, value: object) -> None:
    name = {ModalityResampling: "modality_resampling", SampleResampling: "sample_resampling"}[method]
    with pytest.raises(ValueError, match=rf"{name}\.{field} must"):
        method.Config(**{field: value})


def test_records(toy_training: Callable) -> None:
    training = toy_training(Method())
    log_visits(training.view(), [0.5, 1.0, -1.0], torch.tensor([2, 2, 0]), 4)
    names = ("rgb", "lidar", "mmwave")
    assert [training.logged[f"method/contribution/{name}"] for name in names] == [0.5, 1.0, -1.0]
    assert [training.logged[f"method/added/{name}"] for name in names] == [0.25, 0.0, 0.5]


def test_left_visible() -> None:
    values = torch.tensor([[0.9, 0.1, 0.5]] * 3)
    modality = torch.tensor([1, 2, 0])
    kept = [[False, True, False], [False, True, True], [True, True, True]]
    assert left_visible(values, modality, "stronger").tolist() == kept
    assert left_visible(values, modality, "others").int().argmax(dim=1).tolist() == [1, 2, 0]


def test_grown_keeps_every_visit_with_its_mask() -> None:
    plan = EpochPlan(indices=torch.arange(4), present=torch.ones(4, 2, dtype=torch.bool))
    rng = np.random.default_rng(0)
    assert grown(plan, torch.arange(0), torch.zeros(0, 2, dtype=torch.bool), rng) is plan
    more = grown(plan, torch.tensor([3, 3]), torch.tensor([[True, False]] * 2), rng)
    assert sorted(more.indices.tolist()) == [0, 1, 2, 3, 3, 3]
    assert (~more.present[:, 1]).sum() == 2
    assert (more.indices[~more.present[:, 1]] == 3).all()

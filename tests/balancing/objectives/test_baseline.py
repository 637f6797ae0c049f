"""The losses of baselines: they fall, leave out what is unknown, and are means over the rows of all ranks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
import torch

from equipose.balancing.objectives.baseline import LOSSES, Baseline
from equipose.models.baselines.build import build_baseline
from equipose.models.baselines.config import Architecture, BaselineConfig
from equipose.models.baselines.model import POSE_SCALE, BaselineModel
from equipose.models.batch import Batch, rows_of
from tests.balancing.objectives.test_align import step_of
from tests.models.alignment.test_model import batch_of
from tests.models.baselines.test_baselines import ARCHITECTURES, seen_by


def problem(architecture: Any, rows: int = 6) -> tuple[Baseline, BaselineModel, Batch]:
    """An objective, a model without dropout and a batch, in float64."""
    rates: dict[str, Any] = {} if architecture == "heatmaps" else {"dropout": 0.0}
    config = BaselineConfig(architecture=architecture, preset="tiny", norm="layer", **rates)
    model = build_baseline(config, seed=0).double()
    objective = Baseline(Baseline.Config(sigma=8.0))  # two cells on maps of 16 x 16
    objective.prepare(model)
    return objective, model, seen_by(model, batch_of(rows)).to(dtype=torch.float64)


def loss_of(objective: Baseline, model: BaselineModel, batch: Batch) -> torch.Tensor:
    (loss,) = objective.losses(step_of(model, batch)).values()
    return loss


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_loss_falls(architecture: str) -> None:
    objective, model, batch = problem(architecture)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    first = float(loss_of(objective, model, batch).detach())
    for _ in range(25):
        optimizer.zero_grad()
        loss_of(objective, model, batch).backward()
        optimizer.step()
    assert float(loss_of(objective, model, batch).detach()) < 0.75 * first


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_mean_over_ranks_is_the_loss_of_one_rank(architecture: str) -> None:
    """Also where the ranks know different numbers of key points."""
    objective, model, batch = problem(architecture)
    batch.targets["exact_keypoints"][0, :5] = torch.nan
    whole = loss_of(objective, model, batch)
    parts = [loss_of(objective, model, rows_of(batch, slice(start, start + 3))) for start in (0, 3)]
    torch.testing.assert_close(sum(parts) / 2, whole)


def test_an_unknown_key_point_teaches_nothing() -> None:
    objective, model, batch = problem("heatmaps")
    batch.targets["exact_keypoints"] = 500 + 20 * torch.randn(6, 17, 2, dtype=torch.float64)
    batch.targets["exact_keypoints"][:, 3] = torch.nan
    loss = loss_of(objective, model, batch)
    loss.backward()
    head: Any = model.encoders["image"].get_submodule("head")
    assert loss.isfinite()
    assert (head.weight.grad[3] == 0).all()
    assert (head.weight.grad[4] != 0).any()


def test_each_architecture_has_its_published_loss() -> None:
    assert set(LOSSES) == set(get_args(Architecture))
    batch, config = batch_of(2), Baseline.Config()
    off = batch.pose + torch.tensor([0.3, 0.0, 0.4])
    squared, distance = LOSSES["simple_baseline"][1], LOSSES["videopose3d"][1]
    torch.testing.assert_close(distance(off, batch, config), torch.tensor([0.5, 0.5]))
    expected = POSE_SCALE**2 * 0.25 / 3
    torch.testing.assert_close(squared(off, batch, config), torch.tensor([expected, expected]))
    nothing = torch.zeros(2, 17, 16, 16)
    lit = LOSSES["heatmaps"][1](nothing, batch, Baseline.Config(sigma=8.0))
    far = replace(batch, targets={"exact_keypoints": batch.targets["exact_keypoints"] + 5000})
    assert (lit > 0).all()
    assert (LOSSES["heatmaps"][1](nothing, far, config) == 0).all()


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match=r"objective\.sigma=0"):
        Baseline.Config(sigma=0)
    with pytest.raises(ValueError, match="needs a baseline, got Linear"):
        Baseline().prepare(torch.nn.Linear(1, 1))

from __future__ import annotations

from collections.abc import Callable
from math import tanh
from typing import Any

import pytest
import torch

from equipose.balancing.compose import chain
from equipose.balancing.losses import POSE
from equipose.balancing.method import Method, Step
from equipose.balancing.methods.g_blending import GBlending
from equipose.balancing.methods.opm import OPM, drop_probabilities, feature_scale
from equipose.balancing.objectives.pose import pose_losses
from equipose.balancing.parts.row_randomness import row_uniforms
from equipose.models.randomness import torch_rng


def test_probabilities_by_hand() -> None:
    found = drop_probabilities(torch.tensor([2.0, 1.0, 0.4]), base=0.4, strength=0.5)
    assert found.tolist() == pytest.approx([0.4 * (1 + 0.5 * tanh(1.0)), 0, 0])


def test_scales_by_hand() -> None:
    q = torch.tensor([0.5, 0.0])
    assert feature_scale(q, "none").tolist() == [1, 1]
    assert feature_scale(q, "mean").tolist() == pytest.approx([4 / 3, 4 / 3])
    assert feature_scale(q, "modality").tolist() == [2, 1]


def step_of(training: Any) -> tuple[Step, dict[str, torch.Tensor]]:
    batch = training.batches[0]
    outputs = training.model(batch)
    step = Step(run=training.view(), index=0, batch=batch, outputs=outputs, rng=torch_rng(0, "opm"))
    return step, pose_losses(outputs, batch)


@pytest.mark.parametrize("rescale", ["mean", "modality", "none"])
def test_loss_by_hand(rescale: str, toy_training: Callable) -> None:
    method = OPM(OPM.Config(rate=1.0, base=0.6, rescale=rescale))  # type: ignore[arg-type]
    training = toy_training(method, 2, dtype=torch.float64)
    present = training.batches[0].present
    present[:3], present[3:6] = torch.tensor([True, False]), torch.tensor([False, True])
    step, losses = step_of(training)
    found = method.shape_losses(losses, step)
    q = torch.tensor([training.logged[f"method/drop/{m}"] for m in training.model.modalities])
    assert ((q == 0) | (q >= 0.6)).all()
    assert q.max() > 0
    rng = torch_rng(0, "opm")
    torch.rand((), generator=rng)
    dropped = row_uniforms(step.batch.index, 2, rng) < q
    errors = []
    for row in range(len(step.batch)):
        left = step.batch.present[row] & ~dropped[row]
        if not left.any() and step.batch.present[row].any():
            continue
        features = step.outputs.features[row] * feature_scale(q, rescale)[:, None] * left[:, None]
        pose = training.model.fuse(features[None])[0]
        errors.append((pose - step.batch.pose[row]).norm(dim=-1).mean())
    assert dropped.any()
    assert len(errors) < len(step.batch), (
        "some row of the eight loses everything, or the test shows too little"
    )
    torch.testing.assert_close(found[POSE], torch.stack(errors).mean())


def test_some_steps_drop_nothing(toy_training: Callable) -> None:
    method = OPM(OPM.Config(rate=1e-9))
    step, losses = step_of(toy_training(method))
    assert method.shape_losses(losses, step)[POSE] is losses[POSE]


def test_the_strong_are_dropped_more_often(toy_training: Callable) -> None:
    training = toy_training(OPM()).fit(4)
    drops = [training.logged[f"method/drop/{m}"] for m in training.model.modalities]
    assert drops[0] == max(drops) > 0
    assert min(drops) == 0


def test_composition(toy_training: Callable) -> None:
    toy_training(chain(opm=OPM(OPM.Config(rate=1.0)), blend=GBlending())).fit(1)
    with pytest.raises(ValueError, match="put opm first"):
        toy_training(chain(blend=GBlending(), opm=OPM(OPM.Config(rate=1.0)))).fit(1)
    with pytest.raises(ValueError, match="decide on the unimodal losses"):
        chain(opm=OPM(OPM.Config(unimodal="heads")), blend=GBlending())
    chain(opm=OPM(), plain=Method())


@pytest.mark.parametrize(
    ("field", "value"),
    [("base", -0.1), ("strength", float("inf")), ("rate", 0.0), ("rescale", "no"), ("ratio", "x"),
     ("unimodal", "x"), ("temperature", 0.0)],
)  # fmt: skip
def test_rejects(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"opm\.{field} must"):
        OPM.Config(**{field: value})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"opm\.base \* \(1 \+ opm\.strength\) must be below 1"):
        OPM.Config(base=0.8)

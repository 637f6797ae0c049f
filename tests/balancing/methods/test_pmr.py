from __future__ import annotations

from collections.abc import Callable
from math import log, tanh

import pytest
import torch

from equipose.balancing.losses import POSE
from equipose.balancing.method import Method, Step
from equipose.balancing.methods.pmr import PENALTY, PMR, shortfall
from equipose.balancing.objectives.pose import pose_losses
from equipose.balancing.parts.prototypes import prototypes_of
from equipose.models.build import ModelConfig
from equipose.models.randomness import torch_rng
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.orchestrator.training.loop import fit
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.store import Store


def test_shortfall_by_hand() -> None:
    assert shortfall(torch.tensor([0.4, 0.5])).tolist() == pytest.approx([0.25, 0])
    assert shortfall(torch.tensor([0.1, 0.5])).tolist() == pytest.approx([1, 0])
    assert shortfall(torch.tensor([0.4, 0.5, 0.6])).tolist() == pytest.approx([0.375, 0, 0])


def test_prototypes_and_their_momentum(toy_training: Callable) -> None:
    method = PMR(PMR.Config(momentum=0.75, fraction=1.0))
    training = toy_training(method, dtype=torch.float64, norm="batch")
    run, model = training.view(), training.model
    model.eval()
    features = torch.cat([model.encode(batch) for batch in training.batches]).detach()
    present = torch.cat([batch.present for batch in training.batches])
    action = torch.cat([batch.labels["action"] for batch in training.batches])
    model.train()
    method.on_epoch_start(run)
    first = method.prototypes
    assert first is not None
    assert first.known.sum(dim=1).tolist() == [4, 4, 4]
    for m in range(3):
        kept = features[present[:, m], m]
        variance = kept.var(dim=0, correction=0)
        spread = (variance + 1e-3 * variance.mean()).sqrt()
        torch.testing.assert_close(first.centre[m], kept.mean(dim=0))
        torch.testing.assert_close(first.spread[m], spread)
        for code in range(1, 5):
            mine = (features[(action == code) & present[:, m], m] - kept.mean(dim=0)) / spread
            torch.testing.assert_close(first.means[m, code - 1], mine.mean(dim=0))
    with torch.no_grad():
        for parameter in model.encoders.parameters():
            parameter += 0.1
    new = prototypes_of(run, training.batches)
    method.on_epoch_start(run)
    assert method.prototypes is not None
    torch.testing.assert_close(method.prototypes.means, 0.75 * first.means + 0.25 * new.means)
    torch.testing.assert_close(method.prototypes.centre, new.centre)
    torch.testing.assert_close(method.prototypes.spread, new.spread)


def test_scale_and_offset_of_features_change_nothing(toy_training: Callable) -> None:
    """Prototypes and scores stay when the last layer of an encoder is stretched and moved."""
    plain, other = (toy_training(PMR(PMR.Config(fraction=1.0)), dtype=torch.float64) for _ in range(2))
    with torch.no_grad():
        for encoder in other.model.encoders.values():
            encoder[-1].weight *= 0.01
            encoder[-1].bias.mul_(0.01).add_(7.0)
    for training in (plain, other):
        training.method.on_epoch_start(training.view())
        step, losses = step_of(training)
        training.method.shape_losses(losses, step)
    torch.testing.assert_close(plain.method.prototypes.means, other.method.prototypes.means)
    torch.testing.assert_close(plain.method.scores, other.method.scores)


def test_prototypes_come_from_rows_in_random_order(toy_training: Callable) -> None:
    """One batch in index order would hold one action; the share of the rows does, in random order, all."""
    training = toy_training(PMR(PMR.Config(fraction=0.3)))
    for code, batch in enumerate(training.batches, start=1):
        batch.labels["action"][:] = code
    training.method.on_epoch_start(training.view())
    assert training.method.prototypes.known.any(dim=0).nonzero().flatten().tolist() == [0, 1, 2]


def test_a_class_that_appears_late_or_goes(toy_training: Callable) -> None:
    method = PMR(PMR.Config(fraction=1.0))
    training = toy_training(method)
    labels = [batch.labels["action"].clone() for batch in training.batches]
    for batch in training.batches:
        batch.labels["action"][:] = 9
    method.on_epoch_start(training.view())
    assert method.prototypes is not None
    ninth = method.prototypes.means[:, 8].clone()
    for batch, label in zip(training.batches, labels, strict=True):
        batch.labels["action"][:] = label
    new = prototypes_of(training.view(), training.view().shuffled())
    method.on_epoch_start(training.view())
    assert torch.equal(method.prototypes.means[:, 8], ninth)
    assert torch.equal(method.prototypes.means[:, 0], new.means[:, 0])


def step_of(training: Callable) -> tuple[Step, dict[str, torch.Tensor]]:
    batch = training.batches[0]  # type: ignore[attr-defined]
    outputs = training.model(batch)  # type: ignore[attr-defined]
    step = Step(run=training.view(), index=0, batch=batch, outputs=outputs, rng=torch_rng(0))  # type: ignore[attr-defined]
    return step, pose_losses(outputs, batch)


@pytest.mark.parametrize("unit", [None, 0.02])
def test_loss_by_hand(unit: float | None, toy_training: Callable) -> None:
    method = PMR(PMR.Config(unit=unit, fraction=1.0))
    training = toy_training(method, dtype=torch.float64)
    method.on_epoch_start(training.view())
    step, losses = step_of(training)
    batch = step.batch
    scores, entropies = [], []
    assert method.prototypes is not None
    features = (step.outputs.features - method.prototypes.centre) / method.prototypes.spread
    for m in range(3):
        rows = [i for i in range(len(batch)) if batch.present[i, m]]
        probabilities = []
        for i in rows:
            apart = (features[i, m] - method.prototypes.means[m, :4]).norm(dim=-1)
            probabilities.append(torch.softmax(-apart, 0)[batch.labels["action"][i] - 1])
        scores.append(torch.stack(probabilities).mean().detach())
        entropies.append(-torch.stack(probabilities).log().mean())
    weights = shortfall(torch.stack(scores))
    assert 0 < weights.max() < 1
    worth = unit or losses[POSE].item() / log(4)
    expected = 0.6 * worth * sum(w * e for w, e in zip(weights, entropies, strict=True))
    found = method.shape_losses(losses, step)
    assert set(found) == {POSE, PENALTY}
    torch.testing.assert_close(found[PENALTY], expected)


def test_gradient_variant(toy_training: Callable) -> None:
    method = PMR(PMR.Config(act="gradients", eta=0.5))
    training, plain = toy_training(method), toy_training(Method())
    for each in (training, plain):
        each.batches = each.batches[:1]
        each.run_epoch()
    scores = method.scores
    assert scores is not None
    reference = dict(plain.model.named_parameters())
    factors = []
    for m, modality in enumerate(training.model.modalities):
        ahead = sum(scores[m] / scores[n] for n in range(3) if n != m) / 2
        factors.append(1 - tanh(0.5 * ahead) if ahead > 1 else 1.0)
        for name, parameter in training.model.encoders[modality].named_parameters():
            torch.testing.assert_close(
                parameter.grad, reference[f"encoders.{modality}.{name}"].grad * factors[-1]
            )
    assert min(factors) < 1 == max(factors)


def test_scores_leave_chance_on_simulated_frames(small_store: Store) -> None:
    """Two actions: raw features scored 0.50 to 0.51. The loss of those that fall behind then weighs."""
    data = DataConfig(store=str(small_store.path), batch=BatchConfig(batch_size=16))
    config = TrainConfig(
        data=data, model=ModelConfig(preset="tiny"), method=PMR.Config(fraction=1.0), epochs=3
    )
    *_, last = fit(build_training(config))
    scores = [last.metrics[f"method/prototype_score/{name}"] for name in config.model.modalities]
    assert max(scores) > 0.6
    assert last.metrics[f"train/loss/{PENALTY}"] > 0.05 * last.metrics["train/loss/pose"]


def test_needs_labels(toy_training: Callable) -> None:
    training = toy_training(PMR())
    del training.batches[0].labels["action"]
    with pytest.raises(ValueError, match="pmr needs the label 'action'"):
        PMR().on_epoch_start(training.view())


@pytest.mark.parametrize(
    ("field", "value"),
    [("alpha", -1.0), ("eta", -1.0), ("momentum", 1.0), ("fraction", 0.0), ("unit", 0.0), ("act", "x")],
)
def test_rejects(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"pmr\.{field} must"):
        PMR.Config(**{field: value})  # type: ignore[arg-type]

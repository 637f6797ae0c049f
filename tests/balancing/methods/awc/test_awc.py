from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from equipose.balancing.compose import chain
from equipose.balancing.losses import POSE
from equipose.balancing.method import Method, Step
from equipose.balancing.methods.awc.awc import AWC, PENALTY
from equipose.balancing.parts.passes import evenly_spaced
from equipose.balancing.registry import build_method
from equipose.models.batch import rows_of
from equipose.models.randomness import torch_rng

SCORES = {2: [9.0, 1.0], 3: [9.0, 1.0, 8.0], 4: [9.0, 1.0, 8.0, 0.5]}


def published(**fields: Any) -> AWC.Config:
    """The AWC paper's weights, with the scores of the validation pass unless others are given."""
    return AWC.Config(**{**AWC.published, "contributions": "validation", **fields})


def one_step(training: Any, index: int = 0) -> tuple[Step, dict[str, Tensor]]:
    run = training.view()
    batch = training.batches[index]
    outputs = training.model(batch)
    step = Step(run=run, index=index, batch=batch, outputs=outputs, rng=torch_rng(0, index))
    return step, {POSE: run.loss(outputs.pose, batch.pose).mean()}


def reference(training: Any, anchor: dict[str, Tensor], alphas: list[float], start: Any) -> Tensor:
    """L_total by hand: plain loops over samples, modalities and parameters, straight from the equations."""
    model, frozen = training.model, start
    fisher = {name: torch.zeros_like(p) for name, p in frozen.named_parameters()}
    count = 0
    for batch in training.batches:
        for row in range(len(batch)):
            frozen.zero_grad()
            inputs = {name: x[row : row + 1] for name, x in batch.inputs.items()}
            one = replace(batch, inputs=inputs, present=batch.present[row : row + 1])
            difference = frozen(one).pose[0] - batch.pose[row]
            difference.norm(dim=-1).mean().backward()
            for name, parameter in frozen.named_parameters():
                if parameter.grad is not None:
                    fisher[name] += parameter.grad**2
            count += 1
    batch = training.batches[0]
    total = (model(batch).pose - batch.pose).norm(dim=-1).mean()
    for m, modality in enumerate(model.modalities):
        for name, parameter in model.named_parameters():
            if name.startswith(f"encoders.{modality}."):
                pulled = (fisher[name] / count) * (parameter - anchor[name]) ** 2
                total = total + alphas[m] * 0.5 * pulled.sum()
    return total


@pytest.mark.parametrize("num_modalities", [2, 3, 4])
@pytest.mark.parametrize("unit", ["m", "mm"])
def test_loss_and_gradients_equal_the_equations(
    num_modalities: int,
    unit: str,
    toy_training: Callable,
    toy_model: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    method = AWC(published(alpha_s=20.0, alpha_i=10.0, loss_unit=unit))  # type: ignore[arg-type]
    training = toy_training(method, num_modalities, dtype=torch.float64)
    scores = torch.tensor(SCORES[num_modalities])
    monkeypatch.setattr(training, "contributions", lambda: scores)
    start = toy_model(num_modalities).double()
    anchor = {name: p.detach().clone() for name, p in training.model.named_parameters()}
    method.on_epoch_start(training.view())
    with torch.no_grad():
        for parameter in training.model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, dtype=torch.float64)
    step, losses = one_step(training)
    total = sum(method.shape_losses(losses, step).values())
    factor = {"m": 1.0, "mm": 1000.0}[unit]
    alphas = [factor * (20.0 if score > 5 else 10.0) for score in SCORES[num_modalities]]
    expected = reference(training, anchor, alphas, start)
    torch.testing.assert_close(total, expected, rtol=1e-12, atol=1e-12)
    parameters = list(training.model.parameters())
    torch.testing.assert_close(
        torch.autograd.grad(total, parameters),
        torch.autograd.grad(expected, parameters),
        rtol=1e-9,
        atol=1e-12,
    )


@pytest.mark.parametrize("contributions", ["validation", "batch"])
def test_penalty_starts_every_epoch_at_zero(contributions: str, toy_training: Callable) -> None:
    method = AWC(published(contributions=contributions))  # type: ignore[arg-type]
    training = toy_training(method)
    for _ in range(2):
        training.fit(training.epoch)
        method.on_epoch_start(training.view())
        step, losses = one_step(training)
        shaped = method.shape_losses(losses, step)
        assert shaped[PENALTY] == 0
        assert losses.keys() == {POSE}, "the given dict must not change"
        gradients = torch.autograd.grad(shaped[PENALTY], list(step.groups["rgb"].values()))
        assert not any(gradient.any() for gradient in gradients)
        training.run_epoch()
        assert method.shape_losses(*one_step(training)[::-1])[PENALTY] > 0


def test_initial_anchor_stays(toy_training: Callable) -> None:
    method = AWC(published(anchor="init"))
    training = toy_training(method)
    before = {name: p.detach().clone() for name, p in training.model.named_parameters()}
    training.fit(2)
    for name, tensor in method.anchor.items():
        assert torch.equal(tensor, before[name])


def test_fisher_schedule(toy_training: Callable) -> None:
    def diagonals(schedule: str) -> list[Tensor]:
        method = AWC(published(fisher_schedule=schedule))  # type: ignore[arg-type]
        training = toy_training(method)
        return [
            training.fit(epochs) and torch.cat([f.flatten() for f in method.fisher.values()])
            for epochs in (1, 2)
        ]

    first, second = diagonals("once")
    assert torch.equal(first, second)
    first, second = diagonals("every_epoch")
    assert not torch.equal(first, second)


@pytest.mark.parametrize("off", [{"alpha_s": 0.0, "alpha_i": 0.0}, {"window": 0}])
def test_off_is_plain_without_any_extra_pass(
    off: dict[str, Any], toy_training: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("estimated Fisher information for nothing")

    monkeypatch.setattr("equipose.balancing.methods.awc.awc.fisher_diagonal", never)
    options = {"norm": "batch", "dropout": 0.4}
    plain = toy_training(Method(), **options).fit(2)
    for contributions in ("validation", "batch"):
        method = build_method(published(contributions=contributions, **off))  # type: ignore[arg-type]
        assert not method.needs
        assert torch.equal(toy_training(method, **options).fit(2).weights(), plain.weights())


def test_batches_that_are_squared_whole_are_shuffled(toy_training: Callable) -> None:
    """In index order neighbours are alike, and their gradients add up instead of cancelling."""

    def trace(batches: Callable[[Any], Any]) -> float:
        method = AWC(published(fisher="per_batch"))
        training = toy_training(method)
        copies = [torch.full((8,), row) for row in range(8)]
        training.batches = [rows_of(batch, rows) for batch in training.batches for rows in copies]
        method.on_epoch_start(batches(training.view()))
        return sum(float(f.sum()) for f in method.fisher.values())

    in_order = trace(lambda run: replace(run, shuffled=run.batches))
    assert trace(lambda run: run) < 0.5 * in_order


def test_after_the_window_only_the_task_loss_remains(toy_training: Callable) -> None:
    training = toy_training(build_method(published(window=1)))
    training.fit(1)
    assert training.method.shape_losses(*one_step(training)[::-1]).keys() == {POSE}


def test_stronger_alpha_holds_weights_closer(toy_training: Callable) -> None:
    def travel(alpha: float) -> float:
        training = toy_training(AWC(published(alpha_s=alpha, alpha_i=alpha)))
        start = training.weights()
        training.fit(1)
        encoders = sum(p.numel() for p in training.model.encoders.parameters())
        return float((training.weights() - start)[:encoders].norm())

    assert travel(1e6) < travel(1e3) < travel(1.0)


def test_metrics(toy_training: Callable) -> None:
    training = toy_training(AWC(published())).fit(1)
    modalities = training.model.modalities
    kinds = ("fisher", "method/alpha", "method/penalty_ratio")
    assert set(training.logged) == {f"{kind}/{m}" for kind in kinds for m in modalities}
    assert all(value > 0 for value in training.logged.values())
    assert {training.logged[f"method/alpha/{m}"] for m in modalities} == {20_000.0, 10_000.0}


def test_only_encoders_are_held(toy_training: Callable) -> None:
    method = AWC(published())
    toy_training(method).fit(1)
    assert method.anchor.keys() == method.fisher.keys()
    assert all(name.startswith("encoders.") for name in method.anchor)


def test_penalties_of_two_in_a_chain_add_up(toy_training: Callable) -> None:
    """Neither overwrites the other's penalty under their common name."""
    one, two = AWC(published(anchor="init")), AWC(published(alpha_s=1e3, alpha_i=5e2, anchor="init"))
    training = toy_training(chain(one=one, two=two), dtype=torch.float64).fit(2)
    step, losses = one_step(training)
    each = [method.shape_losses(losses, step)[PENALTY] for method in (one, two)]
    assert min(each) > 0
    torch.testing.assert_close(training.method.shape_losses(losses, step)[PENALTY], sum(each))


def test_needs() -> None:
    assert AWC(published()).needs == {"contributions"}
    assert not AWC(published(contributions="batch")).needs


def test_missing_contributions(toy_training: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    training = toy_training(AWC(published()))
    monkeypatch.setattr(training, "contributions", lambda: None)
    with pytest.raises(ValueError, match="no validation pass has run yet"):
        training.fit(1)


def test_state_of_another_model(toy_training: Callable) -> None:
    config = published(anchor="init")
    saved = toy_training(AWC(config), 2).fit(1).method.state_dict()
    other = toy_training(AWC(config), 3)
    other.method.load_state_dict(saved)
    with pytest.raises(ValueError, match=r"differ in \['encoders\.mmwave"):
        other.fit(1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"alpha_s": -1.0}, r"awc\.alpha_s .* -1"),
        ({"alpha_i": float("nan")}, r"awc\.alpha_i .* nan"),
        ({"alpha_i": float("inf")}, r"awc\.alpha_i .* inf"),
        ({"window": -2}, r"window .* -2"),
        ({"anchor": "start"}, r"awc\.anchor must be one of .*epoch_start.* 'start'"),
        ({"fisher": "exact"}, r"awc\.fisher must"),
        ({"fisher_schedule": "never"}, r"awc\.fisher_schedule must"),
        ({"fisher_fraction": 0.0}, r"awc\.fisher_fraction .* 0"),
        ({"contributions": "test"}, r"awc\.contributions must"),
        ({"loss_unit": "cm"}, r"awc\.loss_unit must"),
        ({"value_function": "mse"}, r"awc\.value_function must"),
        ({"momentum": 2.0}, r"awc\.momentum"),
        ({"strength": "beta"}, r"awc\.strength must be one of .*ratio.* 'beta'"),
        ({"ratio_s": -0.1}, r"awc\.ratio_s .* -0\.1"),
        ({"free_epochs": -1}, r"awc\.free_epochs must be at least 0, got -1"),
        ({"window_steps": -1}, r"awc\.window_steps must be at least 0, got -1"),
    ],
)
def test_config_messages(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AWC.Config(**fields)


@pytest.mark.parametrize(("fraction", "kept"), [(1.0, 10), (0.5, 5), (0.3, 3), (0.01, 1)])
def test_evenly_spaced(fraction: float, kept: int) -> None:
    taken = list(evenly_spaced(range(10), fraction))  # type: ignore[arg-type,type-var]
    assert len(taken) == kept
    assert taken[0] == 0
    gaps = {b - a for a, b in itertools.pairwise(taken)}
    assert not gaps or max(gaps) - min(gaps) <= 1  # type: ignore[type-var, operator]

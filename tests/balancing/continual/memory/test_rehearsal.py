from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from toy_stream import ToyStream

from equipose.balancing.continual.memory.agem import AGEM, memory_gradient, projected
from equipose.balancing.continual.memory.derpp import DERpp
from equipose.balancing.continual.memory.gdumb import GDumb, parts
from equipose.balancing.continual.memory.kept_rows import TARGET
from equipose.balancing.continual.memory.replay import Replay
from equipose.balancing.continual.weights import trained_parameters
from equipose.balancing.method import MethodConfig, Step
from equipose.balancing.objectives.pose import pose_losses
from equipose.balancing.parts.gradients import flat_gradient
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import torch_rng


def second_task(toy_training: Callable[..., Any], config: MethodConfig, epochs: int = 2) -> Any:
    stream = ToyStream(toy_training, config)
    stream.run(1, epochs)
    return stream.training(1)


def test_every_batch_holds_as_many_old_rows_as_new_ones(toy_training: Callable[..., Any]) -> None:
    training = second_task(toy_training, Replay.Config(rows=5))
    before, plan = training.plan(), training.method.plan_epoch(training.plan(), training.view())
    assert plan.batch_size == 16
    old = torch.isin(plan.indices, training.method.memory)
    assert torch.equal(plan.indices[~old], before.indices), "the new rows keep their order"
    batches = training.planned(plan)
    assert len(batches) == len(training.planned(before)) == 3
    assert [int(torch.isin(b.index, training.method.memory).sum()) for b in batches] == [8, 8, 8]
    visits = torch.bincount(plan.indices[old])[training.method.memory]
    assert int(visits.max() - visits.min()) <= 1
    assert training.logged["memory/rows"] == 5


def test_old_rows_differ_between_epochs(toy_training: Callable[..., Any]) -> None:
    training = second_task(toy_training, Replay.Config(rows=5))
    first = training.method.plan_epoch(training.plan(), training.view()).indices
    assert torch.equal(first, training.method.plan_epoch(training.plan(), training.view()).indices)
    training.epoch = 1
    assert not torch.equal(first, training.method.plan_epoch(training.plan(), training.view()).indices)


def test_an_epoch_shorter_than_a_batch_is_one_step(toy_training: Callable[..., Any]) -> None:
    training = second_task(toy_training, Replay.Config(rows=5))
    short = training.plan()
    short = type(short)(indices=short.indices[:3], present=short.present[:3])
    plan = training.method.plan_epoch(short, training.view())
    assert len(plan.indices) == 6
    assert len(training.planned(plan)) == 1


@pytest.mark.parametrize("config", [Replay.Config(beta=0.25), DERpp.Config(alpha=3.0, beta=0.25)])
def test_losses_of_new_and_old_rows(config: MethodConfig, toy_training: Callable[..., Any]) -> None:
    training = second_task(toy_training, config)
    run, method = training.view(), training.method
    batch = training.planned(method.plan_epoch(training.plan(), run))[0]
    with torch.no_grad():
        training.model.fusion.bias += 0.1
    outputs = training.model(batch)
    step = Step(run=run, index=0, batch=batch, outputs=outputs, rng=torch_rng(0))
    losses = method.shape_losses(pose_losses(outputs, batch), step)
    old, rows = method.kept.holds(batch.index), mpjpe(outputs.pose, batch.pose)
    assert int(old.sum()) == 8
    expected = rows[~old].mean() + 0.25 * rows[old].mean()
    torch.testing.assert_close(losses["pose"], expected)
    if isinstance(config, DERpp.Config):
        targets = method.kept.columns[TARGET][method.kept.position(batch.index[old])]
        torch.testing.assert_close(losses["derpp"], 3.0 * mpjpe(outputs.pose[old], targets).mean())
        assert float(losses["derpp"].detach()) > 0


def test_former_predictions_stay_those_of_their_own_task(toy_training: Callable[..., Any]) -> None:
    stream = ToyStream(toy_training, DERpp.Config(rows=30))
    first = stream.run(1, 2).method.kept
    second = stream.training(1).fit(2)
    stream.finish(second)
    kept = second.method.kept
    staying = kept.rows[kept.rows < 24]
    assert 0 < len(staying) < 24
    for memory in (first, kept):
        assert memory.rows.tolist() == sorted(memory.rows.tolist())
    torch.testing.assert_close(
        kept.columns[TARGET][kept.position(staying)],
        first.columns[TARGET][first.position(staying)],
        rtol=0,
        atol=0,
    )


def test_projection_removes_what_points_against_the_memory() -> None:
    rng = torch_rng(0, "projection")
    reference = torch.randn(9, generator=rng, dtype=torch.float64)
    gradient = torch.randn(9, generator=rng, dtype=torch.float64)
    gradient = gradient * -(gradient @ reference).sign()
    assert float(gradient @ reference) < 0
    changed = projected(gradient, reference)
    assert float(changed @ reference) == pytest.approx(0.0, abs=1e-12)
    assert float(changed @ changed) < float(gradient @ gradient)
    assert torch.equal(projected(-gradient, reference), -gradient)
    assert torch.equal(projected(gradient, torch.zeros_like(reference)), gradient)


def test_a_step_of_agem_is_the_projected_gradient(toy_training: Callable[..., Any]) -> None:
    training = second_task(toy_training, AGEM.Config(rows=6, reference=6))
    batch = training.batches[0]
    pose = training.model(batch).pose
    # Old rows that ask for the opposite of what the new ones ask for.
    mirrored = (2 * pose - batch.pose).detach()
    training.earlier = [replace(batch, pose=mirrored, index=old.index) for old in training.earlier]
    run, method = training.view(), training.method
    parameters = list(trained_parameters(training.model).values())
    reference = memory_gradient(run, method.kept, method.memory, parameters)
    task = mpjpe(pose, batch.pose).mean()
    gradient = flat_gradient(task, parameters, keep_graph=False).double()
    assert float(gradient @ reference) < 0
    training.step(run, 0, batch)
    found = torch.cat([p.grad.flatten() for p in parameters]).double()
    torch.testing.assert_close(found, projected(gradient, reference), rtol=1e-4, atol=1e-5)
    assert float(training.logged["method/projected"]) == 1.0


def test_the_memorys_gradient_is_that_of_its_mean_loss(toy_training: Callable[..., Any]) -> None:
    training = second_task(toy_training, AGEM.Config(rows=6))
    parameters = list(trained_parameters(training.model).values())
    kept = training.method.kept
    found = memory_gradient(training.view(), kept, kept.rows, parameters)
    batches = training.share_of_rows(kept.rows)
    loss = torch.cat([mpjpe(training.model(b).pose, b.pose) for b in batches]).mean()
    torch.testing.assert_close(found, flat_gradient(loss, parameters, keep_graph=False).double())


def test_ranks_see_one_gradient_of_the_memory(
    toy_training: Callable[..., Any], thread_ranks: Callable[..., Any]
) -> None:
    """Shares of unequal size: 5 rows on two and on three ranks."""
    first = ToyStream(toy_training, AGEM.Config(rows=5), {"dtype": torch.float64})
    first.run(1, 2)

    def gradient(training: Any) -> Tensor:
        training.method.load_state_dict(first.state)
        kept = training.method.kept
        return memory_gradient(
            training.view(), kept, kept.rows, list(trained_parameters(training.model).values())
        )

    alone = gradient(first.training(1))
    for world_size in (2, 3):
        ranks = thread_ranks(world_size)
        runs = []
        for rank in range(world_size):
            options = {"rank": rank, "world_size": world_size, "mean": ranks.mean(rank)}
            stream = ToyStream(toy_training, AGEM.Config(rows=5), {"dtype": torch.float64, **options})
            stream.weights, stream.state = first.weights, first.state
            runs.append(stream.training(1))
        for found in ranks.run(lambda rank, runs=runs: gradient(runs[rank])):
            torch.testing.assert_close(found, alone, rtol=0, atol=1e-12)


def test_gdumb_balances_its_memory_over_tasks(toy_training: Callable[..., Any]) -> None:
    stream = ToyStream(toy_training, GDumb.Config(rows=10))
    for task in range(3):
        training = stream.training(task)
        plan = training.method.plan_epoch(training.plan(), training.view())
        visits = torch.bincount(plan.indices, minlength=72).view(3, 24)
        assert (visits > 0).sum(dim=1).tolist() == [*parts(10, task + 1), *[0] * (2 - task)]
        assert len(plan.indices) == 24
        stream.finish(training.fit(1))
        own = torch.cat([batch.index for batch in training.batches])
        kept = training.method.memory
        assert set(plan.indices.tolist()) == set(kept.tolist()), "trained on what is kept, and nothing else"
        assert int(torch.isin(kept, own).sum()) == parts(10, task + 1)[-1]


def test_more_tasks_than_rows(toy_training: Callable[..., Any]) -> None:
    stream = ToyStream(toy_training, GDumb.Config(rows=2))
    last = stream.run(3, 1)
    assert len(last.method.memory) == 2


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        (Replay.Config, {"rows": 0}, r"replay\.rows must be at least 1"),
        (Replay.Config, {"beta": -1.0}, r"replay\.beta"),
        (DERpp.Config, {"alpha": -1.0}, r"derpp\.alpha"),
        (DERpp.Config, {"rows": 0}, r"derpp\.rows"),
        (AGEM.Config, {"reference": -1}, r"agem\.reference"),
        (GDumb.Config, {"rows": 0}, r"gdumb\.rows"),
    ],
)
def test_config_messages(config: type[MethodConfig], fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(**fields)

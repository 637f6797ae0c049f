"""The bare loop and ours take the same steps, and what is added is taken round by round."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.balancing.shapley import simulated_store
from benchmarks.peers import loop
from equipose.models.pose_errors import mpjpe
from equipose.orchestrator.training.ranks import Ranks

WORK = loop.Work(frames=2, preset="tiny", batch=16, rounds=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_store(tmp_path_factory.mktemp("peers") / "store", WORK.frames)


def test_every_loop_takes_the_same_steps(store: Path) -> None:
    """`measured` raises where weights or losses differ after any epoch."""
    seconds = loop.measured(WORK, store, Ranks())
    steps = len(seconds[loop.OURS])
    assert steps > WORK.rounds
    assert {name: len(values) for name, values in seconds.items()} == {
        loop.BARE: steps,
        loop.AGAIN: steps,
        loop.OURS: steps,
        loop.READING: WORK.rounds,
        loop.ONCE: WORK.rounds,
    }
    assert all(min(values) > 0 for values in seconds.values())


def test_another_weight_or_loss_is_noticed(store: Path) -> None:
    one, other = (WORK.training(store, Ranks()) for _ in range(2))
    bare = loop.Bare(one)
    loop.require_same(one, 0.5, other, 0.5)
    with pytest.raises(AssertionError):
        loop.require_same(one, 0.5, other, 0.5 + 1e-9)
    batch = next(iter(one.train.in_order()))
    bare.step(batch)
    expected = mpjpe(other.model(batch).pose, batch.pose).mean()
    assert bare.end_epoch() == pytest.approx(expected.item())
    with pytest.raises(AssertionError):
        loop.require_same(one, 0.5, other, 0.5)


def test_report() -> None:
    seconds = {
        loop.BARE: [1.0, 2.0, 4.0, 4.0],
        loop.AGAIN: [1.0, 2.0, 4.0, 4.0],
        loop.OURS: [1.5, 3.0, 6.0, 5.0],
        loop.READING: [0.3, 0.8],
        loop.ONCE: [1.5, 4.0],
    }
    text = loop.report("Title", seconds)
    assert "2 epochs of 2 steps." in text
    assert f"| {loop.BARE} | 3000.00 ms | 1000.00 ms | 4000.00 ms |  |" in text
    assert f"| {loop.OURS} | 4000.00 ms | 1500.00 ms | 6000.00 ms | +50.0 % (+31.2 to +50.0) |" in text
    assert f"| {loop.READING} | 275.00 ms | 150.00 ms | 400.00 ms | +10.0 % (+10.0 to +10.0) |" in text
    assert f"| {loop.ONCE} | 1375.00 ms | 750.00 ms | 2000.00 ms | +50.0 % (+50.0 to +50.0) |" in text


def test_the_learning_rate_must_not_fall() -> None:
    with pytest.raises(ValueError, match=r"rounds must lie in \[1, 29\], got 30"):
        loop.Work(rounds=30)

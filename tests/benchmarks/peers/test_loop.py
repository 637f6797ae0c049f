"""The bare loop and ours take the same steps, and what is added is taken round by round."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.balancing.shapley import simulated_store
from benchmarks.peers import loop
from benchmarks.timing import Measurement
from equipose.orchestrator.training.ranks import Ranks

WORK = loop.Work(frames=2, preset="tiny", batch=16, rounds=2)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulated_store(tmp_path_factory.mktemp("peers") / "store", WORK.frames)


def test_every_loop_ends_at_the_same_weights_and_loss(store: Path) -> None:
    """`measured` raises where they differ."""
    seconds, steps = loop.measured(WORK, store, Ranks())
    assert [m.name for m in seconds] == [loop.BARE, loop.AGAIN, loop.MEMORY, loop.STORE, loop.ONCE]
    assert steps > 1
    assert all(len(m.seconds) == WORK.rounds and min(m.seconds) > 0 for m in seconds)


def test_another_weight_or_loss_is_noticed(store: Path) -> None:
    epochs = loop.batches_of(WORK.training(store, Ranks()), 1)
    bare = loop.Bare(WORK.training(store, Ranks()), epochs)
    ours = loop.Ours(WORK.training(store, Ranks()), epochs)
    start = [p.detach().clone() for p in bare.training.model.parameters()]
    bare.epoch()
    with pytest.raises(AssertionError):
        loop.require_same(bare, ours)
    ours.epoch()
    loop.require_same(bare, ours)
    moved = [not torch.equal(p, s) for p, s in zip(bare.training.model.parameters(), start, strict=True)]
    assert any(moved)
    ours.loss += 1e-6
    with pytest.raises(AssertionError):
        loop.require_same(bare, ours)


def test_report() -> None:
    bare = (1.0, 2.0, 4.0)
    seconds = [
        Measurement(loop.BARE, bare, 1.0),
        Measurement(loop.MEMORY, (1.5, 3.0, 5.0), 0.7),
        Measurement(loop.ONCE, (0.25, 0.5, 1.0), 4.0),
    ]
    text = loop.report("Title", seconds, steps=10)
    assert f"| {loop.MEMORY} | 300.00 ms | 150.00 ms | 500.00 ms | +50.0 % (+25.0 to +50.0) |" in text
    assert f"| {loop.ONCE} | 50.00 ms | 25.00 ms | 100.00 ms | +25.0 % (+25.0 to +25.0) |" in text
    assert text.endswith("once an epoch of 10 steps: +25.0 % (+0.0 to +25.0).")


def test_the_learning_rate_must_not_fall() -> None:
    with pytest.raises(ValueError, match=r"rounds must lie in \[1, 29\], got 30"):
        loop.Work(rounds=30)

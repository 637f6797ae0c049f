"""What the platform's loop adds to a bare PyTorch loop that takes the same steps.

The bare loop is what one would write by hand: forward, loss, backward, optimiser, on tensors that lie in
memory. Ours also derives seeds, asks the method, measures gradients and how far encoders move, and brings the
running statistics of batch normalisation up to date once an epoch. Validation is left out of both. After the
last epoch all must hold the same weights, bit for bit, and report the same loss.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.balancing.shapley import config_of, simulated_store
from benchmarks.timing import Measurement, compare
from equipose.models.batch import Batch
from equipose.models.pose_errors import mpjpe
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.loop import train_epoch
from equipose.orchestrator.training.passes import full_plan, planned_batches, recalibrate_batch_statistics
from equipose.orchestrator.training.ranks import Ranks
from equipose.orchestrator.training.state import Training
from equipose.pipelines.batches.source import BatchSource

BARE = "bare loop, tensors in memory"
AGAIN = "the same again"
MEMORY = "our loop, the same tensors in memory"
STORE = "our loop, reading the store"
ONCE = "of that, once an epoch: batch statistics"
EPOCHS_OF_ONE_RATE = 30
"""The bare loop keeps one learning rate; ours lowers it from this epoch on."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is trained, and how often it is timed."""

    frames: int = 12
    """Of each of 64 simulated sequences."""
    preset: str = "small"
    batch: int = 64
    """Rows of a step, over all ranks."""
    rounds: int = 9
    """Epochs that are timed, after one that is not."""

    def __post_init__(self) -> None:
        if not 1 <= self.rounds < EPOCHS_OF_ONE_RATE:
            raise ValueError(f"rounds must lie in [1, {EPOCHS_OF_ONE_RATE - 1}], got {self.rounds}")

    def training(self, store: Path, ranks: Ranks) -> Training:
        """A plain run at its start; the same weights on every call."""
        return build_training(config_of(store, "concat", self.preset, self.batch), ranks=ranks)


class Held(BatchSource):
    """A source whose batches of every epoch lie in memory already."""

    epochs: list[list[Batch]]

    def batches(self, *args: Any, epoch: int | None, **kwargs: Any) -> Iterator[Batch]:
        """Those of a training epoch, whatever rows are asked for."""
        assert epoch is not None
        return iter(self.epochs[epoch])


class Bare:
    """The loop written by hand."""

    def __init__(self, training: Training, epochs: list[list[Batch]]) -> None:
        self.training, self.epochs = training, iter(epochs)
        self.optimizer = torch.optim.Adam(training.model.parameters(), lr=training.schedule.lr)
        self.loss = float("nan")

    def epoch(self) -> None:
        """Every step of the next epoch."""
        model, losses = self.training.wrapped, []
        for batch in next(self.epochs):
            self.optimizer.zero_grad(set_to_none=True)
            loss = mpjpe(model(batch).pose, batch.pose).mean()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.detach())
        self.loss = float(self.training.ranks.mean(torch.stack(losses).double().mean()))


class Ours:
    """The platform's loop."""

    def __init__(self, training: Training, epochs: list[list[Batch]] | None = None) -> None:
        self.training, self.loss = training, float("nan")
        if epochs is not None:
            source = training.train
            training.train = Held(source.store, source.rows, source.config, posed=source.posed)
            training.train.epochs = epochs

    def epoch(self) -> None:
        """Every step of the next epoch, and what the loop does around them."""
        self.loss = train_epoch(self.training)["train/loss"]
        self.training.epoch += 1


def batches_of(training: Training, count: int) -> list[list[Batch]]:
    """This rank's batches of the first epochs, as the loop would load them."""
    epochs = []
    for epoch in range(count):
        training.epoch = epoch
        epochs.append(list(planned_batches(training, full_plan(training))))
    training.epoch = 0
    return epochs


def measured(
    work: Work, store: Path, ranks: Ranks, wrap: Callable[[Training], None] = lambda training: None
) -> tuple[list[Measurement], int]:
    """CPU seconds of an epoch of every candidate, and how many steps it has; raises where numbers differ.

    wrap: puts DDP around a training's model.
    """

    def new() -> Training:
        training = work.training(store, ranks)
        wrap(training)
        return training

    epochs = batches_of(work.training(store, ranks), work.rounds + 1)
    loops = {BARE: Bare(new(), epochs), AGAIN: Bare(new(), epochs)}
    loops |= {MEMORY: Ours(new(), epochs), STORE: Ours(new())}
    candidates: dict[str, Callable[[], object]] = {name: loop.epoch for name, loop in loops.items()}
    candidates[ONCE] = lambda: recalibrate_batch_statistics(loops[STORE].training)
    seconds = compare(candidates, work.rounds, clock=time.process_time)
    for loop in loops.values():
        require_same(loops[BARE], loop)
    return seconds, len(epochs[0])


def require_same(one: Bare | Ours, other: Bare | Ours) -> None:
    """Raise AssertionError unless both have the same weights, bit for bit, and the same loss."""
    mine, theirs = (dict(loop.training.model.named_parameters()) for loop in (one, other))
    torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    torch.testing.assert_close(one.loss, other.loss, rtol=1e-12, atol=0)


def report(title: str, seconds: list[Measurement], steps: int) -> str:
    """Milliseconds per step, what is added to the bare loop, and that without what happens once an epoch."""
    base, by_name = seconds[0].seconds, {m.name: m.seconds for m in seconds}
    lines = [
        f"### {title}",
        "",
        "| candidate | per step | min | max | added to the bare loop (quartiles) |",
        "|---|---|---|---|---|",
    ]
    for m in seconds:
        share = m.seconds if m.name == ONCE else tuple(s - b for s, b in zip(m.seconds, base, strict=True))
        times = " | ".join(f"{1e3 * s / steps:.2f} ms" for s in (m.median, min(m.seconds), max(m.seconds)))
        lines.append(f"| {m.name} | {times} | {added(share, base) if m.name != BARE else ''} |")
    rows = zip(by_name[MEMORY], by_name[ONCE], base, strict=True)
    rest = added(tuple(ours - once - bare for ours, once, bare in rows), base)
    return "\n".join([*lines, "", f"Our loop without what it does once an epoch of {steps} steps: {rest}."])


def added(seconds: tuple[float, ...], base: tuple[float, ...]) -> str:
    """Seconds over those of the bare loop, round by round: the median and the quartiles, per cent."""
    shares = [100 * s / b for s, b in zip(seconds, base, strict=True)]
    low, middle, high = statistics.quantiles(shares, n=4) if len(shares) > 1 else shares * 3
    return f"{middle:+.1f} % ({low:+.1f} to {high:+.1f})"


def table(work: Work | None = None) -> str:
    """One process; Markdown."""
    work = work or Work()
    with tempfile.TemporaryDirectory() as folder:
        store = simulated_store(Path(folder) / "store", work.frames)
        seconds, steps = measured(work, store, Ranks())
    title = (
        f"Training loop, `{work.preset}` preset, batches of {work.batch}, one process; same weights and loss"
    )
    return report(title, seconds, steps)

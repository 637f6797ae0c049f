"""What the platform's loop adds to a bare PyTorch loop that takes the same steps.

The bare loop is what one would write by hand: forward, loss, backward, optimiser, on tensors that lie in
memory. Ours also derives seeds, asks the method and measures gradients in every step; it reads the store; and
once an epoch it plans, measures how far encoders move, and brings the running statistics of batch
normalisation up to date. Validation is left out of both. The loops take every step in turn, on the same
batch, so that other work on the machine disturbs both alike. After every epoch all must hold the same
weights, bit for bit, and report the same loss.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.balancing.shapley import config_of, simulated_store
from benchmarks.timing import cpu_seconds
from equipose.models.batch import Batch
from equipose.models.pose_errors import mpjpe
from equipose.orchestrator.training.build import build_training
from equipose.orchestrator.training.loop import train_epoch
from equipose.orchestrator.training.ranks import Ranks
from equipose.orchestrator.training.state import Training
from equipose.pipelines.batches.source import BatchSource

BARE, AGAIN, OURS = "a step of the bare loop", "the same again", "a step of ours"
READING = "reading a batch of the store"
ONCE = "what ours does once an epoch, over its steps"
CLOCK = time.process_time

Seconds = Mapping[str, Sequence[float]]
"""Name -> CPU seconds: of every step, and, of `READING` and `ONCE`, of every epoch."""

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
    rounds: int = 6
    """Epochs that are timed, after one that is not."""

    def __post_init__(self) -> None:
        if not 1 <= self.rounds < EPOCHS_OF_ONE_RATE:
            raise ValueError(f"rounds must lie in [1, {EPOCHS_OF_ONE_RATE - 1}], got {self.rounds}")

    def training(self, store: Path, ranks: Ranks) -> Training:
        """A plain run at its start; the same weights on every call."""
        return build_training(config_of(store, "concat", self.preset, self.batch), ranks=ranks)


class Bare:
    """The loop written by hand; it is given its batches one by one."""

    def __init__(self, training: Training) -> None:
        self.training, self.losses = training, list[torch.Tensor]()
        self.optimizer = torch.optim.Adam(training.model.parameters(), lr=training.schedule.lr)
        self.seconds: list[float] = []

    def step(self, batch: Batch) -> None:
        """One step."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = mpjpe(self.training.wrapped(batch).pose, batch.pose).mean()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.detach())

    def end_epoch(self) -> float:
        """The mean loss of the epoch's steps, over ranks, m."""
        mean = float(self.training.ranks.mean(torch.stack(self.losses).double().mean()))
        self.losses.clear()
        return mean


class Shared(BatchSource):
    """Our loop's source: others take a step on each batch before it is handed over; all is timed."""

    others: Sequence[Bare]
    steps: list[float]
    """Seconds of our loop's steps: from handing a batch over to being asked for the next one."""
    reading: float
    """Seconds of loading batches since it was last set to 0."""

    def batches(self, *args: Any, **kwargs: Any) -> Iterator[Batch]:
        """Those of the store."""
        loaded = super().batches(*args, **kwargs)
        while True:
            start = CLOCK()
            batch = next(loaded, None)
            self.reading += CLOCK() - start
            if batch is None:
                return
            for other in self.others:
                other.seconds.append(cpu_seconds(partial(other.step, batch)))
            start = CLOCK()
            yield batch
            self.steps.append(CLOCK() - start)


class Ours:
    """The platform's loop, with others beside it."""

    def __init__(self, training: Training, others: Sequence[Bare]) -> None:
        self.training, own = training, training.train
        self.source = Shared(own.store, own.rows, own.config, posed=own.posed)
        self.source.others, self.source.steps, self.source.reading = others, [], 0.0
        training.train = self.source

    def epoch(self) -> tuple[float, dict[str, list[float]]]:
        """The mean loss of the next epoch, m, and the seconds of everything in it."""
        source, others = self.source, self.source.others
        source.reading = 0.0
        for record in (source.steps, *(other.seconds for other in others)):
            record.clear()
        start = CLOCK()
        loss = train_epoch(self.training)["train/loss"]
        inside = [source.reading, *source.steps, *(s for other in others for s in other.seconds)]
        once = CLOCK() - start - sum(inside)
        self.training.epoch += 1
        bare = {name: list(other.seconds) for name, other in zip((BARE, AGAIN), others, strict=True)}
        return loss, {**bare, OURS: list(source.steps), READING: [source.reading], ONCE: [once]}


def measured(
    work: Work, store: Path, ranks: Ranks, wrap: Callable[[Training], None] = lambda training: None
) -> dict[str, list[float]]:
    """CPU seconds of every step and epoch; raises AssertionError where weights or losses differ.

    wrap: puts DDP around a training's model.
    """

    def new() -> Training:
        training = work.training(store, ranks)
        wrap(training)
        return training

    others = (Bare(new()), Bare(new()))
    ours = Ours(new(), others)
    seconds: dict[str, list[float]] = {name: [] for name in (BARE, AGAIN, OURS, READING, ONCE)}
    for epoch in range(work.rounds + 1):
        loss, taken = ours.epoch()
        for other in others:
            require_same(ours.training, loss, other.training, other.end_epoch())
        for name in seconds if epoch else ():
            seconds[name] += taken[name]
    return seconds


def require_same(one: Training, loss: float, other: Training, its_loss: float) -> None:
    """Raise AssertionError unless both have the same weights, bit for bit, and the same loss."""
    mine, theirs = (dict(training.model.named_parameters()) for training in (one, other))
    torch.testing.assert_close(mine, theirs, rtol=0, atol=0)
    torch.testing.assert_close(loss, its_loss, rtol=1e-12, atol=0)


def report(title: str, seconds: Seconds) -> str:
    """Milliseconds per step, and what each adds to the bare loop's step taken in turn with it; Markdown."""
    epochs, bare = len(seconds[ONCE]), seconds[BARE]
    steps = len(bare) // epochs
    # What is known per epoch is set beside the steps of its own epoch.
    of_epoch = [sum(bare[at * steps : (at + 1) * steps]) for at in range(epochs)]
    lines = [
        f"### {title}",
        "",
        f"{epochs} epochs of {steps} steps. Same weights, bit for bit, and same loss after each.",
        "",
        "| what | median | min | max | added to a step of the bare loop (quartiles) |",
        "|---|---|---|---|---|",
    ]
    for name, values in seconds.items():
        each = values if name in (BARE, AGAIN, OURS) else [value / steps for value in values]
        spread = (statistics.median(each), min(each), max(each))
        times = " | ".join(f"{1e3 * s:.2f} ms" for s in spread)
        if name in (AGAIN, OURS):
            share = added([s - b for s, b in zip(values, bare, strict=True)], bare)
        else:
            share = "" if name == BARE else added(values, of_epoch)
        lines.append(f"| {name} | {times} | {share} |")
    return "\n".join(lines)


def added(seconds: Sequence[float], base: Sequence[float]) -> str:
    """Seconds over those of the bare loop, pair by pair: the median and the quartiles, per cent."""
    shares = [100 * s / b for s, b in zip(seconds, base, strict=True)]
    low, middle, high = statistics.quantiles(shares, n=4) if len(shares) > 1 else shares * 3
    return f"{middle:+.1f} % ({low:+.1f} to {high:+.1f})"


def table(work: Work | None = None) -> str:
    """One process; Markdown."""
    work = work or Work()
    with tempfile.TemporaryDirectory() as folder:
        seconds = measured(work, simulated_store(Path(folder) / "store", work.frames), Ranks())
    return report(f"Training loop, `{work.preset}` preset, batches of {work.batch}, one process", seconds)

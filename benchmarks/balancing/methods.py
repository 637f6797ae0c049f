"""What every balancing method adds to plain training: to a step, and to the start of an epoch.

CPU time on one torch thread, batches from memory, so neither the loader nor validation counts. The data is
random numbers of the right shapes: times do not depend on their values, but the rows that resampling adds
do. `python -m benchmarks.balancing.methods mlp tiny` takes another fusion and preset.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from benchmarks.models.models import MEAN_POSE, random_batch
from benchmarks.timing import compare, one_thread
from equipose.balancing.method import Method, StepContext
from equipose.balancing.registry import METHODS, build_method
from equipose.balancing.run import EpochPlan, Run
from equipose.balancing.train_step import take_step
from equipose.models.batch import Batch, rows_of
from equipose.models.build import ModelConfig, build_model
from equipose.models.model import PoseModel
from equipose.models.pose_errors import mpjpe
from equipose.models.randomness import torch_rng

AWC_BOUND = 10.0
"""Per cent of a plain step, outside the Fisher pass."""
CYCLE = 8
"""Steps of one measurement: ReconBoost's turns differ, and with four modalities they repeat after eight."""
FIRST_DUE = {"modality_resampling": 5, "sample_resampling": 5, "g_blending": 10, "relearning": 20}
"""Method -> the first epoch whose start costs it anything, with the default settings; 1 for all others."""
HOW_OFTEN = {
    "modality_resampling": "every epoch after the first 5",
    "sample_resampling": "every epoch after the first 5",
    "g_blending": "every 10 epochs",
    "relearning": "every 20 epochs, at most 3 times",
}
"""Method -> when epochs are due, if not all of them."""
SCORES = torch.tensor([4.0, 3.0, 1.0, 0.5], dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one method costs."""

    name: str
    step_s: float
    """Seconds of a step: median over cycles of a cycle's mean."""
    added: float
    """A cycle over the plain one taken in turn with it, minus 1; median over cycles."""
    spread: tuple[float, float]
    """Quartiles of the same."""
    start_s: float
    """Median seconds of `plan_epoch` and `on_epoch_start` in an epoch in which it is due."""
    share: float
    """The same over the plain steps of an epoch."""
    visits: float
    """Length of that epoch's plan over the data, minus 1."""


class Trainee:
    """A model of its own under one method, in an epoch in which the method is due."""

    def __init__(self, name: str, config: ModelConfig, batches: list[Batch]) -> None:
        self.batches = batches
        self.method: Method = build_method(METHODS[name].Config())
        heads = "unimodal_heads" in self.method.needs
        self.model: PoseModel = build_model(
            replace(config, unimodal_heads=heads), mean_pose=MEAN_POSE, seed=0
        )
        self.optimizer = torch.optim.Adam(self.model.parameters())
        self.start_epoch(0)
        self.remembered = self.method.state_dict()
        self.epoch = FIRST_DUE.get(name, 1)
        self.steps = 0
        self.plan = self.start_due_epoch()

    def run(self, epoch: int) -> Run:
        """The method's view of an epoch; validation data is as much as training data."""
        return Run(
            model=self.model,
            epoch=epoch,
            epochs=100,
            seed=0,
            loss=mpjpe,
            batches=lambda: self.batches,
            shuffled=lambda: self.batches,
            validation_batches=lambda: self.batches,
            contributions=SCORES,
        )

    def start_epoch(self, epoch: int) -> EpochPlan:
        """What the loop asks of a method before an epoch's first step."""
        run = self.run(epoch)
        indices = torch.cat([batch.index for batch in self.batches])
        present = torch.cat([batch.present for batch in self.batches])
        plan = self.method.plan_epoch(EpochPlan(indices=indices, present=present), run)
        self.method.on_epoch_start(run)
        return plan

    def start_due_epoch(self) -> EpochPlan:
        """The start of the epoch that is due, as after epoch 0, however often it is called."""
        self.method.load_state_dict(self.remembered)
        return self.start_epoch(self.epoch)

    def step(self) -> None:
        """The next training step of that epoch."""
        index, run = self.steps, self.run(self.epoch)
        batch = self.batches[index % len(self.batches)]
        context = StepContext(
            run=run,
            wrapped=self.model,
            optimizer=self.optimizer,
            batch=batch,
            index=index,
            rng=torch_rng(0, "method", self.epoch, index),
        )
        take_step(self.method, context)
        self.steps += 1


def batches_in_memory(count: int, size: int) -> list[Batch]:
    """Random readings with actions as labels, rows counted through."""
    rows = count * size
    whole = replace(random_batch(rows), labels={"action": 1 + torch.arange(rows) % 27})
    return [rows_of(whole, slice(start, start + size)) for start in range(0, rows, size)]


def step_means(seconds: tuple[float, ...]) -> list[float]:
    """Mean of every cycle of steps."""
    return [statistics.mean(seconds[i : i + CYCLE]) for i in range(0, len(seconds), CYCLE)]


def row_of(name: str, trainee: Trainee, plain: Trainee, rounds: int, starts: int) -> Row:
    """Steps in turn with plain ones, then epoch starts."""
    base, own = compare(
        {"plain": plain.step, f"{name} itself": trainee.step},
        rounds=rounds * CYCLE,
        warmup=2,
        clock=time.process_time,
    )
    plain_s, own_s = step_means(base.seconds), step_means(own.seconds)
    ratios = [b / a for a, b in zip(plain_s, own_s, strict=True)]
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    (start,) = compare({name: trainee.start_due_epoch}, rounds=starts, warmup=0, clock=time.process_time)
    visits = len(trainee.plan.indices) / sum(len(batch) for batch in trainee.batches)
    return Row(
        name=name,
        step_s=statistics.median(own_s),
        added=statistics.median(ratios) - 1,
        spread=(quartiles[0] - 1, quartiles[2] - 1),
        start_s=start.median,
        share=start.median / (statistics.median(plain_s) * len(trainee.batches)),
        visits=visits - 1,
    )


def measured(config: ModelConfig, *, batches: int, size: int, rounds: int, starts: int) -> Iterator[Row]:
    """One row per registered method."""
    data = batches_in_memory(batches, size)
    plain = Trainee("plain", config, data)
    for name in METHODS:
        yield row_of(name, Trainee(name, config, data), plain, rounds, starts)


def line(row: Row) -> str:
    """The row as Markdown."""
    low, high = row.spread
    return (
        f"| {row.name} | {1000 * row.step_s:.1f} ms | {100 * row.added:+.1f} % "
        f"({100 * low:+.1f} to {100 * high:+.1f}) | {row.start_s:.3f} s | {100 * row.share:.0f} % "
        f"| {100 * row.visits:+.0f} % | {HOW_OFTEN.get(row.name, 'every epoch')} |"
    )


def main(
    fusion: str = "concat",
    preset: str = "small",
    *,
    batches: int = 8,
    size: int = 64,
    rounds: int = 9,
    starts: int = 3,
) -> str:
    """The table as Markdown, and whether AWC keeps its bound."""
    config = ModelConfig(fusion=fusion, preset=preset)  # type: ignore[arg-type]
    with one_thread():
        rows = list(measured(config, batches=batches, size=size, rounds=rounds, starts=starts))
    awc = next(row for row in rows if row.name == "awc")
    return "\n".join(
        [
            f"### Methods, fusion {fusion}, preset `{preset}`, batches of {size}, CPU time",
            "",
            "| method | step | added to a plain step (quartiles) | start of a due epoch "
            f"| of {batches} plain steps | visits added | due |",
            "|---|---|---|---|---|---|---|",
            *map(line, rows),
            "",
            f"AWC outside its Fisher pass: {100 * awc.added:+.1f} % (bound {AWC_BOUND:.0f} %).",
        ]
    )


if __name__ == "__main__":
    print(main(*sys.argv[1:]))

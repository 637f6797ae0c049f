"""What a sweep of streams can be asked for, and the sweep that such options describe."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from equipose.experiments.presets.continual import CONTINUALS, ContinualOptions, continual_config
from equipose.experiments.presets.names import ContinualPresetName
from equipose.orchestrator.jobs.location import Kind

if TYPE_CHECKING:
    from equipose.orchestrator.stream_sweep.config import StreamSweepConfig


@dataclass(frozen=True, kw_only=True)
class StreamSweepSizes:
    """What a preset decides about a sweep of streams besides its data, widths and epochs."""

    strategies: tuple[str, ...]
    trials: int
    """Per strategy."""


TUNED = ("l2", "si", "ewc", "weight_averaging", "lwf", "replay", "derpp", "noisy nis+replay")
"""One of every kind that has a dial."""
STREAM_SWEEPS: Mapping[ContinualPresetName, StreamSweepSizes] = {
    "smoke": StreamSweepSizes(strategies=("ewc", "replay"), trials=2),
    "quick": StreamSweepSizes(strategies=TUNED, trials=6),
    "paper": StreamSweepSizes(strategies=TUNED, trials=10),
}
"""Data, widths and epochs are those of the continual job of the same name."""


@dataclass(frozen=True, kw_only=True)
class StreamSweepOptions(ContinualOptions):
    """Options of `equipose sweep --work continual`."""

    kind: ClassVar[Kind] = "sweeps"
    verb: ClassVar[str] = "sweep"
    grows: ClassVar[Literal["trials", "seeds"]] = "trials"

    seeds: int = 1
    orders: int = 1
    seed: int
    """Of the search, and, 1000 higher, of weights and batches."""
    trials: int
    """Streams per strategy."""
    memory: bool = False
    """Also search how many rows a memory keeps."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trials < 1:
            raise ValueError(f"trials must be at least 1, got {self.trials}")

    @property
    def stem(self) -> str:
        return f"streams-{self.data}-{self.preset}"

    @property
    def extent(self) -> int:
        return self.trials

    def resume_command(self, out: Path) -> str:
        """The command that resumes the job, to be copied."""
        words = shlex.split(super().resume_command(out))
        return shlex.join([*words[:2], "--work", "continual", *words[2:]])


def stream_sweep_config(
    name: str, options: StreamSweepOptions, store: str, noisy_store: str | None = None
) -> StreamSweepConfig:
    """The sweep that a job's options describe, sized for this machine or cluster.

    Raises ValueError that names the option that is wrong.
    """
    from equipose.orchestrator.cluster.capacity import Resources
    from equipose.orchestrator.line_sweep.config import TUNING_SEED, sized
    from equipose.orchestrator.stream_sweep.config import StreamSweepConfig

    job = continual_config(name, options, store, noisy_store)
    job = replace(job, seeds=(TUNING_SEED + options.seed,))
    return sized(
        StreamSweepConfig(
            job=job,
            trials=options.trials,
            memory=options.memory,
            seed=options.seed,
            resources=Resources(workers=options.workers, gpu=options.gpu),
        )
    )


def default_strategies(preset: ContinualPresetName, noisy: bool) -> tuple[str, ...]:
    """The strategies of a preset; `noisy` ones only where there is contaminated data."""
    return tuple(name for name in STREAM_SWEEPS[preset].strategies if noisy or not name.startswith("noisy "))


def default_epochs(preset: ContinualPresetName) -> int:
    """Epochs of a task."""
    return CONTINUALS[preset].sizes.epochs

"""What a sweep of streams searches: for every strategy its dials, all strategies with equal budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.continual.config import ContinualConfig, Strategy, Stream
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.line_sweep.config import Search, check_budget, untested
from equipose.orchestrator.stream_sweep.dials import dials_of, turned
from equipose.orchestrator.training.config import TrainConfig

OBJECTIVE = "stream/validation_mm"
"""What a sweep of streams minimises: the mean error on the validation parts of all tasks, after the last."""


@dataclass(frozen=True, kw_only=True)
class StreamSweepConfig:
    """One sweep of streams: the job whose strategies are tuned, and the budget of each."""

    objective: ClassVar[str] = OBJECTIVE
    grows: ClassVar[bool] = True
    """The error on the tasks so far means something after every task."""

    job: ContinualConfig
    """Its strategies, tasks and data; one seed and one order."""
    trials: int = 5
    """Streams per strategy; one without dials, such as fine-tuning, learns a single one."""
    memory: bool = False
    """Also search how many rows a memory keeps. More is better and costs more, so the search takes most."""
    seed: int = 0
    """Of the search."""
    resources: Resources
    concurrency: int = 1

    def __post_init__(self) -> None:
        check_budget(self)
        for what, values in (("seeds", self.job.seeds), ("orders", self.job.orders)):
            if len(values) != 1:
                raise ValueError(f"a sweep of streams has one of {what}, got {list(values)}; keep the first")
        shapes = [one.name for one in self.job.strategies if one.shape != "stream"]
        if shapes:
            raise ValueError(f"strategies {shapes} are references without anything to tune; leave them out")
        if not any(search.dials for search in self.searches()):
            names = [one.name for one in self.job.strategies]
            raise ValueError(f"none of the strategies {names} has anything to tune; add one, such as ewc")

    @property
    def name(self) -> str:
        """Of the sweep and its folder."""
        return self.job.name

    @property
    def base(self) -> TrainConfig:
        """What all runs vary."""
        return self.job.base

    @property
    def length(self) -> int:
        """Tasks of a stream."""
        return len(self.job.tasks)

    @property
    def total(self) -> int:
        """Trials of all strategies."""
        return sum(search.trials for search in self.searches())

    def searches(self) -> tuple[Search, ...]:
        """The search of every strategy."""
        found = []
        for one in self.job.strategies:
            dials = dials_of(one.config, self.job.base.epochs, memory=self.memory)
            trials = self.trials if dials else 1
            found.append(Search(name=one.name, dials=dials, trials=trials, seed=self.seed))
        return tuple(found)

    def strategy(self, name: str, values: Mapping[str, float]) -> Strategy:
        """A strategy with its dials at `values`."""
        one = next(one for one in self.job.strategies if one.name == name)
        return replace(one, method=turned(one.config, values))

    def runs(self, name: str, values: Mapping[str, float]) -> tuple[RunSpec, ...]:
        """The runs of a trial, one per task. None of them reads a test part."""
        job = self.job
        stream = Stream(
            strategy=self.strategy(name, values),
            seed=job.seeds[0],
            order=job.orders[0],
            tasks=job.ordered(job.orders[0]),
        )
        return tuple(untested(spec) for spec in job.runs(stream))

    def value(self, result: RunResult) -> float:
        """See `validation_so_far`."""
        return validation_so_far(result)

    def prefix(self, spec: RunSpec) -> str:
        """None: the tasks of a stream continue each other's curves."""
        return ""

    def tags(self, search: str, values: Mapping[str, float]) -> dict[str, str]:
        """The strategy."""
        return {"strategy": search}


def validation_so_far(result: RunResult) -> float:
    """Mean error over the validation parts of the tasks learnt so far, mm; infinite for a run that diverged.

    Every task counts alike, however many frames it has.
    """
    last = result.history[-1]
    if "val/mpjpe_mm" not in last:
        return math.inf
    earlier = [v for name, v in last.items() if name.startswith("task/") and name.endswith("/val/mpjpe_mm")]
    return sum([*earlier, last["val/mpjpe_mm"]]) / (len(earlier) + 1)

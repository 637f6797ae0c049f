"""What a sweep of streams searches: for every strategy its dials, all strategies with equal budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.continual.config import ContinualConfig, Strategy, Stream
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.stream_sweep.dials import Dial, dials_of, turned
from equipose.pipelines.files.path_safety import check_name

OBJECTIVE = "stream/validation_mm"
"""What a sweep of streams minimises: the mean error on the validation parts of all tasks, after the last."""
TUNING_SEED = 1000
"""Added to a sweep's seed, so that no setting is chosen for luck with a seed that a continual job uses."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """The search of one strategy, which has a study of its own."""

    name: str
    """The strategy's."""
    dials: tuple[Dial, ...]
    trials: int
    seed: int

    def enqueued(self) -> list[dict[str, Any]]:
        """The strategy as it is comes first, so a gain is one over its own setting."""
        return [{dial.name: int(dial.default) if dial.whole else dial.default for dial in self.dials}]


@dataclass(frozen=True, kw_only=True)
class StreamSweepConfig:
    """One sweep of streams: the job whose strategies are tuned, and the budget of each."""

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
        check_name(self.job.name, "sweep name")
        for what, count in (("trials", self.trials), ("concurrency", self.concurrency)):
            if count < 1:
                raise ValueError(f"{what} must be at least 1, got {count}")
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


def untested(spec: RunSpec) -> RunSpec:
    """A run, and those that lead to it, without any test part."""
    before = untested(spec.init_from) if spec.init_from else None
    return replace(spec, stage="tuning", tested_on=(), init_from=before)

"""What every sweep of lines of runs has: searches with their dials and budgets, and the runs of a trial."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.line_sweep.dials import AnyDial, own_point
from equipose.orchestrator.ray_train.sizing import concurrent_runs_of
from equipose.orchestrator.training.config import TrainConfig
from equipose.pipelines.files.path_safety import check_name

TUNING_SEED = 1000
"""Added to a sweep's seed, so that no setting is chosen for luck with a seed that another job uses."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """One search, which has a study of its own."""

    name: str
    """In a sweep of streams the strategy's."""
    dials: tuple[AnyDial, ...]
    trials: int
    seed: int

    def enqueued(self) -> list[dict[str, Any]]:
        """The setting as it is comes first, so a gain is one over it."""
        return [own_point(self.dials)]


class LineSweep(Protocol):
    """What such a sweep says of itself. Its config is a dataclass."""

    @property
    def name(self) -> str:
        """Of the sweep and its folder."""

    @property
    def objective(self) -> str:
        """Name of what is minimised, as in MLflow."""

    @property
    def grows(self) -> bool:
        """Whether the objective means something after every run of a trial, or after the last one only."""

    @property
    def length(self) -> int:
        """Runs of a whole trial."""

    @property
    def total(self) -> int:
        """Trials of all searches."""

    @property
    def trials(self) -> int:
        """Of each search."""

    @property
    def base(self) -> TrainConfig:
        """The run that stands for all."""

    @property
    def resources(self) -> Resources:
        """Of every run."""

    @property
    def concurrency(self) -> int:
        """Trials at once."""

    def searches(self) -> tuple[Search, ...]:
        """All searches."""

    def runs(self, search: str, values: Mapping[str, Any]) -> tuple[RunSpec, ...]:
        """The runs of a trial of a search, in their order. None of them reads a test part."""

    def value(self, result: RunResult) -> float:
        """The objective after a run, mm, on validation parts; infinite for a run that diverged."""

    def prefix(self, spec: RunSpec) -> str:
        """What the metrics of a run begin with in its trial's record: empty, or such as `image/`."""

    def tags(self, search: str, values: Mapping[str, Any]) -> dict[str, str]:
        """Of a trial in MLflow."""


Sweep = TypeVar("Sweep", bound=LineSweep)


def check_budget(config: LineSweep) -> None:
    """Raise ValueError for a name that is no file's, and for a sweep without trials or room for one."""
    check_name(config.name, "sweep name")
    for what, count in (("trials", config.trials), ("concurrency", config.concurrency)):
        if count < 1:
            raise ValueError(f"{what} must be at least 1, got {count}")


def sized(config: Sweep) -> Sweep:
    """The same sweep, as wide as the machine or cluster at hand has room for."""
    planned = config.resources
    concurrency, resources = concurrent_runs_of(
        config.base, planned.workers, gpu=planned.gpu, limit=config.total
    )
    changed: Any = replace(config, concurrency=concurrency, resources=resources)  # type: ignore[type-var]
    found: Sweep = changed
    return found


def untested(spec: RunSpec) -> RunSpec:
    """A run, and those that lead to it, without any test part."""
    before = untested(spec.init_from) if spec.init_from else None
    return replace(
        spec, stage="tuning", evaluate=False, routes=False, tested_on=(), tested_also=(), init_from=before
    )

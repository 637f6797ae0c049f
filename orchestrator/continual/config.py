"""What a continual job is: strategies x seeds x orders of tasks, and the runs that it consists of.

A strategy is the shape of a stream and a method. Every task is a run of the grid that starts at the end of
the one before, so what strategies have in common (their first task, where the method joins late) is trained
once, and an interrupted stream resumes inside the task that it had reached.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import Literal

from equipose.balancing.method import MethodConfig
from equipose.balancing.registry import METHODS, build_method
from equipose.models.randomness import numpy_rng
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.training.config import TrainConfig
from equipose.pipelines.protocols import Task, union

Shape = Literal["stream", "joint", "cumulative", "alone"]
FINETUNE = "finetune"
"""The strategy that all others are compared to: plain training, task after task."""
REFERENCE_SHAPES: tuple[Shape, ...] = ("joint", "cumulative", "alone")
"""Shapes that are no strategy of their own: they see all data, or forget on purpose."""


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """How a stream of tasks is learnt.

    Examples:
        >>> Strategy(name="joint", shape="joint").method is None
        True
    """

    name: str
    shape: Shape = "stream"
    """`stream`: every task from the weights of the one before. `joint`: all tasks at once, in as many steps
    as the stream. `cumulative`: every task together with all before it, the weights carried on. `alone`:
    every task from new weights."""
    method: MethodConfig | None = None
    """None is plain training."""
    noisy: bool = False
    """Whether it learns from the contaminated copy of the data; it is tested on clean readings."""

    def __post_init__(self) -> None:
        build_method(self.config)  # methods that do not go together are named before anything is trained
        if self.shape != "stream" and self.method is not None:
            raise ValueError(
                f"strategy {self.name!r} is a {self.shape} reference, which trains plainly; drop its method"
            )

    @property
    def config(self) -> MethodConfig:
        """Of the method."""
        return self.method if self.method is not None else METHODS["plain"].Config()


def parts_of(name: str) -> list[str]:
    """The methods in a strategy's name, with their settings.

    Examples:
        >>> parts_of("nis+ewc:strength=1e+03")
        ['nis', 'ewc:strength=1e+03']
    """
    return re.split(r"\+(?=[a-z])", name)


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One strategy on one order of tasks with one seed."""

    strategy: Strategy
    seed: int
    order: int
    tasks: tuple[Task, ...]
    """In the order in which they are learnt."""

    @property
    def name(self) -> str:
        """Such as `ewc s0 o0`."""
        return f"{self.strategy.name} s{self.seed} o{self.order}"


@dataclass(frozen=True, kw_only=True)
class ContinualConfig:
    """Which strategies learn which tasks, in which orders, how often."""

    name: str
    base: TrainConfig
    """The run that all others vary; its epochs are those of one task."""
    tasks: tuple[Task, ...]
    """In the order of order 0."""
    strategies: tuple[Strategy, ...]
    """Must include `finetune`, which all others are compared to."""
    seeds: tuple[int, ...] = (0, 1, 2)
    orders: tuple[int, ...] = (0,)
    """0 is the order of `tasks`, every other number a shuffled one."""
    noisy_store: str | None = None
    """The same frames with contaminated readings of the people that are not tested."""
    workers: int = 1

    def __post_init__(self) -> None:
        names = [strategy.name for strategy in self.strategies]
        if FINETUNE not in names:
            raise ValueError(f"strategies {names} lack {FINETUNE!r}, which all are compared to; add it")
        if len(self.tasks) < 2:
            raise ValueError(f"a stream needs two tasks or more, got {[task.name for task in self.tasks]}")
        for what, values in (("strategies", names), ("seeds", self.seeds), ("orders", self.orders)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{what} must be different and at least one, got {list(values)}")
        possible = math.factorial(len(self.tasks))
        if min(self.orders) < 0 or max(self.orders) >= possible:
            raise ValueError(
                f"orders are numbers from 0 to {possible - 1} for {len(self.tasks)} tasks, got {self.orders}"
            )
        noisy = [strategy.name for strategy in self.strategies if strategy.noisy]
        if noisy and self.noisy_store is None:
            raise ValueError(f"strategies {noisy} need contaminated data; give noisy_store, or drop them")
        union(self.tasks)

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the strategies, for the parameters of the job's run."""
        return tuple(strategy.name for strategy in self.strategies)

    @property
    def everything(self) -> Task:
        """All tasks at once."""
        return union(self.tasks)

    def ordered(self, order: int) -> tuple[Task, ...]:
        """The tasks in an order: a function of its number; different numbers give different orders."""
        found = [tuple(range(len(self.tasks)))]
        draws = numpy_rng(0, "orders of tasks")
        while len(found) <= order:
            drawn = tuple(draws.permutation(len(self.tasks)).tolist())
            found += [drawn] * (drawn not in found)
        return tuple(self.tasks[position] for position in found[order])

    def streams(self) -> list[Stream]:
        """Every strategy, seed and order; seeds vary slowest, so an interrupted job has complete ones."""
        return [
            Stream(strategy=strategy, seed=seed, order=order, tasks=self.ordered(order))
            for seed in self.seeds
            for order in self.orders
            for strategy in self.strategies
        ]

    def runs(self, stream: Stream) -> tuple[RunSpec, ...]:
        """The runs of a stream, one per task in its order; a single one for joint training."""
        if stream.strategy.shape == "joint":
            joint = self._run(stream, self.everything, METHODS["plain"].Config(), name=stream.name)
            return (joint,)
        runs: list[RunSpec] = []
        for position, task in enumerate(stream.tasks):
            first = not runs or stream.strategy.shape == "alone"
            rows = self._together(stream.tasks[: position + 1], stream.strategy.shape == "cumulative")
            earlier = stream.tasks[:position] if stream.strategy.shape == "stream" else ()
            run = self._run(
                stream,
                rows,
                self._method(stream.strategy, first=first),
                name=f"{stream.name} {position + 1} {task.name}",
                earlier=tuple(one.split for one in earlier),
                init_from=None if first else runs[-1],
            )
            runs.append(run)
        return tuple(runs)

    def _together(self, learnt: tuple[Task, ...], cumulative: bool) -> Task:
        """What a run trains on: the last task, or all so far, in one order whatever that of the stream."""
        return union(tuple(task for task in self.tasks if task in learnt)) if cumulative else learnt[-1]

    def _store(self, strategy: Strategy) -> str:
        """Clean data, or the contaminated copy."""
        return self.noisy_store if strategy.noisy and self.noisy_store else self.base.data.store

    def _method(self, strategy: Strategy, *, first: bool) -> MethodConfig:
        """A strategy's method; on the first task the plain one, where the method would not differ from it."""
        config = strategy.config
        if first and build_method(config).joins_late:
            return METHODS["plain"].Config()
        return config

    def _run(
        self,
        stream: Stream,
        rows: Task,
        method: MethodConfig,
        *,
        name: str,
        earlier: tuple[str, ...] = (),
        init_from: RunSpec | None = None,
    ) -> RunSpec:
        config = replace(
            self.base,
            data=replace(self.base.data, split=rows.split, store=self._store(stream.strategy)),
            method=method,
            seed=stream.seed,
            earlier_tasks=earlier,
        )
        return RunSpec(
            name=name,
            config=config,
            stage="task",
            workers=self.workers,
            evaluate=False,
            select="last",  # the best on a task's validation part lacks what the method keeps of the task
            init_from=init_from,
            tested_on=self.tasks,
        )

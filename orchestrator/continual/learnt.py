"""A stream whose runs have ended: its labels, its costs, and the tables of what was measured on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from torch import Tensor

from equipose.balancing.registry import build_method
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.continual.config import Stream
from equipose.orchestrator.grid.run_one import RunsFolder, evaluation_on
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.pipelines.protocols import Task
from equipose.pipelines.statistics.streams.metrics import worst_on_the_way


@dataclass(frozen=True, kw_only=True)
class LearntStream:
    """A stream whose runs have all ended."""

    stream: Stream
    specs: tuple[RunSpec, ...]
    results: tuple[RunResult, ...]
    """Of the runs, in the order of the tasks; a single one for joint training."""

    @property
    def labels(self) -> dict[str, Any]:
        """Columns that tell streams apart in tables."""
        return {
            "strategy": self.stream.strategy.name,
            "seed": self.stream.seed,
            "order": self.stream.order,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Of the tasks, in their order."""
        return tuple(task.name for task in self.stream.tasks)

    def costs(self) -> dict[str, float]:
        """Seconds of training of the whole stream (other work on the machine included), steps, and what the
        method keeps when it has ended: bytes, and rows of earlier tasks."""
        kept = checkpoints.load(self.results[-1].folder / "last")["method"]
        method = build_method(self.results[-1].config.method)
        method.load_state_dict(kept)
        rows = 0 if method.memory is None else len(method.memory)
        steps = ("steps/method", "steps/plain")
        return {
            "seconds": sum(sum(result.series("time/train_s")) for result in self.results),
            "steps": sum(result.history[-1][name] for result in self.results for name in steps),
            "kept_bytes": float(kept_bytes(kept)),
            "memory_rows": float(rows),
        }

    def worst_mm(self) -> float:
        """The stability gap: see `statistics.streams.metrics.worst_on_the_way`; NaN outside of streams."""
        if self.stream.strategy.shape != "stream":
            return float("nan")
        curves = []
        for position, name in enumerate(self.names):
            own = [self.results[position].history[-1]["val/mpjpe_mm"]]
            later = [
                error
                for result in self.results[position + 1 :]
                for error in result.series(f"task/{name}/val/mpjpe_mm")
            ]
            curves.append([*own, *later])
        return worst_on_the_way(curves)


def kept_bytes(state: Any) -> int:
    """Bytes of memory behind all tensors of a nested state.

    An expanded tensor (the importance of 1 that L2 has for every weight) is one number in memory.
    """
    stores = [tensor.untyped_storage() for tensor in tensors_in(state)]
    return sum({store.data_ptr(): store.nbytes() for store in stores}.values())


def tensors_in(state: Any) -> list[Tensor]:
    """All tensors of a nested state."""
    if isinstance(state, Tensor):
        return [state]
    inside = state.values() if isinstance(state, dict) else state if isinstance(state, (list, tuple)) else ()
    return [tensor for item in inside for tensor in tensors_in(item)]


def error_rows(learnt: LearntStream, tasks: Sequence[Task], runs: RunsFolder) -> pl.DataFrame:
    """The error table of a stream, see `equipose.pipelines.statistics.streams.errors`."""
    parts = []
    for after, spec in enumerate(learnt.specs):
        for task in tasks:
            frames = evaluation_on(spec, task, runs).frames
            sums = frames.group_by("subset", "subject", maintain_order=True).agg(
                error_sum_mm=pl.col("mpjpe_mm").sum(), count=pl.len()
            )
            parts.append(sums.with_columns(after=pl.lit(after, pl.Int64), task=pl.lit(task.name)))
    labels = {name: pl.lit(value) for name, value in learnt.labels.items()}
    return pl.concat(parts).with_columns(**labels).cast({"seed": pl.Int64, "order": pl.Int64})


def contribution_rows(learnt: LearntStream, tasks: Sequence[Task], runs: RunsFolder) -> pl.DataFrame:
    """`STREAM`, `after`, `task`, `sensor`, `shapley`: the contributions on every task after every task."""
    rows = []
    for after, spec in enumerate(learnt.specs):
        for task in tasks:
            report = evaluation_on(spec, task, runs).report
            for sensor, value in zip(report.modalities, report.shapley.tolist(), strict=True):
                rows.append(
                    {**learnt.labels, "after": after, "task": task.name, "sensor": sensor, "shapley": value}
                )
    return pl.DataFrame(rows)

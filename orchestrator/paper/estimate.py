"""How long a rebuild of the tables takes here, before anything of it starts: from measured steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from equipose.balancing.registry import METHODS, method_name
from equipose.models.build import Fusion
from equipose.orchestrator.grid.run_one import RunsFolder, result_of
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.paper.plan import PaperConfig, distinct
from equipose.orchestrator.ray_train.sizing import concurrent_runs_of
from equipose.orchestrator.training.build import build_training, own_device
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import OpenedData, RunData
from equipose.orchestrator.training.loop import fit

PROBE_BATCHES = 3
START_SECONDS = 2.0
"""Of a cell besides its epochs: opening the store, building the model, telling MLflow."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What is there, what is missing, and how long it takes."""

    cells: tuple[RunSpec, ...]
    kept: frozenset[str]
    """Names of the cells that have ended."""
    seconds: dict[str, float]
    """RunSpec name -> seconds on one worker, for the missing ones."""
    concurrency: int

    @property
    def hours(self) -> float:
        """Of everything that is missing, side by side as far as there is room."""
        return sum(self.seconds.values()) / self.concurrency / 3600


def estimate(config: PaperConfig, folder: Path, *, gpu: bool = False) -> Estimate:
    """Look which cells are there, and measure a few steps of what is not.

    Every method is probed in the first fusion and every fusion with plain training; the rest follows from
    their ratios. Subsets of sensors count like all sensors, which is too much rather than too little.
    """
    cells = tuple(distinct(config.cells()))
    concurrency, resources = concurrent_runs_of(config.base, config.workers, gpu=gpu, limit=len(cells))
    place = RunsFolder(root=folder, resources=resources)
    ended = {cell.name: result for cell in cells if (result := result_of(cell, place)) is not None}
    missing = [cell for cell in cells if cell.name not in ended]
    paces = dict(_paces(missing, list(ended.values()), place.opened))
    seconds = {cell.name: START_SECONDS + cell.config.epochs * paces[cell.name] for cell in missing}
    return Estimate(cells=cells, kept=frozenset(ended), seconds=seconds, concurrency=concurrency)


def probe(config: TrainConfig, data: RunData) -> float:
    """Seconds per training row and epoch: the second epoch over a few batches, validation in proportion."""
    rows, held_out = len(data.rows["train"]), len(data.rows["validation"])
    batch = config.data.batch.batch_size
    stride = max(1, rows // (PROBE_BATCHES * batch))
    few = {"train": data.rows["train"][::stride], "validation": data.rows["validation"][:batch]}
    training = build_training(replace(config, epochs=2), replace(data, rows=few), device=own_device())
    _, measured = fit(training)
    seen = len(training.train)
    validation = measured.metrics["time/validation_s"] / len(training.validation) * held_out
    return measured.metrics["time/train_s"] / seen + validation / rows


def _kind(config: TrainConfig) -> tuple[str, str]:
    return method_name(config.method), config.model.fusion


def _paces(missing: list[RunSpec], ended: list[RunResult], opened: OpenedData) -> Iterator[tuple[str, float]]:
    """(cell name, seconds per epoch), from ended cells of the same kind and data, or from probes."""
    known = {(*_kind(r.config), r.config.data): r.costs()["epoch_s"] for r in ended}
    probed: dict[tuple[str, str], float] = {}

    def pace(config: TrainConfig) -> float:
        kind = _kind(config)
        if kind not in probed:
            probed[kind] = probe(config, opened.of(config.data))
        return probed[kind]

    for cell in missing:
        config = cell.config
        if (*_kind(config), config.data) in known:
            yield cell.name, known[*_kind(config), config.data]
            continue
        plain = replace(config, method=METHODS["plain"].Config())
        in_concat = pace(_with_fusion(config, "concat"))
        ratio = pace(plain) / pace(_with_fusion(plain, "concat"))
        yield cell.name, len(opened.of(config.data).rows["train"]) * in_concat * ratio


def _with_fusion(config: TrainConfig, fusion: Fusion) -> TrainConfig:
    return replace(config, model=replace(config.model, fusion=fusion))


def plan_lines(config: PaperConfig, found: Estimate) -> list[str]:
    """What is printed of a plan: per table its runs, those that are there, and the time of the others."""
    lines = []
    for table in config.tables:
        mine = {
            cell.name for place, cells in config.cells().items() if place.table == table for cell in cells
        }
        lines.append(f"{table:<12}{len(mine):>5} runs, {len(mine & found.kept)} there")
    lines += [f"  {cell.name}{'  (there)' if cell.name in found.kept else ''}" for cell in found.cells]
    lines.append(
        f"{len(found.cells)} runs in all (tables share some), {len(found.kept)} there, "
        f"{len(found.seconds)} to train, {found.concurrency} at a time: about {shown_hours(found.hours)} "
        "here, from a few measured steps"
    )
    return lines


def shown_hours(hours: float) -> str:
    """`12 minutes`, `3.4 hours`, `2.1 days`."""
    if not hours:
        return "no time"
    if hours < 1:
        minutes = max(1, round(hours * 60))
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"

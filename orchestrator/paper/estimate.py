"""How long a rebuild of the tables takes on this machine, estimated from a few measured steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from equipose.balancing.registry import METHODS, method_name
from equipose.models.build import Fusion
from equipose.orchestrator.grid.run_one import RunsFolder, result_of
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.paper.plan import PaperConfig
from equipose.orchestrator.ray_train.sizing import concurrent_runs_of
from equipose.orchestrator.training.build import build_training, own_device
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.training.data import OpenedData, RunData
from equipose.orchestrator.training.loop import fit

PROBE_BATCHES = 3
START_SECONDS = 2.0
"""Of a run besides its epochs: opening the store, building the model, logging to MLflow."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The runs that are kept, those that are missing, and how long those take."""

    specs: tuple[RunSpec, ...]
    kept: frozenset[str]
    """Names of the finished runs."""
    seconds: dict[str, float]
    """Name of a missing run -> seconds on one worker."""
    concurrency: int

    @property
    def hours(self) -> float:
        """For all missing runs, in parallel as far as resources allow."""
        return sum(self.seconds.values()) / self.concurrency / 3600


def estimate(config: PaperConfig, folder: Path, *, gpu: bool = False) -> Estimate:
    """Find the finished runs, and measure a few steps of the others.

    Every method is probed in the first fusion and every fusion with plain training; the rest follows from
    their ratios. Subsets of sensors count like all sensors, so the estimate is rather too high than too low.
    """
    specs = tuple(config.runs())
    concurrency, resources = concurrent_runs_of(config.base, config.workers, gpu=gpu, limit=len(specs))
    runs_folder = RunsFolder(root=folder, resources=resources)
    ended = {spec.name: result for spec in specs if (result := result_of(spec, runs_folder)) is not None}
    missing = [spec for spec in specs if spec.name not in ended]
    paces = dict(_paces(missing, list(ended.values()), runs_folder.opened))
    seconds = {spec.name: START_SECONDS + spec.config.epochs * paces[spec.name] for spec in missing}
    return Estimate(specs=specs, kept=frozenset(ended), seconds=seconds, concurrency=concurrency)


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
    """(run, seconds per epoch), from finished runs of the same kind and data, or from probes."""
    known = {(*_kind(r.config), r.config.data): r.costs()["epoch_s"] for r in ended}
    probed: dict[tuple[str, str], float] = {}

    def pace(config: TrainConfig) -> float:
        kind = _kind(config)
        if kind not in probed:
            probed[kind] = probe(config, opened.of(config.data))
        return probed[kind]

    for spec in missing:
        config = spec.config
        if (*_kind(config), config.data) in known:
            yield spec.name, known[*_kind(config), config.data]
            continue
        plain = replace(config, method=METHODS["plain"].Config())
        in_concat = pace(_with_fusion(config, "concat"))
        ratio = pace(plain) / pace(_with_fusion(plain, "concat"))
        yield spec.name, len(opened.of(config.data).rows["train"]) * in_concat * ratio


def _with_fusion(config: TrainConfig, fusion: Fusion) -> TrainConfig:
    return replace(config, model=replace(config.fusion_model, fusion=fusion))


def plan_lines(config: PaperConfig, found: Estimate) -> list[str]:
    """The printed plan: per table its runs, how many of them are kept, and the time of the others."""
    lines = []
    for table in config.tables:
        mine = {
            spec.name
            for position, specs in config.plan().items()
            if position.table == table
            for spec in specs
        }
        lines.append(f"{table:<12}{len(mine):>5} runs, {len(mine & found.kept)} there")
    if checks := {spec.name for spec in config.check_runs()}:
        shown = f"{len(checks):>5} runs, {len(checks & found.kept)} there"
        lines.append(f"{'checks':<12}{shown}: convergence and headroom")
    lines += [f"  {spec.name}{'  (there)' if spec.name in found.kept else ''}" for spec in found.specs]
    lines.append(
        f"{len(found.specs)} runs in all (tables share some), {len(found.kept)} there, "
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

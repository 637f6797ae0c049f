"""Settings of the controlled experiment on imbalance: the simulator and data of every level, the training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from equipose.balancing.schedules import fitted
from equipose.experiments.presets.comparison import method_configs
from equipose.experiments.presets.names import ImbalancePresetName
from equipose.experiments.presets.options import JobOptions
from equipose.experiments.presets.sizes import PRESETS, SimulatedSelection
from equipose.experiments.presets.sources import prepared_store
from equipose.experiments.presets.typed.sensors import chosen_sensors
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views
from equipose.orchestrator.imbalance.config import ImbalanceConfig, Level
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig, TrainConfig
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import open_store

WEAK = "mmwave"
SENSORS: tuple[str, ...] = ("rgb", "lidar", WEAK)
NOISE = {"rgb": 4.0, "lidar": 8.0, WEAK: 0.0}
"""The radar is better than MM-Fi's and the others are worse, so that at informativeness 1 all three sensors,
each trained alone, reach about the same error: a lower level then differs in its informativeness only."""
FISHER_FRACTION = 0.25


@dataclass(frozen=True, kw_only=True)
class ImbalancePreset:
    """One size of the experiment."""

    simulated: SimulatedSelection
    model: Literal["tiny", "small", "paper"]
    batch: BatchConfig
    epochs: int
    train_stride: int = 1
    """Train on every n-th frame; neighbouring frames are nearly alike."""
    informativeness: tuple[float, ...] = (1.0, 0.5, 0.1)
    """Of the weak sensor, level by level."""
    methods: tuple[str, ...] = ("plain", "awc", "ogm_ge", "mmpareto")
    seeds: int = 3


IMBALANCE: dict[ImbalancePresetName, ImbalancePreset] = {
    "smoke": ImbalancePreset(
        simulated=PRESETS["smoke"].simulated,
        model="tiny",
        batch=BatchConfig(modalities=SENSORS, batch_size=32, views=point_views(lidar=16, mmwave=8)),
        epochs=3,
        informativeness=(1.0, 0.1),
        methods=("plain", "awc"),
        seeds=2,
    ),
    "small": ImbalancePreset(
        simulated=PRESETS["quick"].simulated,
        model="small",
        batch=BatchConfig(modalities=SENSORS, batch_size=64, views=point_views(lidar=64, mmwave=24)),
        epochs=10,
    ),
}
"""`smoke` is for tests; `small` is the experiment of docs/imbalance.md."""


@dataclass(frozen=True, kw_only=True)
class ControlledOptions(JobOptions):
    """Options of `equipose controlled`."""

    preset: ImbalancePresetName
    methods: tuple[str, ...] = ()
    """Empty: the preset's; `plain` is always added."""
    seeds: int | None = None
    """How many, counted from 0; None: the preset's number."""
    lr: float = 1e-3
    stores: tuple[str, ...] = ()
    """Prepared stores of the levels, the control first; empty: they are simulated."""


def simulator_of_level(informativeness: float, frames: int) -> SimulatorConfig:
    """The simulator at one level; only the weak sensor's data depends on `informativeness`."""
    return SimulatorConfig(
        frames=frames,
        noise=NOISE,
        informativeness={WEAK: informativeness},
        radar_clutter=0.0,
        radar_ghosts=0.0,
        radar_empty=0.0,
    )


def level_stores(
    preset: ImbalancePreset, out: Path, progress: Callable[[int, int], None] | None = None
) -> tuple[Level, ...]:
    """A level for every informativeness, with its data prepared below `out`."""
    levels = []
    for informativeness in preset.informativeness:
        chosen, config = preset.simulated, simulator_of_level(informativeness, preset.simulated.frames)
        source = SimulatedSource(subjects=chosen.subjects, actions=chosen.actions, config=config)
        digest = hashlib.sha256(repr((chosen, config)).encode()).hexdigest()[:10]
        store = out / "stores" / f"simulated-{digest}"
        prepared_store("simulated", source, store, progress)
        levels.append(Level(name=f"informativeness {informativeness:g}", store=str(store)))
    return tuple(levels)


def given_levels(stores: Sequence[str]) -> tuple[Level, ...]:
    """The levels that prepared stores hold, as their headers say.

    Raises DataError for a store that is not simulated, or that differs from the first in more than the level.
    """
    levels, first = [], None
    for path in stores:
        store = open_store(path)
        settings = json.loads(json.dumps(store.header["settings"]))
        try:
            level = settings["config"]["informativeness"].pop(WEAK)
        except (KeyError, TypeError, AttributeError):
            source = repr(store.header["source"])
            raise DataError.about(
                path, field="source", value=source, remedy=f"a level needs simulated data with its {WEAK}"
            ) from None
        content = (settings, store.keys)
        if first not in (None, content):
            raise DataError.about(
                path, field="header", value=f"unlike that of {stores[0]} beyond informativeness[{WEAK}]",
                remedy="prepare all levels with the same other settings, subjects and actions",
            )  # fmt: skip
        first = content
        address = path if "://" in path else str(Path(path).resolve())
        levels.append(Level(name=f"informativeness {level:g}", store=address))
    return tuple(levels)


def imbalance_config(options: ControlledOptions, levels: tuple[Level, ...]) -> ImbalanceConfig:
    """The experiment that the options describe, on prepared levels; its name is derived from the options.

    Raises ValueError that names the setting that is wrong.
    """
    preset = IMBALANCE[options.preset]
    methods = tuple(dict.fromkeys(("plain", *(options.methods or preset.methods))))
    seeds = preset.seeds if options.seeds is None else options.seeds
    epochs = options.epochs or preset.epochs
    batch = replace(preset.batch, modalities=chosen_sensors(options.sensors, preset.batch.modalities))
    # As in earlier versions where nothing of this is chosen, so that their jobs go on.
    named: list[Any] = [list(batch.modalities)] if batch != preset.batch else []
    named += [[level.store for level in levels]] if options.stores else []
    content = json.dumps([methods, seeds, epochs, options.lr, options.workers, *named])
    base = TrainConfig(
        data=DataConfig(store=levels[0].store, split="S2", train_stride=preset.train_stride, batch=batch),
        model=ModelConfig(preset=preset.model, modalities=batch.modalities),
        optimizer=fitted(OptimizerConfig(lr=options.lr), epochs),
        epochs=epochs,
    )
    return ImbalanceConfig(
        name=f"controlled-{options.preset}-{hashlib.sha256(content.encode()).hexdigest()[:8]}",
        base=base,
        weak=WEAK,
        levels=levels,
        methods=method_configs(methods, epochs, FISHER_FRACTION),
        seeds=tuple(range(seeds)),
        workers=options.workers,
    )

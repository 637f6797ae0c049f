"""Settings of the controlled experiment on imbalance: the simulator and data of every level, the training."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.subsets.modality_dropout import ModalityDropout
from equipose.balancing.schedules import PAPER_EPOCHS, fitted
from equipose.experiments.presets.comparison import method_configs
from equipose.experiments.presets.names import USUAL_WEAK, ImbalancePresetName, WeakSensorName
from equipose.experiments.presets.options import JobOptions
from equipose.experiments.presets.sizes import PRESETS, Preset
from equipose.experiments.presets.sources import prepared_store, simulated_digest
from equipose.experiments.presets.typed.sensors import chosen_sensors
from equipose.orchestrator.imbalance.config import ImbalanceConfig, Level
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import open_store


@dataclass(frozen=True, kw_only=True)
class WeakSensor:
    """What stands beside the weakened sensor, and what its data are before they are weakened."""

    sensors: tuple[str, ...]
    """Of the joint models, itself included."""
    control: SimulatorConfig


WEAK_SENSORS: dict[WeakSensorName, WeakSensor] = {
    "mmwave": WeakSensor(
        sensors=("rgb", "lidar", "mmwave"),
        control=SimulatorConfig(
            noise={"rgb": 4.0, "lidar": 8.0, "mmwave": 0.0},
            radar_clutter=0.0,
            radar_ghosts=0.0,
            radar_empty=0.0,
        ),
    ),
    "wifi": WeakSensor(sensors=("lidar", "mmwave", "wifi"), control=SimulatorConfig()),
}
"""With `mmwave` the radar is better than MM-Fi's and the others are worse, so that at informativeness 1 all
three sensors, each trained alone, reach about the same error: a lower level then differs in its
informativeness only. `wifi` has calibrated errors: it is weak at every level, because it tells little of
people whom it has not seen, and the levels show what is left of that."""
FISHER_FRACTION = 0.25
OF_THE_WEAK = ("weak_dropout", "weak_awc")
"""Methods of this job only, which act on the weakened sensor alone, or on what AWC takes for weak ones:
modality dropout in half of its visits; and AWC the other way round, which brakes the weak sensors' encoders
to the end of the run and leaves the strong ones free."""


@dataclass(frozen=True, kw_only=True)
class ImbalancePreset:
    """One size of the experiment."""

    sizes: Preset
    """Data, widths, batches, optimiser and length of every run."""
    informativeness: tuple[float, ...] = (1.0, 0.5, 0.1)
    """Of the weak sensor, level by level."""
    methods: tuple[str, ...]
    seeds: int = 3


IMBALANCE: dict[ImbalancePresetName, ImbalancePreset] = {
    "smoke": ImbalancePreset(
        sizes=PRESETS["smoke"].resized(3, None), informativeness=(1.0, 0.1), methods=("plain", "awc"), seeds=2
    ),
    "quick": ImbalancePreset(
        sizes=PRESETS["quick"],
        methods=("plain", "awc", "ogm_ge", "mmpareto", "modality_dropout", *OF_THE_WEAK),
    ),
}
"""`smoke` is for tests; `quick` is the experiment of docs/imbalance.md."""


@dataclass(frozen=True, kw_only=True)
class ControlledOptions(JobOptions):
    """Options of `equipose controlled`."""

    preset: ImbalancePresetName
    weak: WeakSensorName = USUAL_WEAK
    methods: tuple[str, ...] = ()
    """Empty: the preset's; `plain` is always added."""
    seeds: int | None = None
    """How many, counted from 0; None: the preset's number."""
    lr: float | None = None
    """None: the preset's."""
    stores: tuple[str, ...] = ()
    """Prepared stores of the levels, the control first; empty: they are simulated."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weak not in WEAK_SENSORS:
            raise ValueError(f"weak is {self.weak!r}; use {' or '.join(WEAK_SENSORS)}")


def simulator_of_level(weak: WeakSensorName, informativeness: float, frames: int) -> SimulatorConfig:
    """The simulator at one level; only the weak sensor's data depends on `informativeness`."""
    control = WEAK_SENSORS[weak].control
    return replace(control, frames=frames, informativeness={weak: informativeness})


def level_stores(
    preset: ImbalancePreset,
    weak: WeakSensorName,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Level, ...]:
    """A level for every informativeness, with its data prepared below `out`."""
    levels = []
    for informativeness in preset.informativeness:
        chosen = preset.sizes.simulated
        config = simulator_of_level(weak, informativeness, chosen.frames)
        source = SimulatedSource(subjects=chosen.subjects, actions=chosen.actions, config=config)
        store = out / "stores" / f"simulated-{simulated_digest(chosen, repr(config))}"
        prepared_store("simulated", source, store, progress)
        levels.append(Level(name=f"informativeness {informativeness:g}", store=str(store)))
    return tuple(levels)


def given_levels(weak: WeakSensorName, stores: Sequence[str]) -> tuple[Level, ...]:
    """The levels that prepared stores hold, as their headers say.

    Raises DataError for a store that is not simulated, or that differs from the first in more than the level.
    """
    levels, first = [], None
    for path in stores:
        store = open_store(path)
        settings = json.loads(json.dumps(store.header["settings"]))
        try:
            level = settings["config"]["informativeness"].pop(weak)
        except (KeyError, TypeError, AttributeError):
            source = repr(store.header["source"])
            raise DataError.about(
                path, field="source", value=source, remedy=f"a level needs simulated data with its {weak}"
            ) from None
        content = (settings, store.keys)
        if first not in (None, content):
            raise DataError.about(
                path, field="header", value=f"unlike that of {stores[0]} beyond informativeness[{weak}]",
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
    sizes = preset.sizes.resized(options.epochs, None)
    if options.lr is not None:
        sizes = replace(sizes, optimizer=replace(sizes.optimizer, lr=options.lr))
    methods = tuple(dict.fromkeys(("plain", *(options.methods or preset.methods))))
    seeds = preset.seeds if options.seeds is None else options.seeds
    usual = WEAK_SENSORS[options.weak].sensors
    sensors = chosen_sensors(options.sensors, usual)
    named: list[Any] = [list(sensors)] if sensors != usual else []
    named += [[level.store for level in levels]] if options.stores else []
    content = json.dumps([methods, seeds, sizes.epochs, sizes.optimizer.lr, options.workers, *named])
    digest = hashlib.sha256(content.encode()).hexdigest()[:8]
    return ImbalanceConfig(
        name=f"controlled-{options.weak}-{options.preset}-{digest}",
        base=sizes.train_config(levels[0].store, "P1", "S2", 0, sensors=sensors),
        weak=options.weak,
        levels=levels,
        methods=_methods(methods, sizes.epochs, options.weak),
        seeds=tuple(range(seeds)),
        workers=options.workers,
    )


def _methods(names: Sequence[str], epochs: int, weak: str) -> dict[str, MethodConfig]:
    """The methods by the names that they have in tables; ValueError for an unknown one."""
    own: dict[str, MethodConfig] = {
        "weak_dropout": ModalityDropout.Config(rate=0.0, rates={weak: 0.5}),
        "weak_awc": AWC.Config(
            ratio_s=0.0, ratio_i=1.0, window=PAPER_EPOCHS, fisher_fraction=FISHER_FRACTION
        ),
    }
    return {
        name: fitted(own[name], epochs)
        if name in own
        else method_configs((name,), epochs, FISHER_FRACTION)[0]
        for name in names
    }

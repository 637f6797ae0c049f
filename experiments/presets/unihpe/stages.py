"""Which variants of UniHPE there are, and how large a job of each preset is."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from equipose.experiments.presets.names import PresetName
from equipose.experiments.presets.options import ResumableOptions
from equipose.experiments.presets.sizes import SimulatedSelection
from equipose.experiments.presets.sources import prepared_store, simulated_digest
from equipose.experiments.presets.unihpe.baselines import FITS
from equipose.experiments.presets.unihpe.overrides import with_stage_overrides
from equipose.experiments.presets.unihpe.sizes import UNIHPES, UnihpeSizes
from equipose.experiments.presets.unihpe.variants import SENSORS, variant_of, variant_of_sensors
from equipose.models.alignment.config import IMAGE, KEYPOINTS
from equipose.models.sensors import ImageView
from equipose.orchestrator.jobs.location import Kind
from equipose.orchestrator.training.config import DataConfig
from equipose.orchestrator.unihpe.stages import BASELINE, STAGES, Stage, StageLength, UnihpeConfig
from equipose.pipelines.batches.config import BatchConfig
from equipose.pipelines.readers.triplets.simulated import TripletSource
from equipose.pipelines.simulator import SimulatorConfig

INDOOR = "simulated_indoor"
"""The embedded data: four fixed cameras and fifteen actions, in place of Human3.6M."""


@dataclass(frozen=True, kw_only=True)
class UnihpeOptions(ResumableOptions):
    """Options of `equipose train --work unihpe`."""

    kind: ClassVar[Kind] = "unihpe"
    verb: ClassVar[str] = "train"
    grows: ClassVar[Literal["trials", "seeds"]] = "seeds"

    preset: PresetName
    variants: tuple[str, ...] = ("unihpe",)
    first_seed: int = 0
    seeds: int = 1
    """How many, counted from the first."""
    protocol: str = "H36M"
    split: str = "subject"
    stages: int = len(STAGES)
    """How many of the three are trained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.stages <= len(STAGES):
            raise ValueError(f"stages must be 1, 2 or 3, got {self.stages}")
        if self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")
        for name in self.variants:
            if name != SENSORS:
                variant_of(name, UNIHPES[self.preset])
        if SENSORS in self.variants and (len(self.variants) > 1 or not self.store):
            raise ValueError(f"--variant {SENSORS} goes alone and with --store STORE")

    @property
    def stem(self) -> str:
        variants = "-".join(name.replace(" ", "-").replace("+", "-") for name in self.variants)
        return f"{variants}-{self.data}-{self.preset}-s{self.first_seed}"

    @property
    def simulated(self) -> SimulatedSelection:
        return UNIHPES[self.preset].simulated

    @property
    def extent(self) -> int:
        return self.seeds

    def resume_command(self, out: Path) -> str:
        """The command that resumes the job, to be copied."""
        where = ["--store", self.store] if self.store else []
        words = ["equipose", "train", "--work", "unihpe", *where, "--preset", self.preset]
        words += ["--variant", self.variants[0], "--seed", str(self.first_seed)]
        return shlex.join([*words, "--stages", str(self.stages), "--out", str(out), "--resume"])


def ensure_triplets(options: UnihpeOptions, out: Path) -> str:
    """Path of the store: the given one, or simulated triplets, rendered now if they are not there yet."""
    if options.store:
        return options.store
    source = triplets_of(options.simulated, UNIHPES[options.preset].cameras)
    return str(prepared_store(INDOOR, source, triplets_path(options, out), None))


def triplets_of(shown: SimulatedSelection, cameras: tuple[str, ...]) -> TripletSource:
    """What of a simulated set a preset shows; no cameras: all that the set has."""
    return TripletSource(
        subjects=shown.subjects,
        actions=shown.actions,
        cameras=cameras,
        config=SimulatorConfig(frames=shown.frames, rate_hz=RATE_HZ),
    )


RATE_HZ = 2.0
"""Of simulated triplets: frames that lie further apart than the simulator's usual ones are less alike."""


def triplets_path(options: UnihpeOptions, out: Path) -> Path:
    """Where the simulated triplets of a preset are or will be."""
    shown = options.simulated
    digest = simulated_digest(shown, UNIHPES[options.preset].cameras, RATE_HZ)
    return out / "stores" / f"{INDOOR}-{digest}"


def batches(sizes: UnihpeSizes) -> BatchConfig:
    """Batches of triplets; stages and variants leave out what they do not look at."""
    return BatchConfig(
        modalities=(IMAGE, KEYPOINTS),
        views={IMAGE: ImageView(stride=sizes.stride)},
        context=("box", "intrinsics"),
        targets=("exact_keypoints",),
        origin="pelvis",
    )


def lengths_in(preset: PresetName, sizes: UnihpeSizes, epochs: int | None) -> dict[Stage, StageLength]:
    """Of every stage, that of baselines too; epochs: instead of the preset's (None: the preset's)."""
    every = {**sizes.lengths, BASELINE: FITS[preset]}
    if epochs is None:
        return every
    return {stage: replace(length, epochs=epochs) for stage, length in every.items()}


def unihpe_config(
    name: str, options: UnihpeOptions, store: str, sizes: UnihpeSizes | None = None
) -> UnihpeConfig:
    """The job that its options describe, on a prepared store. sizes: None is those of the preset.

    Raises ValueError that names the option that is wrong.
    """
    sizes = sizes or UNIHPES[options.preset]
    if options.variants == (SENSORS,):
        variants = [variant_of_sensors(sizes, options.source.held())]
        batch = BatchConfig(modalities=variants[0].model.modalities, origin="pelvis")
    else:
        variants, batch = [variant_of(one, sizes) for one in options.variants], batches(sizes)
    config = UnihpeConfig(
        name=name,
        data=DataConfig(store=store, protocol=options.protocol, split=options.split, batch=batch),
        lengths=lengths_in(options.preset, sizes, options.epochs),
        variants=tuple(replace(one, last=options.stages) for one in variants),
        seeds=tuple(range(options.first_seed, options.first_seed + options.seeds)),
        workers=options.workers,
    )
    return with_stage_overrides(config, options.override) if options.override else config

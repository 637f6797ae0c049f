"""Which variants of UniHPE there are, and how large a job of each preset is."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from equipose.balancing.objectives.align import Align
from equipose.experiments.presets.names import PresetName
from equipose.experiments.presets.options import ResumableOptions
from equipose.experiments.presets.sizes import SimulatedSelection, codes
from equipose.experiments.presets.sources import prepared_store, simulated_digest
from equipose.experiments.presets.unihpe.baselines import FITS, baseline_variants
from equipose.experiments.presets.unihpe.overrides import with_stage_overrides
from equipose.models.alignment.config import IMAGE, KEYPOINTS, AlignedConfig
from equipose.models.sensors import ImageView
from equipose.orchestrator.jobs.location import Kind
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig
from equipose.orchestrator.unihpe.stages import BASELINE, STAGES, Stage, StageLength, UnihpeConfig, Variant
from equipose.pipelines.batches.config import BatchConfig
from equipose.pipelines.readers.triplets.simulated import TripletSource
from equipose.pipelines.simulator import SimulatorConfig

INDOOR = "simulated_indoor"
"""The embedded data: four fixed cameras and fifteen actions, in place of Human3.6M."""
BOTH = ("pose", "keypoints")
"""What the decoders of the whole model make."""


@dataclass(frozen=True, kw_only=True)
class UnihpeSizes:
    """What a preset decides."""

    simulated: SimulatedSelection
    cameras: tuple[str, ...]
    model: AlignedConfig
    """Widths, norm and decoders of every variant."""
    objective: Align.Config
    stride: int
    """Every n-th pixel of the crops is looked at."""
    lengths: Mapping[Stage, StageLength]
    split: str = "subject"


def lengths_of(*sizes: tuple[int, int, OptimizerConfig]) -> dict[Stage, StageLength]:
    """Epochs, rows of a batch and optimiser of the three stages."""
    return {
        stage: StageLength(epochs=epochs, batch_size=batch, optimizer=optimizer)
        for stage, (epochs, batch, optimizer) in zip(STAGES, sizes, strict=True)
    }


QUICK_ADAM = OptimizerConfig(lr=3e-4, gamma=0.95, step_epochs=1)
"""At 1e-3 the embeddings of the pose encoders collapse into one point within the first steps."""
PAPER_ADAM = OptimizerConfig(lr=1e-4, gamma=0.98, step_epochs=1)
"""Adam 1e-4 is published for the first two stages; the decay per epoch is that of the authors' other work."""

UNIHPES: dict[PresetName, UnihpeSizes] = {
    "smoke": UnihpeSizes(
        simulated=SimulatedSelection(subjects=codes("S", 1, 8, 9), actions=codes("A", 1, 2), frames=4),
        cameras=("C1", "C3"),
        model=AlignedConfig(preset="tiny", norm="layer", decoders=BOTH),
        objective=Align.Config(),
        stride=2,
        lengths=lengths_of((2, 8, QUICK_ADAM), (1, 8, QUICK_ADAM), (2, 8, QUICK_ADAM)),
    ),
    "quick": UnihpeSizes(
        simulated=SimulatedSelection(
            subjects=codes("S", 1, 5, 6, 7, 8, 9, 11), actions=codes("A", *range(1, 16)), frames=16
        ),
        cameras=("C1", "C2", "C3", "C4"),
        model=AlignedConfig(preset="small", norm="layer", decoders=BOTH),
        objective=Align.Config(),
        stride=2,
        lengths=lengths_of((30, 128, QUICK_ADAM), (8, 64, QUICK_ADAM), (8, 64, QUICK_ADAM)),
    ),
    "paper": UnihpeSizes(
        simulated=SimulatedSelection(
            subjects=codes("S", 1, 5, 6, 7, 8, 9, 11), actions=codes("A", *range(1, 16)), frames=600
        ),
        cameras=("C1", "C2", "C3", "C4"),
        model=AlignedConfig(preset="paper", decoders=BOTH, predicts="noise", sampler="mode_flow", steps=50),
        objective=Align.Config(direction="one_way", sources="all"),
        stride=1,
        lengths=lengths_of((200, 2048, PAPER_ADAM), (200, 180, PAPER_ADAM), (200, 180, PAPER_ADAM)),
    ),
}
"""`smoke` is for tests. `quick` renders 6,720 frames and fits two cores. `paper` has the published widths,
batches and temperatures, and needs a GPU; epochs and schedule are not published, 200 is ours."""


def variant_of(name: str, sizes: UnihpeSizes) -> Variant:
    """A variant by its name; ValueError for an unknown one.

    Examples:
        >>> variant_of("pairs", UNIHPES["smoke"]).objective.higher is None
        True
    """
    model, objective = sizes.model, sizes.objective
    made = {
        "unihpe": Variant(name=name, model=model, objective=objective),
        "no token": Variant(name=name, model=replace(model, modality_token=False), objective=objective),
        "pairs": Variant(name=name, model=model, objective=replace(objective, higher=None)),
        "cosines": Variant(name=name, model=model, objective=replace(objective, higher="cosines")),
        "gram": Variant(name=name, model=model, objective=replace(objective, higher="gram")),
        "pmrl": Variant(name=name, model=model, objective=replace(objective, higher="pmrl")),
        "symile": Variant(name=name, model=model, objective=replace(objective, higher="symile")),
        "none": Variant(
            name=name,
            model=model,
            objective=replace(objective, contrast=False, higher=None),
            aligned_first=False,
        ),
        **{
            f"{encoder}+{decoder} lifting": _lifting(f"{encoder}+{decoder} lifting", sizes, encoder, decoder)
            for encoder in ("transformer", "mlp")
            for decoder in ("score", "mlp")
        },
        **baseline_variants(model),
    }
    if name not in made:
        raise ValueError(f"unknown variant {name!r}; known: {list(made)}")
    return made[name]


def _lifting(name: str, sizes: UnihpeSizes, encoder: str, decoder: str) -> Variant:
    """Key points and skeletons alone: UniHPE's table 4."""
    model = replace(
        sizes.model,
        modalities=(KEYPOINTS,),
        image=None,
        pose_encoder=encoder,  # type: ignore[arg-type]
        decoder=decoder,  # type: ignore[arg-type]
        decoders=("pose",),
    )
    return Variant(name=name, model=model, objective=replace(sizes.objective, higher=None))


@dataclass(frozen=True, kw_only=True)
class UnihpeOptions(ResumableOptions):
    """Options of `equipose train --work unihpe`."""

    kind: ClassVar[Kind] = "unihpe"
    verb: ClassVar[str] = "train"
    grows = "seeds"

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
            variant_of(name, UNIHPES[self.preset])

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


def unihpe_config(name: str, options: UnihpeOptions, store: str) -> UnihpeConfig:
    """The job that its options describe, on a prepared store.

    Raises ValueError that names the option that is wrong.
    """
    sizes = UNIHPES[options.preset]
    lengths = {
        stage: length if options.epochs is None else replace(length, epochs=options.epochs)
        for stage, length in {**sizes.lengths, BASELINE: FITS[options.preset]}.items()
    }
    config = UnihpeConfig(
        name=name,
        data=DataConfig(store=store, protocol=options.protocol, split=options.split, batch=batches(sizes)),
        lengths=lengths,
        variants=tuple(replace(variant_of(one, sizes), last=options.stages) for one in options.variants),
        seeds=tuple(range(options.first_seed, options.first_seed + options.seeds)),
        workers=options.workers,
    )
    return with_stage_overrides(config, options.override) if options.override else config

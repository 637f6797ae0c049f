"""What a UniHPE job trains: variants of the model and its losses, each in up to three stages.

A stage is a run that starts at the end of the one before (UniHPE, arXiv 2311.16477, section 3.3): pairs of
key points and skeletons; the picture against both, which are frozen; everything, with decoders. Runs are kept
by what they depend on, so variants share the stages that they have in common.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal

from equipose.balancing.objectives.align import Align
from equipose.balancing.objectives.baseline import Baseline
from equipose.models.alignment.config import IMAGE, KEYPOINTS, SKELETON, AlignedConfig
from equipose.models.baselines.config import BaselineConfig
from equipose.models.compute.config import ComputeConfig
from equipose.orchestrator.grid.run_spec import RunSpec
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig, TrainConfig
from equipose.orchestrator.unihpe.later import LaterStages
from equipose.pipelines.batches.config import BatchConfig

Stage = Literal["pose pairs", "image", "decoders", "baseline"]
STAGES: tuple[Stage, ...] = ("pose pairs", "image", "decoders")
"""Those of an aligned model in their order; also the names of what they train, in MLflow."""
BASELINE: Stage = "baseline"
"""The only stage of a baseline."""
TEMPERATURES: Mapping[Stage, tuple[float, float]] = MappingProxyType(
    {"pose pairs": (1 / 14, 1 / 100), "image": (1 / 5, 1 / 10), "decoders": (1 / 5, 1 / 5)}
)
"""Stage -> start and lower bound of tau; the upper one is 1e4 (UniHPE, section 4.1)."""


USUAL = "usual"
"""Name of the job's own data where a variant is tested on them without being trained on them."""


@dataclass(frozen=True, kw_only=True)
class StageLength:
    """How long a stage trains."""

    epochs: int
    batch_size: int
    optimizer: OptimizerConfig


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One model and its losses, from the first stage to the last."""

    name: str
    model: AlignedConfig | BaselineConfig
    """Of the last stage; the others have of it what they train."""
    objective: Align.Config | Baseline.Config = field(default_factory=Align.Config)
    """Of the last stage; the second has its terms too, the first pairs alone. Their temperatures are those of
    `TEMPERATURES` and `later`."""
    later: LaterStages = field(default_factory=LaterStages)
    aligned_first: bool = True
    """Whether the first two stages are trained; False starts the last one anew."""
    as_long: bool = False
    """Whether a last stage that starts anew takes the epochs of all three, its learning rate falling as far;
    a gain over it is not one of training longer."""
    last: int = len(STAGES)
    """How many of the three stages are trained at most."""
    contrast_last: bool = True
    """Whether the last stage keeps the contrastive loss of the two before; the paper does not say for its
    row of pairs alone."""
    seeds: tuple[int, ...] | None = None
    """None: those of the job."""
    trained_on: str = ""
    """Name of other data that it is trained on, see `UnihpeConfig.others`; it is tested like the others."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Those that it has."""
        if isinstance(self.model, BaselineConfig):
            return (BASELINE,)
        image: tuple[Stage, ...] = ("image",) if IMAGE in self.model.modalities else ()
        last: tuple[Stage, ...] = ("decoders",) if self.model.decoders else ()
        found = (*(("pose pairs", *image) if self.aligned_first else ()), *last)
        return tuple(stage for stage in found if stage in STAGES[: self.last])

    @property
    def has_pose(self) -> bool:
        """Whether its sensors give a pose, so that subsets of them can be compared."""
        return not isinstance(self.model, BaselineConfig) or self.model.lifts


@dataclass(frozen=True, kw_only=True)
class UnihpeConfig:
    """Which variants are trained, on which triplets, how often."""

    name: str
    data: DataConfig
    """Its batches hold image and key points; stages leave out what they do not look at."""
    lengths: Mapping[Stage, StageLength]
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...] = (0,)
    also: Mapping[str, DataConfig] = field(default_factory=dict)
    """Name -> other data whose test part the last stage is tested on too."""
    others: Mapping[str, DataConfig] = field(default_factory=dict)
    """Name -> other data that variants may be trained on."""
    workers: int = 1
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    """Of every run."""

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        for what, values in (("variants", names), ("seeds", self.seeds)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{what} must be different and at least one, got {list(values)}")
        if missing := sorted(set(STAGES) - set(self.lengths)):
            raise ValueError(f"lengths lack the stages {missing}")
        for variant in self.variants:
            if variant.as_long and variant.aligned_first:
                raise ValueError(f"variant {variant.name!r} is aligned first; as_long is for one that is not")
            if variant.trained_on and variant.trained_on not in self.others:
                raise ValueError(
                    f"variant {variant.name!r} is trained on {variant.trained_on!r}, which is not given"
                )
            if not variant.stages:
                raise ValueError(f"variant {variant.name!r} has no stage; give it decoders, or more stages")
            if BASELINE in variant.stages and BASELINE not in self.lengths:
                raise ValueError(f"lengths lack the stage of variant {variant.name!r}: {BASELINE}")

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the variants, for the parameters of the job's run."""
        return tuple(variant.name for variant in self.variants)

    @property
    def base(self) -> TrainConfig:
        """The last run of the first variant, which stands for all."""
        return self.runs(self.variants[0], self.seeds[0])[-1].config

    def seeds_of(self, variant: Variant) -> tuple[int, ...]:
        """Its own, or those of the job."""
        return self.seeds if variant.seeds is None else variant.seeds

    def tested(self, variant: Variant) -> dict[str, DataConfig]:
        """Name -> data whose test part a variant is tested on besides that of what it is trained on."""
        return {**({USUAL: self.data} if variant.trained_on else {}), **self.also}

    def runs(self, variant: Variant, seed: int) -> tuple[RunSpec, ...]:
        """The runs of a variant, stage by stage."""
        made: list[RunSpec] = []
        for number, stage in enumerate(variant.stages, 1):
            made.append(
                RunSpec(
                    name=f"{variant.name} s{seed} {number} {stage}",
                    config=self._config(variant, stage, seed),
                    stage=stage,
                    workers=self.workers,
                    evaluate=stage == variant.stages[-1] and variant.has_pose,
                    select="last",
                    init_from=made[-1] if made else None,
                    tested_also=tuple(self._tested(variant)) if stage == variant.stages[-1] else (),
                )
            )
        return tuple(made)

    def specs(self) -> list[RunSpec]:
        """All runs; equal ones once, seeds vary slowest."""
        every = {seed: None for variant in self.variants for seed in self.seeds_of(variant)}
        return [
            run
            for seed in every
            for variant in self.variants
            if seed in self.seeds_of(variant)
            for run in self.runs(variant, seed)
        ]

    def _tested(self, variant: Variant) -> Iterator[tuple[str, DataConfig]]:
        """As `tested`, with batches of what the variant looks at."""
        for name, data in self.tested(variant).items():
            yield name, replace(data, batch=_seen_by(variant.model, data.batch))

    def _config(self, variant: Variant, stage: Stage, seed: int) -> TrainConfig:
        if isinstance(variant.model, BaselineConfig):
            return self._baseline(variant, variant.model, seed)
        length = self._as_long() if variant.as_long else self.lengths[stage]
        data, optimizer = self._data_of(variant), length.optimizer
        model, objective = _trained_in(stage, variant)
        if stage != STAGES[0]:
            optimizer = replace(optimizer, lr=variant.later.lr_scale * optimizer.lr)
        batch = replace(_seen_by(model, data.batch), batch_size=length.batch_size)
        frozen = (f"encoders.{KEYPOINTS}", f"encoders.{SKELETON}") if stage == "image" else ()
        return TrainConfig(
            data=replace(data, batch=batch),
            model=model,
            objective=objective,
            optimizer=optimizer,
            epochs=length.epochs,
            seed=seed,
            frozen=frozen,
            compute=self.compute,
        )

    def _as_long(self) -> StageLength:
        """The last stage with the epochs of all three."""
        last, epochs = self.lengths[STAGES[-1]], sum(self.lengths[stage].epochs for stage in STAGES)
        gamma = last.optimizer.gamma ** (last.epochs / epochs)
        return replace(last, epochs=epochs, optimizer=replace(last.optimizer, gamma=gamma))

    def _baseline(self, variant: Variant, model: BaselineConfig, seed: int) -> TrainConfig:
        length, data = self.lengths[BASELINE], self._data_of(variant)
        batch = replace(_seen_by(model, data.batch), batch_size=length.batch_size)
        return TrainConfig(
            data=replace(data, batch=batch),
            model=model,
            objective=variant.objective,
            optimizer=length.optimizer,
            epochs=length.epochs,
            seed=seed,
            compute=self.compute,
        )

    def _data_of(self, variant: Variant) -> DataConfig:
        """What a variant is trained on."""
        return self.others[variant.trained_on] if variant.trained_on else self.data


def _trained_in(stage: Stage, variant: Variant) -> tuple[AlignedConfig, Align.Config]:
    """Model and objective of a stage of a variant that aligns."""
    model, objective, (start, low) = variant.model, variant.objective, TEMPERATURES[stage]
    assert isinstance(model, AlignedConfig)
    assert isinstance(objective, Align.Config)
    if stage == STAGES[0]:
        others = tuple(name for name in model.modalities if name != IMAGE)
        model = replace(model.without_decoders(), modalities=others, image=None, image_weights=None)
        return model, Align.Config(direction=objective.direction, higher=None, tau=start, tau_low=low)
    tau, tau_low = variant.later.temperature(start, low)
    objective = replace(objective, tau=tau, tau_low=tau_low)
    if stage == "image":
        unread = Align.Config()
        objective = replace(
            objective,
            anchors=(IMAGE,),
            decoder_weight=unread.decoder_weight,
            sources=unread.sources,
            draws=unread.draws,
        )
        return model.without_decoders(), objective
    if not variant.contrast_last:
        objective = replace(objective, contrast=False)
    elif len(model.spaces) != len(STAGES):
        objective = replace(objective, higher=None)
    return model, objective


def _seen_by(model: AlignedConfig | BaselineConfig, batch: BatchConfig) -> BatchConfig:
    """Batches of the sensors of a model."""
    views = {name: view for name, view in batch.views.items() if name in model.modalities}
    return replace(batch, modalities=model.modalities, views=views)

"""Which variants UniHPE's tables need, and how long they train in each preset."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, get_args

from equipose.experiments.presets.names import PresetName
from equipose.experiments.presets.options import ResumableOptions
from equipose.experiments.presets.sizes import SimulatedSelection, codes
from equipose.experiments.presets.sources import prepared_store, simulated_digest
from equipose.experiments.presets.unihpe.overrides import with_stage_overrides
from equipose.experiments.presets.unihpe.sizes import (
    QUICK_ADAM,
    UNIHPES,
    UnihpeSizes,
    lengths_of,
)
from equipose.experiments.presets.unihpe.stages import INDOOR, RATE_HZ, batches, lengths_in, triplets_of
from equipose.experiments.presets.unihpe.variants import variant_of
from equipose.models.baselines.config import Architecture
from equipose.orchestrator.jobs.location import Kind
from equipose.orchestrator.training.config import DataConfig, OptimizerConfig
from equipose.orchestrator.unihpe.paper.plan import ABLATED, AS_LONG, LIFTERS, MOVING, WHOLE, image_variant
from equipose.orchestrator.unihpe.stages import UnihpeConfig, Variant
from equipose.pipelines.readers import READERS, TripletSource
from equipose.pipelines.readers.triplets.joined import JoinedReader, JoinedRoots

JOINED = "joined"
"""Name, among `UnihpeConfig.others`, of Human3.6M together with MPI-INF-3DHP."""
OUTDOOR = "simulated_outdoor"
WILD_STORE = "simulated_moving"


@dataclass(frozen=True, kw_only=True)
class TableSizes:
    """What a preset of the tables decides."""

    sizes: UnihpeSizes
    outdoor: SimulatedSelection
    """Of what stands in for MPI-INF-3DHP."""
    moving: SimulatedSelection
    """Of what stands in for 3DPW."""
    images: tuple[str, ...]
    """Image encoders besides that of `sizes`."""
    seeds: int = 3
    """Of tables 4 and 6; the others have one."""


QUICK_LAST = OptimizerConfig(lr=1e-3, gamma=0.85, step_epochs=1)
"""Encoders that are aligned already bear this rate, and decoders need it."""
TABLE_SIZES: Mapping[PresetName, TableSizes] = {
    "smoke": TableSizes(
        sizes=UNIHPES["smoke"],
        outdoor=SimulatedSelection(subjects=codes("S", 21, 31), actions=codes("A", 13), frames=4),
        moving=SimulatedSelection(subjects=codes("S", 37), actions=codes("A", 1), frames=4),
        images=(),
        seeds=1,
    ),
    "quick": TableSizes(
        sizes=replace(
            UNIHPES["quick"],
            model=replace(UNIHPES["quick"].model, pose_width=64, image="tiny"),
            objective=replace(UNIHPES["quick"].objective, draws=4),
            lengths=lengths_of((20, 128, QUICK_ADAM), (6, 64, QUICK_ADAM), (7, 64, QUICK_LAST)),
        ),
        outdoor=SimulatedSelection(
            subjects=codes("S", 21, 22, 31), actions=codes("A", *range(13, 28)), frames=16
        ),
        moving=SimulatedSelection(
            subjects=codes("S", 37, 38, 39, 40), actions=codes("A", *range(1, 28)), frames=8
        ),
        images=("vit_tiny",),
    ),
    "paper": TableSizes(
        sizes=UNIHPES["paper"],
        outdoor=SimulatedSelection(
            subjects=codes("S", *range(21, 29), *range(31, 37)),
            actions=codes("A", *range(13, 28)),
            frames=600,
        ),
        moving=SimulatedSelection(
            subjects=codes("S", 37, 38, 39, 40), actions=codes("A", *range(1, 28)), frames=300
        ),
        images=("vit_s", "vit_b", "hrnet_w48"),
    ),
}
"""`quick` has narrow encoders, and few steps: it fits two cores, and says so beside its numbers."""


@dataclass(frozen=True, kw_only=True)
class UnihpeTablesOptions(ResumableOptions):
    """Options of `equipose tables --work unihpe`."""

    kind: ClassVar[Kind] = "unihpe"
    verb: ClassVar[str] = "tables"
    grows = "seeds"

    preset: PresetName
    data: str = INDOOR
    wild: str | None = None
    """Path or URI of a prepared store of 3DPW, beside a store of Human3.6M."""
    joined: str | None = None
    """The same of Human3.6M and MPI-INF-3DHP in one."""
    protocol: str = "H36M"
    split: str = "subject"
    seeds: int | None = None
    """Of tables 4 and 6; None: the preset's number."""
    contrast_last: bool = True
    """Whether the last stage of table 6's row of pairs keeps its contrastive loss."""
    mlflow_url: str | None = None
    """Target of the report's links."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seeds is not None and self.seeds < 1:
            raise ValueError(f"seeds must be at least 1, got {self.seeds}")
        for name in ("wild", "joined"):
            if getattr(self, name) and not self.store:
                raise ValueError(f"--{name} goes with --store STORE, a prepared store of Human3.6M")

    @property
    def stem(self) -> str:
        return f"tables-{self.data}-{self.preset}"

    @property
    def simulated(self) -> SimulatedSelection:
        return TABLE_SIZES[self.preset].sizes.simulated

    @property
    def extent(self) -> int:
        return TABLE_SIZES[self.preset].seeds if self.seeds is None else self.seeds

    def command(self, out: Path) -> str:
        """The command that starts a job with these options, to be copied."""
        words: list[Any] = ["equipose", "tables", "--work", "unihpe", "--preset", self.preset]
        for name in ("store", "wild", "joined", "seeds", "epochs", "mlflow_url"):
            if (value := getattr(self, name)) is not None:
                words += [f"--{name.replace('_', '-')}", value]
        words += ["--workers", self.workers] if self.workers != 1 else []
        words += ["--gpu"] if self.gpu else []
        words += [] if self.contrast_last else ["--no-contrast-last"]
        words += ["--override", *self.override] if self.override else []
        return shlex.join([*map(str, words), "--out", str(out)])

    def resume_command(self, out: Path) -> str:
        return f"{self.command(out)} --resume"


@dataclass(frozen=True, kw_only=True)
class TableStores:
    """Paths or URIs of what the tables are made of; None where a user's store has no such companion."""

    lab: str
    wild: str | None = None
    joined: str | None = None


def ensure_table_stores(options: UnihpeTablesOptions, out: Path) -> TableStores:
    """The given stores, or simulated triplets, rendered now where they are not there yet."""
    if options.store:
        return TableStores(lab=options.store, wild=options.wild, joined=options.joined)
    sizes = TABLE_SIZES[options.preset]
    lab = triplets_of(sizes.sizes.simulated, sizes.sizes.cameras)
    outdoor, wild = triplets_of(sizes.outdoor, sizes.sizes.cameras), triplets_of(sizes.moving, ())
    reader = JoinedReader(readers={name: READERS[name] for name in (INDOOR, OUTDOOR)})

    def path(name: str, *sources: TripletSource) -> Path:
        shown = [[s.subjects, s.actions, s.cameras, s.config.frames] for s in sources]
        return out / "stores" / f"{name}-{simulated_digest(sizes.sizes.simulated, RATE_HZ, shown)}"

    return TableStores(
        lab=str(prepared_store(INDOOR, lab, path(INDOOR, lab), None)),
        wild=str(prepared_store(WILD_STORE, wild, path(WILD_STORE, wild), None)),
        joined=str(
            prepared_store(
                "simulated_joined",
                JoinedRoots({INDOOR: lab, OUTDOOR: outdoor}),
                path("simulated_joined", lab, outdoor),
                None,
                reader,
            )
        ),
    )


def table_variants(options: UnihpeTablesOptions, joined: bool) -> tuple[Variant, ...]:
    """Everything that tables 1 to 6 show, the whole model first; tables 4 and 6 for every seed."""
    sizes = TABLE_SIZES[options.preset]
    found = []
    ablated = (name for name in ABLATED if name != WHOLE)
    for name in (WHOLE, *ablated, AS_LONG, *LIFTERS.values()):
        if name == "both sets":
            if joined:
                whole = variant_of(WHOLE, sizes.sizes)
                found.append(replace(whole, name=name, trained_on=JOINED))
            continue
        variant = variant_of(name, sizes.sizes)
        if name == "pairs" and not options.contrast_last:
            variant = replace(variant, contrast_last=False)
        found.append(variant)
    whole = variant_of(WHOLE, sizes.sizes)
    for image in sizes.images:
        model = replace(whole.model, image=image)
        found.append(replace(whole, name=image_variant(image), model=model, seeds=(0,)))
    baselines = (replace(variant_of(name, sizes.sizes), seeds=(0,)) for name in get_args(Architecture))
    return (*found, *baselines)


def unihpe_tables_config(name: str, options: UnihpeTablesOptions, stores: TableStores) -> UnihpeConfig:
    """The job that its options describe, on prepared stores.

    Raises ValueError that names the option that is wrong.
    """
    sizes = TABLE_SIZES[options.preset].sizes
    batch = batches(sizes)
    wild = (
        {MOVING: DataConfig(store=stores.wild, protocol="3DPW", split="test", batch=batch)}
        if stores.wild
        else {}
    )
    others = (
        {JOINED: DataConfig(store=stores.joined, protocol="H36M+3DHP", split=options.split, batch=batch)}
        if stores.joined
        else {}
    )
    config = UnihpeConfig(
        name=name,
        data=DataConfig(store=stores.lab, protocol=options.protocol, split=options.split, batch=batch),
        lengths=lengths_in(options.preset, sizes, options.epochs),
        variants=table_variants(options, bool(others)),
        seeds=tuple(range(options.extent)),
        also=wild,
        others=others,
        workers=options.workers,
    )
    return with_stage_overrides(config, options.override) if options.override else config

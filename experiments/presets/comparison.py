"""Which methods, seeds and settings a comparison of each size has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar

from equipose.balancing.method import MethodConfig
from equipose.balancing.registry import METHODS, method_class
from equipose.balancing.schedules import fitted
from equipose.experiments.presets.names import (
    ComparisonPresetName,
    FusionName,
    OptimizerName,
    StartName,
)
from equipose.experiments.presets.options import ResumableOptions
from equipose.experiments.presets.sizes import MANY_SUBJECTS, PRESETS, Preset, SimulatedSelection
from equipose.orchestrator.jobs.location import Kind
from equipose.orchestrator.training.config import OptimizerConfig

if TYPE_CHECKING:
    from equipose.orchestrator.comparison.config import ComparisonConfig


@dataclass(frozen=True, kw_only=True)
class ComparisonSizes:
    """What a preset decides about a comparison."""

    sizes: Preset
    """Data, widths, batches, optimiser and length of every run."""
    methods: tuple[str, ...]
    seeds: int
    fusions: tuple[FusionName, ...] = ("concat",)
    protocols: tuple[str, ...] | None = None
    """None: the data source's own protocol."""
    budget: int = 3
    fisher_fraction: float = 1.0
    published: bool = False
    """Methods in the setting of their own paper, where their defaults depart from it."""


RIVALS = (
    "plain",
    "awc",
    "info_reg",
    "ogm_ge",
    "agm",
    "opm",
    "dgl",
    "mmpareto",
    "modality_resampling",
    "modality_dropout",
)
"""One of every kind: penalties, gradient modulation, feature dropout, unimodal losses, resampling."""

COMPARISONS: dict[ComparisonPresetName, ComparisonSizes] = {
    "smoke": ComparisonSizes(sizes=PRESETS["smoke"], methods=("plain", "awc", "mmpareto"), seeds=2, budget=2),
    "quick": ComparisonSizes(sizes=PRESETS["quick"], methods=RIVALS, seeds=3, fisher_fraction=0.25),
    "few_subjects": ComparisonSizes(
        sizes=replace(PRESETS["quick"], model="small", epochs=60, optimizer=OptimizerConfig()),
        methods=tuple(METHODS),
        seeds=5,
        fisher_fraction=0.25,
    ),
    "missing_sensor": ComparisonSizes(
        sizes=replace(PRESETS["quick"], simulated=MANY_SUBJECTS),
        methods=tuple(METHODS),
        seeds=5,
        fisher_fraction=0.25,
    ),
    "paper": ComparisonSizes(
        sizes=PRESETS["paper"],
        methods=tuple(METHODS),
        seeds=3,
        fusions=("concat", "mlp", "attention"),
        protocols=("P1", "P2", "P3"),
        budget=5,
        published=True,
    ),
}
"""`smoke` is for tests. `quick` has six people to train on and eight others to test.
`few_subjects` has the same people, wider models and every method; `missing_sensor` has 28 people to train
on, so that what is left to win is with a sensor missing at test. `paper` has all methods, fusions and
protocols."""


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(ResumableOptions):
    """Options of `equipose compare`."""

    kind: ClassVar[Kind] = "comparisons"
    verb: ClassVar[str] = "compare"
    grows = "seeds"

    preset: ComparisonPresetName
    methods: tuple[str, ...]
    seeds: int
    """How many, counted from 0."""
    fusions: tuple[FusionName, ...]
    optimizers: tuple[OptimizerName, ...] = ("adam",)
    starts: tuple[StartName, ...] = ("new",)
    """With new weights, or with encoders that were aligned with the skeletons first."""
    protocols: tuple[str, ...]
    split: str
    budget: int
    """Settings tried per method."""
    epochs: int
    alone: bool = True
    """Also train every sensor alone."""
    checks: bool = True
    """Also measure convergence and headroom, and repeat decided verdicts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("methods", "fusions", "optimizers", "starts", "protocols"):
            if not getattr(self, name):
                raise ValueError(f"{name} must name at least one, got none")

    @property
    def stem(self) -> str:
        return f"compare-{self.data}-{self.preset}"

    @property
    def simulated(self) -> SimulatedSelection:
        return COMPARISONS[self.preset].sizes.simulated

    @property
    def extent(self) -> int:
        return self.seeds


def method_configs(
    names: tuple[str, ...], epochs: int, fisher_fraction: float, *, published: bool = False
) -> tuple[MethodConfig, ...]:
    """The methods' defaults, with schedules fitted to the run and Fisher passes over a share of the batches.

    published: in the setting of their own paper instead. Raises ValueError for an unknown name.
    """
    configs = []
    for name in names:
        method = method_class(name)
        config = fitted(method.Config(**(method.published if published else {})), epochs)
        known: dict[str, Any] = {"fisher_fraction": fisher_fraction}
        names_here = {f.name for f in fields(config)}
        configs.append(replace(config, **{k: v for k, v in known.items() if k in names_here}))
    return tuple(configs)


VARIED = {
    "seed": "--seeds",
    "epochs": "--epochs",
    "method": "--methods",
    "model.fusion": "--fusions",
    "optimizer.name": "--optimizers",
    "data.protocol": "--protocols",
    "data.split": "--split",
}
"""Settings that a comparison varies or fits its schedules to, and the option that sets them."""


def _check_overrides(overrides: Iterable[str]) -> None:
    """Raise ValueError for an override of a setting that the comparison sets itself."""
    for text in overrides:
        path = text.partition("=")[0]
        option = VARIED.get("method" if path.startswith("method.") else path)
        if option:
            raise ValueError(f"override {text!r} has no effect, a comparison sets {path}; use {option}")


def comparison_config(name: str, options: ComparisonOptions, store: str) -> ComparisonConfig:
    """The comparison that a job's options describe, on a prepared store.

    Raises ValueError that names the option that is wrong.
    """
    from equipose.experiments.presets.typed.overrides import with_overrides
    from equipose.orchestrator.comparison.config import ComparisonConfig

    _check_overrides(options.override)
    sizes = COMPARISONS[options.preset]
    preset = sizes.sizes.resized(options.epochs, None)
    protocol, split = options.protocols[0], options.split
    real = options.source.real
    base = preset.train_config(store, protocol, split, 0, real=real, sensors=options.sensors)
    methods = method_configs(
        options.methods, options.epochs, sizes.fisher_fraction, published=sizes.published
    )
    return ComparisonConfig(
        name=name,
        base=with_overrides(base, options.override),
        methods=methods,
        seeds=tuple(range(options.seeds)),
        fusions=options.fusions,
        optimizers=options.optimizers,
        starts=options.starts,
        splits=tuple((protocol, split) for protocol in options.protocols),
        budget=options.budget,
        alone=options.alone,
        checks=options.checks,
        workers=options.workers,
    )

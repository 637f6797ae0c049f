"""What a comparison of balancing methods is, and the runs that it consists of.

Methods x seeds x settings. First every method is tuned with an equal budget, on the validation part and with
a seed used for nothing else; then each is trained with the chosen settings for every seed and is evaluated on
the test part once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from equipose.balancing.method import MethodConfig
from equipose.balancing.registry import method_name
from equipose.balancing.search_spaces import SearchRange, at_position
from equipose.models.build import Fusion
from equipose.orchestrator.comparison.starts.alignment import alignment_run
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.grid.variants import REFERENCE, with_modalities
from equipose.orchestrator.training.config import TrainConfig

LR_FACTORS = (1 / 3, 3.0)
"""Range of the learning rate that tuning tries, as factors on the preset's."""
TEST, TUNING = "test", "tuning"
"""What a run is for: to be compared, or to choose settings."""
Optimizer = Literal["adam", "sgd"]
Start = Literal["new", "aligned"]
"""With new weights, or with encoders that were aligned with the skeletons before; see `alignment`."""
SGD_LR = 0.05
"""Learning rate of the settings with SGD, with which methods that scale gradients were published."""
SECOND_LR = 0.85
"""Position in that range of the second candidate: about twice the preset's learning rate."""


@dataclass(frozen=True, kw_only=True, order=True)
class Setting:
    """One table of a comparison: what is held fixed while methods are compared."""

    fusion: Fusion
    protocol: str
    split: str
    optimizer: Optimizer = "adam"
    start: Start = "new"

    @property
    def name(self) -> str:
        """Such as `concat P1-S1`, and `concat P1-S1 sgd aligned` with another optimiser and start."""
        other = "" if self.optimizer == "adam" else f" {self.optimizer}"
        other += "" if self.start == "new" else f" {self.start}"
        return f"{self.fusion} {self.protocol}-{self.split}{other}"

    @property
    def words(self) -> str:
        """For captions: `concat fusion`, and `concat fusion, SGD, encoders aligned first`."""
        found = f"{self.fusion} fusion" + ("" if self.optimizer == "adam" else f", {self.optimizer.upper()}")
        return found + ("" if self.start == "new" else ", encoders aligned first")

    @property
    def slug(self) -> str:
        """The same as a folder's name: `concat-P1-S1`."""
        return self.name.replace(" ", "-")


@dataclass(frozen=True, kw_only=True)
class ComparisonConfig:
    """Which methods are compared, where, how often, and how hard each is tuned."""

    name: str
    base: TrainConfig
    """The run that all others vary."""
    methods: tuple[MethodConfig, ...]
    """Must include `plain`, which all others are compared to."""
    seeds: tuple[int, ...] = (0, 1, 2)
    fusions: tuple[Fusion, ...] = ("concat",)
    splits: tuple[tuple[str, str], ...] = (("P1", "S1"),)
    """(protocol, split)."""
    optimizers: tuple[Optimizer, ...] = ("adam",)
    """SGD has the learning rate `SGD_LR`; all else of the base run's optimiser stays."""
    starts: tuple[Start, ...] = ("new",)
    budget: int = 2
    """Settings tried per method before the comparison; 1 trains all with the defaults."""
    tuning_seed: int = 1000
    """Of weights and batches while tuning; not among `seeds`, so no setting is chosen for luck with one."""
    alone: bool = True
    """Also train every sensor alone: an upper bound for that sensor in a joint model."""
    checks: bool = True
    """Also measure convergence and headroom, and repeat decided verdicts on fresh seeds; see `checks.py`."""
    workers: int = 1
    select: Literal["best", "last"] = "best"

    def __post_init__(self) -> None:
        names = [method_name(method) for method in self.methods]
        if REFERENCE not in names:
            raise ValueError(f"methods {names} lack {REFERENCE!r}, which all are compared to; add it")
        for what, values in (
            ("methods", names),
            ("seeds", self.seeds),
            ("fusions", self.fusions),
            ("splits", self.splits),
            ("optimizers", self.optimizers),
            ("starts", self.starts),
        ):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{what} must be different and at least one, got {list(values)}")
        if self.tuning_seed in self.seeds:
            raise ValueError(f"tuning_seed {self.tuning_seed} is one of the seeds {self.seeds}; take another")
        for what, count in (("budget", self.budget), ("workers", self.workers)):
            if count < 1:
                raise ValueError(f"{what} must be at least 1, got {count}")
        if len(self.base.model.modalities) < 2:
            raise ValueError(
                f"model.modalities is {self.base.model.modalities}: nothing to balance; take two or more"
            )

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Every fusion on every split with every optimiser and start."""
        return tuple(
            Setting(fusion=fusion, protocol=protocol, split=split, optimizer=optimizer, start=start)
            for start in self.starts
            for optimizer in self.optimizers
            for protocol, split in self.splits
            for fusion in self.fusions
        )

    def in_setting(self, setting: Setting) -> TrainConfig:
        """The base run in a setting."""
        data = replace(self.base.data, protocol=setting.protocol, split=setting.split)
        model, optimizer = replace(self.base.fusion_model, fusion=setting.fusion), self.base.optimizer
        if optimizer.name != setting.optimizer:
            rates = {"adam": optimizer.lr, "sgd": SGD_LR}
            optimizer = replace(optimizer, name=setting.optimizer, lr=rates[setting.optimizer])
        return replace(self.base, data=data, model=model, optimizer=optimizer)

    def candidates(self, setting: Setting, method: MethodConfig) -> list[TrainConfig]:
        """What tuning tries: the defaults, another learning rate, then both at points of a Halton sequence.

        From a budget of 3 on, the third turns the method's own dial.

        The points are the same for every method and do not depend on results, so all run in parallel. The
        second candidate changes the learning rate alone; otherwise a short search would change a method's
        setting just to get the other learning rate. The first two points of the sequence are skipped: a
        corner, and the default learning rate again.
        """
        from scipy.stats import qmc  # slow to import, and only tuning needs it

        base = replace(self.in_setting(setting), method=method, seed=self.tuning_seed)
        points = qmc.Halton(d=2, scramble=False).random(max(2, self.budget))[2:]
        found = [base, _tried(base, SECOND_LR), *(_tried(base, 1 - float(x), float(y)) for x, y in points)]
        return found[: self.budget]

    def defaults(self) -> dict[tuple[Setting, str], TrainConfig]:
        """(setting, method) -> the run with the method's defaults."""
        return {
            (setting, method_name(method)): replace(self.in_setting(setting), method=method)
            for setting in self.settings
            for method in self.methods
        }

    def tuning_runs(self) -> dict[tuple[Setting, str], list[RunSpec]]:
        """(setting, method) -> the runs of its candidates; empty where nothing is tuned."""
        if self.budget == 1:
            return {}
        return {
            (setting, method_name(method)): [
                self.spec(f"tune-{number} {method_name(method)}", setting, config, TUNING)
                for number, config in enumerate(self.candidates(setting, method))
            ]
            for setting in self.settings
            for method in self.methods
        }

    def final_runs(self, chosen: Mapping[tuple[Setting, str], TrainConfig]) -> list[RunSpec]:
        """Every method in every setting with its chosen settings, seed by seed.

        Seeds vary slowest, so an interrupted comparison has complete seeds.
        """
        return [
            replace(
                self.spec(f"{name} s{seed}", setting, replace(chosen[setting, name], seed=seed)),
                refit=self.checks and name == REFERENCE,
            )
            for seed in self.seeds
            for setting in self.settings
            for name in map(method_name, self.methods)
        ]

    def alone_runs(self) -> list[RunSpec]:
        """Every sensor trained alone with plain training, per split and optimiser, for every seed."""
        if not self.alone or len(self.base.model.modalities) < 2:
            return []
        first = [s for s in self.settings if (s.fusion, s.start) == (self.fusions[0], self.starts[0])]
        return [
            self.spec(f"{modality} alone s{seed}", setting, replace(one, seed=seed))
            for seed in self.seeds
            for setting in first
            for modality in self.base.model.modalities
            for one in [with_modalities(self.in_setting(setting), (modality,))]
            for setting in [replace(setting, start="new")]
        ]

    def spec(self, name: str, setting: Setting, config: TrainConfig, stage: str = TEST) -> RunSpec:
        """A run; its name includes the setting where there are several."""
        full = name if len(self.settings) == 1 else f"{name} {setting.name}"
        return RunSpec(
            name=full,
            config=config,
            init_from=alignment_run(config, self.workers) if setting.start == "aligned" else None,
            stage=stage,
            workers=self.workers,
            evaluate=stage != TUNING,
            select=self.select,
        )


def _tried(base: TrainConfig, lr: float, own: float | None = None) -> TrainConfig:
    """The run with learning rate and method at positions in [0, 1] of their ranges; None keeps the method."""
    factor = SearchRange(*LR_FACTORS).at(lr)
    optimizer = replace(base.optimizer, lr=base.optimizer.lr * factor)
    method = base.method if own is None else at_position(base.method, own)
    return replace(base, optimizer=optimizer, method=method)


def best_candidate(specs: Iterable[RunSpec], results: Mapping[str, RunResult]) -> TrainConfig:
    """The candidate with the least validation error; the earlier one where two are equal."""
    return min(specs, key=lambda spec: results[spec.name].validation_mm).config

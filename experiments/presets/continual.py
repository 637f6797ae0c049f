"""Which strategies learn which tasks in a continual job of each size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from equipose.balancing.chained import ChainConfig
from equipose.balancing.continual.noise.separation import NoiseSeparation
from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.relearning import Relearning
from equipose.balancing.registry import CONTINUAL, METHODS, method_class
from equipose.balancing.schedules import fitted
from equipose.experiments.presets.names import ContinualPresetName
from equipose.experiments.presets.options import ResumableOptions
from equipose.experiments.presets.sizes import PRESETS, Preset, SimulatedSelection, codes
from equipose.experiments.presets.typed.overrides import with_overrides, with_settings
from equipose.models.sensors import point_views
from equipose.orchestrator.continual.config import REFERENCE_SHAPES, ContinualConfig, Strategy, parts_of
from equipose.orchestrator.jobs.location import Kind
from equipose.pipelines.batches.source import BatchConfig
from equipose.pipelines.protocols import Task
from equipose.pipelines.protocols.tasks import require_kind

if TYPE_CHECKING:
    from equipose.orchestrator.continual.config import Shape

NOISY = "noisy "
"""Beginning of the names of strategies that learn from contaminated data."""


@dataclass(frozen=True, kw_only=True)
class ContinualSizes:
    """What a preset decides about a continual job."""

    sizes: Preset
    """Data, widths, batches, optimiser, and the length of every task."""
    strategies: tuple[str, ...]
    seeds: int
    orders: int = 1


ROOMS = SimulatedSelection(
    subjects=codes("S", *(10 * room + person for room in range(4) for person in (1, 2, 3, 4, 5, 9, 10))),
    actions=codes("A", 2, 4, 13, 20),
    frames=40,
    rooms=1.0,
)
"""Four rooms that differ; in each, four people train, one validates and two test."""

QUICK = (
    "finetune",
    "joint",
    "cumulative",
    "alone",
    "replay",
    "derpp",
    "agem",
    "gdumb",
    "lwf",
    "l2",
    "si",
    "ewc",
    "ewc_adaptive",
    "awc+ewc",
    "weight_averaging",
    "relearning",
    "noisy replay",
    "noisy nis+replay",
    "noisy random+replay",
)
"""The references, one of every kind, the three parts of the paper, and their controls."""

CONTINUALS: dict[ContinualPresetName, ContinualSizes] = {
    "smoke": ContinualSizes(
        sizes=replace(
            PRESETS["smoke"],
            simulated=replace(ROOMS, actions=codes("A", 2), frames=8),
            batch=BatchConfig(batch_size=16, views=point_views(lidar=16, mmwave=8)),
        ),
        strategies=("finetune", "joint", "replay", "ewc", "noisy nis+replay"),
        seeds=2,
    ),
    "quick": ContinualSizes(
        sizes=replace(PRESETS["quick"], simulated=ROOMS, epochs=15), strategies=QUICK, seeds=3
    ),
    "paper": ContinualSizes(
        sizes=replace(PRESETS["paper"], simulated=replace(PRESETS["paper"].simulated, rooms=1.0)),
        strategies=QUICK,
        seeds=3,
        orders=3,
    ),
}
"""`smoke` is for tests. `quick` learns four simulated rooms, one order. `paper` has MM-Fi's size, the paper's
widths and three orders, for machines with GPUs."""


@dataclass(frozen=True, kw_only=True)
class ContinualOptions(ResumableOptions):
    """Options of `equipose continual`."""

    kind: ClassVar[Kind] = "continual"
    verb: ClassVar[str] = "continual"
    grows: ClassVar[Literal["trials", "seeds"]] = "seeds"

    preset: ContinualPresetName
    strategies: tuple[str, ...]
    by: str
    """What tasks differ by: `environment`, `subject` or `action`."""
    tasks: tuple[str, ...]
    """In the order of order 0; `+` joins what is learnt at once."""
    protocol: str
    seeds: int
    orders: int
    epochs: int
    """Of every task."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_kind(self.by)
        noisy = [name for name in self.strategies if name.startswith(NOISY)]
        if noisy and (self.data != "simulated" or self.store or self.by == "subject"):
            raise ValueError(
                f"strategies {noisy} learn from contaminated readings, which only simulated data without "
                "--store has, and only of people who are not tested (not with --by subject); leave them out"
            )
        for name in ("strategies", "tasks"):
            if not getattr(self, name):
                raise ValueError(f"{name} must name at least one, got none")
        for name in ("seeds", "orders"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    @property
    def stem(self) -> str:
        return f"continual-{self.data}-{self.preset}"

    @property
    def simulated(self) -> SimulatedSelection:
        return CONTINUALS[self.preset].sizes.simulated

    @property
    def contaminated(self) -> SimulatedSelection | None:
        """The same frames with contaminated readings, where a strategy learns from them."""
        wanted = any(name.startswith(NOISY) for name in self.strategies)
        return replace(self.simulated, contamination=CONTAMINATION) if wanted else None

    @property
    def extent(self) -> int:
        return self.seeds


STRENGTHS: Mapping[str, Mapping[str, float]] = {"si": {"strength": 0.1}, "l2": {"strength": 0.1}}
"""Method -> settings that depart from its defaults: the best of a scan on the quick preset with a seed of its
own (docs/continual.md). No strength of `ewc` and `lwf` was better than fine-tuning there, so theirs stay."""
CONTAMINATION = 0.1
"""Share of the readings of people who are not tested, over all sensors and kinds alike."""


def strategy_of(name: str, epochs: int) -> Strategy:
    """A strategy by its name: a reference, a method, several joined by `+`, `noisy` before it.

    `finetune` is `plain`; `random` is the control of `nis`, which hides as many readings at random. Schedules
    are fitted to the epochs of a task. A method may have settings, `replay:rows=400,beta=0.5`, which stay as
    they are. Raises ValueError for an unknown name or setting.
    """
    noisy, plain = name.startswith(NOISY), name.removeprefix(NOISY)
    if plain in REFERENCE_SHAPES:
        shapes: dict[str, Shape] = {shape: shape for shape in REFERENCE_SHAPES}
        return Strategy(name=name, shape=shapes[plain], noisy=noisy)
    parts = [_method(part, epochs) for part in parts_of(plain)]
    method = parts[0] if len(parts) == 1 else ChainConfig(parts=tuple(parts))
    return Strategy(name=name, method=method, noisy=noisy)


def _method(text: str, epochs: int) -> MethodConfig:
    """The settings of a method in a strategy's name."""
    name, colon, typed = text.partition(":")
    config = _preset_method(name, epochs)
    return with_settings(config, text, typed.split(",")) if colon else config


def _preset_method(name: str, epochs: int) -> MethodConfig:
    """A method's settings where nothing is said."""
    if name == "random":
        return fitted(NoiseSeparation.Config(act="random"), epochs)
    if name == "relearning":
        return fitted(Relearning.Config(diagnosis="lead"), epochs)
    if name not in {**METHODS, **CONTINUAL, "finetune": None}:
        known = ["finetune", *CONTINUAL, "random", *METHODS]
        raise ValueError(
            f"unknown strategy {name!r}; known are {list(REFERENCE_SHAPES)}, and, to be joined by +, {known}"
        )
    settings: dict[str, Any] = dict(STRENGTHS.get(name, {}))
    return fitted(method_class("plain" if name == "finetune" else name).Config(**settings), epochs)


def strategies_of(names: Sequence[str], epochs: int) -> tuple[Strategy, ...]:
    """The strategies of these names; `finetune`, which all are compared to, is always among them."""
    return tuple(strategy_of(name, epochs) for name in dict.fromkeys(("finetune", *names)))


def continual_config(
    name: str, options: ContinualOptions, store: str, noisy_store: str | None = None
) -> ContinualConfig:
    """The job that its options describe, on a prepared store and its contaminated copy.

    Raises ValueError that names the option that is wrong.
    """
    tasks = tuple(Task(by=options.by, values=tuple(value.split("+"))) for value in options.tasks)
    sizes = CONTINUALS[options.preset].sizes.resized(options.epochs, None)
    everything = Task(by=options.by, values=tuple(value for task in tasks for value in task.values))
    base = sizes.train_config(
        store, options.protocol, everything.split, 0, real=options.source.real, sensors=options.sensors
    )
    base = replace(base, model=replace(base.model, norm="layer"))
    return ContinualConfig(
        name=name,
        base=with_overrides(base, options.override),
        tasks=tasks,
        strategies=strategies_of(options.strategies, options.epochs),
        seeds=tuple(range(options.seeds)),
        orders=tuple(range(options.orders)),
        noisy_store=noisy_store,
        workers=options.workers,
    )

"""What a sweep can be asked for, and the sweep that such options describe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from equipose.balancing.schedules import fitted
from equipose.experiments.presets.names import PresetName
from equipose.experiments.presets.options import ResumableOptions
from equipose.experiments.presets.sizes import PRESETS, Preset, SimulatedSelection
from equipose.orchestrator.jobs.location import Kind

if TYPE_CHECKING:
    from equipose.orchestrator.sweep.config import SweepConfig


@dataclass(frozen=True, kw_only=True)
class SweepOptions(ResumableOptions):
    """Options of `equipose sweep`."""

    kind: ClassVar[Kind] = "sweeps"
    verb: ClassVar[str] = "sweep"
    grows = "trials"

    preset: PresetName
    protocol: str
    split: str
    seed: int = 0
    """Of weights, batches and the search."""
    trials: int | None = None
    """None: the preset's number."""

    @property
    def stem(self) -> str:
        return f"awc-{self.data}-{self.preset}"

    @property
    def simulated(self) -> SimulatedSelection:
        return PRESETS[self.preset].simulated

    @property
    def extent(self) -> int:
        return self.sizes.trials

    @property
    def sizes(self) -> Preset:
        """The preset with the length and budget of these options."""
        return PRESETS[self.preset].resized(self.epochs, self.trials)


def sweep_config(name: str, options: SweepOptions, store: str) -> SweepConfig:
    """The sweep that a job's options describe, on a prepared store, sized for this machine or cluster.

    Raises ValueError that names the option that is wrong.
    """
    from equipose.experiments.presets.typed.overrides import with_overrides
    from equipose.orchestrator.ray_train.sizing import concurrent_runs_of
    from equipose.orchestrator.sweep.config import SweepConfig

    sizes = options.sizes
    real = options.source.real
    base = sizes.train_config(
        store, options.protocol, options.split, options.seed, real=real, sensors=options.sensors
    )
    base = with_overrides(base, options.override)
    concurrency, resources = concurrent_runs_of(base, options.workers, gpu=options.gpu, limit=sizes.trials)
    return SweepConfig(
        name=name,
        base=base,
        awc=fitted(sizes.awc, sizes.epochs),
        paper_window=sizes.paper_window,
        space=sizes.space(),
        trials=sizes.trials,
        seed=options.seed,
        grace_epochs=sizes.grace_epochs,
        resources=resources,
        concurrency=concurrency,
    )

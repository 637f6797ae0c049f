"""What a sweep of UniHPE's alignment can be asked for, and the sweep that such options describe."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from equipose.experiments.presets.names import AlignObjective, PresetName
from equipose.experiments.presets.unihpe.sizes import UNIHPES, UnihpeSizes
from equipose.experiments.presets.unihpe.stages import UnihpeOptions, unihpe_config
from equipose.experiments.presets.unihpe.tables import TABLE_SIZES
from equipose.orchestrator.jobs.location import Kind

if TYPE_CHECKING:
    from equipose.orchestrator.unihpe.sweep.config import AlignSweepConfig

STAGES_OF: Mapping[AlignObjective, int] = {"pose": 3, "retrieval": 2}
"""Objective -> stages that are trained: without the last one poses are retrieved."""


@dataclass(frozen=True, kw_only=True)
class AlignSweepSizes:
    """What a preset decides."""

    sizes: UnihpeSizes
    trials: int
    seeds: int
    """Of the best and of the default setting, each."""


ALIGN_SWEEPS: Mapping[PresetName, AlignSweepSizes] = {
    "smoke": AlignSweepSizes(sizes=UNIHPES["smoke"], trials=2, seeds=1),
    "quick": AlignSweepSizes(sizes=TABLE_SIZES["quick"].sizes, trials=8, seeds=3),
    "paper": AlignSweepSizes(sizes=UNIHPES["paper"], trials=30, seeds=3),
}
"""`quick` has the narrow encoders and the short stages of the tables, which fit two cores."""


@dataclass(frozen=True, kw_only=True)
class AlignSweepOptions(UnihpeOptions):
    """Options of `equipose sweep --work unihpe`."""

    kind: ClassVar[Kind] = "sweeps"
    verb: ClassVar[str] = "sweep"
    grows: ClassVar[Literal["trials", "seeds"]] = "trials"

    trials: int
    dials: tuple[str, ...] = ()
    """Fields to search, such as `alpha`; empty: all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trials < 1:
            raise ValueError(f"trials must be at least 1, got {self.trials}")

    @property
    def stem(self) -> str:
        return f"alignment-{self.data}-{self.preset}"

    @property
    def extent(self) -> int:
        return self.trials

    def resume_command(self, out: Path) -> str:
        """The command that resumes the job, to be copied."""
        where = ["--store", self.store] if self.store else []
        words = ["equipose", "sweep", "--work", "unihpe", *where, "--preset", self.preset]
        return shlex.join([*words, "--out", str(out), "--resume"])


def align_sweep_config(name: str, options: AlignSweepOptions, store: str) -> AlignSweepConfig:
    """The sweep that a job's options describe, sized for this machine or cluster.

    Raises ValueError that names the option that is wrong.
    """
    from equipose.orchestrator.cluster.capacity import Resources
    from equipose.orchestrator.line_sweep.config import sized
    from equipose.orchestrator.unihpe.sweep.config import AlignSweepConfig

    return sized(
        AlignSweepConfig(
            job=unihpe_config(name, options, store, ALIGN_SWEEPS[options.preset].sizes),
            trials=options.trials,
            dials=options.dials,
            seed=options.first_seed,
            resources=Resources(workers=options.workers, gpu=options.gpu),
        )
    )

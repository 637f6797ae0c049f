"""What a sweep of an alignment searches, the runs of a trial, and what it is judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from equipose.models.alignment.config import IMAGE, KEYPOINTS, POSE
from equipose.models.sensors import subset_name
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.line_sweep.config import TUNING_SEED, Search, check_budget, untested
from equipose.orchestrator.training.config import TrainConfig
from equipose.orchestrator.unihpe.stages import UnihpeConfig, Variant
from equipose.orchestrator.unihpe.sweep.dials import changed, dials_of, turned, typed
from equipose.pipelines.files.path_safety import file_name

OBJECTIVE = "align/validation_mm"
"""What the sweep minimises: the error of the pose from the picture alone, on the validation part, after the
last stage. It is decoded there, or retrieved where no stage trains decoders."""
FROM_PICTURE = f"subset/{subset_name(1, (IMAGE,))}/mpjpe_mm"
"""That error among the metrics of a run: joints relative to the true pelvis."""
SEARCH = "alignment"
"""Name of its only search."""
DEFAULT, TUNED = "default", "tuned"


@dataclass(frozen=True, kw_only=True)
class AlignSweepConfig:
    """One sweep: the job whose variant is tuned, the dials, and the budget."""

    objective: ClassVar[str] = OBJECTIVE
    grows: ClassVar[bool] = False
    """The first stage has no picture, and the second no decoder yet."""

    job: UnihpeConfig
    """Its one variant is the default setting; its seeds are those of the test, not of the search."""
    trials: int = 8
    dials: tuple[str, ...] = ()
    """Fields to search, such as `alpha`; empty: all that declare it."""
    seed: int = 0
    """Of the search, and, 1000 higher, of the weights and batches of its trials."""
    resources: Resources
    concurrency: int = 1

    def __post_init__(self) -> None:
        check_budget(self)
        if len(self.job.variants) != 1:
            raise ValueError(f"a sweep tunes one variant, got {list(self.job.methods)}; keep the first")
        model, objective = self.variant.model, self.variant.objective
        if model.modalities != (IMAGE, KEYPOINTS):
            raise ValueError(
                f"model.modalities is {model.modalities}: the terms over three embeddings that are searched "
                f"need {(IMAGE, KEYPOINTS)}"
            )
        if not getattr(objective, "contrast", False) or not self.variant.aligned_first:
            raise ValueError(
                f"variant {self.variant.name!r} aligns nothing, so there is nothing to search; leave out "
                "objective.contrast=false"
            )
        if TUNING_SEED + self.seed in self.job.seeds:
            raise ValueError(
                f"seed {TUNING_SEED + self.seed} is that of the trials; test with other seeds than "
                f"{list(self.job.seeds)}"
            )
        dials_of(self.variant, self.dials)

    @property
    def variant(self) -> Variant:
        """The default setting."""
        return self.job.variants[0]

    @property
    def name(self) -> str:
        """Of the sweep and its folder."""
        return self.job.name

    @property
    def base(self) -> TrainConfig:
        """The last run of the default setting."""
        return self.job.base

    @property
    def length(self) -> int:
        """Stages."""
        return len(self.variant.stages)

    @property
    def total(self) -> int:
        """Trials."""
        return self.trials

    @property
    def judged_by(self) -> str:
        """How the pose is made whose error counts: `decoded` or `retrieved`."""
        model: Any = self.base.model
        return "decoded" if POSE in model.decoders else "retrieved"

    def searches(self) -> tuple[Search, ...]:
        """One."""
        dials = dials_of(self.variant, self.dials)
        return (Search(name=SEARCH, dials=dials, trials=self.trials, seed=self.seed),)

    def runs(self, search: str, values: Mapping[str, Any]) -> tuple[RunSpec, ...]:
        """The stages of a trial. None of them reads a test part."""
        variant = turned(self.variant, values)
        return tuple(untested(spec) for spec in self.job.runs(variant, TUNING_SEED + self.seed))

    def value(self, result: RunResult) -> float:
        """The validation error after a stage, mm, see `FROM_PICTURE`; infinite for a run that diverged.

        The first stage has no picture, so its value, the error from the key points, only says that it went
        well.
        """
        last = result.history[-1]
        if "val/mpjpe_mm" not in last:
            return math.inf
        return last[FROM_PICTURE if IMAGE in result.config.model.modalities else "val/mpjpe_mm"]

    def prefix(self, spec: RunSpec) -> str:
        """Every stage has metrics under its own name, since it minimises something else: `pose-pairs/`."""
        return f"{file_name(self.variant.stages[len(spec.line) - 1])}/"

    def tags(self, search: str, values: Mapping[str, Any]) -> dict[str, str]:
        """The setting as it is typed."""
        return {"dials": " ".join(typed(values))}

    def finals(self, trial: str, values: Mapping[str, Any]) -> UnihpeConfig:
        """What is tested: the default setting, and, where it differs, that of the best trial, with the same
        seeds; the second is named after its trial."""
        variants = [replace(self.variant, name=DEFAULT)]
        if changed(self.variant, values):
            variants.append(replace(turned(self.variant, values), name=f"{TUNED} {trial}"))
        return replace(self.job, variants=tuple(variants))

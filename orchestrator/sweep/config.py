"""What a sweep of AWC searches, and the training run of each point of the search."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.awc.strength import Strength
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.training.config import TrainConfig
from equipose.pipelines.files.path_safety import check_name

OBJECTIVE = "best/mpjpe_mm"
"""What a sweep minimises: the lowest validation error of a trial's epochs."""

REFERENCES: dict[Strength, dict[str, float]] = {
    "ratio": {"strength": 0.3, "weak_share": 0.0},
    "alpha": {"strength": 20_000.0, "weak_share": 0.5},
}
"""Kind of strength -> AWC's default, and the AWC paper's setting."""
RANGES: dict[Strength, tuple[float, float]] = {"ratio": (0.03, 3.0), "alpha": (1e3, 1e6)}
"""Kind of strength -> what a sweep searches."""


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """AWC strength, critical-window length and fusion (AWC paper, tables of alpha and window)."""

    kind: Strength = "ratio"
    """What the strength is: AWC's ratio of gradients, or the paper's absolute alpha."""
    strength: tuple[float, float] = (0.03, 3.0)
    """Range of the strong group's strength, searched on a log scale; see `RANGES`."""
    weak_share: tuple[float, float] = (0.0, 1.0)
    """Range of the weak group's strength as a share of the strong one's."""
    window: tuple[int, int] = (0, 30)
    """Range of K in epochs, both ends included; 0 is plain training."""
    fusion: tuple[str, ...] = ("concat", "mlp", "attention")

    def __post_init__(self) -> None:
        for name, (low, high) in (
            ("strength", self.strength),
            ("weak_share", self.weak_share),
            ("window", self.window),
        ):
            if not low <= high:
                raise ValueError(f"space.{name} must be (low, high) with low <= high, got {(low, high)}")
        if self.strength[0] <= 0:
            raise ValueError(f"space.strength is searched on a log scale, so above 0; got {self.strength}")
        if not self.fusion:
            raise ValueError("space.fusion must name at least one fusion")


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """One sweep: the run that every trial varies, the space, and the budget."""

    name: str
    base: TrainConfig
    awc: AWC.Config = field(default_factory=AWC.Config)
    """AWC settings that the sweep does not search."""
    paper_window: int
    """K of the paper's setting: 20 of 50 epochs, scaled where a preset trains for fewer."""
    space: SearchSpace
    trials: int = 10
    seed: int = 0
    grace_epochs: int = 1
    """Epochs before ASHA may stop a trial; more than the longest window compares windows fairly."""
    resources: Resources
    concurrency: int = 1

    def __post_init__(self) -> None:
        check_name(self.name, "sweep name")
        if self.trials < len(self.enqueued()):
            raise ValueError(
                f"trials must be at least {len(self.enqueued())} (the reference points), got {self.trials}"
            )
        if len(self.base.model.modalities) < 2:
            raise ValueError(
                f"model.modalities is {self.base.model.modalities}: nothing to balance; take two or more"
            )
        if not 1 <= self.grace_epochs <= self.base.epochs:
            raise ValueError(
                f"grace_epochs must lie in [1, epochs={self.base.epochs}], got {self.grace_epochs}"
            )
        if self.concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {self.concurrency}")

    def enqueued(self) -> list[dict[str, Any]]:
        """Points tried first: per fusion the reference setting and plain training; trial 0 is the former.

        The reference is the paper's setting where absolute alphas are searched, else AWC's default ratio.

        Every fusion has its own plain reference, so a gain is never one of the fusion alone.
        """
        known = {**REFERENCES[self.space.kind], "window": self.paper_window}
        return [{**known, **change, "fusion": f} for f in self.space.fusion for change in ({}, {"window": 0})]

    def run_config(self, point: dict[str, Any]) -> TrainConfig:
        """The training run of one point. Same data, seed and epochs for all, so trials are paired."""
        kind, strong = self.space.kind, point["strength"]
        fields: dict[str, Any] = {f"{kind}_s": strong, f"{kind}_i": strong * point["weak_share"]}
        awc = replace(self.awc, strength=kind, window=int(point["window"]), **fields)
        model = replace(self.base.model, fusion=point["fusion"])
        return replace(self.base, model=model, method=awc)

"""The contract of an objective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from equipose.balancing.losses import Losses
from equipose.balancing.step import Step

ModelKind = Literal["fusion", "aligned", "baseline"]
"""`PoseModel`, `AlignedModel`, `BaselineModel`."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Settings of an objective; each nests its own subclass as `Config`."""


class Objective:
    """From a model's outputs and a batch to named losses, means over this rank's rows.

    A balancing method shapes whatever losses an objective names. Every run is judged by the error of the
    poses that its model's `fuse` gives, in mm, so checkpoints, schedulers and searches need not know which
    objective they serve.
    """

    Config: ClassVar[type[ObjectiveConfig]] = ObjectiveConfig
    whole_rows: bool = False
    """Whether it is taken over rows only on which every sensor of the model is valid."""
    model: ModelKind = "fusion"
    """The kind of model whose outputs it reads."""

    def __init__(self, config: ObjectiveConfig | None = None) -> None:
        self.config = config if config is not None else self.Config()

    def prepare(self, model: nn.Module) -> None:
        """Give a new model what the objective learns beside it, such as a temperature."""

    def losses(self, step: Step) -> Losses:
        """The named losses of a step, of which the sum is minimised."""
        raise NotImplementedError

    def after_step(self, model: nn.Module) -> None:
        """Bring the model back into bounds after the optimiser's step."""

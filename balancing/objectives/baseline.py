"""The losses that baselines are published with, one for each architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torch import Tensor, nn

from equipose.balancing.losses import Losses
from equipose.balancing.objectives.objective import Objective, ObjectiveConfig
from equipose.balancing.step import Step
from equipose.models.baselines.config import Architecture
from equipose.models.baselines.heatmaps import cells_of, gaussians, scaled_sigma
from equipose.models.baselines.model import POSE_SCALE, BaselineModel, BaselineOutputs
from equipose.models.batch import Batch
from equipose.models.pose_errors import mpjpe
from equipose.models.sensors.triplet_inputs import keypoints_in_box, root_relative


class Baseline(Objective):
    """What a baseline's authors minimise."""

    @dataclass(frozen=True, kw_only=True)
    class Config(ObjectiveConfig):
        """How heat maps look; lifters have nothing to choose."""

        sigma: float = 2.0
        """Deviation of a key point's Gaussian, in cells of a map 64 cells high; in proportion on others."""

        def __post_init__(self) -> None:
            if not self.sigma > 0:
                raise ValueError(f"objective.sigma={self.sigma}: use a positive number of cells")

    config: Config
    whole_rows = True
    model = "baseline"

    def prepare(self, model: nn.Module) -> None:
        """Nothing is learnt beside the model; ValueError for one of another kind."""
        _baseline(model)

    def losses(self, step: Step) -> Losses:
        """`pose` of a lifter, `heatmaps` else."""
        model, outputs = _baseline(step.run.model), step.outputs
        assert isinstance(outputs, BaselineOutputs)
        name, loss = LOSSES[model.config.architecture]
        return {name: loss(outputs.prediction, step.batch, self.config).mean()}


def squared_error(poses: Tensor, batch: Batch, config: Baseline.Config) -> Tensor:
    """[B]: mean squared error of coordinates at unit variance (SimpleBaseline)."""
    return (POSE_SCALE * (poses - root_relative(batch.pose))).square().mean((1, 2))


def joint_error(poses: Tensor, batch: Batch, config: Baseline.Config) -> Tensor:
    """[B] m: mean distance of joints (VideoPose3D)."""
    return mpjpe(poses, root_relative(batch.pose))


def map_error(maps: Tensor, batch: Batch, config: Baseline.Config) -> Tensor:
    """[B]: half the squared error of cells, which counts as 0 for joints that are unknown (HRNet).

    The mean is over all joints, as published, so a row counts less the fewer of its joints are known.
    """
    height, width = maps.shape[-2:]
    exact = keypoints_in_box(batch.targets["exact_keypoints"], batch.context["box"])
    wanted, known = gaussians(
        cells_of(exact, height, width), height, width, scaled_sigma(config.sigma, height)
    )
    return 0.5 * ((maps - wanted).square().mean((2, 3)) * known).mean(1)


Loss = Callable[[Tensor, Batch, Baseline.Config], Tensor]
LOSSES: Mapping[Architecture, tuple[str, Loss]] = MappingProxyType(
    {
        "simple_baseline": ("pose", squared_error),
        "videopose3d": ("pose", joint_error),
        "heatmaps": ("heatmaps", map_error),
    }
)
"""Architecture -> name of its loss, and the loss of every row [B]."""


def _baseline(model: object) -> BaselineModel:
    """The model, which must be a baseline."""
    if not isinstance(model, BaselineModel):
        raise ValueError(f"objective baseline needs a baseline, got {type(model).__name__}")
    return model

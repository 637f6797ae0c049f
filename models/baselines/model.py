"""Baselines as models: a lifter of key points to a pose, and a finder of key points in a picture.

Shapes as in `models/batch.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from equipose.models.alignment.config import IMAGE, KEYPOINTS, POSE
from equipose.models.alignment.decoders.base import SCALES
from equipose.models.base import Route, RoutedModel, scaled
from equipose.models.baselines.config import EXACT, BaselineConfig
from equipose.models.baselines.heatmaps import HeatMapNet
from equipose.models.batch import Batch
from equipose.models.inputs import InputNorm
from equipose.models.sensors.triplet_inputs import keypoints_in_box
from equipose.models.skeleton import NUM_JOINTS

POSE_SCALE = SCALES[3]
"""Brings poses in metres to unit variance; SimpleBaseline is published with poses standardised."""


@dataclass(frozen=True, kw_only=True)
class BaselineOutputs:
    """What a baseline returns for a batch."""

    prediction: Tensor
    """A lifter: poses [B, 17, 3] m relative to the pelvis. Else maps [B, 17, H / 4, W / 4] of the picture."""


class BaselineModel(RoutedModel):
    """One sensor, one network, one route."""

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        inputs: Mapping[str, InputNorm],
        config: BaselineConfig,
        mean_pose: Tensor | None = None,
    ) -> None:
        """mean_pose: [17, 3] m, relative to the pelvis: the answer without the sensor (None: zero)."""
        super().__init__(encoders, inputs)
        self.config = config
        if config.image_weights:
            self.scaled_already = frozenset({IMAGE})  # as ImageNet's pictures, which the weights expect
        self.mean_pose: Tensor
        self.register_buffer(
            "mean_pose", torch.zeros(NUM_JOINTS, 3) if mean_pose is None else mean_pose.clone()
        )

    @property
    def routes(self) -> tuple[Route, ...]:
        """The one."""
        return (self.config.route,)

    @property
    def label(self) -> str:
        """How it makes poses or key points."""
        return self.config.label

    def beside(self, name: str, batch: Batch) -> tuple[Any, ...]:
        """Nothing: neither of its sensors has a mask."""
        return ()


class Lifter(BaselineModel):
    """Key points to a pose. Features are the network's numbers."""

    def adapted(self, name: str, inputs: Tensor, batch: Batch) -> Tensor:
        """Key points relative to their box."""
        return keypoints_in_box(inputs, batch.context["box"])

    def posed(self, numbers: Tensor) -> Tensor:
        """Poses [B, 17, 3] m of a network's numbers [B, 51]."""
        poses = numbers.unflatten(1, (NUM_JOINTS, 3))
        return poses / POSE_SCALE + self.mean_pose if self.config.standardised else poses

    def fuse(self, features: Tensor, present: Tensor | None = None) -> Tensor:
        """Poses [B, 17, 3] m of features [B, 1, 51]; the mean pose where key points are absent."""
        shape = features.shape[:2]
        held = features.new_ones(shape, dtype=torch.bool) if present is None else present.expand(shape)
        mean = self.mean_pose.to(features.dtype)
        return self.posed(features[:, 0]).where(held[..., None], mean)

    def forward(self, batch: Batch) -> BaselineOutputs:
        """Poses."""
        return BaselineOutputs(prediction=self.fuse(self.encode(batch), self.present_of(batch)))

    def follow(self, batch: Batch) -> dict[Route, Tensor]:
        """Poses, the mean pose where key points are absent; and those of key points without a detector's
        errors, where the batch holds such."""
        found = {self.config.route: self(batch).prediction}
        if EXACT in batch.targets:
            exact = keypoints_in_box(batch.targets[EXACT], batch.context["box"])
            found[EXACT, POSE] = self.posed(self.encoders[KEYPOINTS](exact))
        return found


class KeypointFinder(BaselineModel):
    """A picture to key points, by heat maps. Features are key points relative to the box, in a row.

    It knows nothing of the third dimension, so the pose that `fuse` gives is the mean pose of the training
    part whatever the picture, and an error of that pose says nothing about the model.
    """

    def fuse(self, features: Tensor, present: Tensor | None = None) -> Tensor:
        """The mean pose [B, 17, 3] m."""
        return self.mean_pose.to(features.dtype).expand(len(features), NUM_JOINTS, 3)

    def forward(self, batch: Batch) -> BaselineOutputs:
        """Heat maps, of any value where the picture is absent."""
        network = self.encoders[IMAGE]
        assert isinstance(network, HeatMapNet)
        present = self.present_of(batch)[:, 0]
        pictures = scaled(self.inputs[IMAGE], batch.inputs[IMAGE], present)
        maps = self.computing.pass_of(network.maps, pictures) if self.training else network.maps(pictures)
        return BaselineOutputs(prediction=maps)

    def follow(self, batch: Batch) -> dict[Route, Tensor]:
        """Key points; the middle of the box where the picture is absent."""
        return {self.config.route: self.encode(batch)[:, 0].unflatten(1, (NUM_JOINTS, 2))}

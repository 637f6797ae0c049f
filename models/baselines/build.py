"""Building a baseline whose weights depend only on its configuration and the seed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from torch import Tensor, nn

from equipose.models.alignment.config import IMAGE
from equipose.models.baselines.config import BaselineConfig
from equipose.models.baselines.heatmaps import HeatMapNet, new_head
from equipose.models.baselines.model import BaselineModel, KeypointFinder, Lifter
from equipose.models.encoders.image import load_image_weights
from equipose.models.encoders.image.weights import IMAGENET_MEAN, IMAGENET_STD
from equipose.models.inputs import InputNorm, InputStatistics
from equipose.models.randomness import seeded
from equipose.models.sensors import View, sensor_of
from equipose.models.skeleton import NUM_JOINTS


def build_baseline(
    config: BaselineConfig,
    *,
    views: Mapping[str, View] = MappingProxyType({}),
    mean_pose: Tensor | None = None,
    seed: int,
) -> BaselineModel:
    """A baseline with initial weights; the global random state is unchanged.

    An HRNet starts as it does in an aligned model of the same seed. Raises ValueError for views of several
    frames, and as `load_image_weights` does.
    """
    for name, view in views.items():
        config.encoder(name, view)
    if not config.lifts:
        return _keypoint_finder(config, mean_pose, seed)
    (name,) = config.modalities
    network = seeded(partial(_lifting_network, config), seed, "encoder", name)
    return Lifter({name: network}, {}, config, mean_pose)


def _lifting_network(config: BaselineConfig) -> nn.Module:
    """With new weights; those of SimpleBaseline's linear layers as He et al. (ICCV 2015), as published."""
    (name,) = config.modalities
    network = config.encoder(name).build(3 * NUM_JOINTS, config.norm)
    if config.architecture == "simple_baseline":
        for layer in network.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
    return network


def _keypoint_finder(config: BaselineConfig, mean_pose: Tensor | None, seed: int) -> KeypointFinder:
    hrnet = config.hrnet
    backbone = seeded(partial(hrnet.build, 1, config.norm), seed, "encoder", IMAGE)
    norm = InputNorm(sensor_of(IMAGE).layout)
    if config.image_weights:
        load_image_weights(backbone, config.image_weights)
        norm.fit(InputStatistics(centre=IMAGENET_MEAN, scale=IMAGENET_STD))
    head = seeded(partial(new_head, hrnet.width), seed, "head", "heatmaps")
    return KeypointFinder({IMAGE: HeatMapNet(backbone, head)}, {IMAGE: norm}, config, mean_pose)

"""Building an aligned model whose weights depend only on its configuration and the seed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from torch import Tensor, nn

from equipose.models.alignment.config import IMAGE, KEYPOINTS, AlignedConfig
from equipose.models.alignment.model import AlignedModel
from equipose.models.encoders.image import HRNet, ViT, load_image_weights
from equipose.models.encoders.image.weights import IMAGENET_MEAN, IMAGENET_STD
from equipose.models.inputs import InputNorm, InputStatistics
from equipose.models.randomness import seeded
from equipose.models.sensors import View, sensor_of


def build_aligned(
    config: AlignedConfig,
    *,
    views: Mapping[str, View] = MappingProxyType({}),
    mean_pose: Tensor | None = None,
    seed: int,
) -> AlignedModel:
    """An aligned model with initial weights; the global random state is unchanged.

    The initial weights of an encoder or decoder depend only on the seed and on its own sizes, so models that
    are compared start alike. An image encoder with `image_weights` starts with those; errors as in
    `load_image_weights`.
    """
    encoders: dict[str, nn.Module] = {
        name: seeded(
            partial(config.encoder(name, views.get(name)).build, config.space, config.norm),
            seed,
            "encoder",
            name,
        )
        for name in config.spaces
    }
    inputs = {name: InputNorm(sensor_of(name).layout) for name in config.modalities if name != KEYPOINTS}
    if config.image_weights:
        encoder = encoders[IMAGE]
        assert isinstance(encoder, (HRNet, ViT))
        load_image_weights(encoder, config.image_weights)
        inputs[IMAGE].fit(InputStatistics(centre=IMAGENET_MEAN, scale=IMAGENET_STD))
    decoders = {
        target: seeded(
            partial(config.decoder_config(target).build, config.space, config.spaces, config.norm),
            seed,
            "decoder",
            target,
        )
        for target in config.decoders
    }
    return AlignedModel(encoders, inputs, decoders, config, mean_pose)

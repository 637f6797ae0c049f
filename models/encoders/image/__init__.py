"""Encoders of a picture of a person: HRNet and ViT, without any framework around them.

`hrnet_layers`, `hrnet`, `vit` (the architectures), `weight_names` (what others call the same parameters),
`weights` (reading a file of weights that the user has).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from equipose.models.encoders.image.hrnet import HRNet
from equipose.models.encoders.image.vit import ViT
from equipose.models.encoders.image.weights import LoadedWeights, load_image_weights

IMAGE_ENCODERS: Mapping[str, HRNet.Config | ViT.Config] = MappingProxyType(
    {
        "tiny": HRNet.Config(width=4, stem=8, modules=(1, 1, 1), bottlenecks=1, blocks=1),
        "small": HRNet.Config(width=16, stem=16, modules=(1, 1, 1), bottlenecks=1, blocks=1),
        "vit_tiny": ViT.Config(width=96, heads=3, layers=4),
        "hrnet_w32": HRNet.Config(width=32),
        "hrnet_w48": HRNet.Config(width=48),
        "vit_s": ViT.Config(width=384),
        "vit_b": ViT.Config(width=768),
    }
)
"""name -> sizes. `tiny`, `small` and `vit_tiny` are for CPUs; the others are published (UniHPE, table 5)."""

__all__ = ["IMAGE_ENCODERS", "HRNet", "LoadedWeights", "ViT", "load_image_weights"]

"""From a point of the shared space back to a pose in 2D or 3D: score-based diffusion, or an MLP.

`condition` (embedding, modality token, box), `sde` (how noise is added), `network` (the score network),
`samplers` (how it is taken away again), `base`, `score`, `mlp` (the decoders). UniHPE (arXiv 2311.16477)
follows GFPose (Ci et al., CVPR 2023) here; J joints, C coordinates, H hypotheses.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from equipose.models.alignment.decoders.base import Decoder, DecoderConfig
from equipose.models.alignment.decoders.mlp import MLPDecoder
from equipose.models.alignment.decoders.samplers import SAMPLERS, Sampling
from equipose.models.alignment.decoders.score import ScoreDecoder

DECODERS: Mapping[str, type[ScoreDecoder] | type[MLPDecoder]] = MappingProxyType(
    {"score": ScoreDecoder, "mlp": MLPDecoder}
)
"""name -> decoder, built as `DECODERS[name].Config(...).build(D, sources, norm)`."""

__all__ = ["DECODERS", "SAMPLERS", "Decoder", "DecoderConfig", "MLPDecoder", "Sampling", "ScoreDecoder"]

"""One space for several views of a pose: contrastive losses on the unit sphere, and decoders out of it.

After UniHPE (Jiang et al., "UniHPE: Towards unified human pose estimation via contrastive learning", arXiv
2311.16477), for which image, 2D pose and 3D pose are the views. Legend of shapes: B rows of the global batch,
R rows of this rank, D width of the space, M modalities.

`sphere` (unit vectors, rows of all ranks), `contrast` (softmax losses), `terms/` (what three modalities say
together), `temperature`, `losses` (all of it, configured), `decoders/`; `config`, `build`, `model` (encoders,
space and decoders as one model); `retrieval` and `keypoint_errors` (how it is judged).
"""

from __future__ import annotations

from equipose.models.alignment.losses import AlignmentLoss
from equipose.models.alignment.sphere import Gather, for_decoders, one_rank, unit
from equipose.models.alignment.temperature import Temperature
from equipose.models.alignment.terms.higher_order import HIGHER_ORDER

__all__ = [
    "HIGHER_ORDER",
    "AlignmentLoss",
    "Gather",
    "Temperature",
    "for_decoders",
    "one_rank",
    "unit",
]

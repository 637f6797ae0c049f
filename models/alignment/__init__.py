"""One space for several views of a pose: contrastive losses on the unit sphere, and decoders out of it.

After UniHPE (Jiang et al., "UniHPE: Towards unified human pose estimation via contrastive learning", arXiv
2311.16477), for which image, 2D pose and 3D pose are the views. Legend of shapes: B rows of the global batch,
R rows of this rank, D width of the space, M modalities.

`sphere` (unit vectors, rows of all ranks), `eigenvalue` (the closed form behind L_triplet), `negatives`
(which triplets are compared), `contrast` (softmax losses), `higher_order` (what the three modalities say
together), `rivals` (published alternatives), `temperature`, `losses` (all of it, configured), `decoders/`.
"""

from __future__ import annotations

from equipose.models.alignment.higher_order import HIGHER_ORDER
from equipose.models.alignment.losses import AlignmentLoss
from equipose.models.alignment.sphere import Gather, for_decoders, one_rank, unit
from equipose.models.alignment.temperature import Temperature

__all__ = [
    "HIGHER_ORDER",
    "AlignmentLoss",
    "Gather",
    "Temperature",
    "for_decoders",
    "one_rank",
    "unit",
]

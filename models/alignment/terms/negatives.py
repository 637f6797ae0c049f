"""Which triplets (image i, 2D j, 3D k) stand against the true ones (i, i, i) in L_triplet."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Negatives = Literal["sampled", "all"]
"""`sampled`: B - 1 for every anchor, as published. `all`: every other (j, k), B^2 - 1."""


def sampled_triplets(rows: int, index: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Columns j and k, each [R, B], of the triplets of the anchors `index` [R] among `rows` = B.

    The first column is the anchor itself, the true triplet; the others are two independent permutations for
    each anchor, less their first entry (UniHPE, algorithm 1; its printed indexing is read so that the image
    stays and 2D and 3D are shuffled). Drawn for the whole batch, so that ranks with generators of equal
    state draw alike.
    """
    drawn = torch.rand(2, rows, rows, generator=generator, device=generator.device)
    # Only the rows of this rank are sorted; all are drawn, so that the generators stay in step.
    j, k = drawn[:, index.to(drawn.device)].argsort(-1).to(index.device)
    j[:, 0] = index
    k[:, 0] = index
    return j, k


def collisions(j: Tensor, k: Tensor, index: Tensor) -> Tensor:
    """[R, B] bool: negatives that are the true triplet again, one per batch on average.

    The paper does not mention them; each would ask the loss to push away what it pulls near.
    """
    hit = (j == index[:, None]) & (k == index[:, None])
    hit[:, 0] = False
    return hit

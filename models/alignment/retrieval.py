"""How well embeddings of one view of a pose find those of another.

Legend: G rows of the gallery, D width of the space.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equipose.models.alignment.sphere import unit


def ranks_of_own(source: Tensor, target: Tensor) -> Tensor:
    """[G] int64: how many rows of `target` [G, D] are more similar to a row of `source` [G, D] than its own.

    0 is a hit. Equal similarities count against it, so embeddings that all coincide find nothing.

    Examples:
        >>> ranks_of_own(torch.eye(3), torch.eye(3)).tolist()
        [0, 0, 0]
    """
    cosines = unit(source) @ unit(target).T
    return (cosines >= cosines.diagonal()[:, None]).sum(1) - 1


def nearest(source: Tensor, target: Tensor) -> Tensor:
    """[G] int64: the row of `target` [G, D] that is most similar to each row of `source` [G, D]."""
    return (unit(source) @ unit(target).T).argmax(1)


def recall(ranks: Tensor, k: int) -> float:
    """Share of rows that find their own among the first k: R@k, in [0, 1]."""
    return float((ranks < k).double().mean())


def modality_gap(source: Tensor, target: Tensor) -> float:
    """Distance between the mean directions of two views [G, D] (Liang et al., NeurIPS 2022, section 2)."""
    return float((unit(source).mean(0) - unit(target).mean(0)).norm())


def uniformity(embeddings: Tensor) -> float:
    """log mean exp(-2 |x - y|^2) over different rows of [G, D]; lower is more evenly spread over the sphere.

    Wang and Isola, "Understanding contrastive representation learning through alignment and uniformity on the
    hypersphere" (ICML 2020), with t = 2.
    """
    directions = unit(embeddings).double()
    return float(torch.pdist(directions).square().mul(-2).exp().mean().log())

"""Softmax losses over the rows of the batch: L_pair of UniHPE, symmetric or one way."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from equipose.models.alignment.sphere import SharedRows

Direction = Literal["symmetric", "one_way"]
"""`one_way`: from the first modality of a pair to the second, as printed. `symmetric`: the mean of both ways,
as CLIP has it; the paper does not say which was run."""


def true_class(logits: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """-log softmax(logits [R, N]) at `target` [R], mean over the rows; -inf leaves a column out."""
    return F.cross_entropy(logits, target, label_smoothing=smoothing)


def pair_loss(
    rows: SharedRows, source: str, target: str, inverse_tau: Tensor, direction: Direction = "symmetric"
) -> Tensor:
    """L_pair(S -> T) = -log exp(x_S . x_T / tau) / sum_i exp(x_S . x_T,i / tau), mean over this rank's rows.

    The sum runs over all B rows of the global batch; x are unit vectors (UniHPE; InfoNCE).
    """
    loss = true_class(rows.cosines(source, target) * inverse_tau, rows.index)
    if direction == "one_way":
        return loss
    return (loss + true_class(rows.cosines(target, source) * inverse_tau, rows.index)) / 2


def first_is_true(logits: Tensor) -> Tensor:
    """`true_class` where column 0 is the true one."""
    return true_class(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))

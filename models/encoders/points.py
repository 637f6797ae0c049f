"""Geometry of masked point sets, as pure functions.

Legend: B batch, N points, S sampled points, K neighbours, C channels. Masks are True where a point is
real. The content of padded rows never affects real ones.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TAKEN, PADDED = -1.0, -2.0
"""Sentinels for a squared distance: taken points rank below free ones, padding below both."""


def gather(values: Tensor, index: Tensor) -> Tensor:
    """Rows of values [B, N, C] at index [B, ...]: [B, ..., C].

    Uses an embedding lookup, whose backward pass is deterministic and faster than that of `gather`.
    """
    batch, points, channels = values.shape
    offsets = torch.arange(batch, device=index.device).view(-1, *[1] * (index.dim() - 1)) * points
    return F.embedding(index + offsets, values.reshape(batch * points, channels))


def gather_mask(mask: Tensor, index: Tensor) -> Tensor:
    """Entries of mask [B, N] at index [B, S, K]: [B, S, K]."""
    return mask.gather(1, index.flatten(1)).view(index.shape)


def nearest(queries: Tensor, xyz: Tensor, mask: Tensor, count: int) -> Tensor:
    """Indices [B, S, K] of the nearest real points of xyz [B, N, 3] to queries [B, S, 3].

    K is `count`, or N where there are fewer points; padding is only returned when real points run out.
    """
    with torch.no_grad():
        distance = torch.cdist(queries, xyz, compute_mode="donot_use_mm_for_euclid_dist")
        distance = distance.masked_fill(~mask[:, None], torch.inf)
        return distance.topk(min(count, xyz.shape[1]), largest=False).indices


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean [B, C] of the real rows of values [B, N, C]; zero where there are none."""
    total = values.masked_fill(~mask[..., None], 0).sum(1)
    return total / mask.sum(1, keepdim=True).clamp(min=1)


def farthest_points(xyz: Tensor, mask: Tensor, count: int) -> Tensor:
    """Indices [B, S] of a farthest point sample of xyz [B, N, 3], the same on every call.

    Starts at the real point farthest from the centroid, so it does not depend on the order of the points.
    S is `count`, or N where there are fewer; once the real points run out, they repeat.
    """
    if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
        chosen: Tensor = _in_one_piece(xyz, mask, count)
        return chosen
    return _farthest_points(xyz, mask, count)


def _farthest_points(xyz: Tensor, mask: Tensor, count: int) -> Tensor:
    with torch.no_grad():
        planes = xyz.transpose(1, 2).contiguous()  # sums over a short last axis are slow
        from_centre = _squared_distance(planes, masked_mean(xyz, mask)[..., None])
        last = from_centre.masked_fill(~mask, PADDED).argmax(1, keepdim=True)
        reach = torch.full_like(from_centre, torch.inf).masked_fill_(~mask, PADDED).scatter_(1, last, TAKEN)
        chosen = [last]
        for _ in range(min(count, xyz.shape[1]) - 1):
            centre = planes.gather(2, last[:, None].expand(-1, planes.shape[1], 1))
            torch.minimum(reach, _squared_distance(planes, centre), out=reach)
            last = reach.argmax(1, keepdim=True)
            reach.scatter_(1, last, TAKEN)
            chosen.append(last)
        return torch.cat(chosen, 1)


@torch.library.custom_op(
    "equipose::farthest_points", mutates_args=(), schema="(Tensor xyz, Tensor mask, int count) -> Tensor"
)
def _in_one_piece(xyz: Tensor, mask: Tensor, count: int) -> Tensor:
    """The sample as one step of a compiled graph, which would otherwise hold every round of the loop."""
    return _farthest_points(xyz, mask, count)


@_in_one_piece.register_fake
def _like(xyz: Tensor, mask: Tensor, count: int) -> Tensor:
    return mask.new_empty((len(xyz), min(count, xyz.shape[1])), dtype=torch.int64)


def _squared_distance(planes: Tensor, centre: Tensor) -> Tensor:
    """Squared distances [B, N] of planes [B, 3, N] to centre [B, 3, 1]."""
    return (planes - centre).square_().sum(1)

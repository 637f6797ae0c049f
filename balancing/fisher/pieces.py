"""How many samples a Fisher pass takes at once, which bounds its memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn

from equipose.models.batch import Batch, rows_of
from equipose.models.compute.recomputing import Recomputing

CHUNK = 128
"""Samples per backward pass of the per-sample mode."""
SMALL = 16
"""The same where a run recomputes attention to save memory, which a Fisher pass cannot: it looks at every
layer's inputs. The published LiDAR encoder holds some 0.5 GiB per sample."""


def recomputes(model: nn.Module) -> bool:
    """Whether the run saves memory by recomputing."""
    return any(isinstance(layer, Recomputing) and layer.recomputes for layer in model.modules())


def chunks(model: nn.Module, batches: Iterable[Batch]) -> Iterator[Batch]:
    """The batches cut into pieces for the per-sample mode."""
    size = SMALL if recomputes(model) else CHUNK
    for batch in batches:
        yield from _cut(batch, size)


def parts_of(model: nn.Module, batch: Batch) -> Iterator[Batch]:
    """One batch whole, or in pieces whose gradients are added up where memory is to be saved."""
    return _cut(batch, SMALL) if recomputes(model) else iter((batch,))


def _cut(batch: Batch, size: int) -> Iterator[Batch]:
    for start in range(0, len(batch), size):
        yield rows_of(batch, slice(start, start + size))

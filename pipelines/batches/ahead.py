"""Batches on the device that computes, the next one on its way while the present one is used.

On CUDA a batch is loaded into memory that the system cannot move (pinned) and copied on a stream of its own,
so neither loading nor copying keeps the device waiting. On a CPU there is nothing to copy: nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import torch

from equipose.models.batch import Batch


class Lane(Protocol):
    """A way from the memory of the processor to that of the device."""

    def start(self, batch: Batch) -> Batch:
        """The batch on the device, perhaps still on its way."""

    def arrive(self, batch: Batch) -> None:
        """What the device is given from now on waits until the batch is there."""


class CudaLane:
    """Copies on a stream of its own."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype
        self.stream = torch.cuda.Stream(device)

    def start(self, batch: Batch) -> Batch:
        """Pin the batch and queue its copy."""
        pinned = batch.each(torch.Tensor.pin_memory)
        with torch.cuda.stream(self.stream):
            return pinned.to(self.device, self.dtype, non_blocking=True)

    def arrive(self, batch: Batch) -> None:
        """Order the stream of the computation behind the copy, which owns the memory until then."""
        current = torch.cuda.current_stream(self.device)
        current.wait_stream(self.stream)
        batch.each(lambda tensor: _used_on(tensor, current))


def _used_on(tensor: torch.Tensor, stream: torch.cuda.Stream) -> torch.Tensor:
    tensor.record_stream(stream)
    return tensor


def moved(batches: Iterable[Batch], device: torch.device, dtype: torch.dtype) -> Iterator[Batch]:
    """The batches on a device, their floating-point tensors in `dtype`; on CUDA one ahead."""
    if device.type != "cuda":
        return (batch.to(device, dtype) for batch in batches)
    return one_ahead(batches, CudaLane(device, dtype))


def one_ahead(batches: Iterable[Batch], lane: Lane) -> Iterator[Batch]:
    """The batches in their order; each is loaded and started before the one before it is handed over."""
    waiting: Batch | None = None
    for batch in batches:
        started = lane.start(batch)
        if waiting is not None:
            yield waiting
        lane.arrive(started)
        waiting = started
    if waiting is not None:
        yield waiting

"""One batch ahead: each is on its way before the one before it is used, and none is lost or reordered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from equipose.models.batch import Batch
from equipose.pipelines.batches.ahead import moved, one_ahead


def batch(number: int) -> Batch:
    return Batch(
        inputs={"lidar": torch.full((2, 3, 3), float(number))},
        masks={"lidar": torch.ones(2, 3, dtype=torch.bool)},
        present=torch.ones(2, 1, dtype=torch.bool),
        pose=torch.zeros(2, 17, 3),
        index=torch.tensor([number, number]),
    )


def batches(count: int) -> Iterator[Batch]:
    return (batch(number) for number in range(count))


class Recorded:
    """A lane that writes down what happens."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []

    def start(self, batch: Batch) -> Batch:
        self.events.append(("start", int(batch.index[0])))
        return batch

    def arrive(self, batch: Batch) -> None:
        self.events.append(("arrive", int(batch.index[0])))


def test_the_next_is_on_its_way_while_one_is_used() -> None:
    lane = Recorded()
    for found in one_ahead(batches(3), lane):
        lane.events.append(("use", int(found.index[0])))
    assert lane.events == [
        ("start", 0), ("arrive", 0), ("start", 1), ("use", 0), ("arrive", 1),
        ("start", 2), ("use", 1), ("arrive", 2), ("use", 2),
    ]  # fmt: skip


@pytest.mark.parametrize("count", [0, 1, 4])
def test_none_is_lost(count: int) -> None:
    found = [int(each.index[0]) for each in one_ahead(batches(count), Recorded())]
    assert found == list(range(count))


def test_on_a_cpu_nothing_is_copied_or_loaded_early() -> None:
    given, taken = [batch(0), batch(1)], []

    def counted() -> Iterator[Batch]:
        for each in given:
            taken.append(each)
            yield each

    found = moved(counted(), torch.device("cpu"), torch.float32)
    assert next(found).inputs["lidar"] is given[0].inputs["lidar"]
    assert len(taken) == 1
    double = next(moved(iter(given), torch.device("cpu"), torch.float64))
    assert (double.pose.dtype, double.index.dtype) == (torch.float64, torch.int64)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_cuda_the_same_arrives() -> None:
    for number, found in enumerate(moved(batches(5), torch.device("cuda"), torch.float32)):
        assert found.pose.is_cuda
        assert torch.equal(found.inputs["lidar"].cpu(), batch(number).inputs["lidar"])

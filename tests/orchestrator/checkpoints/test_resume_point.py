"""The newest readable checkpoint is found by its epoch, whatever their kind and order."""

from __future__ import annotations

from typing import Any

import pytest

from equipose.orchestrator.checkpoints.resume_point import newest_readable
from equipose.pipelines.files.errors import DataError

EPOCHS = {"a": 3, "b": 7, "c": 5}


def load(name: str) -> dict[str, Any]:
    if name not in EPOCHS:
        raise DataError(f"{name}: damaged")
    return {"epoch": EPOCHS[name], "name": name}


@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
def test_the_latest_by_epoch(order: str) -> None:
    found = newest_readable(order, load)
    assert found.state == {"epoch": 7, "name": "b"}
    assert (found.notes, found.readable) == ((), ("a", "c", "b"))


def test_damaged_ones_are_skipped_and_named() -> None:
    found = newest_readable("xcay", load)
    assert found.state == {"epoch": 5, "name": "c"}
    assert found.readable == ("a", "c")
    assert found.notes == tuple(
        f"{name}: damaged; continuing from the one after epoch 5" for name in ("x", "y")
    )


def test_without_a_readable_one_the_run_starts_again() -> None:
    found = newest_readable("x", load)
    assert (found.state, found.readable) == (None, ())
    assert found.notes == ("x: damaged; there is no other: starting again from epoch 0",)
    assert newest_readable("", load).notes == ()

"""What a stream keeps, in bytes."""

from __future__ import annotations

from pathlib import Path

import torch

from equipose.orchestrator.continual.learnt import kept_bytes


def test_bytes_are_those_in_memory_and_on_disk(tmp_path: Path) -> None:
    weights = torch.zeros(100)
    state = {"anchors": [{"weights": weights, "importance": weights.new_ones(()).expand_as(weights)}]}
    assert kept_bytes(state) == 100 * 4 + 4
    torch.save(state, tmp_path / "state.pt")
    assert kept_bytes(torch.load(tmp_path / "state.pt", weights_only=True)) == 100 * 4 + 4


def test_shared_memory_is_counted_once() -> None:
    rows = torch.arange(10)
    assert kept_bytes({"a": rows, "b": [rows[:5]], "c": 3}) == 80

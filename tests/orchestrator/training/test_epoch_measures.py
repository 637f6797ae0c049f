"""Peak memory grows by what is allocated, and is measured anew after a reset."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from equipose.orchestrator.training import epoch_measures as memory
from equipose.orchestrator.training.epoch_measures import peak_memory_mib, reset_peak_memory

CPU = torch.device("cpu")
MIB = 160
SLACK = 40
"""MiB that the process may give back or take for other reasons."""


def allocate(mib: int) -> None:
    """Use memory and give it back."""
    np.ones(mib * 2**17).sum()  # 8 bytes each; written, so resident


def test_peak_grows_by_what_was_allocated_for_a_while() -> None:
    if not memory.CLEAR_REFS.exists():
        pytest.skip("this system cannot reset the peak")
    reset_peak_memory(CPU)
    before = peak_memory_mib(CPU)
    allocate(MIB)
    assert peak_memory_mib(CPU) - before == pytest.approx(MIB, abs=SLACK)
    reset_peak_memory(CPU)
    assert peak_memory_mib(CPU) - before == pytest.approx(0, abs=SLACK)


def test_without_proc_the_peak_is_that_of_the_life(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    measured = peak_memory_mib(CPU)
    nowhere = tmp_path_factory.mktemp("proc") / "missing"
    monkeypatch.setattr(memory, "STATUS", nowhere / "status")
    monkeypatch.setattr(memory, "CLEAR_REFS", nowhere / "clear_refs")
    reset_peak_memory(CPU)  # does nothing, and does not fail
    assert peak_memory_mib(CPU) >= measured - SLACK

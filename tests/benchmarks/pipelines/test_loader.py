"""The loader benchmark runs and reports every candidate."""

from __future__ import annotations

import pytest

from benchmarks.pipelines import loader


def test_benchmark_reports_every_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MMFI_TOOLBOX", raising=False)
    monkeypatch.setattr(loader, "EPOCHS", 1)
    text = loader.main(rounds=1, frames=8)
    assert "simulated MM-Fi tree of 32 frames" in text
    for name in ("plain reader of MM-Fi's files", *loader.SETTINGS, loader.DEPTH):
        assert f"| {name} |" in text

"""X-Fi is measured where its folder and what it needs are there; else one line says what is missing."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.peers import xfi

STANDS_IN = """
import torch
from torch import nn
from torchvision.transforms import Resize

class linear_projector(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)
    def forward(self, features, points, there):
        assert points.shape[1:] == (1024, 3)
        return torch.cat([self.layer(f[:, :32]) for f, t in zip(features, there, strict=True) if t], 1)

class X_Fusion(nn.Module):
    def __init__(self, *, dim, num_modalities, **sizes):
        super().__init__()
        self.tokens, self.layer = 32 * num_modalities, nn.Linear(dim, 51)
    def forward(self, tokens, there):
        assert tokens.shape[1] == self.tokens
        return self.layer(tokens.mean(1)).view(-1, 17, 3)
"""
"""With the interface of X-Fi's module and none of its layers."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "MMFi_HPE").mkdir()
    (tmp_path / "MMFi_HPE" / "X_Fi.py").write_text(STANDS_IN)
    monkeypatch.setattr(xfi, "WIDTH", 8)
    monkeypatch.setattr(xfi, "BATCH", 2)
    return tmp_path


def test_what_is_missing_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XFI", raising=False)
    assert xfi.table().startswith("X-Fi's training step: skipped, because `XFI` does not name")
    monkeypatch.setenv("XFI", str(folder / "MMFi_HPE"))
    assert "holds no MMFi_HPE/X_Fi.py; give the folder" in xfi.table()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("XFI", str(folder))
    assert xfi.table() == (
        "X-Fi's training step: skipped, because its fusion needs `einops`, which cannot be imported."
    )


def test_every_candidate_trains_and_nothing_stays_imported(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xfi, "reason_to_skip", lambda folder: None)
    monkeypatch.setenv("XFI", str(folder))
    before, path = set(sys.modules), list(sys.path)
    text = xfi.table(rounds=1)
    assert text.count("\n| ") == 4
    assert "| ours, fusion alone, one vector a sensor |" in text
    assert sys.path == path
    assert {name for name in sys.modules if "X_Fi" in name or "torchvision" in name} <= before


def test_a_step_moves_every_weight() -> None:
    torch.manual_seed(0)
    own, features, pose = xfi.FusionAlone(3, 8), torch.randn(4, 3, 8), torch.randn(4, 17, 3)
    start = {name: value.clone() for name, value in own.state_dict().items()}
    xfi.training_step(torch.nn.ModuleList([own]), lambda: own(features), pose)()
    assert [name for name, value in own.state_dict().items() if torch.equal(value, start[name])] == []

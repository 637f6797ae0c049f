"""Folders of jobs: names on disk that an older job must find again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from equipose.orchestrator.jobs.location import JobFolder, Kind, runs_folder


@pytest.mark.parametrize(
    ("kind", "root", "outbox"),
    [
        ("train", "train/mine", "spool/mine"),
        ("sweeps", "sweeps/mine", "sweeps/mine/spool"),
        ("comparisons", "comparisons/mine", "comparisons/mine/spool"),
        ("tables", "tables/mine", "tables/mine/spool"),
        ("imbalance", "imbalance/mine", "imbalance/mine/spool"),
    ],
)
def test_every_kind_has_folders_of_its_own(tmp_path: Path, kind: Kind, root: str, outbox: str) -> None:
    folder = JobFolder(out=tmp_path, kind=kind, name="mine")
    assert (folder.root, folder.outbox) == (tmp_path / root, tmp_path / outbox)


def test_folders_are_absolute_for_workers_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path(os.path.relpath(tmp_path / "out"))
    assert runs_folder(out) == tmp_path / "out" / "cells"
    assert JobFolder(out=out, kind="train", name="r").outbox == tmp_path / "out" / "spool" / "r"

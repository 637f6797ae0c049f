"""Where a job's files are: every path inside a results folder that more than one job uses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["train", "sweeps", "comparisons", "tables", "imbalance", "continual", "unihpe"]
"""Folders of jobs in a results folder."""


def runs_folder(out: Path) -> Path:
    """Kept runs of comparisons, tables and the controlled experiment, which share them."""
    return (out / "cells").resolve()


@dataclass(frozen=True, kw_only=True)
class JobLocation:
    """Where a job's results go."""

    out: Path
    """Results folder, shared by jobs: `mlflow.db`, `artifacts/`, stores, kept runs, a folder per job."""
    dataset: str = "simulated"
    """Names the data in the experiment's name."""


@dataclass(frozen=True, kw_only=True)
class JobFolder:
    """The folder of one job."""

    out: Path
    kind: Kind
    name: str

    @property
    def root(self) -> Path:
        """Everything that belongs to this job alone."""
        return (self.out / self.kind / self.name).resolve()

    @property
    def outbox(self) -> Path:
        """Records that wait for the tracking server; those of `train` outside its folder, Ray Train's own."""
        if self.kind == "train":
            return (self.out / "spool" / self.name).resolve()
        return self.root / "spool"

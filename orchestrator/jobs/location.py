"""Where a job's results lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class JobLocation:
    """Where a job's results go."""

    out: Path
    """Results folder, shared by jobs: `mlflow.db`, `artifacts/`, stores, `sweeps/<name>/`."""
    dataset: str = "simulated"
    """Names the data in the experiment's name."""

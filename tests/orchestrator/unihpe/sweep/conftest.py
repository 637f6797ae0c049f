"""A sweep of an alignment that needs no data to be described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.unihpe.sweep.config import AlignSweepConfig
from tests.orchestrator.aligned_runs import unihpe_config


@pytest.fixture
def sweep() -> Callable[..., AlignSweepConfig]:
    """`sweep(store=..., trials=...)`: any field of the sweep; `variant` has fields of its variant."""

    def build(
        store: Path = Path("nowhere"), variant: dict[str, Any] | None = None, **changes: Any
    ) -> AlignSweepConfig:
        job = unihpe_config(store)
        job = replace(job, variants=(replace(job.variants[0], **(variant or {})),))
        return AlignSweepConfig(**{"job": job, "resources": Resources(), **changes})

    return build

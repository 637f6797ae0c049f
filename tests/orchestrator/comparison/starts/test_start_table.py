"""What aligned encoders change is told per method: errors with an interval, and contributions."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl

from equipose.orchestrator.comparison.config import Setting, Start
from equipose.orchestrator.comparison.results import SettingOutcome
from equipose.orchestrator.comparison.starts.table import start_tables

NEW = Setting(fusion="concat", protocol="P1", split="S2")


def outcome(start: Start, error: float, shapley: tuple[float, float]) -> SettingOutcome:
    """Plain training of two sensors, three seeds, eight people, one frame each."""
    rng = np.random.default_rng(0)
    sums = [
        {
            "method": "plain", "seed": seed, "subset": "RL", "environment": "E01",
            "subject": f"S{person:02d}",
            "action": "A02", "mpjpe_mm": error + person + rng.normal(0, 0.1), "pa_mpjpe_mm": 1.0,
            "count": 1,
        }
        for seed in range(3)
        for person in range(8)
    ]  # fmt: skip
    report = SimpleNamespace(shapley=shapley, num_samples=8)
    run: Any = SimpleNamespace(
        method="plain",
        evaluation=SimpleNamespace(report=report, modalities=("rgb", "lidar")),
        result=SimpleNamespace(provenance="simulated data", fingerprint="f00d"),
    )
    return SettingOutcome(
        setting=replace(NEW, start=start),
        runs=(run,) * 3,
        alone=(),
        sums=pl.DataFrame(sums),
        joints=cast(Any, None),
    )


def test_the_table_tells_errors_and_shares() -> None:
    found = start_tables([outcome("new", 100.0, (3.0, 1.0)), outcome("aligned", 90.0, (1.0, 1.0))])
    [(slug, table)] = found.items()
    assert slug == "concat-P1-S2-aligned"
    [row] = table.rows
    method, new, aligned, change, verdict, rgb, lidar = row
    assert (method.shown, verdict.shown) == ("plain", "helped")
    assert new.value is not None
    assert aligned.value is not None
    assert change.value is not None
    assert abs(change.value - (aligned.value - new.value)) < 1e-9
    assert abs(change.value + 10) < 0.2
    assert (rgb.shown, lidar.shown) == ("75 → 50", "25 → 50")


def test_without_a_twin_there_is_nothing_to_tell() -> None:
    assert start_tables([outcome("aligned", 90.0, (1.0, 1.0))]) == {}

"""Tables of one model: its numbers, its intervals, its context."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from equipose.pipelines.statistics.intervals import SCHEMA
from equipose.pipelines.statistics.subset_steps import STEP_SCHEMA
from equipose.pipelines.tables.choice_tables import choice_table, priced_step_table
from equipose.pipelines.tables.formats import to_frame, to_markdown
from equipose.pipelines.tables.model_tables import (
    ModelCaption,
    group_interval_table,
    shown_subsets,
    subset_interval_table,
)
from equipose.pipelines.tables.table import Table

CAPTION = ModelCaption(
    title="Errors", provenance="simulated data", protocol="P1", split="S1", frames=12, fingerprint="f00"
)


def row(subset: str, by: str, group: str, metric: str, error: float, **more: Any) -> dict[str, Any]:
    interval = {"low_mm": error - 1, "high_mm": error + 2, "frames": 12, "clusters": 6}
    return {"subset": subset, "by": by, "group": group, "metric": metric, "error_mm": error} | interval | more


def errors() -> pl.DataFrame:
    rows = []
    for subset, error in (("R", 90.0), ("L", 80.0), ("RL", 70.0)):
        rows += [row(subset, "all", "all", m, error - d) for m, d in (("mpjpe_mm", 0), ("pa_mpjpe_mm", 9))]
        rows.append(row(subset, "joint", "left_knee", "joint_error_mm", error + 5))
        alone = {"low_mm": float("nan"), "high_mm": float("nan"), "clusters": 1}
        rows.append(row(subset, "action", "A02", "mpjpe_mm", error + 3, **alone))
        rows.append(row(subset, "action", "A02", "pa_mpjpe_mm", error - 3, **alone))
    return pl.DataFrame(rows, schema=SCHEMA)


def shown(table: Table) -> list[list[str]]:
    return [[cell.shown for cell in cells] for cells in table.rows]


def test_subsets_have_both_errors_with_intervals() -> None:
    table = subset_interval_table(errors(), CAPTION)
    assert table.header == ("sensors", "MPJPE", "PA-MPJPE")
    assert shown(table)[2] == ["RL", "70.0 [69.0, 72.0]", "61.0 [60.0, 63.0]"]
    assert "resampling 6 subjects" in table.notes[0]
    text = to_markdown(table)
    for words in ("simulated data", "12 frames", "one trained model", "f00"):
        assert words in text
    assert "seeds" not in text


def test_groups_show_the_full_model_and_each_sensor() -> None:
    joints = group_interval_table(errors(), CAPTION, by="joint")
    assert joints.header == ("joint", "RL", "R", "L")
    assert shown(joints) == [["left knee", "75.0 [74.0, 77.0]", "95.0 [94.0, 97.0]", "85.0 [84.0, 87.0]"]]
    assert shown(group_interval_table(errors(), CAPTION, by="action")) == [["A02", "73.0", "93.0", "83.0"]]
    assert shown_subsets(["W"]) == ["W"]
    with pytest.raises(ValueError, match="by='seed' is unknown"):
        group_interval_table(errors(), CAPTION, by="seed")


def test_choices_show_costs_latency_and_the_front() -> None:
    found = pl.DataFrame(
        {
            "subset": ["R", "L"],
            "error_mm": [90.0, 80.0],
            "low_mm": [88.0, 79.0],
            "high_mm": [92.0, 82.0],
            "cost, money": [50.0, 0.25],
            "front": [False, True],
            "front_share": [0.25, float("nan")],
        }
    )
    times = {1: {"R": 2.0, "L": 3.25}}
    table = choice_table(found, CAPTION, latency=times, units="subjects", clusters=6)
    assert table.header == ("sensors", "MPJPE", "cost, money", "ms, batch 1", "Pareto front", "on the front")
    assert shown(table) == [
        ["R", "90.0 [88.0, 92.0]", "50", "2.00", "no", "25%"],
        ["L", "80.0 [79.0, 82.0]", "0.25", "3.25", "yes", "–"],
    ]
    numbers = dict.fromkeys(("difference_mm", "low_mm_difference", "high_mm_difference"), 0.0)
    front = found.with_columns(**{k: pl.Series([None, -10.0]) + v for k, v in numbers.items()})
    steps = choice_table(front, CAPTION, latency={}, units="subjects", clusters=6)
    assert steps.header == ("sensors", "MPJPE", "against the row above", "cost, money", "on the front")
    assert [cells[2] for cells in shown(steps)] == ["–", "−10.0 [−10.0, −10.0]"]


def test_steps_have_a_price() -> None:
    step = dict.fromkeys(STEP_SCHEMA, None) | {
        "method": "model",
        "subset": "RL",
        "added": "lidar",
        "without": "R",
        "difference_mm": -18.0,
        "low_mm": -20.0,
        "high_mm": -15.0,
        "p_holm": 0.001,
        "underpowered": False,
        "worse": False,
        "hurts": False,
        "helps": True,
    }
    effects = pl.DataFrame([step], schema=STEP_SCHEMA)
    costs = {"money": {"rgb": 50.0, "lidar": 900.0}, "privacy": {"rgb": 1.0, "lidar": 0.0}}
    table = priced_step_table(effects, costs, CAPTION, units="subjects")
    frame = to_frame(table)
    assert frame["sensors + added"].to_list() == ["R + L"]
    assert frame["verdict"].to_list() == ["helps"]
    assert frame["mm saved per unit of money"].to_list() == [0.02]
    assert frame["cost, privacy"].to_list() == [0.0]
    assert shown(table)[0][-1] == "–", "what is free has no price per mm"

"""Layouts survive being written, and refuse what no frame can have."""

from __future__ import annotations

from typing import Any

import pytest

from equipose.models.sensors import SENSORS, Grid, Image, Points
from equipose.models.sensors.layouts import layout_from_json, layout_to_json


@pytest.mark.parametrize("name", SENSORS)
def test_a_layout_survives_json(name: str) -> None:
    layout = SENSORS[name].layout
    assert layout_from_json(layout_to_json(layout)) == layout


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Grid(shape=(), channel_axis=0), "at least one axis"),
        (lambda: Grid(shape=(3, 0), channel_axis=0), "each at least 1"),
        (lambda: Grid(shape=(3,), channel_axis=1), "use an axis"),
        (lambda: Points(columns=("y", "x", "z")), "begin with x, y, z"),
        (lambda: Image(height=10, width=10, channels=2), "use 1 or 3"),
        (lambda: Image(height=10, width=10, dtype="uint16"), "use 1 or 3"),
        (lambda: Image(height=0, width=10, channels=1), "pixels"),
        (lambda: Image(height=10, width=100_000, channels=1), "pixels"),
    ],
)
def test_impossible_layouts_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("plain", [None, {}, {"kind": "sound"}, {"kind": "grid"}, {"kind": "points", "a": 1}])
def test_foreign_layouts_are_refused(plain: Any) -> None:
    with pytest.raises(ValueError, match="a layout is"):
        layout_from_json(plain)

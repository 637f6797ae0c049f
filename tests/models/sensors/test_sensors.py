"""Definitions of sensors, and names of subsets of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from equipose.models.encoders import Convolutional, PointTransformer, VideoPose3D
from equipose.models.sensors import (
    DEFAULT_SENSORS,
    SENSORS,
    Grid,
    GridView,
    Image,
    ImageView,
    Points,
    PointsView,
    Sensor,
    in_order,
    sensor_of,
    subset_name,
)
from equipose.models.sensors.views import check_view


def test_letters_and_colours_tell_sensors_apart() -> None:
    letters = [sensor.letter for sensor in SENSORS.values() if sensor.letter]
    colours = [sensor.colour.lower() for sensor in SENSORS.values()]
    assert len(set(letters)) == len(letters)
    assert len(set(colours)) == len(colours)
    assert [sensor.name for sensor in SENSORS.values()] == list(SENSORS)


def test_canonical_order_whatever_was_typed() -> None:
    assert in_order(["wifi", "rgb", "rgb"]) == ("rgb", "wifi")
    assert in_order(DEFAULT_SENSORS) == DEFAULT_SENSORS
    with pytest.raises(ValueError, match=r"unknown sensor 'sonar'; known: \['rgb'"):
        in_order(["sonar"])
    with pytest.raises(ValueError, match="no sensor given"):
        in_order([])


def test_subsets_are_named_by_letters_where_all_have_one() -> None:
    assert subset_name(0b1111) == "RLMW"
    assert subset_name(0b101, ["rgb", "lidar", "depth"]) == "RD"
    assert subset_name(0b11, ["rgb", "sonar"]) == "rgb+sonar"
    assert subset_name(0) == "none"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "RGB"}, "lower-case"),
        ({"name": "pose"}, "not 'pose'"),
        ({"letter": "rg"}, "one capital"),
        ({"colour": "red"}, "#rrggbb"),
        ({"lines": ((0, 17),)}, r"lines=\(\(0, 17\),\): they join key points"),
        ({"layout": Grid(shape=(3,), channel_axis=0), "lines": ((0, 1),)}, "they join key points"),
        ({"default_view": PointsView()}, "a view of Grid is a GridView"),
        ({"default_view": GridView(scale="minmax")}, "keeps no extremes"),
    ],
)
def test_impossible_definitions_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(sensor_of("rgb"), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GridView(window=2), "window must be odd"),
        (lambda: GridView(scale="log"), "scale must be"),  # type: ignore[arg-type]
        (lambda: PointsView(points=0), "points must be at least 1"),
        (lambda: PointsView(frames=4), "frames must be 1, 2 or 3"),
        (lambda: ImageView(stride=0), "stride must be at least 1"),
        (lambda: check_view(sensor_of("wifi").layout, GridView(window=3)), "window must be 1"),
    ],
)
def test_impossible_views_are_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_a_repair_is_part_of_the_definition() -> None:
    repair = sensor_of("wifi").repair
    assert repair is not None
    csi = np.ones((3, 114, 10))
    csi[0, 0, 4] = -np.inf
    assert np.isfinite(repair(csi)).all()


@pytest.mark.parametrize("preset", ["tiny", "small", "paper"])
@pytest.mark.parametrize(
    ("layout", "kind"),
    [
        (Grid(shape=(4, 6), channel_axis=1, temporal=True), VideoPose3D),
        (Grid(shape=(9,), channel_axis=0), VideoPose3D),
        (Points(columns=("x", "y", "z", "speed")), PointTransformer),
        (Image(height=20, width=30), Convolutional),
    ],
)
def test_a_sensor_without_an_encoder_gets_that_of_its_layout(
    layout: Grid | Points | Image, kind: type, preset: str
) -> None:
    sensor = Sensor(name="own", layout=layout, unit="m", colour="#123456")
    with torch.device("meta"):
        assert isinstance(sensor.encoder(preset).build(8, "layer"), kind)
    encoder = sensor.encoder("tiny").build(8, "layer")
    shapes = {Grid: getattr(layout, "shape", ()), Points: (7, 4), Image: (3, 20, 30)}
    assert encoder(torch.randn(5, *shapes[type(layout)])).shape == (5, 8)

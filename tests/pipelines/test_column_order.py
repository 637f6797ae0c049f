"""Orders of columns: texts and their meaning, applied, chained, refused with a remedy."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.pipelines.column_order import (
    ORDERS,
    SAME,
    ColumnOrder,
    axes_text,
    by_sensor,
    chained,
    options_of,
    orders_of,
    parse_axes,
    settings_of,
    turned,
)

RADAR = ("x", "y", "z", "doppler", "intensity")
X, Y, Z = 1.0, 20.0, 300.0


def test_the_orders_are_all_48_and_their_texts_say_which() -> None:
    texts = [axes_text(axes) for axes in ORDERS]
    assert len(set(texts)) == 48
    assert [parse_axes(text) for text in texts] == list(ORDERS)
    assert texts[0] == "xyz"
    assert ORDERS[0] == SAME


@pytest.mark.parametrize(
    ("text", "row"), [("xyz", [X, Y, Z]), ("zxy", [Z, X, Y]), ("z-x-y", [Z, -X, -Y]), ("-yzx", [-Y, Z, X])]
)
def test_a_text_names_what_each_column_of_the_file_holds(text: str, row: list[float]) -> None:
    file = np.array([[*row, 7.0]])
    assert turned(file, parse_axes(text)).tolist() == [[X, Y, Z, 7.0]]
    assert file.tolist() == [[*row, 7.0]], "the argument stays as it is"


def test_chained_is_one_after_the_other() -> None:
    points = np.random.default_rng(0).normal(size=(5, 3))
    for first in ORDERS[::5]:
        for then in ORDERS[::7]:
            assert np.array_equal(turned(points, chained(first, then)), turned(turned(points, first), then))


@pytest.mark.parametrize("text", ["", "xy", "xxz", "xyzz", "x,y,z", "XYZ", "--xyz", "xy z", "xyz\n", "xyw"])
def test_other_texts_are_no_axes(text: str) -> None:
    with pytest.raises(ValueError, match="each axis once"):
        parse_axes(text)


def test_columns_are_sorted_by_name_before_axes_are_turned() -> None:
    order = ColumnOrder.of(RADAR, axes="z-x-y", columns="intensity,x,y,z,doppler")
    assert order.apply(np.array([[9.0, Z, -X, -Y, 0.5]])).tolist() == [[X, Y, Z, 0.5, 9.0]]


@pytest.mark.parametrize("text", ["x,y,z,doppler", "x,y,z,doppler,doppler", "x,y,z,doppler,power", ""])
def test_columns_must_be_those_of_the_sensor(text: str) -> None:
    with pytest.raises(ValueError, match="write each of x,y,z,doppler,intensity once"):
        ColumnOrder.of(RADAR, columns=text)


def test_settings_leave_out_what_changes_nothing() -> None:
    known = {"lidar": RADAR[:3], "mmwave": RADAR}
    plain = orders_of(known, {"lidar": "xyz"}, {"mmwave": ",".join(RADAR)})
    assert settings_of(plain) == {}
    given = {"axes": {"lidar": "zxy"}, "columns": {"mmwave": "x,y,z,intensity,doppler"}}
    orders = orders_of(known, given["axes"], given["columns"])
    assert settings_of(orders) == given
    assert options_of(given) == "--axes lidar=zxy --columns mmwave=x,y,z,intensity,doppler"


def test_errors_name_sensor_and_remedy() -> None:
    with pytest.raises(ValueError, match=r"axes are given for \['rgb'\]; sensors of points are \['lidar'\]"):
        orders_of({"lidar": RADAR[:3]}, {"rgb": "zxy"}, {})
    with pytest.raises(ValueError, match="lidar: axes are 'zz'; write"):
        orders_of({"lidar": RADAR[:3]}, {"lidar": "zz"}, {})


@pytest.mark.parametrize("values", [["zxy"], ["=zxy"], ["lidar=zxy", "lidar=xyz"]])
def test_options_give_every_sensor_one_order(values: list[str]) -> None:
    with pytest.raises(ValueError, match=r"--axes has .*; write SENSOR=ORDER, every sensor once"):
        by_sensor("--axes", values)

"""Rooms are drawn alike each time, with the spreads of the table; rooms that cannot be are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from equipose.pipelines.simulator import Mounting, Multipath, PeopleShift, Room, SimulatorConfig, drawn_rooms
from equipose.pipelines.simulator.rooms import CLUTTER, DEVICES, MOUNTED, TAIL


def test_drawn_rooms_are_the_same_each_time_and_grow_with_strength() -> None:
    rooms = drawn_rooms(3)
    assert rooms == drawn_rooms(3)
    assert rooms["E03"] == drawn_rooms(3, environments=("E03",))["E03"]
    assert rooms != drawn_rooms(4)
    assert drawn_rooms(3, 0.0) == {}
    half = drawn_rooms(3, 0.5)
    for sensor, whole in rooms["E02"].mounting.items():
        assert half["E02"].mounting[sensor].yaw == pytest.approx(whole.yaw / 2)
    assert half["E02"].stance == pytest.approx(tuple(np.array(rooms["E02"].stance) / 2))
    assert {name: room.radar_clutter for name, room in rooms.items()} == CLUTTER
    assert (half["E04"].radar_clutter, half["E03"].lidar_points) == (pytest.approx(6**0.5), 354)
    assert drawn_rooms(3, 4.0)["E04"].radar_clutter == 6.0


def test_the_first_room_is_the_reference_and_sensors_of_one_device_move_together() -> None:
    rooms = drawn_rooms(0)
    assert not rooms["E01"].mounting
    assert (rooms["E01"].stance, rooms["E01"].facing) == ((0.0, 0.0), 0.0)
    for name in ("E02", "E03", "E04"):
        assert set(rooms[name].mounting) == set(MOUNTED)
        own = {device: {rooms[name].mounting[s].yaw for s in sensors} for device, sensors in DEVICES.items()}
        assert all(len(yaws) == 1 for yaws in own.values())
        assert len(set.union(*own.values())) == len(DEVICES)


def test_spreads_are_those_of_the_table() -> None:
    drawn = [room for seed in range(150) for name, room in drawn_rooms(seed).items() if name != "E01"]
    mounted = [room.mounting["lidar"] for room in drawn]
    spreads = {"yaw": 1.5, "pitch": 1.0, "roll": 0.4, "x": 0.04, "y": 0.03, "z": 0.05}
    for name, spread in spreads.items():
        values = np.array([getattr(mounting, name) for mounting in mounted])
        assert values.std() == pytest.approx(spread, rel=0.1), name
        assert np.abs(values).max() <= TAIL * spread
    assert np.std([room.stance for room in drawn], axis=0) == pytest.approx([0.1, 0.15], rel=0.1)
    assert np.std([room.facing for room in drawn]) == pytest.approx(10.0, rel=0.1)
    bodies = [room.wifi_multipath.body for room in drawn if room.wifi_multipath]
    assert 0.06 <= min(bodies) < 0.065 < 0.135 < max(bodies) <= 0.14


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("yaw", lambda: Mounting(yaw=60.0)),
        ("z", lambda: Mounting(z=float("nan"))),
        ("mounting", lambda: Room(mounting={"sonar": Mounting()})),
        ("stance x", lambda: Room(stance=(2.0, 0.0))),
        ("stance z", lambda: Room(stance=(0.0, -2.0))),
        ("facing", lambda: Room(facing=270.0)),
        ("light", lambda: Room(light=-1.0)),
        ("radar_clutter", lambda: Room(radar_clutter=-1.0)),
        ("radar_ghosts", lambda: Room(radar_ghosts=1.5)),
        ("lidar_points", lambda: Room(lidar_points=3)),
        ("walls", lambda: Room(walls=(1.5, -1.5))),
        ("wifi_multipath.paths", lambda: Multipath(paths=1)),
        ("wifi_multipath.delay_spread", lambda: Multipath(delay_spread=0.0)),
        ("wifi_multipath.body", lambda: Multipath(body=1.5)),
        ("people.stature", lambda: PeopleShift(stature=0.5)),
        ("people.tempo", lambda: PeopleShift(tempo=-0.5)),
        ("people.amplitude", lambda: PeopleShift(amplitude=0.6)),
        ("rooms", lambda: SimulatorConfig(rooms={"kitchen": Room()})),
        ("strength", lambda: drawn_rooms(0, 5.0)),
        ("environments", lambda: drawn_rooms(0, 1.0, ("E09",))),
    ],
)
def test_bad_values_name_field_value_and_remedy(field: str, make: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{field}: .* is not allowed; (use|known|name) "):
        make()

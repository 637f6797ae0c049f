"""A room's dials act on their own sensor, move the right way, and change nothing where they are not set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.models.skeleton import JOINTS, ROOT
from equipose.pipelines.simulator import (
    PROVENANCE,
    Mounting,
    Multipath,
    PeopleShift,
    Room,
    SimulatorConfig,
    observe,
    provenance_of,
    settings_of,
    simulate_motion,
    simulate_sequence,
)
from equipose.pipelines.simulator.rooms import MOUNTED
from equipose.pipelines.simulator.sensors.camera import FOCAL, keypoints_3d, project
from equipose.pipelines.simulator.sensors.depth import background

FRAMES = 24
ALL = (*DEFAULT_SENSORS, "infra1", "infra2", "depth")
TURNED = Mounting(yaw=3.0, pitch=-2.0, roll=1.0, x=0.05, y=-0.04, z=0.1)
SET: list[tuple[str, Any, set[str]]] = [
    *(("mounting", {sensor: TURNED}, {sensor}) for sensor in MOUNTED),
    ("radar_clutter", 6.0, {"mmwave"}),
    ("radar_ghosts", 0.9, {"mmwave"}),
    ("walls", (-1.5, 1.5), {"mmwave", "depth"}),
    ("light", 3.0, {"rgb"}),
    ("wifi_multipath", Multipath(paths=10), {"wifi"}),
    ("wifi_multipath", Multipath(delay_spread=40.0), {"wifi"}),
    ("wifi_multipath", Multipath(body=0.2), {"wifi"}),
    ("lidar_points", 250, {"lidar"}),
]


def config(frames: int = FRAMES, **room: Any) -> SimulatorConfig:
    return SimulatorConfig(frames=frames, rooms={"E02": Room(**room)} if room else {})


def look(settings: SimulatorConfig, environment: str = "E02", sensors: tuple[str, ...] = ALL) -> Any:
    pose = simulate_motion("S12", "A12", SimulatorConfig(frames=settings.frames))
    return observe(
        pose, environment=environment, subject="S12", key="A12", config=settings, modalities=sensors
    )


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    """Bit for bit, NaN included."""
    return [(f.shape, f.tobytes()) for f in first] == [(f.shape, f.tobytes()) for f in second]


@pytest.fixture(scope="module")
def plain() -> Any:
    return look(config(4)), look(config(), sensors=DEFAULT_SENSORS)


@pytest.mark.parametrize(("dial", "value", "sensors"), SET)
def test_a_dial_changes_its_sensor_alone_and_its_room_alone(
    dial: str, value: Any, sensors: set[str], plain: Any
) -> None:
    short = bool(sensors - set(DEFAULT_SENSORS))
    usual, chosen = plain[0 if short else 1], ALL if short else DEFAULT_SENSORS
    settings = config(4 if short else FRAMES, **{dial: value})
    found = look(settings, sensors=chosen)
    changed = {name for name in found if not same(found[name], usual[name])}
    # No ghost need appear in a few frames; the radar's own test has more of them.
    assert changed | (sensors - {"depth"} if dial == "walls" else set()) == sensors
    again = look(settings, sensors=tuple(changed))
    assert all(same(found[name], again[name]) for name in changed)
    first = tuple(changed - {"depth"})
    elsewhere = look(settings, "E03", first)
    assert all(same(elsewhere[s], look(config(settings.frames), "E03", first)[s]) for s in first)


def test_walls_move_the_ghosts() -> None:
    narrow = look(config(60, walls=(-1.2, 1.2), radar_ghosts=0.5), sensors=("mmwave",))["mmwave"]
    wide = look(config(60, walls=(-4.0, 4.0), radar_ghosts=0.5), sensors=("mmwave",))["mmwave"]
    farthest = [np.abs(np.concatenate(frames)[:, 0]).max() for frames in (narrow, wide)]
    assert farthest[0] < 3.5
    assert farthest[1] > 6.5


def test_rooms_that_change_nothing_change_no_bit() -> None:
    usual = look(config(4))
    empty = Room(mounting={"rgb": Mounting()}, wifi_multipath=Multipath(), walls=None)
    found = look(SimulatorConfig(frames=4, rooms={"E02": empty}))
    assert all(same(found[name], usual[name]) for name in ALL)
    moved = SimulatorConfig(frames=4, rooms={"E02": empty})
    assert np.array_equal(simulate_motion("S12", "A12", moved), simulate_motion("S12", "A12", config(4)))


def test_without_rooms_settings_and_labels_are_those_of_earlier_stores() -> None:
    usual, rooms = SimulatorConfig(), SimulatorConfig(rooms={"E01": Room()})
    assert "rooms" not in settings_of(usual)
    assert "rooms" not in repr(usual)
    assert settings_of(rooms)["rooms"]["E01"]["stance"] == [0.0, 0.0]
    assert "rooms={'E01': Room(" in repr(rooms)
    assert provenance_of(usual) == PROVENANCE
    sequence = simulate_sequence("S01", "A02", SimulatorConfig(frames=2, rooms=rooms.rooms), ("rgb",))
    assert sequence.provenance == dict.fromkeys(("rgb", "pose"), f"{PROVENANCE}.rooms")


def test_a_mounting_is_a_turn_and_a_shift() -> None:
    ahead, right = np.array([0.0, 0.0, 3.0]), np.array([1.0, 0.0, 3.0])
    assert np.allclose(Mounting(yaw=90 / 4).seen(ahead)[[1]], 0)
    assert Mounting(yaw=5.0).seen(ahead)[0] < 0  # turned to the right, it sees the person on its left
    assert Mounting(pitch=5.0).seen(ahead)[1] > 0  # raised, it sees them lower: y points down
    assert Mounting(roll=5.0).seen(right)[1] < 0
    assert np.allclose(Mounting(x=0.2, y=-0.1, z=0.3).seen(ahead), [-0.2, 0.1, 2.7])
    turn = TURNED.rotation
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1.0)
    assert np.allclose(TURNED.seen(ahead), turn @ (ahead - TURNED.position))


def test_a_camera_sees_the_pose_from_its_mounting_and_the_truth_stays() -> None:
    settings = config(mounting={"rgb": Mounting(yaw=2.0)})
    quiet = SimulatorConfig(frames=FRAMES, noise={"rgb": 0.0}, rooms=settings.rooms)
    pose = simulate_motion("S12", "A12", quiet)
    assert np.array_equal(pose, simulate_motion("S12", "A12", SimulatorConfig(frames=FRAMES)))
    found = np.stack(look(quiet, sensors=("rgb",))["rgb"])
    assert np.allclose(found, project(keypoints_3d(Mounting(yaw=2.0).seen(pose))), atol=1e-6)
    moved = found - project(keypoints_3d(pose))
    assert np.allclose(moved[..., 0].mean(), -FOCAL * np.tan(np.radians(2.0)), rtol=0.05)


def test_a_turned_depth_camera_sees_the_walls_turned_as_well() -> None:
    usual = background(SimulatorConfig(), "E02")
    tiny = background(config(mounting={"depth": Mounting(yaw=1e-9)}), "E02")
    assert np.abs(tiny - usual).max() < 1e-4
    nearer = background(config(mounting={"depth": Mounting(z=0.3)}), "E02")
    assert nearer[240, 320] == pytest.approx(usual[240, 320] - 0.3, abs=1e-5)
    down = background(config(mounting={"depth": Mounting(pitch=-10.0)}), "E02")
    assert down[479, 320] < usual[479, 320]  # looking down, the floor comes nearer


def test_people_stand_face_and_move_as_their_room_says() -> None:
    usual = simulate_motion("S12", "A12", config())
    moved = simulate_motion("S12", "A12", config(stance=(0.2, -0.3)))
    assert np.allclose(moved - usual, [0.2, 0.0, -0.3])
    turned = simulate_motion("S12", "A12", config(facing=30.0))
    across = (turned - turned[:, [ROOT]])[0, JOINTS.index("left_hip"), [0, 2]]
    before = (usual - usual[:, [ROOT]])[0, JOINTS.index("left_hip"), [0, 2]]
    cosine = across @ before / np.linalg.norm(across) / np.linalg.norm(before)
    assert np.degrees(np.arccos(cosine)) == pytest.approx(30.0, abs=0.01)
    bones = [
        np.linalg.norm(pose[0, JOINTS.index("left_knee")] - pose[0, JOINTS.index("left_hip")])
        for pose in (usual, simulate_motion("S12", "A12", config(people=PeopleShift(stature=-0.1))))
    ]
    assert bones[1] / bones[0] == pytest.approx(0.9, abs=0.012)
    elsewhere = simulate_motion("S01", "A12", config(stance=(0.2, 0.0)))
    assert np.array_equal(elsewhere, simulate_motion("S01", "A12", config()))


def test_slower_and_smaller_people_move_slower_and_less() -> None:
    def speed(**shift: float) -> float:
        pose = simulate_motion("S12", "A12", config(100, people=PeopleShift(**shift)))
        return float(np.linalg.norm(np.diff(pose, axis=0), axis=-1).mean())

    assert speed(tempo=-0.3) < 0.85 * speed()
    assert speed(amplitude=-0.3) < 0.85 * speed()


def test_light_scales_errors_and_confusions_of_key_points() -> None:
    frames = 100
    quiet = SimulatorConfig(frames=frames, noise={"rgb": 0.0})
    true = np.stack(look(quiet, sensors=("rgb",))["rgb"])
    errors = [
        np.abs(np.stack(look(config(frames, light=light), sensors=("rgb",))["rgb"]) - true)
        for light in (1.0, 2.0)
    ]
    assert np.median(errors[1]) == pytest.approx(2 * np.median(errors[0]), rel=0.02)
    dark = SimulatorConfig(frames=frames, noise={"rgb": 0.0}, rooms={"E02": Room(light=5.0)})
    assert np.array_equal(np.stack(look(dark, sensors=("rgb",))["rgb"]), true)


def test_another_scanner_and_more_clutter_give_other_numbers_of_points() -> None:
    def count(sensor: str, **room: Any) -> float:
        return float(np.mean([len(f) for f in look(config(**room), sensors=(sensor,))[sensor]]))

    assert count("lidar", lidar_points=250) == pytest.approx(0.5 * count("lidar"), rel=0.05)
    more = count("mmwave", radar_clutter=6.0) - count("mmwave", radar_clutter=0.0)
    assert more == pytest.approx(6.0, rel=0.25)

"""Other orders of axes and columns are found by the pose; data in the right order gives no suggestion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from equipose.models.skeleton import NUM_JOINTS
from equipose.pipelines.axes import LEAST_FRAMES, Frames, advice, better_axes, distances, placements, sampled
from equipose.pipelines.column_order import ORDERS, SAME, axes_text, parse_axes
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import MarsReader, SimulatedReader, SimulatedSource
from equipose.pipelines.sequence import RawSequence, SensorSequence
from equipose.pipelines.simulator import SimulatorConfig
from equipose.pipelines.store import SequenceKey, Store, StoreHeader, StoreWriter
from equipose.pipelines.store.signals import StoredSignals

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "mars"
SENSORS = ("lidar", "mmwave")


def source(frames: int = 8, seed: int = 0, **levels: dict[str, float]) -> SimulatedSource:
    config = SimulatorConfig(frames=frames, seed=seed, radar_empty=0.0, **levels)  # type: ignore[arg-type]
    return SimulatedSource(subjects=("S01", "S33"), actions=("A02", "A13"), config=config)


def written_as(order: str, columns: tuple[int, ...] = ()) -> Callable[[np.ndarray], np.ndarray]:
    """From points as they shall be to those of a file with these axes and this order of columns."""

    def write(points: np.ndarray) -> np.ndarray:
        file = points.copy()
        for column, (axis, sign) in enumerate(parse_axes(order)):
            file[:, column] = sign * points[:, axis]
        return file[:, list(columns)] if columns else file

    return write


@dataclass(frozen=True, kw_only=True)
class Careless(SimulatedReader):
    """Hands out points with their columns in another order."""

    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = field(default_factory=dict)

    def read(self, root: SimulatedSource, key: SequenceKey) -> RawSequence:
        raw = super().read(root, key)
        changed = {
            name: [change(frame) for frame in raw.frames[name]] for name, change in self.changes.items()
        }
        return replace(raw, frames={**raw.frames, **changed})


def careless(path: Path, **changes: Callable[[np.ndarray], np.ndarray]) -> Store:
    return prepare("simulated", source(), path / "store", reader=Careless(changes=changes))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clean_points_give_no_advice(tmp_path: Path, seed: int) -> None:
    store = prepare("simulated", source(seed=seed), tmp_path / "store")
    placed = placements(store)
    assert [p.sensor for p in placed] == list(SENSORS)
    assert all(p.frames >= LEAST_FRAMES and not p.axes and not p.swapped for p in placed)
    assert advice(store, placed) == ()


def test_noise_and_points_that_say_nothing_of_the_pose_give_no_advice(tmp_path: Path) -> None:
    levels = {"noise": dict.fromkeys(SENSORS, 4.0), "informativeness": dict.fromkeys(SENSORS, 0.0)}
    for name, value in levels.items():
        store = prepare("simulated", source(seed=5, **{name: value}), tmp_path / name)
        assert advice(store, placements(store)) == ()


@pytest.mark.skipif(not REAL.exists(), reason=f"needs the real MARS data in {REAL}")
def test_real_radar_gives_no_advice_until_its_axes_are_changed(tmp_path: Path) -> None:
    reader, subjects = MarsReader(wanted=("mmwave",)), ("S01", "S03")
    store = prepare("mars", REAL, tmp_path / "store", reader=reader, subjects=subjects)
    assert store.provenance["mmwave"].keys() == {"real"}
    assert advice(store, placements(store)) == ()
    frames = sampled(store, "mmwave")
    for order in ("zxy", "z-x-y", "xz-y", "-yzx"):
        clouds = tuple(written_as(order)(cloud) for cloud in frames.clouds)
        found, _ = better_axes(replace(frames, clouds=clouds))
        assert axes_text(found[0]) == order


@pytest.mark.parametrize("order", ["zxy", "z-x-y", "-yzx", "x-yz"])
def test_the_order_of_the_file_is_found(tmp_path: Path, order: str) -> None:
    store = careless(tmp_path, lidar=written_as(order))
    lidar, radar = placements(store)
    assert axes_text(lidar.axes[0]) == order
    assert lidar.distance[1] < 0.8 * lidar.distance[0]
    assert radar.axes == ()
    reason, way_out = advice(store, (lidar, radar))
    assert f"lidar: axes {order} fit the pose better than xyz" in reason
    assert way_out == "correct the order where the data is read", "this source has no such options"


def test_the_place_of_points_is_told_per_column(tmp_path: Path) -> None:
    plain = {p.sensor: p.quartiles for p in placements(careless(tmp_path / "plain"))}
    changed = {p.sensor: p.quartiles for p in placements(careless(tmp_path, lidar=written_as("zxy")))}
    assert list(plain["mmwave"]) == ["x", "y", "z", "doppler", "intensity"]
    assert all(abs(median) < 0.5 for _, median, _ in plain["lidar"].values())
    assert plain["lidar"]["z"][1] < 0, "the side that faces the sensor"
    assert changed["lidar"]["x"][1] > 2, "the depth of a person lies 3 m from the pelvis' x"
    low, median, high = plain["mmwave"]["doppler"]
    assert low <= median <= high
    assert plain["mmwave"]["intensity"][0] > 5


def test_exchanged_doppler_and_intensity_are_found(tmp_path: Path) -> None:
    store = careless(tmp_path, mmwave=written_as("xyz", (0, 1, 2, 4, 3)))
    lidar, radar = placements(store)
    assert (lidar.swapped, radar.swapped, radar.axes) == (False, True, ())
    assert "mmwave: doppler is never negative and intensity lies around 0" in advice(store, (lidar, radar))[0]


def test_few_frames_are_not_judged(tmp_path: Path) -> None:
    few = replace(source(frames=4), actions=("A02",))
    changes = {"lidar": written_as("zxy"), "mmwave": written_as("xyz", (0, 1, 2, 4, 3))}
    store = prepare("simulated", few, tmp_path / "store", reader=Careless(changes=changes))
    placed = placements(store)
    assert [p.frames for p in placed] == [8, 8]
    assert advice(store, placed) == ()


def one_sided(axes: str, frames: int = LEAST_FRAMES) -> Frames:
    """Points on someone who stands at (0.5, 0, 3), all at one side, as a file with these axes has them."""
    pose = np.linspace([0.5, 0.0, 3.0], [1.1, 0.5, 3.0], NUM_JOINTS)
    cloud = written_as(axes)(pose + 0.01)
    return Frames(columns=("x", "y", "z"), clouds=(cloud,) * frames, poses=(pose,) * frames)


@pytest.mark.parametrize("axes", [axes_text(axes) for axes in ORDERS[1:]])
def test_every_order_of_points_on_the_pose_is_found(axes: str) -> None:
    found, (before, after) = better_axes(one_sided(axes))
    assert [axes_text(other) for other in found] == [axes]
    assert after < 0.02 < before


def test_orders_that_fit_as_well_are_named() -> None:
    pose = np.linspace([0.0, -0.4, 3.0], [0.0, 0.6, 3.0], NUM_JOINTS)
    cloud = written_as("zxy")(pose)
    found, _ = better_axes(Frames(columns=("x", "y", "z"), clouds=(cloud,) * 30, poses=(pose,) * 30))
    assert {axes_text(axes) for axes in found} == {"zxy", "z-xy"}, "x is 0 throughout, so its sign is open"


def test_the_distance_is_that_to_the_nearest_bone() -> None:
    pose = np.zeros((NUM_JOINTS, 3))
    pose[1] = [0.0, 2.0, 0.0]  # pelvis to right hip, and on to a knee at 0
    found = distances(np.array([[0.3, 1.0, 0.0], [0.0, 2.0, 0.5], [0.0, -1.0, 0.0]]), pose)
    assert found.shape == (48, 3)
    assert found[ORDERS.index(SAME)] == pytest.approx([0.3, 0.5, 1.0])
    assert found[ORDERS.index(parse_axes("x-yz"))] == pytest.approx([np.hypot(0.3, 1), np.hypot(2, 0.5), 0.0])


def test_sensors_without_valid_frames_and_without_poses_are_left_out(
    write_store: Callable[..., Store], make_sequence: Callable[..., SensorSequence]
) -> None:
    store = write_store([make_sequence(frames=3, invalid={"lidar": [0, 1, 2], "pose": [1]})])
    assert [(p.sensor, p.frames <= 2) for p in placements(store)] == [("mmwave", True)]


def test_settings_that_name_no_order_are_refused(
    tmp_path: Path, make_sequence: Callable[..., SensorSequence]
) -> None:
    header = StoreHeader(source="mmfi", signals=StoredSignals.of(), settings={"axes": {"lidar": "abc"}})
    writer = StoreWriter(tmp_path / "store", header)
    writer.write(make_sequence())
    with pytest.raises(DataError, match=r"settings is unreadable .*prepare the store again"):
        advice(writer.finish(), ())

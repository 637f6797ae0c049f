"""Images of MM-Fi's colour camera: seen by the camera of the key points, written beside them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from equipose.pipelines.images import decode_photo
from equipose.pipelines.simulator import SimulatorConfig, simulate_motion, write_mmfi_tree
from equipose.pipelines.simulator.photos import PHOTOS, take_photos
from equipose.pipelines.simulator.sensors.camera import keypoints_3d, project

CONFIG = SimulatorConfig(frames=3, noise={"rgb": 0.0, PHOTOS: 0.0})


def test_people_stand_where_their_key_points_are() -> None:
    photos = take_photos("S03", "A12", CONFIG)
    assert photos.shape == (3, 480, 640, 3)
    assert photos.dtype == np.uint8
    other = take_photos("S03", "A02", CONFIG)
    pixels = project(keypoints_3d(simulate_motion("S03", "A12", CONFIG)))
    moved = (photos != photos[0]).any(-1)
    assert 0 < moved[1:].mean() < 0.2, "the camera and the room stand still"
    assert (photos != other).any()
    low, high = pixels.min((0, 1)) - 45, pixels.max((0, 1)) + 45
    rows, columns = np.nonzero(moved.any(0))
    assert low[0] <= columns.min() <= columns.max() <= high[0], "what moves is the person"
    assert low[1] <= rows.min() <= rows.max() <= high[1]


def test_a_subject_looks_alike_and_equal_settings_give_equal_images() -> None:
    assert np.array_equal(take_photos("S03", "A12", CONFIG), take_photos("S03", "A12", CONFIG))
    assert not np.array_equal(take_photos("S03", "A12", CONFIG), take_photos("S04", "A12", CONFIG))


def test_silent_frames_are_black() -> None:
    photos = take_photos("S03", "A12", SimulatorConfig(frames=20, dropout={PHOTOS: 0.5}, dropout_seconds=0.2))
    black = ~photos.any((1, 2, 3))
    assert 0 < black.sum() < 20


def test_a_tree_holds_them_beside_the_key_points(tmp_path: Path) -> None:
    write_mmfi_tree(tmp_path, subjects=["S01"], actions=["A02"], config=CONFIG, modalities=("rgb", PHOTOS))
    folder = tmp_path / "E01/S01/A02"
    assert sorted(path.name for path in folder.iterdir()) == ["ground_truth.npy", "rgb"]
    assert sorted(path.name for path in (folder / "rgb").iterdir()) == [
        f"frame{number:03d}.{ending}" for number in (1, 2, 3) for ending in ("npy", "png")
    ]
    written = decode_photo((folder / "rgb/frame002.png").read_bytes())
    assert np.array_equal(written, take_photos("S01", "A02", CONFIG)[1])


def test_other_sensors_of_a_tree_do_not_depend_on_them(tmp_path: Path) -> None:
    for name, sensors in (("with", ("rgb", PHOTOS)), ("without", ("rgb",))):
        write_mmfi_tree(tmp_path / name, subjects=["S01"], actions=["A02"], config=CONFIG, modalities=sensors)
    one, other = (np.load(tmp_path / name / "E01/S01/A02/rgb/frame003.npy") for name in ("with", "without"))
    assert np.array_equal(one, other)


def test_settings_without_an_effect_are_refused(tmp_path: Path) -> None:
    for modalities, config, message in (
        (("lidar", PHOTOS), CONFIG, "image is cut out around the key points of rgb; add rgb"),
        (
            ("rgb", PHOTOS),
            SimulatorConfig(informativeness={PHOTOS: 0.5}),
            "informativeness: it has no effect",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            write_mmfi_tree(
                tmp_path / "x", subjects=["S01"], actions=["A02"], config=config, modalities=modalities
            )
    assert not (tmp_path / "x").exists()

"""Pictures show the person whole, agree with their annotation, and are reproducible."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.simulator import SimulatorConfig, simulate_motion
from equipose.pipelines.simulator.render.pictures import PictureConfig, Pictures, take_pictures

CONFIG = PictureConfig(occluders=0.0, noise=0.0, backgrounds=("plain",))


@pytest.fixture(scope="module")
def pose() -> np.ndarray:
    return simulate_motion("S05", "A20", SimulatorConfig(frames=8))


def take(pose: np.ndarray, config: PictureConfig = CONFIG, **changes: Any) -> Pictures:
    named: dict[str, Any] = {"subject": "S05", "key": "A20", "seed": 0, "view": 0} | changes
    return take_pictures(pose, 1.0, config=config, **named)


def test_pictures_hold_the_person_and_their_joints(pose: np.ndarray) -> None:
    for view in range(6):
        made = take(pose, view=view)
        assert (made.images.shape, made.images.dtype) == ((8, 256, 192, 3), np.uint8)
        assert np.allclose(made.pose, made.camera.to_camera(pose))
        assert np.allclose(made.keypoints, made.camera.project(pose))
        assert np.all((made.pose[:, 0, 2] > 2.5) & (made.pose[:, 0, 2] < 6.5))
        background = made.images[:, 0, 0]
        for image, plain, box, joints in zip(
            made.images, background, made.boxes, made.keypoints, strict=True
        ):
            body = (image != plain).any(axis=2)
            assert 0.05 < body.mean() < 0.6
            assert not body[0].any()
            assert not body[-1].any()
            scale = 256 / box[2]
            inside = (joints - box[:2]) * scale + [96, 128]
            columns, rows = inside.astype(int).T
            assert body[rows, columns].mean() > 0.99


def test_a_box_follows_the_person(pose: np.ndarray) -> None:
    moved = take(pose + np.linspace(0, 0.5, 8)[:, None, None] * [1.0, 0.0, 0.0])
    assert np.linalg.norm(moved.boxes[-1, :2] - moved.boxes[0, :2]) > 30
    middle = [np.argwhere((i != i[0, 0]).any(axis=2)).mean(axis=0) for i in moved.images]
    assert np.abs(np.array(middle) - [128, 96]).max() < 40


def test_equal_requests_give_equal_pictures_and_views_differ(pose: np.ndarray) -> None:
    usual = PictureConfig()
    first = take(pose[:2], usual)
    assert np.array_equal(first.images, take(pose[:2], usual).images)
    for change in ({"view": 1}, {"key": "A21"}, {"seed": 1}, {"subject": "S06"}):
        assert not np.array_equal(first.images, take(pose[:2], usual, **change).images)
    sizes = dataclasses.replace(CONFIG, size=(96, 128))
    assert take(pose[:1], sizes).images.shape == (1, 128, 96, 3)


def test_dials_change_what_they_name(pose: np.ndarray) -> None:
    clean = take(pose[:2]).images.astype(float)
    noisy = take(pose[:2], dataclasses.replace(CONFIG, noise=2.0)).images
    assert 4.0 < np.std(noisy - clean) < 10.0
    hidden = take(pose[:2], dataclasses.replace(CONFIG, occluders=4.0)).images
    changed = (hidden != clean).any(axis=3)
    assert 0.05 < changed.mean() < 0.9
    front = dataclasses.replace(CONFIG, yaw=(0.0, 0.0), elevation=(10.0, 10.0), distance=(4.0, 4.0))
    camera = take(pose[:2], front).camera
    centre = np.median(pose[:2, 0], axis=0)
    rise = np.radians(10)
    assert np.allclose(camera.position - centre, [0, -4 * np.sin(rise), -4 * np.cos(rise)])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("yaw", (10.0, -10.0)),
        ("elevation", (0.0, 90.0)),
        ("distance", (0.5, 3.0)),
        ("backgrounds", ("forest",)),
        ("backgrounds", ()),
        ("occluders", -1.0),
        ("noise", float("nan")),
    ],
)
def test_bad_values_name_field(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        PictureConfig(**{field: value})  # type: ignore[arg-type]

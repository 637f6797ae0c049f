"""Cameras look at their target, and a crop is a camera of its own."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.pipelines.simulator.render.pinhole import Pinhole
from equipose.pipelines.simulator.render.viewpoints import MARGIN, around, crop, person_boxes

PLAIN = Pinhole(focal=(900.0, 950.0), centre=(320.0, 250.0), size=(640, 480))
TARGET = np.array([0.2, -0.1, 3.0])


@pytest.mark.parametrize(
    ("yaw", "elevation", "position"),
    [
        (0.0, 0.0, [0.2, -0.1, -1.0]),
        (90.0, 0.0, [4.2, -0.1, 3.0]),
        (180.0, 0.0, [0.2, -0.1, 7.0]),
        (0.0, 30.0, [0.2, -2.1, 3 - 4 * np.cos(np.pi / 6)]),
    ],
)
def test_a_camera_stands_where_it_is_told_and_sees_its_target(
    yaw: float, elevation: float, position: list[float]
) -> None:
    camera = around(TARGET, yaw, elevation, 4.0, PLAIN)
    assert np.allclose(camera.position, position)
    assert np.allclose(camera.to_camera(TARGET), [0, 0, 4])
    assert np.allclose(camera.project(TARGET), PLAIN.centre)
    assert np.allclose(camera.rotation @ camera.rotation.T, np.eye(3))
    assert np.linalg.det(camera.rotation) == pytest.approx(1)
    # What is above the target is above it in the image, whatever the direction.
    above = camera.project(TARGET - [0, 0.3, 0])
    assert above[1] < PLAIN.centre[1] - 40
    assert above[0] == pytest.approx(PLAIN.centre[0])


def test_left_and_right_change_places_behind_the_person() -> None:
    left = TARGET + np.array([0.5, 0, 0])
    front, back = (around(TARGET, yaw, 5.0, 4.0, PLAIN).project(left) for yaw in (0.0, 180.0))
    assert front[0] > PLAIN.centre[0] + 50
    assert back[0] < PLAIN.centre[0] - 50


def test_a_crop_shows_its_box() -> None:
    points = np.random.default_rng(0).uniform([-1, -1, 2], [1, 1, 4], (5, 17, 3))
    pixels = PLAIN.project(points)
    boxes = person_boxes(pixels)
    assert boxes[2, 2] == pytest.approx(MARGIN * np.ptp(pixels[2], axis=0).max())
    assert np.allclose(boxes[2, :2], (pixels[2].min(0) + pixels[2].max(0)) / 2)
    view = crop(PLAIN, boxes[2], (192, 256))
    x, y, height = boxes[2]
    corner = np.array([x - height * 192 / 256 / 2, y - height / 2])
    assert np.allclose(view.project(points[2]), (pixels[2] - corner) * 256 / height)

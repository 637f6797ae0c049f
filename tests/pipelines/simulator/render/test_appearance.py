"""People keep their clothes, light falls on the side of the lamp, and a face is in front."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.pipelines.simulator import SimulatorConfig, simulate_motion
from equipose.pipelines.simulator.people.body import PARTS, body, head_axes
from equipose.pipelines.simulator.render.appearance import (
    AMBIENT,
    NOSE,
    SKULL,
    appearance_of,
    paint,
    with_nose,
)
from equipose.pipelines.simulator.render.pinhole import Array, Pinhole
from equipose.pipelines.simulator.render.viewpoints import around
from equipose.pipelines.simulator.render.zbuffer import NOTHING, Surface, render

PLAIN = Pinhole(focal=(400.0, 400.0), centre=(150.0, 150.0), size=(300, 300))
LOOK = appearance_of(0, "S01")


@pytest.fixture(scope="module")
def pose() -> Array:
    return simulate_motion("S01", "A17", SimulatorConfig(frames=1))


def draw(pose: Array, yaw: float, light: Array, distance: float = 3.0) -> tuple[np.ndarray, Surface]:
    """Image and surface of the first frame; the camera looks at the head where it is near."""
    camera = around(pose[0, 10] if distance < 2 else pose[0, 0], yaw, 0.0, distance, PLAIN)
    seen = next(render(with_nose(body(pose, 1.0), pose), camera))
    image = np.zeros((300, 300, 3), np.uint8)
    left, up, front = head_axes(pose)
    paint(image, seen, camera, (left[0], up[0], front[0]), LOOK, light / np.linalg.norm(light))
    return image, seen


def test_a_subject_keeps_its_colours_and_differs_from_others() -> None:
    assert np.array_equal(appearance_of(0, "S01").parts, LOOK.parts)
    assert not np.allclose(appearance_of(0, "S02").parts, LOOK.parts)
    assert not np.allclose(appearance_of(1, "S01").parts, LOOK.parts)
    for subject in range(1, 21):
        parts = appearance_of(0, f"S{subject:02d}").parts
        assert parts.shape == (len(PARTS) + 1, 3)
        assert 0 <= parts.min() <= parts.max() <= 1
        for name in ("knee", "wrist", "foot"):
            left, right = PARTS.index(f"left_{name}"), PARTS.index(f"right_{name}")
            assert np.array_equal(parts[left], parts[right])


def test_only_the_body_is_painted(pose: Array) -> None:
    image, seen = draw(pose, 0.0, np.array([0.3, -1.0, -1.0]))
    assert np.array_equal(image.any(axis=2), seen.part != NOTHING)


def test_the_side_of_the_lamp_is_lighter(pose: Array) -> None:
    """Lambert: a surface that faces the lamp has all its light, one turned away the ambient share."""
    image, seen = draw(pose, 0.0, np.array([1.0, 0.0, 0.0]))
    chest = seen.part == PARTS.index("right_ankle")
    shin = image[chest].astype(float).sum(axis=1)
    columns = np.nonzero(chest)[1]
    middle = np.median(columns)
    lit, dark = shin[columns > middle + 2].mean(), shin[columns < middle - 2].mean()
    assert lit > 1.2 * dark
    front, _ = draw(pose, 0.0, np.array([0.0, 0.0, -1.0]))
    behind, _ = draw(pose, 0.0, np.array([0.0, 0.0, 1.0]))
    ratio = behind[chest].sum() / front[chest].sum()
    assert ratio == pytest.approx(AMBIENT, abs=0.12)


def test_front_and_back_of_the_head_differ(pose: Array) -> None:
    lamp = np.array([0.0, -1.0, 0.0])
    skin, hair = (255 * colour for colour in (LOOK.parts[SKULL], LOOK.hair))
    shares = {}
    for yaw in (0.0, 180.0):
        image, seen = draw(pose, yaw, lamp, distance=1.0)
        head = image[seen.part == SKULL].astype(float)
        tone = head / np.maximum(head.sum(axis=1, keepdims=True), 1)
        near = [np.linalg.norm(tone - colour / colour.sum(), axis=1) for colour in (skin, hair)]
        shares[yaw] = np.mean(near[0] < near[1])
        assert (NOSE in seen.part) == (yaw == 0.0)
        # Eyes are the darkest of the face.
        eyes = head.max(axis=1) < 25
        assert (eyes.sum() > 20) == (yaw == 0.0)
    assert shares[0.0] > 0.6 > 0.2 > shares[180.0]

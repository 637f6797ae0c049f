"""Panels keep what is there, mark what is not, and stay small."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image as pillow

from equipose.models.sensors import Grid, Image, Points
from equipose.pipelines.images import encode
from equipose.pipelines.player.drawn import (
    MOST_COLUMNS,
    MOST_POINTS,
    MOST_ROWS,
    PICTURE_SIDE,
    flattened,
    panel_of,
    shrunk,
)
from equipose.pipelines.player.panels import CloudPanel, HeatPanel, KeypointPanel, PicturePanel, box_of
from equipose.pipelines.sequence import Packed, Ragged

VALID = np.array([True, False, True])
KEEP = np.arange(3)


def test_a_heat_map_is_on_one_scale_and_marks_what_is_missing() -> None:
    values = np.stack([np.linspace(0, 1, 101)[None], np.full((1, 101), np.nan)])
    plain = HeatPanel(title="wifi", values=values).plain(np.arange(2))
    steps = np.frombuffer(base64.b64decode(plain["data"]), np.uint8).reshape(2, 101)
    assert (steps[1] == 255).all()
    assert (steps[0, 0], steps[0, 50], steps[0, 100]) == (0, 127, 254)
    assert (plain["low"], plain["high"]) == pytest.approx((0.01, 0.99))


def test_a_box_leaves_far_points_out_only_where_asked() -> None:
    points = np.concatenate([np.zeros((200, 2)), np.ones((200, 2)), [[50.0, 50.0], [np.nan, 9.0]]])
    assert box_of(points, 0, 100) == [[0, 0], [50, 50]]
    assert box_of(points, 1, 99) == [[0, 0], [1, 1]]
    assert box_of(points[:0], 0, 100) == [[0, 0], [0, 0]]


def test_csi_lies_with_its_subcarriers_across() -> None:
    csi = np.arange(3 * 114 * 10, dtype=float).reshape(1, 3, 114, 10)
    flat = flattened(csi)
    assert flat.shape == (1, 30, 114)
    assert flat[0, 10 + 4, 7] == csi[0, 1, 7, 4]
    small = shrunk(flat)
    assert small.shape == (1, 30, 57)
    assert small[0, 0, 0] == flat[0, 0, :2].mean()


@pytest.mark.parametrize("shape", [(65, 129), (32, 64), (1, 1000), (100, 3)])
def test_shrinking_averages_to_the_size_and_keeps_constants(shape: tuple[int, int]) -> None:
    small = shrunk(np.full((2, *shape), 3.5))
    assert small.shape[1] <= MOST_ROWS
    assert small.shape[2] <= MOST_COLUMNS
    np.testing.assert_allclose(small, 3.5)


def test_grids_become_what_their_sensor_is() -> None:
    points = np.ones((3, 17, 2), np.float32)
    keypoints = panel_of("rgb", Grid(shape=(17, 2), channel_axis=1), points, VALID, KEEP, "rgb")
    assert isinstance(keypoints, KeypointPanel)
    assert keypoints.bones
    assert np.isnan(keypoints.points[1]).all()
    assert (keypoints.points[[0, 2]] == 1).all()
    other = panel_of("imu", Grid(shape=(17, 2), channel_axis=1), points, VALID, KEEP, "imu")
    assert isinstance(other, HeatPanel)
    assert panel_of("box", Grid(shape=(3,), channel_axis=0), points[:, 0], VALID, KEEP, "box") is None


def test_clouds_are_thinned_evenly() -> None:
    cloud = np.arange(1000 * 5, dtype=np.float32).reshape(1000, 5)
    ragged = Ragged.from_frames([cloud, cloud[:0], cloud[:4]], 5)
    panel = panel_of("mmwave", Points(columns=("x", "y", "z", "a", "b")), ragged, VALID, KEEP, "mmwave")
    assert isinstance(panel, CloudPanel)
    assert panel.offsets.tolist() == [0, MOST_POINTS, MOST_POINTS, MOST_POINTS + 4]
    assert panel.points[[0, MOST_POINTS - 1], 0].tolist() == [0, 999 * 5]


def grey(content: bytes) -> np.ndarray:
    """The pixels of a JPEG."""
    return np.asarray(pillow.open(BytesIO(content))).astype(int)


def test_depth_is_bright_where_near_and_black_where_unknown() -> None:
    depth = np.zeros((144, 192), np.uint16)
    depth[:, 64:128], depth[:, 128:] = 1000, 4000
    layout = Image(height=144, width=192, channels=1, dtype="uint16", scale=0.001, holes=True)
    signal = Packed.from_frames([encode(depth), b"", encode(depth)])
    panel = panel_of("depth", layout, signal, VALID, KEEP, "depth")
    assert isinstance(panel, PicturePanel)
    assert panel.files[1] == b""
    pixels = grey(panel.files[0])
    assert pixels.shape == (96, PICTURE_SIDE)
    unknown, near, far = pixels[48, 20], pixels[48, 64], pixels[48, 110]
    assert unknown < 10 < far < 70 < 240 < near


def test_photographs_keep_their_colours() -> None:
    photo = np.zeros((256, 192, 3), np.uint8)
    photo[..., 0] = 200
    signal = Packed.from_frames([encode(photo, "jpeg"), b"", encode(photo, "jpeg")])
    layout = Image(height=256, width=192, channels=3, codec="jpeg")
    panel = panel_of("image", layout, signal, VALID, KEEP, "image")
    assert isinstance(panel, PicturePanel)
    pixels = grey(panel.files[2])
    assert pixels.shape == (PICTURE_SIDE, 96, 3)
    assert np.abs(pixels - [200, 0, 0]).max() < 12

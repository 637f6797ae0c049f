"""Backdrops stay where the camera's image has them; occluders hide what they stand before."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.pipelines.simulator.render.pinhole import Pinhole
from equipose.pipelines.simulator.render.scenery import (
    BACKDROPS,
    CANVAS,
    Occluder,
    backdrop,
    behind,
    cover,
    occluders,
)
from equipose.pipelines.simulator.render.viewpoints import crop

CAMERA = Pinhole(focal=(900.0, 900.0), centre=(400.0, 400.0), size=(800, 800))
SIZE = (48, 64)


def test_backdrops_are_what_they_are_called() -> None:
    detail = {}
    for kind in BACKDROPS:
        canvas = backdrop(kind, np.random.default_rng(3))
        assert (canvas.shape, canvas.dtype) == ((CANVAS, CANVAS, 3), np.uint8)
        assert np.array_equal(canvas, backdrop(kind, np.random.default_rng(3)))
        assert not np.array_equal(canvas, backdrop(kind, np.random.default_rng(4)))
        detail[kind] = np.abs(np.diff(canvas.astype(float), axis=1)).mean()
    assert detail["plain"] == 0 < detail["gradient"] < 0.5 * detail["clutter"]
    with pytest.raises(ValueError, match="'forest' is unknown; known are"):
        backdrop("forest", np.random.default_rng(0))


def test_a_crop_shows_its_part_of_the_backdrop() -> None:
    canvas = np.zeros((CANVAS, CANVAS, 3), np.uint8)
    canvas[..., 0] = np.linspace(0, 255, CANVAS)[:, None]
    canvas[..., 1] = np.linspace(0, 255, CANVAS)
    shown = behind(canvas, CAMERA, crop(CAMERA, np.array([300.0, 500.0, 400.0]), SIZE))
    assert shown.shape == (64, 48, 3)
    # Rows 300..700 and columns 150..450 of 800.
    assert shown[0, 0].tolist() == pytest.approx([255 * 303 / 800, 255 * 153 / 800, 0], abs=2)
    assert shown[-1, -1].tolist() == pytest.approx([255 * 697 / 800, 255 * 447 / 800, 0], abs=2)
    beyond = behind(canvas, CAMERA, crop(CAMERA, np.array([0.0, 400.0, 400.0]), SIZE))
    assert np.array_equal(beyond, beyond[:, ::-1]), "mirrored at the edge"
    above = behind(canvas, CAMERA, crop(CAMERA, np.array([400.0, -900.0, 400.0]), SIZE))
    assert np.all(above[..., 0] == 0)


def test_an_occluder_covers_its_rectangle() -> None:
    box = Occluder(edges=(0.25, 0.5, 0.5, 0.75), lid=0.05, colour=np.array([200.0, 100.0, 0.0]))
    image = np.zeros((64, 48, 3), np.uint8)
    cover(image, [box], CAMERA, crop(CAMERA, np.array([300.0, 500.0, 400.0]), SIZE))
    rows, columns = np.nonzero(image[..., 0])
    # Columns 200..400 and rows 400..600 of 800, in a crop of columns 150..450 and rows 300..700.
    assert (columns.min(), columns.max() + 1, rows.min(), rows.max() + 1) == (8, 40, 16, 48)
    assert image[17, 20].tolist() == [250, 125, 0]
    assert image[40, 20].tolist() == [200, 100, 0]
    cover(image, [box], CAMERA, crop(CAMERA, np.array([5000.0, 500.0, 400.0]), SIZE))


def test_occluders_stand_before_the_person() -> None:
    boxes = np.tile([400.0, 300.0, 500.0], (9, 1))
    found = occluders(20, boxes, (800, 800), np.random.default_rng(0))
    assert len(found) == 20
    for box in found:
        left, right, top, bottom = (800 * edge for edge in box.edges)
        assert left < right
        assert top < bottom
        assert left < 400 + 250
        assert right > 400 - 250
        assert 300 - 130 < top < 300 + 160

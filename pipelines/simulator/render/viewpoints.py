"""Where cameras stand around a person, and the part of their image that shows the person."""

from __future__ import annotations

import dataclasses

import numpy as np

from equipose.pipelines.simulator.render.pinhole import Array, Pinhole

MARGIN = 1.2 * 1.25
"""Height of a crop as a multiple of the longer side around the joints (as UniHPE's pipeline has it)."""


def around(target: Array, yaw: float, elevation: float, distance: float, camera: Pinhole) -> Pinhole:
    """That camera, `distance` m from `target` [3] and looking at it.

    Degrees: yaw 0 stands where the sensors stand, 90 to their right; elevation is above the target.
    """
    turn, rise = np.radians(yaw), np.radians(elevation)
    away = np.array([np.sin(turn) * np.cos(rise), -np.sin(rise), -np.cos(turn) * np.cos(rise)])
    ahead = -away
    right = np.array([ahead[2], 0.0, -ahead[0]])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    return dataclasses.replace(camera, rotation=rotation, position=target + distance * away)


def person_boxes(pixels: Array) -> Array:
    """Boxes (centre x, centre y, height) [F, 3], pixels, around joints at `pixels` [F, J, 2]."""
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    return np.column_stack([(low + high) / 2, MARGIN * (high - low).max(axis=1)])


def crop(camera: Pinhole, box: Array, size: tuple[int, int]) -> Pinhole:
    """The camera whose whole image, `size` (width, height), is the box (x, y, height) of that camera's."""
    scale = size[1] / float(box[2])
    return dataclasses.replace(
        camera,
        focal=(camera.focal[0] * scale, camera.focal[1] * scale),
        centre=(
            (camera.centre[0] - float(box[0])) * scale + size[0] / 2,
            (camera.centre[1] - float(box[1])) * scale + size[1] / 2,
        ),
        size=size,
    )

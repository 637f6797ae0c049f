"""What a pinhole camera sees of a body of capsules: depth, part and normal of every pixel.

Rays are met with each capsule inside its bounding box in the image alone, so the cost follows the silhouette
and not the image. Rays are (x, y, 1), not unit vectors: their parameter is the depth, and their products with
a capsule's axis are sums of a row and a column.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipose.pipelines.simulator.people.body import Capsules
from equipose.pipelines.simulator.render.pinhole import NEAR, Array, Floats, Pinhole

Ints = NDArray[np.int64]
NOTHING = -1
"""Part of a pixel that shows no capsule."""


@dataclass(frozen=True, kw_only=True)
class Surface:
    """The visible surface of one frame, in camera axes."""

    depth: Floats
    """[H, W] m along the optical axis; inf where there is no capsule."""
    part: NDArray[np.int8]
    """[H, W] index of the capsule, `NOTHING` where there is none."""
    start: Array
    """[C, 3] m, as `Capsules`."""
    end: Array
    radius: Array

    def pixels(self) -> tuple[Ints, Ints]:
        """Rows [N] and columns [N] of the pixels that show the body."""
        rows, columns = np.nonzero(self.part != NOTHING)
        return rows, columns


def render(capsules: Capsules, cameras: Pinhole | Sequence[Pinhole]) -> Iterator[Surface]:
    """The surfaces of all F frames, seen by one camera or by one camera for each frame."""
    frames = len(capsules.start)
    each = [cameras] * frames if isinstance(cameras, Pinhole) else list(cameras)
    if len(each) != frames:
        raise ValueError(f"cameras: got {len(each)} for {frames} frames; give one, or one for each frame")
    for frame, camera in enumerate(each):
        start, end = camera.to_camera(capsules.start[frame]), camera.to_camera(capsules.end[frame])
        yield surface(start, end, capsules.radius, camera)


def surface(start: Array, end: Array, radius: Array, camera: Pinhole) -> Surface:
    """The surface of capsules `start`, `end` [C, 3] m in camera axes; the nearest one wins a pixel."""
    width, height = camera.size
    depth = np.full((height, width), np.inf, np.float32)
    part = np.full((height, width), NOTHING, np.int8)
    x, y = camera.rays()
    for index, (left, right, top, bottom) in enumerate(boxes(start, end, radius, camera).tolist()):
        if left >= right or top >= bottom:
            continue
        found = _meet(start[index], end[index], float(radius[index]), x[left:right], y[top:bottom])
        here = depth[top:bottom, left:right]
        nearer = found < here
        np.copyto(here, found, where=nearer)
        np.copyto(part[top:bottom, left:right], np.int8(index), where=nearer)
    return Surface(depth=depth, part=part, start=start, end=end, radius=radius)


def boxes(start: Array, end: Array, radius: Array, camera: Pinhole) -> Ints:
    """First and past-the-last column and row [C, 4] that each capsule can cover; empty for one behind.

    The outline of a capsule is the hull of those of its two ends, and a sphere's lies between its tangents
    in x and y.
    """
    ends = np.stack([start, end])
    found = np.empty((len(radius), 4), np.int64)
    depth, square = ends[..., 2], np.square(radius)
    before = np.maximum(np.square(depth) - square, 1e-9)
    around = (depth - radius <= NEAR).any(0)
    for axis in (0, 1):
        offset, count = ends[..., axis], camera.size[axis]
        reach = radius * np.sqrt(np.maximum(np.square(offset) + before, 0.0))
        low = ((offset * depth - reach) / before).min(0)
        high = ((offset * depth + reach) / before).max(0)
        low, high = (camera.focal[axis] * edge + camera.centre[axis] - 0.5 for edge in (low, high))
        # A capsule around the camera's plane may be seen anywhere.
        low, high = np.where(around, 0.0, low), np.where(around, count, high)
        found[:, 2 * axis] = np.clip(np.ceil(low - 0.01), 0, count)
        found[:, 2 * axis + 1] = np.clip(np.floor(high + 0.01) + 1, 0, count)
    found[(depth + radius <= NEAR).all(0)] = 0
    return found


def _meet(start: Array, end: Array, radius: float, x: Floats, y: Floats) -> Floats:
    """Depth [H, W], metres, where rays (x [W], y [H], 1) enter a capsule; inf where they miss it.

    As `people.body.ray_distance`: the quadratic of the side, else the sphere at the nearer end.
    """
    sx, sy, sz = start.tolist()
    ax, ay, az = (end - start).tolist()
    length2 = max(ax * ax + ay * ay + az * az, 1e-9)
    along_start, start2 = ax * sx + ay * sy + az * sz, sx * sx + sy * sy + sz * sz
    ray2 = x * x + (y * y + 1)[:, None]
    axis_ray = ax * x + (ay * y + az)[:, None]
    ray_start = sx * x + (sy * y + sz)[:, None]
    quadratic = length2 * ray2 - axis_ray * axis_ray
    half = length2 * ray_start - axis_ray * along_start
    inside = half * half - quadratic * (length2 * (start2 - radius * radius) - along_start * along_start)
    side = (half - np.sqrt(np.maximum(inside, 0))) / np.maximum(quadratic, 1e-9)
    along = side * axis_ray - along_start
    beyond = along >= length2
    middle = (along > 0) & ~beyond
    ray_end = np.where(beyond, ray_start + axis_ray, ray_start)
    near2, far2 = start2 - radius * radius, start2 + 2 * along_start + length2 - radius * radius
    cap = ray_end * ray_end - ray2 * np.where(beyond, np.float32(far2), np.float32(near2))
    capped = (ray_end - np.sqrt(np.maximum(cap, 0))) / ray2
    depth = np.where(middle, side, capped)
    met = (inside >= 0) & (middle | (cap >= 0)) & (depth > NEAR)
    return np.where(met, depth, np.float32(np.inf))


def normals(seen: Surface, camera: Pinhole, rows: Ints, columns: Ints) -> Floats:
    """Outward unit normals [N, 3], camera axes, of pixels that show the body."""
    x, y = camera.rays()
    part = seen.part[rows, columns]
    point = np.stack([x[columns], y[rows], np.ones(len(rows), np.float32)]) * seen.depth[rows, columns]
    start, axis = seen.start.astype(np.float32), (seen.end - seen.start).astype(np.float32)
    length2 = np.maximum(np.einsum("ci,ci->c", axis, axis), 1e-9)
    axis_here = axis.T[:, part]
    offset = point - start.T[:, part]
    share = np.clip((offset * axis_here).sum(0) / length2[part], 0, 1)
    outward = offset - share * axis_here
    unit: Floats = (outward / np.maximum(np.linalg.norm(outward, axis=0), 1e-9)).T
    return unit

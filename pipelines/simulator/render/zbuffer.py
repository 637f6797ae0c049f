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

    def pixels(self) -> Ints:
        """Indices [N] of the pixels that show the body, row by row."""
        return np.flatnonzero(self.part != NOTHING)


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
    covered = boxes(start, end, radius, camera)
    found, first = _meet(start, end, radius, covered, camera), 0
    for index, (left, right, top, bottom) in enumerate(covered.tolist()):
        box, shape = (slice(top, bottom), slice(left, right)), (bottom - top, right - left)
        here = found[first : first + shape[0] * shape[1]].reshape(shape)
        nearer = here < depth[box]
        np.copyto(depth[box], here, where=nearer)
        np.copyto(part[box], np.int8(index), where=nearer)
        first += here.size
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
    found[:, 1::2] = np.maximum(found[:, 1::2], found[:, ::2])
    return found


def _meet(start: Array, end: Array, radius: Array, covered: Ints, camera: Pinhole) -> Floats:
    """Depth [N], metres, where the rays of all pixels of all boxes enter their capsule; inf where they miss.

    As `people.body.ray_distance`: the quadratic of the side, else the sphere at the nearer end. Boxes follow
    each other, row by row, and all are met at once: for boxes this small, calls would cost more than sums.
    """
    axis = end - start
    length = np.maximum(np.sqrt(np.einsum("ci,ci->c", axis, axis)), 1e-6)
    axis /= length[:, None]
    along_start = np.einsum("ci,ci->c", axis, start)
    near2 = np.einsum("ci,ci->c", start, start) - np.square(radius)
    far2 = near2 + length * (2 * along_start + length)
    capsule = np.stack([axis[:, 0], start[:, 0], along_start, length, near2, far2, near2 - along_start**2])
    part, row, column, repeats = _rows(covered)
    x, y = camera.rays()
    y = y[row]
    in_row = [axis[part, 1] * y + axis[part, 2], start[part, 1] * y + start[part, 2], np.square(y) + 1]
    table = np.concatenate([capsule[:, part], in_row]).astype(np.float32)
    ax, sx, along_start, length, near2, far2, rest, ay, sy, ray2 = np.repeat(table, repeats, axis=1)
    x = x[column]
    axis_ray, ray_start, ray2 = ax * x + ay, sx * x + sy, x * x + ray2
    quadratic = np.maximum(ray2 - axis_ray * axis_ray, 1e-9)
    half = ray_start - axis_ray * along_start
    inside = half * half - quadratic * rest
    side = (half - np.sqrt(np.maximum(inside, 0))) / quadratic
    along = side * axis_ray - along_start
    beyond = along >= length
    ray_end = ray_start + beyond * length * axis_ray
    cap = ray_end * ray_end - ray2 * np.where(beyond, far2, near2)
    capped = (ray_end - np.sqrt(np.maximum(cap, 0))) / ray2
    middle = (along > 0) & ~beyond
    depth = np.where(middle, side, capped)
    met = (inside >= 0) & (middle | (cap >= 0)) & (depth > NEAR)
    return np.where(met, depth, np.float32(np.inf))


def _rows(covered: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Capsule [R], row [R] and width [R] of every row of every box, and the column [N] of every pixel.

    Returned as (capsule, row, column, width).
    """
    left, right, top, bottom = covered.T
    height = bottom - top
    part = np.repeat(np.arange(len(covered)), height)
    row = np.arange(len(part)) - np.repeat(np.cumsum(height) - height - top, height)
    width = (right - left)[part]
    column = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width - left[part], width)
    return part, row, column, width


def normals(seen: Surface, camera: Pinhole, pixels: Ints) -> Floats:
    """Outward unit normals [3, N], camera axes, at `pixels` [N] that show the body."""
    x, y = camera.rays()
    rows, columns = np.divmod(pixels, len(x))
    depth, part = seen.depth.ravel()[pixels], seen.part.ravel()[pixels].astype(np.intp)
    axis = seen.end - seen.start
    length2 = np.maximum(np.einsum("ci,ci->c", axis, axis), 1e-9)
    # Of each capsule: where it starts, its axis, and the axis over its square; [9, N] of each pixel.
    table = np.concatenate([seen.start, axis, axis / length2[:, None]], axis=1).T.astype(np.float32)
    start, axis_here, scaled = np.split(table.take(part, axis=1), 3)
    outward = np.stack([x[columns] * depth, y[rows] * depth, depth])
    outward -= start
    share = np.clip(np.einsum("in,in->n", outward, scaled), 0, 1)
    outward -= share * axis_here
    outward /= np.maximum(np.sqrt(np.einsum("in,in->n", outward, outward)), 1e-9)
    return outward

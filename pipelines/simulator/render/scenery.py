"""What is behind a person, and the boxes that stand before them."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from equipose.pipelines.simulator.render.pinhole import Array, Pinhole

Pixels = NDArray[np.uint8]
CANVAS = 400
"""Side of a backdrop, pixels; it is stretched over the image of a camera."""
CLUTTER = (25, 60)
"""Things in a cluttered backdrop: fewest and most."""


@dataclass(frozen=True, kw_only=True)
class Occluder:
    """A box seen from the front, in fractions of a camera's image."""

    edges: tuple[float, float, float, float]
    """Left, right, top, bottom."""
    lid: float
    """Height of its upper face, which is lighter."""
    colour: Array
    """[3] in 0..255."""


def backdrop(kind: str, rng: np.random.Generator) -> Pixels:
    """A canvas [CANVAS, CANVAS, 3] of one of `EVERY_BACKDROP`."""
    if kind not in EVERY_BACKDROP:
        raise ValueError(f"background: {kind!r} is unknown; known are {list(EVERY_BACKDROP)}")
    return np.clip(EVERY_BACKDROP[kind](rng), 0, 255).astype(np.uint8)


def _colour(rng: np.random.Generator, saturation: float = 0.6) -> Array:
    """A random colour [3], 0..255."""
    return 255 * np.array(hsv_to_rgb(*rng.uniform([0, 0, 0.2], [1, saturation, 0.95])))


def _plain(rng: np.random.Generator) -> Array:
    return np.broadcast_to(_colour(rng), (CANVAS, CANVAS, 3))


def _gradient(rng: np.random.Generator) -> Array:
    """Wall and floor, each lighter toward one corner."""
    share = np.linspace(-1, 1, CANVAS)
    tilt = rng.uniform(-0.3, 0.3, 2)
    light = 1 + tilt[0] * share[:, None] + tilt[1] * share
    floor = (np.arange(CANVAS) > rng.uniform(0.6, 0.8) * CANVAS)[:, None, None]
    return np.where(floor, _colour(rng), _colour(rng)) * light[..., None]


def _clutter(rng: np.random.Generator) -> Array:
    """Boxes and ellipses of all sizes before a wall, with a cloudy texture."""
    canvas = _gradient(rng).astype(np.float32)
    for _ in range(int(rng.integers(*CLUTTER))):
        x, y = rng.uniform(0, CANVAS, 2)
        width, height = CANVAS * 0.04 * rng.exponential(1, 2) + 3
        left, right, top, bottom = np.clip(
            np.rint([x - width, x + width, y - height, y + height]), 0, CANVAS
        ).astype(int)
        across, down = (np.arange(left, right) - x) / width, (np.arange(top, bottom) - y) / height
        box, colour = canvas[top:bottom, left:right], _colour(rng, 0.9) * rng.uniform(0.8, 1.0)
        reach = 1 if rng.uniform() < 0.4 else 2  # an ellipse, or all of the box: its corners are at 2
        box[across**2 + down[:, None] ** 2 < reach] = colour
    cloud, fine = rng.standard_normal((2, CANVAS, CANVAS), np.float32)
    texture = 12 * 2 * np.sqrt(np.pi) * 6 * gaussian_filter(cloud, 6) + 5 * gaussian_filter(fine, 0.6)
    return gaussian_filter(canvas, (0.7, 0.7, 0)) + texture[..., None]


def _outdoors(rng: np.random.Generator) -> Array:
    """Sky that is lighter toward the horizon, ground, and bushes or houses in between."""
    rows = np.arange(CANVAS)[:, None]
    horizon = rng.uniform(0.4, 0.6) * CANVAS
    sky = 255 * np.array(hsv_to_rgb(rng.uniform(0.52, 0.64), rng.uniform(0.1, 0.55), rng.uniform(0.7, 1)))
    ground = 255 * np.array(hsv_to_rgb(rng.uniform(0.07, 0.35), rng.uniform(0.1, 0.6), rng.uniform(0.3, 0.7)))
    haze = np.clip(rows / horizon, 0, 1)[..., None]
    canvas = np.where((rows < horizon)[..., None], sky + haze * (235 - sky), ground)
    canvas = np.broadcast_to(canvas, (CANVAS, CANVAS, 3)).astype(np.float32)
    for _ in range(int(rng.integers(6, 18))):
        left, width = rng.uniform(-0.1, 1) * CANVAS, rng.uniform(0.04, 0.25) * CANVAS
        top = horizon - rng.uniform(0.02, 0.35) * CANVAS
        columns = slice(*np.clip(np.rint([left, left + width]), 0, CANVAS).astype(int))
        canvas[max(int(top), 0) : int(horizon) + 4, columns] = _colour(rng, 0.5) * rng.uniform(0.6, 1.0)
    fine = gaussian_filter(rng.standard_normal((CANVAS, CANVAS), np.float32), 1.5)
    return gaussian_filter(canvas, (0.7, 0.7, 0)) + 30 * fine[..., None]


BACKDROPS = {"plain": _plain, "gradient": _gradient, "clutter": _clutter}
"""Name -> what draws it, indoors."""
EVERY_BACKDROP = {**BACKDROPS, "outdoors": _outdoors}


def behind(canvas: Pixels, camera: Pinhole, view: Pinhole) -> Pixels:
    """The part [H, W, 3] of a backdrop of `camera` that its crop `view` shows.

    Beyond its left and right edge a backdrop goes on mirrored, above and below like its edge.
    """
    columns, rows = (
        np.floor((ray * focal + centre) * (CANVAS / count)).astype(np.int64)
        for ray, focal, centre, count in zip(
            view.rays(), camera.focal, camera.centre, camera.size, strict=True
        )
    )
    columns = np.mod(columns, 2 * CANVAS)
    columns = np.where(columns < CANVAS, columns, 2 * CANVAS - 1 - columns)
    return canvas.take(np.clip(rows, 0, CANVAS - 1), axis=0).take(columns, axis=1)


def occluders(count: int, boxes: Array, size: tuple[int, int], rng: np.random.Generator) -> list[Occluder]:
    """`count` boxes before a person who fills `boxes` (x, y, height) [F, 3], pixels, of an image."""
    x, y, height = np.median(boxes, axis=0)
    found = []
    for _ in range(count):
        middle = x + rng.uniform(-0.3, 0.3) * height
        half = rng.uniform(0.05, 0.16) * height
        top = y + rng.uniform(-0.25, 0.3) * height
        bottom = top + rng.uniform(0.12, 0.6) * height
        edges = ((middle - half) / size[0], (middle + half) / size[0], top / size[1], bottom / size[1])
        found.append(Occluder(edges=edges, lid=0.1 * half / size[1], colour=_colour(rng)))
    return found


def cover(image: Pixels, boxes: list[Occluder], camera: Pinhole, view: Pinhole) -> None:
    """Draw boxes given in the image of `camera` over the image [H, W, 3] of its crop `view`, in place."""
    scale = np.array([view.focal[0] / camera.focal[0], view.focal[1] / camera.focal[1]])
    corner = np.array(view.centre) - scale * np.array(camera.centre)
    for box in boxes:
        left, right = (scale[0] * camera.size[0] * edge + corner[0] for edge in box.edges[:2])
        top, lid, bottom = (
            scale[1] * camera.size[1] * edge + corner[1]
            for edge in (box.edges[2], box.edges[2] + box.lid, box.edges[3])
        )
        columns = slice(*np.clip([round(left), round(right)], 0, view.size[0]))
        for (first, last), light in (((top, lid), 1.25), ((lid, bottom), 1.0)):
            rows = slice(*np.clip([round(first), round(last)], 0, view.size[1]))
            image[rows, columns] = np.minimum(light * box.colour, 255).astype(np.uint8)


def covered(boxes: list[Occluder], size: tuple[int, int], pixels: Array) -> NDArray[np.bool_]:
    """[...] whether a box stands before what lies at `pixels` [..., 2] of an image of that size."""
    found = np.zeros(pixels.shape[:-1], bool)
    x, y = pixels[..., 0] / size[0], pixels[..., 1] / size[1]
    for box in boxes:
        left, right, top, bottom = box.edges
        found |= (left <= x) & (x < right) & (top <= y) & (y < bottom)
    return found

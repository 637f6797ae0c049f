"""Pictures of a moving person, cut out of the images of a camera that stands somewhere around them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.models.skeleton import ROOT
from equipose.pipelines.simulator.people.body import body, head_axes
from equipose.pipelines.simulator.render.appearance import appearance_of, paint, with_nose
from equipose.pipelines.simulator.render.pinhole import Array, Pinhole
from equipose.pipelines.simulator.render.scenery import BACKDROPS, Pixels, backdrop, behind, cover, occluders
from equipose.pipelines.simulator.render.viewpoints import around, crop, person_boxes
from equipose.pipelines.simulator.render.zbuffer import NOTHING, Surface, render

GRAIN = 4.0
"""Standard deviation of a camera's noise, of 255."""
SHIFTS = 64
"""Noise is drawn once for a sequence and moved by up to so many pixels for each picture."""


@dataclass(frozen=True, kw_only=True)
class PictureConfig:
    """How people are photographed."""

    size: tuple[int, int] = (192, 256)
    """Width and height of a picture, pixels."""
    image_size: tuple[int, int] = (1000, 1000)
    """Width and height of the image that it is cut out of, pixels."""
    focal: float = 1145.0
    """Focal length of that image, pixels; it and the image's size are those of Human3.6M, rounded."""
    yaw: tuple[float, float] = (-180.0, 180.0)
    """Range of the camera's direction from the person, degrees; 0 is where the sensors stand."""
    elevation: tuple[float, float] = (-5.0, 20.0)
    """Range of its height above the pelvis, degrees."""
    distance: tuple[float, float] = (3.0, 6.0)
    """Range of its distance, metres."""
    backgrounds: tuple[str, ...] = tuple(BACKDROPS)
    """One of them is drawn for each sequence: `plain`, `gradient`, `clutter`."""
    occluders: float = 0.5
    """Expected number of boxes before the person."""
    noise: float = 1.0
    """Multiple of the camera's noise."""

    def __post_init__(self) -> None:
        for name in ("yaw", "elevation", "distance"):
            low, high = getattr(self, name)
            if not low <= high:
                raise ValueError(f"{name}: {(low, high)} is not allowed; give the lower bound first")
        if not -80 <= self.elevation[0] <= self.elevation[1] <= 80:
            raise ValueError(f"elevation: {self.elevation} is not allowed; use -80..80 degrees")
        if self.distance[0] < 1.5:
            raise ValueError(f"distance: {self.distance} is not allowed; use at least 1.5 m")
        unknown = sorted(set(self.backgrounds) - set(BACKDROPS))
        if unknown or not self.backgrounds:
            raise ValueError(f"backgrounds: {unknown} unknown; use some of {list(BACKDROPS)}")
        for name in ("occluders", "noise"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name}: {getattr(self, name)!r} is not allowed; use 0 or more")


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """F pictures of one camera, and what they show."""

    images: Pixels
    """[F, H, W, 3]"""
    boxes: Array
    """[F, 3] centre x, centre y and height, in pixels of the camera's image, of what each picture shows."""
    keypoints: Array
    """[F, 17, 2] pixels of the joints in the camera's image."""
    pose: Array
    """[F, 17, 3] m, camera axes."""
    camera: Pinhole


def take_pictures(
    pose: Array, girth: float, *, subject: str, key: str, seed: int, config: PictureConfig, view: int = 0
) -> Pictures:
    """Pictures of a person who moves as `pose` [F, 17, 3] m in the sensor frame.

    A subject always wears the same; camera, light, background and occluders belong to (subject, key, view).
    """
    rng = numpy_rng(seed, "simulator", "pictures", subject, key, view)
    camera = _place(pose, config, rng)
    keypoints = camera.project(pose)
    boxes = person_boxes(keypoints)
    views = [crop(camera, box, config.size) for box in boxes]
    canvas = backdrop(str(rng.choice(config.backgrounds)), rng)
    fronts = occluders(int(rng.poisson(config.occluders)), boxes, camera.size, rng)
    light, look = _light(rng), appearance_of(seed, subject)
    axes = head_axes(pose)
    grain = _grain(config, rng)
    images = np.empty((len(pose), *config.size[::-1], 3), np.uint8)
    for frame, seen in enumerate(render(with_nose(body(pose, girth), pose), views)):
        image = behind(canvas, camera, views[frame])
        head = axes[0][frame], axes[1][frame], axes[2][frame]
        paint(image, seen, views[frame], head, look, light)
        _soften(image, seen)
        cover(image, fronts, camera, views[frame])
        images[frame] = _grainy(image, grain, rng) if config.noise > 0 else image
    return Pictures(
        images=images, boxes=boxes, keypoints=keypoints, pose=camera.to_camera(pose), camera=camera
    )


def _place(pose: Array, config: PictureConfig, rng: np.random.Generator) -> Pinhole:
    """A camera that looks at the middle of the pelvis's path, from a random place."""
    yaw, elevation, distance = (rng.uniform(*getattr(config, n)) for n in ("yaw", "elevation", "distance"))
    width, height = config.image_size
    plain = Pinhole(
        focal=(config.focal, config.focal), centre=(width / 2, height / 2), size=config.image_size
    )
    return around(np.median(pose[:, ROOT], axis=0), yaw, elevation, distance, plain)


def _light(rng: np.random.Generator) -> Array:
    """Unit direction [3], sensor frame, toward a lamp 25 to 75 degrees above the horizon."""
    turn, rise = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(25, 75))
    return np.array([np.cos(rise) * np.sin(turn), -np.sin(rise), np.cos(rise) * np.cos(turn)])


def _soften(image: Pixels, seen: Surface) -> None:
    """Blend pixels of the body at the border of a part with their four neighbours, in place."""
    part = seen.part
    inner = part[1:-1, 1:-1]
    border = (inner != part[1:-1, 2:]) | (inner != part[2:, 1:-1])
    border |= (inner != part[1:-1, :-2]) | (inner != part[:-2, 1:-1])
    rows, columns = np.divmod(np.flatnonzero(border & (inner != NOTHING)), inner.shape[1])
    middle, flat = (rows + 1) * part.shape[1] + columns + 1, image.reshape(-1, 3)
    total = 2 * flat[middle].astype(np.uint16)
    for step in (1, -1, part.shape[1], -part.shape[1]):
        total += flat[middle + step]
    flat[middle] = total // 6


def _grain(config: PictureConfig, rng: np.random.Generator) -> NDArray[np.int16]:
    """Camera noise [H + `SHIFTS`, W + `SHIFTS`, 3]."""
    width, height = config.size
    noise = rng.standard_normal((height + SHIFTS, width + SHIFTS, 3), np.float32)
    return np.rint(GRAIN * config.noise * noise).astype(np.int16)


def _grainy(image: Pixels, grain: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """The image with a random cut-out of `grain` added."""
    top, left = rng.integers(0, SHIFTS, 2)
    return np.clip(image + grain[top : top + image.shape[0], left : left + image.shape[1]], 0, 255)

"""Pictures of a moving person, cut out of the images of a camera that stands somewhere around them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.models.skeleton import ROOT
from equipose.pipelines.simulator.people.body import body, head_axes
from equipose.pipelines.simulator.render.appearance import Appearance, appearance_of, paint, with_nose
from equipose.pipelines.simulator.render.pinhole import Array, Pinhole
from equipose.pipelines.simulator.render.scenery import (
    BACKDROPS,
    EVERY_BACKDROP,
    Occluder,
    Pixels,
    backdrop,
    behind,
    cover,
    covered,
    occluders,
)
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
    """One of them is drawn for each sequence: `plain`, `gradient`, `clutter`, `outdoors`."""
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
        unknown = sorted(set(self.backgrounds) - set(EVERY_BACKDROP))
        if unknown or not self.backgrounds:
            raise ValueError(f"backgrounds: {unknown} unknown; use some of {list(EVERY_BACKDROP)}")
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
    cameras: tuple[Pinhole, ...]
    """F; the same one where the camera stands still."""
    covered: NDArray[np.bool_]
    """[F, 17] whether a box stands before the joint."""

    @property
    def camera(self) -> Pinhole:
        """That of the first frame."""
        return self.cameras[0]


def take_pictures(
    pose: Array,
    girth: float,
    *,
    subject: str,
    key: str,
    seed: int,
    config: PictureConfig,
    view: int = 0,
    cameras: Sequence[Pinhole] | None = None,
    boxes: Array | None = None,
) -> Pictures:
    """Pictures of a person who moves as `pose` [F, 17, 3] m in the sensor frame.

    A subject always wears the same; camera, light, background and occluders belong to (subject, key, view).
    `cameras`: where the camera is in each frame; None places one somewhere around the person. `boxes` [F, 3]:
    what each picture shows; None is the part around the joints.
    """
    rng = numpy_rng(seed, "simulator", "pictures", subject, key, view)
    placed = _place(pose, config, rng)
    each = tuple(cameras) if cameras is not None else (placed,) * len(pose)
    keypoints, turned = _seen_by(each, pose)
    boxes = person_boxes(keypoints) if boxes is None else boxes
    views = [crop(camera, box, config.size) for camera, box in zip(each, boxes, strict=True)]
    canvas = backdrop(str(rng.choice(config.backgrounds)), rng)
    fronts = occluders(int(rng.poisson(config.occluders)), boxes, each[0].size, rng)
    setting = _Setting(
        canvas=canvas,
        fronts=fronts,
        light=_light(rng),
        look=appearance_of(seed, subject),
        grain=_grain(config, rng),
    )
    panned = [_panned(camera, each[0]) for camera in each]
    moved = np.array([[p.centre] for p in panned]) - np.array([[c.centre] for c in each])
    return Pictures(
        images=_painted(pose, girth, views, panned, setting, config, rng),
        boxes=boxes,
        keypoints=keypoints,
        pose=turned,
        cameras=each,
        covered=covered(fronts, each[0].size, keypoints + moved),
    )


@dataclass(frozen=True, kw_only=True)
class _Setting:
    """What is the same in all pictures of a recording."""

    canvas: Pixels
    fronts: list[Occluder]
    light: Array
    look: Appearance
    grain: NDArray[np.int16]


def _seen_by(cameras: Sequence[Pinhole], pose: Array) -> tuple[Array, Array]:
    """Pixels [F, 17, 2] and positions in camera axes [F, 17, 3] of each frame's joints."""
    pairs = list(zip(cameras, pose, strict=True))
    return np.stack([c.project(p) for c, p in pairs]), np.stack([c.to_camera(p) for c, p in pairs])


def _panned(camera: Pinhole, first: Pinhole) -> Pinhole:
    """The camera with its principal point moved as far as what is far away has moved in its image."""
    ahead = camera.rotation @ first.rotation[2]
    shift = ahead[:2] / max(float(ahead[2]), 0.3)
    x, y = (c - f * s for c, f, s in zip(camera.centre, camera.focal, shift.tolist(), strict=True))
    return dataclasses.replace(camera, centre=(x, y))


def _painted(
    pose: Array,
    girth: float,
    views: Sequence[Pinhole],
    cameras: Sequence[Pinhole],
    setting: _Setting,
    config: PictureConfig,
    rng: np.random.Generator,
) -> Pixels:
    """The pictures [F, H, W, 3]."""
    axes = head_axes(pose)
    images = np.empty((len(pose), *config.size[::-1], 3), np.uint8)
    for frame, seen in enumerate(render(with_nose(body(pose, girth), pose), views)):
        image = behind(setting.canvas, cameras[frame], views[frame])
        head = axes[0][frame], axes[1][frame], axes[2][frame]
        paint(image, seen, views[frame], head, setting.look, setting.light)
        _soften(image, seen)
        cover(image, setting.fronts, cameras[frame], views[frame])
        images[frame] = _grainy(image, setting.grain, rng) if config.noise > 0 else image
    return images


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

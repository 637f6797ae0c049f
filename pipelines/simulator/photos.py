"""What MM-Fi's colour camera sees of a recording, as whole images beside the key points of `rgb`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from equipose.pipelines.simulator.config import SimulatorConfig, environment_of
from equipose.pipelines.simulator.dials import silent_frames, with_noise_of
from equipose.pipelines.simulator.people.motion import simulate_motion
from equipose.pipelines.simulator.people.person import person
from equipose.pipelines.simulator.render.pictures import PictureConfig, take_pictures
from equipose.pipelines.simulator.render.pinhole import Pinhole
from equipose.pipelines.simulator.render.scenery import BACKDROPS, Pixels
from equipose.pipelines.simulator.sensors.camera import FOCAL, IMAGE_SIZE

PHOTOS = "image"
"""Their sensor. A tree holds whole images of it; a store has crops around the key points of `rgb`."""
FOLDER = "rgb"
"""Of the images and of the key points, whose archives unpack into one tree."""


def check_photos(modalities: tuple[str, ...], config: SimulatorConfig) -> None:
    """Raise ValueError for settings under which there can be no images."""
    if PHOTOS in modalities and "rgb" not in modalities:
        raise ValueError(f"modalities: {PHOTOS} is cut out around the key points of rgb; add rgb")
    if PHOTOS in config.informativeness:
        raise ValueError(f"informativeness: it has no effect on {PHOTOS}; leave it out")


def take_photos(subject: str, action: str, config: SimulatorConfig) -> Pixels:
    """[F, 480, 640, 3] of a recording, seen from where `rgb` is mounted; a silent frame is black.

    The noise of `image` is a multiple of the camera's grain. A backdrop's kind belongs to the room, nothing
    stands before the person, and key points of `rgb` err around what is seen.
    """
    environment, pose = environment_of(subject), simulate_motion(subject, action, config)
    mounting = config.room(environment).mounting
    pose = mounting["rgb"].seen(pose) if "rgb" in mounting else pose
    width, height = IMAGE_SIZE
    kinds = tuple(BACKDROPS)
    made = take_pictures(
        pose,
        person(config.seed, subject).girth,
        subject=subject,
        key=action,
        seed=config.seed,
        config=PictureConfig(
            size=IMAGE_SIZE,
            image_size=IMAGE_SIZE,
            focal=FOCAL,
            backgrounds=(kinds[int(environment[1:]) % len(kinds)],),
            occluders=0.0,
            noise=with_noise_of(config, PHOTOS, environment, subject).noise[PHOTOS],
        ),
        cameras=[Pinhole(focal=(FOCAL, FOCAL), centre=(width / 2, height / 2), size=IMAGE_SIZE)] * len(pose),
        boxes=np.tile([width / 2, height / 2, float(height)], (len(pose), 1)),
    )
    made.images[silent_frames(config, PHOTOS, environment, subject, action, len(pose))] = 0
    return made.images


def write_photos(folder: Path, photos: Pixels) -> None:
    """Write photos [F, H, W, 3] as `rgb/frame001.png` below the folder of a sequence."""
    for number, photo in enumerate(photos, 1):
        Image.fromarray(photo).save(folder / FOLDER / f"frame{number:03d}.png", compress_level=1)

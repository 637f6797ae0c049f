"""What an image, 2D and 3D triplet holds, for one person in one camera's image (UniHPE, arXiv 2311.16477).

The 3D pose itself is the store's `pose`: 17 joints, metres, camera axes. All pixels are those of the camera's
whole image, continuous: (0, 0) is its outer corner. `triplet_inputs` turns these into what encoders take.
"""

from __future__ import annotations

from equipose.models.encoders.image import IMAGE_ENCODERS
from equipose.models.sensors.layouts import Grid, Image
from equipose.models.sensors.sensor import Sensor
from equipose.models.skeleton import BONES, NUM_JOINTS

CROP = (192, 256)
"""Width and height of a crop, pixels."""

IMAGE = Sensor(
    name="image",
    letter="P",
    layout=Image(height=CROP[1], width=CROP[0], channels=3, scale=1 / 255, codec="jpeg"),
    unit="intensity",
    colour="#A6761D",
    encoders={
        "tiny": IMAGE_ENCODERS["tiny"],
        "small": IMAGE_ENCODERS["small"],
        "paper": IMAGE_ENCODERS["hrnet_w32"],
    },
)
"""The part of the image that `box` shows, 3/4 as wide as high; intensities 0 to 1."""

KEYPOINTS = Sensor(
    name="keypoints",
    letter="K",
    layout=Grid(shape=(NUM_JOINTS, 3), channel_axis=1),
    unit="pixel, pixel, confidence",
    colour="#1B9E77",
    lines=BONES,
)
"""17 joints as a detector finds them: x, y and its confidence, 0 to 1; 1 where none is known."""

EXACT_KEYPOINTS = Sensor(
    name="exact_keypoints",
    layout=Grid(shape=(NUM_JOINTS, 2), channel_axis=1),
    unit="pixel",
    colour="#7570B3",
    lines=BONES,
)
"""The same joints without error: the projected 3D pose, or what people annotated. A target, not an input."""

BOX = Sensor(name="box", layout=Grid(shape=(3,), channel_axis=0), unit="pixel", colour="#666666")
"""Of the person: centre x, centre y and side, which is the height of the crop. Context of an input."""

INTRINSICS = Sensor(
    name="intrinsics", layout=Grid(shape=(6,), channel_axis=0), unit="pixel", colour="#999999"
)
"""Of the camera: width and height of its image, focal lengths and principal point, both x then y. Context of
an input; invalid where the camera is unknown."""

TRIPLET_SENSORS: tuple[Sensor, ...] = (IMAGE, KEYPOINTS, EXACT_KEYPOINTS, BOX, INTRINSICS)
TRIPLET_NAMES: tuple[str, ...] = tuple(sensor.name for sensor in TRIPLET_SENSORS)
"""What a store of triplets holds besides the pose."""

"""What a person looks like: clothes, skin, hair and a face, shaded by one distant light.

The face tells front from back, and so left from right.
"""

from __future__ import annotations

from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.pipelines.simulator.people.body import PARTS, Capsules, J, head_axes
from equipose.pipelines.simulator.render.pinhole import Array, Floats, Pinhole
from equipose.pipelines.simulator.render.zbuffer import Surface, normals

AMBIENT = 0.42
"""Share of light that falls on a surface turned away from the lamp."""
RIM = 0.25
"""Darkening of a surface seen edge on: it draws the outline of limbs in front of the trunk."""
NOSE = len(PARTS)
"""Index of the nose among the capsules of `with_nose`."""
SKULL = PARTS.index("skull")
_SKIN = np.array([[0.95, 0.80, 0.70], [0.85, 0.66, 0.52], [0.62, 0.44, 0.32], [0.38, 0.25, 0.18]])
_HAIR = np.array([[0.08, 0.06, 0.05], [0.28, 0.18, 0.11], [0.55, 0.40, 0.22], [0.6, 0.6, 0.6]])
_EYES = np.array([[0.36, 0.18, 0.9], [-0.36, 0.18, 0.9]])
"""(left, up, front) directions of the eyes from the middle of the head, about unit length."""
_MOUTH = np.array([0.0, -0.42, 0.9])


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """Colours in [0, 1]."""

    parts: Floats
    """[C, 3] of each capsule, the nose included."""
    hair: Floats
    """[3]"""


def appearance_of(seed: int, subject: str) -> Appearance:
    """The colours of a subject; the same in all recordings."""
    rng = numpy_rng(seed, "simulator", "appearance", subject)
    tone = rng.uniform(0, len(_SKIN) - 1)
    skin = np.array([np.interp(tone, np.arange(len(_SKIN)), channel) for channel in _SKIN.T])
    shirt, trousers, shoes = (
        np.array(hsv_to_rgb(*rng.uniform([0, low, dark], [1, 0.9, 0.95])))
        for low, dark in ((0.2, 0.3), (0.1, 0.15), (0.0, 0.1))
    )
    sleeves, legs = rng.uniform() < 0.5, rng.uniform() < 0.7
    clothes = dict.fromkeys(("shoulder", "elbow", "abdomen", "chest", "shoulders"), shirt)
    clothes |= {"hips": trousers, "knee": trousers, "foot": shoes}
    clothes |= {"wrist": shirt if sleeves else skin, "ankle": trousers if legs else skin}
    names = [part.removeprefix("left_").removeprefix("right_") for part in PARTS]
    colours = [clothes.get(name, skin) for name in names] + [skin * [1.0, 0.9, 0.88]]
    hair = _HAIR[rng.integers(len(_HAIR))]
    return Appearance(parts=np.array(colours, np.float32), hair=hair.astype(np.float32))


def with_nose(capsules: Capsules, pose: Array) -> Capsules:
    """The capsules of `body`, and one more on the front of the head of `pose` [F, 17, 3]."""
    _, up, front = head_axes(pose)
    size = capsules.radius[SKULL]
    root = pose[:, J["head"]] + 0.97 * size * front
    start, end = root + 0.1 * size * up, root - 0.12 * size * up + 0.15 * size * front
    return Capsules(
        start=np.concatenate([capsules.start, start[:, None]], axis=1),
        end=np.concatenate([capsules.end, end[:, None]], axis=1),
        radius=np.append(capsules.radius, 0.17 * size),
    )


def paint(
    image: NDArray[np.uint8],
    seen: Surface,
    camera: Pinhole,
    head: tuple[Array, Array, Array],
    look: Appearance,
    light: Array,
) -> None:
    """Draw the person of one frame over `image` [H, W, 3], in place.

    `head`: its unit axes left, up and front [3]; `light`: unit direction [3] toward the lamp; both in the
    sensor frame.
    """
    pixels = seen.pixels()
    if not len(pixels):
        return
    unit, part = normals(seen, camera, pixels), seen.part.ravel()[pixels].astype(np.intp)
    colour = (255 * look.parts).take(part, axis=0)
    skull = np.flatnonzero(part == SKULL)
    axes = (np.stack(head) @ camera.rotation.T).astype(np.float32)
    colour[skull] = 255 * _head((axes @ unit[:, skull]).T, look)
    x, y, z = (camera.rotation @ light).tolist()
    shade = np.maximum(x * unit[0] + y * unit[1] + z * unit[2], 0)
    shade *= 1 - AMBIENT
    shade += AMBIENT
    shade *= 1 - RIM * np.square(1 + np.minimum(unit[2], 0))
    colour *= shade[:, None]
    image.reshape(-1, 3)[pixels] = np.minimum(colour, 255)


def _head(direction: Floats, look: Appearance) -> Floats:
    """Colours [N, 3] of a head's surface in `direction` (left, up, front) [N, 3] from its middle."""
    _, up, front = direction.T
    skin = look.parts[SKULL]
    face = (front > 0.15) & (up < 0.62) | ((up < -0.25) & (front > -0.35))
    colour = np.where(face[:, None], skin, look.hair)
    for eye in _EYES:
        colour[np.square(direction - eye).sum(axis=1) < 0.022] = 0.08
    mouth = direction - _MOUTH
    colour[(np.abs(mouth[:, 0]) < 0.28) & (np.abs(mouth[:, 1]) < 0.07) & (front > 0)] = skin * [
        0.75,
        0.4,
        0.4,
    ]
    return colour

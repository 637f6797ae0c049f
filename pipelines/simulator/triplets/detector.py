"""The 17 joints that a detector of key points would report for a picture, and how sure it would be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import JOINTS
from equipose.pipelines.simulator.people.body import J
from equipose.pipelines.simulator.sensors.signals import drift, spells

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

WHITE, SLOW, HIDDEN, JUMP = 2.4e-3, 3.6e-3, 15e-3, 40e-3
"""Standard deviations as shares of the box's side: errors of every frame, errors that stay a while, what is
added for a joint that is hidden, and how far one that is hidden is sometimes mistaken. A box of 650 px, as in
Human3.6M, gives visible joints some 3.5 px of error, and 2 to 8 px to most frames as a whole, like the
detections that published work on lifting uses."""
FAR: dict[str, float] = {"ankle": 1.3, "knee": 1.1, "elbow": 1.2, "wrist": 1.5}
"""Multiple of the errors of joints that move most; others have 0.85."""
MISTAKEN, EXCHANGED = 0.06, 0.012
"""Shares of the time in which a hidden joint is mistaken, and in which left and right are exchanged."""
CLOSE = 0.1
"""Share of the box's side within which left and right are exchanged."""
SURE, UNSURE = 0.92, 0.55
"""Usual confidence of a visible and of a hidden joint."""
_PAIRS = tuple((J[f"left_{name}"], J[f"right_{name}"]) for name in ("ankle", "knee", "wrist", "elbow"))


def _sizes() -> Array:
    """[17] multiples of the errors."""
    return np.array([FAR.get(name.split("_")[-1], 0.85) for name in JOINTS])


def detect(pixels: Array, boxes: Array, hidden: Mask, noise: float, rng: np.random.Generator) -> Array:
    """[F, 17, 3]: x, y in pixels, and confidence, of joints that lie at `pixels` [F, 17, 2].

    `boxes` [F, 3] px (centre x, y, side); `hidden` [F, 17] behind the body or other things. Errors grow with
    the person's size in the image and with `noise`; without it pixels come back as they are.
    """
    frames, count = hidden.shape
    side = boxes[:, None, 2:]
    jitter = WHITE * rng.standard_normal(pixels.shape) + SLOW * drift(rng, pixels.shape, 0.9)
    lost = HIDDEN * drift(rng, pixels.shape, 0.85)
    far = spells(rng, (frames, count), MISTAKEN, 4.0)[..., None] * JUMP * rng.standard_normal((1, count, 2))
    error = _sizes()[:, None] * (jitter + hidden[..., None] * (lost + far))
    confusion = spells(rng, (frames, len(_PAIRS)), EXCHANGED, 3.0)
    confusion &= rng.uniform(size=confusion.shape) < noise
    sure = _confidence(np.linalg.norm(error, axis=-1) * noise, hidden, rng)
    found = _exchange(pixels + noise * side * error, boxes[:, 2], confusion)
    return np.concatenate([found, sure[..., None]], axis=-1)


def _confidence(error: Array, hidden: Mask, rng: np.random.Generator) -> Array:
    """[F, 17] in 0..1: lower for hidden joints, a little lower for wrong ones, and never exact."""
    middle = np.where(hidden, UNSURE, SURE) - 4 * np.minimum(error, 0.05)
    return np.clip(middle + 0.05 * rng.standard_normal(hidden.shape), 0.02, 1.0)


def _exchange(pixels: Array, side: Array, confused: Mask) -> Array:
    """Swap left and right joints in `confused` [F, P] frames where they are close in the image."""
    result = pixels.copy()
    for pair, (left, right) in enumerate(_PAIRS):
        near = np.linalg.norm(pixels[:, left] - pixels[:, right], axis=-1) < CLOSE * side
        rows = confused[:, pair] & near
        result[rows, left], result[rows, right] = pixels[rows, right], pixels[rows, left]
    return result

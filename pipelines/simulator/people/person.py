"""Bone lengths, girth and movement habits of a person; the same for a subject in all actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.pipelines.simulator.people.keyposes import POSTURE_WIDTH, Posture, channel
from equipose.pipelines.simulator.people.kinematics import Skeleton
from equipose.pipelines.simulator.rooms import PeopleShift

TEMPLATE = {"hip": 0.110, "thigh": 0.406, "shin": 0.392, "spine": 0.293, "chest": 0.293, "neck": 0.127,
            "head": 0.069, "shoulder": 0.176, "upper_arm": 0.250, "forearm": 0.250}  # fmt: skip
"""Bone lengths, metres, of the average person (rounded from one MM-Fi ground-truth pose)."""
PARTS = {"hip": "width", "shoulder": "width", "thigh": "legs", "shin": "legs", "spine": "trunk",
         "chest": "trunk", "neck": "head", "head": "head", "upper_arm": "arms",
         "forearm": "arms"}  # fmt: skip

NO_SHIFT = PeopleShift()


@dataclass(frozen=True, kw_only=True)
class Person:
    """One subject."""

    skeleton: Skeleton
    girth: float
    """Multiple of the average thickness of all body parts."""
    tempo: float
    """Multiple of the usual repetition rate."""
    amplitude: float
    """Multiple of the usual extent of motions."""
    unsteadiness: float
    """Multiple of the usual differences between repetitions."""
    habit: NDArray[np.float64]
    """[POSTURE_WIDTH] constant offset of this person's postures."""


def person(seed: int, subject: str, shift: PeopleShift = NO_SHIFT) -> Person:
    """The subject of that name; the same for equal seeds. `shift`: of the people of their room."""
    rng = numpy_rng(seed, "simulator", "person", subject)
    stature = float(np.clip(rng.normal(1.0, 0.045), 0.9, 1.1)) + shift.stature
    parts = {part: float(rng.normal(1.0, 0.025)) for part in ("legs", "trunk", "arms", "width", "head")}
    lengths = {bone: length * stature * parts[PARTS[bone]] for bone, length in TEMPLATE.items()}
    return Person(
        skeleton=Skeleton(**lengths, stance=float(rng.uniform(0.1, 0.17))),
        girth=float(np.clip(rng.normal(1.0, 0.1), 0.8, 1.3)),
        tempo=float(np.clip(rng.normal(1.0, 0.13), 0.75, 1.3)) + shift.tempo,
        amplitude=float(np.clip(rng.normal(0.97, 0.09), 0.75, 1.15)) + shift.amplitude,
        unsteadiness=float(rng.uniform(0.5, 1.5)),
        habit=_habit(rng),
    )


def _habit(rng: np.random.Generator) -> NDArray[np.float64]:
    spread = np.zeros(POSTURE_WIDTH)
    for name in Posture.__dataclass_fields__:
        angle = name in ("lean", "bend", "twist", "hips", "nod")
        arm = name.endswith(("upper", "fore"))
        # Feet and pelvis stay: a constant offset there would only be another stance.
        channel(spread[None], name)[...] = 2.0 if angle else 0.08 if arm else 0.0
    return spread * rng.standard_normal(POSTURE_WIDTH)

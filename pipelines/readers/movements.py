"""Where one movement of a MARS recording ends and the next begins.

A part of MARS holds its movements one after another. The radar's frame counter jumps between them; without
radar, the motion itself does, because the recordings were cut in mid-movement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOVEMENTS: tuple[str, ...] = (
    "left upper limb extension",
    "right upper limb extension",
    "both upper limb extension",
    "left front lunge",
    "right front lunge",
    "squat",
    "left side lunge",
    "right side lunge",
    "left limb extension",
    "right limb extension",
)
"""The movements A01..A10 of MARS (An and Ogras 2021), in the order of the recordings."""

COUNTER_JUMP = 100
"""Radar frames (10 s) missing between two consecutive frames, too many for lost packets: in the recordings,
at most 6 are lost within a movement, and at least 1,099 are missing between movements."""

POSE_JUMP = 0.12
"""Metres, mean over Kinect's 25 joints, by which the motion misses its own extrapolation from both sides.
In the recordings it is at least 0.137 between movements, and at most 0.095 anywhere that is `MIN_SHARE` away
from those. The hands matter: over the 17 joints alone the two ranges would overlap."""

MIN_SHARE = 0.5
"""A movement is at least this share of an even tenth of the part."""


@dataclass(frozen=True, kw_only=True)
class Cuts:
    """How a part splits into movements."""

    starts: tuple[int, ...]
    """First row of each movement; the first is 0."""
    rule: str
    """`radar counter` or `motion`: how the cuts were found."""

    @property
    def complete(self) -> bool:
        """Whether there are ten, so that the n-th is MARS's n-th movement."""
        return len(self.starts) == len(MOVEMENTS)


def discontinuity(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """[F - 1] metres: how badly the step from frame f to f + 1 fits the motion before and after it.

    The smaller of two errors, mean over joints: extrapolating frame f + 1 from f - 1 and f, and frame f
    from f + 2 and f + 1. Fast but smooth motion has little of it. Where joints are NaN it is 0.
    """
    if len(joints) < 4:
        return np.zeros(max(0, len(joints) - 1))
    with np.errstate(invalid="ignore", over="ignore"):  # infinite joints
        bends = np.linalg.norm(joints[2:] - 2 * joints[1:-1] + joints[:-2], axis=-1).mean(-1)
    return np.nan_to_num(np.concatenate([[0.0], np.minimum(bends[:-1], bends[1:]), [0.0]]))


def cuts_in_motion(joints: NDArray[np.float64]) -> tuple[int, ...]:
    """Starts of the movements in joints [F, 25, 3]: the largest jumps, none closer than half a movement."""
    score = discontinuity(joints)
    apart = MIN_SHARE * len(joints) / len(MOVEMENTS)
    starts = [0]
    for step in np.argsort(-score, kind="stable"):
        if score[step] < POSE_JUMP or len(starts) == len(MOVEMENTS):
            break
        if all(abs(step + 1 - other) >= apart for other in [*starts, len(joints)]):
            starts.append(int(step) + 1)
    return tuple(sorted(starts))


def cuts_in_counter(counter: NDArray[np.float64]) -> tuple[int, ...]:
    """Starts of the movements by the radar's frame counter [F], one per frame."""
    jumps = np.flatnonzero(np.abs(np.diff(counter)) > COUNTER_JUMP) + 1
    return (0, *(int(start) for start in jumps))


def find_cuts(joints: NDArray[np.float64], counter: NDArray[np.float64] | None) -> Cuts:
    """Cuts by the radar's counter if it gives ten movements, otherwise by the motion.

    If neither gives ten, the motion's cuts are used and `complete` is False.
    """
    if counter is not None:
        cuts = Cuts(starts=cuts_in_counter(counter), rule="radar counter")
        if cuts.complete:
            return cuts
    return Cuts(starts=cuts_in_motion(joints), rule="motion")

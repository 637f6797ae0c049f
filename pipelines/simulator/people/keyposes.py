"""A body posture as few meaningful numbers, and motions as postures at phases of one repetition."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Triple = tuple[float, float, float]
HANGING: Triple = (0.12, -1.0, 0.0)
FOREARM: Triple = (0.03, -1.0, 0.15)


@dataclass(frozen=True, kw_only=True)
class Posture:
    """One posture, relative to standing upright with hanging arms, in the person's own directions.

    Limb directions are (out, up, forward) with `out` away from the midline on that limb's side; they
    need no unit length. Feet are displacements (out, up, forward) from the stance, in leg lengths.
    """

    lean: float = 0.0
    """Forward bend of the trunk, degrees."""
    bend: float = 0.0
    """Sideways bend of the trunk to the person's left, degrees."""
    twist: float = 0.0
    """Turn of the trunk to the person's left, degrees."""
    hips: float = 0.0
    """Turn of the pelvis to the person's left, degrees."""
    nod: float = 0.0
    """Forward bend of the head, degrees."""
    shift: Triple = (0.0, 0.0, 0.0)
    """Displacement (left, up, forward) of the pelvis, in leg lengths."""
    left_upper: Triple = HANGING
    left_fore: Triple = FOREARM
    right_upper: Triple = HANGING
    right_fore: Triple = FOREARM
    left_foot: Triple = (0.0, 0.0, 0.0)
    right_foot: Triple = (0.0, 0.0, 0.0)


_COLUMNS: dict[str, slice] = {}
_width = 0
for _field in fields(Posture):
    _size = 3 if _field.type == "Triple" else 1
    _COLUMNS[_field.name] = slice(_width, _width + _size)
    _width += _size

POSTURE_WIDTH = _width
"""Numbers in a posture vector."""


def pack(posture: Posture) -> NDArray[np.float64]:
    """The posture as a vector [POSTURE_WIDTH]."""
    return np.concatenate([np.atleast_1d(getattr(posture, f.name)) for f in fields(Posture)]).astype(float)


def channel(vectors: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """View of one field of packed postures [..., POSTURE_WIDTH]: [..., 3], or [...] for an angle."""
    view = vectors[..., _COLUMNS[name]]
    return view if view.shape[-1] == 3 else view[..., 0]


def mirror(posture: Posture) -> Posture:
    """The same posture with left and right exchanged."""
    left, up, forward = posture.shift
    return Posture(
        lean=posture.lean,
        bend=-posture.bend,
        twist=-posture.twist,
        hips=-posture.hips,
        nod=posture.nod,
        shift=(-left, up, forward),
        left_upper=posture.right_upper,
        left_fore=posture.right_fore,
        right_upper=posture.left_upper,
        right_fore=posture.left_fore,
        left_foot=posture.right_foot,
        right_foot=posture.left_foot,
    )


def interpolate(
    phases: NDArray[np.float64], knots: NDArray[np.float64], vectors: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Postures [F, W] at `phases` [F] (modulo 1) between keys [K, W] at ascending `knots` [K] in [0, 1).

    Cosine easing: the motion comes to rest at every key, as exercises do; periodic.
    """
    phases = np.mod(phases, 1.0)
    last = np.searchsorted(knots, phases, side="right") - 1
    following = (last + 1) % len(knots)
    start = np.where(last < 0, knots[-1] - 1.0, knots[last])
    end = np.where(last == len(knots) - 1, knots[0] + 1.0, knots[following])
    ease = 0.5 - 0.5 * np.cos(np.pi * (phases - start) / (end - start))
    return vectors[last] + ease[:, None] * (vectors[following] - vectors[last])

"""The 27 actions of MM-Fi as key postures over one repetition.

Names follow MM-Fi's activity list. Only the names are published: which limb leads, how far and how
fast is this project's reading (see docs/simulator.md for the doubtful ones).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from equipose.pipelines.simulator.people.keyposes import Posture, Triple, mirror

ACTIONS: dict[str, str] = {
    "A01": "stretching and relaxing",
    "A02": "chest expansion (horizontal)",
    "A03": "chest expansion (vertical)",
    "A04": "twist (left)",
    "A05": "twist (right)",
    "A06": "mark time",
    "A07": "limb extension (left)",
    "A08": "limb extension (right)",
    "A09": "lunge (toward left-front)",
    "A10": "lunge (toward right-front)",
    "A11": "limb extension (both)",
    "A12": "squat",
    "A13": "raising hand (left)",
    "A14": "raising hand (right)",
    "A15": "lunge (toward left side)",
    "A16": "lunge (toward right side)",
    "A17": "waving hand (left)",
    "A18": "waving hand (right)",
    "A19": "picking up things",
    "A20": "throwing (toward left side)",
    "A21": "throwing (toward right side)",
    "A22": "kicking (toward left side)",
    "A23": "kicking (toward right side)",
    "A24": "body extension (left)",
    "A25": "body extension (right)",
    "A26": "jumping up",
    "A27": "bowing",
}
"""Action code -> MM-Fi's name of it."""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """One repetition of an action."""

    seconds: float
    """Usual duration of a repetition."""
    keys: tuple[tuple[float, Posture], ...]
    """(phase in [0, 1), posture), ascending."""


def mirrored(motion: Motion) -> Motion:
    """The same motion to the other side."""
    return replace(motion, keys=tuple((phase, mirror(key)) for phase, key in motion.keys))


def _motion(seconds: float, *keys: tuple[float, Posture]) -> Motion:
    return Motion(seconds=seconds, keys=keys)


def _arms(upper: Triple, fore: Triple, **rest: Any) -> Posture:
    """A posture with both arms alike."""
    return Posture(left_upper=upper, left_fore=fore, right_upper=upper, right_fore=fore, **rest)


STAND = Posture()
UP, OUT, FORWARD = (0.1, 1.0, 0.05), (1.0, 0.05, 0.1), (0.05, 0.05, 1.0)
GUARD = _arms((0.9, -0.2, 0.5), (-0.9, 0.1, 0.5))
"""Elbows out at chest height, forearms folded in front."""
AKIMBO = _arms((0.75, -0.75, -0.25), (-0.7, -0.55, 0.35))
"""Hands on the hips."""

STRETCH = _motion(
    4.5,
    (0.0, STAND),
    (0.25, _arms((0.2, 0.1, 1), (-0.4, 0.1, 1), lean=6)),
    (0.55, _arms((0.3, 1, 0.1), (-0.35, 1, 0), lean=-8, nod=-15)),
    (0.8, _arms(OUT, (1, -0.1, 0))),
)
CHEST_HORIZONTAL = _motion(
    3.0,
    (0.0, _arms((0.95, 0.2, 0.3), (-0.3, -0.1, 0.97))),
    (0.3, _arms((0.9, 0.1, -0.25), (-0.4, -0.1, 0.9), lean=-4)),
    (0.5, _arms((0.6, 0.0, 0.8), (-0.8, 0, 0.6))),
    (0.75, _arms((1, 0.05, -0.3), (1, 0.1, -0.15), lean=-7)),
)
CHEST_VERTICAL = _motion(
    3.2,
    (0.0, Posture(left_upper=(0.1, 1, -0.2), left_fore=(0.05, 1, -0.3),
                  right_upper=(0.15, -1, -0.35), right_fore=(0.1, -1, -0.4), lean=-5)),
    (0.25, _arms(FORWARD, FORWARD)),
    (0.5, Posture(left_upper=(0.15, -1, -0.35), left_fore=(0.1, -1, -0.4),
                  right_upper=(0.1, 1, -0.2), right_fore=(0.05, 1, -0.3), lean=-5)),
    (0.75, _arms(FORWARD, FORWARD)),
)  # fmt: skip
TWIST_LEFT = _motion(2.8, (0.0, GUARD), (0.45, replace(GUARD, twist=58, hips=14, nod=4)), (0.9, GUARD))
MARK_TIME = _motion(
    1.5,
    (0.0, STAND),
    (0.25, Posture(left_foot=(0, 0.36, 0.3), right_upper=(0.1, -0.8, 0.6), right_fore=(-0.1, 0.1, 1),
                   left_upper=(0.15, -0.9, -0.4), left_fore=(0, -0.7, 0.7), shift=(-0.05, 0, 0))),
    (0.5, STAND),
    (0.75, Posture(right_foot=(0, 0.36, 0.3), left_upper=(0.1, -0.8, 0.6), left_fore=(-0.1, 0.1, 1),
                   right_upper=(0.15, -0.9, -0.4), right_fore=(0, -0.7, 0.7), shift=(0.05, 0, 0))),
)  # fmt: skip
LEFT_OUT = Posture(left_upper=(0.9, 0.45, 0.05), left_fore=(0.9, 0.5, 0), left_foot=(0.5, 0.22, 0.0),
                   right_upper=(0.5, -0.8, 0.1), right_fore=(0.4, -0.9, 0.1), shift=(-0.09, 0, 0),
                   bend=-9)  # fmt: skip
LIMBS_LEFT = _motion(3.2, (0.0, STAND), (0.45, LEFT_OUT), (0.6, LEFT_OUT))
ALL_OUT = _arms((0.75, 0.8, 0), (0.65, 0.9, 0), left_foot=(0.28, 0, 0), right_foot=(0.28, 0, 0))
LIMBS_BOTH = _motion(3.0, (0.0, STAND), (0.4, ALL_OUT), (0.55, ALL_OUT))
STEP_FRONT = replace(AKIMBO, left_foot=(0.16, 0.12, 0.35), shift=(0.05, -0.02, 0.1))
DEEP_FRONT = replace(AKIMBO, left_foot=(0.32, 0, 0.68), shift=(0.2, -0.2, 0.42), hips=16, lean=5)
LUNGE_FRONT_LEFT = _motion(
    3.4, (0.0, AKIMBO), (0.22, STEP_FRONT), (0.45, DEEP_FRONT), (0.6, DEEP_FRONT), (0.8, STEP_FRONT)
)
SQUATTING = _arms((0.1, 0.55, 1), (0, 0.5, 1), shift=(0, -0.42, -0.2), lean=34, nod=-18)
SQUAT = _motion(3.0, (0.0, STAND), (0.45, SQUATTING), (0.58, SQUATTING))
HALF_RAISED = Posture(left_upper=(0.25, -0.05, 1), left_fore=(0.1, 0.2, 1))
RAISED = Posture(left_upper=UP, left_fore=(0.02, 1, 0.02), bend=-3)
RAISE_LEFT = _motion(3.0, (0.0, STAND), (0.25, HALF_RAISED), (0.5, RAISED), (0.75, HALF_RAISED))
STEP_SIDE = replace(AKIMBO, left_foot=(0.38, 0.08, 0), shift=(0.05, -0.02, 0))
DEEP_SIDE = replace(AKIMBO, left_foot=(0.8, 0, 0), shift=(0.62, -0.24, -0.05), lean=16)
LUNGE_SIDE_LEFT = _motion(
    3.4, (0.0, AKIMBO), (0.22, STEP_SIDE), (0.45, DEEP_SIDE), (0.6, DEEP_SIDE), (0.8, STEP_SIDE)
)
WAVE_LEFT = _motion(
    1.5,
    (0.0, Posture(left_upper=(0.8, 0.25, 0.3), left_fore=(0.65, 0.8, 0.15))),
    (0.5, Posture(left_upper=(0.75, 0.3, 0.3), left_fore=(-0.55, 0.9, 0.15))),
)
PICK_UP = _motion(
    4.0,
    (0.0, STAND),
    (0.4, Posture(lean=72, shift=(0, -0.2, -0.14), right_upper=(0.05, -1, 0.62), right_fore=(-0.1, -1, 0.75),
                  left_upper=(0.3, -0.9, -0.1), left_fore=(0.1, -0.6, 0.5), nod=6, twist=-8)),
    (0.52, Posture(lean=72, shift=(0, -0.2, -0.14), right_upper=(0.05, -1, 0.62), right_fore=(-0.1, -1, 0.7),
                   left_upper=(0.3, -0.9, -0.1), left_fore=(0.1, -0.6, 0.5), nod=6, twist=-8)),
    (0.85, Posture(right_upper=(0.15, -0.9, 0.3), right_fore=(-0.1, 0.25, 1))),
)  # fmt: skip
THROW_LEFT = _motion(
    3.0,
    (0.0, STAND),
    (0.35, Posture(twist=-38, hips=-12, right_upper=(0.95, 0.15, -0.3), right_fore=(0.1, 0.95, -0.2),
                   left_upper=(0.4, -0.1, 0.9), left_fore=(0.1, 0.1, 1), shift=(-0.07, -0.03, 0))),
    (0.6, Posture(twist=48, hips=18, right_upper=(0.0, 0.1, 1), right_fore=(-0.55, 0.05, 0.9),
                  left_upper=(0.4, -0.8, -0.4), left_fore=(0.1, -0.6, 0.5), shift=(0.09, -0.03, 0), lean=12)),
    (0.75, Posture(twist=52, hips=18, right_upper=(-0.3, -0.5, 0.9), right_fore=(-0.8, -0.5, 0.7),
                   left_upper=(0.4, -0.8, -0.4), left_fore=(0.1, -0.6, 0.5), shift=(0.09, -0.03, 0),
                   lean=16)),
)  # fmt: skip
KICK_LEFT = _motion(
    2.6,
    (0.0, STAND),
    (0.3, Posture(left_foot=(0.05, 0.3, -0.12), left_upper=(0.6, -0.7, -0.2), right_upper=(0.6, -0.6, 0.3),
                  shift=(-0.08, -0.02, 0), bend=4)),
    (0.5, Posture(left_foot=(0.68, 0.48, 0.35), left_upper=(0.8, -0.5, -0.3), left_fore=(0.5, -0.6, 0.3),
                  right_upper=(0.8, -0.3, 0.5), right_fore=(0.3, 0, 1), shift=(-0.1, -0.02, -0.05),
                  bend=-14, lean=-5, hips=8)),
    (0.7, Posture(left_foot=(0.2, 0.25, 0.1), left_upper=(0.6, -0.7, -0.2), right_upper=(0.6, -0.6, 0.3),
                  shift=(-0.08, -0.02, 0))),
)  # fmt: skip
BODY_LEFT = _motion(
    3.8,
    (0.0, Posture(left_foot=(0.18, 0, 0), right_foot=(0.18, 0, 0))),
    (0.22, Posture(bend=14, right_upper=(1, 0.1, 0.1), right_fore=(0.9, 0.4, 0.1),
                   left_upper=(0.45, -0.9, -0.1), left_fore=(-0.3, -0.8, 0.4), shift=(-0.05, 0, 0),
                   left_foot=(0.18, 0, 0), right_foot=(0.18, 0, 0))),
    (0.45, Posture(bend=34, right_upper=(-0.15, 1, 0.05), right_fore=(-0.5, 0.9, 0.05),
                   left_upper=(0.45, -0.9, -0.1), left_fore=(-0.5, -0.6, 0.45), shift=(-0.08, 0, 0),
                   left_foot=(0.18, 0, 0), right_foot=(0.18, 0, 0))),
    (0.6, Posture(bend=36, right_upper=(-0.15, 1, 0.05), right_fore=(-0.5, 0.9, 0.05),
                  left_upper=(0.45, -0.9, -0.1), left_fore=(-0.5, -0.6, 0.45), shift=(-0.08, 0, 0),
                  left_foot=(0.18, 0, 0), right_foot=(0.18, 0, 0))),
    (0.8, Posture(bend=12, right_upper=(1, 0.1, 0.1), right_fore=(0.9, 0.4, 0.1),
                  left_upper=(0.45, -0.9, -0.1), left_fore=(-0.3, -0.8, 0.4), shift=(-0.05, 0, 0),
                  left_foot=(0.18, 0, 0), right_foot=(0.18, 0, 0))),
)  # fmt: skip
JUMP = _motion(
    2.8,
    (0.0, STAND),
    (0.3, _arms((0.2, -0.8, -0.55), (0.1, -1, -0.2), shift=(0, -0.24, -0.1), lean=26)),
    (0.46, _arms((0.3, 0.1, 1), (0.1, 0.5, 1), shift=(0, 0.02, 0), lean=6)),
    (0.6, _arms((0.35, 0.95, 0.4), (0.1, 1, 0.2), shift=(0, 0.24, 0), left_foot=(0, 0.23, 0),
                right_foot=(0, 0.23, 0))),
    (0.76, _arms((0.3, -0.3, 0.8), (0.1, 0, 1), shift=(0, -0.14, -0.06), lean=16)),
)  # fmt: skip
BOWED = _arms((0.08, -1, 0.5), (0, -1, 0.55), lean=62, nod=14, shift=(0, 0, -0.12))
BOW = _motion(3.6, (0.0, STAND), (0.42, BOWED), (0.58, replace(BOWED, lean=64)))

MOTIONS: dict[str, Motion] = {
    "A01": STRETCH,
    "A02": CHEST_HORIZONTAL,
    "A03": CHEST_VERTICAL,
    "A04": TWIST_LEFT,
    "A05": mirrored(TWIST_LEFT),
    "A06": MARK_TIME,
    "A07": LIMBS_LEFT,
    "A08": mirrored(LIMBS_LEFT),
    "A09": LUNGE_FRONT_LEFT,
    "A10": mirrored(LUNGE_FRONT_LEFT),
    "A11": LIMBS_BOTH,
    "A12": SQUAT,
    "A13": RAISE_LEFT,
    "A14": mirrored(RAISE_LEFT),
    "A15": LUNGE_SIDE_LEFT,
    "A16": mirrored(LUNGE_SIDE_LEFT),
    "A17": WAVE_LEFT,
    "A18": mirrored(WAVE_LEFT),
    "A19": PICK_UP,
    "A20": THROW_LEFT,
    "A21": mirrored(THROW_LEFT),
    "A22": KICK_LEFT,
    "A23": mirrored(KICK_LEFT),
    "A24": BODY_LEFT,
    "A25": mirrored(BODY_LEFT),
    "A26": JUMP,
    "A27": BOW,
}
"""Action code -> one repetition of it."""


def motion_of(action: str) -> Motion:
    """The motion of an action code; ValueError for an unknown one."""
    if action not in MOTIONS:
        raise ValueError(f"action: {action!r} is unknown; use one of {', '.join(MOTIONS)}")
    return MOTIONS[action]

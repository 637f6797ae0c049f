"""Names of Human3.6M's recordings, and which have ground truth that is known to be wrong."""

from __future__ import annotations

import re

from equipose.pipelines.sequence import POSE, Defect, SequenceKey

ENVIRONMENT = "E01"
ACTIONS: tuple[str, ...] = (
    *("Directions", "Discussion", "Eating", "Greeting", "Phoning", "Photo", "Posing", "Purchases", "Sitting"),
    *("SittingDown", "Smoking", "Waiting", "WalkDog", "Walking", "WalkTogether"),
)
"""A01 to A15."""
_OTHER_NAMES = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog", "WalkingTogether": "WalkTogether"}
TAKES: tuple[str, ...] = ("first", "second", "third")
"""Every action was recorded twice: `Walking` and `Walking 1`, or `Walking 1` and `Walking 2`."""
TAKE_FRAMES = 100_000
"""Frames of the second take are numbered from 100 001 on, so that all of an action have different numbers."""

KNOWN_BAD: dict[tuple[str, str], tuple[str, str]] = {
    ("S09", "Greeting"): ("shifted", "3D pose shifted against the pictures"),
    ("S09", "SittingDown 1"): ("shifted", "3D pose shifted against the pictures"),
    ("S09", "Waiting 1"): ("shifted", "3D pose shifted against the pictures"),
    ("S11", "Directions"): ("corrupt", "published work leaves this recording out"),
}
"""(subject, name) -> reason and detail. The rows stay: only distances from the camera and projections are off
in the shifted ones, and metrics relative to the pelvis hide it."""


def parse(name: str) -> tuple[str, int] | None:
    """(action, take from 0) of names such as `Walking`, `Walking 1` or `Walking_1`; None for another name.

    >>> parse("TakingPhoto 1"), parse("Photo"), parse("Dancing")
    (('A06', 1), ('A06', 0), None)
    """
    match = re.fullmatch(r"([A-Za-z]+)(?:[ _]([0-2]))?", name, re.ASCII)
    canonical = _OTHER_NAMES.get(match[1], match[1]) if match else ""
    if not match or canonical not in ACTIONS:
        return None
    return f"A{ACTIONS.index(canonical) + 1:02d}", int(match[2] or 0)


def subject_of(name: str) -> str | None:
    """`S09` for `S9`; None for another name."""
    match = re.fullmatch(r"S(\d{1,2})", name, re.ASCII)
    return f"S{int(match[1]):02d}" if match else None


def key_of(subject: str, name: str, camera: str) -> SequenceKey | None:
    """The key of a recording; None for one of another name."""
    found = parse(name)
    if found is None:
        return None
    action, take = found
    return SequenceKey(ENVIRONMENT, subject, action, TAKES[take], camera)


def first_number(key: SequenceKey) -> int:
    """Number of the recording's first frame."""
    return 1 + TAKE_FRAMES * TAKES.index(key.part)


def remarks(subject: str, name: str) -> tuple[Defect, ...]:
    """What is known to be wrong with a recording's poses."""
    canonical = parse(name)
    for (who, bad), (reason, detail) in KNOWN_BAD.items():
        if who == subject and canonical is not None and canonical == parse(bad):
            return (Defect(modality=POSE, frame=None, reason=reason, detail=f"{subject} {name}: {detail}"),)
    return ()

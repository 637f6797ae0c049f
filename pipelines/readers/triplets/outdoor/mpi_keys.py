"""How recordings of MPI-INF-3DHP are called in a store."""

from __future__ import annotations

from equipose.pipelines.sequence import SequenceKey

TEST_CAMERA = "test"
"""The test sequences have one camera each, none of the 14 that training recordings have."""
FIRST_HELD_OUT = 10
"""Test sequence n shows S1n: its people are not told apart from those who train, and may be among them."""


def training_key(subject: int, sequence: int, camera: int | str) -> SequenceKey:
    """Of what a camera saw of a training subject's sequence, 1 or 2."""
    return SequenceKey("E01", f"S{subject:02d}", f"A{sequence:02d}", "train", str(int(camera)))


def held_out_key(number: int) -> SequenceKey:
    """Of test sequence `number`: 1 and 2 before a green screen like the training's, 3 and 4 in the studio
    without one, 5 and 6 outdoors."""
    room = f"E{(number + 1) // 2:02d}"
    return SequenceKey(room, f"S{FIRST_HELD_OUT + number:02d}", "A01", "test", TEST_CAMERA)


def held_out_number(key: SequenceKey) -> int:
    """The test sequence of a key."""
    return int(key.subject[1:]) - FIRST_HELD_OUT

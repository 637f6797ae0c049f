"""Placement groups that outlive the actor that made them, and so hold cores that nothing uses."""

from __future__ import annotations

import time
import traceback

from ray.util.placement_group import remove_placement_group

from equipose.orchestrator.cluster.ray_private import groups_of_dead_makers

LOOK_SECONDS = 5.0
"""Pause between two checks while a sweep runs."""


def remove_leaked_groups() -> int:
    """Remove this job's placement groups whose maker, an actor, is dead; returns how many there were.

    Ray does that itself when the actor dies, and Ray Train checks again. Both miss a group that is made after
    Ray has declared the actor dead, up to 0.2 s before its process ends: in that time a Train controller sees
    that its worker is gone, and makes a group for the next attempt. On a busy machine, 2 of 21 trials that
    ASHA had stopped left one. Each leaves room for fewer trials, until the sweep waits for idle cores.
    """
    leaked = list(groups_of_dead_makers())
    for group in leaked:
        remove_placement_group(group)
    return len(leaked)


def release_after(error: BaseException, patience_s: float = 2.0) -> None:
    """Remove what an actor has left whose failed call raised `error`, waiting until it is dead.

    Ray Train's controller (2.60) does not catch that a worker dies while its training is being launched: it
    ends without removing its group, and lives until the frames of the error, which hold it, are cleared.
    """
    traceback.clear_frames(error.__traceback__)
    deadline = time.monotonic() + patience_s
    while not remove_leaked_groups() and time.monotonic() < deadline:
        time.sleep(0.1)

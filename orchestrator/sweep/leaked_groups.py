"""Placement groups that outlive the actor that made them, and so hold cores for nobody."""

from __future__ import annotations

from ray.util.placement_group import remove_placement_group

from equipose.orchestrator.cluster.ray_private import groups_of_dead_makers

LOOK_SECONDS = 5.0
"""Pause between two looks while a sweep runs."""


def remove_orphaned_groups() -> int:
    """Remove this job's placement groups whose maker, an actor, is dead; how many there were.

    Ray does that itself when the actor dies, and Ray Train looks a second time. Both miss a group that is
    made after Ray has taken the actor for dead, up to 0.2 s before its process ends: a Train controller sees
    in these instants that its worker is gone, and makes a group for the next attempt. On a busy machine 2 of
    21 trials that ASHA had stopped left one. With each, fewer trials run side by side, until the sweep waits
    for cores that nobody uses.
    """
    orphans = list(groups_of_dead_makers())
    for group in orphans:
        remove_placement_group(group)
    return len(orphans)

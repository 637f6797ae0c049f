"""Placement groups that outlive the actor that made them, and so hold cores for nobody."""

from __future__ import annotations

from collections.abc import Iterator

import ray
from ray._private import state
from ray.core.generated.gcs_pb2 import PlacementGroupTableData
from ray.util.placement_group import PlacementGroup, remove_placement_group

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
    orphans = list(_orphans())
    for group in orphans:
        remove_placement_group(group)
    return len(orphans)


def _orphans() -> Iterator[PlacementGroup]:
    """Read from Ray's own tables, since the public ones do not tell who made a group."""
    job = ray.get_runtime_context().get_job_id()
    nobody = ray.ActorID.nil().binary()
    for row in state.state._connect_and_get_accessor().get_placement_group_table():
        group = PlacementGroupTableData.FromString(row)
        removed = group.state == PlacementGroupTableData.REMOVED
        if removed or group.is_detached or group.creator_actor_id in (b"", nobody):
            continue
        maker = state.actors(ray.ActorID(group.creator_actor_id).hex())
        if group.creator_job_id.hex() == job and maker.get("State") == "DEAD":
            yield PlacementGroup(ray.PlacementGroupID(group.placement_group_id))

"""Simulated people and sensors: 27 procedural actions, and what MM-Fi's sensors would record of any motion.

`people` makes the motion, `render` looks at it, `sensors` make the readings; `config` holds the settings,
`rooms` what differs between environments, `contamination` what is spoilt; `observe` and `recording` join
them, `tree` writes MM-Fi's on-disk layout, `photos` its images.
"""

from equipose.pipelines.simulator.config import (
    PROVENANCE,
    SIMULATOR_VERSION,
    SUBJECTS,
    SimulatorConfig,
    environment_of,
    provenance_of,
    settings_of,
)
from equipose.pipelines.simulator.contamination import Contamination
from equipose.pipelines.simulator.observe import observe
from equipose.pipelines.simulator.people.actions import ACTIONS
from equipose.pipelines.simulator.people.motion import simulate_motion
from equipose.pipelines.simulator.recording import simulate_sequence
from equipose.pipelines.simulator.rooms import Mounting, Multipath, PeopleShift, Room, drawn_rooms
from equipose.pipelines.simulator.tree import MARKER, claim_tree, write_mmfi_tree, write_sequence

__all__ = [
    "ACTIONS",
    "MARKER",
    "PROVENANCE",
    "SIMULATOR_VERSION",
    "SUBJECTS",
    "Contamination",
    "Mounting",
    "Multipath",
    "PeopleShift",
    "Room",
    "SimulatorConfig",
    "claim_tree",
    "drawn_rooms",
    "environment_of",
    "observe",
    "provenance_of",
    "settings_of",
    "simulate_motion",
    "simulate_sequence",
    "write_mmfi_tree",
    "write_sequence",
]

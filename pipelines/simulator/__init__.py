"""Simulated people and sensors: 27 procedural actions, and what MM-Fi's sensors would record of any motion.

`people` makes the motion, `render` looks at it, `sensors` make the readings; `config` holds the settings,
`observe` joins them, `tree` writes MM-Fi's on-disk layout.
"""

from equipose.pipelines.simulator.config import SIMULATOR_VERSION, SUBJECTS, SimulatorConfig, environment_of
from equipose.pipelines.simulator.observe import PROVENANCE, observe, simulate_sequence
from equipose.pipelines.simulator.people.actions import ACTIONS
from equipose.pipelines.simulator.people.motion import simulate_motion
from equipose.pipelines.simulator.tree import MARKER, claim_tree, write_mmfi_tree, write_sequence

__all__ = [
    "ACTIONS",
    "MARKER",
    "PROVENANCE",
    "SIMULATOR_VERSION",
    "SUBJECTS",
    "SimulatorConfig",
    "claim_tree",
    "environment_of",
    "observe",
    "simulate_motion",
    "simulate_sequence",
    "write_mmfi_tree",
    "write_sequence",
]

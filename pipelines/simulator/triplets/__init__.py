"""Simulated image, 2D and 3D triplets: people in pictures, with their key points and their pose.

`sets` says who does what before which cameras, `staging` places people and cameras, `detector` errs as a
detector of key points does, `record` joins them into a recording. The pictures are `render`'s.
"""

from equipose.pipelines.simulator.triplets.record import record_triplets
from equipose.pipelines.simulator.triplets.sets import TRIPLET_SETS, TripletSet, triplet_set

__all__ = ["TRIPLET_SETS", "TripletSet", "record_triplets", "triplet_set"]

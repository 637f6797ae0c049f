"""Image, 2D and 3D triplets straight from the simulator, without files in between."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from equipose.models.sensors.triplets import TRIPLET_NAMES
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.contract import check_key
from equipose.pipelines.sequence import RawSequence, SequenceKey
from equipose.pipelines.simulator import PROVENANCE, SimulatorConfig
from equipose.pipelines.simulator.triplets import TripletSet, record_triplets, triplet_set

DIALS = ("informativeness", "noise_room_spread", "noise_subject_spread")
"""Settings of the simulator that say nothing about an image."""


@dataclass(frozen=True, kw_only=True)
class TripletSource:
    """What to simulate; given instead of a root folder. Empty: all that the set has."""

    subjects: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    cameras: tuple[str, ...] = ()
    config: SimulatorConfig = field(default_factory=SimulatorConfig)
    """`frames`, `rate_hz`, `seed`, and `noise` and `dropout` of `image` and `keypoints`."""
    sensors: tuple[str, ...] = TRIPLET_NAMES

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.sensors) - set(TRIPLET_NAMES)):
            raise ValueError(f"sensors: {unknown} are not part of a triplet; use some of {TRIPLET_NAMES}")
        for name in DIALS:
            if idle := sorted(set(getattr(self.config, name)) & set(TRIPLET_NAMES)):
                raise ValueError(f"{name}: it has no effect on {idle}; leave it out")
        for name in ("noise", "dropout"):
            acting = {"keypoints"} if name == "noise" else {"image", "keypoints"}
            given = set(getattr(self.config, name)) & set(TRIPLET_NAMES)
            if vain := sorted(given - acting):
                raise ValueError(f"{name}: it has no effect on {vain}; it acts on {sorted(acting)}")


def chosen(kind: str, known: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The wanted ones of a set, or all of them; DataError names those that it has."""
    if len(set(wanted)) < len(wanted) or not set(wanted) <= set(known):
        remedy = f"use distinct ones of {', '.join(known)}"
        raise DataError.about("simulated triplets", field=kind, value=wanted, remedy=remedy)
    return wanted or known


@dataclass(frozen=True, kw_only=True)
class SimulatedTriplets:
    """Reads a `TripletSource` of one set: simulates the recording that is asked for."""

    which: ClassVar[str]
    """Name of the set in `pipelines.simulator.triplets.TRIPLET_SETS`."""
    default_split: ClassVar[tuple[str, str]]

    @property
    def set(self) -> TripletSet:
        """Who does what before which cameras."""
        return triplet_set(self.which)

    def sequences(self, root: TripletSource) -> list[SequenceKey]:
        """Every subject with every action before every camera."""
        if not isinstance(root, TripletSource):
            remedy = "give a TripletSource, or use `equipose triplets`"
            raise DataError.about(f"simulated_{self.which}", field="root", value=repr(root), remedy=remedy)
        subjects, actions, cameras = (
            chosen(kind, getattr(self.set, kind), getattr(root, kind))
            for kind in ("subjects", "actions", "cameras")
        )
        environments, parts = self.set.environments, self.set.parts
        return sorted(
            SequenceKey(environments[s], s, a, parts[s], c)
            for s in subjects
            for a in actions
            for c in cameras
        )

    def read(self, root: TripletSource, key: SequenceKey) -> RawSequence:
        """The recording of the key's subject, action and camera."""
        _, subject, action, _, camera = check_key(key)
        for kind, name in (("subjects", subject), ("actions", action), ("cameras", camera)):
            chosen(kind, getattr(self.set, kind), (name,))
        return record_triplets(self.set, subject, action, camera, root.config, root.sensors)

    def notes(self, root: TripletSource) -> tuple[str, ...]:
        """A remark that all of it is simulated."""
        return (f"every sequence is {PROVENANCE}; the set stands in for {self.set.stands_for}",)

    def sensors(self, root: TripletSource) -> tuple[str, ...]:
        """Those that are asked for."""
        return root.sensors if isinstance(root, TripletSource) else TRIPLET_NAMES

    def settings(self, root: TripletSource) -> dict[str, Any]:
        """Version and settings of the simulator; not what is chosen of the set, so that a store can grow."""
        return {"simulator": PROVENANCE, "set": self.which, "config": asdict(root.config)}


class IndoorTriplets(SimulatedTriplets):
    """Four fixed cameras, fifteen actions; stands in for Human3.6M."""

    which = "indoor"
    default_split = ("H36M", "time")


class OutdoorTriplets(SimulatedTriplets):
    """Other people outdoors; stands in for MPI-INF-3DHP."""

    which = "outdoor"
    default_split = ("3DHP", "time")


class MovingTriplets(SimulatedTriplets):
    """A carried camera, test only; stands in for 3DPW."""

    which = "moving"
    default_split = ("3DPW", "test")

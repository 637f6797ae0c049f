"""The three simulated sets of triplets, each standing in for one that has to be asked for.

They have the people, cameras and parts of the real ones, not their looks or motions: the actions are those of
the simulator, which MM-Fi's are the model of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from equipose.models.sensors.triplets import CROP
from equipose.pipelines.simulator.people.actions import ACTIONS
from equipose.pipelines.simulator.render.pictures import PictureConfig
from equipose.pipelines.simulator.render.scenery import BACKDROPS

FIFTEEN: tuple[str, ...] = tuple(ACTIONS)[:15]
"""As many actions as Human3.6M has."""


@dataclass(frozen=True, kw_only=True)
class TripletSet:
    """Who does what before which cameras."""

    stands_for: str
    """The real data set."""
    environments: Mapping[str, str]
    """Subject -> environment; its keys are the subjects."""
    parts: Mapping[str, str]
    """Subject -> part; empty where the protocol tells by subject."""
    actions: tuple[str, ...]
    cameras: tuple[str, ...]
    placement: Literal["fixed", "around", "moving"]
    """`fixed`: the same places in every recording. `around`: other places in each. `moving`: carried."""
    pictures: PictureConfig
    roam: float
    """How far from the middle of the room people stand, standard deviation, metres."""

    @property
    def subjects(self) -> tuple[str, ...]:
        """In order."""
        return tuple(self.environments)


def _named(numbers: range | tuple[int, ...], value: str) -> dict[str, str]:
    return {f"S{number:02d}": value for number in numbers}


_LAB = (1, 5, 6, 7, 8, 9, 11)

TRIPLET_SETS: Mapping[str, TripletSet] = MappingProxyType(
    {
        "indoor": TripletSet(
            stands_for="Human3.6M",
            environments=_named(_LAB, "E01"),
            parts=_named(_LAB, ""),
            actions=FIFTEEN,
            cameras=("C1", "C2", "C3", "C4"),
            placement="fixed",
            pictures=PictureConfig(size=CROP, backgrounds=tuple(BACKDROPS), occluders=0.2),
            roam=0.5,
        ),
        "outdoor": TripletSet(
            stands_for="MPI-INF-3DHP",
            environments=_named(range(21, 29), "E02") | _named(range(31, 37), "E03"),
            parts=_named(range(21, 29), "train") | _named(range(31, 37), "test"),
            actions=tuple(ACTIONS)[12:],
            cameras=("C1", "C2", "C3", "C4"),
            placement="around",
            pictures=PictureConfig(
                size=CROP,
                image_size=(2048, 2048),
                focal=1500.0,
                elevation=(-5.0, 30.0),
                distance=(2.8, 5.0),
                backgrounds=("outdoors", "clutter"),
            ),
            roam=0.4,
        ),
        "moving": TripletSet(
            stands_for="3DPW",
            environments=_named(range(37, 41), "E04"),
            parts=_named(range(37, 41), "test"),
            actions=tuple(ACTIONS),
            cameras=("moving",),
            placement="moving",
            pictures=PictureConfig(
                size=CROP,
                image_size=(1080, 1920),
                focal=1960.0,
                elevation=(-5.0, 10.0),
                distance=(3.5, 6.5),
                backgrounds=("outdoors",),
                occluders=0.8,
            ),
            roam=0.8,
        ),
    }
)
"""name -> set: four fixed cameras and fifteen actions; other people outdoors; a carried camera, test only."""


def triplet_set(name: str) -> TripletSet:
    """The set of that name; ValueError names the known ones."""
    if name not in TRIPLET_SETS:
        raise ValueError(f"set is {name!r}; use one of {list(TRIPLET_SETS)}")
    return TRIPLET_SETS[name]

"""3DPW: one or two people in the street, seen by a phone that is carried along.

The data has to be asked for (virtualhumans.mpi-inf.mpg.de/3DPW); nothing of it is in this package. Published
errors are of 14 or 17 joints that a licensed body model gives: they need a table of joints that was made with
it (`dpw_table`). Without one, poses have the twelve joints of the limbs and the pelvis, as the files have
them, and are a data set of their own: camera `movingSmpl12`, protocol `3DPW-smpl12`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from equipose.models.sensors.triplets import TRIPLET_NAMES
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.contract import check_key
from equipose.pipelines.readers.triplets.h36m import state_of
from equipose.pipelines.readers.triplets.outdoor import dpw_pickles as pickles
from equipose.pipelines.readers.triplets.outdoor import dpw_table as table
from equipose.pipelines.readers.triplets.pictures import Frames, cut_file
from equipose.pipelines.sequence import POSE, Defect, RawSequence, SequenceKey

ENVIRONMENT, IMAGES = "E01", "imageFiles"
CAMERA, SMPL12_CAMERA = "moving", "movingSmpl12"
MAX_SEQUENCES = 99
REMEDY = "give the folder that holds sequenceFiles/ of 3DPW, or a table pw3d_test.npz of 17 joints"
PARTIAL = "twelve joints and the pelvis; spine, thorax, neck and head lie in the pelvis and are never judged"


class _Place(NamedTuple):
    """Where a person's recording comes from."""

    name: str
    """Of the sequence."""
    part: str
    path: Path
    person: int


@dataclass(frozen=True, kw_only=True)
class ThreeDpwReader:
    """Reads both layouts; poses come in camera axes, metres, key points in pixels of the whole image."""

    default_split: ClassVar[tuple[str, str]] = ("3DPW", "test")

    wanted: tuple[str, ...] = ()
    """Sensors; empty: all that the layout has."""

    def sequences(self, root: Any) -> list[SequenceKey]:
        """Every sequence of every person; DataError where there is none."""
        return sorted(self._places(root))

    def _places(self, root: Any) -> dict[SequenceKey, _Place]:
        """Sequences are numbered in the order of their names, people in the order of the files."""
        folder = Path(root)
        tabled = table.files(folder)
        places = _tabled(tabled) if tabled else _pickled(folder)
        names = sorted({place.name for place in places})
        if not names:
            raise DataError.about(root, field="3DPW", value="not there", remedy=REMEDY)
        if len(names) > MAX_SEQUENCES:
            value = f"{len(names)}, at most {MAX_SEQUENCES} are read"
            raise DataError.about(root, field="sequences", value=value, remedy="prepare some of them")
        camera = CAMERA if tabled else SMPL12_CAMERA
        return {
            SequenceKey(
                ENVIRONMENT,
                f"S{place.person + 1:02d}",
                f"A{names.index(place.name) + 1:02d}",
                place.part,
                camera,
            ): place
            for place in places
        }

    def read(self, root: Any, key: SequenceKey) -> RawSequence:
        """One sequence of one person."""
        check_key(key)
        place = self._places(root).get(key)
        if place is None:
            raise DataError.about(root, field="recording", value=f"{tuple(key)}, absent", remedy=REMEDY)
        folder = Path(root)
        remarks: tuple[Defect, ...] = ()
        if key.camera == CAMERA:
            held = table.load(place.path)
            rows = held.rows[place.name, place.person]
            shown = sorted(rows)
            frames = table.signals(held, [rows[number] for number in shown])
        else:
            frames = pickles.signals(pickles.load(place.path, folder), place.person)
            shown = list(range(len(frames[POSE])))
            remarks = (Defect(modality=POSE, frame=None, reason="partial", detail=PARTIAL),)
        sensors = self.sensors(root)
        if "image" in sensors:
            frames["image"] = _pictures(folder, place.name, shown, frames["box"])
        kept = {name: entries for name, entries in frames.items() if name in {*sensors, POSE}}
        return RawSequence(
            **key._asdict(),
            numbers=np.array(shown, np.int32) + 1,
            frames=kept,
            provenance=dict.fromkeys(kept, "real"),
            remarks=remarks,
        )

    def notes(self, root: Any) -> tuple[str, ...]:
        """Which joints there are, what is lacking, and which action is which sequence."""
        places = self._places(root)
        tabled = all(key.camera == CAMERA for key in places)
        joints = "17 joints of a table" if tabled else f"{PARTIAL}: judged by protocol 3DPW-smpl12 alone"
        lacking = ", ".join(sorted(set(TRIPLET_NAMES) - set(self.sensors(root)))) or "nothing"
        named = {key.action: place.name for key, place in sorted(places.items())}
        listed = ", ".join(f"{action} {name}" for action, name in sorted(named.items()))
        return (f"{joints}; {lacking} left out", f"actions: {listed}")

    def sensors(self, root: Any) -> tuple[str, ...]:
        """What the layout has, or what is wanted."""
        if self.wanted:
            return self.wanted
        folder = Path(root)
        images = ("image",) if (folder / IMAGES).is_dir() else ()
        return (*images, *(table.SENSORS if table.files(folder) else pickles.SENSORS))

    def settings(self, root: Any) -> dict[str, Any]:
        """Whose joints they are."""
        return {"joints": "table" if table.files(Path(root)) else "smpl12"}

    def state(self, root: Any, key: SequenceKey) -> str:
        """Of the file and the folder of pictures, and of the sequence's name, which keys do not hold."""
        place = self._places(root)[key]
        files = state_of((place.path, Path(root) / IMAGES / place.name))
        return hashlib.sha256(f"{place.name} {files}".encode()).hexdigest()[:16]


def _tabled(files: dict[str, Path]) -> list[_Place]:
    return [
        _Place(name, part, path, person)
        for part, path in files.items()
        for name, person in table.load(path).rows
    ]


def _pickled(root: Path) -> list[_Place]:
    return [
        _Place(name, part, path, person)
        for name, (part, path) in pickles.files(root).items()
        for person in range(pickles.people_in(path, root))
    ]


def _pictures(root: Path, name: str, shown: list[int], boxes: Frames) -> Frames:
    folder = root / IMAGES / name
    return [
        cut_file(folder / f"image_{number:05d}.jpg", root, box, number + 1)
        for number, box in zip(shown, boxes, strict=True)
    ]

"""MPI-INF-3DHP: eight people before a green screen, and six test sequences, two of them outdoors.

The data has to be asked for (vcai.mpi-inf.mpg.de/3dhp-dataset); nothing of it is in this package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from equipose.models.sensors.triplets import TRIPLET_NAMES
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.contract import check_key
from equipose.pipelines.readers.triplets.h36m import state_of
from equipose.pipelines.readers.triplets.outdoor import mpi_authors as authors
from equipose.pipelines.readers.triplets.outdoor import mpi_mmpose as mmpose
from equipose.pipelines.sequence import RawSequence, SequenceKey

EVERY = 5
REMEDY = "give the folder that holds S1/Seq1/annot.mat and TS1/annot_data.mat, or MMPose's annotations/"


@dataclass(frozen=True, kw_only=True)
class Mpi3dhpReader:
    """Reads both layouts; poses come in camera axes, metres, key points in pixels of the whole image."""

    default_split: ClassVar[tuple[str, str]] = ("3DHP", "time")

    wanted: tuple[str, ...] = ()
    """Sensors; empty: all that the layout has."""
    every: int = EVERY
    """Of so many training frames one is taken; they follow each other at 25 or 50 Hz."""
    universal: bool = False
    """Take the poses that the source scaled to one size of body (`univ_annot3`), on which published work is
    judged; they do not lie where the key points do. Not in MMPose's layout."""

    def __post_init__(self) -> None:
        if type(self.every) is not int or self.every < 1:
            raise ValueError(f"every={self.every!r}: use a whole number from 1 on")

    def sequences(self, root: Any) -> list[SequenceKey]:
        """Every recording of every camera; DataError where there is none, where what reads it is not
        installed, and for `universal` poses that the layout does not have."""
        folder = Path(root)
        if mmpose.is_there(folder):
            found = mmpose.sequences(folder)
            if self.universal:
                value, remedy = "not in MMPose's layout", "leave out --universal, or use the authors' files"
                raise DataError.about(root, field="universal poses", value=value, remedy=remedy)
        else:
            found = authors.sequences(folder)
            authors.check_installed(folder, pictures="image" in self.sensors(root))
        if not found:
            raise DataError.about(root, field="MPI-INF-3DHP", value="not there", remedy=REMEDY)
        return sorted(found)

    def read(self, root: Any, key: SequenceKey) -> RawSequence:
        """One recording of one camera."""
        check_key(key)
        folder = Path(root)
        if key not in self.sequences(root):
            raise DataError.about(root, field="recording", value=f"{tuple(key)}, absent", remedy=REMEDY)
        if mmpose.is_there(folder):
            return mmpose.read(folder, key, self.every, self.sensors(root))
        return authors.read(folder, key, self.every, self.universal, self.sensors(root))

    def notes(self, root: Any) -> tuple[str, ...]:
        """Which layout it is, what it lacks, how training frames are thinned."""
        layout = "MMPose's layout" if mmpose.is_there(Path(root)) else "the layout of its authors"
        lacking = ", ".join(sorted(set(TRIPLET_NAMES) - set(self.sensors(root)))) or "nothing"
        return (f"{layout}; {lacking} left out; one training frame in {self.every}",)

    def sensors(self, root: Any) -> tuple[str, ...]:
        """What the layout has, or what is wanted."""
        if self.wanted:
            return self.wanted
        folder = Path(root)
        return mmpose.sensors(folder) if mmpose.is_there(folder) else authors.sensors(folder)

    def settings(self, root: Any) -> dict[str, Any]:
        """The layout, and what is taken of it."""
        layout = "mmpose" if mmpose.is_there(Path(root)) else "authors"
        return {"layout": layout, "every": self.every, "universal": self.universal}

    def state(self, root: Any, key: SequenceKey) -> str:
        """Of the files of annotations, the video, and the folders of pictures."""
        folder = Path(root)
        layout = mmpose.files(folder) if mmpose.is_there(folder) else authors.files(folder, key)
        return state_of(layout)

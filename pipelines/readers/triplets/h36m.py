"""Human3.6M in the two layouts that public work has: files of poses for lifting, and MMPose's with pictures.

The data has to be asked for (vision.imar.ro/human3.6m); nothing of it is in this package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from equipose.models.sensors.triplets import TRIPLET_NAMES
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.contract import check_key
from equipose.pipelines.readers.triplets import h36m_lifting as lifting
from equipose.pipelines.readers.triplets import h36m_mmpose as mmpose
from equipose.pipelines.sequence import RawSequence, SequenceKey

REMEDY = "give the folder that holds data_3d_h36m.npz, or MMPose's annotation_body3d/ and images/"


@dataclass(frozen=True, kw_only=True)
class H36mReader:
    """Reads both layouts; poses come in camera axes, metres, key points in pixels of the whole image."""

    default_split: ClassVar[tuple[str, str]] = ("H36M", "time")

    wanted: tuple[str, ...] = ()
    """Sensors; empty: all that the layout has."""
    detections: str = lifting.DETECTIONS
    """Of the lifting layout: the middle of `data_2d_h36m_<detections>.npz`; `gt` for exact key points."""
    rate: str = mmpose.RATE
    """Of MMPose's layout: `fps10`, every fifth frame, or `fps50`."""

    def sequences(self, root: Any) -> list[SequenceKey]:
        """Every recording of every camera; DataError where there is none."""
        folder = Path(root)
        if self._mmpose(folder):
            found = mmpose.sequences(folder, self.rate)
        elif lifting.poses_file(folder).is_file():
            found = lifting.sequences(folder)
        else:
            raise DataError.about(root, field="Human3.6M", value="not there", remedy=REMEDY)
        if not found:
            raise DataError.about(root, field="recordings", value="none of a known name", remedy=REMEDY)
        return sorted(found)

    def read(self, root: Any, key: SequenceKey) -> RawSequence:
        """One recording of one camera."""
        check_key(key)
        folder = Path(root)
        if key not in self.sequences(root):
            raise DataError.about(root, field="recording", value=f"{tuple(key)}, absent", remedy=REMEDY)
        if self._mmpose(folder):
            return mmpose.read(folder, key, self.rate, self.sensors(root))
        return lifting.read(folder, key, self.detections, self.sensors(root))

    def notes(self, root: Any) -> tuple[str, ...]:
        """Which layout it is, and what it lacks."""
        layout = "MMPose's layout" if self._mmpose(Path(root)) else "the lifting layout: without pictures"
        lacking = sorted(set(TRIPLET_NAMES) - set(self.sensors(root)))
        return (f"{layout}; {', '.join(lacking) or 'nothing'} left out",)

    def sensors(self, root: Any) -> tuple[str, ...]:
        """What the layout has, or what is wanted."""
        if self.wanted:
            return self.wanted
        folder = Path(root)
        return mmpose.sensors(folder, self.rate) if self._mmpose(folder) else lifting.SENSORS

    def settings(self, root: Any) -> dict[str, Any]:
        """The layout, and which of its files."""
        if self._mmpose(Path(root)):
            return {"layout": "mmpose", "rate": self.rate}
        return {"layout": "lifting", "detections": self.detections}

    def state(self, root: Any, key: SequenceKey) -> str:
        """Of the files of annotations, all together."""
        folder = Path(root)
        files = (
            mmpose.files(folder, self.rate)
            if self._mmpose(folder)
            else lifting.files(folder, self.detections)
        )
        return state_of(files)

    @staticmethod
    def _mmpose(folder: Path) -> bool:
        return (folder / mmpose.ANNOTATIONS).is_dir()


def state_of(files: Iterable[Path]) -> str:
    """Changes with the size and time of any of these files."""
    digest = hashlib.sha256()
    for path in files:
        about = path.stat() if path.exists() else None
        digest.update(repr((path.name, about and (about.st_size, about.st_mtime_ns))).encode())
    return digest.hexdigest()[:16]

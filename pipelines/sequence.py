"""One recorded (or simulated) sequence in memory: what every reader produces and the store keeps.

Readers and the simulator all produce these types, so the store, the batches and everything after them know
the origin of a sequence only from its provenance.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from equipose.models.sensors import Grid
from equipose.models.skeleton import NUM_JOINTS
from equipose.pipelines.files.errors import DataError

FloatArray = NDArray[np.float32]

POSE = "pose"
"""The signal that is learnt; stored beside the sensors'."""
POSE_LAYOUT = Grid(shape=(NUM_JOINTS, 3), channel_axis=1)
POSE_UNIT = "m"

REASONS: dict[str, str] = {
    "missing": "no such file, folder or record in the source",
    "empty-file": "a zero-byte file, or a sensor frame without a single point",
    "truncated": "fewer bytes than the format declares or a whole number of records needs",
    "dtype": "not real numbers",
    "shape": "an array of another shape than this sensor has",
    "not-finite": "NaN or infinity that the cleaning rules do not repair",
    "constant": "every value of the frame equal, where scaling it would be 0/0 or where asked for",
    "stuck": "equal to the last usable frame before it, where asked for",
    "format": "another format, unit or numbering than the source defines, judged over the whole sequence",
    "unreadable": "not a file of this format, or not an ordinary file inside the root",
    "shifted": "a pose that is known to lie beside the person; its rows stay valid",
    "excluded": "a frame that the source itself does not count",
    "partial": "a pose of which some joints are unknown; its rows stay valid, for a protocol of its own",
    "corrupt": "a recording that published work leaves out; its rows stay valid",
}
"""Stable reason codes of invalid frames, and what they mean."""


@dataclass(frozen=True, kw_only=True)
class Ragged:
    """Variable-length point sets of F frames, concatenated."""

    values: FloatArray
    """[P, C] all points, frame after frame."""
    offsets: NDArray[np.int64]
    """[F + 1]; frame `f` owns rows `offsets[f]:offsets[f + 1]`."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, frame: int) -> FloatArray:
        return self.values[self.offsets[frame] : self.offsets[frame + 1]]

    @classmethod
    def from_frames(cls, frames: list[FloatArray], channels: int) -> Ragged:
        """Concatenate per-frame arrays [N_f, channels]; N_f may be 0."""
        offsets = np.concatenate([[0], np.cumsum([len(frame) for frame in frames])]).astype(np.int64)
        empty = np.empty((0, channels), np.float32)
        return cls(values=np.concatenate([empty, *frames]).astype(np.float32, copy=False), offsets=offsets)


@dataclass(frozen=True, kw_only=True)
class Packed:
    """Compressed pictures of F frames, concatenated; an invalid frame has no bytes."""

    values: NDArray[np.uint8]
    """[P] all bytes, frame after frame."""
    offsets: NDArray[np.int64]
    """[F + 1]; frame `f` owns bytes `offsets[f]:offsets[f + 1]`."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, frame: int) -> bytes:
        return self.values[self.offsets[frame] : self.offsets[frame + 1]].tobytes()

    @classmethod
    def from_frames(cls, frames: list[bytes]) -> Packed:
        """Concatenate the bytes of every frame."""
        offsets = np.concatenate([[0], np.cumsum([len(frame) for frame in frames])]).astype(np.int64)
        return cls(values=np.frombuffer(b"".join(frames), np.uint8), offsets=offsets)


Signal = FloatArray | Ragged | Packed
"""All frames of one sensor, or the pose: of a `Grid`, of `Points`, of an `Image`."""


@dataclass(frozen=True, kw_only=True)
class Defect:
    """One reason why a frame of a modality (or a whole modality) cannot be used."""

    modality: str
    """Name of the sensor, or `pose`."""
    frame: int | None
    """Frame number as in MM-Fi, counting from 1; None for the whole sequence."""
    reason: str
    """A short stable code, one of `REASONS`."""
    detail: str = ""
    """Path, value found and value expected, for the user."""


class BadFrame(Exception):
    """A frame (or a whole modality) that cannot be used; caught where it is read, and kept as a `Defect`."""

    def __init__(self, reason: str, detail: str) -> None:
        """`reason`, `detail`: as in `Defect`."""
        assert reason in REASONS, reason
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def defect(self, modality: str, frame: int | None) -> Defect:
        """The defect of a frame of a modality, or of the whole modality."""
        return Defect(modality=modality, frame=frame, reason=self.reason, detail=self.detail)


class Altered(NamedTuple):
    """One reading that the simulator's contamination has changed: the truth about noise in simulated data."""

    number: int
    """Of its frame, counting from 1."""
    sensor: str
    """Name of the sensor, or `pose`."""
    kind: str
    """What was done to it, one of `simulator.contamination.KINDS`."""
    strength: float
    """In the units of the kind; frames, with its sign, of a wrong clock; 1 where there is none."""


@dataclass(frozen=True, kw_only=True)
class RawSequence:
    """One sequence as read from its source: nothing checked, cleaned or converted yet.

    `equipose.pipelines.cleaning.assemble` turns it into a `SensorSequence`, the same way for every source.
    """

    environment: str
    subject: str
    action: str
    part: str = ""
    camera: str = ""
    numbers: NDArray[np.int32]
    """[F] frame numbers, counting from 1."""
    frames: dict[str, list[NDArray[np.generic] | Defect]]
    """Sensor, or `pose` -> F entries: the array as read (it may hold inf and NaN), or the defect that kept it
    from being read. A sensor that the source lacks is left out."""
    provenance: dict[str, str]
    altered: tuple[Altered, ...] | None = None
    """Readings that are contaminated on purpose; None where nothing was. It never becomes part of a
    `SensorSequence`, so nothing that trains can see it."""
    remarks: tuple[Defect, ...] = ()
    """What is known to be wrong although it can be read; kept with the defects, and no row is lost by it."""


@dataclass(frozen=True, kw_only=True)
class SensorSequence:
    """F synchronised frames of one (environment, subject, action[, part[, camera]])."""

    environment: str
    """`E01`..`E04`."""
    subject: str
    """`S01`..`S40`."""
    action: str
    """`A01`..`A27`."""
    part: str = ""
    """Time part that the source itself defines (MARS: `train`, `validate`, `test`); empty elsewhere."""
    camera: str = ""
    """Which of several cameras recorded it, where the source has several; empty elsewhere."""
    numbers: NDArray[np.int32]
    """[F] frame numbers, counting from 1, ascending; (subject, action, camera, number) is unique in a
    store."""
    signals: dict[str, Signal]
    """Sensor -> its frames in the layout of its definition, and `pose` -> [F, 17, 3] m. Zeros, no points or
    no bytes where invalid; CSI is cleaned but not rescaled."""
    valid: dict[str, NDArray[np.bool_]]
    """Sensor, or `pose` -> [F]. Invalid frames stay as rows."""
    defects: tuple[Defect, ...] = field(default=())
    """Why the invalid ones are invalid."""
    provenance: dict[str, str]
    """Sensor, or `pose` -> `real`, `simulated:<version>` or `absent`."""

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def pose(self) -> FloatArray:
        """[F, 17, 3] m."""
        pose = self.signals[POSE]
        assert isinstance(pose, np.ndarray)
        return pose


def evenly_spread(count: int, most: int) -> NDArray[np.int64]:
    """At most `most` of the positions below `count`, evenly spread, the first and the last among them.

    >>> evenly_spread(7, 3).tolist(), evenly_spread(0, 3).tolist()
    ([0, 3, 6], [])
    """
    return np.unique(np.linspace(0, count - 1, most).astype(np.int64)) if count else np.empty(0, np.int64)


class SequenceKey(NamedTuple):
    """What identifies a sequence in a store."""

    environment: str
    subject: str
    action: str
    part: str = ""
    camera: str = ""

    @classmethod
    def of(cls, sequence: SensorSequence) -> SequenceKey:
        """The key of a sequence."""
        return cls(*(getattr(sequence, name) for name in cls._fields))

    @property
    def plain(self) -> list[str]:
        """As JSON, without an empty camera: so it was written before sequences had cameras."""
        return list(self if self.camera else self[:4])

    @classmethod
    def from_stem(cls, stem: str) -> SequenceKey:
        """Inverse of `stem`; ValueError for a text that has too few or too many names."""
        names, _, camera = stem.partition(_CAMERA)
        environment, subject, action, part, *more = [*names.split("_"), ""]
        if more not in ([], [""]):
            raise ValueError(f"{stem!r} has too many names")
        return cls(environment, subject, action, part, camera)

    @property
    def stem(self) -> str:
        """A file name without its ending, such as `E01_S01_A01` or `E01_S01_A01@C1`; DataError for unsafe
        names."""
        names = self[:4] if self.part else self[:3]
        for name in (*names, *([self.camera] if self.camera else [])):
            if not _NAME.fullmatch(name):
                raise DataError.about(
                    file=f"sequence {tuple(self)}", field="name", value=repr(name),
                    remedy="use letters, digits and hyphens, such as E01, S01, A01",
                )  # fmt: skip
        return "_".join(names) + (f"{_CAMERA}{self.camera}" if self.camera else "")


_CAMERA = "@"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")

"""What a store holds: its Arrow schema, the conversion of a sequence to it and back, and its hashes.

One Arrow table holds every frame; one record batch is one sequence. Columns of numbers are fixed-size
lists, point clouds are lists of points, so any Arrow tool reads a store without this package.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipose.models.skeleton import COCO_KEYPOINTS, JOINTS
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.images import PictureError, check_header
from equipose.pipelines.sequence import (
    Defect,
    Packed,
    Ragged,
    SensorSequence,
    SequenceKey,
    Signal,
)
from equipose.pipelines.store.signals import StoredSignals

FORMAT_VERSION = 2
"""Raised with every change that older code could not read."""
WITH_CAMERAS = 3
"""Format of a store whose sequences name cameras; others stay readable for older code."""
READABLE = (1, FORMAT_VERSION, WITH_CAMERAS)
"""Format 1 held the four default sensors and did not say so."""

MANIFEST = "manifest.json"
"""Appears last; a store without it is unfinished."""
HEADER = "header.json"
"""Written first; says what the folder is being prepared from."""
PARTS = "parts"
"""Folder of finished sequences while the store is being written."""


@dataclass(frozen=True, kw_only=True)
class StoreHeader:
    """What a store was made from; the same for every sequence in it."""

    source: str
    """`mmfi`, `mars` or another reader's name."""
    signals: StoredSignals = field(default_factory=StoredSignals.of)
    """Which sensors it holds."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Choices that shape the data (JSON values), e.g. a simulation seed; equal when resuming."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values, normalised, so that equal headers compare equal after reading back."""
        values = {"source": self.source, "sensors": self.signals.to_json(), "settings": dict(self.settings)}
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain


def check(sequence: SensorSequence, signals: StoredSignals) -> None:
    """Raise DataError unless every array has its promised length, shape and finite values."""
    frames = len(sequence)
    if set(sequence.signals) != set(signals.names):
        raise _broken(sequence, "signals", f"{sorted(sequence.signals)}, expected {sorted(signals.names)}")
    for what, (found, expected) in _shapes(sequence, signals).items():
        if found != expected:
            raise _broken(sequence, f"the shape of {what}", f"{found}, expected {expected}")
    for name in (*signals.grids, *signals.points):
        if not np.isfinite(values_of(sequence.signals[name])).all():
            raise _broken(sequence, name, "not finite everywhere; zeros and an invalid mark are expected")
    for name in (*signals.points, *signals.images):
        offsets = _offsets(sequence.signals[name])
        if offsets[0] != 0 or (np.diff(offsets) < 0).any():
            raise _broken(sequence, f"{name} offsets", "not starting at 0, or falling")
    for name in signals.images:
        _check_pictures(sequence, name, signals)
    if frames == 0 or (np.diff(sequence.numbers) <= 0).any():
        raise _broken(sequence, "numbers", "empty or not ascending")


def _shapes(sequence: SensorSequence, signals: StoredSignals) -> dict[str, tuple[Any, Any]]:
    """What -> (shape found, shape expected)."""
    frames = len(sequence)
    values = {name: values_of(signal) for name, signal in sequence.signals.items()}
    shapes: dict[str, tuple[Any, Any]] = {}
    for name, grid in signals.grids.items():
        shapes[name] = (values[name].shape, (frames, *grid.shape))
    for name, cloud in signals.points.items():
        shapes[name] = (values[name].shape, (int(_offsets(sequence.signals[name])[-1]), cloud.channels))
    for name in signals.images:
        shapes[name] = (values[name].shape, (int(_offsets(sequence.signals[name])[-1]),))
    for name in (*signals.points, *signals.images):
        shapes[f"{name} offsets"] = (_offsets(sequence.signals[name]).shape, (frames + 1,))
    for name in signals.names:
        shapes[f"valid[{name}]"] = (sequence.valid[name].shape, (frames,))
    return shapes


def _check_pictures(sequence: SensorSequence, name: str, signals: StoredSignals) -> None:
    packed = sequence.signals[name]
    assert isinstance(packed, Packed)
    for frame in np.flatnonzero(sequence.valid[name]):
        try:
            check_header(packed[int(frame)], signals.images[name])
        except PictureError as error:
            raise _broken(sequence, f"{name} of frame {sequence.numbers[frame]}", str(error)) from error


def _broken(sequence: SensorSequence, field: str, value: str) -> DataError:
    where = f"sequence {tuple(SequenceKey.of(sequence))}"
    return DataError.about(file=where, field=field, value=value, remedy="use pipelines.cleaning.assemble")


def values_of(signal: Signal) -> NDArray[Any]:
    """The values of one signal, all frames: dense array, concatenated points, or concatenated bytes."""
    return signal if isinstance(signal, np.ndarray) else signal.values


def _offsets(signal: Signal) -> NDArray[np.int64]:
    assert not isinstance(signal, np.ndarray)
    return signal.offsets


def to_record_batch(sequence: SensorSequence, signals: StoredSignals) -> pa.RecordBatch:
    """The frames of a sequence as one record batch; `from_record_batch` is the inverse."""
    check(sequence, signals)
    frames = len(sequence)
    columns: dict[str, pa.Array] = {"number": pa.array(sequence.numbers.astype(np.int32, copy=False))}
    for name in signals.grids:
        columns[name] = _fixed(values_of(sequence.signals[name]).reshape(frames, -1))
    for name in (*signals.points, *signals.images):
        values = values_of(sequence.signals[name])
        inner = _fixed(values) if name in signals.points else pa.array(values)
        columns[name] = pa.LargeListArray.from_arrays(pa.array(_offsets(sequence.signals[name])), inner)
    for name in signals.extremes:
        flat = values_of(sequence.signals[name]).reshape(frames, -1)
        columns |= {f"{name}_min": pa.array(flat.min(axis=1)), f"{name}_max": pa.array(flat.max(axis=1))}
    columns |= {f"valid_{name}": pa.array(sequence.valid[name]) for name in signals.names}
    return pa.record_batch([columns[name] for name in signals.schema.names], schema=signals.schema)


def from_record_batch(
    batch: pa.RecordBatch, about: Mapping[str, Any], signals: StoredSignals
) -> SensorSequence:
    """A sequence whose large arrays are read-only views of the batch; `about` as from `metadata_of`."""
    frames = batch.num_rows
    arrays: dict[str, Signal] = {
        name: _values(batch[name]).reshape(frames, *grid.shape) for name, grid in signals.grids.items()
    }
    arrays |= {name: ragged_of(batch, name, cloud.channels) for name, cloud in signals.points.items()}
    arrays |= {name: packed_of(batch, name) for name in signals.images}
    return SensorSequence(
        **SequenceKey(*about["key"])._asdict(),
        signals={name: arrays[name] for name in signals.names},
        numbers=batch["number"].to_numpy(),
        valid={name: batch[f"valid_{name}"].to_numpy(zero_copy_only=False) for name in signals.names},
        defects=tuple(Defect(**defect) for defect in about.get("defects", ())),
        provenance=dict(about["provenance"]),
    )


def ragged_of(batch: pa.RecordBatch, name: str, channels: int) -> Ragged:
    """The points of one sensor as a view of the batch."""
    values = _values(batch[name].values)
    return Ragged(values=values.reshape(-1, channels), offsets=batch[name].offsets.to_numpy())


def packed_of(batch: pa.RecordBatch, name: str) -> Packed:
    """The pictures of one sensor as a view of the batch."""
    return Packed(values=batch[name].values.to_numpy(), offsets=batch[name].offsets.to_numpy())


def metadata_of(sequence: SensorSequence) -> dict[str, Any]:
    """What a sequence carries besides its frames, as JSON values."""
    return {
        "key": SequenceKey.of(sequence).plain,
        "frames": len(sequence),
        "digest": content_digest(sequence),
        "provenance": dict(sorted(sequence.provenance.items())),
        "defects": [asdict(defect) for defect in sequence.defects],
    }


def content_digest(sequence: SensorSequence) -> str:
    """SHA-256 of the values, validity, identity and provenance of a sequence; no paths, no times."""
    identity = [SequenceKey.of(sequence).plain, sorted(sequence.provenance.items()), len(sequence)]
    digest = hashlib.sha256(json.dumps(identity).encode())
    signals = sequence.signals.values()
    arrays: list[tuple[NDArray[Any], str]] = [(sequence.numbers, "<i4")]
    arrays += [(values_of(signal), "u1" if isinstance(signal, Packed) else "<f4") for signal in signals]
    arrays += [(signal.offsets, "<i8") for signal in signals if not isinstance(signal, np.ndarray)]
    arrays += [(sequence.valid[name], "?") for name in sequence.signals]
    for array, dtype in arrays:
        digest.update(np.ascontiguousarray(array, dtype=dtype).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def fingerprint_of(digests: Mapping[SequenceKey, str], signals: StoredSignals) -> str:
    """Hash of the content of all sequences, the joint order and the units.

    It does not depend on the order of writing, the machine or the location of the data.
    """
    content = {
        "sequences": sorted((key.plain, digest) for key, digest in digests.items()),
        "joints": JOINTS,
        "keypoints": COCO_KEYPOINTS,
        "units": signals.units,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _fixed(rows: NDArray[np.float32]) -> pa.FixedSizeListArray:
    """[R, C] as R lists of C numbers."""
    flat = np.ascontiguousarray(rows, dtype=np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), rows.shape[1])


def _values(column: pa.FixedSizeListArray) -> NDArray[np.float32]:
    """All numbers of a fixed-size list column, without copying."""
    return column.flatten().to_numpy()

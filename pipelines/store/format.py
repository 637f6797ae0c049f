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

from equipose.models.modalities import MODALITIES
from equipose.models.skeleton import COCO_KEYPOINTS, JOINTS
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import Defect, Ragged, SensorSequence, SequenceKey

FORMAT_VERSION = 1
"""Raised with every change that older code could not read."""

DENSE: dict[str, tuple[int, ...]] = {"rgb": (17, 2), "wifi": (3, 114, 10), "pose": (17, 3)}
"""Signals of one fixed shape per frame."""
RAGGED: dict[str, int] = {"lidar": 3, "mmwave": 5}
"""Point clouds and their channels."""
SIGNALS: tuple[str, ...] = (*MODALITIES, "pose")
UNITS: dict[str, str] = {
    "rgb": "pixel", "lidar": "m", "mmwave": "m, m/s, intensity", "wifi": "amplitude", "pose": "m",
}  # fmt: skip

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
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Choices that shape the data (JSON values), e.g. a simulation seed; equal when resuming."""

    def to_json(self) -> dict[str, Any]:
        """As JSON values, normalised, so that equal headers compare equal after reading back."""
        plain: dict[str, Any] = json.loads(
            json.dumps({"source": self.source, "settings": dict(self.settings)})
        )
        return plain


def schema() -> pa.Schema:
    """Columns of the frame table."""
    dense = [(name, pa.list_(pa.float32(), int(np.prod(shape)))) for name, shape in DENSE.items()]
    ragged = [(name, pa.large_list(pa.list_(pa.float32(), channels))) for name, channels in RAGGED.items()]
    valid = [(f"valid_{name}", pa.bool_()) for name in SIGNALS]
    extremes = [("wifi_min", pa.float32()), ("wifi_max", pa.float32())]
    return pa.schema([("number", pa.int32()), *dense, *ragged, *extremes, *valid])


def check(sequence: SensorSequence) -> None:
    """Raise DataError unless every array has its promised length, shape and finite values."""
    frames = len(sequence)
    shapes = {name: (getattr(sequence, name).shape, (frames, *shape)) for name, shape in DENSE.items()}
    for name, channels in RAGGED.items():
        points: Ragged = getattr(sequence, name)
        shapes[name] = (points.values.shape, (int(points.offsets[-1]), channels))
        shapes[f"{name} offsets"] = (points.offsets.shape, (frames + 1,))
    for name in SIGNALS:
        shapes[f"valid[{name}]"] = (sequence.valid[name].shape, (frames,))
    for name, (found, expected) in shapes.items():
        if found != expected:
            raise _broken(sequence, f"the shape of {name}", f"{found}, expected {expected}")
    for name in SIGNALS:
        if not np.isfinite(values_of(sequence, name)).all():
            raise _broken(sequence, name, "not finite everywhere; zeros and an invalid mark are expected")
    for name in RAGGED:
        offsets = getattr(sequence, name).offsets
        if offsets[0] != 0 or (np.diff(offsets) < 0).any():
            raise _broken(sequence, f"{name} offsets", "not starting at 0, or falling")
    if frames == 0 or (np.diff(sequence.numbers) <= 0).any():
        raise _broken(sequence, "numbers", "empty or not ascending")


def _broken(sequence: SensorSequence, field: str, value: str) -> DataError:
    where = f"sequence {tuple(SequenceKey.of(sequence))}"
    return DataError.about(file=where, field=field, value=value, remedy="use pipelines.cleaning.assemble")


def values_of(sequence: SensorSequence, name: str) -> NDArray[np.float32]:
    """The values of one signal, all frames: dense array or concatenated points."""
    signal = getattr(sequence, name)
    return signal.values if name in RAGGED else signal


def to_record_batch(sequence: SensorSequence) -> pa.RecordBatch:
    """The frames of a sequence as one record batch; `from_record_batch` is the inverse."""
    check(sequence)
    frames = len(sequence)
    flat_wifi = sequence.wifi.reshape(frames, -1)
    columns: dict[str, pa.Array] = {"number": pa.array(sequence.numbers.astype(np.int32, copy=False))}
    for name in DENSE:
        columns[name] = _fixed(getattr(sequence, name).reshape(frames, -1))
    for name in RAGGED:
        points: Ragged = getattr(sequence, name)
        columns[name] = pa.LargeListArray.from_arrays(pa.array(points.offsets), _fixed(points.values))
    columns |= {"wifi_min": pa.array(flat_wifi.min(axis=1)), "wifi_max": pa.array(flat_wifi.max(axis=1))}
    columns |= {f"valid_{name}": pa.array(sequence.valid[name]) for name in SIGNALS}
    return pa.record_batch([columns[name] for name in schema().names], schema=schema())


def from_record_batch(batch: pa.RecordBatch, about: Mapping[str, Any]) -> SensorSequence:
    """A sequence whose large arrays are read-only views of the batch; `about` as from `metadata_of`."""
    frames = batch.num_rows
    dense = {name: _values(batch[name]).reshape(frames, *shape) for name, shape in DENSE.items()}
    arrays: dict[str, Any] = {**dense, **{name: ragged_of(batch, name) for name in RAGGED}}
    return SensorSequence(
        **SequenceKey(*about["key"])._asdict(),
        **arrays,
        numbers=batch["number"].to_numpy(),
        valid={name: batch[f"valid_{name}"].to_numpy(zero_copy_only=False) for name in SIGNALS},
        defects=tuple(Defect(**defect) for defect in about.get("defects", ())),
        provenance=dict(about["provenance"]),
    )


def ragged_of(batch: pa.RecordBatch, name: str) -> Ragged:
    """The points of one modality as a view of the batch."""
    values = _values(batch[name].values)
    return Ragged(values=values.reshape(-1, RAGGED[name]), offsets=batch[name].offsets.to_numpy())


def metadata_of(sequence: SensorSequence) -> dict[str, Any]:
    """What a sequence carries besides its frames, as JSON values."""
    return {
        "key": list(SequenceKey.of(sequence)),
        "frames": len(sequence),
        "digest": content_digest(sequence),
        "provenance": dict(sorted(sequence.provenance.items())),
        "defects": [asdict(defect) for defect in sequence.defects],
    }


def content_digest(sequence: SensorSequence) -> str:
    """SHA-256 of the values, validity, identity and provenance of a sequence; no paths, no times."""
    identity = [list(SequenceKey.of(sequence)), sorted(sequence.provenance.items()), len(sequence)]
    digest = hashlib.sha256(json.dumps(identity).encode())
    arrays: list[tuple[NDArray[Any], str]] = [(sequence.numbers, "<i4")]
    arrays += [(values_of(sequence, name), "<f4") for name in SIGNALS]
    arrays += [(getattr(sequence, name).offsets, "<i8") for name in RAGGED]
    arrays += [(sequence.valid[name], "?") for name in SIGNALS]
    for array, dtype in arrays:
        digest.update(np.ascontiguousarray(array, dtype=dtype).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def fingerprint_of(digests: Mapping[SequenceKey, str]) -> str:
    """Hash of the content of all sequences, the joint order and the units.

    It does not depend on the order of writing, the machine or the location of the data.
    """
    content = {
        "sequences": sorted((list(key), digest) for key, digest in digests.items()),
        "joints": JOINTS,
        "keypoints": COCO_KEYPOINTS,
        "units": UNITS,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _fixed(rows: NDArray[np.float32]) -> pa.FixedSizeListArray:
    """[R, C] as R lists of C numbers."""
    flat = np.ascontiguousarray(rows, dtype=np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), rows.shape[1])


def _values(column: pa.FixedSizeListArray) -> NDArray[np.float32]:
    """All numbers of a fixed-size list column, without copying."""
    return column.flatten().to_numpy()

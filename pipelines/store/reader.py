"""Reads a store: opened by path in any process, memory-mapped, parsed only when needed."""

from __future__ import annotations

import os
from collections import Counter
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import fs

from equipose.models.sensors import GridView, sensor_of
from equipose.pipelines.cleaning import minmax
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.images import decode
from equipose.pipelines.sequence import Packed, SensorSequence, SequenceKey
from equipose.pipelines.store.checks import read_defects, read_frames, read_index, read_manifest
from equipose.pipelines.store.folder import StoreFolder
from equipose.pipelines.store.format import check, content_digest, from_record_batch
from equipose.pipelines.store.index import index_frame
from equipose.pipelines.store.layout import FrameLayout, locate
from equipose.pipelines.store.signals import StoredSignals


def open_store(path: str | os.PathLike[str], filesystem: fs.FileSystem | None = None) -> Store:
    """Open a finished store at a local path, a `pyarrow.fs` URI, or a path inside `filesystem`.

    Local files are memory-mapped; remote ones are read into memory on first use. Raises DataError where
    there is no store, an unfinished one, one of another format version, or one with files missing or cut.

    >>> import tempfile
    >>> from equipose.pipelines.prepare import prepare
    >>> from equipose.pipelines.simulator import SimulatorConfig
    >>> from equipose.pipelines.readers import SimulatedSource
    >>> source = SimulatedSource(subjects=("S01",), actions=("A02",), config=SimulatorConfig(frames=3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = prepare("simulated", source, folder)
    ...     store = open_store(folder)
    ...     frame = store.frame("E01", "S01", "A02", 1)
    >>> len(store), frame["rgb"].shape, frame["wifi"].shape, frame["pose"].shape
    (3, (17, 2), (3, 114, 10), (17, 3))
    """
    folder = StoreFolder(path, filesystem)
    return Store(folder, read_manifest(folder))


class Store:
    """Synchronised frames of many sequences; made by `open_store` or `StoreWriter.finish`.

    It pickles as its path, so it can be sent to any process that sees the same files.
    """

    def __init__(self, folder: StoreFolder, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self._manifest = manifest
        self._buffers: dict[str, pa.Buffer] = {}
        if folder.is_local:
            for kind in ("frames", "index", "defects"):
                self._buffer(kind)
        self.path = folder.path
        """As it was opened."""
        self.fingerprint: str = manifest["fingerprint"]
        """Hash of dataset content, joint order and units; equal wherever and however it was prepared."""
        self.header: dict[str, Any] = manifest["header"]
        """`source` and `settings` of the preparation."""
        self.signals: StoredSignals = manifest["signals"]
        """Its sensors and the pose, with their layouts."""
        self.report: dict[str, Any] = manifest["report"]
        """Remarks of the preparation, such as `notes`."""
        self.files: dict[str, int] = {name: file["bytes"] for name, file in manifest["files"].items()}
        """Name -> bytes of the data files."""
        self.keys: tuple[SequenceKey, ...] = tuple(SequenceKey(*s["key"]) for s in manifest["sequences"])
        """The sequences, in the order of `sequence(i)` and of the index."""

    def __reduce__(self) -> tuple[Any, ...]:
        return open_store, (self.path, self.folder.given)

    def __repr__(self) -> str:
        return f"Store({self.path!r}, {len(self)} frames, {len(self.keys)} sequences, {self.fingerprint})"

    def __len__(self) -> int:
        """Number of frames."""
        return sum(s["frames"] for s in self._manifest["sequences"])

    @property
    def is_local(self) -> bool:
        """Whether its files are mapped; those of a remote store are read whole before the first frame."""
        return self.folder.is_local

    @cached_property
    def index(self) -> pl.DataFrame:
        """One row per frame; columns as in `equipose.pipelines.store.index.index_frame`."""
        return read_index(
            self._buffer("index"), self._manifest["sequences"], self._name("index"), self.signals
        )

    @cached_property
    def defects(self) -> pl.DataFrame:
        """Why invalid frames are invalid; columns as in `equipose.pipelines.store.index.defect_frame`."""
        return read_defects(
            self._buffer("defects"), self._manifest["sequences"], self._name("defects"), self.signals
        )

    @property
    def provenance(self) -> dict[str, dict[str, int]]:
        """Signal -> `real`, `simulated:<version>` or `absent` -> number of sequences."""
        each = [s["provenance"] for s in self._manifest["sequences"]]
        return {name: dict(sorted(Counter(p[name] for p in each).items())) for name in self.signals.names}

    @cached_property
    def layout(self) -> FrameLayout:
        """Where each row's numbers lie in the frame table; batches are gathered with it."""
        return locate(self._buffer("frames"), self.table, self.signals)

    @cached_property
    def table(self) -> pa.Table:
        """All frames as an Arrow table; one chunk per sequence, no copy."""
        counts = [entry["frames"] for entry in self._manifest["sequences"]]
        return read_frames(self._buffer("frames"), counts, self._name("frames"), self.signals)

    def _name(self, kind: str) -> str:
        """Path of a file of the store, for messages."""
        return f"{self.path}/{self._manifest[kind]}"

    def _buffer(self, kind: str) -> pa.Buffer:
        """`frames`, `index` or `defects`; mapped local files stay readable even after being replaced."""
        if kind not in self._buffers:
            self._buffers[kind] = self.folder.buffer(self._manifest[kind])
        return self._buffers[kind]

    @cached_property
    def _batches(self) -> list[pa.RecordBatch]:
        return self.table.to_batches()

    def record_batch(self, i: int) -> pa.RecordBatch:
        """Sequence `i` as stored."""
        return self._batches[i]

    def sequence(self, i: int) -> SensorSequence:
        """Sequence `i` (see `keys`) as read-only views of the mapped file."""
        key = self.keys[i]._asdict()
        mine = self.defects.filter(*(pl.col(name) == value for name, value in key.items()))
        about = {**self._manifest["sequences"][i], "defects": mine.drop(key).to_dicts()}
        return from_record_batch(self.record_batch(i), about, self.signals)

    def frame(
        self, environment: str, subject: str, action: str, number: int, camera: str = ""
    ) -> dict[str, NDArray[np.generic] | None]:
        """One synchronised instant, as the public MM-Fi toolbox gives it, in float32.

        Sensor -> grid of its shape (rescaled to 0..1 over the frame where that is the sensor's default view,
        as for CSI), points [N, C], or decoded picture; and `pose` [17, 3] m. None where the signal is absent
        or invalid. `number` counts from 1; `camera` is that of a source with several. Arrays that are not
        rescaled or decoded are read-only views. Raises DataError for a frame that does not exist.
        """
        i, offset = self._find(environment, subject, action, number, camera)
        sequence = self._views(i)
        return {
            name: self._entry(sequence, name, offset) if sequence.valid[name][offset] else None
            for name in self.signals.names
        }

    def _entry(self, sequence: SensorSequence, name: str, offset: int) -> NDArray[np.generic]:
        signal = sequence.signals[name]
        if isinstance(signal, Packed):
            return decode(signal[offset], self.signals.images[name])
        if name in self.signals.extremes and sensor_of(name).view == GridView(scale="minmax"):
            return minmax(signal[offset], len(self.signals.grids[name].shape))
        return signal[offset]

    def verify(self) -> None:
        """Read everything and compare it with the checksums; DataError names the first damaged file.

        For damage inside the frame table it also names the sequences. The content is checked as well,
        because correct checksums only prove that it is unchanged: values such as NaN are refused, and the
        index must repeat what the frame table says.
        """
        for name, expected in self._manifest["files"].items():
            found = self.folder.checksum(name)
            if found != expected:
                raise DataError.about(
                    file=f"{self.path}/{name}", field="SHA-256",
                    value=f"{found['sha256'][:16]}, expected {expected['sha256'][:16]}" + self._damage(name),
                    remedy="the file is damaged: copy the store again, or prepare it again",
                )  # fmt: skip
        for i, described in enumerate(self._manifest["sequences"]):
            check(self._views(i), self.signals)
            if (digest := content_digest(self._views(i))) != described["digest"]:
                raise DataError.about(
                    self._name("frames"), field=f"digest of {described['key']}",
                    value=f"{digest[:16]}, expected {described['digest'][:16]}", remedy="prepare it again",
                )  # fmt: skip
        _ = self.defects
        if not self.index.equals(index_frame(self.table, self._manifest["sequences"], self.signals)):
            raise DataError.about(
                self._name("index"), field="index", value="not that of its frames", remedy="prepare it again"
            )

    def about(self) -> list[dict[str, Any]]:
        """What every sequence carries besides its frames; as `store.format.metadata_of` gives it."""
        names = SequenceKey._fields
        mine = {key: group.drop(names).to_dicts() for key, group in self.defects.group_by(names)}
        return [{**s, "defects": mine.get(SequenceKey(*s["key"]), [])} for s in self._manifest["sequences"]]

    @property
    def described(self) -> list[dict[str, Any]]:
        """What every sequence carries besides its frames and defects."""
        return list(self._manifest["sequences"])

    def _views(self, i: int) -> SensorSequence:
        """Sequence `i` without its defects."""
        return from_record_batch(self.record_batch(i), self._manifest["sequences"][i], self.signals)

    def _find(self, environment: str, subject: str, action: str, number: int, camera: str) -> tuple[int, int]:
        """(sequence, offset in it) of a frame, or DataError with what exists."""
        wanted = {"environment": environment, "subject": subject, "action": action, "camera": camera}
        known = list(self.keys)
        for level, (field, value) in enumerate(wanted.items()):
            choices = sorted({getattr(key, field) for key in known})
            known = [key for key in known if getattr(key, field) == value]
            if not known:
                name = " ".join([*wanted.values()][:level]) or "the store"
                raise self._unknown(field, value, f"{name} has {choices}")
        numbers = {key: self.record_batch(self.keys.index(key))["number"].to_numpy() for key in known}
        for key, each in numbers.items():
            if len(hits := np.flatnonzero(each == number)):
                return self.keys.index(key), int(hits[0])
        ranges = ", ".join(f"{each[0]}..{each[-1]}" for each in numbers.values())
        raise self._unknown("number", number, f"{environment} {subject} {action} has {ranges}")

    def _unknown(self, field: str, value: object, known: str) -> DataError:
        return DataError.about(
            file=self.path, field=field, value=f"{value!r}, which is not in it", remedy=known
        )

    def _damage(self, name: str) -> str:
        """Which sequences of a damaged frame table changed, as far as it can still be read."""
        if name != self._manifest["frames"]:
            return ""
        try:
            found = [content_digest(self._views(i)) for i in range(len(self.keys))]
        except DataError:
            return "; its structure is unreadable"
        changed = [
            s["key"] for s, d in zip(self._manifest["sequences"], found, strict=True) if s["digest"] != d
        ]
        return f"; changed sequences: {changed[:5]}"

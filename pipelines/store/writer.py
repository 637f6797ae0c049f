"""Writes a store: one atomic file per sequence, then one table of them all.

While it is being written, a store is a folder `parts/` of complete sequences, so an interrupted
preparation continues where it stopped. `finish` copies them, in the order of their keys, into one Arrow
file; the manifest appears last and makes the store visible.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from equipose.pipelines.files.atomic import atomic, checksum, write_json
from equipose.pipelines.files.bounded_json import parse_json
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained
from equipose.pipelines.sequence import SensorSequence, SequenceKey
from equipose.pipelines.store.checks import check_sequence, read_frames
from equipose.pipelines.store.folder import StoreFolder
from equipose.pipelines.store.format import (
    FORMAT_VERSION,
    HEADER,
    MANIFEST,
    PARTS,
    StoreHeader,
    content_digest,
    fingerprint_of,
    from_record_batch,
    metadata_of,
    to_record_batch,
)
from equipose.pipelines.store.index import defect_frame, index_frame
from equipose.pipelines.store.reader import Store, open_store
from equipose.pipelines.store.signals import StoredSignals

_ABOUT = b"equipose"
_FILES = {"frames": ".arrow", "index": ".parquet", "defects": ".parquet"}
"""Files of a finished store. The fingerprint is part of their names, so adding sequences never changes a
file that a process has mapped, and the manifest switches from the old ones to the new in one rename."""


class StoreWriter:
    """Writes sequences into a new, an interrupted or a finished store; safe from several processes.

    Writing to a finished store adds sequences; readers see them after the next `finish`.
    """

    def __init__(self, root: str | os.PathLike[str], header: StoreHeader) -> None:
        """Raises DataError where `root` is a file or holds a store of another header or version."""
        self.root = Path(root)
        self.header = header
        if self.root.exists() and not self.root.is_dir():
            raise DataError.about(
                file=self.root, field="store", value="a file", remedy="give a folder to write into"
            )
        self._finished = open_store(self.root) if (self.root / MANIFEST).exists() else None
        self._claim()

    def written(self) -> set[SequenceKey]:
        """Keys of the sequences that are completely written."""
        return set(self._parts()) | set(self._finished.keys if self._finished else ())

    def write(self, sequence: SensorSequence) -> None:
        """Write one sequence; it becomes visible when it is complete and on disk.

        Raises DataError for arrays that break the contract of `SensorSequence`, and for a sequence that
        is already in the finished store.
        """
        key = SequenceKey.of(sequence)
        if self._finished and key in self._finished.keys:
            raise DataError.about(
                file=self.root,
                field="sequence",
                value=f"{tuple(key)}, already in it",
                remedy="skip `written()`",
            )
        signals = self.header.signals
        batch = to_record_batch(sequence, signals)
        about = json.dumps(metadata_of(sequence)).encode()
        with (
            atomic(self.root / PARTS / f"{key.stem}.arrow") as stream,
            pa.ipc.new_file(stream, signals.schema.with_metadata({_ABOUT: about})) as writer,
        ):
            writer.write_batch(batch)

    def finish(self, report: Mapping[str, Any] | None = None) -> Store:
        """Join everything written so far into a readable store and return it.

        `report`: JSON values about the preparation, kept with the store. Raises DataError when nothing
        was written, a part is corrupt, or two sequences hold the same (subject, action, frame number).
        """
        parts = self._parts()
        if not parts:
            return self._unchanged()
        old = self._finished.about() if self._finished else []
        about = [*old, *(_read_part(path, self.header.signals)[1] for path in parts.values())]
        about.sort(key=lambda entry: SequenceKey(*entry["key"]))
        digests = {SequenceKey(*entry["key"]): entry["digest"] for entry in about}
        fingerprint = fingerprint_of(digests, self.header.signals)
        names = {kind: f"{kind}-{fingerprint}{ending}" for kind, ending in _FILES.items()}
        self._write_frames(names["frames"], about)
        with pa.memory_map(str(self.root / names["frames"])) as source:
            index = index_frame(pa.ipc.open_file(source).read_all(), about, self.header.signals)
        for kind, table in {"index": index, "defects": defect_frame(about)}.items():
            with atomic(self.root / names[kind]) as stream:
                table.write_parquet(stream)
        self._write_manifest(about, fingerprint, names, report)
        self._clean(keep=set(names.values()))
        return open_store(self.root)

    def _claim(self) -> None:
        """Mark the folder as a store of this header, or check that it already is."""
        path = self.root / HEADER
        expected = {"format": FORMAT_VERSION, **self.header.to_json()}
        if not path.exists():
            write_json(path, expected)
        found = StoreFolder(self.root).json(HEADER)
        if found != expected:
            raise DataError.about(
                file=path, field="preparation", value=f"{found}, expected {expected}",
                remedy="choose a new folder, or delete this one",
            )  # fmt: skip

    def _parts(self) -> dict[SequenceKey, Path]:
        """Complete sequences that are not in the finished store yet.

        Parts that are in it were left by a `finish` that was killed just after the manifest appeared.
        """
        if not contained(self.root / PARTS, self.root):
            raise DataError.about(
                file=self.root / PARTS, field="link", value="leading outside the store", remedy="remove it"
            )
        paths = sorted((self.root / PARTS).glob("[!.]*.arrow"))
        parts = {_key_of(path): path for path in paths}
        return {
            key: path for key, path in parts.items() if not self._finished or key not in self._finished.keys
        }

    def _unchanged(self) -> Store:
        if self._finished is None:
            raise DataError.about(
                file=self.root, field="store", value="empty: no sequence was written",
                remedy="check the root folder of the source",
            )  # fmt: skip
        return self._finished

    def _write_frames(self, name: str, about: list[dict[str, Any]]) -> None:
        """One record batch per sequence, in the order of `about`; parts are checked while copied."""
        parts = self._parts()
        old = {key: i for i, key in enumerate(self._finished.keys)} if self._finished else {}
        schema = self.header.signals.schema
        with atomic(self.root / name) as stream, pa.ipc.new_file(stream, schema) as writer:
            for entry in about:
                key = SequenceKey(*entry["key"])
                if key in parts:
                    writer.write_batch(_checked(parts[key], self.header.signals))
                else:
                    assert self._finished is not None
                    writer.write_batch(self._finished.record_batch(old[key]))

    def _write_manifest(
        self,
        about: list[dict[str, Any]],
        fingerprint: str,
        names: dict[str, str],
        report: Mapping[str, Any] | None,
    ) -> None:
        content = {
            "format": FORMAT_VERSION,
            "software": _software(),
            "header": self.header.to_json(),
            "fingerprint": fingerprint,
            **names,
            "files": {name: checksum(self.root / name) for name in names.values()},
            "sequences": [{k: v for k, v in entry.items() if k != "defects"} for entry in about],
            "report": dict(report or {}),
        }
        write_json(self.root / MANIFEST, content)

    def _clean(self, keep: set[str]) -> None:
        """Remove the parts and the files of an earlier `finish`."""
        found = [path for kind in _FILES for path in self.root.glob(f"{kind}-*")]
        for path in [*found, *self.root.glob(".*.tmp")]:
            if path.name not in keep:
                path.unlink()
        shutil.rmtree(self.root / PARTS)


def _key_of(path: Path) -> SequenceKey:
    """The key in the name of a part; DataError for a name that no part has."""
    names = path.stem.split("_")
    if not 3 <= len(names) <= 4:
        remedy = f"names are like E01_S01_A01.arrow; remove it from {PARTS}/"
        raise DataError.about(path, field="name", value=repr(path.name), remedy=remedy)
    return SequenceKey(*names)


def _read_part(path: Path, signals: StoredSignals) -> tuple[pa.RecordBatch, dict[str, Any]]:
    """The record batch of a part and what describes it."""
    try:
        buffer = StoreFolder(path.parent).buffer(path.name)
        table = read_frames(buffer, None, str(path), signals)
        about = parse_json((table.schema.metadata or {})[_ABOUT])
        check_sequence(about, str(path), signals)
        if SequenceKey(*about["key"]) != _key_of(path) or [about["frames"]] != [
            b.num_rows for b in table.to_batches()
        ]:
            raise ValueError(f"it holds {about['frames']} frames of {about['key']}")
        defect_frame([about])
        return table.to_batches()[0], about
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError.about(
            file=path, field="sequence", value=f"unreadable ({error})", remedy="delete it and prepare again"
        ) from error


def _checked(path: Path, signals: StoredSignals) -> pa.RecordBatch:
    """The record batch of a part whose content still has the digest it was written with."""
    batch, about = _read_part(path, signals)
    found = content_digest(from_record_batch(batch, about, signals))
    if found != about["digest"]:
        raise DataError.about(
            file=path, field="content", value=f"{found[:12]}, written as {about['digest'][:12]}",
            remedy="the file is damaged: delete it and prepare again",
        )  # fmt: skip
    return batch.cast(signals.schema)


def _software() -> str:
    try:
        return version("equipose")
    except PackageNotFoundError:
        return "unknown"

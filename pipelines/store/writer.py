"""Writes a store: one atomic file per sequence, then one table of them all.

While it is being written, a store is a folder `parts/` of complete sequences, so an interrupted
preparation continues where it stopped. `finish` copies them, in the order of their keys, into one Arrow
file; the manifest appears last and makes the store visible.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa

from equipose.pipelines.files.atomic import atomic, checksum, write_json
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained
from equipose.pipelines.sequence import SensorSequence, SequenceKey
from equipose.pipelines.store.folder import StoreFolder
from equipose.pipelines.store.format import (
    FORMAT_VERSION,
    HEADER,
    MANIFEST,
    PARTS,
    WITH_CAMERAS,
    StoreHeader,
    fingerprint_of,
    metadata_of,
    to_record_batch,
)
from equipose.pipelines.store.index import as_written, defect_frame, index_frame, with_cameras
from equipose.pipelines.store.parts import ABOUT, checked_part, key_of, part_name, read_part, state_of
from equipose.pipelines.store.reader import Store, open_store
from equipose.pipelines.store.signals import StoredSignals

_FILES = {"frames": ".arrow", "index": ".parquet", "defects": ".parquet"}
"""Files of a finished store. The fingerprint is part of their names, so no change touches a file that a
process has mapped, and the manifest switches from the old ones to the new in one rename."""


class StoreWriter:
    """Writes sequences into a new, an interrupted or a finished store; safe from several processes.

    Writing to a finished store adds or replaces sequences; readers see that after the next `finish`.
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

    def written(self) -> dict[SequenceKey, str]:
        """The sequences that are completely written, each with the state of the source it was read from."""
        return self._states() | {key: state_of(path) for key, path in self._parts().items()}

    @property
    def report(self) -> dict[str, Any]:
        """Of the last preparation that finished; empty before."""
        return self._finished.report if self._finished else {}

    def discard(self, outdated: Callable[[SequenceKey, str], bool]) -> None:
        """Remove parts by key and state that were written before their source changed."""
        for path in self._part_files():
            if outdated(key_of(path), state_of(path)):
                path.unlink()

    def write(self, sequence: SensorSequence, state: str = "") -> None:
        """Write one sequence; it becomes visible when it is complete and on disk.

        `state`: of what it was read from; one that the finished store has in another state is replaced.
        Raises DataError for arrays that break the contract of `SensorSequence`, and for a sequence that
        is already in the finished store.
        """
        key = SequenceKey.of(sequence)
        if self._states().get(key) == state:
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
            atomic(self.root / PARTS / part_name(key, state)) as stream,
            pa.ipc.new_file(stream, signals.schema.with_metadata({ABOUT: about})) as writer,
        ):
            writer.write_batch(batch)

    def finish(self, report: Mapping[str, Any] | None = None, drop: Collection[SequenceKey] = ()) -> Store:
        """Join everything written so far into a readable store and return it.

        `report`: JSON values about the preparation, kept with the store. `drop`: sequences to leave out.
        Raises DataError when nothing was written, a part is corrupt, or two sequences hold the same
        (subject, action, camera, frame number).
        """
        parts = {key: path for key, path in self._parts().items() if key not in drop}
        old = self._finished.about() if self._finished else []
        kept = [
            entry for entry in old if (key := SequenceKey(*entry["key"])) not in drop and key not in parts
        ]
        if not parts and len(kept) == len(old):
            return self._unchanged(self.report if report is None else dict(report))
        about = [*kept, *(read_part(path, self.header.signals)[1] for path in parts.values())]
        about.sort(key=lambda entry: SequenceKey(*entry["key"]))
        digests = {SequenceKey(*entry["key"]): entry["digest"] for entry in about}
        fingerprint = fingerprint_of(digests, self.header.signals)
        names = self._file_names(fingerprint)
        self._write_frames(names["frames"], about, parts)
        with pa.memory_map(str(self.root / names["frames"])) as source:
            index = index_frame(pa.ipc.open_file(source).read_all(), about, self.header.signals)
        for kind, table in {"index": index, "defects": defect_frame(about)}.items():
            with atomic(self.root / names[kind]) as stream:
                as_written(table, about).write_parquet(stream)
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
        if isinstance(found, dict) and found.get("format") == 1:
            # It held the default sensors and did not say so.
            found = {**found, "format": FORMAT_VERSION, "sensors": StoredSignals.of().to_json()}
            if found == expected:
                write_json(path, expected)
        if found != expected:
            raise DataError.about(
                file=path, field="preparation", value="; ".join(_different(found, expected)),
                remedy="prepare with the same options, choose a new folder, or delete this one",
            )  # fmt: skip

    def _states(self) -> dict[SequenceKey, str]:
        """The sequences of the finished store, each with its state; empty if it was written without."""
        about = self._finished.described if self._finished else []
        return {SequenceKey(*entry["key"]): entry.get("state", "") for entry in about}

    def _parts(self) -> dict[SequenceKey, Path]:
        """Complete sequences that are not in the finished store yet, or in another state.

        Parts that are in it were left by a `finish` that was killed just after the manifest appeared.
        """
        states = self._states()
        return {key: path for path in self._part_files() if states.get(key := key_of(path)) != state_of(path)}

    def _part_files(self) -> list[Path]:
        if not contained(self.root / PARTS, self.root):
            raise DataError.about(
                file=self.root / PARTS, field="link", value="leading outside the store", remedy="remove it"
            )
        return sorted((self.root / PARTS).glob("[!.]*.arrow"))

    def _file_names(self, fingerprint: str) -> dict[str, str]:
        """Kind -> name of its file; new ones, also where a store of the same content is replaced."""
        taken = set(self._finished.files) if self._finished else set()
        stems = (fingerprint if n == 1 else f"{fingerprint}-{n}" for n in itertools.count(1))
        names = ({kind: f"{kind}-{stem}{ending}" for kind, ending in _FILES.items()} for stem in stems)
        return next(each for each in names if taken.isdisjoint(each.values()))

    def _unchanged(self, report: dict[str, Any]) -> Store:
        if self._finished is None:
            raise DataError.about(
                file=self.root, field="store", value="empty: no sequence was written",
                remedy="check the root folder of the source",
            )  # fmt: skip
        if report != self._finished.report:
            write_json(self.root / MANIFEST, {**StoreFolder(self.root).json(MANIFEST), "report": report})
            return open_store(self.root)
        return self._finished

    def _write_frames(
        self, name: str, about: list[dict[str, Any]], parts: Mapping[SequenceKey, Path]
    ) -> None:
        """One record batch per sequence, in the order of `about`; parts are checked while copied."""
        old = {key: i for i, key in enumerate(self._finished.keys)} if self._finished else {}
        schema = self.header.signals.schema
        with atomic(self.root / name) as stream, pa.ipc.new_file(stream, schema) as writer:
            for entry in about:
                key = SequenceKey(*entry["key"])
                if key in parts:
                    writer.write_batch(checked_part(parts[key], self.header.signals))
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
            "format": WITH_CAMERAS if with_cameras(about) else FORMAT_VERSION,
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
        if (self.root / PARTS).exists():
            shutil.rmtree(self.root / PARTS)


def _software() -> str:
    try:
        return version("equipose")
    except PackageNotFoundError:
        return "unknown"


def _different(found: Any, expected: Any, place: str = "header") -> Iterator[str]:
    """Where two JSON values differ, with both values."""
    if not isinstance(found, dict) or not isinstance(expected, dict):
        if found != expected:
            yield f"{place} {_shown(found)}, expected {_shown(expected)}"
        return
    for name in sorted({*found, *expected}):
        inside = name if place == "header" else f"{place}.{name}"
        yield from _different(found.get(name, "nothing"), expected.get(name, "nothing"), inside)


def _shown(value: Any) -> str:
    """A JSON value in a message; of a list of named things, their names."""
    named = isinstance(value, list) and all(isinstance(entry, dict) and "name" in entry for entry in value)
    return repr([entry["name"] for entry in value] if named else str(value)[:200])

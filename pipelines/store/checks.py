"""Checks a store's files before their content is used: a store may have been downloaded from anywhere.

Declared sizes are checked against the real files, so that none can make a reader allocate more than they
hold: frames against the bytes of the frame table, rows of the index against frames.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import SequenceKey
from equipose.pipelines.store.arrow_guard import ArrowFileError, block_lengths
from equipose.pipelines.store.folder import StoreFolder
from equipose.pipelines.store.format import HEADER, MANIFEST, READABLE, fingerprint_of
from equipose.pipelines.store.index import KEY_NAMES, as_read, defect_schema, in_file, index_schema
from equipose.pipelines.store.signals import StoredSignals

ROW_BYTES = {"index": 512, "defects": 16_384, "contamination": 512}
"""Most unpacked bytes per row of a side table; paths are in the defects."""
SPARE_BYTES = 2**20

_FIELDS = {"header", "fingerprint", "frames", "index", "defects", "files", "sequences", "report"}
_AGAIN = "copy the store again, or prepare it again"
_PROVENANCE = re.compile(r"[\w:. -]{1,100}")


def read_manifest(folder: StoreFolder) -> dict[str, Any]:
    """The manifest of a finished store, checked as by `check_files`, with its `signals` added."""
    if not folder.exists(MANIFEST):
        raise _not_a_store(folder)
    manifest = folder.json(MANIFEST)
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found not in READABLE or isinstance(found, bool):
        raise DataError.about(
            file=f"{folder.path}/{MANIFEST}", field="format", value=f"{found}, expected {READABLE}",
            remedy="prepare the store again with this version, or open it with the one that wrote it",
        )  # fmt: skip
    manifest = {**manifest, "signals": _signals(manifest, f"{folder.path}/{MANIFEST}")}
    check_files(folder, manifest)
    return manifest


def _signals(manifest: Mapping[str, Any], where: str) -> StoredSignals:
    """The sensors that a manifest names; those of format 1 are the default ones."""
    if manifest["format"] == 1:
        return StoredSignals.of()
    header = manifest.get("header")
    try:
        return StoredSignals.from_json(header.get("sensors") if isinstance(header, dict) else None)
    except ValueError as error:
        raise DataError.about(where, field="sensors", value=f"unreadable ({error})", remedy=_AGAIN) from error


def _not_a_store(folder: StoreFolder) -> DataError:
    """Why a folder without a manifest cannot be opened."""
    if not folder.exists():
        value, remedy = "missing", "check the path, or write one with `equipose prepare`"
    elif folder.exists(HEADER):
        value, remedy = "unfinished", "run the same `equipose prepare` again; it continues where it stopped"
    else:
        value, remedy = f"not one: no {MANIFEST} in it", "give the folder that `equipose prepare --out` wrote"
    return DataError.about(file=folder.path, field="store", value=value, remedy=remedy)


def check_files(folder: StoreFolder, manifest: dict[str, Any]) -> None:
    """Raise DataError unless the manifest is sound, its files are there, and its fingerprint is right."""
    if missing := sorted(_FIELDS - manifest.keys()):
        raise DataError.about(
            f"{folder.path}/{MANIFEST}", field="manifest", value=f"without {missing}",
            remedy="it was edited: copy the store again, or prepare it again",
        )  # fmt: skip
    if isinstance(manifest["files"], dict):
        for name in (*manifest["files"], *(str(manifest[kind]) for kind in ("frames", "index", "defects"))):
            folder.require_inside(name)
    check_manifest(manifest, f"{folder.path}/{MANIFEST}")
    for name, expected in manifest["files"].items():
        if (found := folder.size(name)) != expected["bytes"]:
            raise DataError.about(
                file=f"{folder.path}/{name}", field="bytes", value=f"{found}, expected {expected['bytes']}",
                remedy="the store is incomplete: copy it again, or prepare it again",
            )  # fmt: skip
    digests = {SequenceKey(*s["key"]): s["digest"] for s in manifest["sequences"]}
    if (expected := fingerprint_of(digests, manifest["signals"])) != manifest["fingerprint"]:
        raise DataError.about(
            f"{folder.path}/{MANIFEST}", field="fingerprint",
            value=f"{manifest['fingerprint']}, but its sequences give {expected}",
            remedy="the manifest was edited: copy the store again, or prepare it again",
        )  # fmt: skip


def check_manifest(manifest: Mapping[str, Any], where: str) -> None:
    """Raise DataError unless every field that is used later has its type, and frames fit the files."""
    texts = {name: manifest[name] for name in ("fingerprint", "frames", "index", "defects")}
    dicts = {name: manifest[name] for name in ("header", "report", "files")}
    for name, value in texts.items():
        _require(isinstance(value, str), where, name, value, "a text")
    for name, value in dicts.items():
        _require(isinstance(value, dict), where, name, value, "an object")
    for name, value in manifest["files"].items():
        sound = isinstance(value, dict) and value.keys() == {"bytes", "sha256"}
        sound = sound and _count(value["bytes"]) and isinstance(value["sha256"], str)
        _require(sound, where, f"files[{name!r}]", value, "bytes and sha256")
    _require(isinstance(manifest["sequences"], list), where, "sequences", manifest["sequences"], "a list")
    for entry in manifest["sequences"]:
        check_sequence(entry, where, manifest["signals"])
    keys = [tuple(entry["key"]) for entry in manifest["sequences"]]
    doubled = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
    _require(doubled is None, where, "sequences", doubled, "every sequence once")
    _check_frames(manifest, where)


def _check_frames(manifest: Mapping[str, Any], where: str) -> None:
    for kind in ("frames", "index", "defects"):
        name = manifest[kind]
        _require(name in manifest["files"], where, kind, name, "one of `files`, not outside the store")
    frames = sum(entry["frames"] for entry in manifest["sequences"])
    room = manifest["files"][manifest["frames"]]["bytes"] // manifest["signals"].frame_bytes
    _require(frames <= room, where, "number of frames", frames, f"at most the {room} that its file can hold")


def check_sequence(entry: Any, where: str, signals: StoredSignals) -> None:
    """Raise DataError unless this is metadata of a sequence as `store.format.metadata_of` writes it."""
    fields = {"key", "frames", "digest", "provenance"}
    _require(
        isinstance(entry, dict) and entry.keys() >= fields, where, "sequence", entry, f"{sorted(fields)}"
    )
    key, provenance = entry["key"], entry["provenance"]
    sound = isinstance(key, list) and 3 <= len(key) <= 5 and all(isinstance(name, str) for name in key)
    _require(sound, where, "key", key, "three to five texts")
    _ = SequenceKey(*key).stem
    _require(_count(entry["frames"]) and entry["frames"] > 0, where, "frames", entry["frames"], "1 or more")
    _require(isinstance(entry["digest"], str), where, "digest", entry["digest"], "a text")
    sound = isinstance(provenance, dict) and provenance.keys() == set(signals.names)
    sound = sound and all(isinstance(p, str) and _PROVENANCE.fullmatch(p) for p in provenance.values())
    _require(sound, where, "provenance", provenance, f"a label for each of {signals.names}")


def read_frames(
    buffer: pa.Buffer, counts: Sequence[int] | None, where: str, signals: StoredSignals
) -> pa.Table:
    """The frame table in these bytes, without copying them; `counts`: rows of its batches, if known.

    Raises DataError for a table that is compressed or of another schema, whose lists point outside it, or
    whose frame numbers do not rise.
    """
    try:
        declared = block_lengths(memoryview(buffer))
        _require(counts in (None, declared), where, "rows of its batches", declared, f"{counts}")
        table = pa.ipc.open_file(pa.BufferReader(buffer)).read_all()
        _require(table.schema.equals(signals.schema), where, "schema", table.schema.names, "that of a store")
        table.validate(full=True)
    except (ArrowFileError, pa.ArrowException, OSError) as error:
        raise DataError.about(
            where, field="frame table", value=f"unreadable ({error})", remedy=_AGAIN
        ) from error
    for batch in table.to_batches():
        _check_batch(batch, buffer, where, signals)
    return table


def _check_batch(batch: pa.RecordBatch, buffer: pa.Buffer, where: str, signals: StoredSignals) -> None:
    """Refuse what Arrow allows and a store never has: nulls, odd positions, numbers out of order."""
    for column in batch.columns:
        while column is not None:
            _require(column.null_count == 0, where, "number of nulls", column.null_count, "0")
            column = column.values if hasattr(column, "values") else None
    blocks = [block for column in batch.columns for block in column.buffers() if block is not None]
    inside = [
        0 <= block.address - buffer.address <= buffer.size - block.size for block in blocks if block.size
    ]
    aligned = [(block.address - buffer.address) % 4 == 0 for block in blocks if block.size]
    _require(all(inside) and all(aligned), where, "position of its numbers", "odd", "aligned, in the file")
    numbers = batch["number"].to_numpy()
    _require(
        bool((np.diff(numbers.astype(np.int64)) > 0).all()), where, "frame numbers", "not rising", "rising"
    )
    for name in signals.extremes:
        low, high = batch[f"{name}_min"].to_numpy(), batch[f"{name}_max"].to_numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            sound = bool((np.isfinite(high - low) & (low <= high)).all())
        _require(sound, where, f"{name}_min and {name}_max", "not finite or not in order", "finite, in order")


def read_index(
    buffer: pa.Buffer, sequences: Sequence[Mapping[str, Any]], where: str, signals: StoredSignals
) -> pl.DataFrame:
    """The index in these Parquet bytes; DataError unless it agrees with the manifest in every row."""
    frames = [entry["frames"] for entry in sequences]
    rows = range(sum(frames), sum(frames) + 1)
    index = as_read(read_parquet(buffer, "index", in_file(index_schema(signals), sequences), rows, where))
    expected = {
        "row": np.arange(sum(frames)),
        "sequence": np.repeat(np.arange(len(frames)), frames),
        "offset": np.concatenate([np.arange(n) for n in frames]) if frames else np.arange(0),
    }
    for name, values in expected.items():
        sound = not index[name].null_count() and np.array_equal(index[name].to_numpy(), values)
        _require(sound, where, f"column {name}", "not that of its frames", "the rows in order")
    for level, name in enumerate(KEY_NAMES):
        words = np.array([SequenceKey(*entry["key"])[level] for entry in sequences], object)
        sound = index[name].equals(pl.Series(name, np.repeat(words, frames), pl.String))
        _require(sound, where, f"column {name}", "not that of its frames", "as in the manifest")
    rest = index.drop(*expected, *KEY_NAMES)
    _require(not any(rest.null_count().row(0)), where, "number of nulls", "above 0", "0")
    return index


def read_defects(
    buffer: pa.Buffer, sequences: Sequence[Mapping[str, Any]], where: str, signals: StoredSignals
) -> pl.DataFrame:
    """The defects in these Parquet bytes; DataError for more of them than there are marks."""
    most = len(signals.names) * sum(entry["frames"] + 1 for entry in sequences)
    columns = in_file(defect_schema(), sequences)
    return as_read(read_parquet(buffer, "defects", columns, range(most + 1), where))


def read_parquet(
    buffer: pa.Buffer, kind: str, columns: Mapping[str, Any], rows: range, where: str
) -> pl.DataFrame:
    """A Parquet file of these columns and a number of rows in `rows`, checked before it is unpacked."""
    try:
        file = pq.ParquetFile(pa.BufferReader(buffer), thrift_string_size_limit=2**24)
        about = file.metadata
        _require(about.num_rows in rows, where, "number of rows", about.num_rows, f"{rows[0]} to {rows[-1]}")
        _require(
            set(file.schema_arrow.names) == set(columns), where, "columns", file.schema_arrow.names, "others"
        )
        groups = [about.row_group(i) for i in range(about.num_row_groups)]
        unpacked, most = (
            sum(g.total_byte_size for g in groups),
            SPARE_BYTES + ROW_BYTES[kind] * about.num_rows,
        )
        _require(unpacked <= most, where, "unpacked size", unpacked, f"at most {most} bytes")
        table = pl.DataFrame(pl.from_arrow(file.read(use_threads=False)))
    except (pa.ArrowException, OSError, OverflowError) as error:
        raise DataError.about(where, field="table", value=f"unreadable ({error})", remedy=_AGAIN) from error
    found = dict(table.schema)
    _require(found == dict(columns), where, "columns", found, f"{dict(columns)}")
    _require(len(table) in rows, where, "number of rows", len(table), f"{rows[0]} to {rows[-1]}")
    return table


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**50


def _require(sound: bool, where: str, field: str, value: object, expected: str) -> None:
    if not sound:
        text = f"{value!r}"[:200]
        raise DataError.about(where, field=field, value=f"{text}, expected {expected}", remedy=_AGAIN)

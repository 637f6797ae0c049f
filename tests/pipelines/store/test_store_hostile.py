"""Malicious stores: each is refused with a DataError, and nothing outside it is read or unpacked."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from equipose.pipelines.files.atomic import checksum
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import SensorSequence, SequenceKey
from equipose.pipelines.store import Store, StoreHeader, StoreWriter, open_store
from equipose.pipelines.store.arrow_guard import ArrowFileError, block_lengths
from equipose.pipelines.store.checks import read_frames
from equipose.pipelines.store.format import content_digest, fingerprint_of
from equipose.pipelines.store.signals import StoredSignals

Manifest = dict[str, Any]


def manifest_of(store: Store) -> Manifest:
    return dict(json.loads((Path(store.path) / "manifest.json").read_text()))


def file_of(store: Store, kind: str) -> Path:
    return Path(store.path) / manifest_of(store)[kind]


def republish(store: Store, **changes: Any) -> None:
    """Make manifest and files agree again, as an attacker would."""
    manifest = manifest_of(store) | changes
    folder = Path(store.path)
    manifest["files"] = {name: checksum(folder / name) for name in manifest["files"]}
    digests = {SequenceKey(*s["key"]): s["digest"] for s in manifest["sequences"]}
    manifest["fingerprint"] = fingerprint_of(digests, StoredSignals.of())
    (folder / "manifest.json").write_text(json.dumps(manifest))


def replace(path: Path, table: pl.DataFrame) -> None:
    """Replace a mapped file."""
    table.drop("camera").write_parquet(path.with_suffix(".copy"))
    path.with_suffix(".copy").rename(path)


def use(store: Store) -> None:
    """Open a store and touch everything that training does."""
    opened = open_store(store.path)
    _ = opened.index, opened.defects, opened.layout, opened.sequence(0), opened.about()


def each_sequence(change: Callable[[Manifest], object]) -> Callable[[Manifest], object]:
    return lambda manifest: [change(entry) for entry in manifest["sequences"]]


FAULTS: dict[str, Callable[[Manifest], object]] = {
    "frames negative": each_sequence(lambda s: s.update(frames=-1)),
    "frames endless": each_sequence(lambda s: s.update(frames=10**12)),
    "frames no number": each_sequence(lambda s: s.update(frames="7")),
    "frames true": each_sequence(lambda s: s.update(frames=True)),
    "key too short": each_sequence(lambda s: s.update(key=["E01"])),
    "key of lists": each_sequence(lambda s: s.update(key=[[], [], []])),
    "key a path": each_sequence(lambda s: s.update(key=["..", "S01", "A01"])),
    "no digest": each_sequence(lambda s: s.pop("digest")),
    "digest a list": each_sequence(lambda s: s.update(digest=[])),
    "provenance": each_sequence(lambda s: s.update(provenance={"rgb": "real"})),
    "provenance markup": each_sequence(lambda s: s.update(provenance=dict.fromkeys(s["provenance"], "<b>"))),
    "sequence twice": lambda m: m["sequences"].append(m["sequences"][0]),
    "sequences no list": lambda m: m.update(sequences={"a": 1}),
    "sequence a number": lambda m: m.update(sequences=[1]),
    "files a list": lambda m: m.update(files=[]),
    "file without size": lambda m: m.update(files={name: {} for name in m["files"]}),
    "size negative": lambda m: [f.update(bytes=-1) for f in m["files"].values()],
    "frames not listed": lambda m: m["files"].pop(m["frames"]),
    "index is the manifest": lambda m: m.update(index="manifest.json"),
    "index a number": lambda m: m.update(index=3),
    "index above": lambda m: m.update(index="../x"),
    "fingerprint a list": lambda m: m.update(fingerprint=[]),
    "header a text": lambda m: m.update(header="x"),
    "report a list": lambda m: m.update(report=[]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_manifests_that_do_not_fit_are_refused(store: Store, fault: str) -> None:
    manifest = manifest_of(store)
    FAULTS[fault](manifest)
    (Path(store.path) / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r".*: .* is .*; "):
        use(store)


@pytest.mark.parametrize("content", ["[" * 10**5, "[]", "null", '{"format": NaN}', "\xff"])
def test_manifests_that_are_no_json_objects_are_refused(store: Store, content: str) -> None:
    (Path(store.path) / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"manifest\.json: (JSON|format) is"):
        use(store)


@pytest.mark.parametrize("name", ["manifest.json", "frames", "index", "defects"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_out_of_the_store_and_pipes_are_refused(
    store: Store, tmp_path: Path, name: str, kind: str
) -> None:
    path = Path(store.path) / name if "." in name else file_of(store, name)
    outside = tmp_path / "outside"
    path.rename(outside)
    if kind == "link":
        path.symlink_to(outside)
    else:
        os.mkfifo(path)
    with pytest.raises(DataError, match=r"outside the store|not an ordinary file|bytes is None"):
        use(store)


def test_a_store_behind_a_link_is_read(store: Store, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store.path)
    assert open_store(tmp_path / "link").index.equals(store.index)


def test_compressed_frames_are_refused_before_they_unfold(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    compressed = frame_bytes(one_batch(store), options=pa.ipc.IpcWriteOptions(compression="zstd"))
    monkeypatch.setattr(pa.ipc, "open_file", lambda *_: pytest.fail("Arrow was asked"))
    with pytest.raises(DataError, match="it is compressed, which stores never are"):
        read_frames(compressed, None, "x.arrow", StoredSignals.of())


def one_batch(store: Store) -> pa.RecordBatch:
    return store.table.to_batches()[0]


def frame_bytes(batch: pa.RecordBatch, **options: Any) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema, **options) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def with_column(batch: pa.RecordBatch, name: str, column: pa.Array) -> pa.RecordBatch:
    columns = [column if field.name == name else batch[field.name] for field in batch.schema]
    return pa.record_batch(columns, schema=batch.schema)


def null_numbers(batch: pa.RecordBatch) -> pa.RecordBatch:
    return with_column(batch, "number", pa.array([None] * batch.num_rows, pa.int32()))


TABLES: dict[str, tuple[Callable[[pa.RecordBatch], pa.RecordBatch], str]] = {
    "nulls": (null_numbers, "number of nulls is 7"),
    "numbers falling": (
        lambda b: with_column(b, "number", pa.array(range(b.num_rows, 0, -1), pa.int32())), "not rising",
    ),
    "scale of NaN": (
        lambda b: with_column(b, "wifi_max", pa.array([np.nan] * b.num_rows, pa.float32())), "wifi_min and",
    ),
    "scale reversed": (
        lambda b: with_column(b, "wifi_max", pa.array([-1.0] * b.num_rows, pa.float32())), "wifi_min and",
    ),
    "other columns": (lambda b: b.select(["number", "rgb"]), "schema is"),
}  # fmt: skip


@pytest.mark.parametrize("fault", TABLES)
def test_frame_tables_that_point_outside_or_lack_sense_are_refused(store: Store, fault: str) -> None:
    change, message = TABLES[fault]
    with pytest.raises(DataError, match=message):
        read_frames(frame_bytes(change(one_batch(store))), None, "x.arrow", StoredSignals.of())


@pytest.mark.parametrize("offsets", [[0, 10**9], [-9, 0], [3, 0], [0, -(2**62)], [0, 2**62]])
def test_points_outside_their_batch_are_refused(store: Store, offsets: list[int]) -> None:
    batch = one_batch(store)
    content, old = frame_bytes(batch).to_pybytes(), batch["lidar"].offsets.to_numpy()
    new = np.array([offsets[0], *[offsets[1]] * batch.num_rows], np.int64)
    assert content.count(old.tobytes()) == 1
    damaged = pa.py_buffer(content.replace(old.tobytes(), new.tobytes()))
    with pytest.raises(DataError, match="table is unreadable"):
        read_frames(damaged, None, "x.arrow", StoredSignals.of())


def test_batches_must_have_the_rows_of_the_manifest(store: Store) -> None:
    buffer = frame_bytes(one_batch(store))
    assert block_lengths(memoryview(buffer)) == [7]
    assert read_frames(buffer, [7], "x", StoredSignals.of()).num_rows == 7
    with pytest.raises(DataError, match=r"rows of its batches is \[7\], expected \[7, 5\]"):
        read_frames(buffer, [7, 5], "x", StoredSignals.of())


def test_no_flipped_byte_of_an_arrow_footer_escapes(store: Store) -> None:
    content, rng = frame_bytes(one_batch(store)).to_pybytes(), np.random.default_rng(0)
    (size,) = struct.unpack_from("<i", content, len(content) - 10)
    outcomes = set()
    for _ in range(2000):
        damaged = bytearray(content)
        for place in rng.integers(len(content) - 10 - size, len(content), rng.integers(1, 4)):
            damaged[place] = rng.choice([0, 1, 127, 128, 255, rng.integers(256)])
        try:
            block_lengths(memoryview(bytes(damaged)))
            outcomes.add("read")
        except ArrowFileError:
            outcomes.add("refused")
    assert outcomes == {"read", "refused"}


INDEXES: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "rows beyond the frames": (lambda i: i.with_columns(pl.col("row") + 10**6), "column row is"),
    "rows below zero": (lambda i: i.with_columns(pl.col("row") - 5), "column row is"),
    "offsets of another sequence": (lambda i: i.with_columns(pl.col("offset") + 1), "column offset is"),
    "another subject": (lambda i: i.with_columns(subject=pl.lit("S02")), "column subject is"),
    "rows twice": (lambda i: pl.concat([i, i]), "number of rows is 42, expected 21"),
    "endless rows": (lambda i: pl.concat([i] * 5_000), "number of rows is"),
    "nulls": (lambda i: i.with_columns(pl.lit(None, pl.Boolean).alias("valid_rgb")), "number of nulls"),
    "other types": (lambda i: i.with_columns(pl.col("row").cast(pl.Float64)), "columns is"),
    "other columns": (lambda i: i.drop("number"), "columns is"),
}


@pytest.mark.parametrize("fault", INDEXES)
def test_indexes_that_do_not_fit_the_frames_are_refused(store: Store, fault: str) -> None:
    change, message = INDEXES[fault]
    replace(file_of(store, "index"), change(store.index))
    republish(store)
    with pytest.raises(DataError, match=message):
        use(store)


def test_defects_are_bounded_too(store: Store) -> None:
    replace(file_of(store, "defects"), pl.concat([store.defects] * 1000))
    republish(store)
    with pytest.raises(DataError, match="number of rows is"):
        use(store)
    bomb = pl.concat([store.defects[:1].with_columns(detail=pl.lit(c * 10**7)) for c in "abc"])
    replace(file_of(store, "defects"), bomb)
    republish(store)
    assert file_of(store, "defects").stat().st_size < 100_000
    with pytest.raises(DataError, match="unpacked size is 3"):
        use(store)


def rewrite_number(store: Store, value: float) -> None:
    """Change the first number of the first pose, in a copy: the file itself is mapped."""
    path = file_of(store, "frames")
    content = bytearray(path.read_bytes())
    struct.pack_into("<f", content, 4 * int(store.layout.dense["pose"][0]), value)
    path.with_suffix(".copy").write_bytes(content)
    path.with_suffix(".copy").rename(path)
    republish(store)


def test_nan_in_a_store_with_right_checksums_is_found(store: Store, sequences: list[SensorSequence]) -> None:
    store.verify()
    rewrite_number(store, np.nan)
    with pytest.raises(DataError, match=r"S01.*pose is not finite everywhere"):
        open_store(store.path).verify()
    rewrite_number(store, 1.5)
    with pytest.raises(DataError, match=r"digest of .*S01.* is [0-9a-f]{16}, expected"):
        open_store(store.path).verify()


def test_an_index_with_right_checksums_must_repeat_the_frames(store: Store) -> None:
    replace(file_of(store, "index"), store.index.with_columns(valid_rgb=~store.index["valid_rgb"]))
    republish(store)
    with pytest.raises(DataError, match="index is not that of its frames; prepare it again"):
        open_store(store.path).verify()


def part_of(root: Path, about: Manifest, batch: pa.RecordBatch, name: str) -> None:
    (root / "parts").mkdir(parents=True, exist_ok=True)
    described = StoredSignals.of().schema.with_metadata({b"equipose": json.dumps(about).encode()})
    with pa.ipc.new_file(root / "parts" / name, described) as writer:
        writer.write_batch(batch)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"key": ["E01", "S01", "A02"]}, "E01_S01_A01.arrow"),
        ({"key": "E01"}, "E01_S01_A01.arrow"),
        ({"frames": 10**12}, "E01_S01_A01.arrow"),
        ({"defects": 3}, "E01_S01_A01.arrow"),
        ({"defects": [{"nonsense": 1, "frame": "x"}]}, "E01_S01_A01.arrow"),
        ({"provenance": []}, "E01_S01_A01.arrow"),
        ({}, "x.arrow"),
        ({}, "E_0_1_S_A.arrow"),
    ],
)
def test_parts_that_lie_about_themselves_are_refused(
    store: Store, tmp_path: Path, change: Manifest, name: str
) -> None:
    about = store.about()[0] | change
    writer = StoreWriter(tmp_path / "new", StoreHeader(source="test"))
    part_of(tmp_path / "new", about, one_batch(store), name)
    with pytest.raises(DataError):
        writer.finish()


def test_a_part_that_is_a_link_out_of_the_store_is_refused(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "new"
    writer = StoreWriter(root, StoreHeader(source="test"))
    part_of(root, store.about()[0], one_batch(store), "E01_S01_A01.arrow")
    (root / "parts" / "E01_S01_A01.arrow").rename(tmp_path / "outside")
    (root / "parts" / "E01_S01_A01.arrow").symlink_to(tmp_path / "outside")
    with pytest.raises(DataError, match="outside the store"):
        writer.finish()


def test_a_parts_folder_that_is_a_link_is_refused(store: Store, tmp_path: Path) -> None:
    root, outside = tmp_path / "new", tmp_path / "outside"
    StoreWriter(root, StoreHeader(source="test"))
    outside.mkdir()
    (root / "parts").symlink_to(outside)
    with pytest.raises(DataError, match="outside the store"):
        StoreWriter(root, StoreHeader(source="test")).written()


def test_digests_of_views_equal_those_of_the_writer(store: Store) -> None:
    found = [content_digest(store.sequence(i)) for i in range(len(store.keys))]
    assert found == [entry["digest"] for entry in store.about()]

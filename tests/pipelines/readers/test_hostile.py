"""Malicious raw trees: small files that declare much, links out of the root, files that never end."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipose.pipelines.cleaning import clean_frame
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers import MarsReader, mars_files, mmfi
from equipose.pipelines.readers.frame_files import parse_npy
from equipose.pipelines.readers.mars_files import KINECT_COLUMNS
from equipose.pipelines.readers.mat5 import MAX_ELEMENTS, MatError, load_array
from equipose.pipelines.readers.mmfi import MmfiReader, provenance
from equipose.pipelines.sequence import BadFrame, Defect
from equipose.pipelines.simulator import MARKER
from equipose.pipelines.store import SequenceKey

KEY = SequenceKey("E01", "S01", "A02")
LIMIT = 2**20
MAT_HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def described(shape: str, descr: str = "'<f8'") -> str:
    return f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}"


HEADERS = {
    "digits beyond what Python prints": described("(" + "9" * 4000 + "," + "9" * 4000 + ")"),
    "no numbers, endless rows": described(f"(0, {10**30})"),
    "no numbers, wide rows": described(f"(0, {2**62}, {2**62})"),
    "too many dimensions": described("(" + "1," * 100 + ")"),
    "an array as element": described("(2,)", "('<f8', (3,))"),
    "an empty type": described("(2,)", "()"),
    "negative twice": described("(-2, -3)"),
    "a huge element": described("(3,)", "'<V2000000000'"),
    "objects": described("(2,)", "'|O'"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_npy_headers_that_declare_nonsense_are_refused(name: str) -> None:
    with pytest.raises(BadFrame) as caught:
        parse_npy(npy(HEADERS[name], bytes(64)), "x.npy")
    assert caught.value.reason in {"truncated", "shape", "dtype", "unreadable"}
    assert len(caught.value.detail) < 300, "a hostile header is not repeated at length"


def test_a_small_array_does_not_hold_its_large_file() -> None:
    found = parse_npy(npy(described("(2,)"), bytes(10**6)), "x.npy")
    assert isinstance(found, np.ndarray)
    assert found.base is None or found.base.nbytes == found.nbytes


def element(kind: int, data: bytes) -> bytes:
    padded = data if kind == 15 else data.ljust(-(-len(data) // 8) * 8, b"\0")
    return struct.pack("<II", kind, len(data)) + padded


def matrix(shape: list[int], data: bytes, stored: int = 9, name: bytes = b"CSIamp") -> bytes:
    flags = element(6, struct.pack("<II", 6, 0))
    lengths = element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, flags + lengths + element(1, name) + element(stored, data))


def test_bombs_are_counted_over_the_whole_mat_file() -> None:
    one = element(15, zlib.compress(matrix([LIMIT // 16], bytes(LIMIT // 2), name=b"x"), 9))
    load_array(MAT_HEADER + one, "CSIamp", limit=LIMIT)
    assert len(one) < 1200
    with pytest.raises(MatError, match="unfolds to more than"):
        load_array(MAT_HEADER + 2 * one, "CSIamp", limit=LIMIT)


def test_mat_elements_are_counted() -> None:
    with pytest.raises(MatError, match="more than 10000 elements"):
        load_array(MAT_HEADER + element(1, b"") * (MAX_ELEMENTS + 1), "CSIamp", limit=LIMIT)


@pytest.mark.parametrize("shape", [[1] * 100, [0, *[2**31 - 1] * 5], [-1, -1], [2**31 - 1], []])
def test_mat_shapes_that_no_array_has_are_refused(shape: list[int]) -> None:
    with pytest.raises(MatError, match="the array declares"):
        load_array(MAT_HEADER + matrix(shape, bytes(8)[: 0 if 0 in shape else 8]), "CSIamp", limit=LIMIT)


def test_mat_7_3_says_what_to_do() -> None:
    content = MAT_HEADER[:124] + struct.pack("<H", 0x0200) + b"IM" + bytes(384) + b"\x89HDF\r\n\x1a\n"
    with pytest.raises(MatError, match=r"7\.3 files are saved anew with -v7"):
        load_array(content, "CSIamp", limit=LIMIT)


def folder(tree: Path) -> Path:
    return tree / "E01" / "S01" / "A02"


@pytest.mark.parametrize("shape", [f"({10**9}, 0, 3)", f"({10**6}, 1, 1)"])
def test_ground_truth_of_countless_empty_frames_is_invalid(tree: Path, shape: str) -> None:
    (folder(tree) / "ground_truth.npy").write_bytes(npy(described(shape, "'|i1'"), bytes(10**6)))
    raw = MmfiReader().read(tree, KEY)
    assert len(raw.numbers) == 5, "those of the sensors"
    assert {entry.reason for entry in raw.frames["pose"] if isinstance(entry, Defect)} == {"shape"}


def test_more_frames_than_a_sequence_has_are_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mmfi, "MAX_FRAMES", 5)
    assert len(MmfiReader().read(tree, KEY).numbers) == 5
    (folder(tree) / "rgb" / "frame999999.npy").touch()
    with pytest.raises(DataError, match="number of frames is 6; at most 5"):
        MmfiReader().read(tree, KEY)


def test_frames_beyond_the_memory_of_a_sequence_are_marked(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = MmfiReader().read(tree, KEY)
    sizes = [entry.nbytes for entry in whole.frames["rgb"] if isinstance(entry, np.ndarray)]
    monkeypatch.setattr(mmfi, "MAX_SEQUENCE_BYTES", sum(sizes[:3]))
    raw = MmfiReader().read(tree, KEY)
    marked = [isinstance(entry, Defect) for entry in raw.frames["rgb"]]
    assert marked == [False, False, False, True, True]
    assert all(isinstance(entry, Defect) and "hold more than" in entry.detail for entry in raw.frames["wifi"])


def make_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def link_away(path: Path) -> None:
    outside = path.parents[1].with_name(f"outside-{path.name}")
    outside.write_text('{"provenance": "simulated:stolen"}')
    path.unlink(missing_ok=True)
    path.symlink_to(outside)


@pytest.mark.parametrize(
    "damage",
    [
        make_pipe,
        link_away,
        lambda path: path.write_text("[" * 10**5),
        lambda path: path.write_text('{"config": ' * 900 + "1" + "}" * 900),
        lambda path: path.write_text('{"provenance": "simulated:x", "config": {"noise": NaN}}'),
        lambda path: path.write_bytes(b" " * (mmfi.MAX_MARKER_BYTES + 1)),
    ],
)
def test_a_malicious_marker_means_simulated_data_of_unknown_version(
    tree: Path, damage: Callable[[Path], object]
) -> None:
    damage(tree / MARKER)
    assert provenance(tree) == "simulated:unknown"
    assert MmfiReader().settings(tree) == {"provenance": "simulated:unknown", "config": None}


def test_names_in_non_ascii_digits_are_ignored(tree: Path) -> None:
    keys = MmfiReader().sequences(tree)
    (tree / "E٠١" / "S٠١" / "A٠١").mkdir(parents=True)
    assert MmfiReader().sequences(tree) == keys
    with pytest.raises(DataError, match="must match"):
        MmfiReader().read(tree, SequenceKey("E٠١", "S01", "A02"))


def test_csi_too_wide_for_its_scaling_is_marked() -> None:
    csi = np.zeros((3, 114, 10))
    csi[0, 0, 0], csi[0, 0, 1] = 3e38, -3e38
    found = clean_frame(csi, "wifi", 1)
    assert isinstance(found, Defect)
    assert found.reason == "not-finite"


def part(root: Path, name: str = "kinect") -> Path:
    return root / "synced_data" / "wooutlier" / "subject1" / "timesplit" / f"{name}_data_test.csv"


@pytest.mark.parametrize("name", ["kinect", "radar"])
def test_mars_tables_may_not_be_links_out_of_the_root(write_mars: Callable[..., Path], name: str) -> None:
    root = write_mars()
    outside = root.with_name("outside.csv")
    part(root, name).rename(outside)
    part(root, name).symlink_to(outside)
    with pytest.raises(DataError, match=rf"{name}_data_test\.csv: link is leaving"):
        MarsReader().sequences(root)


def test_a_mars_subject_may_not_be_a_link_out_of_the_root(write_mars: Callable[..., Path]) -> None:
    root = write_mars()
    outside = root.with_name("outside")
    subject = part(root).parents[1]
    subject.rename(outside)
    subject.symlink_to(outside)
    with pytest.raises(DataError, match="link is leaving"):
        MarsReader().sequences(root)


def test_two_folders_of_one_mars_subject_are_refused(write_mars: Callable[..., Path]) -> None:
    root = write_mars()
    shutil.copytree(part(root).parents[1], part(root).parents[2] / "subject01")
    with pytest.raises(DataError, match=r"folder of S01 is also subject01; keep one"):
        MarsReader().sequences(root)


def test_a_mars_table_that_is_a_pipe_is_refused(write_mars: Callable[..., Path]) -> None:
    root = write_mars()
    make_pipe(part(root, "radar"))
    with pytest.raises(DataError, match="is not a file"):
        MarsReader().sequences(root)


HEADER = ",".join(KINECT_COLUMNS).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(HEADER + b"0," * 10**6), "columns is"),
        (b"x," * 10**7, "columns is"),
        (b'"' * 70_000 + HEADER, "columns is"),
        (HEADER + b"\n" * 10**6, "cells is 75000075, at most"),
    ],
    ids=["compressed", "columns", "quotes", "rows"],
)
def test_mars_tables_that_unfold_are_refused_unparsed(
    write_mars: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    root = write_mars(radar=False)
    part(root).write_bytes(content)
    monkeypatch.setattr(mars_files.pl, "read_csv", lambda *_, **__: pytest.fail("it was parsed"))
    with pytest.raises(DataError, match=message):
        MarsReader().sequences(root)


def test_mars_tables_and_movements_are_bounded(
    write_mars: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_mars()
    monkeypatch.setattr(mars_files, "MAX_FRAMES", 11)
    with pytest.raises(DataError, match="rows of one movement is 12; at most 11"):
        MarsReader().sequences(root)
    monkeypatch.setattr(mars_files, "MAX_TABLE_BYTES", 1000)
    part(root).touch()
    mars_files._read_part.cache_clear()
    with pytest.raises(DataError, match="at most 1000 are read"):
        MarsReader().sequences(root)

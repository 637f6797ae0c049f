"""Broken MM-Fi trees: every defect is an invalid mark with its reason, or one clear error; no row is lost."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from equipose.pipelines.cleaning import assemble
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.mmfi import MmfiReader, provenance
from equipose.pipelines.sequence import SensorSequence
from equipose.pipelines.simulator import MARKER, PROVENANCE
from equipose.pipelines.store import SequenceKey

KEY = SequenceKey("E01", "S01", "A02")
RGB, LIDAR, RADAR, WIFI = (
    "rgb/frame003.npy",
    "lidar/frame003.bin",
    "mmwave/frame003.bin",
    "wifi-csi/frame003.mat",
)

ALL = [("rgb", RGB), ("lidar", LIDAR), ("mmwave", RADAR), ("wifi", WIFI)]


def read(tree: Path) -> SensorSequence:
    return assemble(MmfiReader().read(tree, KEY))


def folder(tree: Path) -> Path:
    return tree / "E01" / "S01" / "A02"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def save_csi(value: np.ndarray) -> Callable[[Path], None]:
    return lambda path: scipy.io.savemat(path, {"CSIamp": value})


def save(value: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.save(path, value, allow_pickle=True)


def raw(value: np.ndarray) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(value.tobytes()) and None


def declare_huge(path: Path) -> None:
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 17, 2)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_outside(path: Path) -> None:
    outside = path.parents[5] / "outside"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


NAN_SLICE = np.full((3, 114, 10), 40.0) + np.arange(10)
NAN_SLICE[:, :, 4] = np.nan

DAMAGES: list[tuple[str, str, Callable[[Path], None], str]] = [
    *((m, f, Path.unlink, "missing") for m, f in ALL),
    *((m, f, lambda p: p.write_bytes(b""), "empty-file") for m, f in ALL),
    *((m, f, make_folder, "unreadable") for m, f in ALL),
    *((m, f, link_outside, "unreadable") for m, f in ALL),
    ("rgb", RGB, truncate, "truncated"),
    ("lidar", LIDAR, truncate, "truncated"),
    ("mmwave", RADAR, truncate, "truncated"),
    ("wifi", WIFI, truncate, "truncated"),
    ("wifi", WIFI, lambda p: p.write_bytes(p.read_bytes()[:9000]), "truncated"),
    ("rgb", RGB, declare_huge, "truncated"),
    ("rgb", RGB, lambda p: p.write_text("no array"), "unreadable"),
    ("wifi", WIFI, lambda p: p.write_text("no matrix"), "unreadable"),
    ("rgb", RGB, save(np.array(["a"] * 34).reshape(17, 2)), "dtype"),
    ("rgb", RGB, save(np.array([None] * 34).reshape(17, 2)), "dtype"),
    ("rgb", RGB, save(np.ones((17, 2), complex)), "dtype"),
    ("wifi", WIFI, save_csi(np.ones((3, 114, 10), complex) * 1j), "dtype"),
    ("wifi", WIFI, save_csi(np.array(["text"])), "dtype"),
    ("wifi", WIFI, lambda p: scipy.io.savemat(p, {"other": 1.0}), "missing"),
    ("rgb", RGB, save(np.ones((18, 2))), "shape"),
    ("rgb", RGB, save(np.ones((17, 3))), "shape"),
    ("wifi", WIFI, save_csi(np.ones((3, 100, 10))), "shape"),
    ("rgb", RGB, save(np.full((17, 2), np.nan)), "not-finite"),
    ("lidar", LIDAR, raw(np.array([[0.0, 1, np.inf], [1, 2, 3]])), "not-finite"),
    ("mmwave", RADAR, raw(np.array([[0.0, 1, np.nan, 0, 1]])), "not-finite"),
    ("lidar", LIDAR, raw(np.full((2, 3), 1e300)), "not-finite"),
    ("wifi", WIFI, save_csi(NAN_SLICE), "not-finite"),
    ("wifi", WIFI, save_csi(np.full((3, 114, 10), 40.0)), "constant"),
]  # fmt: skip


@pytest.mark.parametrize(("modality", "file", "damage", "reason"), DAMAGES)
def test_a_broken_frame_is_marked_and_keeps_its_row(
    tree: Path, modality: str, file: str, damage: Callable[[Path], None], reason: str
) -> None:
    whole = read(tree)
    damage(folder(tree) / file)
    flawed = read(tree)
    assert flawed.numbers.tolist() == [1, 2, 3, 4, 5]
    assert flawed.valid[modality].tolist() == [True, True, False, True, True]
    (defect,) = flawed.defects
    assert (defect.modality, defect.frame, defect.reason) == (modality, 3, reason)
    assert all(flawed.valid[m].all() for m in flawed.valid if m != modality)
    assert np.array_equal(flawed.signals[modality][1], whole.signals[modality][1])
    assert not flawed.signals[modality][2].any()


@pytest.mark.parametrize("name", ["rgb", "lidar", "mmwave", "wifi-csi"])
@pytest.mark.parametrize("kind", ["missing", "unreadable"])
def test_a_modality_without_its_folder_is_invalid_throughout(tree: Path, name: str, kind: str) -> None:
    shutil.rmtree(folder(tree) / name)
    if kind == "unreadable":
        (folder(tree) / name).write_text("a file where a folder should be")
    sequence, modality = read(tree), name.removesuffix("-csi")
    assert len(sequence) == 5
    assert not sequence.valid[modality].any()
    (defect,) = sequence.defects
    assert (defect.modality, defect.frame, defect.reason) == (modality, None, kind)
    assert name in defect.detail


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (Path.unlink, "missing"),
        (lambda p: p.write_bytes(b""), "empty-file"),
        (truncate, "truncated"),
        (save(np.ones((17, 3))), "shape"),
        (link_outside, "unreadable"),
    ],
)
def test_ground_truth_that_cannot_be_read_leaves_the_sensors(
    tree: Path, damage: Callable[[Path], None], reason: str
) -> None:
    target = folder(tree) / "ground_truth.npy"
    if damage is link_outside:
        outside = tree.parent / "outside"
        target.rename(outside)
        target.symlink_to(outside)
    else:
        damage(target)
    sequence = read(tree)
    assert sequence.numbers.tolist() == [1, 2, 3, 4, 5]
    assert not sequence.valid["pose"].any()
    assert sequence.valid["lidar"].all()
    (defect,) = sequence.defects
    assert (defect.modality, defect.frame, defect.reason) == ("pose", None, reason)


def test_rows_are_the_union_of_truth_and_files(tree: Path) -> None:
    place = folder(tree)
    np.save(place / "ground_truth.npy", np.load(place / "ground_truth.npy")[:3])
    shutil.copy(place / RGB, place / "rgb/frame297.npy")
    for file in place.glob("*/frame002.*"):
        file.unlink()
    sequence = read(tree)
    assert sequence.numbers.tolist() == [1, 2, 3, 4, 5, 297]
    assert sequence.valid["pose"].tolist() == [True, True, True, False, False, False]
    assert sequence.valid["rgb"].tolist() == [True, False, True, True, True, True]
    assert {d.reason for d in sequence.defects} == {"missing"}


def test_wrong_poses_are_marked_one_by_one(tree: Path) -> None:
    path = folder(tree) / "ground_truth.npy"
    poses = np.load(path)
    poses[1, 3, 0] = np.nan
    np.save(path, poses)
    assert read(tree).valid["pose"].tolist() == [True, False, True, True, True]
    np.save(path, np.ones((5, 16, 3)))
    assert {d.reason for d in read(tree).defects} == {"shape"}


def test_infinite_csi_is_repaired_as_in_the_toolbox(tree: Path) -> None:
    csi = np.random.default_rng(0).uniform(30, 48, (3, 114, 10))
    broken = csi.copy()
    broken[1, 5, 2], broken[0, 7, 2] = -np.inf, np.nan
    scipy.io.savemat(folder(tree) / WIFI, {"CSIamp": broken})
    wifi = read(tree).signals["wifi"][2]
    kept = np.isfinite(broken)
    assert np.array_equal(wifi[kept], csi[kept].astype(np.float32))
    assert wifi[1, 5, 2] == wifi[0, 7, 2] == np.float32(broken[:, :, 2][kept[:, :, 2]].mean())


def test_stray_entries_are_ignored_but_a_file_in_place_of_a_folder_is_named(tree: Path) -> None:
    (tree / "README.md").write_text("x")
    (tree / "E01" / ".DS_Store").write_text("x")
    (folder(tree) / "rgb" / "frame000.npy").write_text("x")
    (folder(tree) / "rgb" / "frame003.npy.bak").write_text("x")
    (folder(tree) / "rgb" / "frame0003.npy").write_text("x")
    assert MmfiReader().sequences(tree) == [KEY, SequenceKey("E02", "S12", "A02")]
    assert len(read(tree)) == 5
    (tree / "E03").write_text("a file")
    with pytest.raises(DataError, match=r"E03: folder is a file; remove"):
        MmfiReader().sequences(tree)


def test_a_link_out_of_the_root_is_refused(tree: Path) -> None:
    outside = tree.parent / "elsewhere"
    (tree / "E02" / "S12").rename(outside)
    (tree / "E02" / "S12").symlink_to(outside)
    with pytest.raises(DataError, match=r"E02/S12: link is .*elsewhere; symbolic links may not leave"):
        MmfiReader().sequences(tree)


def test_folders_without_permission_are_named_or_marked(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan, closed = os.scandir, {str(folder(tree) / "lidar"), str(tree / "E02")}

    def guarded(path: Path) -> Iterator[os.DirEntry[str]]:
        if str(path) in closed:
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(DataError, match="E02: folder is Permission denied; make it readable"):
        MmfiReader().sequences(tree)
    sequence = read(tree)
    assert not sequence.valid["lidar"].any()
    assert sequence.valid["rgb"].all()
    assert [(d.modality, d.reason) for d in sequence.defects] == [("lidar", "unreadable")]


def test_circular_links_are_not_files(tree: Path) -> None:
    target = folder(tree) / RGB
    target.unlink()
    target.symlink_to(target)
    assert read(tree).valid["rgb"].tolist() == [True, True, False, True, True]


def test_links_inside_the_root_are_followed(tree: Path) -> None:
    target = folder(tree) / RGB
    target.rename(tree / "kept.npy")
    target.symlink_to(tree / "kept.npy")
    assert read(tree).defects == ()


def test_provenance_comes_from_the_marker(tree: Path) -> None:
    assert set(read(tree).provenance.values()) == {PROVENANCE}
    for content in ("", "[]", json.dumps({"provenance": "real"})):
        (tree / MARKER).write_text(content)
        assert provenance(tree) == "simulated:unknown"
    (tree / MARKER).unlink()
    assert set(read(tree).provenance.values()) == {"real"}

"""MM-Fi trees as people have them: other names, other levels, the second radar, links to other disks."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from equipose.pipelines.cleaning import assemble
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers.mmfi import MmfiReader
from equipose.pipelines.sequence import SensorSequence
from equipose.pipelines.store import SequenceKey

KEY = SequenceKey("E01", "S01", "A02")
READER = MmfiReader()


def read(tree: Path, reader: MmfiReader = READER) -> SensorSequence:
    return assemble(reader.read(tree, KEY))


@pytest.fixture
def place(tree: Path) -> Path:
    """The folder of one sequence."""
    return tree / "E01" / "S01" / "A02"


def rename_all(folder: Path, rename: dict[str, str]) -> None:
    """Replace a part of every name in a folder."""
    for path in sorted(folder.iterdir()):
        new = path.name
        for old, other in rename.items():
            new = new.replace(old, other)
        path.rename(folder / new)


def note(tree: Path, word: str) -> str:
    """The one note with this word."""
    (found,) = (note for note in READER.notes(tree) if word in note)
    return found


@pytest.mark.parametrize(
    ("folder", "rename", "expected"),
    [
        ("mmwave", {"frame00": "frame"}, "mmwave/frame001.bin, frame002.bin"),
        ("wifi-csi", {".mat": ".npy"}, "wifi-csi/frame001.mat"),
        ("rgb", {".npy": ".png"}, "rgb/frame001.npy"),
    ],
)
def test_other_file_names_are_counted_and_named(
    tree: Path, place: Path, folder: str, rename: dict[str, str], expected: str
) -> None:
    rename_all(place / folder, rename)
    example = sorted(path.name for path in (place / folder).iterdir())[0]
    sequence, sensor = read(tree), folder.removesuffix("-csi")
    (defect,) = sequence.defects
    assert (defect.modality, defect.frame, defect.reason) == (sensor, None, "missing")
    assert f"holds 5 other entries such as {example}, expected frame001." in defect.detail
    told = note(tree, folder)
    assert told.startswith(f"5 entries are there but not read, such as {place / folder / example}")
    assert f"expected {expected}" in told


def test_other_folder_names_are_counted_and_named(tree: Path, place: Path) -> None:
    (place / "wifi-csi").rename(place / "wifi_csi")
    assert "no folder" in read(tree).defects[0].detail
    told = note(tree, "wifi_csi")
    assert (
        f"1 entry is there but not read, such as {place / 'wifi_csi'}; expected ground_truth.npy, lidar"
        in told
    )


def test_folders_above_the_sequences_are_named_too(tree: Path) -> None:
    shutil.copytree(tree / "E02" / "S12", tree / "E02" / "subject13")
    (tree / "S14.zip").write_bytes(b"packed")
    told = note(tree, "subject13")
    assert told.startswith("2 entries are there but not read")
    assert str(tree / "S14.zip") in told


def test_a_tree_that_is_read_whole_has_no_such_note(tree: Path) -> None:
    (tree / ".DS_Store").write_text("hidden")
    assert all("not read" not in note for note in READER.notes(tree))


def test_another_variable_name_is_told(tree: Path, place: Path) -> None:
    scipy.io.savemat(place / "wifi-csi" / "frame003.mat", {"csi": np.ones((3, 114, 10)), "phase": 1.0})
    (defect,) = read(tree).defects
    assert defect.detail.endswith("has no variable CSIamp, it holds csi, phase")


def test_the_filtered_radar_is_an_option(tree: Path, place: Path) -> None:
    filtered = MmfiReader(filtered_radar=True)
    assert not read(tree, filtered).valid["mmwave"].any()
    shutil.copytree(place / "mmwave", place / "filtered_mmwave")
    shutil.copy(place / "mmwave" / "frame002.bin", place / "filtered_mmwave" / "frame001.bin")
    assert "filtered_mmwave" in note(tree, "not read")
    raw, other = READER.read(tree, KEY).frames["mmwave"], filtered.read(tree, KEY).frames["mmwave"]
    assert np.array_equal(other[0], raw[1])  # type: ignore[arg-type]
    assert filtered.settings(tree) != READER.settings(tree), "a store is of one radar"


def test_subjects_without_a_room_are_in_the_room_of_their_number(tree: Path) -> None:
    whole = read(tree)
    for room, subject in (("E01", "S01"), ("E02", "S12")):
        (tree / room / subject).rename(tree / subject)
        (tree / room).rmdir()
    assert READER.sequences(tree) == [KEY, SequenceKey("E02", "S12", "A02")]
    assert np.array_equal(read(tree).pose, whole.pose)


def test_a_room_itself_can_be_the_root(tree: Path) -> None:
    assert READER.sequences(tree / "E02") == [SequenceKey("E02", "S12", "A02")]


def test_a_subject_with_and_without_its_room_is_refused(tree: Path) -> None:
    shutil.copytree(tree / "E01" / "S01", tree / "S01")
    with pytest.raises(DataError, match=r"S01/A02: E01/S01/A02 is also .*E01/S01/A02; keep one of the two"):
        READER.sequences(tree)


def test_an_unknown_subject_without_a_room_is_refused(tree: Path) -> None:
    (tree / "E01" / "S01").rename(tree / "S41")
    with pytest.raises(DataError, match=r"S41: room is unknown; MM-Fi has S01..S40; put it into the folder"):
        READER.sequences(tree)


def test_a_subject_in_the_wrong_room_is_refused(tree: Path) -> None:
    (tree / "E02" / "S12").rename(tree / "E01" / "S12")
    with pytest.raises(DataError, match=r"E01/S12: room is E01; MM-Fi recorded S12 in E02: move the folder"):
        READER.sequences(tree)
    assert SequenceKey("E01", "S12", "A02") in MmfiReader(any_room=True).sequences(tree)


def test_subjects_of_ones_own_live_anywhere(tree: Path) -> None:
    (tree / "E02" / "S12").rename(tree / "E01" / "S41")
    assert SequenceKey("E01", "S41", "A02") in READER.sequences(tree)


@pytest.fixture
def elsewhere(tree: Path) -> Path:
    """A folder outside the tree that one subject, one sensor and one frame of it are linked to."""
    place, disk = tree / "E01" / "S01" / "A02", tree.parent / "disk"
    disk.mkdir()
    for inside in (tree / "E02" / "S12", place / "lidar", place / "rgb" / "frame003.npy"):
        outside = disk / inside.name
        inside.rename(outside)
        inside.symlink_to(outside)
    return disk


def test_links_are_followed_into_the_named_folders_only(tree: Path, elsewhere: Path) -> None:
    with pytest.raises(DataError, match=r"S12: link is .*disk/S12; .* --follow-links FOLDER"):
        READER.sequences(tree)
    flawed = read(tree)
    assert not flawed.valid["lidar"].any()
    assert flawed.valid["rgb"].tolist() == [True, True, False, True, True]
    assert all("--follow-links FOLDER" in defect.detail for defect in flawed.defects)

    following = MmfiReader(follow_links=(elsewhere,))
    assert SequenceKey("E02", "S12", "A02") in following.sequences(tree)
    assert read(tree, following).defects == ()
    assert len(following.read(tree, SequenceKey("E02", "S12", "A02")).numbers) == 5

    secret = tree.parent / "secret.npy"
    np.save(secret, np.ones((17, 2)))
    (elsewhere / "frame003.npy").unlink()
    (elsewhere / "frame003.npy").symlink_to(secret)
    (defect,) = read(tree, following).defects
    assert (defect.modality, defect.frame, defect.reason) == ("rgb", 3, "unreadable")


def test_the_state_follows_names_sizes_and_times(tree: Path, place: Path) -> None:
    file = place / "lidar" / "frame002.bin"
    states = [READER.state(tree, KEY)]
    assert READER.state(tree, KEY) == states[0]
    about = file.stat()
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    states.append(READER.state(tree, KEY))
    file.write_bytes(file.read_bytes() + bytes(24))
    os.utime(file, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    states.append(READER.state(tree, KEY))
    file.rename(place / "lidar" / "frame006.bin")
    states.append(READER.state(tree, KEY))
    (place / "ground_truth.npy").unlink()
    states.append(READER.state(tree, KEY))
    assert len(set(states)) == len(states)
    assert READER.state(tree, SequenceKey("E02", "S12", "A02")) not in states

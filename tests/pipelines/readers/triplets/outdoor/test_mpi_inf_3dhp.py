"""MPI-INF-3DHP in both layouts: poses project onto key points, and bad files are refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from triplet_files import Arrays, cells, held_out_arrays, photo, write_mpi_mmpose

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.protocols import select
from equipose.pipelines.readers import configured
from equipose.pipelines.readers.mat73 import OFFSET, SIGNATURE
from equipose.pipelines.readers.triplets.outdoor.mpi_inf_3dhp import Mpi3dhpReader
from equipose.pipelines.sequence import Defect, RawSequence, SequenceKey

READER = Mpi3dhpReader()
TRAINED = SequenceKey("E01", "S01", "A01", "train", "0")
HELD_OUT = SequenceKey("E01", "S11", "A01", "test", "test")


def stack(raw: RawSequence, name: str) -> np.ndarray:
    return np.stack([row for row in raw.frames[name] if not isinstance(row, Defect)]).astype(float)


def off(raw: RawSequence) -> float:
    """The largest distance of a projected joint from its key point, px."""
    pose, optics = stack(raw, "pose"), stack(raw, "intrinsics")[: len(stack(raw, "pose")), None]
    pixels = pose[..., :2] / pose[..., 2:] * optics[..., 2:4] + optics[..., 4:]
    return float(np.abs(pixels - stack(raw, "exact_keypoints")).max())


def test_every_camera_and_test_sequence_is_listed(mpi: Path) -> None:
    keys = READER.sequences(mpi)
    assert [key.camera for key in keys if key.part == "train"] == list("01245678")
    assert {key[:3] for key in keys if key.part == "test"} == {("E01", "S11", "A01"), ("E03", "S15", "A01")}
    (mpi / "train").mkdir()
    (mpi / "S1").rename(mpi / "train" / "S1")
    assert READER.sequences(mpi) == keys, "with and without a folder of training sequences"


def test_training_recordings_come_in_metres_and_every_fifth_frame(mpi: Path, outdoors: Arrays) -> None:
    raw = READER.read(mpi, TRAINED)
    assert raw.numbers.tolist() == [1, 6]
    assert np.allclose(stack(raw, "pose"), outdoors["pose"][[0, 5]], atol=1e-5)
    assert np.allclose(stack(raw, "exact_keypoints"), outdoors["exact_keypoints"][[0, 5]], atol=0.01)
    assert np.allclose(stack(raw, "box"), outdoors["box"][[0, 5]], atol=0.05)
    assert off(raw) < 0.1
    whole = configured("mpi_inf_3dhp", every=1).read(mpi, TRAINED._replace(camera="4"))
    assert whole.numbers.tolist() == [1, 2, 3, 4, 5, 6]
    assert np.allclose(stack(whole, "pose"), outdoors["pose"] + 0.04, atol=1e-5)
    assert stack(whole, "intrinsics")[0].tolist() == [2048, 2048, 1504, 1504, 1028, 1028]


def test_universal_poses_are_an_option(mpi: Path, outdoors: Arrays) -> None:
    reader = Mpi3dhpReader(universal=True)
    for key in (TRAINED, HELD_OUT._replace(environment="E03", subject="S15")):
        raw = reader.read(mpi, key)
        assert np.allclose(stack(raw, "pose"), 0.9 * outdoors["pose"][raw.numbers - 1], atol=1e-5)
        assert np.allclose(stack(raw, "intrinsics")[0, 2:4], 1500, atol=2)
    assert reader.settings(mpi) != READER.settings(mpi)


def test_frames_of_no_account_are_marked_and_stay(mpi: Path, outdoors: Arrays) -> None:
    raw = READER.read(mpi, HELD_OUT)
    assert raw.numbers.tolist() == [1, 2, 3, 4, 5, 6]
    for name in ("pose", "exact_keypoints", "box", "image"):
        marked = [
            row.frame for row in raw.frames[name] if isinstance(row, Defect) and row.reason == "excluded"
        ]
        assert marked == [3], name
    assert np.allclose(stack(raw, "pose"), outdoors["pose"][[0, 1, 3, 4, 5]], atol=1e-5)


def test_cameras_of_test_sequences_are_fitted(mpi: Path) -> None:
    square, wide = (READER.read(mpi, HELD_OUT._replace(environment=e, subject=s)) for e, s in
                    (("E01", "S11"), ("E03", "S15")))  # fmt: skip
    for raw, size in ((square, [2048, 2048]), (wide, [1920, 1080])):
        optics = stack(raw, "intrinsics")[0]
        assert optics[:2].tolist() == size
        assert np.allclose(optics[2:], [1500, 1500, 1024, 1024], atol=0.5)


def test_pictures_are_cut_from_unpacked_files(mpi: Path) -> None:
    raw = READER.read(mpi, TRAINED)
    for image in raw.frames["image"]:
        assert isinstance(image, np.ndarray)
        assert image.shape == (256, 192, 3)
        assert image[126:130, 94:98].min() > 230, "the middle of the box"
    (missing,) = {*READER.read(mpi, TRAINED._replace(camera="8")).frames["image"]}
    assert isinstance(missing, Defect)
    assert missing.reason == "missing"
    assert "video_8" in missing.detail


def test_a_store_is_divided_by_the_source_s_parts(mpi: Path, tmp_path: Path) -> None:
    reader = Mpi3dhpReader(wanted=("exact_keypoints", "box", "intrinsics"))
    store = prepare("mpi_inf_3dhp", mpi, tmp_path / "store", reader=reader)
    assert len(store) == 8 * 2 + 2 * 6
    parts = select(store.index, *READER.default_split, needed=("test",))
    assert len(parts["test"]) == 11
    assert {*store.defects["reason"]} == {"excluded"}
    (mpi / "S1" / "Seq1" / "camera.calibration").write_text("name 0\n  intrinsic 1 2\n")
    again = prepare("mpi_inf_3dhp", mpi, tmp_path / "store", reader=reader)
    assert again.report["changes"][0].startswith("8 read again")


def test_a_calibration_of_nonsense_costs_the_cameras_alone(mpi: Path) -> None:
    path = mpi / "S1" / "Seq1" / "camera.calibration"
    for text, said in (
        ("name 0\n intrinsic " + "x " * 16, "camera 0 is"),
        ("", "no bytes"),
        ("?", "no camera 0"),
    ):
        path.write_text(text)
        raw = READER.read(mpi, TRAINED)
        (defect,) = {row for row in raw.frames["intrinsics"] if isinstance(row, Defect)}
        assert said in defect.detail
        assert len(stack(raw, "pose")) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"annot2": np.zeros((4, 56))}, "annot2 is no cell array"),
        ({"annot3": cells([np.zeros((4, 84))] * 3)}, "annot3 is 3 cells"),
        ({"annot3": cells([np.zeros((4, 83))] * 14)}, r"annot3, camera 0 is \(4, 83\)"),
        ({"annot2": cells(["text"] * 14)}, "annot2, camera 0 is"),
        ({"annot2": None}, "annot2 is missing"),
        ({"annot2": cells([np.zeros((20_001, 56), "i1")] * 14)}, "of 20001 frames, at most 20000"),
    ],
)
def test_foreign_training_files_are_refused_in_one_line(mpi: Path, change: dict[str, Any], said: str) -> None:
    path = mpi / "S1" / "Seq1" / "annot.mat"
    table = {"annot2": cells([np.zeros((4, 56))] * 14), "annot3": cells([np.zeros((4, 84))] * 14)} | change
    scipy.io.savemat(
        path, {name: array for name, array in table.items() if array is not None}, do_compression=True
    )
    with pytest.raises(DataError, match=said) as caught:
        READER.read(mpi, TRAINED)
    assert "\n" not in str(caught.value)


def test_cut_and_linked_files_are_refused(mpi: Path, tmp_path: Path) -> None:
    path = mpi / "S1" / "Seq1" / "annot.mat"
    content = path.read_bytes()
    for wrong in (content[:1000], b"no matlab", content[:128] + b"\xff" * 64):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=r"annot\.mat: file is unreadable"):
            READER.read(mpi, TRAINED)
    (tmp_path / "elsewhere.mat").write_bytes(content)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere.mat")
    with pytest.raises(DataError, match="link is leading out of"):
        READER.read(mpi, TRAINED)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"annot2": np.zeros((6, 1, 16, 2))}, "annot2 is"),
        ({"valid_frame": np.ones((5, 1))}, "6 in 2D, 6 in 3D, 5 marks"),
        ({"annot3": np.zeros((6, 3))}, "annot3 is"),
    ],
)
def test_foreign_test_files_are_refused(mpi: Path, outdoors: Arrays, change: Arrays, said: str) -> None:
    table = held_out_arrays(outdoors) | change
    scipy.io.savemat(mpi / "TS1" / "annot_data.mat", {name: array.T for name, array in table.items()})
    with pytest.raises(DataError, match=said):
        READER.read(mpi, HELD_OUT)


def test_test_files_of_matlab_7_3_are_read(mpi: Path, outdoors: Arrays) -> None:
    h5py = pytest.importorskip("h5py")
    before = READER.read(mpi, HELD_OUT)
    path = mpi / "TS1" / "annot_data.mat"
    with h5py.File(path, "w", userblock_size=OFFSET) as file:
        for name, array in held_out_arrays(outdoors, invalid=(2,)).items():
            file.create_dataset(name, data=array, compression="gzip")
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(OFFSET))
    after = READER.read(mpi, HELD_OUT)
    for name in ("pose", "exact_keypoints", "intrinsics"):
        assert np.array_equal(stack(before, name), stack(after, name))
    with h5py.File(path, "r+") as file:
        del file["annot3"]
        file.create_dataset("annot3", shape=(10**7, 1, 17, 3), dtype="f8", chunks=(1, 1, 17, 3))
    with pytest.raises(DataError, match="annot3 declares"):
        READER.read(mpi, HELD_OUT)


def test_without_h5py_one_error_comes_before_the_work(mpi: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mpi / "TS1" / "annot_data.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(OFFSET) + SIGNATURE)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"not installed.*pip install 'equipose\[matlab73\]'"):
        READER.sequences(mpi)


def test_mmpose_s_layout_holds_the_same(tmp_path: Path, outdoors: Arrays) -> None:
    root, names = tmp_path / "mmpose", [f"S4_Seq2_Cam0_{n:06d}.jpg" for n in range(1, 7)]
    write_mpi_mmpose(root, outdoors, names)
    write_mpi_mmpose(root, outdoors, [f"TS5_{n:06d}.jpg" for n in (7, 9, 8, 11, 12, 13)], "test_valid")
    photo(root / "images" / names[5], (2048, 2048), outdoors["box"][5])
    assert READER.sequences(root) == [
        SequenceKey("E01", "S04", "A02", "train", "0"),
        SequenceKey("E03", "S15", "A01", "test", "test"),
    ]
    raw = READER.read(root, SequenceKey("E01", "S04", "A02", "train", "0"))
    assert raw.numbers.tolist() == [1, 6]
    assert np.allclose(stack(raw, "pose"), outdoors["pose"][[0, 5]], atol=1e-6)
    assert stack(raw, "intrinsics")[0, :2].tolist() == [2048, 2048], "not the file's height of 204"
    assert off(raw) < 0.1
    assert stack(raw, "image")[0][128, 96].min() > 230
    test = READER.read(root, SequenceKey("E03", "S15", "A01", "test", "test"))
    assert test.numbers.tolist() == [7, 8, 9, 11, 12, 13]
    assert np.allclose(stack(test, "pose"), outdoors["pose"][[0, 2, 1, 3, 4, 5]], atol=1e-6)
    assert stack(test, "intrinsics")[0, :2].tolist() == [1920, 1080]
    with pytest.raises(DataError, match="leave out --universal"):
        Mpi3dhpReader(universal=True).sequences(root)


def test_other_folders_and_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"give the folder that holds S1/Seq1/annot\.mat"):
        READER.sequences(tmp_path)
    with pytest.raises(ValueError, match="every=-1: use a whole number"):
        configured("mpi_inf_3dhp", every=-1)

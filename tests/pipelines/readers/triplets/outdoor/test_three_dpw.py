"""3DPW in both layouts: poses of 17 joints, or of twelve and the pelvis, which no other protocol takes."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from triplet_files import Arrays, dpw_columns, dpw_content, python2, write_dpw

from equipose.models.skeleton import JOINTS, SMPL12
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.protocols import DIVISIONS, assign, select
from equipose.pipelines.readers.triplets.outdoor import dpw_pickles
from equipose.pipelines.readers.triplets.outdoor.three_dpw import ThreeDpwReader
from equipose.pipelines.sequence import Defect, RawSequence, SequenceKey
from equipose.pipelines.store import Store

READER = ThreeDpwReader()
STREET = SequenceKey("E01", "S01", "A02", "test", "movingSmpl12")
LIMBS = list(SMPL12)
NAMES = [f"imageFiles/street_00/image_{n:05d}.jpg" for n in (0, 1, 2, 4)]


def stack(raw: RawSequence, name: str) -> np.ndarray:
    return np.stack([row for row in raw.frames[name] if not isinstance(row, Defect)]).astype(float)


@pytest.fixture
def tabled(tmp_path: Path, street: Arrays) -> Path:
    """A table of 17 joints of four pictures, in the second of which there are two people."""
    root = tmp_path / "tabled"
    root.mkdir()
    np.savez(root / "pw3d_test.npz", **dpw_columns(street, [*NAMES, NAMES[1]]))
    return root


def test_people_are_subjects_and_sequences_are_actions(dpw: Path) -> None:
    assert READER.sequences(dpw) == [
        SequenceKey("E01", "S01", "A01", "train", "movingSmpl12"),
        STREET,
        STREET._replace(subject="S02"),
    ]
    notes = READER.notes(dpw)
    assert "3DPW-smpl12 alone" in notes[0]
    assert notes[1] == "actions: A01 court_01, A02 street_00"


def test_world_poses_come_in_the_camera_s_axes(dpw: Path, street: Arrays) -> None:
    for person in (0, 1):
        raw = READER.read(dpw, STREET._replace(subject=f"S0{person + 1}"))
        pose = stack(raw, "pose")
        assert np.allclose(pose[:, LIMBS], (street["pose"] + [0, 0, person])[:-1, LIMBS], atol=1e-5)
        others = [j for j in range(17) if j not in LIMBS]
        assert [JOINTS[j] for j in others] == ["spine", "thorax", "neck", "head"]
        assert np.array_equal(pose[:, others], np.repeat(pose[:, :1], 4, axis=1)), "they lie in the pelvis"
    first = READER.read(dpw, STREET)
    assert np.allclose(
        stack(first, "exact_keypoints")[:, LIMBS], street["exact_keypoints"][:-1, LIMBS], atol=0.02
    )
    assert np.allclose(stack(first, "intrinsics")[0], street["intrinsics"][0])


def test_detections_have_no_confidence_where_there_is_no_joint(dpw: Path) -> None:
    found = stack(READER.read(dpw, STREET), "keypoints")
    known = [j for j in range(17) if JOINTS[j] not in ("pelvis", "spine", "neck", "head")]
    assert found[:, known, 2].min() > 0.85
    assert not found[:, [j for j in range(17) if j not in known]].any()
    assert found[0, JOINTS.index("right_wrist"), 0] == 104
    assert found[0, JOINTS.index("left_ankle"), 0] == 113


def test_frames_whose_camera_is_lost_are_marked_and_stay(dpw: Path) -> None:
    raw = READER.read(dpw, STREET)
    assert raw.numbers.tolist() == [1, 2, 3, 4, 5, 6]
    for name in ("pose", "exact_keypoints", "box"):
        marked = [row.frame for row in raw.frames[name] if isinstance(row, Defect)]
        assert marked == [6], name
    assert len(stack(raw, "keypoints")) == 6, "what was detected does not depend on it"
    image = raw.frames["image"][0]
    assert isinstance(image, np.ndarray)
    assert image.shape == (256, 192, 3)
    assert {row.reason for row in raw.frames["image"][1:] if isinstance(row, Defect)} == {
        "missing",
        "excluded",
    }


@pytest.fixture
def store12(dpw: Path, tmp_path: Path) -> Store:
    reader = ThreeDpwReader(wanted=("keypoints", "exact_keypoints", "box", "intrinsics"))
    return prepare("three_dpw", dpw, tmp_path / "store", reader=reader)


def test_twelve_joints_have_a_protocol_of_their_own(store12: Store) -> None:
    assert {*store12.defects["reason"]} == {"excluded", "partial"}
    for protocol, split in (("3DPW", "test"), ("3DHP", "time"), ("H36M", "time")):
        with pytest.raises(DataError, match=r"twelve joints and the pelvis.*use 3DPW-smpl12"):
            assign(store12.index, protocol, split)
    rows = select(store12.index, "3DPW-smpl12", "test", needed=("test",))["test"]
    assert len(rows) == 10
    assert DIVISIONS["3DPW-smpl12"].joints == SMPL12
    assert {name for name, division in DIVISIONS.items() if division.joints} == {"3DPW-smpl12"}


def test_a_table_has_17_joints_and_the_usual_protocol(tabled: Path, street: Arrays, tmp_path: Path) -> None:
    assert READER.sequences(tabled) == [
        SequenceKey("E01", "S01", "A01", "test", "moving"),
        SequenceKey("E01", "S02", "A01", "test", "moving"),
    ]
    raw = READER.read(tabled, SequenceKey("E01", "S01", "A01", "test", "moving"))
    assert raw.numbers.tolist() == [1, 2, 3, 5]
    assert np.allclose(stack(raw, "pose"), street["pose"][:4], atol=1e-5)
    assert np.allclose(stack(raw, "exact_keypoints"), street["exact_keypoints"][:4], atol=0.05)
    second = READER.read(tabled, SequenceKey("E01", "S02", "A01", "test", "moving"))
    assert second.numbers.tolist() == [2]
    assert not second.remarks
    store = prepare("three_dpw", tabled, tmp_path / "store")
    assert len(select(store.index, *READER.default_split, needed=("test",))["test"]) == 5
    with pytest.raises(DataError, match="protocol 3DPW-smpl12, split test, does not fit"):
        assign(store.index, "3DPW-smpl12", "test")


def test_a_sequence_that_is_renumbered_is_read_again(dpw: Path, street: Arrays) -> None:
    before = READER.state(dpw, STREET)
    write_dpw(dpw, dpw_content(street), "alley_00")
    assert READER.state(dpw, STREET._replace(action="A03")) == before
    assert READER.state(dpw, STREET._replace(action="A02", part="train")) != before


def changed(street: Arrays, **change: Any) -> dict[str, Any]:
    return {k: v for k, v in (dpw_content(street) | change).items() if v is not None}


HUGE = python2(np.zeros(3)).replace(b"(J\x03\x00\x00\x00t", b"(J\xff\xff\xff\x7ft")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"jointPositions": None}, "jointPositions is of 0 people"),
        ({"jointPositions": [np.zeros((6, 72))] * 10}, "of 10 people, expected 1 to 9"),
        ({"jointPositions": [np.zeros((5, 72))]}, r"jointPositions is \(5, 72\), expected \(6, 72\)"),
        ({"poses2d": [np.zeros((6, 18, 3))]}, r"poses2d is \(6, 18, 3\), expected \(6, 3, 18\)"),
        ({"campose_valid": [np.ones(6)] * 2}, "campose_valid is not one array for each of 1 people"),
        ({"cam_poses": np.zeros((6, 3, 4))}, r"cam_poses is \(6, 3, 4\), expected \(N, 4, 4\)"),
        ({"cam_poses": np.zeros((20_001, 4, 4), "i1")}, "of 20001 frames, at most 20000"),
        ({"cam_intrinsics": np.eye(3)}, "no camera of pictures of 1080 x 1920"),
        ({"poses2d": "text"}, "poses2d is not one array"),
    ],
)
def test_foreign_files_are_refused_in_one_line(
    tmp_path: Path, street: Arrays, change: dict[str, Any], said: str
) -> None:
    path = write_dpw(tmp_path, changed(street, **change))
    with pytest.raises(DataError, match=rf"street_00\.pkl.*{said}") as caught:
        READER.sequences(tmp_path)
    assert "\n" not in str(caught.value)
    assert path.is_file()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps({"texture_maps": OrderedDict(a=1)}, 2), r"asks for collections\.OrderedDict"),
        (b"\x80\x02cchumpy.ch\nCh\n.", r"asks for chumpy\.ch\.Ch"),
        (b"\x80\x02" + HUGE + b".", "an array declares"),
        (b"\x80\x02}.", "jointPositions|cam_poses"),
        (b"\x80\x02].", "content is a list"),
        (b"", "no bytes"),
    ],
)
def test_hostile_pickles_are_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "sequenceFiles" / "test" / "street_00.pkl"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        READER.sequences(tmp_path)
    assert "\n" not in str(caught.value)


def test_cut_linked_and_large_files_are_refused(
    dpw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dpw / "sequenceFiles" / "test" / "street_00.pkl"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="pickle is refused: not a pickle, or a damaged one"):
        READER.sequences(dpw)
    path.unlink()
    (tmp_path / "elsewhere.pkl").write_bytes(content)
    path.symlink_to(tmp_path / "elsewhere.pkl")
    with pytest.raises(DataError, match="link is leading out of"):
        READER.sequences(dpw)
    path.unlink()
    path.write_bytes(content + b"\0")
    monkeypatch.setattr(dpw_pickles, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="at most 1000 are read"):
        READER.sequences(dpw)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"cam_param": np.array(OrderedDict(f=1), dtype=object)},
            "refused: it asks for collections.OrderedDict",
        ),
        ({"cam_param": np.zeros(3)}, "cam_param is ndarray"),
        ({"cam_param": np.array({"f": np.zeros((5, 2))}, dtype=object)}, "cam_param of c is missing"),
        ({"root_cam": np.zeros((4, 3))}, r"root_cam is \(4, 3\)"),
        ({"keypoints3d17_relative": np.zeros((5, 14, 3))}, r"keypoints3d17_relative is \(5, 14, 3\)"),
        ({"image_path": np.zeros(5)}, r"image_path is \(5,\)"),
    ],
)
def test_foreign_tables_are_refused(tabled: Path, street: Arrays, change: dict[str, Any], said: str) -> None:
    np.savez(tabled / "pw3d_test.npz", **dpw_columns(street, [*NAMES, NAMES[1]]) | change)
    with pytest.raises(DataError, match=said) as caught:
        READER.sequences(tabled)
    assert "\n" not in str(caught.value)


def test_other_folders_are_refused(tmp_path: Path, street: Arrays) -> None:
    with pytest.raises(DataError, match="give the folder that holds sequenceFiles/ of 3DPW"):
        READER.sequences(tmp_path)
    np.savez(tmp_path / "pw3d_test.npz", **dpw_columns(street, ["../../etc/passwd"] * 4))
    with pytest.raises(DataError, match="give the folder that holds sequenceFiles/ of 3DPW"):
        READER.sequences(tmp_path)

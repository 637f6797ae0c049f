"""Human3.6M in both layouts: key points are the projected poses, and bad files are refused in one line."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.prepare import prepare
from equipose.pipelines.protocols import select
from equipose.pipelines.readers import READERS
from equipose.pipelines.readers.triplets.h36m import H36mReader
from equipose.pipelines.readers.triplets.h36m_cameras import SUBJECTS, to_camera
from equipose.pipelines.readers.triplets.h36m_names import ACTIONS, parse
from equipose.pipelines.sequence import Defect, RawSequence

READER = H36mReader()


def stack(raw: RawSequence, name: str) -> np.ndarray:
    return np.stack([np.asarray(frame, np.float64) for frame in raw.frames[name]])


def test_poses_project_onto_the_key_points_in_both_layouts(h36m: Path) -> None:
    keys = READER.sequences(h36m)
    assert keys == sorted(set(keys))
    for key in keys[:6]:
        raw = READER.read(h36m, key)
        pose, optics = stack(raw, "pose"), stack(raw, "intrinsics")
        pixels = pose[..., :2] / pose[..., 2:] * optics[:, None, 2:4] + optics[:, None, 4:]
        assert np.abs(pixels - stack(raw, "exact_keypoints")).max() < 0.05
        assert pose[..., 2].min() > 1
        assert optics[0, 0] == 1000
        box, points = stack(raw, "box"), stack(raw, "exact_keypoints")
        longer = (points.max(1) - points.min(1)).max(1)
        assert np.allclose(box[:, 2], 1.5 * longer, rtol=1e-4)


def test_cameras_of_a_subject_see_one_room() -> None:
    """The distance between two cameras in the room is that which either sees."""
    points = np.random.default_rng(0).normal([0, 0, 1], size=(50, 3))
    for subject in SUBJECTS:
        one, two = (to_camera(points, subject, camera) for camera in ("54138969", "58860488"))
        assert one[:, 2].min() > 0.5, "in front of it"
        spread = np.linalg.norm(points[1:] - points[:-1], axis=1)
        for seen in (one, two):
            assert np.allclose(np.linalg.norm(seen[1:] - seen[:-1], axis=1), spread)


def test_lifting_files_give_every_take_and_camera(lifting: Path) -> None:
    keys = READER.sequences(lifting)
    assert len(keys) == 5 * 4
    takes = {(k.subject, k.action, k.part) for k in keys}
    assert ("S01", "A14", "first") in takes
    assert ("S01", "A14", "second") in takes
    assert ("S01", "A06", "first") in takes
    raw = READER.read(lifting, next(k for k in keys if k.part == "second"))
    assert raw.numbers[0] == 100_001
    assert np.allclose(stack(raw, "keypoints")[..., :2] - stack(raw, "exact_keypoints"), 3, atol=1e-3)
    assert set(stack(raw, "keypoints")[..., 2].ravel()) == {1.0}
    assert set(raw.provenance.values()) == {"real"}


def test_a_store_of_lifting_files_divides_and_keeps_shifted_rows(lifting: Path, tmp_path: Path) -> None:
    store = prepare("h36m", lifting, tmp_path / "store")
    store.verify()
    assert store.index["valid_pose"].all()
    parts = select(store.index, *READERS["h36m"].default_split, needed=("test",))
    assert set(store.index[parts["test"].to_list()]["subject"]) == {"S09", "S11"}
    assert set(store.defects["reason"]) == {"shifted"}
    assert set(store.defects["subject"]) == {"S09"}
    assert set(store.defects["action"]) == {"A04"}
    again = prepare("h36m", lifting, tmp_path / "store")
    assert again.fingerprint == store.fingerprint


def test_mmpose_s_pictures_are_cut_out_in_the_order_of_frames(mmpose: Path, tmp_path: Path) -> None:
    store = prepare("h36m", mmpose, tmp_path / "store")
    assert store.signals.sensors == ("image", "exact_keypoints", "box", "intrinsics")
    assert store.index["valid_image"].all()
    assert store.index["number"].to_list()[:3] == [100_001, 100_006, 100_011]
    frame = store.frame("E01", "S01", "A14", 100_006, camera="54138969")
    image = frame["image"]
    assert image is not None
    assert image.shape == (256, 192, 3)
    assert image[126:130, 94:98].min() > 230, "the middle of the box"
    assert abs(float(image[20, 20].mean()) - 90) < 6


def test_a_missing_damaged_or_foreign_picture_is_a_defect(mmpose: Path) -> None:
    key = READER.sequences(mmpose)[0]
    folder = mmpose / "images" / "S1" / "S1_Walking_1.54138969"
    first, second, third = sorted(folder.iterdir())
    first.unlink()
    second.write_bytes(second.read_bytes()[:3000])
    third.unlink()
    third.symlink_to("/etc/hostname")
    reasons = [f.reason for f in READER.read(mmpose, key).frames["image"] if isinstance(f, Defect)]
    assert reasons == ["missing", "unreadable", "unreadable"]


def test_a_hostile_file_of_cameras_costs_the_cameras_alone(mmpose: Path) -> None:
    (mmpose / "annotation_body3d" / "cameras.pkl").write_bytes(pickle.dumps(OrderedDict(a=1)))
    raw = READER.read(mmpose, READER.sequences(mmpose)[0])
    (defect,) = {f for f in raw.frames["intrinsics"] if isinstance(f, Defect)}
    assert "OrderedDict" in defect.detail
    assert not any(isinstance(f, Defect) for f in raw.frames["pose"])


def save(path: Path, **arrays: Any) -> None:
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.array({"S1": OrderedDict(a=1)}, dtype=object), "OrderedDict"),
        (np.array({"S1": {"Walking": np.zeros((4, 5, 3))}}, dtype=object), r"S1 Walking is \(4, 5, 3\)"),
        (np.array({"S1": {"Walking": [1, 2]}}, dtype=object), "S1 Walking is list"),
        (np.array({"S1": 3}, dtype=object), "positions_3d is a dict"),
        (np.zeros(3), "positions_3d is a ndarray"),
        (np.array({"S2": {"Walking": np.zeros((4, 17, 3))}}, dtype=object), "none of a known name"),
    ],
)
def test_hostile_poses_are_refused_in_one_line(lifting: Path, content: Any, said: str) -> None:
    save(lifting / "data_3d_h36m.npz", positions_3d=content)
    with pytest.raises(DataError, match=said) as caught:
        READER.read(lifting, READER.sequences(lifting)[0])
    assert "\n" not in str(caught.value)


def test_files_that_are_no_archives_or_unfold_to_too_much_are_refused(
    lifting: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = lifting / "data_3d_h36m.npz"
    content = path.read_bytes()
    for wrong in (b"no archive", content[:-40], content[:30] + b"\0" * 40 + content[70:]):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=r"data_3d_h36m\.npz"):
            READER.sequences(lifting)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("positions_3d.npy", b"\0" * 10**6)
    monkeypatch.setattr("equipose.pipelines.readers.triplets.object_npz.MAX_BYTES", 10**5)
    with pytest.raises(DataError, match="1000000 bytes, at most 100000"):
        READER.sequences(lifting)


@pytest.mark.parametrize("name", ["imgname", "part", "S"])
def test_tables_of_another_shape_are_refused(mmpose: Path, name: str) -> None:
    path = mmpose / "annotation_body3d" / "fps10" / "h36m_train.npz"
    columns = dict(np.load(path, allow_pickle=False))
    save(path, **columns | {name: np.zeros((3, 2))})
    with pytest.raises(DataError, match=rf"{name} is \(3, 2\)|expected"):
        READER.sequences(mmpose)


def test_names_of_pictures_cannot_lead_elsewhere(mmpose: Path) -> None:
    path = mmpose / "annotation_body3d" / "fps10" / "h36m_train.npz"
    columns = dict(np.load(path, allow_pickle=False))
    columns["imgname"] = np.array([f"../{text}" for text in columns["imgname"]])
    save(path, **columns)
    with pytest.raises(DataError, match="none of a known name"):
        READER.sequences(mmpose)


def test_a_folder_without_either_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"give the folder that holds data_3d_h36m\.npz"):
        READER.sequences(tmp_path)


def test_every_action_has_a_code() -> None:
    assert [parse(name) for name in ACTIONS] == [(f"A{n:02d}", 0) for n in range(1, 16)]
    assert parse("Walking 3") is None

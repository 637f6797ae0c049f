"""Images of an MM-Fi tree become crops around the person, and a broken one is marked."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from equipose.models.sensors import Image
from equipose.models.sensors.triplets import CROP, IMAGE
from equipose.pipelines.batches.source import BatchConfig, BatchSource
from equipose.pipelines.images import crop_photo, decode, decode_photo
from equipose.pipelines.prepare import prepare
from equipose.pipelines.readers import configured
from equipose.pipelines.simulator import SimulatorConfig, write_mmfi_tree
from equipose.pipelines.simulator.render.viewpoints import person_boxes

SENSORS = ("rgb", "image")


@pytest.fixture(scope="module")
def whole_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    config = SimulatorConfig(frames=4)
    write_mmfi_tree(root, subjects=["S01"], actions=["A02"], config=config, modalities=SENSORS)
    return root


@pytest.fixture
def tree(whole_tree: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole_tree, tmp_path / "tree")
    return tmp_path / "tree"


def frames(tree: Path) -> Path:
    return tree / "E01/S01/A02/rgb"


def test_a_store_holds_crops_around_the_key_points(tree: Path, tmp_path: Path) -> None:
    reader = configured("mmfi", sensors=SENSORS)
    store = prepare("mmfi", tree, tmp_path / "store", reader=reader)
    assert store.signals.sensors == SENSORS
    assert store.index["valid_image"].all()
    assert not [note for note in reader.notes(tree) if "not read" in note]
    layout = IMAGE.layout
    assert isinstance(layout, Image)
    found = decode(store.sequence(0).signals["image"][1], layout).astype(int)  # type: ignore[arg-type]
    photo = decode_photo((frames(tree) / "frame002.png").read_bytes())
    box = person_boxes(np.load(frames(tree) / "frame002.npy")[None])[0]
    assert np.abs(found - crop_photo(photo, box, CROP)).mean() < 4, "JPEG's error"
    config = BatchConfig(modalities=SENSORS, batch_size=4)
    batch = next(BatchSource(store, store.index["row"].to_numpy(), config).in_order())
    assert batch.inputs["image"].shape == (4, 3, 256, 192)
    assert batch.present.all()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:500])


@pytest.mark.parametrize(
    ("name", "spoil", "reason", "detail"),
    [
        ("frame003.png", Path.unlink, "missing", "no "),
        ("frame003.png", cut, "unreadable", "damaged"),
        ("frame003.png", lambda path: path.write_bytes(b""), "empty-file", "has no bytes"),
        ("frame003.npy", Path.unlink, "missing", "no box: no "),
        (
            "frame003.npy",
            lambda path: np.save(path, np.ones((17, 3))),
            "shape",
            r"no box: key points are \(17, 3\)",
        ),
        ("frame003.npy", lambda path: np.save(path, np.full((17, 2), np.nan)), "unreadable", "has no height"),
        ("frame003.npy", lambda path: np.save(path, np.ones((17, 2))), "unreadable", "has no height"),
    ],
)
def test_a_broken_image_or_box_is_marked_and_keeps_its_row(
    tree: Path, tmp_path: Path, name: str, spoil: Callable[[Path], object], reason: str, detail: str
) -> None:
    spoil(frames(tree) / name)
    store = prepare("mmfi", tree, tmp_path / "store", reader=configured("mmfi", sensors=SENSORS))
    assert store.index["valid_image"].to_list() == [True, True, False, True]
    (defect,) = (d for d in store.sequence(0).defects if d.modality == "image")
    assert (defect.frame, defect.reason) == (3, reason)

    assert re.search(detail, defect.detail)


def test_images_that_are_not_asked_for_are_told_of_and_need_their_key_points(tree: Path) -> None:
    (note,) = (n for n in configured("mmfi", sensors=("rgb",)).notes(tree) if "not read" in n)
    assert "4 entries are there but not read" in note
    assert "expected rgb/frame001.npy" in note
    (frames(tree) / "frame1.gif").write_text("x")
    (note,) = (n for n in configured("mmfi", sensors=SENSORS).notes(tree) if "not read" in n)
    assert "1 entry is there but not read" in note
    assert "rgb/frame001.npy, frame002.npy, ... or frame001.png" in note
    with pytest.raises(ValueError, match="image is cut out around the key points of rgb; add rgb"):
        configured("mmfi", sensors=("image",))

"""A person's part of a picture is cut out, or a defect says why there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from equipose.pipelines.readers.triplets.pictures import cut_file, cut_photo
from equipose.pipelines.sequence import Defect

BOX = np.array([30.0, 40.0, 40.0])


def test_the_crop_is_what_the_box_shows(tmp_path: Path) -> None:
    picture = np.zeros((80, 60, 3), np.uint8)
    picture[20:60, 15:45] = 200
    Image.fromarray(picture).save(tmp_path / "one.png")
    found = cut_file(tmp_path / "one.png", tmp_path, BOX, 1)
    assert isinstance(found, np.ndarray)
    assert found.shape == (256, 192, 3)
    assert found.min() == 200, "the box is full"
    assert np.array_equal(found, cut_photo(picture, BOX, 1, "it"))


def test_a_huge_or_damaged_picture_and_one_beside_the_box_are_defects(tmp_path: Path) -> None:
    Image.new("RGB", (5000, 10)).save(tmp_path / "huge.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "huge.jpg").read_bytes()[:200])
    Image.new("RGB", (20, 20)).save(tmp_path / "small.jpg")
    said = {
        "huge.jpg": "5000 x 10 pixels",
        "cut.jpg": "damaged",
        "small.jpg": "beside the image",
        "no.jpg": "no ",
    }
    for name, text in said.items():
        found = cut_file(tmp_path / name, tmp_path, BOX + 30, 7)
        assert isinstance(found, Defect), name
        assert text in found.detail
        assert (found.modality, found.frame) == ("image", 7)


def test_without_a_box_there_is_no_picture(tmp_path: Path) -> None:
    lost = Defect(modality="box", frame=3, reason="excluded", detail="it does not count")
    for found in (
        cut_file(tmp_path / "x.jpg", tmp_path, lost, 3),
        cut_photo(np.ones((4, 4, 3)), lost, 3, "x"),
    ):
        assert found == Defect(
            modality="image", frame=3, reason="excluded", detail="no box: it does not count"
        )

"""A folder of pictures with boxes: what is read, and what is said of each thing that cannot be."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from equipose.models.sensors import Image
from equipose.models.sensors.triplets import CROP, IMAGE
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.images import crop_photo, decode, encode
from equipose.pipelines.readers.triplets.picture_folder import (
    BoxedPicture,
    boxed_pictures,
    crop_of,
    whole,
    without_box,
)

HEADER = "file,centre_x,centre_y,side\n"


@pytest.fixture
def photo() -> np.ndarray:
    """Smooth, so that JPEG hardly changes it."""
    rows, columns = np.mgrid[:300, :400]
    return np.stack([rows * 0.8, columns * 0.6, 200 - rows * 0.5], -1).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, photo: np.ndarray) -> Path:
    made = tmp_path / "photos"
    made.mkdir()
    (made / "b.png").write_bytes(encode(photo))
    (made / "a.JPG").write_bytes(encode(photo, "jpeg", 95))
    (made / "notes.txt").write_text("no picture")
    (made / ".hidden.png").write_bytes(b"no picture")
    return made


def table(folder: Path, text: str, header: str = HEADER) -> Path:
    path = folder.parent / "boxes.csv"
    path.write_text(header + text)
    return path


def test_without_boxes_every_picture_is_seen_whole(folder: Path, photo: np.ndarray) -> None:
    pictures = boxed_pictures(folder)
    assert [picture.file for picture in pictures] == ["a.JPG", "b.png"]
    _, box = crop_of(folder, pictures[1])
    assert box == (200.0, 150.0, 400 * 4 / 3), "wide, so its width decides"
    assert whole(photo[:, :100]) == (50.0, 150.0, 300.0), "narrow, so its height decides"


def test_a_crop_is_what_preparation_stores(folder: Path, photo: np.ndarray) -> None:
    (picture,) = boxed_pictures(folder, table(folder, "b.png,180.5,140,200\n"))
    content, box = crop_of(folder, picture)
    assert box == (180.5, 140.0, 200.0)
    assert isinstance(IMAGE.layout, Image)
    found = decode(content, IMAGE.layout).astype(int)
    wanted = crop_photo(photo, np.array(box), CROP).astype(int)
    assert np.abs(found - wanted).max() < 12
    middle = found[CROP[1] // 2, CROP[0] // 2]
    assert np.abs(middle - photo[140, 180]).max() < 6


def test_several_people_in_a_picture_are_several_rows(folder: Path) -> None:
    boxes = table(folder, "b.png,100,140,200\nb.png,300,140,200\n")
    pictures = boxed_pictures(folder, boxes)
    assert [(picture.file, picture.box) for picture in pictures] == [
        ("b.png", (100.0, 140.0, 200.0)),
        ("b.png", (300.0, 140.0, 200.0)),
    ]
    assert without_box(folder, pictures) == ["a.JPG"]


@pytest.mark.parametrize(
    ("text", "header", "message"),
    [
        ("b.png,1,2\n", HEADER, "boxes.csv, line 2: side is None; give a number above 0, in pixels"),
        ("b.png,1,2,3\nb.png,x,2,3\n", HEADER, "boxes.csv, line 3: centre_x is 'x'; give a number"),
        ("b.png,1,nan,3\n", HEADER, "line 2: centre_y is 'nan'; give a number"),
        ("b.png,1,2,-3\n", HEADER, "line 2: side is '-3'; give a number above 0"),
        ("c.png,1,2,3\n", HEADER, "line 2: file is 'c.png', not in"),
        ("../boxes.csv,1,2,3\n", HEADER, "line 2: file is '../boxes.csv'; name a picture inside"),
        ("/etc/passwd,1,2,3\n", HEADER, "line 2: file is '/etc/passwd'; name a picture inside"),
        ("", HEADER, "number of pictures is 0; add a row per person"),
        ("b.png,1,2\n", "file,x,y\n", "without ['centre_x', 'centre_y', 'side']; begin it with the line"),
        ("", "", "columns is [], without"),
    ],
)
def test_a_row_that_cannot_be_right_is_named(folder: Path, text: str, header: str, message: str) -> None:
    path = table(folder, text or "\n", header)
    with pytest.raises(DataError, match=re.escape(message)):
        boxed_pictures(folder, path)


def test_a_folder_or_a_table_that_is_none_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folder of pictures is missing"):
        boxed_pictures(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"number of pictures is 0; give files that end in \.jpg"):
        boxed_pictures(tmp_path / "empty")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("bytes.csv", "absent.csv"):
        with pytest.raises(DataError, match=f"{name}: not a table of boxes"):
            boxed_pictures(folder, tmp_path / name)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no bytes"),
        (b"hello", "not a PNG file"),
        (encode(np.zeros((40, 40), np.uint8)), "three channels of uint8 are expected"),
        (encode(np.zeros((1, 4097, 3), np.uint8)), "at most 4096 a side are read"),
        (encode(np.zeros((40, 40, 3), np.uint8)), "every pixel in the box is 0"),
        (b"x" * (9 * 2**20), "at most 8388608 are read"),
    ],
)
def test_a_file_that_is_no_picture_is_named(folder: Path, content: bytes, message: str) -> None:
    (folder / "bad.png").write_bytes(content)
    with pytest.raises(DataError, match=r"bad\.png") as said:
        crop_of(folder, BoxedPicture(file="bad.png"))
    assert message in str(said.value)


def test_a_box_beside_the_picture_is_named_with_its_row(folder: Path) -> None:
    (picture,) = boxed_pictures(folder, table(folder, "b.png,4000,140,200\n"))
    with pytest.raises(DataError, match=r"b\.png \(boxes\.csv, line 2\): its box .* lies beside the image"):
        crop_of(folder, picture)

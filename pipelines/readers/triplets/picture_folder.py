"""A folder of pictures of people, and where in them the people are: for a model that looks at pictures.

Boxes stand in a CSV file with the columns `COLUMNS`, a row per person. A box is as high as its side and 3/4
as wide; preparation makes it 1.5 times the longer side of the person's key points.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equipose.models.sensors import Image
from equipose.models.sensors.triplets import CROP, IMAGE
from equipose.pipelines.files.bounded_read import UnreadableFileError, read_bytes
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained
from equipose.pipelines.images import PictureError, crop_photo, decode_photo, encode
from equipose.pipelines.readers.frame_files import MAX_FRAME_BYTES

COLUMNS: tuple[str, ...] = ("file", "centre_x", "centre_y", "side")
SUFFIXES: tuple[str, ...] = (".jpg", ".jpeg", ".png")
MAX_TABLE_BYTES = 64 * 2**20
"""Of a file of boxes: more than a million rows."""
Box = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class BoxedPicture:
    """One person in a picture."""

    file: str
    """Below the folder."""
    box: Box | None = None
    """Centre x, centre y and side, px; None: the whole picture."""
    named_in: str = ""
    """Where it is asked for, such as `boxes.csv, line 3`."""


def boxed_pictures(folder: Path, boxes: Path | None = None) -> list[BoxedPicture]:
    """The rows of a file of boxes, or else every picture of a folder, by name, each as a whole.

    Raises DataError for a folder without pictures, and for a row that cannot be right.
    """
    if not folder.is_dir():
        remedy = "give the folder that holds the pictures"
        raise DataError.about(folder, field="folder of pictures", value="missing", remedy=remedy)
    found = _listed(folder) if boxes is None else list(_rows(folder, boxes))
    if not found:
        remedy = f"give files that end in {', '.join(SUFFIXES)}" if boxes is None else "add a row per person"
        raise DataError.about(boxes or folder, field="number of pictures", value="0", remedy=remedy)
    return found


def without_box(folder: Path, pictures: list[BoxedPicture]) -> list[str]:
    """Pictures of the folder that none of these rows is about."""
    named = {picture.file for picture in pictures}
    return [picture.file for picture in _listed(folder) if picture.file not in named]


def crop_of(folder: Path, picture: BoxedPicture) -> tuple[bytes, Box]:
    """The crop as a store holds it, and the box that it shows, px.

    Raises DataError for a file that is no picture, is too large, or lies beside its box.
    """
    path = folder / picture.file
    try:
        photo = decode_photo(read_bytes(path, MAX_FRAME_BYTES))
        box = picture.box or whole(photo)
        crop = crop_photo(photo, np.asarray(box, np.float64), CROP)
    except UnreadableFileError as error:
        why, remedy = str(error), "replace the file, or leave it out"
        raise DataError(f"{_asked(path, picture)}: cannot be read ({why}); {remedy}") from error
    except PictureError as error:
        remedy = "save it as JPEG or 8-bit RGB PNG, or correct its box"
        raise DataError(f"{_asked(path, picture)}: {error}; {remedy}") from error
    if not crop.any():
        raise DataError(f"{_asked(path, picture)}: every pixel in the box is 0; leave it out")
    assert isinstance(IMAGE.layout, Image)
    return encode(crop, IMAGE.layout.codec), box


def whole(photo: NDArray[np.uint8]) -> Box:
    """The smallest box that shows all of a photo [H, W, 3]."""
    height, width = photo.shape[:2]
    return width / 2, height / 2, max(float(height), width * CROP[1] / CROP[0])


def _asked(path: Path, picture: BoxedPicture) -> str:
    return f"{path} ({picture.named_in})" if picture.named_in else str(path)


def _listed(folder: Path) -> list[BoxedPicture]:
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return [BoxedPicture(file=name) for name in names if not name.startswith(".")]


def _rows(folder: Path, boxes: Path) -> Iterator[BoxedPicture]:
    try:
        text = read_bytes(boxes, MAX_TABLE_BYTES).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise DataError.about(
                boxes, field="columns", value=f"{list(reader.fieldnames or ())}, without {missing}",
                remedy=f"begin it with the line {','.join(COLUMNS)}",
            )  # fmt: skip
        for row in reader:
            yield _row(folder, row, f"{boxes.name}, line {reader.line_num}")
    except (UnreadableFileError, UnicodeDecodeError, csv.Error) as error:
        remedy = f"give a CSV file with the columns {', '.join(COLUMNS)}"
        raise DataError(f"{boxes}: not a table of boxes ({error}); {remedy}") from error


def _row(folder: Path, row: Mapping[str, str | None], where: str) -> BoxedPicture:
    """A row of the table, of which every value was checked."""
    file = row["file"] or ""
    if not file or "\0" in file or not contained(folder / file, folder):
        remedy = f"name a picture inside {folder}"
        raise DataError.about(where, field="file", value=repr(file[:140]), remedy=remedy)
    if not (folder / file).is_file():
        raise DataError.about(
            where, field="file", value=f"{file!r}, not in {folder}", remedy="correct the name"
        )
    values = []
    for name in COLUMNS[1:]:
        try:
            number = float(row[name] or "")
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or (name == "side" and number <= 0):
            wanted = "a number above 0" if name == "side" else "a number"
            raise DataError.about(
                where, field=name, value=repr(row[name]), remedy=f"give {wanted}, in pixels"
            )
        values.append(number)
    return BoxedPicture(file=file, box=(values[0], values[1], values[2]), named_in=where)

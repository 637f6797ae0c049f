"""Pictures survive compression, and bytes that declare something else are refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as pillow

from equipose.models.sensors import Image
from equipose.pipelines.images import PictureError, check_header, decode, decode_photo, encode

PHOTO = Image(height=64, width=48, channels=3, codec="jpeg")


def photo(height: int = 64, width: int = 48) -> np.ndarray:
    """A smooth picture with some grain."""
    rows, columns = np.mgrid[:height, :width]
    plain = np.stack([2 * rows, 3 * columns, rows + columns], axis=-1) % 200
    return (plain // 2 + 60 + np.random.default_rng(0).normal(0, 3, plain.shape)).astype(np.uint8)


def test_a_photo_keeps_its_look_in_an_eighth_of_the_room() -> None:
    picture = photo(256, 192)
    packed = encode(picture, "jpeg")
    assert len(packed) < len(encode(picture)) / 4
    found = decode(packed, Image(height=256, width=192, channels=3, codec="jpeg"))
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - picture).mean() < 4


@pytest.mark.parametrize(
    "content",
    [
        encode(photo(), "png"),
        encode(photo(65, 48), "jpeg"),
        encode(photo()[..., 0], "jpeg"),
        b"",
        b"\xff\xd8\xff",
        encode(photo(), "jpeg")[:40],
    ],
)
def test_other_bytes_are_refused_before_pixels_are_allocated(content: bytes) -> None:
    with pytest.raises(PictureError):
        check_header(content, PHOTO)


def test_a_cut_photo_is_refused_when_it_is_decoded() -> None:
    content = encode(photo(), "jpeg")
    check_header(content[:-200], PHOTO)
    with pytest.raises(PictureError, match="damaged"):
        decode(content[:-200], PHOTO)


def test_photos_of_any_size_up_to_a_bound() -> None:
    assert decode_photo(encode(photo(30, 20), "jpeg")).shape == (30, 20, 3)
    assert np.array_equal(decode_photo(encode(photo(30, 20))), photo(30, 20))
    wide = io.BytesIO()
    pillow.new("RGB", (5000, 4)).save(wide, "jpeg")
    with pytest.raises(PictureError, match="5000 x 4"):
        decode_photo(wide.getvalue())
    with pytest.raises(PictureError, match="three channels"):
        decode_photo(encode(photo()[..., 0], "jpeg"))


def test_no_flipped_byte_of_a_photo_escapes() -> None:
    content, rng, outcomes = encode(photo(), "jpeg"), np.random.default_rng(1), set()
    for _ in range(600):
        length = len(content) if rng.uniform() < 0.7 else rng.integers(1, len(content) + 1)
        damaged = bytearray(content[:length])
        for place in rng.integers(0, len(damaged), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        for read in (lambda data: decode(data, PHOTO), decode_photo):
            try:
                read(bytes(damaged))
                outcomes.add("read")
            except PictureError:
                outcomes.add("refused")
    assert outcomes == {"read", "refused"}

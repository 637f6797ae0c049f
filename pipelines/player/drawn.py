"""How the frames of a sensor are drawn, by its layout.

Legend: F frames of the sequence; `keep` [K] are those to draw.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from equipose.models.sensors import SENSORS, Grid, Image, Layout
from equipose.pipelines.images import decode, encode
from equipose.pipelines.player.panels import (
    CloudPanel,
    HeatPanel,
    KeypointPanel,
    Panel,
    PicturePanel,
    Rows,
)
from equipose.pipelines.sequence import Packed, Ragged, Signal, evenly_spread

MOST_POINTS = 256
"""Of a cloud; a drawing this small shows no more."""
MOST_ROWS, MOST_COLUMNS = 32, 64
"""Of a heat map."""
PICTURE_SIDE = 128
PICTURE_QUALITY = 70


def panel_of(
    name: str, layout: Layout, signal: Signal, valid: NDArray[np.bool_], keep: Rows, title: str
) -> Panel | None:
    """The panel of a sensor's frames; None for a few plain numbers, which say nothing as a drawing.

    valid: [F]; frames that are not are left empty.
    """
    if isinstance(signal, Ragged):
        return _cloud(signal, keep, title)
    if isinstance(signal, Packed):
        assert isinstance(layout, Image)
        return PicturePanel(title=title, files=_pictures(signal, layout, keep))
    assert isinstance(layout, Grid)
    if len(layout.shape) < 2:
        return None
    values = signal[keep].astype(np.float64)
    values[~valid[keep]] = np.nan
    lines = SENSORS[name].lines if name in SENSORS else ()
    if lines:
        return KeypointPanel(title=title, points=values[..., :2], bones=lines)
    return HeatPanel(title=title, values=shrunk(flattened(values)))


def _cloud(signal: Ragged, keep: Rows, title: str) -> CloudPanel:
    """Without a reading, a frame has no points."""
    clouds = [signal[f][evenly_spread(len(signal[f]), MOST_POINTS), :3] for f in keep]
    ragged = Ragged.from_frames(clouds, 3)
    return CloudPanel(title=title, points=ragged.values, offsets=ragged.offsets)


def flattened(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grids [K, ..., a, b] as [K, height, width]: the longer of the last two axes across, the rest down.

    CSI [3, 114, 10] becomes 30 rows, the packets of one antenna after those of the other, by 114 subcarriers.
    """
    if values.shape[-2] > values.shape[-1]:
        values = values.swapaxes(-1, -2)
    return values.reshape(len(values), -1, values.shape[-1])


def shrunk(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[K, height, width] with neighbours averaged until at most `MOST_ROWS` x `MOST_COLUMNS` are left."""
    _, height, width = values.shape
    down, across = -(-height // MOST_ROWS), -(-width // MOST_COLUMNS)
    rows, columns = np.arange(0, height, down), np.arange(0, width, across)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=1), columns, axis=2)
    counts = np.outer(np.diff([*rows, height]), np.diff([*columns, width]))
    return sums / counts


def _pictures(signal: Packed, layout: Image, keep: Rows) -> list[bytes]:
    """Small JPEG files; depth as grey, near is bright, no reading is black."""
    pictures = [decode(signal[f], layout) if len(signal[f]) else None for f in keep]
    if layout.dtype == "uint16":
        pictures = _greys(pictures)
    return [b"" if picture is None else _small(picture) for picture in pictures]


def _greys(pictures: list[NDArray[np.generic] | None]) -> list[NDArray[np.generic] | None]:
    """uint16 as uint8, on one scale over all frames."""
    readings = [picture[::4, ::4][picture[::4, ::4] != 0] for picture in pictures if picture is not None]
    known = np.concatenate([np.empty(0), *readings])
    near, far = np.percentile(known, (1, 99)) if len(known) else (0.0, 1.0)

    def grey(picture: NDArray[np.generic]) -> NDArray[np.generic]:
        depth = picture.astype(np.float64)
        bright = 255 - 215 * np.clip((depth - near) / (far - near or 1.0), 0, 1)
        return np.where(depth == 0, 0, bright).astype(np.uint8)

    return [None if picture is None else grey(picture) for picture in pictures]


def _small(picture: NDArray[np.generic]) -> bytes:
    scale = min(1.0, PICTURE_SIDE / max(picture.shape[:2]))
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    image = pillow.fromarray(np.ascontiguousarray(picture)).resize(size, pillow.Resampling.BOX)
    return encode(np.asarray(image), "jpeg", PICTURE_QUALITY)

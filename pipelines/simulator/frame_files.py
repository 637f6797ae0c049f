"""One file per sensor and frame, numbered from 1, with MM-Fi's names, types and units."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from equipose.pipelines.simulator.observe import Readings

Frame = NDArray[Any]


def write_frames(folder: Path, found: Readings, modalities: Sequence[str]) -> None:
    """Write the readings of `modalities` below the folder of a sequence."""
    for modality in modalities:
        name, write = WRITERS[modality]
        (folder / name).mkdir()
        for number, frame in enumerate(_frames(found, modality), 1):
            write(folder / name / f"frame{number:03d}", frame)


def _frames(found: Readings, modality: str) -> Iterator[Frame | tuple[Frame, Frame]]:
    """Readings of one sensor; those of WiFi with their phase."""
    if modality == "wifi":
        return zip(found["wifi"], found["wifi_phase"], strict=True)
    return iter(found[modality])


def _key_points(path: Path, pixels: Frame) -> None:
    np.save(path.with_suffix(".npy"), pixels)


def _points(path: Path, points: Frame) -> None:
    """Float64 row by row; an empty point set is a file of zero bytes."""
    points.astype(np.float64).tofile(path.with_suffix(".bin"))


def _depth_image(path: Path, millimetres: Frame) -> None:
    """A grey PNG of 16 bits; noise does not compress, so little effort is made."""
    Image.fromarray(millimetres.astype(np.uint16)).save(path.with_suffix(".png"), compress_level=1)


def _csi(path: Path, amplitude_phase: tuple[Frame, Frame]) -> None:
    from scipy.io import savemat  # slow to import, and jobs simulate without writing a tree

    amplitude, phase = amplitude_phase
    savemat(path.with_suffix(".mat"), {"CSIamp": amplitude, "CSIphase": phase})


WRITERS: dict[str, tuple[str, Callable[[Path, Any], None]]] = {
    "rgb": ("rgb", _key_points),
    "infra1": ("infra1", _key_points),
    "infra2": ("infra2", _key_points),
    "depth": ("depth", _depth_image),
    "lidar": ("lidar", _points),
    "mmwave": ("mmwave", _points),
    "wifi": ("wifi-csi", _csi),
}
"""Modality -> its folder in a sequence, and what writes a frame to a path without ending."""

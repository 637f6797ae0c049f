"""Tells another format from damage, by looking at the frames of a sequence together.

A damaged file differs from its neighbours; files of another format are alike, and a wrong reading of them can
pass every check of a single frame. MM-Fi's points are bare float64 without a header, so their number of
columns and their width show only in the sizes and the values of many files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from equipose.models.sensors import Points, sensor_of
from equipose.pipelines.readers.frame_files import read_content
from equipose.pipelines.readers.mmfi_tree import SensorFolder
from equipose.pipelines.sequence import POSE, BadFrame, Defect, evenly_spread

T = TypeVar("T")
Entry = NDArray[np.generic] | Defect
Files = dict[int, Path | Defect] | Defect
"""Frame number -> file, or the defect of the whole modality."""

SAMPLE = 40
"""Frames of a sequence that are looked at, evenly spread over it."""

SURE = 0.95
"""Share of a sequence that another format must explain before it is named."""
DOUBTFUL = 0.8
"""Share below which the expected format is given up for one that fits."""
MORE_ORDER = 0.3
"""By how much another number of columns must order the values better."""
SMALLEST, LARGEST = 1e-6, 1e5
"""Magnitudes of sensor values that are not zero."""
COLUMNS = range(2, 9)


@dataclass(frozen=True, kw_only=True)
class Usual:
    """What the typical magnitude (median) of a signal's first columns can be, and what else it may mean."""

    columns: int
    least: float
    most: float
    unit: str
    below: str
    above: str


_METRES = Usual(columns=3, least=0, most=50, unit="m", below="", above="millimetres? divide by 1000")
_PIXELS = Usual(
    columns=2, least=2, most=20_000, unit="px", above="", below="scaled to 0..1? multiply by the image's size"
)
USUAL: dict[str, Usual] = {"pose": _METRES, "lidar": _METRES, "mmwave": _METRES, "rgb": _PIXELS}
"""Signal -> its usual values; CSI has no unit to judge by."""


def from_one(
    modality: str,
    found: Files,
    truth: NDArray[np.generic] | Defect,
    kind: SensorFolder,
) -> Files:
    """The files by frame number from 1; the defect of the modality if its files are numbered from 0.

    A `frame000` beside the last frame of the poses is a stray file, and is left out.
    """
    if isinstance(found, Defect) or 0 not in found:
        return found
    frames = max(found) + 1 if isinstance(truth, Defect) else len(truth)
    if max(found) < frames:
        detail = (
            f"files are numbered from {kind.file(0)} to {kind.file(frames - 1)}, expected {kind.file(1)} to "
            f"{kind.file(frames)}: frames would be shifted by one against the poses; rename them"
        )
        return Defect(modality=modality, frame=None, reason="format", detail=detail)
    return {number: file for number, file in found.items() if number}


def judged(modality: str, entries: list[Entry], files: Files | None) -> list[Entry]:
    """The frames of a modality; if they are of another format or unit throughout, that defect instead."""
    paths = [p for p in files.values() if isinstance(p, Path)] if isinstance(files, dict) else []
    why = wrong_points(modality, paths) or wrong_unit(modality, entries)
    if why is None:
        return entries
    return [Defect(modality=modality, frame=None, reason="format", detail=why)] * len(entries)


def wrong_unit(signal: str, frames: Sequence[NDArray[np.generic] | Defect]) -> str | None:
    """What is wrong with the values of a sequence as a whole and the likely cause; None if they are usual."""
    usual = USUAL.get(signal)
    if usual is None:
        return None
    arrays = [frame for frame in _spread(frames) if not isinstance(frame, Defect)]
    sound = [
        a[:, : usual.columns].astype(np.float64) for a in arrays if a.ndim == 2 and a.dtype.kind in "fiu"
    ]
    values = np.abs(np.concatenate([a.reshape(-1) for a in sound])) if sound else np.empty(0)
    values = values[np.isfinite(values) & (values > 0)]
    if not values.size:
        return None
    typical = float(np.median(values))
    if usual.least <= typical <= usual.most:
        return None
    guess = usual.above if typical > usual.most else usual.below
    expected = f"{usual.least:g} to {usual.most:g} {usual.unit}"
    return f"values are typically {typical:.3g}, expected {expected}: {guess}"


def wrong_points(signal: str, paths: Sequence[Path]) -> str | None:
    """Which other format the files of a sequence of points have; None if they are float64 as expected."""
    layout = None if signal == POSE else sensor_of(signal).layout
    if not isinstance(layout, Points):
        return None
    sample = [content for path in _spread(paths) if (content := _content(path))]
    if not sample:
        return None
    columns = layout.channels
    expected = _fit(sample, "<f8", columns)
    single = _best(sample, "<f4", columns)
    double = _best(sample, "<f8", columns)
    if single and (expected.share < DOUBTFUL or single.spread < expected.spread / 2):
        return _told("float32", single.columns, layout)
    if double is None or double.columns == columns:
        return None
    if expected.share < DOUBTFUL or double.order > expected.order + MORE_ORDER:
        return _told("float64", double.columns, layout)
    return None


def _content(path: Path) -> bytes:
    """The bytes of a file; none of one that cannot be read."""
    try:
        return read_content(path)
    except BadFrame:
        return b""


def _told(kind: str, found: int, layout: Points) -> str:
    likely = " (x, y, z, intensity?)" if found == 4 else ""
    return (
        f"the files look like {kind} with {found} columns{likely}, expected float64 with {layout.channels} "
        f"({', '.join(layout.columns)}): convert them"
    )


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """How well one format explains the files."""

    columns: int
    share: float
    """Of the files whose size fits, times that of the values that a sensor can give."""
    order: float
    """Share of the variance that lies between the columns; near 0 where columns are mixed up."""
    spread: float
    """Binary orders of magnitude from the 10th to the 90th percentile."""


def _fit(sample: Sequence[bytes], dtype: str, columns: int) -> _Fit:
    width = np.dtype(dtype).itemsize * columns
    fitting = [content for content in sample if len(content) % width == 0]
    if not fitting:
        return _Fit(columns=columns, share=0, order=0, spread=np.inf)
    with np.errstate(all="ignore"):
        rows = (
            np.concatenate([np.frombuffer(c, dtype) for c in fitting]).astype(np.float64).reshape(-1, columns)
        )
        size = np.abs(rows)
        possible = (size == 0) | ((size >= SMALLEST) & (size <= LARGEST))
    share = len(fitting) / len(sample) * float(possible.mean())
    if dtype == "<f4" and not rows.reshape(-1)[::2].any():
        share = 0  # the lower halves of round float64 numbers
    return _Fit(columns=columns, share=share, order=_order(rows), spread=_orders_of_magnitude(size))


def _order(rows: NDArray[np.float64]) -> float:
    """Variance of the columns' means as a share of all variance, on a logarithmic scale."""
    rows = np.nan_to_num(rows, nan=0.0, posinf=LARGEST, neginf=-LARGEST)
    rows = np.sign(rows) * np.log1p(np.minimum(np.abs(rows), LARGEST))
    whole = float(rows.var())
    return float(rows.mean(axis=0).var()) / whole if whole else 0.0


def _orders_of_magnitude(size: NDArray[np.float64]) -> float:
    logs = np.log2(size[np.isfinite(size) & (size > 0)])
    low, high = np.quantile(logs, [0.1, 0.9]) if logs.size else (0.0, 0.0)
    return float(high - low)


def _best(sample: Sequence[bytes], dtype: str, columns: int) -> _Fit | None:
    """The number of columns that orders the values best, of those that explain nearly all files."""
    fits = [fit for n in COLUMNS if (fit := _fit(sample, dtype, n)).share >= SURE]
    if not fits:
        return None
    most = max(fit.order for fit in fits)
    near = [fit for fit in fits if fit.order >= most - 0.05]
    return min(near, key=lambda fit: (fit.columns != columns, fit.columns))


def _spread(items: Sequence[T]) -> Sequence[T]:
    """At most `SAMPLE` of the items, evenly spread."""
    return [items[i] for i in evenly_spread(len(items), SAMPLE)]

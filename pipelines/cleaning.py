"""Turns a sequence as read from its source into one that can be stored: checked, converted, cleaned, marked.

Every source goes through `assemble`, so "valid" means the same for MM-Fi, MARS and the simulator.
Nothing is dropped: what cannot be used becomes an invalid frame with a reason, and its row stays.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import NUM_JOINTS
from equipose.pipelines.sequence import BadFrame, Defect, FloatArray, Ragged, RawSequence, SensorSequence

SHAPES: dict[str, tuple[int | None, ...]] = {
    "rgb": (17, 2),
    "lidar": (None, 3),
    "mmwave": (None, 5),
    "wifi": (3, 114, 10),
    "pose": (NUM_JOINTS, 3),
}
"""modality -> shape of one frame; None where the length varies."""

CHECKED: tuple[str, ...] = tuple(SHAPES)
"""Signals with a validity mark in every row: the four sensors and the pose."""


def repair_csi(csi: NDArray[np.floating]) -> NDArray[np.float64]:
    """CSI amplitude [3, 114, 10] with infinities and NaN replaced as in MM-Fi's public toolbox.

    Infinities count as NaN; each NaN takes the mean over the usable values of its time slice
    `[:, :, i]`, across antennas and subcarriers. A slice without any usable value stays NaN.
    """
    with np.errstate(over="ignore"):
        repaired = np.where(np.isfinite(csi), csi, np.nan).astype(np.float64)
    for time in np.flatnonzero(np.isnan(repaired).any(axis=(0, 1))):
        slice_ = repaired[:, :, time]
        usable = slice_[~np.isnan(slice_)]
        if usable.size:
            slice_[np.isnan(slice_)] = usable.mean()
    return repaired


def minmax_csi(csi: FloatArray) -> FloatArray:
    """Each frame of CSI amplitude [..., 3, 114, 10] rescaled to 0..1, as the public toolbox does.

    A constant frame (such as the zeros of an invalid one) becomes zeros instead of 0/0.
    """
    low = csi.min(axis=(-3, -2, -1), keepdims=True)
    span = csi.max(axis=(-3, -2, -1), keepdims=True) - low
    return ((csi - low) / np.where(span > 0, span, 1)).astype(np.float32)


def _convert(array: NDArray[np.generic], modality: str) -> FloatArray:
    """One frame as float32; raises `BadFrame`."""
    shape = SHAPES[modality]
    if array.dtype.kind not in "fiu":
        raise BadFrame("dtype", f"found {array.dtype}, expected real numbers")
    if array.ndim != len(shape) or any(s not in (None, n) for s, n in zip(shape, array.shape, strict=True)):
        wanted = tuple("N" if s is None else s for s in shape)
        raise BadFrame("shape", f"found {array.shape}, expected {wanted}".replace("'", ""))
    if not array.size:
        raise BadFrame("empty-file", "no points")
    return _finite(repair_csi(array) if modality == "wifi" else array, modality)  # type: ignore[arg-type]


def _finite(array: NDArray[np.generic], modality: str) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(np.float32)
    bad = converted.size - np.count_nonzero(np.isfinite(converted))
    if bad:
        raise BadFrame("not-finite", f"{bad} of {converted.size} values")
    with np.errstate(over="ignore"):
        span = converted.max() - converted.min()
    if modality == "wifi" and not np.isfinite(span):
        raise BadFrame("not-finite", "the span from the smallest to the largest value")
    if modality == "wifi" and not span:
        raise BadFrame("constant", f"every value is {converted.flat[0]}")
    return converted


def clean_frame(entry: NDArray[np.generic] | Defect, modality: str, number: int) -> FloatArray | Defect:
    """One frame of one modality as float32 in its proper shape, or the defect that makes it unusable."""
    if isinstance(entry, Defect):
        return entry
    try:
        return _convert(entry, modality)
    except BadFrame as bad:
        return bad.defect(modality, number)


def _blank(modality: str) -> FloatArray:
    return np.zeros([n or 0 for n in SHAPES[modality]], np.float32)


def _stack(frames: list[FloatArray], modality: str) -> FloatArray:
    return np.stack(frames) if frames else np.empty((0, *_blank(modality).shape), np.float32)


def _ragged(frames: list[FloatArray], modality: str) -> Ragged:
    return Ragged.from_frames(frames, _blank(modality).shape[1])


def assemble(raw: RawSequence) -> SensorSequence:
    """Check, convert and clean every frame of every modality.

    Invalid frames hold zeros (no points in lidar and mmwave), are marked False in `valid`, and have a
    `Defect`. A modality that the source lacks is invalid throughout, provenance `absent`, with one
    defect for the whole sequence. CSI keeps its absolute amplitude; see `minmax_csi`.
    """
    frames: dict[str, list[FloatArray]] = {}
    valid: dict[str, NDArray[np.bool_]] = {}
    defects: list[Defect] = []
    for modality in CHECKED:
        cleaned = _clean_modality(raw, modality)
        own = {d: None for d in cleaned if isinstance(d, Defect)}
        defects += own
        valid[modality] = np.array([not isinstance(c, Defect) for c in cleaned], np.bool_)
        frames[modality] = [_blank(modality) if isinstance(c, Defect) else c for c in cleaned]

    return SensorSequence(
        environment=raw.environment,
        subject=raw.subject,
        action=raw.action,
        part=raw.part,
        numbers=raw.numbers.astype(np.int32),
        pose=_stack(frames["pose"], "pose"),
        rgb=_stack(frames["rgb"], "rgb"),
        lidar=_ragged(frames["lidar"], "lidar"),
        mmwave=_ragged(frames["mmwave"], "mmwave"),
        wifi=_stack(frames["wifi"], "wifi"),
        valid=valid,
        defects=tuple(defects),
        provenance={m: raw.provenance.get(m, "absent") if m in raw.frames else "absent" for m in CHECKED},
    )


def _clean_modality(raw: RawSequence, modality: str) -> list[FloatArray | Defect]:
    if modality not in raw.frames:
        absent = Defect(modality=modality, frame=None, reason="missing", detail="the source has none of it")
        return [absent] * len(raw.numbers)
    entries = raw.frames[modality]
    assert len(entries) == len(raw.numbers), f"{modality}: {len(entries)} frames, {len(raw.numbers)} numbers"
    return [clean_frame(entry, modality, int(n)) for entry, n in zip(entries, raw.numbers, strict=True)]

"""Turns a sequence as read from its source into one that can be stored: checked, converted, cleaned, marked.

Every source goes through `assemble`, so "valid" means the same for MM-Fi, MARS and the simulator.
Nothing is dropped: what cannot be used becomes an invalid frame with a reason, and its row stays.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from equipose.models.sensors import DEFAULT_SENSORS, Grid, Image, Layout, Points, Sensor, sensor_of
from equipose.pipelines.images import encode, resized
from equipose.pipelines.sequence import (
    POSE,
    POSE_LAYOUT,
    BadFrame,
    Defect,
    FloatArray,
    Packed,
    Ragged,
    RawSequence,
    SensorSequence,
    Signal,
)
from equipose.pipelines.strict import without_unchanging

Cleaned = FloatArray | bytes
"""One frame as stored: numbers, or a compressed picture."""


def clean_frame(entry: NDArray[np.generic] | Defect, name: str, number: int) -> Cleaned | Defect:
    """One frame of a sensor (or `pose`) as it is stored, or the defect that makes it unusable."""
    if isinstance(entry, Defect):
        return entry
    try:
        return _cleaned(entry, None if name == POSE else sensor_of(name))
    except BadFrame as bad:
        return bad.defect(name, number)


def _cleaned(entry: NDArray[np.generic], sensor: Sensor | None) -> Cleaned:
    layout = sensor.layout if sensor else POSE_LAYOUT
    if entry.dtype.kind not in "fiu":
        raise BadFrame("dtype", f"found {entry.dtype}, expected real numbers")
    if isinstance(layout, Image):
        return _picture(entry, layout)
    shape = layout.shape if isinstance(layout, Grid) else (None, layout.channels)
    if entry.ndim != len(shape) or any(s not in (None, n) for s, n in zip(shape, entry.shape, strict=True)):
        wanted = tuple("N" if s is None else s for s in shape)
        raise BadFrame("shape", f"found {entry.shape}, expected {wanted}".replace("'", ""))
    if not entry.size:
        raise BadFrame("empty-file", "no points")
    repaired = sensor.repair(entry) if sensor and sensor.repair else entry  # type: ignore[arg-type]
    converted = _finite(repaired)
    if sensor and sensor.refuse_constant:
        _refuse_constant(converted)
    return converted


def _picture(entry: NDArray[np.generic], layout: Image) -> bytes:
    """A picture of any size, of the layout's type and channels, resized and compressed."""
    colours = (1,) if entry.ndim == 2 else entry.shape[2:]
    if entry.dtype != layout.dtype or colours != (layout.channels,):
        found = f"found {entry.shape} {entry.dtype}"
        raise BadFrame("shape", f"{found}, expected {layout.channels} channels of {layout.dtype}")
    if not entry.size or not entry.any():
        raise BadFrame("constant" if entry.size else "empty-file", "every pixel is 0")
    return encode(resized(entry, layout), layout.codec)


def _finite(array: NDArray[np.generic]) -> FloatArray:
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(np.float32)
    bad = converted.size - np.count_nonzero(np.isfinite(converted))
    if bad:
        raise BadFrame("not-finite", f"{bad} of {converted.size} values")
    return converted


def _refuse_constant(frame: FloatArray) -> None:
    with np.errstate(over="ignore"):
        span = frame.max() - frame.min()
    if not np.isfinite(span):
        raise BadFrame("not-finite", "the span from the smallest to the largest value")
    if not span:
        raise BadFrame("constant", f"every value is {frame.flat[0]}")


def minmax(frames: FloatArray, dimensions: int) -> FloatArray:
    """Each frame rescaled to 0..1 over its (last) `dimensions` axes, as the public toolbox does with CSI.

    A constant frame (such as the zeros of an invalid one) becomes zeros instead of 0/0.
    """
    axes = tuple(range(-dimensions, 0))
    low = frames.min(axis=axes, keepdims=True)
    span = frames.max(axis=axes, keepdims=True) - low
    return ((frames - low) / np.where(span > 0, span, 1)).astype(np.float32)


def assemble(
    raw: RawSequence, sensors: Sequence[str] = DEFAULT_SENSORS, strict: Collection[str] = ()
) -> SensorSequence:
    """Check, convert and clean every frame of these sensors and of the pose.

    strict: sensors whose frames must change, see `equipose.pipelines.strict`.

    Invalid frames hold zeros (no points, no bytes), are marked False in `valid`, and have a `Defect`. A
    sensor that the source lacks is invalid throughout, provenance `absent`, with one defect for all frames.
    """
    signals: dict[str, Signal] = {}
    valid: dict[str, NDArray[np.bool_]] = {}
    defects: list[Defect] = []
    names = (*sensors, POSE)
    for name in names:
        cleaned = _clean_signal(raw, name)
        if name in strict:
            cleaned = without_unchanging(cleaned, raw.numbers.tolist(), name, sensor_of(name).layout)
        defects += {d: None for d in cleaned if isinstance(d, Defect)}
        valid[name] = np.array([not isinstance(c, Defect) for c in cleaned], np.bool_)
        signals[name] = _stored(cleaned, POSE_LAYOUT if name == POSE else sensor_of(name).layout)
    return SensorSequence(
        environment=raw.environment,
        subject=raw.subject,
        action=raw.action,
        part=raw.part,
        camera=raw.camera,
        numbers=raw.numbers.astype(np.int32),
        signals=signals,
        valid=valid,
        defects=(*defects, *raw.remarks),
        provenance={n: raw.provenance.get(n, "absent") if n in raw.frames else "absent" for n in names},
    )


def _clean_signal(raw: RawSequence, name: str) -> list[Cleaned | Defect]:
    if name not in raw.frames:
        absent = Defect(modality=name, frame=None, reason="missing", detail="the source has none of it")
        return [absent] * len(raw.numbers)
    entries = raw.frames[name]
    assert len(entries) == len(raw.numbers), f"{name}: {len(entries)} frames, {len(raw.numbers)} numbers"
    return [clean_frame(entry, name, int(n)) for entry, n in zip(entries, raw.numbers, strict=True)]


def _stored(cleaned: list[Cleaned | Defect], layout: Layout) -> Signal:
    """The frames of a signal, with blanks for the invalid ones."""
    if isinstance(layout, Image):
        return Packed.from_frames([frame if isinstance(frame, bytes) else b"" for frame in cleaned])
    blank = np.zeros((0, layout.channels) if isinstance(layout, Points) else layout.shape, np.float32)
    frames = [frame if isinstance(frame, np.ndarray) else blank for frame in cleaned]
    if isinstance(layout, Points):
        return Ragged.from_frames(frames, layout.channels)
    return np.stack(frames) if frames else np.empty((0, *layout.shape), np.float32)

"""Cleaning: exactly the toolbox's CSI repair, and a mark with a reason for everything unusable."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from equipose.models.sensors.mmfi import repair_csi
from equipose.pipelines.cleaning import assemble, clean_frame, minmax
from equipose.pipelines.sequence import REASONS, Defect, RawSequence


def toolbox_csi(csi: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the MM-Fi paper's data page describes, written with plain loops."""
    csi = csi.copy()
    csi[np.isinf(csi)] = np.nan
    for i in range(csi.shape[2]):
        usable = [v for v in csi[:, :, i].ravel() if v == v]
        for place in np.argwhere(np.isnan(csi[:, :, i])):
            csi[(*place, i)] = np.mean(usable)
    return (csi - csi.min()) / (csi.max() - csi.min())


def make_csi(lost: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(lost)
    csi = rng.uniform(29, 49, (3, 114, 10))
    csi.ravel()[rng.choice(csi.size, lost, replace=False)] = rng.choice([np.inf, -np.inf, np.nan], lost)
    return csi


@pytest.mark.parametrize("lost", [0, 1, 40, 2000])
def test_repair_and_scaling_equal_the_loops(lost: int) -> None:
    csi = make_csi(lost)
    before = csi.copy()
    cleaned = clean_frame(csi, "wifi", 1)
    assert isinstance(cleaned, np.ndarray)
    assert np.abs(minmax(cleaned, 3) - toolbox_csi(csi)).max() < 1e-6
    assert np.array_equal(csi, before, equal_nan=True)


def test_what_is_usable_is_not_touched() -> None:
    csi = make_csi(40)
    assert np.array_equal(repair_csi(csi)[np.isfinite(csi)], csi[np.isfinite(csi)])


def test_scaling_is_per_frame_and_safe_for_invalid_ones() -> None:
    frames = np.stack([make_csi(0), make_csi(0) * 3 + 5, np.zeros((3, 114, 10))]).astype(np.float32)
    scaled = minmax(frames, 3)
    assert scaled.dtype == np.float32
    assert np.allclose(scaled[0], scaled[1], atol=1e-6)
    assert (scaled[:2].min(axis=(1, 2, 3)).tolist(), scaled[:2].max(axis=(1, 2, 3)).tolist()) == (
        [0, 0],
        [1, 1],
    )
    assert not scaled[2].any()
    assert np.array_equal(scaled[1], minmax(frames[1], 3))


@pytest.mark.parametrize(
    ("modality", "entry", "reason"),
    [
        ("rgb", np.ones((17, 2), bool), "dtype"),
        ("rgb", np.ones(34), "shape"),
        ("lidar", np.ones((4, 2)), "shape"),
        ("mmwave", np.empty((0, 5)), "empty-file"),
        ("mmwave", np.empty((0, 4)), "shape"),
        ("pose", np.full((17, 3), np.inf), "not-finite"),
        ("wifi", np.full((3, 114, 10), np.nan), "not-finite"),
        ("wifi", np.full((3, 114, 10), 7), "constant"),
    ],
)
def test_unusable_frames_have_a_known_reason(modality: str, entry: NDArray[np.generic], reason: str) -> None:
    found = clean_frame(entry, modality, 9)
    assert isinstance(found, Defect)
    assert (found.modality, found.frame, found.reason) == (modality, 9, reason)
    assert reason in REASONS


def test_numbers_of_any_real_type_become_float32() -> None:
    for dtype in (np.float64, np.float16, np.int16, np.uint8, ">f4"):
        found = clean_frame(np.ones((4, 3), dtype), "lidar", 1)
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.dtype(np.float32)


def make_raw(**frames: list[NDArray[np.generic] | Defect]) -> RawSequence:
    return RawSequence(
        environment="E01",
        subject="S01",
        action="A01",
        numbers=np.array([4, 7], np.int32),
        frames=frames,
        provenance=dict.fromkeys(frames, "real"),
    )


def test_absent_modalities_are_marked_once_and_rows_stay() -> None:
    broken = Defect(modality="lidar", frame=4, reason="truncated", detail="x.bin")
    sequence = assemble(make_raw(pose=[np.ones((17, 3))] * 2, lidar=[broken, np.ones((6, 3))]))
    assert sequence.numbers.tolist() == [4, 7]
    assert sequence.provenance == {
        m: "real" if m in ("pose", "lidar") else "absent" for m in sequence.signals
    }
    assert sequence.valid["pose"].all()
    assert sequence.valid["lidar"].tolist() == [False, True]
    assert [len(sequence.signals["lidar"][0]), len(sequence.signals["lidar"][1])] == [0, 6]
    assert broken in sequence.defects
    absent = [d for d in sequence.defects if d is not broken]
    assert [(d.modality, d.frame, d.reason) for d in absent] == [
        (m, None, "missing") for m in ("rgb", "mmwave", "wifi")
    ]
    assert sequence.signals["wifi"].shape == (2, 3, 114, 10)


def test_a_sequence_without_frames_is_still_one() -> None:
    raw = make_raw()
    empty = assemble(RawSequence(**{**vars(raw), "numbers": np.empty(0, np.int32)}))
    assert len(empty) == 0
    assert empty.signals["rgb"].shape == (0, 17, 2)
    assert len(empty.signals["lidar"]) == 0

"""Vectorised gathers equal plain loops over frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from equipose.pipelines.batches.gather import fused_clouds, gather_dense, gather_points, rescale, window_rows
from equipose.pipelines.cleaning import minmax
from equipose.pipelines.sequence import SensorSequence
from equipose.pipelines.store import Store


def test_no_point_at_all() -> None:
    """Found by the test below: one number, two channels, everything masked."""
    found = gather_points(
        np.ones(1, np.float32), np.array([0]), np.array([[0]]), np.array([[False]]), channels=2
    )
    np.testing.assert_array_equal(found, np.zeros((1, 1, 2)))


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=12),
    channels=st.integers(1, 5),
    before=st.integers(0, 7),
    data=st.data(),
)
def test_points_equal_a_loop(counts: list[int], channels: int, before: int, data: st.DataObject) -> None:
    """Any ragged clouds at any place in the flat array, empty ones and the very last included."""
    sizes = np.array(counts)
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=before + channels * sizes.sum() + (sizes.sum() == 0)).astype(np.float32)
    starts = before + channels * (np.cumsum(sizes) - sizes)
    wanted = data.draw(st.integers(1, 6))
    positions = rng.integers(0, np.maximum(sizes, 1)[:, None], (len(sizes), wanted))
    mask = (np.arange(wanted) % 3 != 1) & (sizes > 0)[:, None]
    found = gather_points(numbers, starts, positions, mask, channels)
    for b, start in enumerate(starts):
        for n in range(wanted):
            at = start + channels * positions[b, n]
            expected = numbers[at : at + channels] if mask[b, n] else np.zeros(channels)
            np.testing.assert_array_equal(found[b, n], expected)


@given(starts=st.lists(st.integers(0, 88), max_size=10))
def test_dense_equals_slicing(starts: list[int]) -> None:
    numbers = np.arange(100, dtype=np.float32)
    found = gather_dense(numbers, np.array(starts, np.int64), (3, 4))
    assert found.shape == (len(starts), 3, 4)
    for start, block in zip(starts, found, strict=True):
        np.testing.assert_array_equal(block.ravel(), numbers[start : start + 12])


def test_layout_finds_every_number(store: Store, sequences: list[SensorSequence]) -> None:
    layout, row = store.layout, 0
    for sequence in sequences:
        for f in range(len(sequence)):
            for name, shape in {"rgb": (17, 2), "wifi": (3, 114, 10), "pose": (17, 3)}.items():
                found = gather_dense(layout.numbers, layout.dense[name][[row]], shape)[0]
                np.testing.assert_array_equal(found, sequence.signals[name][f])
            for name in ("lidar", "mmwave"):
                assert layout.counts[name][row] == len(sequence.signals[name][f])
            row += 1
    np.testing.assert_array_equal(layout.first, [0] * 7 + [7] * 5 + [12] * 9)
    np.testing.assert_array_equal(layout.last, [6] * 7 + [11] * 5 + [20] * 9)


def test_windows_repeat_the_ends_and_skip_unusable_frames(store: Store) -> None:
    usable = np.ones(21, np.bool_)
    usable[9] = False
    windows = window_rows(store.layout, np.array([7, 8, 11, 12, 0, 20]), 5, usable)
    np.testing.assert_array_equal(
        windows,
        [[7, 7, 7, 8, 7], [7, 7, 8, 8, 10], [11, 10, 11, 11, 11], [12, 12, 12, 13, 14], [0, 0, 0, 1, 2],
         [18, 19, 20, 20, 20]],
    )  # fmt: skip


def test_fused_radar_is_the_last_frames_of_the_same_sequence(
    store: Store, sequences: list[SensorSequence]
) -> None:
    row = 0
    for sequence in sequences:
        for f in range(len(sequence)):
            for frames in (1, 2, 3):
                starts, counts = fused_clouds(store.layout, "mmwave", np.array([row]), frames)
                clouds = sequence.signals["mmwave"]
                expected = np.concatenate([clouds[g] for g in range(max(0, f - frames + 1), f + 1)])
                assert counts[0] == len(expected)
                found = gather_dense(store.layout.numbers, starts, expected.shape)[0]
                np.testing.assert_array_equal(found, expected)
            row += 1


def test_rescale_is_the_cleaning_rule_bit_for_bit(make_sequence: Callable[..., SensorSequence]) -> None:
    wifi = make_sequence(1, 1, 6, invalid={"wifi": [2]}).signals["wifi"]
    flat = wifi.reshape(6, -1)
    found = rescale(torch.from_numpy(wifi.copy()), flat.min(axis=1), flat.max(axis=1))
    np.testing.assert_array_equal(found.numpy(), minmax(wifi, 3))
    assert not found[2].any()

"""Batches are a pure function of (store, rows, config, epoch), in any process and for any number of ranks."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from equipose.models.batch import Batch
from equipose.models.sensors import GridView, ImageView, PointsView, point_views
from equipose.pipelines.batches.source import BatchConfig, BatchSource
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.images import decode
from equipose.pipelines.sequence import SensorSequence
from equipose.pipelines.store import Store

CONFIG = BatchConfig(batch_size=4, views=point_views(lidar=12, mmwave=6), seed=5)


def join(batches: Iterable[Batch]) -> Batch:
    """Batches concatenated."""
    parts = list(batches)

    def cat(name: str) -> dict[str, torch.Tensor]:
        return {key: torch.cat([getattr(b, name)[key] for b in parts]) for key in getattr(parts[0], name)}

    return Batch(
        inputs=cat("inputs"),
        masks=cat("masks"),
        labels=cat("labels"),
        present=torch.cat([b.present for b in parts]),
        pose=torch.cat([b.pose for b in parts]),
        index=torch.cat([b.index for b in parts]),
    )


def assert_same(one: Batch, other: Batch) -> None:
    """Bit for bit."""
    for name in ("present", "pose", "index"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    for name in ("inputs", "masks", "labels"):
        first, second = getattr(one, name), getattr(other, name)
        assert list(first) == list(second)
        for key in first:
            assert torch.equal(first[key], second[key]), (name, key)


@pytest.fixture
def source(store: Store) -> BatchSource:
    return BatchSource(store, np.arange(21), CONFIG)


def test_shapes_types_and_names(source: BatchSource) -> None:
    batch = next(source.in_order())
    assert {name: tuple(x.shape) for name, x in batch.inputs.items()} == {
        "rgb": (4, 1, 17, 2), "lidar": (4, 12, 3), "mmwave": (4, 6, 5), "wifi": (4, 3, 114, 10),
    }  # fmt: skip
    assert {x.dtype for x in (*batch.inputs.values(), batch.pose)} == {torch.float32}
    assert {name: (tuple(m.shape), m.dtype) for name, m in batch.masks.items()} == {
        "lidar": ((4, 12), torch.bool), "mmwave": ((4, 6), torch.bool),
    }  # fmt: skip
    assert batch.present.shape == (4, 4)
    assert batch.index.tolist() == [0, 1, 2, 3]
    last = list(source.in_order())[-1]
    assert {name: values.tolist() for name, values in last.labels.items()} == {
        "environment": [2], "subject": [12], "action": [1],
    }  # fmt: skip


def test_values_are_those_of_the_frame_view(source: BatchSource) -> None:
    batch, row = join(source.in_order()), 0
    for environment, subject, action, number in source.store.index.select(
        "environment", "subject", "action", "number"
    ).iter_rows():
        frame = source.store.frame(environment, subject, action, number)
        for m, name in enumerate(("rgb", "lidar", "mmwave", "wifi")):
            assert batch.present[row, m] == (frame[name] is not None)
            found = batch.inputs[name][row].numpy()
            if frame[name] is None:
                assert not found.any()
            elif name in batch.masks:
                real = batch.masks[name][row].numpy()
                assert real.sum() == min(len(frame[name]), len(real))
                assert not found[~real].any()
                assert {tuple(p) for p in found[real]} <= {tuple(p) for p in frame[name]}
            else:
                np.testing.assert_array_equal(found.reshape(frame[name].shape), frame[name])
        np.testing.assert_array_equal(batch.pose[row].numpy(), frame["pose"])
        row += 1
    assert row == 21


def test_epoch_order_is_a_derived_permutation(source: BatchSource) -> None:
    assert sorted(source.epoch_order(0)) == list(range(21))
    assert source.epoch_order(0).tolist() == source.epoch_order(0).tolist()
    assert source.epoch_order(0).tolist() != source.epoch_order(1).tolist()
    reseeded = BatchSource(source.store, source.rows, replace(CONFIG, seed=6))
    assert reseeded.epoch_order(0).tolist() != source.epoch_order(0).tolist()


@pytest.mark.parametrize("world_size", [2, 4])
@pytest.mark.parametrize("drop_last", [False, True])
def test_ranks_together_are_one_rank(source: BatchSource, world_size: int, drop_last: bool) -> None:
    order = source.epoch_order(3)
    alone = list(source.batches(order, epoch=3, drop_last=drop_last))
    assert len(alone) == (5 if drop_last else 6)
    ranks = [
        list(source.batches(order, epoch=3, rank=r, world_size=world_size, drop_last=drop_last))
        for r in range(world_size)
    ]
    for step, batch in enumerate(alone):
        assert_same(join(rank[step] for rank in ranks if step < len(rank)), batch)
    if drop_last:
        assert {len(batch) for rank in ranks for batch in rank} == {4 // world_size}


def test_resuming_at_a_step_gives_the_same_batches(source: BatchSource) -> None:
    order = source.epoch_order(1)
    present = np.random.default_rng(0).random((21, 4)) < 0.5
    whole = list(source.batches(order, present, epoch=1))
    for step in (0, 2, 5, 6):
        rest = list(source.batches(order, present, epoch=1, start_step=step))
        assert len(rest) == 6 - step
        for one, other in zip(rest, whole[step:], strict=True):
            assert_same(one, other)
    sent = pickle.loads(pickle.dumps(source))
    assert_same(next(sent.batches(order, present, epoch=1, start_step=4)), whole[4])


def test_points_depend_on_seed_epoch_and_row_alone(source: BatchSource) -> None:
    rows = np.flatnonzero(source.store.layout.counts["lidar"] > 20)[::2]
    assert len(rows) > 3
    epoch2 = join(source.batches(rows, epoch=2))
    shuffled = join(source.batches(source.epoch_order(2), epoch=2))
    position = [shuffled.index.tolist().index(row) for row in rows]
    assert torch.equal(shuffled.inputs["lidar"][position], epoch2.inputs["lidar"])
    assert not torch.equal(join(source.batches(rows, epoch=3)).inputs["lidar"], epoch2.inputs["lidar"])


def test_shares_of_any_number_make_up_the_rows(source: BatchSource) -> None:
    whole = join(source.in_order())
    for count in (1, 2, 5, 21):
        assert_same(join(b for i in range(count) for b in source.share(i, count)), whole)


def test_rows_keep_the_order_they_were_given(store: Store) -> None:
    rows = np.array([20, 3, 11])
    assert join(BatchSource(store, rows, CONFIG).in_order()).index.tolist() == [20, 3, 11]


def test_fewer_rows_than_a_batch_still_give_one(store: Store) -> None:
    source = BatchSource(store, np.array([4, 5, 6]), CONFIG)
    assert [len(b) for b in source.batches(source.rows, epoch=0, drop_last=True)] == [3]
    ranks = [list(source.batches(source.rows, epoch=0, rank=r, world_size=2, drop_last=True)) for r in (0, 1)]
    assert [[b.index.tolist() for b in rank] for rank in ranks] == [[[4]], [[5]]]
    uneven = [list(source.in_order(rank=r, world_size=4)) for r in range(4)]
    assert [sum(len(b) for b in rank) for rank in uneven] == [0, 1, 1, 1]


def test_presence_is_validity_and_plan(source: BatchSource) -> None:
    rows = np.array([7, 8, 9, 10, 11])
    valid = join(source.batches(rows, epoch=0)).present
    assert valid.tolist() == [
        [False, True, True, True], [True, False, True, True], [True, True, False, True],
        [False, True, True, True], [True, True, True, False],
    ]  # fmt: skip
    plan = np.ones((5, 4), np.bool_)
    plan[:, 1] = False
    assert torch.equal(join(source.batches(rows, plan, epoch=0)).present, valid & torch.from_numpy(plan))


def test_chosen_modalities_and_their_order(store: Store) -> None:
    config = replace(CONFIG, modalities=("wifi", "rgb"))
    batch = join(BatchSource(store, np.arange(7, 12), config).in_order())
    assert list(batch.inputs) == ["wifi", "rgb"]
    assert batch.masks == {}
    assert batch.present.tolist() == [[True, False], [True, True], [True, True], [True, False], [False, True]]


def test_windows_centre_on_the_row(store: Store, sequences: list[SensorSequence]) -> None:
    source = BatchSource(store, np.array([12, 14]), replace(CONFIG, views={"rgb": GridView(window=3)}))
    rgb = next(source.in_order()).inputs["rgb"].numpy()
    np.testing.assert_array_equal(rgb[0], sequences[2].signals["rgb"][[0, 0, 1]])
    np.testing.assert_array_equal(rgb[1], sequences[2].signals["rgb"][[1, 2, 3]])


def test_fused_radar_never_reaches_into_the_sequence_before(
    store: Store, sequences: list[SensorSequence]
) -> None:
    source = BatchSource(
        store, np.array([12, 13]), replace(CONFIG, views={"mmwave": PointsView(points=200, frames=3)})
    )
    batch = next(source.in_order())
    mmwave = sequences[2].signals["mmwave"]
    for b, expected in enumerate([mmwave[0], np.concatenate([mmwave[0], mmwave[1]])]):
        real = batch.masks["mmwave"][b]
        np.testing.assert_array_equal(batch.inputs["mmwave"][b][real].numpy(), expected)


def test_absolute_csi_keeps_power(store: Store, sequences: list[SensorSequence]) -> None:
    source = BatchSource(store, np.arange(7), replace(CONFIG, views={"wifi": GridView()}, batch_size=7))
    np.testing.assert_array_equal(
        next(source.in_order()).inputs["wifi"].numpy(), sequences[0].signals["wifi"]
    )
    scaled = next(BatchSource(store, np.arange(7), replace(CONFIG, batch_size=7)).in_order()).inputs["wifi"]
    assert torch.equal(scaled.amax((1, 2, 3)), torch.ones(7))


def test_batches_can_be_changed_without_touching_the_store(source: BatchSource) -> None:
    before = next(source.in_order())
    changed = next(source.in_order())
    for tensor in (*changed.inputs.values(), changed.pose, changed.index, changed.present):
        tensor.zero_()
    assert_same(next(source.in_order()), before)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("batch_size", 0),
        ("modalities", ("rgb", "sonar")),
        ("modalities", ()),
        ("modalities", ("rgb", "rgb")),
    ],
)
def test_config_names_field_and_value(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"batch.{field} must be .*got"):
        BatchConfig(**{field: value})


@pytest.mark.parametrize(
    ("name", "view", "message"),
    [
        ("lidar", {"points": 0}, "batch.lidar: points must be at least 1, got 0"),
        ("mmwave", {"frames": 4}, "batch.mmwave: frames must be 1, 2 or 3, got 4"),
        ("rgb", {"window": 2}, "batch.rgb: window must be odd"),
        ("rgb", {"scale": "minmax"}, "batch.rgb: scale must be 'absolute'"),
        ("wifi", {"window": 3}, "batch.wifi: window must be 1"),
        ("wifi", {"points": 3}, "batch.wifi: .*unexpected keyword argument 'points'"),
        ("lidar", GridView(), "batch.lidar: a view of Points is a PointsView"),
    ],
)
def test_views_name_sensor_field_and_value(name: str, view: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BatchConfig(views={name: view})  # type: ignore[dict-item]


def test_views_are_complete_and_only_of_the_modalities() -> None:
    config = BatchConfig(modalities=("lidar", "depth"), views=point_views(lidar=7, mmwave=3))
    assert config.views == {"lidar": PointsView(points=7), "depth": ImageView(stride=2)}


def test_pictures_are_decoded_in_the_sensors_unit(
    write_store: Callable[..., Store], make_sequence: Callable[..., SensorSequence]
) -> None:
    sensors = ("rgb", "depth")
    sequence = make_sequence(1, 1, 9, sensors=sensors, invalid={"depth": [3]})
    store = write_store([sequence], sensors=sensors)
    config = BatchConfig(modalities=sensors, batch_size=9, views={"depth": ImageView(stride=3)})
    batch = next(BatchSource(store, np.arange(9), config).in_order())
    assert batch.inputs["depth"].shape == (9, 1, 48, 64)
    assert batch.present[:, 1].tolist() == [True] * 3 + [False] + [True] * 5
    packed, image = sequence.signals["depth"], store.signals.images["depth"]
    for row in range(9):
        expected = np.zeros(image.shape) if row == 3 else decode(packed[row], image)  # type: ignore[arg-type]
        found = batch.inputs["depth"][row, 0].numpy()
        np.testing.assert_allclose(found, expected[::3, ::3] * 0.001, rtol=1e-6)


def test_a_store_without_the_sensor_says_what_to_leave_out(store: Store) -> None:
    with pytest.raises(DataError, match="without 'depth'; leave it out with --sensors"):
        BatchSource(store, np.arange(3), BatchConfig(modalities=("rgb", "depth")))


def test_misuse_is_refused_at_the_call(
    source: BatchSource, write_store: Callable[..., Store], make_sequence: Callable[..., SensorSequence]
) -> None:
    with pytest.raises(
        ValueError, match="batch_size 4 does not divide among 3 ranks; use a multiple, such as 6"
    ):
        source.batches(source.rows, epoch=0, world_size=3)
    with pytest.raises(ValueError, match="rank must lie in"):
        source.batches(source.rows, epoch=0, rank=2, world_size=2)
    with pytest.raises(ValueError, match="start_step"):
        source.batches(source.rows, epoch=0, start_step=-1)
    with pytest.raises(ValueError, match=r"present must have shape \(21, 4\)"):
        source.batches(source.rows, np.ones((21, 3), np.bool_), epoch=0)
    with pytest.raises(ValueError, match="cannot be shared by 4 ranks"):
        source.batches(source.rows[:3], epoch=0, world_size=4, drop_last=True)
    with pytest.raises(DataError, match="row is 21, but it has 21 frames"):
        source.batches(np.array([21]), epoch=0)
    unlabelled = write_store([make_sequence(1, 1, 4, invalid={"pose": [2]})], "unlabelled")
    with pytest.raises(DataError, match="valid_pose is False for row 2"):
        BatchSource(unlabelled, np.arange(4), CONFIG)
    usable = unlabelled.index.filter(pl.col("valid_pose"))["row"].to_numpy()
    assert len(join(BatchSource(unlabelled, usable, CONFIG).in_order())) == 3


def test_rows_without_a_pose_can_be_predicted(
    write_store: Callable[..., Store], make_sequence: Callable[..., SensorSequence]
) -> None:
    store = write_store([make_sequence(1, 1, 4, invalid={"pose": [2]})], "unlabelled")
    rows = np.arange(4)
    source = pickle.loads(pickle.dumps(BatchSource(store, rows, CONFIG, posed=False)))
    assert join(source.in_order()).index.tolist() == rows.tolist()
    with pytest.raises(DataError, match="row is 4, but it has 4 frames"):
        BatchSource(store, rows + 1, CONFIG, posed=False)

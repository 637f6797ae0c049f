"""Where the points of a store lie relative to the pose, and whether another order of columns fits it better.

Nothing in a file of bare numbers says which column is depth, but the pose does: in the right order points lie
on the person. All 48 orders of the axes (permutations with signs) are tried on a sample of frames, and one is
suggested where it fits clearly better than the stored one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import BONES, ROOT
from equipose.pipelines.column_order import (
    ORDERS,
    SAME,
    Axes,
    ColumnOrder,
    axes_text,
    chained,
    options_of,
    orders_of,
    settings_of,
    turned,
)
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers import READERS, Ordered
from equipose.pipelines.sequence import Ragged, evenly_spread
from equipose.pipelines.store import Store

Array = NDArray[np.float64]

SEQUENCES, FRAMES, POINTS = 40, 200, 64
"""At most so many sequences, frames in all and points of each frame are looked at, evenly spread."""
NEAR = 0.5
"""Metres from the nearest bone. Points farther away in every order are not the person's and do not count;
others count as this far at most, so that strays weigh little."""
LEAST_FRAMES = 20
"""With fewer, nothing is suggested."""
CLEAR, OFTEN = 0.8, 0.75
"""Another order is suggested if its mean distance is at most this share of that of the stored one, and if it
is closer in this share of the frames."""
RIVAL = 1.1
"""Orders whose distance is at most so many times that of the best are named as possible too."""
SIGNED, UNSIGNED = "doppler", "intensity"
"""A column that lies around 0, and one that is never negative."""
BOTH_SIGNS = 0.1
"""Share of the rarer sign, among values that are not 0, from which a column lies around 0."""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Sampled frames of one sensor."""

    columns: tuple[str, ...]
    clouds: tuple[Array, ...]
    """Points [N, C] of every frame; N is 1 or more."""
    poses: tuple[Array, ...]
    """[17, 3] of every frame."""

    def __len__(self) -> int:
        return len(self.clouds)

    @cached_property
    def distances(self) -> tuple[Array, ...]:
        """Metres [48, N] to the nearest bone in every order, of points that are near it in some order."""
        found = [distances(cloud[:, :3], pose) for cloud, pose in zip(self.clouds, self.poses, strict=True)]
        return tuple(np.minimum(each[:, each.min(axis=0) < NEAR], NEAR) for each in found)


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where the points of a sensor lie."""

    sensor: str
    frames: int
    """That were looked at."""
    quartiles: dict[str, tuple[float, float, float]]
    """Column -> 25, 50 and 75 % of point minus pelvis, m, for x, y, z; of the values for other columns."""
    axes: tuple[Axes, ...] = ()
    """Of the stored points: the order that fits clearly better, then those that fit nearly as well."""
    distance: tuple[float, float] = (0.0, 0.0)
    """Mean metres to the nearest bone as stored, and in the order that fits best."""
    swapped: bool = False
    """Whether `SIGNED` and `UNSIGNED` look exchanged."""


def placements(store: Store) -> tuple[Placement, ...]:
    """Of every sensor of points with valid frames; reads a sample of the frames."""
    samples = {name: sampled(store, name) for name in store.signals.points}
    return tuple(_placed(name, frames) for name, frames in samples.items() if len(frames))


def advice(store: Store, placed: Sequence[Placement]) -> tuple[str, ...]:
    """What to say about columns that seem to be in another order, and the options that set it; often nothing.

    Raises DataError where the store's own settings name no order.
    """
    stored = _stored_orders(store)
    better = {p.sensor: _improved(stored[p.sensor], p) for p in placed if p.axes or p.swapped}
    if not better:
        return ()
    reasons = [line for p in placed for line in _reasons(p, stored[p.sensor])]
    if isinstance(READERS.get(str(store.header["source"])), Ordered):
        options = options_of(settings_of({**stored, **better}))
        way_out = f"prepare it again into another folder with {options or 'the default axes and columns'}"
    else:
        way_out = "correct the order where the data is read"
    return (*reasons, way_out)


def distances(points: Array, pose: Array) -> Array:
    """Metres [48, N] from points [N, 3] to the nearest bone of a pose [17, 3], in every one of `ORDERS`."""
    starts, ends = pose[[a for a, _ in BONES]], pose[[b for _, b in BONES]]
    along = ends - starts
    length = np.maximum((along**2).sum(axis=-1), 1e-12)
    tried = np.stack([turned(points, axes) for axes in ORDERS])
    offset = tried[:, :, None] - starts
    share = np.clip((offset * along).sum(axis=-1) / length, 0, 1)
    return np.linalg.norm(offset - share[..., None] * along, axis=-1).min(axis=-1)


def better_axes(frames: Frames) -> tuple[tuple[Axes, ...], tuple[float, float]]:
    """`Placement.axes` and `Placement.distance` of these frames."""
    held = [each for each in frames.distances if each.shape[1]]
    if not held:
        return (), (NEAR, NEAR)
    means = np.concatenate(held, axis=1).mean(axis=1)
    best, stored = int(means.argmin()), ORDERS.index(SAME)
    closer = np.mean([each[best].mean() < each[stored].mean() for each in held])
    distance = (float(means[stored]), float(means[best]))
    if len(held) < LEAST_FRAMES or means[best] > CLEAR * means[stored] or closer < OFTEN:
        return (), distance
    rivals = [i for i in np.argsort(means) if i != best and means[i] <= RIVAL * means[best]]
    return tuple(ORDERS[i] for i in (best, *rivals)), distance


def look_swapped(frames: Frames) -> bool:
    """Whether the unsigned column lies around 0 while the signed one is never negative."""
    if len(frames) < LEAST_FRAMES or not {SIGNED, UNSIGNED} <= set(frames.columns):
        return False
    points = np.concatenate(frames.clouds)
    signed, unsigned = (points[:, frames.columns.index(name)] for name in (SIGNED, UNSIGNED))
    return _rarer_sign(unsigned) >= BOTH_SIGNS and not (signed < 0).any() and bool(np.median(signed) > 0)


def _rarer_sign(values: Array) -> float:
    signs = np.sign(values[values != 0])
    return min(float((signs < 0).mean()), float((signs > 0).mean())) if signs.size else 0.0


def sampled(store: Store, sensor: str) -> Frames:
    """Frames of a sensor with a valid pose, spread over the store."""
    found = list(_frames(store, sensor))
    return Frames(
        columns=store.signals.points[sensor].columns,
        clouds=tuple(cloud for cloud, _ in found),
        poses=tuple(pose for _, pose in found),
    )


def _frames(store: Store, sensor: str) -> Iterator[tuple[Array, Array]]:
    """Points and pose of frames where both are valid."""
    chosen = _spread(np.arange(len(store.keys)), SEQUENCES)
    for i in chosen:
        sequence = store.sequence(int(i))
        clouds = sequence.signals[sensor]
        assert isinstance(clouds, Ragged)
        usable = sequence.valid[sensor] & sequence.valid["pose"] & (np.diff(clouds.offsets) > 0)
        for frame in _spread(np.flatnonzero(usable), -(-FRAMES // len(chosen))):
            cloud = clouds[int(frame)].astype(np.float64)
            yield cloud[_spread(np.arange(len(cloud)), POINTS)], sequence.pose[frame].astype(np.float64)


def _spread(items: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most `count` of the items, evenly spread."""
    return items[evenly_spread(len(items), count)]


def _placed(sensor: str, frames: Frames) -> Placement:
    relative = [cloud.copy() for cloud in frames.clouds]
    for cloud, pose in zip(relative, frames.poses, strict=True):
        cloud[:, :3] -= pose[ROOT]
    quartiles = np.quantile(np.concatenate(relative), [0.25, 0.5, 0.75], axis=0).T
    axes, distance = better_axes(frames)
    return Placement(
        sensor=sensor,
        frames=len(frames),
        quartiles={
            c: (float(a), float(b), float(d)) for c, (a, b, d) in zip(frames.columns, quartiles, strict=True)
        },
        axes=axes,
        distance=distance,
        swapped=look_swapped(frames),
    )


def _stored_orders(store: Store) -> dict[str, ColumnOrder]:
    """The orders that the store was prepared with."""
    settings = store.header.get("settings") or {}
    known = {name: cloud.columns for name, cloud in store.signals.points.items()}
    try:
        return orders_of(known, settings.get("axes", {}), settings.get("columns", {}))
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError.about(
            store.path, field="settings", value=f"unreadable ({error})", remedy="prepare the store again"
        ) from error


def _improved(order: ColumnOrder, placed: Placement) -> ColumnOrder:
    """The order of the files that gives what fits better, given the one that they were read with."""
    swap = {SIGNED: UNSIGNED, UNSIGNED: SIGNED} if placed.swapped else {}
    return replace(
        order,
        columns=tuple(swap.get(name, name) for name in order.columns),
        axes=chained(order.axes, placed.axes[0]) if placed.axes else order.axes,
    )


def _reasons(placed: Placement, stored: ColumnOrder) -> Iterator[str]:
    if placed.axes:
        best, *rivals = (axes_text(chained(stored.axes, axes)) for axes in placed.axes)
        before, after = (round(1000 * metres) for metres in placed.distance)
        yield (
            f"{placed.sensor}: axes {best} fit the pose better than {axes_text(stored.axes)}: its points lie "
            f"{after} mm from the nearest bone instead of {before} mm, on average over {placed.frames} frames"
            + (f"; nearly as well: {' '.join(rivals)}" if rivals else "")
        )
    if placed.swapped:
        yield (
            f"{placed.sensor}: {SIGNED} is never negative and {UNSIGNED} lies around 0: the two columns look "
            "exchanged"
        )

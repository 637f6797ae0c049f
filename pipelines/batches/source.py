"""Batches of synchronised frames: one global order, split among ranks, resumable exactly at any step.

A load takes about 10 us a row (benchmarks/pipelines/loader.py), so nothing is prefetched in the background.
`sharding` decides which rows, `sampling` which points, and `gather` copies them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from equipose.models.batch import Batch
from equipose.models.randomness import derive_seed, numpy_rng
from equipose.models.sensors import (
    Grid,
    GridView,
    ImageView,
    Points,
    PointsView,
    sensor_of,
)
from equipose.models.skeleton import ROOT
from equipose.pipelines.batches.config import BatchConfig
from equipose.pipelines.batches.gather import (
    decode_images,
    fused_clouds,
    gather_dense,
    gather_points,
    rescale,
    window_rows,
)
from equipose.pipelines.batches.labels import LABELS, codes
from equipose.pipelines.batches.mirror import drawn, mirrored_rows
from equipose.pipelines.batches.sampling import Keys, row_keys, sample_points
from equipose.pipelines.batches.sharding import evenly_spaced, global_batches, share_of, split
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import POSE, POSE_LAYOUT
from equipose.pipelines.store.reader import Store

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
_BLOCK_ROWS = 192
__all__ = ["BatchConfig", "BatchSource"]


class BatchSource:
    """Batches of chosen rows of a store; reopened by path in every process it is sent to.

    >>> import tempfile
    >>> from equipose.pipelines.prepare import prepare
    >>> from equipose.pipelines.readers import SimulatedSource
    >>> from equipose.pipelines.simulator import SimulatorConfig
    >>> data = SimulatedSource(subjects=("S01",), actions=("A02",), config=SimulatorConfig(frames=5))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = prepare("simulated", data, folder)
    >>> source = BatchSource(store, store.index["row"].to_numpy(), BatchConfig(batch_size=2))
    >>> [batch.index.tolist() for batch in source.in_order()]
    [[0, 1], [2, 3], [4]]
    >>> batch = next(source.in_order())
    >>> batch.pose.shape, batch.inputs["lidar"].shape
    (torch.Size([2, 17, 3]), torch.Size([2, 256, 3]))
    """

    def __init__(
        self, store: Store, rows: NDArray[np.integer], config: BatchConfig, *, posed: bool = True
    ) -> None:
        """`rows`: rows of the store's index; their order is the order of evaluation.

        posed: whether every row must have a valid pose; to predict it need not, and `Batch.pose` says nothing
        there. Raises DataError for rows that the store does not have, or that lack a pose they must have.
        """
        self.store = store
        self.rows: Ints = np.asarray(rows, np.int64)
        self.config = config
        self.posed = posed
        self._check_sensors()
        self._check(self.rows)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def __reduce__(self) -> tuple[object, ...]:
        return partial(BatchSource, posed=self.posed), (self.store, self.rows, self.config)

    def epoch_order(self, epoch: int) -> Ints:
        """The rows, shuffled for one epoch; a function of (seed, epoch), the same on every rank."""
        return numpy_rng(self.config.seed, "order", epoch).permutation(self.rows)

    def batches(
        self,
        indices: NDArray[np.integer],
        present: Mask | None = None,
        *,
        epoch: int | None,
        start_step: int = 0,
        rank: int = 0,
        world_size: int = 1,
        drop_last: bool = False,
        batch_size: int | None = None,
    ) -> Iterator[Batch]:
        """This rank's share of the global batches of `indices` (rows of the index), from `start_step` on.

        `present` [len(indices), M] says which modalities each visit may use. The points drawn for a row
        depend on (seed, epoch, row) alone, and so does whether it is mirrored (`flip` of the config); `epoch`
        None is the fixed choice of evaluation, without mirrors. `batch_size` None is that of the config.

        `drop_last` leaves out the incomplete last batch, so that all ranks take equal steps with equal
        shares; indices fewer than one batch still give one. Without it every index is visited, and the
        last batch may give ranks unequal shares, or none. Raises ValueError where ranks cannot share equally.
        """
        order: Ints = np.asarray(indices, np.int64)
        self._check(order)
        if start_step < 0:
            raise ValueError(f"start_step must be at least 0, got {start_step}")
        shape = (len(order), len(self.config.modalities))
        if present is not None and present.shape != shape:
            raise ValueError(f"present must have shape {shape} (rows, modalities), got {present.shape}")
        seed = derive_seed(self.config.seed, "points", "evaluation" if epoch is None else epoch)
        size = batch_size or self.config.batch_size
        steps = global_batches(len(order), size, world_size, drop_last)[start_step:]
        shares = [share_of(start, stop, rank, world_size) for start, stop in steps]
        shares = [share for share in shares if share.stop > share.start]
        return self._blocks(order, present, shares, seed, 0.0 if epoch is None else self.config.flip)

    def _blocks(
        self, order: Ints, present: Mask | None, shares: list[slice], seed: int, flip: float
    ) -> Iterator[Batch]:
        """Load several small batches at once, because every load has a fixed cost of some 0.2 ms."""
        longest = max((share.stop - share.start for share in shares), default=1)
        count = -(-_BLOCK_ROWS // longest)
        for first in range(0, len(shares), count):
            block = shares[first : first + count]
            allowed = None if present is None else np.concatenate([present[share] for share in block])
            yield from split(
                self.load(np.concatenate([order[share] for share in block]), allowed, seed, flip),
                [share.stop - share.start for share in block],
            )

    def in_order(self, *, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Every row once, in the order of `rows`, each global batch shared among the ranks."""
        return self.batches(self.rows, epoch=None, rank=rank, world_size=world_size)

    def share(self, index: int, count: int) -> Iterator[Batch]:
        """The `index`-th of `count` nearly equal runs of `rows`, in batches; `count` need not divide them."""
        return self.batches(self.rows[share_of(0, len(self.rows), index, count)], epoch=None)

    def load(self, rows: Ints, present: Mask | None, seed: int, flip: float = 0.0) -> Batch:
        """One batch of exactly these rows; `seed` decides which points are drawn and which rows mirrored."""
        names = self.config.modalities
        valid, turned = self._valid[rows], self._turned(rows, flip, seed)
        inputs: dict[str, Tensor] = {}
        masks: dict[str, Tensor] = {}
        for name in names:
            kind = self.store.signals.layouts[name]
            if isinstance(kind, Points):
                inputs[name], masks[name] = map(torch.from_numpy, self._points(name, rows, seed))
            elif isinstance(kind, Grid):
                inputs[name] = self._grid(name, rows)
            else:
                inputs[name] = self._image(name, rows, turned)
        batch = Batch(
            inputs=inputs,
            masks=masks,
            present=torch.from_numpy(valid if present is None else valid & present),
            pose=self._pose(rows),
            index=torch.from_numpy(rows.copy()),
            labels={name: torch.from_numpy(codes[rows]) for name, codes in self._codes.items()},
            context={name: self._beside(name, rows, 0.0) for name in self.config.context},
            targets={name: self._beside(name, rows, np.nan) for name in self.config.targets},
        )
        if turned is not None:
            batch = mirrored_rows(batch, turned)
        for m, name in enumerate(names):
            if not valid[:, m].all():
                batch.inputs[name][torch.from_numpy(~valid[:, m])] = 0
        return batch

    def _turned(self, rows: Ints, flip: float, seed: int) -> Mask | None:
        """[B]: which rows are mirrored, of those that have a box; None: none of them."""
        if not flip:
            return None
        return drawn(rows, flip, seed) & self.store.index["valid_box"].to_numpy()[rows]

    def valid(self, rows: Ints) -> Mask:
        """[N, M]: whether each modality is valid in rows [N] of the store."""
        return self._valid[rows]

    def poses(self, most: int) -> Tensor:
        """[n, 17, 3] m: the poses of at most `most` of the rows, evenly spaced."""
        return self._pose(self.rows[evenly_spaced(len(self.rows), most)])

    def _pose(self, rows: Ints) -> Tensor:
        layout = self.store.layout
        pose = torch.from_numpy(gather_dense(layout.numbers, layout.dense[POSE][rows], POSE_LAYOUT.shape))
        return pose if self.config.origin == "sensor" else pose - pose[:, ROOT : ROOT + 1]

    def _beside(self, name: str, rows: Ints, unknown: float) -> Tensor:
        """[B, *shape] of a grid that is no input; `unknown` where it is invalid."""
        layout, shape = self.store.layout, self.store.signals.grids[name].shape
        found = torch.from_numpy(gather_dense(layout.numbers, layout.dense[name][rows], shape))
        found[torch.from_numpy(~self.store.index[f"valid_{name}"].to_numpy()[rows])] = unknown
        return found

    @cached_property
    def _valid(self) -> Mask:
        """[R, M] of all rows of the store."""
        return self.store.index.select(f"valid_{name}" for name in self.config.modalities).to_numpy()

    @cached_property
    def _codes(self) -> dict[str, Ints]:
        return {name: codes(self.store, name) for name in LABELS}

    def _grid(self, name: str, rows: Ints) -> Tensor:
        layout, grid, view = self.store.layout, self.store.signals.grids[name], self.config.views[name]
        assert isinstance(view, GridView)
        wanted = rows
        if grid.temporal:
            usable = self._valid[:, self.config.modalities.index(name)]
            wanted = window_rows(layout, rows, view.window, usable)
        found = torch.from_numpy(gather_dense(layout.numbers, layout.dense[name][wanted], grid.shape))
        if view.scale == "absolute":
            return found
        low, high = layout.extremes[name]
        return rescale(found, low[rows], high[rows])

    def _image(self, name: str, rows: Ints, turned: Mask | None) -> Tensor:
        layout, view = self.store.layout, self.config.views[name]
        assert isinstance(view, ImageView)
        starts, sizes = layout.images[name][rows], layout.counts[name][rows]
        image = self.store.signals.images[name]
        return torch.from_numpy(decode_images(layout.content, starts, sizes, image, view.stride, turned))

    def _points(self, name: str, rows: Ints, seed: int) -> tuple[NDArray[np.float32], Mask]:
        layout, view = self.store.layout, self.config.views[name]
        assert isinstance(view, PointsView)
        starts, counts = fused_clouds(layout, name, rows, view.frames)
        counts = counts * self._valid[rows, self.config.modalities.index(name)]
        keys: Keys = row_keys(derive_seed(seed, name), rows)
        positions, mask = sample_points(counts, view.points, keys)
        channels = self.store.signals.points[name].channels
        return gather_points(layout.numbers, starts, positions, mask, channels), mask

    def _check_sensors(self) -> None:
        """The store must hold the modalities, in the layouts that the models are built for."""
        held = self.store.signals
        for name in (*self.config.modalities, *self.config.context, *self.config.targets):
            if name not in held.sensors:
                raise DataError.about(
                    self.store.path, field="sensors", value=f"{list(held.sensors)}, without {name!r}",
                    remedy=f"leave it out with --sensors, or prepare a store with --sensors ... {name}",
                )  # fmt: skip
            if held.layouts[name] != sensor_of(name).layout:
                raise DataError.about(
                    self.store.path, field=f"layout of {name}", value=held.layouts[name],
                    remedy=f"it is now {sensor_of(name).layout}: prepare the store again",
                )  # fmt: skip

    def _check(self, rows: Ints) -> None:
        wrong = rows[(rows < 0) | (rows >= len(self.store))]
        if len(wrong):
            raise DataError.about(
                self.store.path, field="row", value=f"{wrong[0]}, but it has {len(self.store)} frames",
                remedy="select rows from this store's own index",
            )  # fmt: skip
        unlabelled = rows[~self.store.index["valid_pose"].to_numpy()[rows]]
        if self.posed and len(unlabelled):
            raise DataError.about(
                self.store.path, field="valid_pose", value=f"False for row {unlabelled[0]}",
                remedy="leave out rows without a pose, as equipose.pipelines.protocols.select does",
            )  # fmt: skip

"""Which frames of a store a trained model is used on, and whether it has seen them in training."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipose.models.sensors import sensor_of
from equipose.orchestrator.checkpoints.trained_model import TrainedModel
from equipose.orchestrator.training.data import RunData
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.protocols import PARTS, assign, division_of
from equipose.pipelines.protocols.triplets import SMPL12_CAMERA
from equipose.pipelines.store import Store

ALL = "all"
"""The part of every frame, whatever protocol and split say."""


@dataclass(frozen=True, kw_only=True)
class ChosenFrames:
    """Rows of a store, and what a reader must know of them."""

    rows: NDArray[np.int64]
    protocol: str
    """Of the part; a dash for all frames."""
    split: str
    part: str
    fingerprint: str
    """Of the frames: of the store's content and these rows of it."""
    seen: int | None
    """How many of them the model was trained on; None where the store is not that of its training."""

    @property
    def doubts(self) -> list[str]:
        """What is wrong with calling the error on these frames that of new ones, in sentences."""
        found = []
        if self.seen:
            found.append(
                f"the model was trained on {self.seen:,} of these {len(self.rows):,} frames, so the errors "
                "are not those of new people"
            )
        if self.part == "validation" and self.seen is not None:
            found.append(
                "the checkpoint was chosen on validation frames, so its errors there are a little low"
            )
        return found


def choose_frames(
    trained: TrainedModel,
    store: Store,
    *,
    part: str = "test",
    protocol: str | None = None,
    split: str | None = None,
    posed: bool = True,
) -> ChosenFrames:
    """The frames of one part of a store; None for protocol or split is that of the training.

    part: `train`, `validation`, `test` or `all`, the latter without regard to protocol and split. posed: only
    frames with a valid pose. Raises ValueError for unknown names, and DataError where there is no frame.
    """
    if part == ALL and (protocol or split):
        raise ValueError("--part all takes every frame; leave out --protocol and --split, or name a part")
    data = trained.config.data
    protocol, split = protocol or data.protocol, split or data.split
    if part not in (*PARTS, ALL):
        raise ValueError(f"part is {part!r}; use one of {[*PARTS, ALL]}")
    partial = protocol if part != ALL and division_of(protocol).joints is not None else None
    if partial or SMPL12_CAMERA in store.index["camera"].unique():
        raise DataError.about(
            store.path, field="joints of its poses", value="twelve and the pelvis",
            remedy="only the routes of an aligned model are judged on them; use a store of whole poses",
        )  # fmt: skip
    index = store.index if part == ALL else _of_part(store, protocol, split, part)
    rows = (index.filter(pl.col("valid_pose")) if posed else index)["row"].sort().to_numpy()
    if not len(rows):
        what = f"{part} of protocol {protocol}, split {split}" if part != ALL else "it"
        raise DataError.about(
            store.path, field=f"number of {'posed ' * posed}frames in {what}", value="0",
            remedy="choose another --part, --protocol or --split; `--part all` takes every frame",
        )  # fmt: skip
    digest = hashlib.sha256(f"{store.fingerprint}:".encode() + rows.astype(np.int64).tobytes()).hexdigest()
    return ChosenFrames(
        rows=rows,
        protocol="–" if part == ALL else protocol,
        split="–" if part == ALL else f"{split}, {part} part",
        part=part,
        fingerprint=digest[:16],
        seen=_seen(trained, store, rows),
    )


def _of_part(store: Store, protocol: str, split: str, part: str) -> pl.DataFrame:
    return assign(store.index, protocol, split).filter(pl.col("use") == part)


def _seen(trained: TrainedModel, store: Store, rows: NDArray[np.int64]) -> int | None:
    """How many rows are of the part that it was trained on, also those that the training left out in between.

    A neighbour of a training frame, a tenth of a second away, is as good as seen.
    """
    config = replace(trained.config.data, store=store.path)
    try:
        data = RunData.open(config, store)
    except DataError:
        return None
    if data.fingerprint != trained.extra.get("fingerprint"):
        return None
    training = _of_part(store, config.protocol, config.split, "train")["row"].to_numpy()
    return int(np.isin(rows, training).sum())


def held_sensors(trained: TrainedModel, store: Store, wanted: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The model's sensors that are used, in its order: `wanted`, or all of them.

    Raises ValueError for a sensor that the model lacks or that is named twice, DataError for one that the
    store lacks or holds in another layout.
    """
    foreign = [name for name in wanted if name not in trained.sensors]
    if foreign or len(set(wanted)) < len(wanted):
        raise ValueError(
            f"sensors {' '.join(wanted)}: name some of the model's, each once: {' '.join(trained.sensors)}"
        )
    chosen = tuple(name for name in trained.sensors if name in wanted or not wanted)
    held = store.signals
    if missing := [name for name in chosen if name not in held.sensors]:
        raise DataError.about(
            store.path, field="sensors", value=f"{' '.join(held.sensors)}, without {' '.join(missing)}",
            remedy="prepare a store that holds them; `equipose predict --sensors` does without some",
        )  # fmt: skip
    for name in chosen:
        if held.layouts[name] != sensor_of(name).layout:
            raise DataError.about(
                store.path, field=f"layout of {name}", value=held.layouts[name],
                remedy=f"the model needs {sensor_of(name).layout}: prepare the store again",
            )  # fmt: skip
    return chosen

"""A clip of one sequence of a store: its poses, and a panel for each sensor that has something to draw.

Legend: F frames shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipose.models.sensors import Points
from equipose.models.skeleton import ROOT
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.player.clip import Clip, Poses
from equipose.pipelines.player.drawn import panel_of
from equipose.pipelines.player.panels import Panel, Rows
from equipose.pipelines.sequence import POSE, SensorSequence, evenly_spread
from equipose.pipelines.store import Store

MOST_FRAMES = 600
"""A minute at 10 Hz; longer sequences are thinned before anything is decoded."""
NAMED = 5
"""Sequences that an error lists."""


def clip_of(
    store: Store,
    sequence: int,
    predictions: Mapping[str, Poses] | None = None,
    *,
    offsets: Rows | None = None,
    rate: float = 10.0,
    sensors: bool = True,
) -> Clip:
    """The clip of a sequence of a store (see `Store.keys`), at most `MOST_FRAMES` of it, evenly chosen.

    predictions: name -> poses of all frames of the sequence, NaN where there is none. offsets: the frames in
    question, ascending; by default every one. rate: frames per second. sensors: whether to draw them.
    """
    found = store.sequence(sequence)
    asked = np.arange(len(found)) if offsets is None else np.asarray(offsets, np.int64)
    keep = asked[evenly_spread(len(asked), MOST_FRAMES)]
    label = _label(found)
    truth = np.where(found.valid[POSE][keep, None, None], found.pose[keep], np.nan)
    return Clip(
        title=store.keys[sequence].stem.replace("_", " "),
        provenance=label,
        numbers=found.numbers[keep],
        truth=truth,
        predictions={name: poses[keep] for name, poses in (predictions or {}).items()},
        panels=_panels(store, found, keep, mixed=label.startswith("real and")) if sensors else (),
        rate=rate,
        recorded=len(asked),
    )


def rows_by_sequence(store: Store, rows: Rows) -> dict[int, Rows]:
    """Sequence -> offsets in it, ascending, of some rows of a store."""
    found = store.index[rows].select("sequence", "offset").sort("sequence", "offset")
    return {
        int(str(sequence)): part["offset"].to_numpy().astype(np.int64)
        for (sequence,), part in found.group_by("sequence", maintain_order=True)
    }


def first_with_pose(store: Store) -> int:
    """The first sequence with a known pose; the first one where there is none."""
    known = store.index.filter(pl.col("valid_pose"))["sequence"]
    return int(known[0]) if len(known) else 0


def true_pelvis(store: Store, sequence: int) -> Poses:
    """[F, 1, 3] m, where the pelvis of each frame of a sequence is; zero where the pose is not known."""
    pelvis = store.sequence(sequence).pose[:, ROOT : ROOT + 1]
    return np.where(np.isfinite(pelvis).all(axis=-1, keepdims=True), pelvis, np.float32(0))


def find_sequence(store: Store, name: str) -> int:
    """The sequence that a name means: `E01_S08_A02`, or as much of it as there is only one of.

    Raises DataError where none has such names, or several have.
    """
    asked = set(re.split(r"[\s_@/]+", name.strip()))
    stems = [key.stem for key in store.keys]
    if name in stems:
        return stems.index(name)
    hits = [i for i, key in enumerate(store.keys) if asked <= set(key)]
    if len(hits) == 1:
        return hits[0]
    listed = [stems[i] for i in hits] or stems
    more = f" and {len(listed) - NAMED} more" if len(listed) > NAMED else ""
    remedy = f"choose {'one' if not hits else 'between them'}: {', '.join(listed[:NAMED])}{more}"
    value = f"{name!r}, which {len(hits) or 'no'} sequences have"
    raise DataError.about(store.path, field="sequence", value=value, remedy=remedy)


def _label(sequence: SensorSequence) -> str:
    """`real data`, `simulated data` or `real and simulated data`."""
    kinds = {kind.split(":")[0] for kind in sequence.provenance.values()} - {"absent"}
    return " and ".join(sorted(kinds)) + " data"


def _panels(store: Store, sequence: SensorSequence, keep: Rows, *, mixed: bool) -> list[Panel]:
    """One panel per sensor that can be drawn; simulated ones are marked where others are real."""
    panels = []
    for name in store.signals.sensors:
        valid: NDArray[np.bool_] = sequence.valid[name]
        if not valid[keep].any():
            continue
        made = mixed and sequence.provenance[name].startswith("simulated")
        layout = store.signals.layouts[name]
        unit = "m" if isinstance(layout, Points) else store.signals.units[name].split(",")[0]
        title = f"{name}, {unit}" + (", simulated" if made else "")
        panel = panel_of(name, layout, sequence.signals[name], valid, keep, title)
        if panel is not None:
            panels.append(panel)
    return panels

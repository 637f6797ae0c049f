"""Small made-up sequences and stores for the tests of the data side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from equipose.models.sensors import DEFAULT_SENSORS, Image, Layout, Points
from equipose.pipelines.images import encode
from equipose.pipelines.paper.published import Published, PublishedTable, TableRow
from equipose.pipelines.paper.table import RESULT_COLUMNS, ColumnGroup, PaperTable, paper_table
from equipose.pipelines.sequence import Defect, Packed, Ragged, SensorSequence, Signal
from equipose.pipelines.store import Store, StoreHeader, StoreWriter
from equipose.pipelines.store.signals import StoredSignals
from equipose.pipelines.tables.table import Caption

MakeSequence = Callable[..., SensorSequence]


def make_sequence(
    subject: int = 1, action: int = 1, frames: int = 7, *, part: str = "", camera: str = "", first: int = 1,
    invalid: dict[str, list[int]] | None = None, provenance: str = "simulated:test", max_points: int = 40,
    sensors: tuple[str, ...] = DEFAULT_SENSORS,
) -> SensorSequence:  # fmt: skip
    """Random frames, equal for equal arguments; `invalid` gives the offsets of invalid frames per signal."""
    rng = np.random.default_rng([subject, action, first])
    layouts = StoredSignals.of(sensors).layouts
    valid = {name: np.ones(frames, np.bool_) for name in layouts}
    for name, offsets in (invalid or {}).items():
        valid[name][offsets] = False

    def signal(name: str, layout: Layout) -> Signal:
        if isinstance(layout, Points):
            counts = rng.integers(0, max_points, frames) * valid[name]
            clouds = [rng.normal(size=(n, layout.channels)).astype(np.float32) for n in counts]
            return Ragged.from_frames(clouds, layout.channels)
        if isinstance(layout, Image):
            pictures = rng.integers(1, 4000, (frames, *layout.shape)).astype(layout.dtype)
            return Packed.from_frames(
                [
                    encode(picture, layout.codec) if ok else b""
                    for picture, ok in zip(pictures, valid[name], strict=True)
                ]
            )
        values = rng.normal(40, 5, (frames, *layout.shape)).astype(np.float32)
        values[~valid[name]] = 0
        return values

    return SensorSequence(
        environment=f"E{(subject - 1) // 10 + 1:02d}",
        subject=f"S{subject:02d}",
        action=f"A{action:02d}",
        part=part,
        camera=camera,
        numbers=np.arange(first, first + frames, dtype=np.int32),
        signals={name: signal(name, layout) for name, layout in layouts.items()},
        valid=valid,
        defects=tuple(
            Defect(modality=name, frame=first + offset, reason="missing", detail="not there")
            for name, offsets in (invalid or {}).items()
            for offset in offsets
        ),
        provenance=dict.fromkeys(valid, provenance),
    )


@pytest.fixture(name="make_sequence")
def _make_sequence() -> MakeSequence:
    return make_sequence


@pytest.fixture
def sequences() -> list[SensorSequence]:
    """Three sequences of different lengths, in the order of their keys; some frames invalid."""
    return [
        make_sequence(1, 1, 7),
        make_sequence(1, 2, 5, invalid={"rgb": [0, 3], "lidar": [1], "mmwave": [2], "wifi": [4]}),
        make_sequence(12, 1, 9),
    ]


@pytest.fixture
def write_store(tmp_path: Path) -> Callable[..., Store]:
    """Write sequences into a finished store."""

    def write(
        sequences: list[SensorSequence], name: str = "store", sensors: tuple[str, ...] = DEFAULT_SENSORS
    ) -> Store:
        header = StoreHeader(source="test", signals=StoredSignals.of(sensors))
        writer = StoreWriter(tmp_path / name, header)
        for sequence in sequences:
            writer.write(sequence)
        return writer.finish()

    return write


@pytest.fixture
def store(write_store: Callable[..., Store], sequences: list[SensorSequence]) -> Store:
    """A finished store of `sequences`."""
    return write_store(sequences)


@pytest.fixture
def hand_table() -> PaperTable:
    """Two rows of one column group: all kinds of published numbers, one place that was not run."""
    published = PublishedTable(
        name="hand",
        title="A table by hand",
        rows={"a": TableRow(label="plain", section="Concat"), "b": TableRow(label="+ AWC", section="Concat")},
        columns=("P1",),
        known={
            ("a", "P1"): Published(
                value_mm=53.87,
                pa_mm=None,
                certainty="conflict",
                source="table 1",
                note="Another reading says 57.",
            )
        },
        notes=("A note.",),
    )
    caption = Caption(
        title="P1", provenance="simulated data", protocol="P1", split="S1", frames=40, fingerprint="f1"
    )
    results = pl.DataFrame(
        [
            ("a", "P1", "mpjpe", 60.5, 1.25, 3, "http://host/runs/1", "f1"),
            ("a", "P1", "pa_mpjpe", 40.0, None, 1, "http://host/runs/1", "f1"),
            ("b", "P1", "mpjpe", 52.0, 0.5, 3, "http://host/runs/2", "f1"),
        ],
        schema=list(RESULT_COLUMNS),
        orient="row",
    )
    return paper_table(published, [ColumnGroup(name="P1", caption=caption)], results)

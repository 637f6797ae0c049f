"""Summary of a store: counts per protocol and split, defects, provenance, fingerprint, where points lie."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from equipose.pipelines.axes import Placement, advice, placements
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.protocols import DIVISIONS, PARTS
from equipose.pipelines.store import Store


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A store in numbers."""

    path: str
    source: str
    fingerprint: str
    frames: int
    sequences: int
    subjects: tuple[str, ...]
    actions: tuple[str, ...]
    without_pose: int
    """Frames that no part uses, because their pose is invalid."""
    parts: dict[tuple[str, str], dict[str, int]]
    """(protocol, split) -> part -> frames with a valid pose; a part may be empty."""
    invalid: dict[str, int]
    """Signal -> number of invalid frames."""
    reasons: dict[tuple[str, str], int]
    """(signal, reason) -> number of invalid frames."""
    examples: dict[tuple[str, str], str]
    """(signal, reason) -> detail of one such defect: path, what was found and expected, remedy."""
    provenance: dict[str, dict[str, int]]
    """Signal -> `real`, `simulated:<version>` or `absent` -> sequences."""
    notes: tuple[str, ...]
    """Remarks of the preparation, what the last one changed, and columns that seem to be in another order."""
    placements: tuple[Placement, ...]
    """Where the points of each sensor lie relative to the pose; none for a remote store."""


def summarize(store: Store) -> Summary:
    """Everything `equipose inspect` prints about a store."""
    index = store.index
    placed = placements(store) if store.is_local else ()
    return Summary(
        path=str(store.path),
        source=str(store.header["source"]),
        fingerprint=store.fingerprint,
        frames=len(index),
        sequences=len(store.keys),
        subjects=tuple(sorted(index["subject"].unique())),
        actions=tuple(sorted(index["action"].unique())),
        without_pose=int((~index["valid_pose"]).sum()),
        parts=_parts(index),
        invalid={name: int((~index[f"valid_{name}"]).sum()) for name in store.signals.names},
        reasons=_reasons(index, store.defects),
        examples=_examples(store.defects),
        provenance=store.provenance,
        notes=(*store.report.get("notes", ()), *store.report.get("changes", ()), *advice(store, placed)),
        placements=placed,
    )


def _parts(index: pl.DataFrame) -> dict[tuple[str, str], dict[str, int]]:
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for protocol, division in DIVISIONS.items():
        for split in division.splits:
            try:
                used = division.assign(index, split).filter(pl.col("valid_pose"))
            except DataError:
                break  # a protocol for other data
            counts[protocol, split] = {part: int((used["use"] == part).sum()) for part in PARTS}
    return counts


def _reasons(index: pl.DataFrame, defects: pl.DataFrame) -> dict[tuple[str, str], int]:
    """Invalid frames by signal and reason; a defect of a whole sequence counts for all its frames."""
    keys = ["environment", "subject", "action", "part", "camera"]
    lengths = index.group_by(keys).agg(length=pl.len())
    counted = (
        defects.join(lengths, on=keys, how="left")
        .with_columns(count=pl.when(pl.col("frame").is_null()).then(pl.col("length")).otherwise(1))
        .group_by("modality", "reason")
        .agg(pl.col("count").sum())
        .sort("modality", "reason")
    )
    return {(modality, reason): int(count) for modality, reason, count in counted.iter_rows()}


def _examples(defects: pl.DataFrame) -> dict[tuple[str, str], str]:
    """The first detail of every signal and reason."""
    first = defects.group_by("modality", "reason").agg(pl.col("detail").first()).sort("modality", "reason")
    return {(signal, reason): detail for signal, reason, detail in first.iter_rows()}


def render(summary: Summary) -> RenderableType:
    """The summary as rich tables."""
    s = summary
    head = Text(
        f"{s.path}\n{s.frames:,} frames in {s.sequences:,} sequences from {s.source}; "
        f"fingerprint {s.fingerprint}\nsubjects {_span(s.subjects)}; actions {_span(s.actions)}"
    )
    notes = [Text(f"note: {note}") for note in s.notes]
    examples = [_example_table(s)] if s.examples else []
    points = [_placement_table(s)] if s.placements else []
    return Group(head, *notes, _signal_table(s), *examples, *points, _part_table(s))


def _span(names: tuple[str, ...]) -> str:
    return " ".join(names) if len(names) <= 12 else f"{names[0]}..{names[-1]} ({len(names)})"


def _signal_table(s: Summary) -> Table:
    table = Table(title="Signals")
    for column in ("signal", "provenance (sequences)", "invalid frames", "by reason"):
        table.add_column(column, justify="right" if column == "invalid frames" else "left")
    for name in s.provenance:
        origins = ", ".join(f"{label} ({n:,})" for label, n in s.provenance[name].items())
        reasons = ", ".join(f"{reason} {n:,}" for (signal, reason), n in s.reasons.items() if signal == name)
        table.add_row(name, origins, f"{s.invalid[name]:,}", reasons or "-")
    return table


def _example_table(s: Summary) -> Table:
    table = Table(title="One invalid frame of each kind")
    for column in ("signal", "reason", "detail"):
        table.add_column(column, overflow="fold")
    for (signal, reason), detail in s.examples.items():
        table.add_row(signal, reason, Text(detail))
    return table


def _placement_table(s: Summary) -> Table:
    frames = ", ".join(f"{placed.sensor} {placed.frames}" for placed in s.placements)
    table = Table(title=f"Points: x, y, z minus the pelvis, m; other columns as they are (frames: {frames})")
    for column in ("signal", "column", "25 %", "median", "75 %"):
        table.add_column(column, justify="left" if column in ("signal", "column") else "right")
    for placed in s.placements:
        for column, quartiles in placed.quartiles.items():
            table.add_row(placed.sensor, column, *(f"{value:+.2f}" for value in quartiles))
    return table


def _part_table(s: Summary) -> Table:
    title = f"Frames with a valid pose ({s.without_pose:,} have none and are not used)"
    table = Table(title=title)
    for column in ("protocol", "split", *PARTS):
        table.add_column(column, justify="right" if column in PARTS else "left")
    for (protocol, split), counts in s.parts.items():
        table.add_row(protocol, split, *(f"{counts[part]:,}" for part in PARTS))
    return table

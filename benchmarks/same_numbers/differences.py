"""Two sets of values side by side: how many differ, and which first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.same_numbers.artefacts import Values

SHOWN = 3
WIDTH = 60
"""Characters of a value in the table."""
NONE = "absent"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of value in one part."""

    part: str
    kind: str
    values: int
    differing: tuple[str, ...]
    """`label: before, after` of each that differs."""


def rows_of(part: str, before: Values, after: Values) -> list[Row]:
    """Every kind of value of a part; a value that one side lacks differs."""
    rows = []
    for kind in sorted({*before, *after}):
        old, new = before.get(kind, {}), after.get(kind, {})
        labels = sorted({*old, *new})
        differing = tuple(
            f"{label}: {_short(old.get(label, NONE))} → {_short(new.get(label, NONE))}"
            for label in labels
            if old.get(label) != new.get(label)
        )
        rows.append(Row(part=part, kind=kind, values=len(labels), differing=differing))
    return rows


def _short(value: str) -> str:
    return value if len(value) <= WIDTH else f"{value[: WIDTH // 2]}…{value[-WIDTH // 2 :]}"


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table."""
    lines = ["| part | values | compared | differ | first differences |", "|---|---|---:|---:|---|"]
    for row in rows:
        first = "<br>".join(f"`{text.replace('|', '/')}`" for text in row.differing[:SHOWN])
        lines.append(f"| {row.part} | {row.kind} | {row.values} | {len(row.differing)} | {first} |")
    total, differing = sum(row.values for row in rows), sum(len(row.differing) for row in rows)
    return "\n".join([*lines, f"| all | | {total} | {differing} | |"])


def idle(train: Values, methods: Sequence[str], reference: str = "plain") -> list[str]:
    """Methods that leave the same weights as plain training, so that their run proves nothing."""
    weights = train.get("weights", {})

    def of(run: str) -> dict[str, str]:
        start = f"{run}/epoch 2/"
        return {key.removeprefix(start): value for key, value in weights.items() if key.startswith(start)}

    plain = of(reference)
    return [name for name in methods if name != reference and of(name) == plain]

"""Whether the sensors that a run uses are there: none without a single valid frame, few invalid ones.

A sensor that is invalid throughout would train as a row of zeros, in silence, and count in every subset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipose.pipelines.files.errors import DataError

MOST_INVALID = 0.25
"""Share of invalid frames of a sensor in a part, above which a warning is due."""

Shares = Mapping[str, Mapping[str, float]]
"""part -> signal -> share of invalid frames."""


def invalid_shares(index: pl.DataFrame, rows: Mapping[str, NDArray[np.integer]]) -> Shares:
    """Share of invalid frames of every signal in the rows of every part; `index`: of a store."""
    marks = {
        name.removeprefix("valid_"): index[name].to_numpy()
        for name in index.columns
        if name.startswith("valid_")
    }
    return {
        part: {signal: 1 - float(valid[chosen].mean()) for signal, valid in marks.items()}
        for part, chosen in rows.items()
    }


def require_sensors(shares: Shares, sensors: Sequence[str], defects: pl.DataFrame, where: str) -> None:
    """Raise DataError for a sensor without a valid frame in a part, with its cause and the way out."""
    held = {signal for of in shares.values() for signal in of}
    if absent := [sensor for sensor in sensors if sensor not in held]:
        there = [sensor for sensor in sensors if sensor in held]
        leave = f"leave it out with --sensors {' '.join(there)}, or " if there else ""
        raise DataError.about(
            where,
            field="sensors",
            value=f"{sorted(held - {'pose'})}, without {absent[0]}",
            remedy=f"{leave}prepare a store with --sensors {' '.join(sensors)}",
        )
    for sensor in sensors:
        parts = [part for part, of in shares.items() if of[sensor] == 1]
        if parts:
            cause = example(defects, sensor)
            because = f" ({cause})" if cause else ""
            raise DataError.about(
                where,
                field=f"sensor {sensor}",
                value=f"invalid in every frame of {', '.join(parts)}{because}",
                remedy=_remedy(shares, sensors),
            )


def require_poses(index: pl.DataFrame, defects: pl.DataFrame, where: str) -> None:
    """Raise DataError where no frame has a valid pose, with the most frequent cause."""
    if not index["valid_pose"].any():
        raise DataError.about(
            where,
            field="pose",
            value=f"invalid in all {len(index)} frames ({example(defects, 'pose')})",
            remedy="repair the raw data and prepare it again",
        )


def _remedy(shares: Shares, sensors: Sequence[str]) -> str:
    """The option that keeps the sensors which every part has."""
    there = [sensor for sensor in sensors if all(of[sensor] < 1 for of in shares.values())]
    if not there:
        return "no sensor is left to train on: repair the raw data and prepare it again"
    return f"leave it out with --sensors {' '.join(there)}, or repair the raw data and prepare it again"


def doubtful(shares: Shares, sensors: Sequence[str]) -> list[str]:
    """One sentence for every sensor with more than `MOST_INVALID` invalid frames in some part."""
    found = []
    for sensor in sensors:
        most = {part: of[sensor] for part, of in shares.items() if of[sensor] > MOST_INVALID}
        if most:
            parts = ", ".join(f"{share:.0%} of {part}" for part, share in most.items())
            found.append(f"sensor {sensor} is invalid in {parts}; `equipose inspect` lists the reasons")
    return found


def example(defects: pl.DataFrame, signal: str) -> str:
    """The most frequent reason of a signal's defects with one detail, `reason: detail`; empty without any."""
    own = defects.filter(pl.col("modality") == signal)
    if own.is_empty():
        return ""
    reason: Any = own.group_by("reason").len().sort("len", "reason", descending=[True, False])["reason"][0]
    detail = own.filter(pl.col("reason") == reason)["detail"][0]
    return f"{reason}: {detail}"

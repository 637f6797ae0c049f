"""How well scores of readings find the contaminated ones: by sensor and kind, and on whom false flags fall.

The truth is a table of contaminated readings with the columns `row`, `sensor` and `kind`, such as the
simulator writes beside a store; it serves these numbers only and no training.

Legend: N rows, M sensors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

ANY = "any"
"""All kinds together, or all sensors."""
CURVE_POINTS = 200
"""Most points of a ROC curve."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Scores of readings, and which of them were flagged."""

    sensors: tuple[str, ...]
    rows: NDArray[np.int64]
    """[N] rows of the store."""
    scores: NDArray[np.float64]
    """[N, M] higher is more doubtful; NaN where the reading is absent."""
    flagged: NDArray[np.bool_]
    """[N, M]."""

    def __post_init__(self) -> None:
        shape = (len(self.rows), len(self.sensors))
        for name in ("scores", "flagged"):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must be {list(shape)}, got {list(getattr(self, name).shape)}")


def detection(judged: Judged, truth: pl.DataFrame) -> pl.DataFrame:
    """A row for each sensor and kind, and for all sensors (`any`) and all kinds (`any`).

    Columns: sensor, kind, `contaminated` and `readings` (counts), `auroc`, `average_precision`, `precision`,
    `recall`. A kind is set against readings that are not contaminated at all. What cannot be measured is NaN:
    without a contaminated or without a clean reading there is no AUROC, without a flag no precision. Scores
    of all sensors are compared as they are, so they should have one scale.
    """
    marks = _marks(judged, truth)
    columns = {**{name: [m] for m, name in enumerate(judged.sensors)}, ANY: range(len(judged.sensors))}
    found = []
    for sensor, chosen in columns.items():
        for kind in (ANY, *sorted({str(mark) for mark in marks[:, chosen].flat if mark})):
            bad, score, flag = _compared(judged, marks, list(chosen), kind)
            found.append({"sensor": sensor, "kind": kind, **_measures(bad, score, flag)})
    return pl.DataFrame(found)


def roc_points(judged: Judged, truth: pl.DataFrame, sensor: str = ANY, kind: str = ANY) -> pl.DataFrame:
    """The curve `false_positive_rate`, `true_positive_rate`, `threshold`, of at most about 200 points.

    Raises ValueError for an unknown sensor, and where all readings are clean or all contaminated.
    """
    if sensor not in (ANY, *judged.sensors):
        raise ValueError(f"unknown sensor {sensor!r}; known: {list(judged.sensors)} and {ANY!r}")
    chosen = [m for m, name in enumerate(judged.sensors) if sensor in (ANY, name)]
    bad, score, _ = _compared(judged, _marks(judged, truth), chosen, kind)
    if bad.all() or not bad.any():
        raise ValueError(
            f"no ROC curve of {sensor}, {kind}: {bad.sum()} of {len(bad)} readings are contaminated"
        )
    false, true, threshold = roc_curve(bad, score)
    kept = np.unique(np.linspace(0, len(false) - 1, min(CURVE_POINTS, len(false))).astype(int))
    return pl.DataFrame(
        {
            "false_positive_rate": false[kept],
            "true_positive_rate": true[kept],
            "threshold": threshold[kept],
        }
    )


def flagged_shares(
    judged: Judged, groups: pl.DataFrame, by: str, truth: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Share of flagged readings per group and sensor: columns `by`, sensor, `flagged`, `readings`, and with a
    truth `false_flags`, the flagged share of clean readings (NaN where there is none).

    groups: `row` and the column `by` (such as subject or action) of the store's index. False flags fall on
    unusual poses and people; a share far above the others' says on whom.
    """
    names = groups.filter(pl.col("row").is_in(judged.rows.tolist())).sort("row")
    order = np.argsort(judged.rows)
    if names["row"].to_list() != judged.rows[order].tolist():
        raise ValueError(f"groups must hold every judged row once; {len(names)} of {len(order)} were found")
    clean = _marks(judged, truth)[order] == "" if truth is not None else None
    known, flagged, label = ~np.isnan(judged.scores[order]), judged.flagged[order], names[by].to_numpy()
    found = []
    for group in sorted(set(label.tolist())):
        for m, sensor in enumerate(judged.sensors):
            own = (label == group) & known[:, m]
            shares = {"flagged": _share(flagged[own, m]), "readings": int(own.sum())}
            if clean is not None:
                shares["false_flags"] = _share(flagged[own & clean[:, m], m])
            found.append({by: group, "sensor": sensor, **shares})
    return pl.DataFrame(found)


def _marks(judged: Judged, truth: pl.DataFrame) -> NDArray[np.object_]:
    """[N, M] kind of contamination, empty for a clean reading; other rows and sensors do not count."""
    marks = np.full((len(judged.rows), len(judged.sensors)), "", dtype=object)
    place = {row: n for n, row in enumerate(judged.rows.tolist())}
    column = {name: m for m, name in enumerate(judged.sensors)}
    for row, sensor, kind in truth.select("row", "sensor", "kind").iter_rows():
        if row in place and sensor in column:
            marks[place[row], column[sensor]] = kind
    return marks


def _compared(
    judged: Judged, marks: NDArray[np.object_], chosen: list[int], kind: str
) -> tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.bool_]]:
    """Contaminated [K], score [K] and flagged [K] of the readings that count for a kind."""
    own, score, flag = marks[:, chosen], judged.scores[:, chosen], judged.flagged[:, chosen]
    bad = own != "" if kind == ANY else own == kind
    counted = (bad | (own == "")) & ~np.isnan(score)
    return bad[counted].astype(bool), score[counted], flag[counted]


def _measures(
    bad: NDArray[np.bool_], score: NDArray[np.float64], flag: NDArray[np.bool_]
) -> dict[str, float | int]:
    both = bool(bad.any()) and not bool(bad.all())
    return {
        "contaminated": int(bad.sum()),
        "readings": len(bad),
        "auroc": float(roc_auc_score(bad, score)) if both else np.nan,
        "average_precision": float(average_precision_score(bad, score)) if both else np.nan,
        "precision": _share(bad[flag]),
        "recall": _share(flag[bad]),
    }


def _share(values: NDArray[np.bool_]) -> float:
    """Of True; NaN without values."""
    return float(values.mean()) if len(values) else float("nan")

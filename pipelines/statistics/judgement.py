"""Verdicts that may be believed: a test alone does not say that balancing hurts, or that it cannot help.

`comparison.compare` tests a difference. What is concluded from it needs two more measurements.

- **Convergence.** Plain training is repeated with half as many epochs again. Where that lowers its test error
  by more than `GAIN`, nothing has converged, and no method helped or hurt. A method that is worse than plain
  training and fits the *training* data worse too, by at least `EXPLAINED` of the loss, is under-trained: it
  has taken optimisation time, which is not the same as having harmed what was learnt.
- **Headroom.** Encoders that were trained alone, under a joint head, show whether the joint model leaves
  anything to win. Where it leaves nothing, a method that changed nothing says nothing about balancing.

All errors are mm, differences method minus reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from equipose.pipelines.statistics.comparison import VERDICTS

GAIN = 0.02
"""Plain training has converged when half as many epochs again lower its error by at most this share."""
EXPLAINED = 0.5
"""Share of a method's loss on test data that its loss on training data must reach to explain it."""
UNDER_TRAINED, NO_HEADROOM = "under-trained", "no headroom"
JUDGEMENTS: tuple[str, ...] = (*VERDICTS, UNDER_TRAINED, NO_HEADROOM)

Headroom = Literal["found", "none", "unclear"]


@dataclass(frozen=True, kw_only=True)
class Convergence:
    """What plain training gains from more epochs, on the test part."""

    error_mm: float
    longer_mm: float
    """With half as many epochs again."""
    seeds: int

    @property
    def gain(self) -> float:
        """Share of the error that the additional epochs take away; negative where they add to it."""
        return (self.error_mm - self.longer_mm) / self.error_mm

    @property
    def converged(self) -> bool:
        """Whether the gain is at most `GAIN`."""
        return self.gain <= GAIN

    @property
    def words(self) -> str:
        """One sentence for tables and summaries."""
        state = "converged" if self.converged else "not converged"
        return (
            f"{state}: half as many epochs again change plain training from {self.error_mm:.1f} to "
            f"{self.longer_mm:.1f} mm ({-100 * self.gain:+.1f} %; the bound is {-100 * GAIN:+.0f} %)"
        )


def headroom_of(references: pl.DataFrame) -> Headroom:
    """Whether anything can be won, from `comparison.compare` of upper references against plain training.

    `found` where one of them is better beyond chance; `none` where each of them leaves no room for an
    improvement worth having; `unclear` otherwise.
    """
    verdicts = set(references["verdict"])
    if "helped" in verdicts:
        return "found"
    return "none" if verdicts <= {"did not help", "hurt"} else "unclear"


def judged(
    comparison: pl.DataFrame,
    *,
    convergence: Convergence | None,
    headroom: Headroom | None,
    training_mm: pl.DataFrame,
    reference: str,
) -> pl.DataFrame:
    """`comparison.compare`'s table with the column `judgement`, one of `JUDGEMENTS`, and `because`.

    training_mm: `method`, `seed`, `error_mm` on training data in evaluation mode, at the tested checkpoint.
    None for what was not measured, which then changes nothing.
    """
    rows = []
    for row in comparison.iter_rows(named=True):
        slack = _training_difference(training_mm, row["method"], reference)
        judgement, because = judge(
            row["verdict"], row["difference_mm"], slack, convergence=convergence, headroom=headroom
        )
        rows.append({**row, "training_difference_mm": slack, "judgement": judgement, "because": because})
    more: dict[str, Any] = {
        "training_difference_mm": pl.Float64, "judgement": pl.String, "because": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema={**comparison.schema, **more})


def judge(
    verdict: str,
    difference_mm: float,
    training_difference_mm: float,
    *,
    convergence: Convergence | None,
    headroom: Headroom | None,
) -> tuple[str, str]:
    """A tested verdict -> (judgement, why it differs from the verdict).

    Examples:
        >>> judge("hurt", 5.0, 4.0, convergence=None, headroom="found")
        ('under-trained', 'training error is 4.0 mm higher too')
        >>> judge("did not help", 0.1, 0.0, convergence=None, headroom="none")
        ('no headroom', 'nothing to win was measured')
    """
    if verdict in ("helped", "hurt") and convergence is not None and not convergence.converged:
        return "undecided", "plain training has not converged"
    if verdict == "hurt" and training_difference_mm >= EXPLAINED * difference_mm:
        return UNDER_TRAINED, f"training error is {training_difference_mm:.1f} mm higher too"
    if verdict != "helped" and headroom == "none":
        return NO_HEADROOM, "nothing to win was measured"
    return verdict, ""


def _training_difference(training_mm: pl.DataFrame, method: str, reference: str) -> float:
    """Mean over common seeds of the method's training error minus the reference's; NaN where unknown."""
    wide = training_mm.filter(pl.col("method").is_in([method, reference]))
    pairs = wide.pivot("method", index="seed", values="error_mm")
    if not {method, reference} <= set(pairs.columns):
        return float("nan")
    both = pairs.drop_nulls()
    return float(np.mean((both[method] - both[reference]).to_numpy())) if len(both) else float("nan")

"""What the player shows: skeletons, errors and sensors of one sequence, as arrays.

Legend: F frames; poses [F, 17, 3] in metres, x right, y down, z away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.skeleton import BONES, NUM_JOINTS
from equipose.pipelines.player.packing import packed
from equipose.pipelines.player.panels import Panel, Rows

Poses = NDArray[np.floating]
MOST_PREDICTIONS = 3
"""As many colours as stay apart on both backgrounds."""
MILLIMETRES = 1000.0


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One sequence to look at."""

    title: str
    provenance: str
    """Such as `simulated data`."""
    numbers: NDArray[np.integer]
    """[F] frame numbers, ascending."""
    truth: Poses
    """NaN where the true pose is not known."""
    predictions: Mapping[str, Poses] = field(default_factory=dict)
    """Name -> poses, at most `MOST_PREDICTIONS`; NaN where a frame was not predicted."""
    panels: Sequence[Panel] = ()
    rate: float = 10.0
    """Frames per second, counted in frame numbers; 10 in MM-Fi and MARS."""
    recorded: int = 0
    """Frames that the sequence really has; 0: as many as there are here."""

    def __post_init__(self) -> None:
        if not self.provenance.strip():
            raise ValueError("provenance is empty; say what the frames come from, e.g. 'simulated data'")
        if len(self.predictions) > MOST_PREDICTIONS:
            raise ValueError(f"predictions are {len(self.predictions)}; show at most {MOST_PREDICTIONS}")
        if not self.rate > 0:
            raise ValueError(f"rate is {self.rate}; give frames per second, more than 0")
        frames = len(self.numbers)
        if not frames:
            raise ValueError(f"clip {self.title!r} has no frames; choose another sequence")
        for name, poses in {"truth": self.truth, **self.predictions}.items():
            if poses.shape != (frames, NUM_JOINTS, 3):
                raise ValueError(
                    f"{name} has shape {list(poses.shape)}; expected [{frames}, {NUM_JOINTS}, 3]"
                )
        for panel in self.panels:
            if len(panel) != frames:
                raise ValueError(f"panel {panel.title!r} has {len(panel)} frames; expected {frames}")

    def __len__(self) -> int:
        return len(self.numbers)

    @cached_property
    def errors_mm(self) -> dict[str, NDArray[np.float64]]:
        """Name of a prediction -> mean joint distance per frame [F], mm, unaligned; NaN where unknown."""
        return {name: errors_mm(poses, self.truth) for name, poses in self.predictions.items()}

    @property
    def simulated(self) -> bool:
        """Whether any of it was not recorded."""
        return "simulated" in self.provenance.lower()

    @property
    def total(self) -> int:
        """Frames that the sequence really has."""
        return max(self.recorded, len(self))

    def plain(self, keep: Rows) -> dict[str, Any]:
        """The frames `keep` as the player takes them."""
        numbers = self.numbers[keep]
        steps = np.diff(numbers)
        series: list[dict[str, Any]] = [{"name": "truth", "pose": packed(self.truth[keep])}]
        for name, poses in self.predictions.items():
            errors = packed(self.errors_mm[name][keep])
            series.append({"name": name, "pose": packed(poses[keep]), "errors": errors})
        return {
            "title": self.title,
            "numbers": numbers.tolist(),
            "seconds": float(np.median(steps) / self.rate) if len(steps) else 1.0,
            "joints": NUM_JOINTS,
            "bones": [list(bone) for bone in BONES],
            "series": series,
            "panels": [panel.plain(keep) for panel in self.panels],
        }


def errors_mm(predicted: Poses, truth: Poses) -> NDArray[np.float64]:
    """Mean joint distance, without alignment: [F, 17, 3] m twice -> [F] mm; NaN where a pose is unknown."""
    apart = np.linalg.norm(np.asarray(predicted, np.float64) - np.asarray(truth, np.float64), axis=-1)
    return np.asarray(MILLIMETRES * apart.mean(axis=-1), dtype=np.float64)

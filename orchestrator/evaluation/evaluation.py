"""Evaluation of a trained model on a fixed list of frames: every subset of its sensors, frame by frame.

Each frame is encoded once; all 2^M - 1 subsets are fused from those features, with the feature of an absent
or invalid sensor zeroed. No frame is ever left out, so all subsets are judged on the same frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.shapley.coalitions import coalition_predictions, coalitions_of
from equipose.balancing.shapley.report import ContributionReport
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.models.base import SensorModel
from equipose.models.sensors import subset_name
from equipose.orchestrator.evaluation.contributions import contributions
from equipose.orchestrator.evaluation.files import (
    atomic_folder,
    foreign,
    plain_report,
    report_of,
    seal,
    unsealed,
)
from equipose.orchestrator.evaluation.frame_errors import RECORDING, SubsetErrors
from equipose.orchestrator.training.data import provenance_label
from equipose.orchestrator.training.passes import show_gallery
from equipose.orchestrator.training.validation import recordings
from equipose.pipelines.batches.sharding import evenly_spaced
from equipose.pipelines.batches.source import BatchSource
from equipose.pipelines.files.atomic import atomic

MOST_FEATURES = 500
"""Frames whose features are kept; enough to map them, a few megabytes at most."""
FRAME_COLUMNS = ("subset", "row", *RECORDING, "sequence", "mpjpe_mm", "pa_mpjpe_mm")
JOINT_COLUMNS = ("subset", "joint", *RECORDING, "error_sum_mm", "count")
FRAMES, JOINTS, FEATURES, REPORT = "frames.parquet", "joints.parquet", "features.npy", "report.json"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Errors of one model with every non-empty subset of its sensors (beyond 8 sensors: a sample of them)."""

    modalities: tuple[str, ...]
    frames: pl.DataFrame
    """A row per (subset, frame), subsets by bitmask, frames in the order of evaluation: `subset` (such as
    `RL`), `row` of the store, `environment`, `subject`, `action`, `sequence`, `mpjpe_mm`, `pa_mpjpe_mm`."""
    joints: pl.DataFrame
    """A row per (subset, recording, joint): `subset`, `joint`, `environment`, `subject`, `action`,
    `error_sum_mm` (over frames) and `count` (frames)."""
    report: ContributionReport
    """Shapley values with their interval, and MPJPE and spread of every coalition, on the same frames."""
    features: NDArray[np.float32]
    """[n, M, D] of at most `MOST_FEATURES` frames, evenly spaced; zero where a sensor is absent."""
    feature_rows: NDArray[np.int64]
    """[n] their rows of the store."""
    truth_spread_mm: float
    """Spread of the true poses; that of the predictions shrinks below it when a sensor collapses."""
    provenance: str
    """Such as `simulated data`."""

    @property
    def full(self) -> str:
        """Name of the subset with every sensor: the full model."""
        return subset_name((1 << len(self.modalities)) - 1, self.modalities)

    @property
    def mpjpe_mm(self) -> float:
        """Mean per-joint position error of the full model, mm, no alignment."""
        return float(self.report.mpjpe_mm[-1])

    @property
    def pa_mpjpe_mm(self) -> float:
        """The same after a similarity transform of every frame."""
        mine = self.frames.filter(pl.col("subset") == self.full)["pa_mpjpe_mm"]
        return float(mine.to_numpy().mean())

    @property
    def spread(self) -> pl.DataFrame:
        """`subset`, `spread_mm` of the predictions, `share` of the true poses' spread (1 is healthy)."""
        names = self.report.coalitions.names(self.modalities)[1:]
        table = pl.DataFrame({"subset": names, "spread_mm": self.report.spread_mm[1:].numpy()})
        return table.with_columns(share=pl.col("spread_mm") / self.truth_spread_mm)

    @property
    def feature_arrays(self) -> dict[str, NDArray[np.float32]]:
        """modality -> [n, D], as `equipose.pipelines.figures.feature_map` takes them."""
        return {name: self.features[:, m] for m, name in enumerate(self.modalities)}


def evaluate(
    model: SensorModel,
    source: BatchSource,
    *,
    value_function: str = "pearson",
    seed: int,
    device: torch.device | str | None = None,
) -> Evaluation:
    """Evaluate all subsets on all rows of `source`, in their order; the model's modes are left as they were.

    seed: of the bootstrap of the Shapley values. device: where to compute, the model is moved there and
    stays; None is where it is. Raises ValueError without rows, or where a prediction is not finite.
    """
    if not len(source):
        raise ValueError("no frames to evaluate: the chosen part of the split is empty")
    if device is not None:
        model.to(device)
    like = next(model.parameters())
    names = coalitions_of(len(model.modalities)).names(model.modalities)[1:]
    errors = SubsetErrors(names, source.store.index[source.rows].select("row", *RECORDING, "sequence"))
    parts, kept, chosen = [], [], evenly_spaced(len(source), MOST_FEATURES)
    done = 0
    show_gallery(model, source)
    with torch.no_grad(), evaluating(model):
        for batch in source.in_order():
            batch = batch.to(like.device, like.dtype)
            features = model.encode(batch)
            predictions = coalition_predictions(model, features, model.present_of(batch))
            parts.append(CoalitionStatistics.from_predictions(predictions, batch.pose, recordings(batch)))
            errors.add(predictions[1:], batch.pose)
            mine = chosen[(chosen >= done) & (chosen < done + len(batch))] - done
            kept.append(features[torch.from_numpy(mine).to(features.device)].float().cpu())
            done += len(batch)
    statistics = CoalitionStatistics.merged(parts)
    return Evaluation(
        modalities=model.modalities,
        frames=errors.frames(),
        joints=errors.joints(),
        report=contributions(statistics, model.modalities, value=value_function, seed=seed),
        features=torch.cat(kept).numpy(),
        feature_rows=source.rows[chosen],
        truth_spread_mm=_truth_spread_mm(statistics),
        provenance=provenance_label(source.store),
    )


def _truth_spread_mm(statistics: CoalitionStatistics) -> float:
    """Standard deviation of the true poses, as `prediction_spread` measures that of the predictions, mm."""
    one = statistics.total()
    return float(1000 * (one.target_m2 / one.count).clamp_min(0).sqrt().mean())


def save_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write an evaluation into `folder`, which appears complete or not at all; an older one is replaced."""
    with atomic_folder(Path(folder)) as partial:
        _write(evaluation, partial)


def load_evaluation(folder: Path) -> Evaluation:
    """Inverse of `save_evaluation`, exact to the bit.

    Raises DataError, naming the file, where one is absent, damaged or of another format.
    """
    folder = Path(folder)
    content = unsealed(folder, REPORT)
    try:
        evaluation = Evaluation(
            modalities=tuple(content["modalities"]),
            frames=pl.read_parquet(folder / FRAMES).select(FRAME_COLUMNS),
            joints=pl.read_parquet(folder / JOINTS).select(JOINT_COLUMNS),
            report=report_of(content["report"]),
            features=np.load(folder / FEATURES, allow_pickle=False),
            feature_rows=np.array(content["feature_rows"], dtype=np.int64),
            truth_spread_mm=content["truth_spread_mm"],
            provenance=content["provenance"],
        )
    except (ValueError, TypeError, KeyError, EOFError, OSError, pl.exceptions.PolarsError) as error:
        # Its checksums are right, so it was written by something else.
        raise foreign(folder, error) from error
    return evaluation


def _write(evaluation: Evaluation, folder: Path) -> None:
    for name, table in {FRAMES: evaluation.frames, JOINTS: evaluation.joints}.items():
        with atomic(folder / name) as stream:
            table.write_parquet(stream, compression="zstd")
    with atomic(folder / FEATURES) as stream:
        np.save(stream, evaluation.features, allow_pickle=False)
    content = {
        "modalities": list(evaluation.modalities),
        "report": plain_report(evaluation.report),
        "feature_rows": evaluation.feature_rows.tolist(),
        "truth_spread_mm": evaluation.truth_spread_mm,
        "provenance": evaluation.provenance,
    }
    seal(content, folder, REPORT, files=(FRAMES, JOINTS, FEATURES))

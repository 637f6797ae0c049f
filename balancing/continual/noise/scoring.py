"""From evidence to one score per reading: how little it fits, in robust units.

Legend: N rows of all ranks, M modalities, K channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from equipose.balancing.continual.noise.evidence import Evidence
from equipose.balancing.continual.noise.head_errors import relative_log_errors
from equipose.balancing.continual.noise.residuals import (
    BULK,
    TAIL,
    Fit,
    PoseAxes,
    Trimming,
    fitted_distances,
    pose_axes,
)
from equipose.balancing.continual.noise.robust import compressed, robust_scale, robust_z

Fits = tuple[tuple[Fit, Tensor] | None, ...]
"""Of every sensor, with the spread of its residuals [D, D]; None for one that was never there."""


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """What readings of one set of rows are measured by, so that others can be measured by it too."""

    axes: PoseAxes
    fits: Fits
    """Empty without the channel `features`."""
    centre: Tensor
    """[M, K] median of every channel."""
    spread: Tensor
    """[M, K]."""


def measured(evidence: Evidence, by: Yardstick | None = None) -> tuple[Tensor, Yardstick]:
    """[N, M] float64 sum over channels of compressed robust z, NaN where the sensor is absent.

    by: the yardstick of other rows; None is that of these, which is returned. A channel that says nothing of
    a reading (the only sensor of a row has no other head to be compared with) counts as its median, 0.
    """
    axes = by.axes if by else pose_axes(evidence.poses, evidence.shared)
    values, fits = _stacked(evidence, TAIL, axes, by.fits if by else None)
    centre, spread = (by.centre, by.spread) if by else robust_scale(values)
    scores = compressed((values - centre) / spread).nansum(dim=2).masked_fill(~evidence.present, torch.nan)
    return scores, by or Yardstick(axes=axes, fits=fits, centre=centre, spread=spread)


def bulk_channels(evidence: Evidence) -> Tensor:
    """[N, M, K] float64 compressed robust z of every channel for `bulk.bulk_share`."""
    axes = pose_axes(evidence.poses, evidence.shared)
    return compressed(robust_z(_stacked(evidence, BULK, axes, None)[0]))


def _stacked(
    evidence: Evidence, trimming: Trimming, axes: PoseAxes, known: Fits | None
) -> tuple[Tensor, Fits]:
    """[N, M, K] float64 raw evidence, NaN where there is none, and the fits of the features."""
    channels, fits = [], known or ()
    if evidence.features.shape[2]:
        distances, fits = _distances(evidence, trimming, axes, known)
        channels.append(distances)
    if evidence.head_errors is not None:
        channels.append(relative_log_errors(evidence.head_errors, evidence.present))
    if evidence.harms is not None:
        channels.append(evidence.harms)
    return torch.stack(channels, dim=2), fits


def _distances(
    evidence: Evidence, trimming: Trimming, axes: PoseAxes, known: Fits | None
) -> tuple[Tensor, Fits]:
    """[N, M] float64 log distances, sensor by sensor: only one sensor's features are in float64 at a time.

    Of a sensor that the rows of the known fits lack, nothing can be said: NaN.
    """
    components, found = axes.of(evidence.poses), []
    for m, present in enumerate(evidence.present.T):
        fit = known[m] if known else None
        shown = present if not known or fit else torch.zeros_like(present)
        found.append(
            fitted_distances(
                evidence.features[:, m].double(),
                components,
                evidence.recordings,
                shown,
                evidence.shared,
                trimming,
                fit,
            )
        )
    return torch.stack([distance for distance, _ in found], dim=1), tuple(fit for _, fit in found)

"""From evidence to one score per reading: how little it fits, in robust units.

Legend: N rows of all ranks, M modalities, K channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equipose.balancing.continual.noise.evidence import Evidence
from equipose.balancing.continual.noise.head_errors import relative_log_errors
from equipose.balancing.continual.noise.residuals import BULK, TAIL, Trimming, log_distances, pose_components
from equipose.balancing.continual.noise.robust import compressed, robust_z


def reading_scores(evidence: Evidence) -> Tensor:
    """[N, M] float64 sum over channels of compressed robust z, NaN where the sensor is absent.

    A channel that says nothing of a reading (the only sensor of a row has no other head to be compared with)
    counts as its median, 0.
    """
    channels = compressed(robust_z(_stacked(evidence, TAIL)))
    return channels.nansum(dim=2).masked_fill(~evidence.present, torch.nan)


def bulk_channels(evidence: Evidence) -> Tensor:
    """[N, M, K] float64 compressed robust z of every channel for `bulk.bulk_share`."""
    return compressed(robust_z(_stacked(evidence, BULK)))


def _stacked(evidence: Evidence, trimming: Trimming) -> Tensor:
    """[N, M, K] float64 raw evidence, NaN where there is none."""
    channels = []
    if evidence.features.shape[2]:
        channels.append(_distances(evidence, trimming))
    if evidence.head_errors is not None:
        channels.append(relative_log_errors(evidence.head_errors, evidence.present))
    if evidence.harms is not None:
        channels.append(evidence.harms)
    return torch.stack(channels, dim=2)


def _distances(evidence: Evidence, trimming: Trimming) -> Tensor:
    """[N, M] float64 log distances, sensor by sensor: only one sensor's features are in float64 at a time."""
    shared, components = evidence.shared, pose_components(evidence.poses, evidence.shared)
    columns = [
        log_distances(
            evidence.features[:, m].double(), components, evidence.recordings, present, shared, trimming
        )
        for m, present in enumerate(evidence.present.T)
    ]
    return torch.stack(columns, dim=1)

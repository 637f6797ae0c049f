"""How much better each encoder's features serve the training data than the validation data.

Three versions of the diagnosis of Wei et al. (ECCV 2024), who compare the purity of feature clusters.
Everything is computed from sums over rows, reduced over ranks first.

Legend: B rows, M modalities, D features, K coordinates (51), A classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import torch
from torch import Tensor

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.run import Run
from equipose.balancing.shapley.shares import coalition_pass, contributions
from equipose.models.batch import Batch
from equipose.models.skeleton import NUM_JOINTS

Diagnosis = Literal["probe", "purity", "shapley"]
RIDGE = 1e-3
"""Ridge of the linear probe, as a share of the mean variance of the features."""
LLOYD_STEPS = 10
NUM_CLASSES = 28
"""Action codes are 1 to 27; an unused code has no members and changes nothing."""
Mean = Callable[[Tensor], Tensor]


def diagnosis_gaps(
    run: Run, train: Iterable[Batch], validation: Iterable[Batch], kind: Diagnosis, classes: str = "action"
) -> Tensor:
    """[M] float64 |P_train - P_val| of every encoder, equal on all ranks.

    For `probe`, P is the Pearson correlation, averaged over coordinates, of the pose with a ridge regression
    from the features, fitted on the training data; for `purity`, the share of rows in the majority class of
    their K-means cluster; rows that lack a modality do not count for it. For `shapley`, P is the modality's
    Pearson Shapley value per coordinate. None of them changes the model.
    """
    if kind == "shapley":
        players = len(run.model.modalities)
        profit = [contributions(coalition_pass(run, batches), players) for batches in (train, validation)]
        return (profit[0] - profit[1]).abs() / (3 * NUM_JOINTS)
    with torch.no_grad(), evaluating(run.model):
        if kind == "probe":
            moments = [_moments(run, batches) for batches in (train, validation)]
            return torch.stack([_probe_gap(a, b) for a, b in zip(*moments, strict=True)])
        purity = [_purities(run, batches, classes) for batches in (train, validation)]
        return (purity[0] - purity[1]).abs()


def probe_scores(train: Tensor, other: Tensor, width: int) -> tuple[float, float]:
    """Correlation of the probe fitted on `train`, on `train` and on `other` data.

    Both [D + K + 1, D + K + 1] float64: sums over rows of z z' with z = (features, pose, 1); width: D.
    """
    covariances = [_covariance(moments) for moments in (train, other)]
    features = covariances[0][:width, :width]
    ridge = RIDGE * features.diagonal().mean().clamp_min(1e-12)
    eye = torch.eye(width, dtype=features.dtype, device=features.device)
    weights = torch.linalg.solve(features + ridge * eye, covariances[0][:width, width:])
    first, second = (_mean_correlation(covariance, weights) for covariance in covariances)
    return first, second


def purity(clusters: Tensor) -> Tensor:
    """The share of rows in the majority class of their cluster. clusters: [clusters, A] counts."""
    return clusters.max(dim=1).values.sum() / clusters.sum().clamp_min(1e-12)


def _features(run: Run, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Tensor, Tensor]]:
    """Batch, features [B, M, D] float64, present [B, M]."""
    for batch in batches:
        yield batch, run.model.encode(batch).double(), run.model.present_of(batch)


def _moments(run: Run, batches: Iterable[Batch]) -> Tensor:
    """[M, D + K + 1, D + K + 1] averaged over ranks; see `probe_scores`."""
    total: Tensor | None = None
    for batch, features, present in _features(run, batches):
        pose = batch.pose.double().flatten(1)[:, None].expand(-1, features.shape[1], -1)
        z = torch.cat([features, pose, torch.ones_like(pose[..., :1])], dim=-1) * present[..., None]
        part = torch.einsum("bmi,bmj->mij", z, z)
        total = part if total is None else total + part
    if total is None:
        raise ValueError("no batch to diagnose the encoders on; give every rank at least one")
    return run.mean(total)


def _probe_gap(train: Tensor, validation: Tensor) -> Tensor:
    """|P_train - P_val| of one modality; 0 where it was never present."""
    width = len(train) - 3 * NUM_JOINTS - 1
    if min(train[-1, -1], validation[-1, -1]) == 0:
        return train.new_zeros(())
    first, second = probe_scores(train, validation, width)
    return train.new_tensor(abs(first - second))


def _covariance(moments: Tensor) -> Tensor:
    """[D + K, D + K] of raw moments."""
    count = moments[-1, -1]
    mean = moments[-1, :-1] / count
    return moments[:-1, :-1] / count - mean[:, None] * mean


def _mean_correlation(covariance: Tensor, weights: Tensor) -> float:
    """Correlation of features @ weights with the pose, averaged over coordinates; constants count as 0."""
    width = len(weights)
    between = (weights * covariance[:width, width:]).sum(dim=0)
    predicted = (weights * (covariance[:width, :width] @ weights)).sum(dim=0)
    product = predicted * covariance.diagonal()[width:]
    moves = product > 1e-18
    return float(torch.where(moves, between / torch.where(moves, product, 1.0).sqrt(), 0.0).mean())


def _purities(run: Run, batches: Iterable[Batch], classes: str) -> Tensor:
    """[M] purity of one K-means per modality, K being the largest class code plus one."""
    rows = [
        (features, present, batch.labels[classes]) for batch, features, present in _features(run, batches)
    ]
    if not rows:
        raise ValueError("no batch to diagnose the encoders on; give every rank at least one")
    features, present, labels = (torch.cat(column) for column in zip(*rows, strict=True))
    one_hot = torch.nn.functional.one_hot(labels, NUM_CLASSES).double()
    return torch.stack(
        [
            purity(_clusters(features[:, m], one_hot * present[:, m, None], run.mean))
            for m in range(features.shape[1])
        ]
    )


def _clusters(features: Tensor, classes: Tensor, mean: Mean) -> Tensor:
    """[clusters, A] counts after K-means on standardised features, started from the class means.

    features: [B, D]; classes: [B, A] one-hot, zero for rows that do not count.
    """
    counted = classes.sum(dim=1, keepdim=True)
    sums = mean(torch.stack([(counted * features).sum(0), (counted * features**2).sum(0)]))
    count = mean(counted.sum()).clamp_min(1e-12)
    centre, square = sums / count
    features = (features - centre) / (square - centre**2).clamp_min(1e-12).sqrt()
    member = classes
    for _ in range(LLOYD_STEPS):
        joined = mean(torch.cat([member.T @ features, member.sum(dim=0)[:, None]], dim=1))
        size = joined[:, -1:]
        distance = torch.cdist(features, joined[:, :-1] / size.clamp_min(1e-12))
        nearest = distance.masked_fill(size.T == 0, torch.inf).argmin(dim=1)
        member = torch.nn.functional.one_hot(nearest, len(size)).double() * counted
    return mean(member.T @ classes)

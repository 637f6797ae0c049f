from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from equipose.balancing.evaluation_mode import evaluating
from equipose.balancing.method import Method
from equipose.balancing.parts.diagnosis import RIDGE, diagnosis_gaps, probe_scores, purity
from equipose.balancing.run import Run


def by_hand(f: np.ndarray, y: np.ndarray, g: np.ndarray, z: np.ndarray) -> tuple[float, float]:
    """Ridge regression by least squares on extended rows, then numpy's correlation."""
    centre = f.mean(0)
    ridge = RIDGE * f.var(0).mean()
    rows = np.vstack([f - centre, np.sqrt(ridge * len(f)) * np.eye(f.shape[1])])
    weights = np.linalg.lstsq(rows, np.vstack([y - y.mean(0), np.zeros((f.shape[1], y.shape[1]))]))[0]

    def mean_correlation(features: np.ndarray, target: np.ndarray) -> float:
        predicted = features @ weights
        return float(np.mean([np.corrcoef(predicted[:, k], target[:, k])[0, 1] for k in range(y.shape[1])]))

    return mean_correlation(f, y), mean_correlation(g, z)


def test_probe_equals_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    f, g = rng.normal(2.0, 1.0, (40, 5)), rng.normal(1.0, 2.0, (30, 5))
    mix = rng.normal(size=(5, 4))
    y, z = f @ mix + rng.normal(size=(40, 4)) + 3, g @ mix + 4 * rng.normal(size=(30, 4))
    moments = []
    for features, target in ((f, y), (g, z)):
        extended = torch.from_numpy(np.hstack([features, target, np.ones((len(features), 1))]))
        moments.append(extended.T @ extended)
    assert probe_scores(*moments, 5) == pytest.approx(by_hand(f, y, g, z), abs=1e-9)


def test_purity_by_hand() -> None:
    assert purity(torch.tensor([[3.0, 1.0], [0.0, 4.0], [0.0, 0.0]])) == 7 / 8


def test_probe_gap_of_a_model_by_hand(toy_training: Callable) -> None:
    training = toy_training(Method(), dtype=torch.float64)
    run, model = training.view(), training.model
    gaps = diagnosis_gaps(run, run.batches(), run.validation_batches(), "probe")
    columns = []
    for batches in (training.batches, training.held_out):
        with torch.no_grad(), evaluating(model):
            features = torch.cat([model.encode(batch) for batch in batches])
        present = torch.cat([batch.present for batch in batches])
        pose = torch.cat([batch.pose.flatten(1) for batch in batches])
        columns.append((features, present, pose))
    for m in range(3):
        (f, p, y), (g, q, z) = columns
        parts = (f[p[:, m], m], y[p[:, m]], g[q[:, m], m], z[q[:, m]])
        first, second = by_hand(*(part.numpy() for part in parts))
        assert gaps[m].item() == pytest.approx(abs(first - second), abs=1e-8)


@pytest.mark.parametrize("kind", ["probe", "purity"])
def test_ranks_agree(kind: str, toy_training: Callable, thread_ranks: Callable) -> None:
    def run_of(**place: object) -> Run:
        run: Run = toy_training(Method(), dtype=torch.float64, **place).view()
        return run

    def gaps(run: Run) -> torch.Tensor:
        return diagnosis_gaps(run, run.batches(), run.validation_batches(), kind)  # type: ignore[arg-type]

    alone = gaps(run_of())
    assert (alone > 0).any()
    ranks = thread_ranks(2)
    # Built before the threads start, because building seeds the global generator.
    runs = [run_of(rank=rank, world_size=2, mean=ranks.mean(rank)) for rank in range(2)]
    pair = ranks.run(lambda rank: gaps(runs[rank]))
    assert torch.equal(*pair)
    torch.testing.assert_close(pair[0], alone, rtol=0, atol=1e-10)


def test_purity_of_separable_features_is_one(toy_training: Callable) -> None:
    """Features that are the class itself: purity 1 on both sides, so no gap."""
    training = toy_training(Method(), dtype=torch.float64)

    def encode(batch: object) -> torch.Tensor:
        codes = batch.labels["action"].double()  # type: ignore[attr-defined]
        return codes[:, None, None].expand(-1, 3, 2) * torch.tensor([1.0, 10.0])

    training.model.encode = encode
    run = training.view()
    assert diagnosis_gaps(run, run.batches(), run.validation_batches(), "purity").tolist() == [0, 0, 0]

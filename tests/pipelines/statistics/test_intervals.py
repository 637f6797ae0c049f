"""Errors of one model and their intervals, against a plain recomputation and known coverage."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from equipose.models.skeleton import JOINTS
from equipose.pipelines.statistics.intervals import clustered_interval, model_errors

SUBSETS = ("R", "L", "RL")


def frames_and_joints(subjects: int = 6, frames: int = 4) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Random errors of three subsets; subject s has s more frames of A02 than the others."""
    rng = np.random.default_rng(0)
    rows, joints = [], []
    for subset in SUBSETS:
        for s in range(subjects):
            for action in ("A02", "A13"):
                where = {"environment": f"E{1 + s // 3:02d}", "subject": f"S{s:02d}", "action": action}
                count = frames + (s if action == "A02" else 0)
                errors = 80 + 10 * rng.standard_normal(count)
                rows += [{"subset": subset, **where, "mpjpe_mm": e, "pa_mpjpe_mm": e / 2} for e in errors]
                sums = rng.uniform(50, 100, len(JOINTS)) * count
                joints += [
                    {"subset": subset, "joint": joint, **where, "error_sum_mm": total, "count": count}
                    for joint, total in zip(JOINTS, sums, strict=True)
                ]
    return pl.DataFrame(rows), pl.DataFrame(joints)


def plain(sums: dict[str, float], counts: dict[str, int]) -> tuple[float, float, float]:
    """(error, low, high) by the textbook: draw clusters one by one, take quantiles, widen."""
    names = list(sums)
    total = sum(sums.values()) / sum(counts.values())
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(1000):
        chosen = rng.choice(names, len(names))
        draws.append(sum(sums[n] for n in chosen) / sum(counts[n] for n in chosen))
    low, high = np.quantile(draws, (0.025, 0.975))
    g = len(names)
    factor = stats.t.ppf(0.975, g - 1) / stats.norm.ppf(0.975) * np.sqrt(g / (g - 1))
    return total, total - factor * (total - low), total + factor * (high - total)


def test_every_row_is_what_a_plain_loop_finds() -> None:
    frames, joints = frames_and_joints()
    found = model_errors(frames, joints)
    assert len(found) == 3 * (2 * (1 + 2 + 2 + 6) + 17)
    assert found["subset"].unique(maintain_order=True).to_list() == ["R", "L", "RL"]
    for by, group in (("all", "all"), ("action", "A02"), ("environment", "E02"), ("joint", "left_knee")):
        for subset in ("L", "RL"):
            table, error = (joints, "error_sum_mm") if by == "joint" else (frames, "pa_mpjpe_mm")
            metric = "joint_error_mm" if by == "joint" else "pa_mpjpe_mm"
            sums: dict[str, float] = {}
            counts: dict[str, int] = {}
            for row in table.iter_rows(named=True):
                if row["subset"] == subset and (by == "all" or row[by] == group):
                    sums[row["subject"]] = sums.get(row["subject"], 0.0) + row[error]
                    counts[row["subject"]] = counts.get(row["subject"], 0) + row.get("count", 1)
            (mine,) = found.filter(subset=subset, by=by, group=group, metric=metric).to_dicts()
            total, low, high = plain(sums, counts)
            assert mine["error_mm"] == pytest.approx(total, rel=1e-12)
            assert mine["frames"] == sum(counts.values())
            assert mine["clusters"] == len(sums)
            assert (mine["low_mm"], mine["high_mm"]) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_recordings_can_be_resampled_instead() -> None:
    frames, joints = frames_and_joints(subjects=2)
    found = model_errors(frames, joints, cluster="recording")
    assert found.filter(by="all", metric="mpjpe_mm")["clusters"].to_list() == [4] * 3
    one = found.filter(by="subject", metric="mpjpe_mm")
    assert one["clusters"].to_list() == [2] * 6
    with pytest.raises(ValueError, match="cluster='room' is unknown"):
        model_errors(frames, joints, cluster="room")


def test_a_single_cluster_has_no_interval_and_none_reaches_below_zero() -> None:
    assert np.isnan(clustered_interval(np.array([5.0]), np.array([1.0]))).all()
    low, high = clustered_interval(np.array([1.0, 99.0]), np.array([1.0, 1.0]))
    assert low == 0.0
    assert high > 99.0


@pytest.mark.parametrize("clusters", [3, 8])
def test_intervals_cover(clusters: int) -> None:
    rng = np.random.default_rng(2)
    counts, hits = np.full(clusters, 10.0), 0
    for _ in range(300):
        low, high = clustered_interval(10 * (50 + rng.standard_normal(clusters)), counts, draws=300)
        hits += low <= 50 <= high
    assert 0.9 <= hits / 300 <= 0.98

"""The renderer's benchmark runs and reports every candidate."""

from __future__ import annotations

from benchmarks.pipelines import renderer


def test_benchmark_reports_every_candidate() -> None:
    text = renderer.main(rounds=1, frames=2)
    for name in ("surface alone, 192x256", "pictures, 192x256, clutter", "depth images, 640x480"):
        assert f"| {name} |" in text

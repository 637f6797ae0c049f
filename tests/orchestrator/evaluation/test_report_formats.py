"""A report says the same in MLflow, in one line and in tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from equipose.balancing.shapley.report import ContributionReport
from equipose.orchestrator.evaluation.report_formats import report_line, report_markdown, report_metrics


@pytest.fixture
def report() -> ContributionReport:
    """Two sensors; without radar the pair would be better."""
    return ContributionReport(
        modalities=("rgb", "mmwave"),
        value_function="pearson",
        values=torch.tensor([0.0, 0.6, 0.1, 0.5]),
        shapley=torch.tensor([0.5, 0.0]),
        low=torch.tensor([0.4, -0.1]),
        high=torch.tensor([0.6, 0.1]),
        sampling_error=torch.zeros(2),
        level=0.95,
        interactions=torch.zeros(2, 2),
        residual=0.0,
        mpjpe_mm=torch.tensor([300.0, 100.0, 250.0, 120.0]),
        spread_mm=torch.tensor([0.0, 90.0, 10.0, 80.0]),
        num_samples=48,
        num_clusters=4,
    )


def test_metrics(report: ContributionReport) -> None:
    metrics = report_metrics(report, "test/best")
    assert metrics["test/best/mpjpe_mm"] == metrics["test/best/subset/RM/mpjpe_mm"] == 120.0
    assert metrics["test/best/subset/R/mpjpe_mm"] == 100.0
    assert metrics["test/best/shapley/rgb/low"] == pytest.approx(0.4)
    assert metrics["test/best/spread/mmwave_mm"] == 10.0
    assert len(metrics) == 1 + 3 + 2 * 4


def test_line(report: ContributionReport) -> None:
    assert report_line(report) == (
        "MPJPE 120.0 mm; Shapley (pearson): rgb 0.5 [0.4, 0.6], mmwave 0.0 [-0.1, 0.1]"
    )


def test_tables(report: ContributionReport) -> None:
    text = report_markdown(report, "Test part", "simulated data")
    assert "simulated data; 48 frames of 4 recordings" in text
    assert "48 frames of 4 subjects" in report_markdown(replace(report, cluster="subject"), "Test part", "")
    assert "| rgb | 0.500 | 0.400 to 0.600 | 90.0 |" in text
    assert "| RM | 120.0 | mmwave |" in text, "the pair is better without radar"
    assert "| R | 100.0 |  |" in text

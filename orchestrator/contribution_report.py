"""Contributions of a trained model on one part of the data, in the forms that people and MLflow read."""

from __future__ import annotations

from balancing.report import ContributionReport
from models.modalities import subset_name


def report_metrics(report: ContributionReport, prefix: str) -> dict[str, float]:
    """Under the tracking names, e.g. `test/awc/mpjpe_mm`, `test/awc/shapley/rgb/low`."""
    named = {f"{prefix}/mpjpe_mm": float(report.mpjpe_mm[-1])}
    for mask in range(1, len(report.mpjpe_mm)):
        named[f"{prefix}/subset/{subset_name(mask, report.modalities)}/mpjpe_mm"] = float(
            report.mpjpe_mm[mask]
        )
    for m, modality in enumerate(report.modalities):
        named[f"{prefix}/shapley/{modality}"] = float(report.shapley[m])
        named[f"{prefix}/shapley/{modality}/low"] = float(report.low[m])
        named[f"{prefix}/shapley/{modality}/high"] = float(report.high[m])
        named[f"{prefix}/spread/{modality}_mm"] = float(report.spread_mm[1 << m])
    return named


def report_line(report: ContributionReport) -> str:
    """One line: error of the full model, then every modality's share with its interval."""
    shares = ", ".join(
        f"{modality} {report.shapley[m]:.1f} [{report.low[m]:.1f}, {report.high[m]:.1f}]"
        for m, modality in enumerate(report.modalities)
    )
    return f"MPJPE {report.mpjpe_mm[-1]:.1f} mm; Shapley ({report.value_function}): {shares}"


def report_markdown(report: ContributionReport, title: str, provenance: str) -> str:
    """Two tables: contributions with intervals, and the error of every subset of sensors."""
    lines = [
        f"## {title}",
        "",
        f"{provenance}; {report.num_samples} frames of {report.num_clusters} recordings, "
        "which the intervals resample; absent sensors: "
        f"{report.baseline}; MPJPE without alignment, mm.",
        "",
        f"| sensor | Shapley ({report.value_function}) | {report.level:.0%} interval | spread, mm |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {modality} | {report.shapley[m]:.3f} | {report.low[m]:.3f} to {report.high[m]:.3f} "
        f"| {report.spread_mm[1 << m]:.1f} |"
        for m, modality in enumerate(report.modalities)
    ]
    lines += ["", "| sensors | MPJPE | better without |", "|---|---|---|"]
    lines += [
        f"| {subset_name(mask, report.modalities)} | {report.mpjpe_mm[mask]:.1f} | {_hurts(report, mask)} |"
        for mask in sorted(range(1, len(report.mpjpe_mm)), key=lambda mask: (mask.bit_count(), mask))
    ]
    return "\n".join(lines) + "\n"


def _hurts(report: ContributionReport, mask: int) -> str:
    """Modalities without which this subset would be better."""
    members = [m for m in range(len(report.modalities)) if mask >> m & 1]
    if len(members) < 2:
        return ""
    worse = [m for m in members if report.mpjpe_mm[mask ^ (1 << m)] < report.mpjpe_mm[mask]]
    return ", ".join(report.modalities[m] for m in worse)

"""Contributions of a trained model on one part of the data: as metrics, as one line, and as Markdown."""

from __future__ import annotations

from equipose.balancing.shapley.report import ContributionReport


def report_metrics(report: ContributionReport, prefix: str) -> dict[str, float]:
    """Under the tracking names, e.g. `test/awc/mpjpe_mm`, `test/awc/shapley/rgb/low`."""
    named = {f"{prefix}/mpjpe_mm": float(report.mpjpe_mm[-1])}
    subsets = report.coalitions.shown_by_name(report.mpjpe_mm, report.modalities)
    named |= {f"{prefix}/subset/{name}/mpjpe_mm": error for name, error in subsets.items()}
    for m, modality in enumerate(report.modalities):
        named[f"{prefix}/shapley/{modality}"] = float(report.shapley[m])
        named[f"{prefix}/shapley/{modality}/low"] = float(report.low[m])
        named[f"{prefix}/shapley/{modality}/high"] = float(report.high[m])
        if not report.coalitions.exact:
            named[f"{prefix}/shapley/{modality}/sampling_error"] = float(report.sampling_error[m])
        named[f"{prefix}/spread/{modality}_mm"] = float(report.alone_spread_mm[m])
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
        f"{provenance}; {report.num_samples} frames of {report.num_clusters} {report.cluster}s, "
        "which the intervals resample; absent sensors: "
        f"{report.baseline}; MPJPE without alignment, mm.{_sampled(report)}",
        "",
        f"| sensor | Shapley ({report.value_function}) | {report.level:.0%} interval | spread, mm |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {modality} | {report.shapley[m]:.3f} | {report.low[m]:.3f} to {report.high[m]:.3f} "
        f"| {report.alone_spread_mm[m]:.1f} |"
        for m, modality in enumerate(report.modalities)
    ]
    lines += ["", "| sensors | MPJPE | better without |", "|---|---|---|"]
    names, codes = report.coalitions.names(report.modalities), report.coalitions.codes.tolist()
    lines += [
        f"| {names[index]} | {report.mpjpe_mm[index]:.1f} | {_hurts(report, index)} |"
        for index in sorted(report.coalitions.shown, key=lambda index: (codes[index].bit_count(), index))
    ]
    return "\n".join(lines) + "\n"


def _sampled(report: ContributionReport) -> str:
    """A note where contributions rest on a sample of the coalitions."""
    coalitions = report.coalitions
    if coalitions.exact:
        return ""
    return (
        f" Contributions are estimated from {len(coalitions.codes)} of {1 << coalitions.players} coalitions, "
        f"with a standard error of at most {report.sampling_error.max():.3f}, which the intervals include."
    )


def _hurts(report: ContributionReport, index: int) -> str:
    """Modalities without which this subset is better, where both were evaluated."""
    code = int(report.coalitions.codes[index])
    without = {
        name: report.coalitions.index_of(code ^ (1 << m))
        for m, name in enumerate(report.modalities)
        if code >> m & 1 and code != 1 << m
    }
    return ", ".join(
        name
        for name, other in without.items()
        if other is not None and report.mpjpe_mm[other] < report.mpjpe_mm[index]
    )

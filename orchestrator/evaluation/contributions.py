"""The contributions of a model on a part of the data, with intervals over the unit that the tests count."""

from __future__ import annotations

from collections.abc import Sequence

from equipose.balancing.shapley.report import ContributionReport, contribution_report
from equipose.balancing.shapley.statistics import CoalitionStatistics
from equipose.orchestrator.training.validation import subjects_of
from equipose.pipelines.statistics.comparison import resampled_unit


def contributions(
    statistics: CoalitionStatistics, modalities: Sequence[str], *, value: str, seed: int
) -> ContributionReport:
    """The report whose intervals resample subjects, or recordings where there are too few subjects.

    Recordings of one person are alike, so resampling them would make an interval for new people too narrow.
    statistics: of all coalitions, its clusters as of `equipose.orchestrator.training.validation.recordings`.
    """
    subjects = subjects_of(statistics.clusters)
    cluster = resampled_unit(len(subjects.unique()))
    chosen = statistics.regrouped(subjects) if cluster == "subject" else statistics
    return contribution_report(chosen, modalities, value=value, seed=seed, cluster=cluster)

"""What the runs of one setting say about its methods, given convergence and headroom."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from equipose.orchestrator.comparison.results import EvaluatedRun, SettingOutcome, errors_of, labels
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.pipelines.statistics.comparison import EvidenceRule, compare
from equipose.pipelines.statistics.judgement import Convergence, Headroom, headroom_of, judged
from equipose.pipelines.statistics.missing import ONE_MISSING, lacking_one
from equipose.pipelines.statistics.repetition import decided, repeated
from equipose.pipelines.statistics.subset_errors import full_subset, recording_sums

AS_TRAINED, ALONE_REFITTED, JOINT_REFITTED = (
    "encoders alone, joint head",
    "encoders alone, refitted head",
    "joint encoders, refitted head",
)
"""The upper references: where one of them is better than plain training, there is something to win."""


@dataclass(frozen=True)
class Judgements:
    """Of one setting; a subset is a name such as `RLM`, `ONE_MISSING`, or None for all sensors."""

    outcome: SettingOutcome

    @property
    def several(self) -> bool:
        """Whether there is a method besides plain training."""
        return len(self.outcome.methods) > 1

    @functools.cached_property
    def questions(self) -> tuple[str | None, ...]:
        """What methods are judged by: the full model, and the mean over one missing sensor."""
        missing = lacking_one(self.outcome.sums["subset"].unique(maintain_order=True))
        return (None, ONE_MISSING) if missing else (None,)

    @functools.cached_property
    def convergence(self) -> Convergence | None:
        """What plain training gains from more epochs; None where it was not measured."""
        longer = {run.seed: run.evaluation.mpjpe_mm for run in self.outcome.longer}
        usual = {run.seed: run.evaluation.mpjpe_mm for run in self.outcome.of(REFERENCE)}
        seeds = sorted(longer.keys() & usual.keys())
        if not seeds:
            return None
        error, more = (sum(values[seed] for seed in seeds) / len(seeds) for values in (usual, longer))
        return Convergence(error_mm=error, longer_mm=more, seeds=len(seeds))

    @functools.cached_property
    def reference_sums(self) -> pl.DataFrame | None:
        """Errors of plain training and of the upper references; None where headroom was not measured."""
        if not self.outcome.upper:
            return None
        plain = self.outcome.of(REFERENCE)
        seeds = {run.seed for run in self.outcome.upper}
        tables = [
            *_tables(REFERENCE, ((run, run.evaluation.frames) for run in plain if run.seed in seeds)),
            *_tables(AS_TRAINED, ((run, run.evaluation.frames) for run in self.outcome.upper)),
            *_tables(ALONE_REFITTED, ((run, run.refitted) for run in self.outcome.upper)),
            *_tables(JOINT_REFITTED, ((run, run.refitted) for run in plain if run.seed in seeds)),
        ]
        return pl.concat(tables)

    def references(self, subset: str | None = None) -> pl.DataFrame | None:
        """The upper references against plain training, see `statistics.comparison.compare`; kept."""
        sums = self.reference_sums
        if sums is None:
            return None
        if subset not in self._references:
            errors = errors_of(sums, subset or full_subset(sums), self.outcome.cluster)
            self._references[subset] = compare(errors, EvidenceRule(reference=REFERENCE))
        return self._references[subset]

    @functools.cached_property
    def _references(self) -> dict[str | None, pl.DataFrame]:
        return {}

    def headroom(self, subset: str | None = None) -> Headroom | None:
        """Whether there is anything to win; None where it was not measured."""
        references = self.references(subset)
        return None if references is None else headroom_of(references)

    def judged(self, subset: str | None = None) -> pl.DataFrame:
        """Every method against plain training, with what may be concluded; kept."""
        if subset not in self._judged:
            self._judged[subset] = judged(
                self.outcome.comparison(subset),
                convergence=self.convergence,
                headroom=self.headroom(subset),
                training_mm=self.training_mm,
                reference=REFERENCE,
            )
        return self._judged[subset]

    @functools.cached_property
    def _judged(self) -> dict[str | None, pl.DataFrame]:
        return {}

    @functools.cached_property
    def training_mm(self) -> pl.DataFrame:
        """`method`, `seed`, `error_mm` on training rows, in evaluation mode."""
        rows = [(run.method, run.seed, run.result.training_mm) for run in self.outcome.runs]
        return pl.DataFrame(rows, schema=["method", "seed", "error_mm"], orient="row")

    def worth_repeating(self) -> list[str]:
        """Methods with a decided verdict on any question."""
        if not self.several:
            return []
        found = [name for subset in self.questions for name in decided(self.judged(subset))]
        return list(dict.fromkeys(found))

    def repetition(self, subset: str | None = None) -> pl.DataFrame | None:
        """The decided verdicts and what fresh seeds say; None where nothing was repeated."""
        if not self.outcome.again:
            return None
        sums = pl.concat(recording_sums(labels(run.evaluation.frames, run)) for run in self.outcome.again)
        errors = errors_of(sums, subset or full_subset(sums), self.outcome.cluster)
        return repeated(self.judged(subset), compare(errors, EvidenceRule(reference=REFERENCE)))


def _tables(name: str, runs: Iterable[tuple[EvaluatedRun, pl.DataFrame | None]]) -> list[pl.DataFrame]:
    """Sums of errors of some runs under one name."""
    return [
        recording_sums(labels(frames, run).with_columns(method=pl.lit(name)))
        for run, frames in runs
        if frames is not None
    ]

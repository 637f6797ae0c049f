"""Results of the controlled experiment: claims and a figure from finished runs, level by level."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from equipose.models.sensors import subset_name
from equipose.orchestrator.comparison.figures import Curves, curves
from equipose.orchestrator.comparison.judgements import Judgements
from equipose.orchestrator.comparison.results import EvaluatedRun, SettingOutcome, collect, labels
from equipose.orchestrator.grid.run_one import RunsFolder, evaluation_of
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.imbalance.config import ImbalanceConfig, Level
from equipose.pipelines.figures.imbalance import ImbalanceLevel, imbalance_figure
from equipose.pipelines.statistics.claims import Claim, error_claims, spread_claims, thirds
from equipose.pipelines.statistics.comparison import EvidenceRule, compare
from equipose.pipelines.statistics.subset_errors import clustered, full_subset, recording_sums
from equipose.pipelines.statistics.subset_steps import alone_effects, step_effects

WITHOUT = "without it"
"""Name of the models trained without the weak sensor, beside the methods."""


@dataclass(frozen=True, kw_only=True)
class LevelOutcome:
    """One level: its methods, and the models that they are compared to."""

    level: Level
    weak: str
    outcome: SettingOutcome
    """The joint models; `alone` are those of the weak sensor."""
    rest: tuple[EvaluatedRun, ...]
    """Plain training without the weak sensor."""

    @functools.cached_property
    def judgements(self) -> Judgements:
        """What its runs say about the methods; kept, since it compares them by bootstrap."""
        return Judgements(self.outcome)

    def measures(self) -> pl.DataFrame:
        """A row per method and seed, as `equipose.pipelines.statistics.claims.spread_claims` takes them."""
        alone = {run.seed: _weak_spread(run, self.weak) for run in self.outcome.alone}
        rows = []
        for run in self.outcome.runs:
            row = {"level": self.level.name, "method": run.method, "seed": run.seed}
            for name, series in (
                ("share_{}", f"contrib/share/{self.weak}"),
                ("score_{}", f"shapley/{self.weak}"),
                ("spread_{}_mm", f"spread/{self.weak}_mm"),
            ):
                first, last = thirds(run.result.series(series))
                row |= {name.format("first"): first, name.format("last"): last}
            row["test_spread_mm"] = _weak_spread(run, self.weak)
            row["truth_spread_mm"] = run.evaluation.truth_spread_mm
            row["alone_spread_mm"] = alone[run.seed]
            rows.append(row)
        return pl.DataFrame(rows)

    def added(self) -> pl.DataFrame:
        """Every method with the weak sensor against plain training without it: `compare`'s columns."""
        rest = pl.concat(labels(run.evaluation.frames, run) for run in self.rest)
        sums = recording_sums(rest.filter(pl.col("subset") == full_subset(rest)))
        reference = clustered(sums, cluster=self.outcome.cluster).drop("subset")
        table = pl.concat([reference, self.outcome.errors().select(reference.columns)])
        return compare(table, EvidenceRule(reference=WITHOUT))

    def zeroed(self) -> pl.DataFrame:
        """Every method's full model against itself with the weak sensor's feature zeroed: `step_effects`."""
        steps = step_effects(self.outcome.sums, cluster=self.outcome.cluster)
        full = full_subset(self.outcome.sums)
        return steps.filter((pl.col("subset") == full) & (pl.col("added") == self.weak))

    def against_alone(self) -> pl.DataFrame:
        """The weak sensor in every method's joint model against trained alone: `alone_effects`."""
        alone = pl.concat(recording_sums(labels(run.evaluation.frames, run)) for run in self.outcome.alone)
        return alone_effects(self.outcome.sums, alone, cluster=self.outcome.cluster)

    def error_claims(self) -> list[Claim]:
        """Claims about test errors at this level."""
        weak = subset_name(1, (self.weak,))
        alone = self.against_alone().filter(pl.col("subset") == weak)
        return [
            *error_claims("adding hurts", self.level.name, self.added()),
            *error_claims("hurts inside", self.level.name, self.zeroed()),
            *error_claims("behind alone", self.level.name, alone),
        ]


def level_outcomes(
    config: ImbalanceConfig, results: Mapping[str, RunResult], runs_folder: RunsFolder
) -> tuple[LevelOutcome, ...]:
    """The outcome of every level from its finished runs.

    Raises ValueError where the runs of a level were judged on different data.
    """
    rest = tuple(trained(spec, results[spec.name], runs_folder, WITHOUT) for spec in config.rest_runs())
    found = []
    for level in config.levels:
        wanted = (*config.joint_runs(level), *config.weak_runs(level), *config.check_runs(level))
        specs = {spec.name: spec for spec in wanted}
        (outcome,) = collect(specs, results, runs_folder)
        found.append(LevelOutcome(level=level, weak=config.weak, outcome=outcome, rest=rest))
    return tuple(found)


def trained(spec: RunSpec, result: RunResult, runs_folder: RunsFolder, method: str) -> EvaluatedRun:
    """A finished run, named `method` in tables."""
    evaluation = evaluation_of(spec, runs_folder)
    return EvaluatedRun(method=method, seed=spec.config.seed, spec=spec, result=result, evaluation=evaluation)


def claims_of(levels: Sequence[LevelOutcome]) -> list[Claim]:
    """Every claim at every level; the first level is the control."""
    claims = spread_claims(pl.concat(level.measures() for level in levels))
    return claims + [claim for level in levels for claim in level.error_claims()]


def alone_errors(
    config: ImbalanceConfig, results: Mapping[str, RunResult], runs_folder: RunsFolder
) -> pl.DataFrame:
    """Test error of every sensor trained alone, for every seed: `sensor`, `level`, `seed`, `mpjpe_mm`."""
    specs = [(spec, "all levels") for spec in config.other_runs()]
    specs += [(spec, level.name) for level in config.levels for spec in config.weak_runs(level)]
    return pl.DataFrame(
        [
            {
                "sensor": spec.config.model.modalities[0],
                "level": level,
                "seed": spec.config.seed,
                "mpjpe_mm": evaluation_of(spec, runs_folder).mpjpe_mm,
            }
            for spec, level in specs
        ]
    )


def overview(levels: Sequence[LevelOutcome]) -> Figure:
    """The figure of the experiment."""
    return imbalance_figure(
        [_drawn(level) for level in levels],
        levels[0].weak,
        levels[0].outcome.runs[0].result.provenance,
    )


def _drawn(level: LevelOutcome) -> ImbalanceLevel:
    outcome, weak = level.outcome, level.weak
    spreads: Curves = {
        method: np.array([run.result.series(f"spread/{weak}_mm") for run in outcome.of(method)])
        for method in outcome.methods
    }
    spreads["trained alone"] = curves(outcome.alone, "spread/{}_mm", (weak,))[weak]
    added = {
        row["method"]: (row["difference_mm"], row["low_mm"], row["high_mm"])
        for row in level.added().iter_rows(named=True)
    }
    shares = curves(outcome.of("plain"), "contrib/share/{}", outcome.modalities)
    return ImbalanceLevel(name=level.level.name, shares=shares, spreads=spreads, added=added)


def _weak_spread(run: EvaluatedRun, weak: str) -> float:
    """Spread on test frames of the predictions with the weak sensor only, mm."""
    spread = run.evaluation.spread
    return float(spread.filter(pl.col("subset") == subset_name(1, (weak,)))["spread_mm"].item())

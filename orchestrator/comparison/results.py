"""The results of a comparison: per setting the test errors, the differences to plain, and the costs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from equipose.balancing.registry import method_name
from equipose.models.sensors import subset_name
from equipose.orchestrator.comparison.checks import CONVERGENCE, HEADROOM, REPETITION
from equipose.orchestrator.comparison.config import Setting
from equipose.orchestrator.evaluation.evaluation import Evaluation
from equipose.orchestrator.grid.run_one import RunsFolder, evaluation_of, refitted_of
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.grid.variants import REFERENCE
from equipose.pipelines.statistics.comparison import EvidenceRule, compare, resampled_unit
from equipose.pipelines.statistics.missing import ONE_MISSING, one_missing
from equipose.pipelines.statistics.subset_errors import clustered, full_subset, recording_sums
from equipose.pipelines.tables.table import Caption

CHECKS = (CONVERGENCE, HEADROOM, REPETITION)
"""Stages whose runs are not compared, but show what the comparison is worth."""


@dataclass(frozen=True, kw_only=True)
class EvaluatedRun:
    """A finished run with its evaluation on the test part."""

    method: str
    """Or the sensor, for a model of one sensor alone."""
    seed: int
    spec: RunSpec
    result: RunResult
    evaluation: Evaluation
    refitted: pl.DataFrame | None = None
    """Frame table under heads fitted for every subset, see `equipose.orchestrator.evaluation.refit`."""

    @property
    def spread(self) -> pl.DataFrame:
        """`method`, `seed`, `subset`, `spread_mm`, `share`, see `Evaluation.spread`."""
        return labels(self.evaluation.spread, self)


@dataclass(frozen=True, kw_only=True)
class SettingOutcome:
    """All methods and seeds in one setting, on one and the same test frames."""

    setting: Setting
    runs: tuple[EvaluatedRun, ...]
    """Methods in their order, and seeds within them."""
    alone: tuple[EvaluatedRun, ...]
    """Models of one sensor each; empty where none were trained."""
    sums: pl.DataFrame
    """Errors of every method, seed, subset and recording.

    See `equipose.pipelines.statistics.subset_errors.recording_sums`.
    """
    joints: pl.DataFrame
    """The same per joint, of the full model."""
    longer: tuple[EvaluatedRun, ...] = ()
    """Plain training with half as many epochs again; empty where convergence was not measured."""
    upper: tuple[EvaluatedRun, ...] = ()
    """Encoders trained alone under a joint head; empty where headroom was not measured."""
    again: tuple[EvaluatedRun, ...] = ()
    """Methods with a decided verdict, and plain training, on fresh seeds."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Of the models with all sensors."""
        return self.runs[0].evaluation.modalities

    @property
    def methods(self) -> tuple[str, ...]:
        """In the order of the comparison."""
        return tuple(dict.fromkeys(run.method for run in self.runs))

    @property
    def cluster(self) -> str:
        """What the statistics resample: `subject`, or `recording` where there are too few of them."""
        return resampled_unit(self.sums["subject"].n_unique())

    def of(self, method: str) -> list[EvaluatedRun]:
        """A method's runs, seed by seed."""
        return [run for run in self.runs if run.method == method]

    def errors(self, subset: str | None = None, metric: str = "mpjpe_mm") -> pl.DataFrame:
        """The table that `statistics.comparison.compare` takes: of one subset, or of all sensors."""
        return errors_of(self.sums, subset or full_subset(self.sums), self.cluster, metric)

    def comparison(self, subset: str | None = None) -> pl.DataFrame:
        """Every method against plain training, of one subset, of `ONE_MISSING`, or of all sensors.

        See `statistics.comparison.compare`. Kept, since tables, MLflow and the printed verdicts use it.
        """
        if subset not in self._compared:
            self._compared[subset] = compare(self.errors(subset), EvidenceRule(reference=REFERENCE))
        return self._compared[subset]

    @functools.cached_property
    def _compared(self) -> dict[str | None, pl.DataFrame]:
        return {}

    def costs(self) -> pl.DataFrame:
        """Means over seeds: parameters, seconds per epoch, Shapley's share of them, peak memory."""
        rows = [{"method": run.method, **run.result.costs()} for run in self.runs]
        mean = pl.DataFrame(rows).group_by("method", maintain_order=True).mean()
        return mean.select(
            "method",
            pl.col("parameters").cast(pl.Int64),
            pl.col("epoch_s").alias("s/epoch"),
            (100 * pl.col("shapley_share")).alias("Shapley, % of time"),
            pl.col("peak_memory_mib").cast(pl.Int64).alias("peak memory, MiB"),
        )

    def caption(self, title: str) -> Caption:
        """The caption of a table of this setting."""
        first = self.runs[0]
        return Caption(
            title=title,
            provenance=first.result.provenance,
            protocol=self.setting.protocol,
            split=self.setting.split,
            frames=first.evaluation.report.num_samples,
            fingerprint=first.result.fingerprint,
        )


def collect(
    specs: Mapping[str, RunSpec], results: Mapping[str, RunResult], runs_folder: RunsFolder
) -> tuple[SettingOutcome, ...]:
    """The outcomes of all settings from finished runs, in the order of `specs`.

    Raises ValueError when runs of one setting were judged on different data.
    """
    trained = [_trained(spec, results[name], runs_folder) for name, spec in specs.items()]
    full = max((run.spec.config.model.modalities for run in trained), key=len)
    settings = dict.fromkeys(setting_of(run.spec) for run in trained)
    outcomes = []
    for setting in settings:
        same = [run for run in trained if run.spec.config.model.modalities == full]
        mine = [run for run in same if setting_of(run.spec) == setting]
        runs = [run for run in mine if run.spec.stage not in CHECKS]
        if not runs:
            continue
        checks = {name: tuple(run for run in mine if run.spec.stage == name) for name in CHECKS}
        data = runs[0].spec.config.data
        alone = [
            run
            for run in trained
            if run.spec.config.model.modalities != full
            and (run.spec.config.data.protocol, run.spec.config.data.split) == (data.protocol, data.split)
        ]
        outcomes.append(_outcome(setting, runs, alone, checks))
    return tuple(outcomes)


def setting_of(spec: RunSpec) -> Setting:
    """The setting that a run belongs to."""
    config = spec.config
    return Setting(
        fusion=config.fusion_model.fusion,
        protocol=config.data.protocol,
        split=config.data.split,
        optimizer=config.optimizer.name,
        start="new" if spec.init_from is None else "aligned",
    )


def _trained(spec: RunSpec, result: RunResult, runs_folder: RunsFolder) -> EvaluatedRun:
    modalities = spec.config.model.modalities
    method = spec.method or method_name(spec.config.method)
    if len(modalities) == 1:
        method = subset_name(1, modalities)
    return EvaluatedRun(
        method=method,
        seed=spec.config.seed,
        spec=spec,
        result=result,
        evaluation=evaluation_of(spec, runs_folder),
        refitted=refitted_of(spec, runs_folder) if spec.refit else None,
    )


def _outcome(
    setting: Setting,
    runs: list[EvaluatedRun],
    alone: list[EvaluatedRun],
    checks: Mapping[str, tuple[EvaluatedRun, ...]],
) -> SettingOutcome:
    every = [*runs, *alone, *(run for several in checks.values() for run in several)]
    prints = sorted({run.result.fingerprint for run in every})
    if len(prints) > 1:
        raise ValueError(
            f"{setting.name}: runs on different data, fingerprints {prints}; compare each on its own"
        )
    order = {method: index for index, method in enumerate(dict.fromkeys(run.method for run in runs))}
    ordered = sorted(runs, key=lambda run: (order[run.method], run.seed))
    return SettingOutcome(
        setting=setting,
        runs=tuple(ordered),
        alone=tuple(sorted(alone, key=lambda run: run.seed)),
        sums=pl.concat(recording_sums(labels(run.evaluation.frames, run)) for run in ordered),
        joints=pl.concat(labels(run.evaluation.joints, run) for run in ordered),
        longer=checks[CONVERGENCE],
        upper=checks[HEADROOM],
        again=checks[REPETITION],
    )


def errors_of(sums: pl.DataFrame, subset: str, cluster: str, metric: str = "mpjpe_mm") -> pl.DataFrame:
    """The table that `statistics.comparison.compare` takes, of one subset or `ONE_MISSING`."""
    mine = one_missing(sums) if subset == ONE_MISSING else sums.filter(pl.col("subset") == subset)
    return clustered(mine, cluster=cluster, metric=metric).drop("subset")


def labels(table: pl.DataFrame, run: EvaluatedRun) -> pl.DataFrame:
    """A table of one run, with its `method` and `seed`."""
    return table.with_columns(method=pl.lit(run.method), seed=pl.lit(run.seed, pl.Int64))

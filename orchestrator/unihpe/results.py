"""The results of a UniHPE job: routes and retrieval of every variant and seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from equipose.orchestrator.evaluation.aligned.evaluation import AlignedEvaluation
from equipose.orchestrator.evaluation.evaluation import Evaluation
from equipose.orchestrator.grid.run_one import RunsFolder, aligned_of, evaluation_of
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.unihpe.stages import USUAL, UnihpeConfig, Variant


@dataclass(frozen=True, kw_only=True)
class TrainedVariant:
    """One variant with one seed."""

    variant: Variant
    seed: int
    specs: tuple[RunSpec, ...]
    """Stage by stage."""
    results: tuple[RunResult, ...]
    aligned: Mapping[str, AlignedEvaluation]
    """Test data -> evaluation of the last stage; that of the job is ``, whatever it was trained on."""
    evaluation: Evaluation | None
    """Of every subset of the sensors, with their contributions; None of a model without a pose."""

    @property
    def gallery(self) -> str:
        """Stands for the rows that retrieval searches; empty without retrieval."""
        alignment = self.aligned[""].alignment
        return alignment.rows_sha256 if alignment else ""


@dataclass(frozen=True, kw_only=True)
class UnihpeOutcome:
    """Everything that the tables of a job are made of."""

    config: UnihpeConfig
    trained: tuple[TrainedVariant, ...]

    def of(self, variant: str) -> list[TrainedVariant]:
        """A variant's runs, one per seed."""
        return [one for one in self.trained if one.variant.name == variant]

    @property
    def fingerprint(self) -> str:
        """16 hex digits of the data of all variants and of the galleries that retrieval searches."""
        content = sorted({(one.results[-1].fingerprint, one.gallery) for one in self.trained})
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def error(self, variant: str, route: str, error: str, data: str = "") -> list[float]:
        """Mean error over frames of each seed; empty where the variant has no such route."""
        found = [one.aligned[data].mean(route, error) for one in self.of(variant)]
        return [value for value in found if value is not None and np.isfinite(value)]


def collect(config: UnihpeConfig, results: Mapping[str, RunResult], runs: RunsFolder) -> UnihpeOutcome:
    """Gather what the runs of a job have left."""
    trained = []
    for variant in config.variants:
        for seed in config.seeds_of(variant):
            specs = config.runs(variant, seed)
            usual = USUAL if variant.trained_on else ""
            folders = {"": usual, **{name: name for name in config.also}}
            trained.append(
                TrainedVariant(
                    variant=variant,
                    seed=seed,
                    specs=specs,
                    results=tuple(results[spec.name] for spec in specs),
                    aligned={name: aligned_of(specs[-1], runs, folder) for name, folder in folders.items()},
                    evaluation=evaluation_of(specs[-1], runs) if specs[-1].evaluate else None,
                )
            )
    return UnihpeOutcome(config=config, trained=tuple(trained))

"""Finished tables of the paper whose every number is known: made by hand, nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytest

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.plain import Plain
from equipose.balancing.registry import method_name
from equipose.models.build import ModelConfig
from equipose.models.sensors import point_views, subset_name
from equipose.orchestrator.comparison import results as comparison_results
from equipose.orchestrator.comparison.checks import CONVERGENCE, HEADROOM
from equipose.orchestrator.evaluation.evaluation import Evaluation
from equipose.orchestrator.grid.run_one import RunsFolder
from equipose.orchestrator.grid.run_spec import RunResult, RunSpec
from equipose.orchestrator.paper import results as paper_results
from equipose.orchestrator.paper.plan import PaperConfig
from equipose.orchestrator.paper.results import Finished
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.training.config import DataConfig, TrainConfig
from equipose.pipelines.batches.source import BatchConfig

SUBJECTS = tuple(f"S{n:02d}" for n in range(1, 9))
FRAMES = 5
"""Per subject."""
AWC_GAIN_MM = 10.0
CHECK_GAINS_MM = {CONVERGENCE: 1.0, HEADROOM: 5.0}
"""What more epochs and the upper reference save."""


def small_paper(store: Path, **changes: Any) -> PaperConfig:
    """All tables on the protocol P1 of a store, with two methods and two seeds, as long as the paper's."""
    batch = BatchConfig(batch_size=24, views=point_views(lidar=16, mmwave=8))
    base = TrainConfig(
        data=DataConfig(store=str(store), batch=batch), model=ModelConfig(preset="tiny"), epochs=50
    )
    settings: dict[str, Any] = {
        "name": "tables-001",
        "base": base,
        "columns": {"P1": ("P1", "S1")},
        "methods": {"plain": Plain.Config(), "awc": AWC.Config()},
        "seeds": (0, 1),
    }
    return PaperConfig(**{**settings, **changes})


def error_mm(spec: RunSpec) -> float:
    """The made-up test error: 100 mm, a seed's own shift, and what AWC and the checks save."""
    awc = AWC_GAIN_MM if method_name(spec.config.method) == "awc" else 0.0
    return 100.0 + spec.config.seed - awc - CHECK_GAINS_MM.get(spec.stage, 0.0)


@dataclass(frozen=True)
class Measured:
    """What tables, verdicts and figures read of an evaluation; every frame has the run's own error."""

    spec: RunSpec

    @property
    def modalities(self) -> tuple[str, ...]:
        return self.spec.config.model.modalities

    @property
    def report(self) -> Any:
        return self

    @property
    def num_samples(self) -> int:
        return FRAMES * len(SUBJECTS)

    @property
    def mpjpe_mm(self) -> float:
        return error_mm(self.spec)

    @property
    def pa_mpjpe_mm(self) -> float:
        return error_mm(self.spec) / 2

    @property
    def full(self) -> str:
        return subset_name((1 << len(self.modalities)) - 1, self.modalities)

    @property
    def frames(self) -> pl.DataFrame:
        rows = [
            {
                "subset": self.full,
                "row": number,
                "environment": "E01",
                "subject": subject,
                "action": "A02",
                "sequence": SUBJECTS.index(subject),
                # Seeds and subjects differ a little, as they do in life: no spread is no evidence.
                "mpjpe_mm": self.mpjpe_mm + 0.01 * ((number * (3 + self.spec.config.seed)) % 7),
                "pa_mpjpe_mm": self.pa_mpjpe_mm,
            }
            for number, subject in enumerate(s for s in SUBJECTS for _ in range(FRAMES))
        ]
        return pl.DataFrame(rows)

    @property
    def joints(self) -> pl.DataFrame:
        return pl.DataFrame({"subset": [self.full], "joint": [0], "error_sum_mm": [1.0], "count": [1]})


def made_result(spec: RunSpec, runs_folder: RunsFolder) -> RunResult:
    """A result with two epochs of curves and times."""
    epoch = {
        "time/train_s": 3.0,
        "time/validation_s": 1.0,
        "time/shapley_s": 0.5,
        "memory/peak_mib": 700.0,
        "best/epoch": 1.0,
        "best/mpjpe_mm": 90.0,
        "train/mpjpe_mm": 80.0,
    }
    for index, name in enumerate(spec.config.model.modalities):
        epoch |= {f"shapley/{name}": 4.0 - index, f"grad/{name}": 1.0}
        epoch |= {f"spread/{name}_mm": 30.0 + index, f"mean/{name}_mm": 900.0}
    return RunResult(
        key=runs_folder.key(spec),
        config=spec.config,
        fingerprint=runs_folder.data(spec).fingerprint,
        provenance="simulated data",
        parameters=10,
        history=(epoch, epoch),
        folder=runs_folder.folder(spec),
    )


def evaluation_of(spec: RunSpec, runs_folder: RunsFolder) -> Evaluation:
    """Replaces `run_one.evaluation_of`."""
    return cast(Any, Measured(spec))


def finished(config: PaperConfig, patch: pytest.MonkeyPatch) -> Finished:
    """All runs of a config as if finished; while `patch` lasts, evaluations are made up instead of read."""
    for module in (paper_results, comparison_results):
        patch.setattr(module, "evaluation_of", evaluation_of)
    patch.setattr(comparison_results, "refitted_of", lambda spec, runs_folder: None)
    runs_folder = RunsFolder(root=Path("cells"), resources=Resources())
    plan = config.plan()
    results = {spec.name: made_result(spec, runs_folder) for spec in config.runs()}
    return Finished(
        config=config, plan=plan, results=results, runs_folder=runs_folder, provenance="simulated data"
    )


def links(specs: Sequence[RunSpec]) -> str:
    """An address that names the runs."""
    return "http://host/" + "+".join(spec.name.replace(" ", "-") for spec in specs)

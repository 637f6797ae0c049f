"""Jobs that are grids of runs: their folders, keys and tags, and the parameters of their parent runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.plain import Plain
from equipose.balancing.registry import method_name
from equipose.orchestrator.comparison.config import ComparisonConfig
from equipose.orchestrator.comparison.job import run_comparison_job
from equipose.orchestrator.grid.job import job_params
from equipose.orchestrator.imbalance.config import ImbalanceConfig, Level
from equipose.orchestrator.imbalance.job import run_imbalance_job
from equipose.orchestrator.jobs.location import JobFolder, JobLocation
from equipose.orchestrator.jobs.progress import JobProgress
from equipose.orchestrator.paper.job import run_paper_job
from equipose.orchestrator.paper.plan import PaperConfig
from equipose.orchestrator.training.config import TrainConfig

METHODS: tuple[MethodConfig, ...] = (Plain.Config(), AWC.Config())


@pytest.fixture
def comparison(small_run: TrainConfig) -> ComparisonConfig:
    return ComparisonConfig(name="c", base=small_run, methods=METHODS)


@pytest.fixture
def paper(small_run: TrainConfig) -> PaperConfig:
    methods = {"plain": METHODS[0], "awc": METHODS[1]}
    return PaperConfig(name="p", base=small_run, columns={"P1": ("P1", "S1")}, methods=methods)


@pytest.fixture
def imbalance(small_run: TrainConfig) -> ImbalanceConfig:
    levels = (Level(name="noise 0", store="a"), Level(name="noise 1", store="b"))
    methods = {method_name(method): method for method in METHODS}
    return ImbalanceConfig(name="i", base=small_run, weak="rgb", levels=levels, methods=methods)


def test_methods_and_levels_are_named_and_paths_left_out(
    comparison: ComparisonConfig, paper: PaperConfig, imbalance: ImbalanceConfig
) -> None:
    for config in (comparison, paper, imbalance):
        found = job_params(config)
        assert found["methods"] == "plain,awc"
        assert found["base.epochs"] == "3"
        assert not any(name.startswith(("methods.", "levels.", "base.method")) for name in found)
        assert "base.data.store" not in found
    assert job_params(imbalance)["levels"] == "noise 0,noise 1"
    assert "levels" not in job_params(comparison)
    assert job_params(replace(comparison, budget=4)) != job_params(comparison)
    more = replace(comparison, seeds=(0, 1, 2, 3))
    assert job_params(more) == job_params(comparison), "a parameter could not follow a job that is extended"


class Opened(Exception):
    """A job has got as far as its session."""


def test_every_kind_of_job_has_its_own_folder_key_and_tag(
    comparison: ComparisonConfig,
    paper: PaperConfig,
    imbalance: ImbalanceConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def opened(folder: JobFolder, experiment: str, **options: Any) -> None:
        raise Opened(folder.root, experiment, options["key"], options["child_tags"])

    def session_of(job: Callable[..., Any], config: Any, **options: Any) -> tuple[Any, ...]:
        with pytest.raises(Opened) as found:
            job(config, JobLocation(out=tmp_path), JobProgress(mode="quiet"), **options)
        return found.value.args

    monkeypatch.setattr("equipose.orchestrator.grid.job.job_session", opened)
    data = "equipose/simulated-P1-S1"
    assert [
        session_of(run_comparison_job, comparison),
        session_of(run_imbalance_job, imbalance),
        session_of(run_paper_job, paper, links_to="", command=""),
    ] == [
        (tmp_path / "comparisons" / "c", data, "comparisons/c", {"comparison": "c"}),
        (tmp_path / "imbalance" / "i", data, "imbalance/i", {"imbalance": "i"}),
        (tmp_path / "tables" / "p", "equipose/simulated-tables", "tables/p", {"table": "p"}),
    ]

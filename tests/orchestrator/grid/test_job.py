"""What distinguishes two jobs of cells stands on their parent runs, whatever kind of config they have."""

from __future__ import annotations

from dataclasses import replace

from equipose.balancing.method import MethodConfig
from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.methods.plain import Plain
from equipose.orchestrator.comparison.config import ComparisonConfig
from equipose.orchestrator.grid.job import job_params
from equipose.orchestrator.imbalance.config import ImbalanceConfig, Level
from equipose.orchestrator.paper.plan import PaperConfig
from equipose.orchestrator.training.config import TrainConfig

METHODS: tuple[MethodConfig, ...] = (Plain.Config(), AWC.Config())


def test_methods_and_levels_are_named_and_paths_left_out(small_run: TrainConfig) -> None:
    comparison = ComparisonConfig(name="c", base=small_run, methods=METHODS)
    paper = PaperConfig(
        name="p",
        base=small_run,
        columns={"P1": ("P1", "S1")},
        methods={"plain": METHODS[0], "awc": METHODS[1]},
    )
    levels = (Level(name="noise 0", store="a"), Level(name="noise 1", store="b"))
    imbalance = ImbalanceConfig(name="i", base=small_run, weak="rgb", levels=levels, methods=METHODS)
    for config in (comparison, paper, imbalance):
        found = job_params(config)
        assert found["methods"] == "plain,awc"
        assert found["base.epochs"] == "3"
        assert not any(name.startswith(("methods.", "levels.", "base.method")) for name in found)
        assert "base.data.store" not in found
    assert job_params(imbalance)["levels"] == "noise 0,noise 1"
    assert "levels" not in job_params(comparison)
    assert job_params(replace(comparison, seeds=(4,))) != job_params(comparison)

"""Settings as typed for `--work unihpe` reach the stages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from equipose.experiments.presets.unihpe.overrides import with_stage_overrides
from equipose.models.alignment.config import AlignedConfig
from tests.orchestrator.aligned_runs import unihpe_config


def test_they_reach_every_stage_that_has_a_use_for_them() -> None:
    config = with_stage_overrides(
        unihpe_config(Path("nowhere")),
        ("data.batch.flip=0.5", "model.width=24", "objective.alpha=0.3", "compute.precision=bf16"),
    )
    runs = [run.config for run in config.runs(config.variants[0], 0)]
    assert [run.data.batch.flip for run in runs] == [0.5] * 3
    assert [run.compute.precision for run in runs] == ["bf16"] * 3
    models = [run.model for run in runs]
    assert all(isinstance(model, AlignedConfig) and model.width == 24 for model in models)
    assert runs[-1].objective.alpha == 0.3  # type: ignore[attr-defined]


@pytest.mark.parametrize("override", ["data.batch.seed=1", "epochs=4", "seed=3", "objective.tau_low=0.1"])
def test_one_that_they_would_drop_is_refused(override: str) -> None:
    with pytest.raises(ValueError, match=f"override {override} has no effect with --work unihpe"):
        with_stage_overrides(unihpe_config(Path("nowhere")), (override,))


def test_settings_of_later_stages_reach_them() -> None:
    config = with_stage_overrides(unihpe_config(Path("nowhere")), ("later.tau=0.1", "later.lr_scale=2"))
    runs = [run.config for run in config.runs(config.variants[0], 0)]
    assert [run.objective.tau for run in runs] == [1 / 14, 0.1, 0.1]  # type: ignore[attr-defined]
    assert [run.optimizer.lr for run in runs] == [1e-3, 2e-3, 2e-3]


def test_without_a_later_stage_they_are_refused() -> None:
    config = unihpe_config(Path("nowhere"))
    first = replace(config, variants=(replace(config.variants[0], last=1),))
    with pytest.raises(ValueError, match=r"override later\.tau=0\.1 has no effect"):
        with_stage_overrides(first, ("later.tau=0.1",))

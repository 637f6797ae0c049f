"""Sweeps of an alignment by their options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipose.experiments.cli import main
from equipose.experiments.commands.unihpe.sweep import check
from equipose.experiments.presets.unihpe.stages import INDOOR
from equipose.experiments.presets.unihpe.sweep import ALIGN_SWEEPS, AlignSweepOptions, align_sweep_config


def options(**changes: Any) -> AlignSweepOptions:
    return AlignSweepOptions(**{"data": INDOOR, "preset": "quick", "trials": 8, "seeds": 3, **changes})


@pytest.mark.parametrize("preset", list(ALIGN_SWEEPS))
def test_every_preset_describes_a_sweep(preset: Any) -> None:
    sizes = ALIGN_SWEEPS[preset]
    config = align_sweep_config("s", options(preset=preset, trials=sizes.trials, seeds=sizes.seeds), "store")
    assert (config.total, len(config.job.seeds), config.length) == (sizes.trials, sizes.seeds, 3)
    assert config.variant.model == sizes.sizes.model


def test_the_seeds_of_the_test_are_none_of_the_search() -> None:
    config = align_sweep_config("s", options(first_seed=2), "store")
    assert config.job.seeds == (2, 3, 4)
    assert {run.config.seed for run in config.runs("alignment", {})} == {1002}


def test_overrides_are_the_default_setting() -> None:
    found = options(override=("objective.alpha=0.3", "later.tau=0.1", "model.width=24"))
    [search] = align_sweep_config("s", found, "store").searches()
    point = search.enqueued()[0]
    assert (point["objective.alpha"], point["later.tau"], point["model.width"]) == (0.3, 0.1, 24)
    with pytest.raises(ValueError, match="later: no setting 'beta'"):
        check(options(override=("later.beta=1",)))
    with pytest.raises(ValueError, match="aligns nothing"):
        check(options(override=("objective.contrast=false",)))


def test_the_command_that_resumes_names_the_work() -> None:
    words = options().resume_command(Path("/out")).split()
    assert words[:4] == ["equipose", "sweep", "--work", "unihpe"]
    assert words[-1] == "--resume"
    assert AlignSweepOptions.from_json(options().to_json()) == options()
    assert options().with_extent(12).trials == 12
    with pytest.raises(ValueError, match="trials must be at least 1"):
        replace(options(), trials=0)


def test_the_plan_says_what_is_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "--work", "unihpe", "--preset", "smoke", "--plan", "--objective", "retrieval"]
    main([*words, "--dials", "alpha", "width", "--out", str(tmp_path)])
    said = capsys.readouterr().out
    assert "sweep of 2 trials of 2 stages" in said
    assert "objective.alpha 0.1 to 10" in said
    assert "model.width of 8, 16, 32" in said
    assert "later.tau" not in said
    assert "with 1 seeds each: 4 runs" in said

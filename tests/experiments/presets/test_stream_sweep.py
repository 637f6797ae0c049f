"""Sweeps of streams by their options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipose.experiments.commands.stream_sweep import check, stream_options
from equipose.experiments.presets.continual import strategy_of
from equipose.experiments.presets.sources import DataSource
from equipose.experiments.presets.stream_sweep import (
    STREAM_SWEEPS,
    StreamSweepOptions,
    default_strategies,
    stream_sweep_config,
)
from equipose.orchestrator.stream_sweep.dials import dials_of


def options(**changes: Any) -> StreamSweepOptions:
    given: dict[str, Any] = {
        "strategies": (), "by": None, "tasks": (), "protocol": None, "seed": 0, "trials": None,
        "epochs": None, "memory": False, "workers": 1, "gpu": False, "override": (),
    }  # fmt: skip
    return stream_options(DataSource(kind="simulated"), "quick", **(given | changes))


def test_what_is_left_out_is_the_presets() -> None:
    found = options()
    assert found.strategies == ("finetune", *STREAM_SWEEPS["quick"].strategies)
    assert (found.trials, found.epochs, found.tasks) == (6, 15, ("E01", "E02", "E03", "E04"))
    assert found.contaminated is not None
    assert StreamSweepOptions.from_json(found.to_json()) == found


@pytest.mark.parametrize("preset", list(STREAM_SWEEPS))
def test_every_strategy_of_a_preset_has_a_dial(preset: Any) -> None:
    for name in default_strategies(preset, noisy=True):
        assert dials_of(strategy_of(name, 15).config, 15), name
    assert not any(name.startswith("noisy") for name in default_strategies(preset, noisy=False))


def test_the_seed_is_none_of_a_continual_job() -> None:
    found = options(seed=2, strategies=("ewc",), trials=4)
    config = stream_sweep_config("s", found, "store")
    assert (config.seed, config.job.seeds) == (2, (1002,))
    assert config.total == 1 + 4
    assert check(found).epochs == 15


def test_the_command_that_resumes_names_the_work() -> None:
    words = options().resume_command(Path("/out")).split()
    assert words[:4] == ["equipose", "sweep", "--work", "continual"]
    assert words[-1] == "--resume"


def test_references_and_nothing_to_tune_are_refused() -> None:
    with pytest.raises(ValueError, match=r"strategies \['joint'\] are references"):
        check(options(strategies=("joint", "ewc")))
    with pytest.raises(ValueError, match="has anything to tune"):
        check(options(strategies=("gdumb",)))
    with pytest.raises(ValueError, match="trials must be at least 1"):
        replace(options(), trials=0)

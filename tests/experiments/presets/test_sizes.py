"""Presets are usable as they stand: every part of the default split has frames, windows fit the epochs."""

from __future__ import annotations

import pytest

from equipose.experiments.presets.sizes import PRESETS
from equipose.orchestrator.ray_train.run import Resources
from equipose.orchestrator.sweep.config import SweepConfig
from equipose.pipelines.protocols import splits
from equipose.pipelines.readers import READERS


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_action_trains_validates_and_tests(name: str) -> None:
    simulated = PRESETS[name].simulated
    for part, pairs in splits(*READERS["simulated"].default_split).items():
        covered = {action for subject, action in pairs if subject in simulated.subjects}
        assert set(simulated.actions) <= covered, part


@pytest.mark.parametrize("name", sorted(PRESETS))
@pytest.mark.parametrize("epochs", [None, 1, 3, 100])
def test_a_resized_preset_is_still_a_valid_sweep(name: str, epochs: int | None) -> None:
    preset = PRESETS[name].resized(epochs, None)
    config = SweepConfig(
        name="sweep",
        base=preset.train_config("store", "P1", "S1", seed=0),
        awc=preset.awc,
        paper_window=preset.paper_window,
        space=preset.space(),
        trials=preset.trials,
        grace_epochs=preset.grace_epochs,
        resources=Resources(),
    )
    assert config.base.epochs == preset.epochs == (epochs or PRESETS[name].epochs)
    assert config.enqueued()[0]["window"] == preset.paper_window <= preset.epochs
    assert preset.window[1] <= preset.epochs
    assert preset.grace_epochs == min(preset.epochs, preset.window[1] + 1), "no window is cut short"


def test_the_paper_preset_is_the_papers_setting() -> None:
    preset = PRESETS["paper"]
    config = preset.train_config("store", "P1", "S1", seed=0)
    assert (config.epochs, config.data.batch.batch_size) == (50, 192)
    assert [config.optimizer.lr_at(e) for e in (0, 29, 30, 49)] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    assert preset.paper_window == 20
    config = preset.train_config("store", "P1", "S1", 0)
    view = config.data.batch.views["rgb"]
    assert config.model.encoder("rgb", view).widths == (3, 3, 3), "27 frames"
    assert (preset.awc.alpha_s, preset.awc.alpha_i) == (20_000.0, 10_000.0)
    assert config.model.preset == "paper"

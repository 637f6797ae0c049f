"""Which runs a UniHPE job consists of, and which of them variants share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from equipose.balancing.objectives.align import Align
from equipose.experiments.presets.unihpe.baselines import baseline_variants
from equipose.orchestrator.training.config import from_json, to_json
from equipose.orchestrator.unihpe.stages import UnihpeConfig, Variant
from tests.orchestrator.aligned_runs import BOTH, unihpe_config


@pytest.fixture
def config() -> UnihpeConfig:
    return unihpe_config(Path("nowhere"))


def test_three_stages_each_from_the_end_of_the_one_before(config: UnihpeConfig) -> None:
    first, second, third = config.runs(config.variants[0], 0)
    assert (first.init_from, second.init_from, third.init_from) == (None, first, second)
    assert [spec.stage for spec in (first, second, third)] == ["pose pairs", "image", "decoders"]
    assert [spec.evaluate for spec in (first, second, third)] == [False, False, True]
    assert first.config.model.modalities == ("keypoints",)
    assert (first.config.objective.higher, second.config.objective.higher) == (None, "triplet")
    assert second.config.frozen == ("encoders.keypoints", "encoders.skeleton")
    assert second.config.model.decoders == ()
    assert third.config.model.decoders == BOTH
    assert third.config.frozen == ()


def test_temperatures_are_those_of_the_paper(config: UnihpeConfig) -> None:
    found = [
        (run.config.objective.tau, run.config.objective.tau_low) for run in config.runs(config.variants[0], 0)
    ]
    assert found == [(1 / 14, 1 / 100), (1 / 5, 1 / 10), (1 / 5, 1 / 5)]


def test_variants_share_what_they_have_in_common(config: UnihpeConfig) -> None:
    whole = config.variants[0]
    pairs = replace(whole, name="pairs", objective=replace(whole.objective, higher=None))
    plain = replace(whole, name="no token", model=replace(whole.model, modality_token=False))
    both = replace(config, variants=(whole, pairs, plain))
    keys = {
        variant.name: [run.key("data", f"{n}") for n, run in enumerate(both.runs(variant, 0))]
        for variant in both.variants
    }
    assert keys["pairs"][0] == keys["unihpe"][0]
    assert keys["pairs"][1] != keys["unihpe"][1]
    assert keys["no token"][:2] == keys["unihpe"][:2]
    assert keys["no token"][2] != keys["unihpe"][2]


def test_mirrored_rows_are_part_of_the_key_and_without_them_it_is_as_before(config: UnihpeConfig) -> None:
    plain = config.runs(config.variants[0], 0)[-1]
    batch = replace(plain.config.data.batch, flip=0.5)
    turned = replace(plain, config=replace(plain.config, data=replace(plain.config.data, batch=batch)))
    assert "flip" not in to_json(plain.config)["data"]["batch"]
    assert from_json(to_json(turned.config)) == turned.config
    assert turned.key("data", "before") != plain.key("data", "before")


def test_a_variant_can_stop_early_or_start_at_its_last_stage(config: UnihpeConfig) -> None:
    whole = config.variants[0]
    assert replace(whole, last=2).stages == ("pose pairs", "image")
    alone = Variant(
        name="none", model=whole.model, objective=Align.Config(contrast=False), aligned_first=False
    )
    assert alone.stages == ("decoders",)
    lifting = replace(whole, model=replace(whole.model, modalities=("keypoints",), decoders=("pose",)))
    assert lifting.stages == ("pose pairs", "decoders")
    assert config.runs(lifting, 0)[-1].config.objective.higher is None


def test_the_control_sees_every_frame_as_often_and_ends_at_the_same_rate(config: UnihpeConfig) -> None:
    whole = config.variants[0]
    alone = Variant(
        name="long", model=whole.model, objective=Align.Config(contrast=False), aligned_first=False
    )
    usual = config.runs(replace(alone, name="usual"), 0)[-1].config
    long = config.runs(replace(alone, as_long=True), 0)[-1].config
    assert long.epochs == sum(run.config.epochs for run in config.runs(whole, 0)) > usual.epochs
    assert long.optimizer.lr_at(long.epochs) == pytest.approx(usual.optimizer.lr_at(usual.epochs))
    assert long.optimizer.lr_at(0) == usual.optimizer.lr_at(0)
    with pytest.raises(ValueError, match="'unihpe' is aligned first; as_long is for one that is not"):
        replace(config, variants=(replace(whole, as_long=True),))


def test_a_baseline_has_one_stage_and_only_its_sensor(config: UnihpeConfig) -> None:
    length = replace(config.lengths["image"], batch_size=5)
    variants = baseline_variants(config.variants[0].model)
    both = replace(config, variants=tuple(variants.values()), lengths={**config.lengths, "baseline": length})
    runs = {name: both.runs(variant, 0) for name, variant in variants.items()}
    assert {name: len(made) for name, made in runs.items()} == dict.fromkeys(variants, 1)
    finds, lifts = runs["heatmaps"][0], runs["videopose3d"][0]
    assert (finds.stage, finds.select, finds.config.data.batch.batch_size) == ("baseline", "last", 5)
    assert finds.config.data.batch.modalities == ("image",)
    assert lifts.config.data.batch.modalities == ("keypoints",)
    assert not finds.evaluate, "without a pose there are no subsets to compare"
    assert lifts.evaluate
    with pytest.raises(ValueError, match="lengths lack the stage of variant 'simple_baseline'"):
        replace(both, lengths=config.lengths)


def test_settings_that_cannot_work_are_refused(config: UnihpeConfig) -> None:
    twice = (config.variants[0], config.variants[0])
    with pytest.raises(ValueError, match="variants must be different"):
        replace(config, variants=twice)
    with pytest.raises(ValueError, match="lengths lack the stages"):
        replace(config, lengths={})
    silent = replace(
        config.variants[0], aligned_first=False, model=replace(config.variants[0].model, decoders=())
    )
    with pytest.raises(ValueError, match="has no stage"):
        replace(config, variants=(silent,))

"""UniHPE's tables: which variants are trained, on what, how often."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipose.experiments.presets.unihpe.tables import (
    JOINED,
    TABLE_SIZES,
    TableStores,
    UnihpeTablesOptions,
    unihpe_tables_config,
)
from equipose.orchestrator.unihpe.paper.plan import MOVING, origins
from equipose.orchestrator.unihpe.stages import UnihpeConfig

ALL = TableStores(lab="lab", wild="wild", joined="joined")


def config(stores: TableStores = ALL, **options: object) -> UnihpeConfig:
    return unihpe_tables_config("t", UnihpeTablesOptions(**{"preset": "quick", **options}), stores)  # type: ignore[arg-type]


def test_tables_4_and_6_have_every_seed_and_the_others_one() -> None:
    made = config()
    seeds = {variant.name: len(made.seeds_of(variant)) for variant in made.variants}
    once = {name for name, count in seeds.items() if count == 1}
    assert once == {"image vit_tiny", "simple_baseline", "videopose3d", "heatmaps"}
    assert {seeds[name] for name in seeds.keys() - once} == {3}
    assert made.base.model == made.variants[0].model


def test_every_table_finds_its_numbers() -> None:
    found = origins(config())
    assert {name: len(cells) for name, cells in found.items()} == {
        "lifting": 6, "images": 4, "keypoints": 2, "parts": 4, "backbones": 2, "ablation": 12,
    }  # fmt: skip


def test_runs_are_shared_and_none_is_there_twice() -> None:
    made = config(seeds=1)
    specs = made.specs()
    assert len({spec.name for spec in specs}) == len(specs) == 28
    keys = {spec.key("data", "parent") for spec in specs if spec.stage == "pose pairs"}
    assert len(keys) == 3, "transformers, MLPs, and transformers on both sets"


def test_the_joined_set_trains_one_variant_which_is_tested_like_the_others() -> None:
    made = config()
    both = next(variant for variant in made.variants if variant.name == "both sets")
    last = made.runs(both, 0)[-1]
    assert last.config.data.store == "joined"
    assert {name: data.store for name, data in last.tested_also} == {"usual": "lab", MOVING: "wild"}
    assert (both.trained_on, made.others[JOINED].protocol) == (JOINED, "H36M+3DHP")


def test_without_companions_of_a_store_what_needs_them_is_left_out() -> None:
    made = config(TableStores(lab="lab"), store="lab", data="h36m")
    assert "both sets" not in {variant.name for variant in made.variants}
    assert not made.also
    assert len(origins(made)["lifting"]) == 3


def test_pairs_can_lose_their_contrast_in_the_last_stage() -> None:
    def last(**options: object) -> bool:
        made = config(**options)
        pairs = next(variant for variant in made.variants if variant.name == "pairs")
        return bool(made.runs(pairs, 0)[-1].config.objective.contrast)

    assert last()
    assert not last(contrast_last=False)


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="--wild goes with --store"):
        UnihpeTablesOptions(preset="quick", wild="x")
    with pytest.raises(ValueError, match="seeds must be at least 1"):
        UnihpeTablesOptions(preset="quick", seeds=0)


def test_the_command_repeats_the_job() -> None:
    options = UnihpeTablesOptions(
        preset="smoke", data="h36m", store="/s", wild="/w", seeds=2, contrast_last=False
    )
    assert options.command(Path("OUT")) == (
        "equipose tables --work unihpe --preset smoke --store /s --wild /w --seeds 2 --no-contrast-last "
        "--out OUT"
    )
    assert UnihpeTablesOptions.from_json(options.to_json()) == options
    assert (options.extent, UnihpeTablesOptions(preset="quick").extent) == (2, TABLE_SIZES["quick"].seeds)

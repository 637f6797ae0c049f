"""Variants by name, and the one whose sensors come from a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipose.experiments.presets.unihpe.sizes import UNIHPES
from equipose.experiments.presets.unihpe.stages import UnihpeOptions, unihpe_config
from equipose.experiments.presets.unihpe.variants import variant_of, variant_of_sensors

SIZES = UNIHPES["smoke"]


def test_an_unknown_variant_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown variant 'x'; known: .*'unihpe'.*'sensors'"):
        variant_of("x", SIZES)


def test_sensors_of_a_store_are_aligned_in_pairs_and_decoded(store_path: Path) -> None:
    options = UnihpeOptions(
        preset="smoke",
        data="simulated",
        store=str(store_path),
        variants=("sensors",),
        protocol="P1",
        split="S2",
    )
    config = unihpe_config("c", options, str(store_path))
    first, last = config.runs(config.variants[0], 0)
    sensors = first.config.model.modalities
    assert set(sensors) >= {"rgb", "lidar", "mmwave", "wifi"}
    assert (first.stage, last.stage) == ("pose pairs", "decoders")
    assert (last.config.model.modalities, last.config.model.decoders) == (sensors, ("pose",))
    assert last.config.objective.higher is None
    batch = last.config.data.batch
    assert (batch.context, batch.targets, batch.origin) == ((), (), "pelvis")


def test_it_is_not_for_triplets_and_goes_alone() -> None:
    with pytest.raises(ValueError, match="is for stores without triplets"):
        variant_of_sensors(SIZES, ("image", "keypoints", "box"))
    for variants, store in ((("sensors", "unihpe"), "s"), (("sensors",), None)):
        with pytest.raises(ValueError, match="goes alone and with --store"):
            UnihpeOptions(preset="smoke", data="simulated", variants=variants, store=store)

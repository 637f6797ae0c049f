"""Sizes of comparisons: schedules keep their share of a shorter run, and every preset is valid."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.registry import METHODS, build_method
from equipose.balancing.schedules import schedule_fields
from equipose.experiments.presets.comparison import (
    COMPARISONS,
    PAPER_EPOCHS,
    fitted,
    method_configs,
)


@pytest.mark.parametrize(
    ("window", "epochs", "expected"),
    [(20, 50, 20), (20, 10, 4), (20, 2, 1), (1, 10, 1), (0, 10, 0), (None, 10, None), (20, 100, 40)],
)
def test_a_window_keeps_its_share(window: int | None, epochs: int, expected: int | None) -> None:
    assert fitted(AWC.Config(window=window), epochs).window == expected


@pytest.mark.parametrize("name", METHODS)
def test_the_paper_length_changes_nothing_and_short_runs_stay_valid(name: str) -> None:
    default = METHODS[name].Config()
    assert fitted(default, PAPER_EPOCHS) == default
    for epochs in (1, 2, 10):
        config = fitted(default, epochs)
        build_method(config)
        for field in fields(config):
            before, after = getattr(default, field.name), getattr(config, field.name)
            if field.name not in schedule_fields(config) or before is None:
                assert after == before
            else:
                assert after == (max(1, round(before * epochs / PAPER_EPOCHS)) if before else 0)


def test_every_epoch_count_of_a_method_is_fitted() -> None:
    """A field that counts epochs under another name would act for too long in a short run."""
    counts = {
        f"{name}.{field.name}"
        for name, method in METHODS.items()
        for field in fields(method.Config)
        if "epoch" in field.name or "warm" in field.name or "window" in field.name
    }
    declared = {
        f"{name}.{field}" for name, method in METHODS.items() for field in schedule_fields(method.Config)
    }
    assert counts <= declared


def test_fisher_passes_are_shortened_where_there_are_any() -> None:
    plain, awc = method_configs(("plain", "awc"), 10, 0.25)
    assert plain == METHODS["plain"].Config()
    assert awc == replace(fitted(AWC.Config(), 10), fisher_fraction=0.25)


def test_unknown_methods_are_named() -> None:
    with pytest.raises(ValueError, match="magic"):
        method_configs(("plain", "magic"), 10, 1.0)


@pytest.mark.parametrize("preset", COMPARISONS)
def test_presets_are_valid(preset: str) -> None:
    sizes = COMPARISONS[preset]  # type: ignore[index]
    assert "plain" in sizes.methods
    assert len(method_configs(sizes.methods, sizes.epochs, sizes.fisher_fraction)) == len(sizes.methods)
    if preset != "smoke":
        assert len(sizes.methods) >= 8
        assert sizes.seeds >= 3

"""Sizes of comparisons: Fisher passes are shortened, and every preset is valid."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest

from equipose.balancing.methods.awc.awc import AWC
from equipose.balancing.registry import METHODS
from equipose.balancing.schedules import fitted, schedule_fields
from equipose.experiments.presets.comparison import COMPARISONS, method_configs


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
    steps = {f"{name}.window_steps" for name in ("awc", "awc_continuous", "awc_adaptive")}
    assert counts - steps <= declared


def test_fisher_passes_are_shortened_where_there_are_any() -> None:
    plain, awc = method_configs(("plain", "awc"), 10, 0.25)
    assert plain == METHODS["plain"].Config()
    assert awc == replace(fitted(AWC.Config(), 10), fisher_fraction=0.25)


def test_unknown_methods_are_named() -> None:
    with pytest.raises(ValueError, match="magic"):
        method_configs(("plain", "magic"), 10, 1.0)


def test_the_paper_preset_has_the_papers_alphas() -> None:
    (published,) = method_configs(("awc",), 50, 1.0, published=COMPARISONS["paper"].published)
    assert isinstance(published, AWC.Config)
    assert (published.strong_and_weak, published.active) == ((20_000.0, 10_000.0), range(20))
    (ours,) = method_configs(("awc",), 50, 1.0, published=COMPARISONS["quick"].published)
    assert isinstance(ours, AWC.Config)
    assert (ours.strong_and_weak, ours.active) == ((0.3, 0.0), range(1, 21))


@pytest.mark.parametrize("preset", COMPARISONS)
def test_presets_are_valid(preset: str) -> None:
    sizes = COMPARISONS[preset]  # type: ignore[index]
    assert "plain" in sizes.methods
    assert len(method_configs(sizes.methods, sizes.sizes.epochs, sizes.fisher_fraction)) == len(sizes.methods)
    if preset != "smoke":
        assert len(sizes.methods) >= 8
        assert sizes.seeds >= 3

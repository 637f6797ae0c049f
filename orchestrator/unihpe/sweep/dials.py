"""The dials of an alignment: fields of a variant's configs that declare what a search tries of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from equipose.balancing.search_spaces import SEARCH
from equipose.models.alignment.search_choice import SearchChoice
from equipose.orchestrator.line_sweep.dials import AnyDial, ChoiceDial, dial_of
from equipose.orchestrator.unihpe.stages import Variant

PARTS = ("objective", "model", "later")
"""Fields of `Variant` whose configs declare dials."""
DIGITS = 4
"""Significant digits of a number that is trained with, so that it can be typed again."""


def dials_of(variant: Variant, names: tuple[str, ...] = ()) -> tuple[AnyDial, ...]:
    """The dials of a variant, named as its settings are typed: `objective.alpha`, `later.tau`.

    names: only these fields, such as `alpha`; empty: all. ValueError for one that declares nothing.
    """
    every = tuple(_declared(variant))
    known = [dial.name.rpartition(".")[2] for dial in every]
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"dials {unknown} are unknown; use some of {known}")
    chosen = [dial for dial, field in zip(every, known, strict=True) if not names or field in names]
    turned_too = {dial.name for dial in chosen}
    found = []
    for dial in chosen:
        if dial.unless is not None and dial.unless[0] not in turned_too:
            if _setting(variant, dial.unless[0]) == dial.unless[1]:
                continue
            dial = replace(dial, unless=None)
        found.append(dial)
    return tuple(found)


def _declared(variant: Variant) -> Iterator[AnyDial]:
    for part in PARTS:
        config: Any = getattr(variant, part)
        for field in fields(config):
            scale, name = field.metadata.get(SEARCH), f"{part}.{field.name}"
            if isinstance(scale, SearchChoice):
                options, own = scale.of(config, field.name)
                yield ChoiceDial(name=name, options=options, own=own)
            elif scale is not None:
                unless = scale.unless and (f"{part}.{scale.unless[0]}", scale.unless[1])
                yield dial_of(name, scale, float(getattr(config, field.name)), unless)


def _setting(variant: Variant, name: str) -> Any:
    part, _, field = name.partition(".")
    return getattr(getattr(variant, part), field)


def changed(variant: Variant, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that differ from the variant's own, numbers with `DIGITS` digits.

    Raises ValueError for a name that is no dial.
    """
    own = {dial.name: dial.own for dial in dials_of(variant)}
    if unknown := sorted(set(values) - set(own)):
        raise ValueError(f"no dials {unknown} in variant {variant.name!r}; there are {list(own)}")
    found = {name: value for name, value in values.items() if value != own[name]}
    return {n: float(f"{v:.{DIGITS}g}") if isinstance(v, float) else v for n, v in found.items()}


def turned(variant: Variant, values: Mapping[str, Any]) -> Variant:
    """The variant with its dials at `values`; those at their own setting are left alone, so that runs which
    do not differ share a key."""
    changes: dict[str, dict[str, Any]] = {}
    for name, value in changed(variant, values).items():
        part, _, field = name.partition(".")
        changes.setdefault(part, {})[field] = value
    new: dict[str, Any] = {
        part: replace(getattr(variant, part), **settings) for part, settings in changes.items()
    }
    return replace(variant, **new)


def typed(values: Mapping[str, Any]) -> list[str]:
    """The values as overrides.

    Examples:
        >>> typed({"objective.alpha": 0.123456, "objective.higher": None, "model.width": 64})
        ['objective.alpha=0.1235', 'objective.higher=none', 'model.width=64']
    """
    return [f"{name}={_word(value)}" for name, value in values.items()]


def _word(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)

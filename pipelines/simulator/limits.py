"""Checks of settings: errors that name the field, its value and what to use instead."""

from __future__ import annotations

import math
from collections.abc import Collection


def require(condition: bool, name: str, value: object, remedy: str) -> None:
    """Raise ValueError that names the field, its value and the remedy, unless the condition holds."""
    if not condition:
        raise ValueError(f"{name}: {value!r} is not allowed; {remedy}")


def require_within(name: str, value: float, low: float, high: float, unit: str = "") -> None:
    """Raise ValueError unless a number is finite and lies in [low, high]."""
    remedy = f"use a number in [{low:g}, {high:g}]{unit and f' {unit}'}"
    require(math.isfinite(value) and low <= value <= high, name, value, remedy)


def require_known(name: str, given: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError unless all names are known ones."""
    unknown = sorted(set(given) - set(known))
    require(not unknown, name, unknown, f"known are {list(known)}")

"""Checks shared by method configs; each raises ValueError with the field, its value and what is allowed."""

from __future__ import annotations

import math
from collections.abc import Iterable

from equipose.balancing.method import MethodConfig


def choice(method: str, config: MethodConfig, name: str, known: Iterable[str]) -> None:
    """Require one of the known values."""
    value, known = getattr(config, name), tuple(known)
    if value not in known:
        raise ValueError(f"{method}.{name} must be one of {known}, got {value!r}")


def positive(method: str, config: MethodConfig, name: str, *, zero: bool = False) -> None:
    """Require a finite number above 0, or at least 0 if `zero`."""
    value = getattr(config, name)
    if not (math.isfinite(value) and (value > 0 or (zero and value == 0))):
        bound = "at least 0" if zero else "above 0"
        raise ValueError(f"{method}.{name} must be finite and {bound}, got {value}")


def at_least(method: str, config: MethodConfig, name: str, least: int) -> None:
    """Require an integer of at least `least`."""
    value = getattr(config, name)
    if value < least:
        raise ValueError(f"{method}.{name} must be at least {least}, got {value}")


def share(method: str, config: MethodConfig, name: str) -> None:
    """Require a number in (0, 1]."""
    value = getattr(config, name)
    if not 0 < value <= 1:
        raise ValueError(f"{method}.{name} must lie in (0, 1], got {value}")

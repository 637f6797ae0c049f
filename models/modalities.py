"""The sensors, their fixed order, and subsets of them as bitmasks.

A subset ("coalition") of M modalities is an integer: bit `m` set means modality `m` is present.
"""

from __future__ import annotations

from collections.abc import Sequence

MODALITIES: tuple[str, ...] = ("rgb", "lidar", "mmwave", "wifi")
"""Canonical order; bit `m` of a coalition mask is `MODALITIES[m]` in a four-sensor model."""

LETTERS: dict[str, str] = {"rgb": "R", "lidar": "L", "mmwave": "M", "wifi": "W"}
"""One-letter names, as the papers print them."""


def subset_name(mask: int, modalities: Sequence[str] = MODALITIES) -> str:
    """Short name of a coalition; the empty one is `"none"`.

    With unknown modalities it is their full names joined by `+`.

    Examples:
        >>> subset_name(0b0011), subset_name(0)
        ('RL', 'none')
        >>> subset_name(0b11, ["rgb", "sonar"])
        'rgb+sonar'
    """
    members = [name for m, name in enumerate(modalities) if mask >> m & 1]
    if not members:
        return "none"
    if all(name in LETTERS for name in members):
        return "".join(LETTERS[name] for name in members)
    return "+".join(members)

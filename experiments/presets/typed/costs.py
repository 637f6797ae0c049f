"""`--cost`: what each sensor costs, in money, watts, privacy or anything else that adds up."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNNAMED = "cost"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9 _/-]{0,30}")


def parse_costs(values: Sequence[str]) -> dict[str, dict[str, float]]:
    """Name -> sensor -> cost, from texts such as `money:rgb=50,lidar=900`; without a name it is `cost`.

    Whether sensors and numbers make sense is checked where the model is known. Raises ValueError that names
    the text and the form.

    Examples:
        >>> parse_costs(["rgb=50,lidar=900", "watts:rgb=2.5,lidar=8"])
        {'cost': {'rgb': 50.0, 'lidar': 900.0}, 'watts': {'rgb': 2.5, 'lidar': 8.0}}
    """
    found: dict[str, dict[str, float]] = {}
    for value in values:
        name, colon, listed = value.rpartition(":")
        name = name.strip() if colon else UNNAMED
        pairs = [part.partition("=") for part in listed.split(",")]
        sensors = [sensor.strip() for sensor, _, _ in pairs]
        numbers = [_number(number) for _, _, number in pairs]
        if not NAME.fullmatch(name) or None in numbers or not all(sensors):
            raise ValueError(f"--cost {value}: write it as money:rgb=50,lidar=900 or rgb=50,lidar=900")
        if name in found or len(set(sensors)) < len(sensors):
            raise ValueError(f"--cost {value}: give every cost and every sensor in it once")
        found[name] = {s: n for s, n in zip(sensors, numbers, strict=True) if n is not None}
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None

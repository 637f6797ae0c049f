"""One number for all sensors, and others for some of them: a setting of methods that drop sensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from equipose.models.sensors import sensor_of


def check_per_sensor(method: str, name: str, values: Mapping[str, float], *, one: bool) -> None:
    """Require known sensors and numbers in [0, 1), or in (0, 1] if `one`; ValueError otherwise."""
    for sensor, value in values.items():
        sensor_of(sensor)
        if not (0 < value <= 1 if one else 0 <= value < 1):
            wanted = "(0, 1]" if one else "[0, 1)"
            raise ValueError(f"{method}.{name}[{sensor!r}] must lie in {wanted}, got {value}")


def per_sensor(modalities: tuple[str, ...], value: float, others: Mapping[str, float]) -> Tensor:
    """[M] float64: `value`, or what `others` says of a sensor. Sensors that the model lacks do not matter."""
    return torch.tensor([others.get(name, value) for name in modalities], dtype=torch.float64)

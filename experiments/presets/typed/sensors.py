"""`--sensors`: which sensors the models of a job use."""

from __future__ import annotations

from collections.abc import Sequence

from equipose.models.sensors import SENSORS


def known_sensors() -> tuple[str, ...]:
    """Every sensor that a model can use, in canonical order."""
    return tuple(SENSORS)


def chosen_sensors(names: Sequence[str], default: tuple[str, ...]) -> tuple[str, ...]:
    """The named sensors in canonical order, or `default` where none is named.

    Raises ValueError that names what is unknown or there twice.

    Examples:
        >>> chosen_sensors(["wifi", "rgb"], default=("lidar",)), chosen_sensors((), default=("lidar",))
        (('rgb', 'wifi'), ('lidar',))
    """
    known = known_sensors()
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"--sensors {' '.join(unknown)}: unknown; use some of {' '.join(known)}")
    if len(set(names)) < len(names):
        raise ValueError(f"--sensors {' '.join(names)}: name each sensor once")
    return tuple(name for name in known if name in names) or default

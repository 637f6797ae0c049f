"""All sensors by name, those of installed packages included, and subsets of them as bitmasks.

A subset ("coalition") of M modalities is an integer: bit `m` set means modality `m` is present.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from equipose.models.plugins import OpenRegistry
from equipose.models.sensors.mmfi import LIDAR, MMFI_SENSORS, RADAR, RGB, WIFI
from equipose.models.sensors.sensor import Sensor
from equipose.models.sensors.triplets import TRIPLET_SENSORS

SENSORS: Mapping[str, Sensor] = OpenRegistry(
    "equipose.sensors", Sensor, {sensor.name: sensor for sensor in (*MMFI_SENSORS, *TRIPLET_SENSORS)}
)
"""name -> definition, in canonical order: MM-Fi's, those of image, 2D and 3D triplets, then those of the
entry points `equipose.sensors`."""

DEFAULT_SENSORS: tuple[str, ...] = tuple(sensor.name for sensor in (RGB, LIDAR, RADAR, WIFI))
"""The four that the AWC paper fuses; what jobs use unless told otherwise."""


def sensor_of(name: str) -> Sensor:
    """The definition of a sensor; ValueError names the known ones."""
    if name not in SENSORS:
        raise ValueError(f"unknown sensor {name!r}; known: {list(SENSORS)}")
    return SENSORS[name]


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sensors in canonical order, each once; ValueError for an unknown one, or for none.

    >>> in_order(["lidar", "rgb"])
    ('rgb', 'lidar')
    """
    wanted = {sensor_of(name).name for name in names}
    if not wanted:
        raise ValueError(f"no sensor given; use at least one of {list(SENSORS)}")
    return tuple(name for name in SENSORS if name in wanted)


def subset_name(mask: int, modalities: Sequence[str] = DEFAULT_SENSORS) -> str:
    """Short name of a coalition; the empty one is `"none"`.

    With modalities that have no letter it is their full names joined by `+`.

    Examples:
        >>> subset_name(0b0011), subset_name(0)
        ('RL', 'none')
        >>> subset_name(0b11, ["rgb", "sonar"])
        'rgb+sonar'
    """
    members = [name for m, name in enumerate(modalities) if mask >> m & 1]
    if not members:
        return "none"
    letters = [letter_of(name) for name in members]
    return "".join(letters) if all(letters) else "+".join(members)


def letter_of(name: str) -> str:
    """A sensor's letter; empty for a sensor without one and for unknown names."""
    return SENSORS[name].letter if name in SENSORS else ""

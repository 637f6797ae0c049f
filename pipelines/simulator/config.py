"""Settings of the simulator, and the version that labels its data."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from equipose.models.sensors import DEFAULT_SENSORS, SENSORS
from equipose.pipelines.protocols.mmfi import SUBJECTS, room_of
from equipose.pipelines.simulator.contamination import Contamination
from equipose.pipelines.simulator.limits import require
from equipose.pipelines.simulator.rooms import REFERENCE, Room

SIMULATOR_VERSION = "2"
"""Raised whenever the same configuration would give other numbers; part of every provenance."""
PROVENANCE = f"simulated:{SIMULATOR_VERSION}"
"""Label of every simulated modality without rooms and contamination; see `provenance_of`."""


def environment_of(subject: str) -> str:
    """The room `E01`..`E04` in which MM-Fi recorded a subject: ten subjects each, in order."""
    if subject not in SUBJECTS:
        raise ValueError(f"subject: {subject!r} is unknown; use S01..S40")
    return room_of(subject)


KEY_POINT_SENSORS = ("rgb", "infra1", "infra2")
"""Sensors whose frames are key points that a detector found in a picture."""
_PER_SENSOR: dict[str, tuple[float, float]] = {
    "noise": (1.0, float("inf")),
    "informativeness": (1.0, 1.0),
    "noise_room_spread": (0.0, 3.0),
    "noise_subject_spread": (0.0, 3.0),
    "keypoint_bias_room": (0.0, 100.0),
    "keypoint_bias_subject": (0.0, 100.0),
    "dropout": (0.0, 1.0),
}
"""Setting per sensor -> its value where none is given, and the largest that is allowed."""


@dataclass(frozen=True, kw_only=True)
class SimulatorConfig:
    """Settings of the simulator; the defaults imitate MM-Fi."""

    seed: int = 0
    """Everything random derives from it together with subject and action."""
    frames: int = 297
    """Frames of one sequence; MM-Fi has 297."""
    rate_hz: float = 10.0
    """Frames per second."""
    noise: dict[str, float] = field(default_factory=dict)
    """modality -> multiple of the calibrated measurement errors; 0 is a perfect sensor, missing means 1."""
    informativeness: dict[str, float] = field(default_factory=dict)
    """modality -> share of the time in which the sensor sees the person of the ground truth; the rest of
    the time it sees an unrelated person and motion, so outputs still look real. Missing means 1."""
    noise_room_spread: dict[str, float] = field(default_factory=dict)
    """modality -> how much its noise multiple differs between rooms: standard deviation of its natural
    logarithm; at 0.5 two thirds of the rooms have 0.6 to 1.6 times the noise. Missing means 0, all alike."""
    noise_subject_spread: dict[str, float] = field(default_factory=dict)
    """As `noise_room_spread`, between subjects; the two multiply."""
    keypoint_bias_room: dict[str, float] = field(default_factory=dict)
    """Sensor of key points -> by how much all of them are off in a room, the same in each of its frames:
    standard deviation over rooms, pixels per axis. Missing means 0."""
    keypoint_bias_subject: dict[str, float] = field(default_factory=dict)
    """Sensor of key points -> by how much each of them is off for a subject, the same in each frame: standard
    deviation over subjects and key points, pixels per axis. Missing means 0."""
    dropout: dict[str, float] = field(default_factory=dict)
    """modality -> share of its frames in which it gives nothing, in bursts. Missing means 0."""
    dropout_seconds: float = 1.0
    """Mean length of a burst of `dropout`, seconds."""
    lidar_points: int = 500
    """Points that fall on a standing person 3.1 m away, before dropouts."""
    radar_clutter: float = 1.0
    """Expected clutter detections of a radar frame."""
    radar_ghosts: float = 0.06
    """Probability that a radar detection also appears mirrored at a wall."""
    radar_empty: float = 0.01
    """Probability that a radar frame is emptied, beside frames without detections."""
    csi_infinite: float = 0.002
    """Probability that a (packet, antenna) of a CSI frame was lost and reads -inf."""
    rooms: dict[str, Room] = field(default_factory=dict)
    """Environment -> what is different there; those that are left out are as ever."""

    def __post_init__(self) -> None:
        require(self.frames >= 1, "frames", self.frames, "use at least 1")
        require(self.rate_hz > 0, "rate_hz", self.rate_hz, "use a positive rate")
        require(50 <= self.lidar_points <= 5000, "lidar_points", self.lidar_points, "use 50..5000")
        require(self.radar_clutter >= 0, "radar_clutter", self.radar_clutter, "use 0 or more")
        for name in ("radar_ghosts", "radar_empty", "csi_infinite"):
            value = getattr(self, name)
            require(0 <= value <= 1, name, value, "use a probability in [0, 1]")
        require(self.dropout_seconds > 0, "dropout_seconds", self.dropout_seconds, "use a positive number")
        for name in _PER_SENSOR:
            object.__setattr__(self, name, _complete(name, getattr(self, name)))
        unknown = sorted(name for name in self.rooms if not re.fullmatch(r"E\d\d", name))
        require(not unknown, "rooms", unknown, "name environments such as E01")

    def __repr__(self) -> str:
        """As ever where there are no rooms: names of prepared stores depend on it."""
        named = [f for f in fields(self) if f.name != "rooms" or self.rooms]
        return f"SimulatorConfig({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in named)})"

    def room(self, environment: str) -> Room:
        """The room of an environment."""
        return self.rooms.get(environment, REFERENCE)


def settings_of(config: SimulatorConfig, contamination: Contamination | None = None) -> dict[str, Any]:
    """The settings of simulated data as JSON values; `rooms` and `contamination` only where there are any.

    So stores and trees without them keep the settings that they were prepared with.
    """
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    if not config.rooms:
        del plain["rooms"]
    if contamination is not None:
        plain["contamination"] = json.loads(json.dumps(asdict(contamination)))
    return plain


def provenance_of(config: SimulatorConfig, contamination: Contamination | None = None) -> str:
    """Label of simulated data: `simulated:<version>`, then `.rooms` and `.contaminated` where it is so."""
    rooms = ".rooms" if config.rooms else ""
    return PROVENANCE + rooms + (".contaminated" if contamination is not None else "")


def _complete(name: str, given: dict[str, float]) -> dict[str, float]:
    """The default sensors with the value given or the usual one, and other sensors where they were given."""
    usual, high = _PER_SENSOR[name]
    known = KEY_POINT_SENSORS if name.startswith("keypoint_") else tuple(SENSORS)
    unknown = sorted(set(given) - set(known))
    require(not unknown, name, unknown, f"known sensors are {list(known)}")
    for sensor, value in given.items():
        require(0 <= value <= high, f"{name}[{sensor}]", value, f"use a number in [0, {high}]")
    values = {sensor: usual for sensor in DEFAULT_SENSORS if sensor in known}
    values |= {sensor: float(value) for sensor, value in given.items()}
    return {sensor: values[sensor] for sensor in known if sensor in values}

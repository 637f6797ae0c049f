"""Which readings are contaminated, with what and how strongly; drawn before anything is simulated.

A share of the frames is hit, each in one sensor (or in its pose) and by one kind. Draws have random streams
of their own, so what is not hit stays as it is without contamination.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.protocols.mmfi import SUBJECTS
from equipose.pipelines.sequence import POSE
from equipose.pipelines.simulator.limits import require, require_known, require_within

KINDS: dict[str, str] = {
    "gauss": "white noise on a reading",
    "burst": "stronger white noise on a few readings in a row",
    "frozen": "a sensor that is stuck repeats its last reading",
    "offset": "miscalibration: shifted points and key points; antennas in another order, and a slope",
    "swap": "another recording's reading of the same instant",
    "missing": "zeros, and nothing says that the reading is not there",
    "clock": "the reading of an earlier or later instant",
    "label": "another recording's pose; the sensors stay",
}
"""What can happen to a reading, or to the pose."""
OF_SENSORS = tuple(kind for kind in KINDS if kind != "label")
STRENGTHS: dict[str, dict[str, float]] = {
    "gauss": {
        "rgb": 25,
        "infra1": 17,
        "infra2": 17,
        "depth": 0.12,
        "lidar": 0.12,
        "mmwave": 0.15,
        "wifi": 0.15,
    },
    "burst": {"rgb": 60, "infra1": 40, "infra2": 40, "depth": 0.3, "lidar": 0.3, "mmwave": 0.4, "wifi": 0.4},
    "offset": {
        "rgb": 40,
        "infra1": 27,
        "infra2": 27,
        "depth": 0.25,
        "lidar": 0.25,
        "mmwave": 0.3,
        "wifi": 0.4,
    },
}
"""Kind -> sensor -> usual strength: pixels for key points (along x; an offset along y is 5/8 of it), metres
for points and depth images, shares of a frame's span for WiFi. People are a third smaller in the infrared
pair's images."""
SENSORS = tuple(STRENGTHS["gauss"])
RUN = (4, 8)
"""Shortest and longest run, frames, of a burst, of a stuck sensor and of a wrong clock."""
RUNS = ("burst", "frozen", "clock")


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """How much of the data is spoilt, and how."""

    rate: float
    """Share of the frames that are hit, each in one of `sensors`; with one sensor, the share of its readings.
    Where there is nothing to spoil, as in a frame without radar points, a hit has no effect and is not in the
    truth."""
    kinds: tuple[str, ...] = OF_SENSORS
    """Some of `KINDS`, of equal shares; `label` hits the pose instead of a sensor."""
    sensors: tuple[str, ...] = DEFAULT_SENSORS
    """Those that can be hit, equally often."""
    per_recording: bool = False
    """Hit whole recordings, that share of them, each in one sensor and by one kind."""
    subjects: tuple[str, ...] = ()
    """Spoil these people's recordings alone, such as those to train on; empty means all."""
    gauss: dict[str, float] = field(default_factory=dict)
    """Sensor -> strength of this kind; missing means that of `STRENGTHS`."""
    burst: dict[str, float] = field(default_factory=dict)
    """As `gauss`."""
    offset: dict[str, float] = field(default_factory=dict)
    """As `gauss`."""
    clock: int = 5
    """Frames by which a wrong clock is early or late."""

    def __post_init__(self) -> None:
        require_within("rate", self.rate, 0.0, 1.0)
        for name, known in (("kinds", tuple(KINDS)), ("sensors", SENSORS), ("subjects", SUBJECTS)):
            given = tuple(getattr(self, name))
            object.__setattr__(self, name, given)
            require_known(name, given, known)
            sound = len(given) == len(set(given)) and (given or name == "subjects")
            require(bool(sound), name, given, "name at least one, and each once")
        for kind, usual in STRENGTHS.items():
            require_known(kind, getattr(self, kind), SENSORS)
            for sensor, value in getattr(self, kind).items():
                most = 640.0 if usual[sensor] > 1 else 5.0
                require_within(f"{kind}.{sensor}", value, 0.0, most)
                require(value > 0, f"{kind}.{sensor}", value, f"use a positive number, or leave {kind} out")
        require(1 <= self.clock <= 1000, "clock", self.clock, "use 1..1000 frames")

    def strength(self, kind: str, sensor: str) -> float:
        """How strongly a kind that has a strength hits a sensor."""
        own: dict[str, float] = getattr(self, kind)
        return float(own.get(sensor, STRENGTHS[kind][sensor]))

    def require_recorded(self, recorded: tuple[str, ...]) -> None:
        """Raise ValueError unless every sensor that can be hit is among the recorded ones."""
        absent = [sensor for sensor in self.sensors if sensor not in recorded]
        remedy = f"the data has {list(recorded)}: name some of them"
        require(not absent, "sensors to contaminate", absent, remedy)


class Episode(NamedTuple):
    """One kind that hits one sensor, or the pose, in frames `start` to `stop` - 1."""

    kind: str
    sensor: str
    start: int
    stop: int
    direction: int
    """1 or -1: of a wrong clock."""


def planned(contamination: Contamination, frames: int, rng: np.random.Generator) -> list[Episode]:
    """The episodes of a recording, by their start; no frame is in two of them."""
    if contamination.per_recording:
        hit = rng.uniform() < contamination.rate
        return [_episode(contamination, contamination.kinds, 0, frames, rng)] if hit else []
    left = int(contamination.rate * frames + rng.uniform())
    free = np.ones(frames, np.bool_)
    found = []
    while left:
        # A run takes many frames, so it is drawn less often: kinds then have equal shares of the frames.
        weights = np.array([1 / np.mean(RUN) if kind in RUNS else 1.0 for kind in contamination.kinds])
        kind = str(rng.choice(contamination.kinds, p=weights / weights.sum()))
        length = min(left, int(rng.integers(RUN[0], RUN[1] + 1)) if kind in RUNS else 1)
        start = int(rng.choice(np.flatnonzero(free)))
        taken = np.flatnonzero(~free[start : start + length])
        stop = min(start + length, frames, start + int(taken[0]) if len(taken) else frames)
        free[start:stop] = False
        left -= stop - start
        found.append(_episode(contamination, (kind,), start, stop, rng))
    return sorted(found, key=lambda episode: episode.start)


def _episode(
    contamination: Contamination, kinds: tuple[str, ...], start: int, stop: int, rng: np.random.Generator
) -> Episode:
    kind, sensor = str(rng.choice(kinds)), str(rng.choice(contamination.sensors))
    direction = int(rng.choice((-1, 1)))
    return Episode(kind, POSE if kind == "label" else sensor, start, stop, direction)

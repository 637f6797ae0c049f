"""How rooms differ: where the sensors are mounted and people stand, what disturbs the sensors, who comes.

Without rooms in the settings, MM-Fi's four environments differ in little: the static paths of WiFi, the
walls, six places of clutter for the radar, and 27 cm of stance in E04. A room sets what else differs there.
Ground truth always stays in the frame of the reference room, as if poses had been measured there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.pipelines.simulator.limits import require, require_known, require_within

Array = NDArray[np.float64]
DEVICES: dict[str, tuple[str, ...]] = {
    "camera": ("rgb",),
    "depth camera": ("infra1", "infra2", "depth"),
    "lidar": ("lidar",),
    "radar": ("mmwave",),
    "wifi": ("wifi",),
}
"""What is screwed on by itself -> the sensors in it, which move together."""
MOUNTED = tuple(sensor for sensors in DEVICES.values() for sensor in sensors)
MOST_TURN, MOST_SHIFT = 45.0, 1.0
"""Degrees and metres by which a sensor may be off: people must stay before it."""


@dataclass(frozen=True, kw_only=True)
class Mounting:
    """How a sensor stands in a room, relative to where it stands in the reference room."""

    yaw: float = 0.0
    """Degrees to its right."""
    pitch: float = 0.0
    """Degrees upward."""
    roll: float = 0.0
    """Degrees clockwise, as the sensor sees it."""
    x: float = 0.0
    """Metres to its right."""
    y: float = 0.0
    """Metres down."""
    z: float = 0.0
    """Metres toward the person."""

    def __post_init__(self) -> None:
        for name in ("yaw", "pitch", "roll"):
            require_within(name, getattr(self, name), -MOST_TURN, MOST_TURN, "degrees")
        for name in ("x", "y", "z"):
            require_within(name, getattr(self, name), -MOST_SHIFT, MOST_SHIFT, "metres")

    @property
    def position(self) -> Array:
        """o [3], metres in the reference frame."""
        return np.array([self.x, self.y, self.z])

    @property
    def rotation(self) -> Array:
        """R [3, 3] from the axes of the reference frame to the sensor's: yaw first, then pitch, then roll."""
        (a, b, c), (s, t, u) = (f(np.radians([self.yaw, self.pitch, self.roll])) for f in (np.cos, np.sin))
        yaw = np.array([[a, 0, -s], [0, 1, 0], [s, 0, a]])
        pitch = np.array([[1, 0, 0], [0, b, t], [0, -t, b]])
        roll = np.array([[c, u, 0], [-u, c, 0], [0, 0, 1]])
        return np.asarray(roll @ pitch @ yaw)

    def seen(self, points: Array) -> Array:
        """Points [..., 3] m of the reference frame as the sensor has them: R (p - o)."""
        if self == Mounting():
            return points  # not turned by an identity, so that no bit changes
        return np.asarray((points - self.position) @ self.rotation.T)


@dataclass(frozen=True, kw_only=True)
class Multipath:
    """How WiFi travels in a room; the defaults are those of every room without it."""

    paths: int = 20
    """Reflections of the room."""
    delay_spread: float = 80.0
    """Nanoseconds in which the power of reflections falls to 1/e."""
    body: float = 0.1
    """Amplitude of the paths over the person, as a share of the whole channel's."""

    def __post_init__(self) -> None:
        require(2 <= self.paths <= 200, "wifi_multipath.paths", self.paths, "use 2..200")
        require_within("wifi_multipath.delay_spread", self.delay_spread, 5.0, 1000.0, "ns")
        require_within("wifi_multipath.body", self.body, 0.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class PeopleShift:
    """By how much the people of a room differ from others: added to each one's own multiples."""

    stature: float = 0.0
    """Of all bone lengths."""
    tempo: float = 0.0
    """Of the repetition rate."""
    amplitude: float = 0.0
    """Of the extent of motions."""

    def __post_init__(self) -> None:
        for name, most in (("stature", 0.3), ("tempo", 0.4), ("amplitude", 0.5)):
            require_within(f"people.{name}", getattr(self, name), -most, most)


@dataclass(frozen=True, kw_only=True)
class Room:
    """What is different in one environment; the defaults change nothing, and None means as elsewhere."""

    mounting: dict[str, Mounting] = field(default_factory=dict)
    """Sensor -> how it stands. The pose is moved by R (p - o) before that sensor observes it."""
    stance: tuple[float, float] = (0.0, 0.0)
    """x and z, metres, added to where people stand."""
    facing: float = 0.0
    """Degrees by which people turn to their left of where they face elsewhere."""
    radar_clutter: float | None = None
    """Expected clutter detections of a radar frame."""
    radar_ghosts: float | None = None
    """Probability that a radar detection also appears mirrored at a wall."""
    walls: tuple[float, float] | None = None
    """x, metres, of the walls to the left and right, for the radar's ghosts and the depth image."""
    light: float = 1.0
    """Multiplies errors and confusions of the key points of `rgb`; 2 is a dim room. The infrared pair brings
    its own light."""
    wifi_multipath: Multipath | None = None
    """How WiFi travels."""
    lidar_points: int | None = None
    """Points on a standing person 3.1 m away: another scanner."""
    people: PeopleShift = field(default_factory=PeopleShift)
    """Who comes here."""

    def __post_init__(self) -> None:
        require_known("mounting", self.mounting, MOUNTED)
        object.__setattr__(self, "stance", _pair("stance", self.stance))
        require_within("stance x", self.stance[0], -1.0, 1.0, "metres")
        require_within("stance z", self.stance[1], -1.5, 1.5, "metres")
        require_within("facing", self.facing, -180.0, 180.0, "degrees")
        require_within("light", self.light, 0.0, 10.0)
        if self.radar_clutter is not None:
            require_within("radar_clutter", self.radar_clutter, 0.0, 1000.0)
        if self.radar_ghosts is not None:
            require_within("radar_ghosts", self.radar_ghosts, 0.0, 1.0)
        if self.lidar_points is not None:
            require(50 <= self.lidar_points <= 5000, "lidar_points", self.lidar_points, "use 50..5000")
        if self.walls is not None:
            object.__setattr__(self, "walls", _pair("walls", self.walls))
            left, right = self.walls
            sound = -20.0 <= left <= -1.0 and 1.0 <= right <= 20.0
            require(
                sound, "walls", self.walls, "use the left one in [-20, -1] and the right one in [1, 20] m"
            )


def _pair(name: str, value: tuple[float, float]) -> tuple[float, float]:
    require(len(value) == 2, name, value, "give two numbers")
    return float(value[0]), float(value[1])


REFERENCE = Room()
"""An environment without a room of its own."""


TURNS = {"yaw": 1.5, "pitch": 1.0, "roll": 0.4}
SHIFTS = {"x": 0.04, "y": 0.03, "z": 0.05}
"""Standard deviations, degrees and metres, of a mounting at strength 1: what re-installing sensors costs."""
STANCE, FACING = (0.1, 0.15), 10.0
"""Standard deviations of the stance, x and z in metres, and of the facing, degrees, at strength 1."""
CLUTTER = {"E01": 0.5, "E02": 1.0, "E03": 3.0, "E04": 6.0}
LIGHT = {"E03": 2.0}
LIDAR = {"E03": 0.5}
"""Clutter detections, multiples of key-point errors and of LiDAR points of the rooms at strength 1."""
BODY = 0.04
"""Largest difference of WiFi's body amplitude from the usual one at strength 1: 0.06 to 0.14."""
MOST_STRENGTH, TAIL = 4.0, 2.5
"""Largest strength, and standard deviations at which draws end: people must stay before the sensors."""
ENVIRONMENTS = ("E01", "E02", "E03", "E04")


def drawn_rooms(
    seed: int, strength: float = 1.0, environments: tuple[str, ...] = ENVIRONMENTS
) -> dict[str, Room]:
    """Environment -> a drawn room, equal for equal arguments, whichever environments are asked for.

    Spreads of mounting, stance and facing grow with `strength`; 1 is re-installing a rig, 4 drowns everything
    else. Clutter, light, LiDAR and WiFi's body share reach the values of the tables above at 1 and stay
    there. Strength 0 gives no rooms. E01 is the reference room: mounting, stance and facing are as ever.
    """
    require_within("strength", strength, 0.0, MOST_STRENGTH)
    require_known("environments", environments, ENVIRONMENTS)
    return {name: _drawn(seed, strength, name) for name in environments} if strength else {}


def _drawn(seed: int, strength: float, environment: str) -> Room:
    share = min(strength, 1.0)
    body = 0.1 + BODY * share * numpy_rng(seed, "simulator", "rooms", "body", environment).uniform(-1, 1)
    usual = Room(
        radar_clutter=CLUTTER[environment] ** share,
        light=LIGHT.get(environment, 1.0) ** share,
        lidar_points=round(500 * LIDAR[environment] ** share) if environment in LIDAR else None,
        wifi_multipath=Multipath(body=float(body)),
    )
    if environment == ENVIRONMENTS[0]:
        return usual
    moved = {device: _mounting(seed, strength, environment, device) for device in DEVICES}
    x, z, turn = strength * _normal(seed, environment, "stance", 3) * [*STANCE, FACING]
    return replace(
        usual,
        mounting={sensor: moved[device] for device, sensors in DEVICES.items() for sensor in sensors},
        stance=(float(x), float(z)),
        facing=float(turn),
    )


def _mounting(seed: int, strength: float, environment: str, device: str) -> Mounting:
    spreads = TURNS | SHIFTS
    drawn = strength * _normal(seed, environment, device, len(spreads)) * list(spreads.values())
    return Mounting(**dict(zip(spreads, drawn.tolist(), strict=True)))


def _normal(seed: int, environment: str, purpose: str, count: int) -> Array:
    """[count] standard normal numbers, cut off at `TAIL`."""
    rng = numpy_rng(seed, "simulator", "rooms", purpose, environment)
    return np.clip(rng.standard_normal(count), -TAIL, TAIL)

"""What differs between rooms, people and moments: a sensor's errors, its bias, and when it gives nothing.

Everything here has random streams of its own, so a dial changes nothing but what it is for: the same errors
are scaled, the same key points are moved, and frames that are not lost stay as they were.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.models.sensors import Image, Points, sensor_of
from equipose.models.skeleton import COCO_KEYPOINTS
from equipose.pipelines.simulator.config import SimulatorConfig
from equipose.pipelines.simulator.sensors.signals import spells


def in_room(config: SimulatorConfig, environment: str) -> SimulatorConfig:
    """The settings with what an environment's room sets itself: radar clutter and ghosts, LiDAR points."""
    room = config.room(environment)
    own = {name: getattr(room, name) for name in ("radar_clutter", "radar_ghosts", "lidar_points")}
    own = {name: value for name, value in own.items() if value is not None}
    return dataclasses.replace(config, **own) if own else config


def with_noise_of(config: SimulatorConfig, modality: str, environment: str, subject: str) -> SimulatorConfig:
    """The settings with a sensor's noise multiple in that room, for that subject.

    It models that rooms and people are harder or easier to measure: light, interference, clothes. The
    multiple is `noise` exp(a r + b s), r and s standard normal of the room and of the subject, a and b their
    spreads; so `noise` stays its median.
    """
    exponent = 0.0
    for spread, who in ((config.noise_room_spread, environment), (config.noise_subject_spread, subject)):
        rng = numpy_rng(config.seed, "simulator", "noise", modality, who)
        exponent += spread.get(modality, 0.0) * rng.standard_normal()
    multiple = config.noise.get(modality, 1.0) * float(np.exp(exponent))
    return dataclasses.replace(config, noise=config.noise | {modality: multiple})


def keypoint_bias(
    config: SimulatorConfig, modality: str, environment: str, subject: str
) -> NDArray[np.float64]:
    """Pixels [17, 2] by which a detector is off throughout a subject's recordings.

    A room shifts all key points alike: the camera is aimed a little differently. A subject shifts each on its
    own: clothes and build move what a detector takes for a hip or a shoulder.
    """
    room = numpy_rng(config.seed, "simulator", "bias", modality, environment).standard_normal(2)
    own = numpy_rng(config.seed, "simulator", "bias", modality, subject)
    points = own.standard_normal((len(COCO_KEYPOINTS), 2))
    return np.asarray(
        config.keypoint_bias_room.get(modality, 0.0) * room
        + config.keypoint_bias_subject.get(modality, 0.0) * points
    )


def silent_frames(
    config: SimulatorConfig, modality: str, environment: str, subject: str, key: str, frames: int
) -> NDArray[np.bool_]:
    """[frames] in which a sensor gives nothing.

    It models cables, drivers and lost packets: silence comes in bursts of `dropout_seconds` on average.
    """
    rng = numpy_rng(config.seed, "simulator", "dropout", modality, environment, subject, key)
    length = max(1.0, config.dropout_seconds * config.rate_hz)
    return spells(rng, (frames,), config.dropout.get(modality, 0.0), length)


def nothing(frame: NDArray[Any], name: str) -> NDArray[Any]:
    """A frame without a reading, in the shape and type of `frame`, which preparation marks as invalid.

    No points; a black picture; key points that are not a number; channel state information of lost packets,
    whose amplitude reads -inf and whose phase (`wifi_phase`) reads 0.
    """
    if name == "wifi_phase":
        return np.zeros_like(frame)
    layout = sensor_of(name).layout
    if isinstance(layout, Points):
        return frame[:0]
    if isinstance(layout, Image):
        return np.zeros_like(frame)
    return np.full_like(frame, -np.inf if name == "wifi" else np.nan)

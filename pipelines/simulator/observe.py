"""From pose sequences to raw sensor frames, as a source has them on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.models.sensors import DEFAULT_SENSORS
from equipose.models.skeleton import NUM_JOINTS
from equipose.pipelines.simulator.config import SUBJECTS, SimulatorConfig, environment_of
from equipose.pipelines.simulator.dials import in_room, keypoint_bias, nothing, silent_frames, with_noise_of
from equipose.pipelines.simulator.people.actions import ACTIONS
from equipose.pipelines.simulator.people.body import body
from equipose.pipelines.simulator.people.motion import simulate_motion
from equipose.pipelines.simulator.people.person import person
from equipose.pipelines.simulator.sensors.camera import observe_rgb
from equipose.pipelines.simulator.sensors.csi import observe_wifi
from equipose.pipelines.simulator.sensors.depth import background, observe_depth
from equipose.pipelines.simulator.sensors.infra import observe_infra
from equipose.pipelines.simulator.sensors.lidar import observe_lidar
from equipose.pipelines.simulator.sensors.radar import observe_mmwave
from equipose.pipelines.simulator.sensors.signals import spells

Array = NDArray[np.float64]
Readings = dict[str, list[NDArray[Any]]]
SPELL_SECONDS = 1.0
"""Usual length of a spell in which an uninformative sensor sees someone else."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What one sensor observes."""

    pose: Array
    """[F, 17, 3] m in the frame of the sensor's mounting."""
    girth: float
    subject: str
    environment: str
    config: SimulatorConfig
    rng: np.random.Generator


def _rgb(scene: Scene) -> Readings:
    bias = keypoint_bias(scene.config, "rgb", scene.environment, scene.subject)
    noise, light = scene.config.noise["rgb"], scene.config.room(scene.environment).light
    return {"rgb": list(observe_rgb(scene.pose, scene.girth, noise, scene.rng, bias, light))}


def _lidar(scene: Scene) -> Readings:
    noise = scene.config.noise["lidar"]
    capsules = body(scene.pose, scene.girth)
    return {"lidar": observe_lidar(capsules, scene.config.lidar_points, noise, scene.rng)}


def _mmwave(scene: Scene) -> Readings:
    capsules = body(scene.pose, scene.girth)
    return {"mmwave": observe_mmwave(capsules, scene.environment, scene.config, scene.rng)}


def _wifi(scene: Scene) -> Readings:
    amplitude, phase = observe_wifi(scene.pose, scene.environment, scene.subject, scene.config, scene.rng)
    return {"wifi": list(amplitude), "wifi_phase": list(phase)}


def _infra(scene: Scene, which: str) -> Readings:
    bias = keypoint_bias(scene.config, which, scene.environment, scene.subject)
    noise = scene.config.noise[which]
    return {which: list(observe_infra(which, scene.pose, scene.girth, noise, scene.rng, bias))}


def _depth(scene: Scene) -> Readings:
    capsules, noise = body(scene.pose, scene.girth), scene.config.noise["depth"]
    return {"depth": observe_depth(capsules, background(scene.config, scene.environment), noise, scene.rng)}


SENSORS: dict[str, Callable[[Scene], Readings]] = {
    "rgb": _rgb,
    "infra1": partial(_infra, which="infra1"),
    "infra2": partial(_infra, which="infra2"),
    "depth": _depth,
    "lidar": _lidar,
    "mmwave": _mmwave,
    "wifi": _wifi,
}
"""Modality -> its sensor model; the CSI phase is returned beside the amplitude as `wifi_phase`."""


def readings(
    pose: Array,
    *,
    environment: str,
    subject: str,
    key: str,
    config: SimulatorConfig,
    modalities: Sequence[str] = DEFAULT_SENSORS,
) -> Readings:
    """As `observe`, with the CSI phase [3, 114, 10], radians, under `wifi_phase` where WiFi is asked for."""
    unknown = sorted(set(modalities) - set(SENSORS))
    if unknown:
        raise ValueError(f"modalities: {unknown} unknown; known are {list(SENSORS)}")
    if pose.ndim != 3 or pose.shape[1:] != (NUM_JOINTS, 3) or not len(pose) or not np.isfinite(pose).all():
        raise ValueError(f"pose: need finite [F, {NUM_JOINTS}, 3] with F >= 1, got shape {pose.shape}")
    pose = pose.astype(np.float64)
    girth, room = person(config.seed, subject).girth, config.room(environment)
    found: Readings = {}
    for modality in modalities:
        rng = numpy_rng(config.seed, "simulator", modality, environment, subject, key)
        seen = _seen(pose, environment, subject, key, modality, config)
        scene = Scene(
            pose=room.mounting[modality].seen(seen) if modality in room.mounting else seen,
            girth=girth,
            subject=subject,
            environment=environment,
            config=with_noise_of(in_room(config, environment), modality, environment, subject),
            rng=rng,
        )
        lost = silent_frames(config, modality, environment, subject, key, len(pose))
        for name, frames in SENSORS[modality](scene).items():
            found[name] = [nothing(f, name) if gone else f for f, gone in zip(frames, lost, strict=True)]
    return found


def observe(
    pose: Array,
    *,
    environment: str,
    subject: str,
    key: str,
    config: SimulatorConfig,
    modalities: Sequence[str] = DEFAULT_SENSORS,
) -> Readings:
    """Modality -> F raw frames of a person moving as `pose` [F, 17, 3] m in the sensor frame.

    `rgb`, `infra1` and `infra2` [17, 2] pixels, `lidar` [N, 3] m, `mmwave` [N, 5] (x, y, z m, Doppler m/s,
    intensity dB; N may be 0), `wifi` [3, 114, 10] dB with -inf where lost, all float64; `depth` [480, 640]
    whole millimetres, uint16, 0 where there is no reading. Frames in which a sensor gives nothing
    (`dropout`) hold no points, NaN key points, -inf throughout or a black picture. `key` names the
    recording: equal (seed, environment, subject, key, pose) give equal readings, whichever modalities are
    asked for.
    """
    found = readings(
        pose, environment=environment, subject=subject, key=key, config=config, modalities=modalities
    )
    return {modality: found[modality] for modality in modalities}


def _seen(
    pose: Array, environment: str, subject: str, key: str, modality: str, config: SimulatorConfig
) -> Array:
    """The pose that a sensor observes: an unrelated recording for the uninformative share of the time."""
    informed = config.informativeness.get(modality, 1.0)
    if informed >= 1:
        return pose
    rng = numpy_rng(config.seed, "simulator", "decoy", modality, environment, subject, key)
    roommates = [name for name in SUBJECTS if environment_of(name) == environment] or list(SUBJECTS)
    stranger, action = rng.choice(roommates), rng.choice(list(ACTIONS))
    other = SimulatorConfig(
        seed=int(rng.integers(2**31)), frames=len(pose), rate_hz=config.rate_hz, rooms=config.rooms
    )
    decoy = simulate_motion(str(stranger), str(action), other)
    away = spells(rng, (len(pose),), 1.0 - informed, SPELL_SECONDS * config.rate_hz)
    return np.where(away[:, None, None], decoy, pose)

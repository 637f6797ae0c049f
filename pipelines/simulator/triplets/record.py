"""One simulated recording: a person, an action and a camera, as image, 2D and 3D triplets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.models.sensors.triplets import TRIPLET_NAMES
from equipose.pipelines.sequence import POSE, Defect, RawSequence
from equipose.pipelines.simulator.config import PROVENANCE, SimulatorConfig
from equipose.pipelines.simulator.dials import silent_frames, with_noise_of
from equipose.pipelines.simulator.people.motion import simulate_motion
from equipose.pipelines.simulator.people.person import person
from equipose.pipelines.simulator.render.pictures import Pictures, take_pictures
from equipose.pipelines.simulator.render.pinhole import Array, Pinhole
from equipose.pipelines.simulator.sensors.camera import hidden
from equipose.pipelines.simulator.triplets.detector import detect
from equipose.pipelines.simulator.triplets.sets import TripletSet
from equipose.pipelines.simulator.triplets.staging import carried_cameras, fixed_cameras, staged


def record_triplets(
    which: TripletSet,
    subject: str,
    action: str,
    camera: str,
    config: SimulatorConfig,
    sensors: Sequence[str] = TRIPLET_NAMES,
) -> RawSequence:
    """A recording of one camera, labelled as simulated.

    The person moves alike before all cameras of a set, so their frames of equal number are one instant. The
    pose is in camera axes, metres. Pictures are drawn whether or not `sensors` asks for them, because they
    say what is hidden. Noise and dropout of `config` apply to `image` and `keypoints`.
    """
    pose = simulate_motion(subject, action, config)
    pose = staged(pose, config.rate_hz, which.roam, config.seed, subject, action)
    girth = person(config.seed, subject).girth
    made = take_pictures(
        pose,
        girth,
        subject=subject,
        key=action,
        seed=config.seed,
        config=which.pictures,
        view=which.cameras.index(camera),
        cameras=_cameras(which, pose, subject, action, camera, config),
    )
    frames = _signals(which, made, _detected(which, made, pose, girth, subject, action, camera, config))
    for name in ("image", "keypoints"):
        lost = silent_frames(
            config, name, which.environments[subject], subject, f"{action}@{camera}", len(pose)
        )
        for frame in np.flatnonzero(lost):
            blank = np.zeros_like(frames[name][frame])
            frames[name][frame] = blank if name == "image" else blank * np.nan
    kept = {name: rows for name, rows in frames.items() if name in {*sensors, POSE}}
    return RawSequence(
        environment=which.environments[subject],
        subject=subject,
        action=action,
        part=which.parts[subject],
        camera=camera,
        numbers=np.arange(1, config.frames + 1, dtype=np.int32),
        frames=kept,
        provenance=dict.fromkeys(kept, PROVENANCE),
    )


def _cameras(
    which: TripletSet, pose: Array, subject: str, action: str, camera: str, config: SimulatorConfig
) -> list[Pinhole] | None:
    """Of every frame; None leaves the place to the pictures."""
    if which.placement == "fixed":
        return fixed_cameras(which.cameras.index(camera), which.pictures, len(pose))
    if which.placement == "around":
        return None
    rng = numpy_rng(config.seed, "simulator", "carried", subject, action, camera)
    return carried_cameras(pose, which.pictures, config.rate_hz, rng)


def _detected(
    which: TripletSet,
    made: Pictures,
    pose: Array,
    girth: float,
    subject: str,
    action: str,
    camera: str,
    config: SimulatorConfig,
) -> Array:
    """[F, 17, 3] what a detector finds in the pictures."""
    rng = numpy_rng(config.seed, "simulator", "detector", subject, action, camera)
    noise = with_noise_of(config, "keypoints", which.environments[subject], subject).noise["keypoints"]
    # Seen from the camera, in axes that stand upright, as the body's hands and feet expect.
    from_camera = pose - np.stack([c.position for c in made.cameras])[:, None]
    behind = hidden(from_camera, from_camera, girth) | made.covered
    return detect(made.keypoints, made.boxes, behind, noise, rng)


def _signals(
    which: TripletSet, made: Pictures, found: Array
) -> dict[str, list[NDArray[np.generic] | Defect]]:
    """Every part of the triplets, F frames each."""
    optics = [np.array([*c.size, *c.focal, *c.centre], np.float32) for c in made.cameras]
    return {
        "image": list(made.images),
        "keypoints": list(found),
        "exact_keypoints": list(made.keypoints),
        "box": list(made.boxes),
        "intrinsics": list(optics),
        POSE: list(made.pose.astype(np.float32)),
    }

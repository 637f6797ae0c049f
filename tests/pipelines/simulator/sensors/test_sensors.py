"""Each sensor records what geometry says it must."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from equipose.models.skeleton import COCO_KEYPOINTS, JOINTS
from equipose.pipelines.simulator import SimulatorConfig, observe, simulate_motion
from equipose.pipelines.simulator.people.body import Capsules, body, ray_distance
from equipose.pipelines.simulator.people.person import person
from equipose.pipelines.simulator.sensors.camera import FOCAL
from equipose.pipelines.simulator.sensors.channel import TRANSMITTER, _sum_paths, frequencies, shadowing
from equipose.pipelines.simulator.sensors.radar import radial_velocity

SHARED = Path(__file__).resolve().parents[5] / "shared/data/mmfi"
QUIET = SimulatorConfig(
    frames=40,
    noise=dict.fromkeys(("rgb", "lidar", "mmwave", "wifi"), 0.0),
    radar_clutter=0.0,
    radar_ghosts=0.0,
    radar_empty=0.0,
    csi_infinite=0.0,
)


def look(pose: np.ndarray, config: SimulatorConfig, *modalities: str) -> dict[str, list[np.ndarray]]:
    return observe(pose, environment="E01", subject="S01", key="A06", config=config, modalities=modalities)


def surface_distance(points: np.ndarray, capsules: Capsules, frame: int) -> np.ndarray:
    """Metres [N] from points [N, 3] to the nearest surface of the body in one frame; negative inside."""
    start, axis = capsules.start[frame], capsules.end[frame] - capsules.start[frame]
    offset = points[:, None] - start
    share = np.sum(offset * axis, -1) / np.maximum(np.sum(axis * axis, -1), 1e-12)
    nearest = np.clip(share, 0, 1)[..., None] * axis
    return np.min(np.linalg.norm(offset - nearest, axis=-1) - capsules.radius, axis=1)


@pytest.fixture(scope="module")
def pose() -> np.ndarray:
    return simulate_motion("S01", "A06", QUIET)


def test_quiet_camera_projects_the_joints(pose: np.ndarray) -> None:
    pixels = np.stack(look(pose, QUIET, "rgb")["rgb"])
    shared = [name for name in COCO_KEYPOINTS if name in JOINTS]
    assert len(shared) == 12
    for name in shared:
        x, y, z = pose[:, JOINTS.index(name)].T
        expected = np.stack([320 + FOCAL * x / z, 240 + FOCAL * y / z], axis=-1)
        assert np.allclose(pixels[:, COCO_KEYPOINTS.index(name)], expected)
    # The face lies above the shoulders, the nose between the ears, the left ear at the image's right.
    nose, left, right = (pixels[:, COCO_KEYPOINTS.index(n)] for n in ("nose", "left_ear", "right_ear"))
    assert np.all(nose[:, 1] < pixels[:, COCO_KEYPOINTS.index("left_shoulder"), 1])
    assert np.all((left[:, 0] > nose[:, 0]) & (nose[:, 0] > right[:, 0]))


def test_hidden_key_points_err_more() -> None:
    config = SimulatorConfig(frames=200)
    quiet = dataclasses.replace(config, noise={"rgb": 0.0})
    squat = simulate_motion("S01", "A27", config)
    error = np.linalg.norm(
        np.stack(look(squat, config, "rgb")["rgb"]) - np.stack(look(squat, quiet, "rgb")["rgb"]), axis=-1
    )
    wrist, hip = error[:, COCO_KEYPOINTS.index("left_wrist")], error[:, COCO_KEYPOINTS.index("left_hip")]
    assert hip.mean() > 1.5 * wrist.mean()
    assert 1.0 < np.median(error) < 6.0


def test_quiet_lidar_lies_on_the_body(pose: np.ndarray) -> None:
    clouds = look(pose, QUIET, "lidar")["lidar"]
    capsules = body(pose, person(QUIET.seed, "S01").girth)
    for frame in (0, 7, 39):
        distance = surface_distance(clouds[frame], capsules, frame)
        assert np.abs(distance).max() < 1e-6
    assert all(300 < len(cloud) < 800 for cloud in clouds)


def test_lidar_finds_the_nearest_hit_of_every_beam(pose: np.ndarray) -> None:
    """Bounding boxes and sorting against all beams through all capsules."""
    cloud = look(pose[:1], dataclasses.replace(QUIET, frames=1), "lidar")["lidar"][0]
    capsules = body(pose[:1], person(QUIET.seed, "S01").girth)
    distance = np.linalg.norm(cloud, axis=1)
    rays = cloud / distance[:, None]
    parts = len(capsules.radius)
    every = [
        ray_distance(
            rays,
            np.tile(capsules.start[0, part], (len(rays), 1)),
            np.tile(capsules.end[0, part], (len(rays), 1)),
            np.full(len(rays), capsules.radius[part]),
        )
        for part in range(parts)
    ]
    assert np.allclose(np.min(every, axis=0), distance)


def test_lidar_budget_sets_the_number_of_points(pose: np.ndarray) -> None:
    counts = [
        np.mean([len(c) for c in look(pose, dataclasses.replace(QUIET, lidar_points=n), "lidar")["lidar"]])
        for n in (250, 1000)
    ]
    assert 3.0 < counts[1] / counts[0] < 5.0


def test_ray_distance_to_a_sphere_and_a_cylinder() -> None:
    rays = np.array([[0.0, 0, 1], [0, 0, 1], [0, 0, -1], [1, 0, 0]])
    start = np.array([[0.0, 0, 3], [0, -1, 3], [0, -1, 3], [0, -1, 3]])
    end = np.array([[0.0, 0, 3], [0, 1, 3], [0, 1, 3], [0, 1, 3]])
    found = ray_distance(rays, start, end, np.full(4, 0.2))
    assert np.allclose(found[:2], 2.8)
    assert np.all(np.isinf(found[2:]))


def test_doppler_of_a_person_who_walks_away(pose: np.ndarray) -> None:
    speed = 0.6
    still = np.repeat(pose[:1], 40, axis=0)
    for sign in (1.0, -1.0):
        step = sign * speed / QUIET.rate_hz * np.arange(40)
        moving = still + step[:, None, None] * [0.0, 0.0, 1.0]
        points = np.concatenate(look(moving, QUIET, "mmwave")["mmwave"])
        assert len(points) > 40
        expected = sign * speed * points[:, 2] / np.linalg.norm(points[:, :3], axis=1)
        assert np.allclose(points[:, 3], expected, atol=0.02)
    assert radial_velocity(np.array([0.0, 0, 2]), np.array([5.0, 0, 1])) == pytest.approx(1.0)


def test_quiet_radar_lies_on_the_body_and_noisy_doppler_is_quantised(pose: np.ndarray) -> None:
    frames = look(pose, QUIET, "mmwave")["mmwave"]
    capsules = body(pose, person(QUIET.seed, "S01").girth)
    for frame, points in enumerate(frames):
        assert surface_distance(points[:, :3], capsules, frame).max(initial=0) < 1e-6
    noisy = np.concatenate(look(pose, SimulatorConfig(), "mmwave")["mmwave"])
    cells = noisy[:, 3] / 0.13
    assert np.allclose(cells, np.round(cells))


def test_moving_parts_are_detected_more_than_still_ones(pose: np.ndarray) -> None:
    still = np.repeat(pose[:1], 40, axis=0)
    counts = [sum(map(len, look(p, QUIET, "mmwave")["mmwave"])) for p in (still, pose)]
    assert counts[1] > 1.2 * counts[0]


def test_radar_is_sparse_with_empty_frames() -> None:
    config = SimulatorConfig(frames=297, radar_empty=0.05)
    counts = np.array(
        [len(p) for p in look(simulate_motion("S01", "A12", config), config, "mmwave")["mmwave"]]
    )
    assert 5 <= np.median(counts) <= 30
    assert 3 <= np.sum(counts == 0) <= 40
    with_ghosts = dataclasses.replace(QUIET, radar_ghosts=1.0)
    still = simulate_motion("S01", "A12", QUIET)
    twice = sum(map(len, look(still, with_ghosts, "mmwave")["mmwave"]))
    assert twice == 2 * sum(map(len, look(still, QUIET, "mmwave")["mmwave"]))


def test_paths_sum_as_written_out() -> None:
    rng = np.random.default_rng(0)
    strength, delay = rng.uniform(size=(3, 17)), rng.uniform(5e-9, 40e-9, size=(3, 17))
    phase = -2j * np.pi * delay[:, :, None] * frequencies()
    expected = np.sum(strength[:, :, None] * np.exp(phase), axis=1)
    assert np.allclose(_sum_paths(strength, delay), expected, atol=1e-9)


def test_csi_holds_whole_numbers_and_occasional_infinities(pose: np.ndarray) -> None:
    config = SimulatorConfig(csi_infinite=0.05)
    amplitude = np.stack(look(pose, config, "wifi")["wifi"])
    assert amplitude.shape == (40, 3, 114, 10)
    lost = np.isneginf(amplitude)
    whole_entries = lost.all(axis=2)
    assert 0.02 < whole_entries.mean() < 0.1
    power = 10 ** (amplitude[~lost] / 10)
    assert np.allclose(power, np.round(power), rtol=1e-9)
    # In a deep fade both parts can round to zero, but never on all subcarriers.
    assert not np.isneginf(np.stack(look(pose, QUIET, "wifi")["wifi"])).all(axis=2).any()


@pytest.mark.parametrize("environment", ["E01", "E02", "E03"])
def test_csi_looks_like_the_real_environment(environment: str) -> None:
    table = SHARED / f"{environment}_profile.csv"
    if not table.exists():
        pytest.skip(f"no real data at {table}")
    real = np.loadtxt(table, delimiter=",", skiprows=1)
    config, first = SimulatorConfig(frames=30), 10 * (int(environment[1:]) - 1)
    found = [
        observe(
            simulate_motion(f"S{first + n:02d}", action, config),
            environment=environment,
            subject=f"S{first + n:02d}",
            key=action,
            config=config,
            modalities=("wifi",),
        )["wifi"][::3]
        for n in range(1, 11)
        for action in ("A02", "A12", "A22")
    ]
    amplitude = np.array(found)
    amplitude[np.isinf(amplitude)] = np.nan
    mean = np.nanmean(amplitude, axis=(0, 1, 2, 4))
    spread = np.nanstd(amplitude, axis=(0, 1, 2, 4))
    assert np.sqrt(np.mean((mean - real[:, 1]) ** 2)) < 1.5
    assert np.abs(mean - real[:, 1]).max() < 3.0
    assert abs(spread.mean() - real[:, 2].mean()) < 1.0


def test_csi_level_contains_a_real_frame() -> None:
    file = SHARED / "frame001.mat"
    if not file.exists():
        pytest.skip(f"no real data at {file}")
    from scipy.io import loadmat

    real = loadmat(file)["CSIamp"]
    power = 10 ** (real / 10)
    assert np.allclose(power, np.round(power))
    config = SimulatorConfig(frames=20, csi_infinite=0.0)
    made = [
        np.stack(look(simulate_motion("S01", action, config), config, "wifi")["wifi"])
        for action in ("A01", "A02", "A12", "A17")
    ]
    low, high = np.percentile(made, [0.5, 99.5])
    assert low < real.min()
    assert real.max() < high < real.max() + 8
    assert abs(np.median(made) - np.median(real)) < 3


def test_csi_packets_of_a_still_person_scatter_as_little_as_real_ones(pose: np.ndarray) -> None:
    """A real frame, gains removed, keeps 0.24 dB between its packets; motion must add to that."""

    def scatter(motion: np.ndarray) -> float:
        config = SimulatorConfig(frames=40, csi_infinite=0.0)
        amplitude = np.stack(look(motion, config, "wifi")["wifi"])
        amplitude[np.isneginf(amplitude)] = 0.0
        shape = amplitude - amplitude.mean(axis=2, keepdims=True)
        return float(np.median(np.abs(shape - shape.mean(axis=-1, keepdims=True))))

    still = scatter(np.repeat(pose[:1], 40, axis=0))
    assert 0.05 < still < 0.3
    assert scatter(pose) > 2 * still


def test_a_body_shadows_the_paths_it_stands_in(pose: np.ndarray) -> None:
    behind = pose[0, JOINTS.index("thorax")] + (pose[0, JOINTS.index("thorax")] - TRANSMITTER) * 0.5
    factors = shadowing(pose, np.stack([behind, [-2.0, 0.8, 2.6]]))
    assert factors.shape == (40, 2)
    assert factors[0, 0] < 0.6
    assert factors[0, 1] > 0.95

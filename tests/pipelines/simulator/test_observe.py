"""Readings are reproducible, independent per sensor, and follow their settings."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.simulator import (
    PROVENANCE,
    SimulatorConfig,
    observe,
    simulate_motion,
    simulate_sequence,
)

CONFIG = SimulatorConfig(frames=60)


def look(pose: np.ndarray, config: SimulatorConfig = CONFIG, **other: object) -> dict[str, list[np.ndarray]]:
    named = {"environment": "E01", "subject": "S02", "key": "A12", "config": config} | other
    return observe(pose, **named)  # type: ignore[arg-type]


def same(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return len(first) == len(second) and all(map(np.array_equal, first, second))


@pytest.fixture(scope="module")
def pose() -> np.ndarray:
    return simulate_motion("S02", "A12", CONFIG)


def test_equal_requests_give_equal_readings(pose: np.ndarray) -> None:
    whole = look(pose)
    assert list(whole) == list(DEFAULT_SENSORS)
    for modality in DEFAULT_SENSORS:
        assert same(look(pose, modalities=(modality,))[modality], whole[modality])
        assert not same(look(pose, key="A13", modalities=(modality,))[modality], whole[modality])
        other = SimulatorConfig(frames=60, seed=1)
        assert not same(look(pose, other, modalities=(modality,))[modality], whole[modality])


def test_shapes_and_types_of_mmfi(pose: np.ndarray) -> None:
    shapes = {"rgb": (17, 2), "lidar": (3,), "mmwave": (5,), "wifi": (3, 114, 10)}
    for modality, frames in look(pose).items():
        assert len(frames) == 60
        for frame in frames:
            assert frame.dtype == np.float64
            assert frame.shape[frame.ndim - len(shapes[modality]) :] == shapes[modality]
            assert frame.ndim == 2 or modality == "wifi"


def test_pose_must_be_a_finite_sequence(pose: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\(60, 16, 3\)"):
        look(pose[:, :16])
    with pytest.raises(ValueError, match="finite"):
        look(np.full_like(pose, np.nan))
    with pytest.raises(ValueError, match="sonar"):
        look(pose, modalities=("sonar",))


@pytest.mark.parametrize("modality", DEFAULT_SENSORS)
def test_more_noise_means_larger_errors(modality: str, pose: np.ndarray) -> None:
    def error(noise: float) -> float:
        config = SimulatorConfig(
            frames=60, noise={modality: noise}, radar_clutter=0, radar_ghosts=0, csi_infinite=0
        )
        frames = look(pose, config, modalities=(modality,))[modality]
        if modality in ("lidar", "mmwave"):
            # Distance to the nearest joint: points off the body raise it.
            gaps = [
                np.linalg.norm(f[:, None, :3] - p, axis=-1).min(1) for f, p in zip(frames, pose, strict=True)
            ]
            return float(np.sqrt(np.mean(np.concatenate(gaps) ** 2)))
        quiet = SimulatorConfig(frames=60, noise={modality: 0.0}, csi_infinite=0)
        clean = np.stack(look(pose, quiet, modalities=(modality,))[modality])
        noisy = np.stack(frames)
        kept = np.isfinite(noisy) & np.isfinite(clean)
        return float(np.sqrt(np.mean((noisy[kept] - clean[kept]) ** 2)))

    errors = [error(noise) for noise in (0.0, 1.0, 5.0)]
    assert errors[0] < errors[1] < errors[2]


@pytest.mark.parametrize("modality", DEFAULT_SENSORS)
def test_uninformative_sensors_ignore_the_pose_but_look_alike(modality: str, pose: np.ndarray) -> None:
    blind = SimulatorConfig(frames=60, informativeness={modality: 0.0})
    other = simulate_motion("S09", "A26", CONFIG)
    seen = look(pose, blind, modalities=(modality,))[modality]
    assert same(seen, look(other, blind, modalities=(modality,))[modality])
    usual = look(pose, modalities=(modality,))[modality]
    assert not same(seen, usual)
    a, b = (np.concatenate([np.ravel(f[np.isfinite(f)]) for f in frames]) for frames in (seen, usual))
    assert 0.4 < a.std() / b.std() < 2.5
    assert 0.3 < len(a) / len(b) < 3.0


def test_informativeness_is_the_share_of_informed_frames(pose: np.ndarray) -> None:
    long = SimulatorConfig(frames=297, informativeness={"rgb": 0.6}, noise={"rgb": 0.0})
    motion = simulate_motion("S02", "A12", long)
    plain = SimulatorConfig(frames=297, noise={"rgb": 0.0})
    pairs = zip(look(motion, long)["rgb"], look(motion, plain)["rgb"], strict=True)
    share = np.mean([np.array_equal(a, b) for a, b in pairs])
    assert 0.35 < share < 0.85
    # The other sensors keep seeing the person.
    assert same(look(motion, long)["wifi"], look(motion, plain)["wifi"])


@pytest.mark.parametrize("modality", ["infra1", "infra2", "depth"])
def test_optional_sensors_follow_their_settings(modality: str, pose: np.ndarray) -> None:
    usual = look(pose[:5], modalities=(modality,))[modality]
    assert same(usual, look(pose[:5], modalities=("rgb", modality))[modality])
    other = simulate_motion("S09", "A26", CONFIG)[:5]
    assert not same(usual, look(other, modalities=(modality,))[modality])
    blind = SimulatorConfig(frames=60, informativeness={modality: 0.0})
    unaware = look(pose[:5], blind, modalities=(modality,))[modality]
    assert not same(usual, unaware)
    assert same(unaware, look(other, blind, modalities=(modality,))[modality])


def test_real_motion_of_any_length_can_be_observed() -> None:
    pose = simulate_motion("S02", "A12", CONFIG)[:1] + np.array([0.3, 0.1, -1.2])
    frames = look(pose, key="mars-3")
    assert all(len(readings) == 1 for readings in frames.values())


def test_sequence_is_labelled_simulated() -> None:
    sequence = simulate_sequence("S31", "A20", SimulatorConfig(frames=12))
    assert (sequence.environment, sequence.subject, sequence.action) == ("E04", "S31", "A20")
    assert sequence.numbers.tolist() == list(range(1, 13))
    assert set(sequence.frames) == {*DEFAULT_SENSORS, "pose"} == set(sequence.provenance)
    assert set(sequence.provenance.values()) == {PROVENANCE}
    assert all(len(frames) == 12 for frames in sequence.frames.values())

"""The depth camera measures body and room in millimetres, with the errors of a stereo pair."""

from __future__ import annotations

import numpy as np
import pytest

from equipose.models.skeleton import JOINTS
from equipose.pipelines.simulator import SimulatorConfig, observe, simulate_motion
from equipose.pipelines.simulator.people.body import body
from equipose.pipelines.simulator.people.person import person
from equipose.pipelines.simulator.render.room import room_depth
from equipose.pipelines.simulator.render.zbuffer import NOTHING, render
from equipose.pipelines.simulator.sensors.depth import CAMERA, DISPARITY_ERROR
from equipose.pipelines.simulator.sensors.infra import BASELINE, FOCAL


def look(pose: np.ndarray, noise: float, **changes: object) -> np.ndarray:
    """Readings [F, 480, 640]."""
    config = SimulatorConfig(frames=len(pose), noise={"depth": noise})
    named = {"environment": "E01", "subject": "S02", "key": "A12"} | changes
    return np.stack(observe(pose, config=config, modalities=("depth",), **named)["depth"])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pose() -> np.ndarray:
    return simulate_motion("S02", "A12", SimulatorConfig(frames=6))


@pytest.fixture(scope="module")
def quiet(pose: np.ndarray) -> np.ndarray:
    return look(pose, 0.0)


def test_a_perfect_sensor_gives_body_and_room_to_the_millimetre(pose: np.ndarray, quiet: np.ndarray) -> None:
    assert (quiet.dtype, quiet.shape) == (np.uint16, (6, 480, 640))
    room = room_depth(0, "E01", CAMERA)
    for frame, seen in enumerate(render(body(pose, person(0, "S02").girth), CAMERA)):
        expected = np.where(seen.part == NOTHING, room, seen.depth)
        assert np.abs(quiet[frame] / 1000 - expected).max() <= 0.00051
        assert (seen.part != NOTHING).sum() > 3000
    chest = pose[:, JOINTS.index("thorax")]
    columns, rows = CAMERA.project(chest).astype(int).T
    front = chest[:, 2] - quiet[np.arange(6), rows, columns] / 1000
    assert np.all((front > 0.02) & (front < 0.35))


def test_errors_grow_with_the_square_of_depth_and_with_noise(pose: np.ndarray, quiet: np.ndarray) -> None:
    true = quiet / 1000
    spread = {}
    for noise in (1.0, 2.0):
        read = look(pose, noise) / 1000
        error = np.where(read > 0, read - true, np.nan)
        for near, far in ((1.4, 1.6), (3.8, 4.2)):
            here = (true > near) & (true < far)
            spread[noise, near] = float(np.nanstd(error[here]))
            expected = noise * DISPARITY_ERROR * np.mean(true[here] ** 2) / (FOCAL * BASELINE)
            assert spread[noise, near] == pytest.approx(expected, rel=0.05)
            assert abs(np.nanmean(error[here])) < 0.1 * expected
    assert spread[1.0, 3.8] > 5 * spread[1.0, 1.4]


def test_neighbours_share_part_of_their_error(pose: np.ndarray, quiet: np.ndarray) -> None:
    wall = (slice(0, 1), slice(150, 250), slice(160, 260))
    error = look(pose, 1.0)[wall].astype(float) - quiet[wall]
    good = (error[..., 1:] > -1000) & (error[..., :-1] > -1000)
    near = np.corrcoef(error[..., 1:][good], error[..., :-1][good])[0, 1]
    assert 0.3 < near < 0.6
    assert abs(np.corrcoef(error[..., 40:].ravel(), error[..., :-40].ravel())[0, 1]) < 0.1


def test_readings_are_lost_at_silhouettes_and_here_and_there(pose: np.ndarray, quiet: np.ndarray) -> None:
    assert np.all(quiet > 0)
    seen = next(render(body(pose, person(0, "S02").girth), CAMERA)).part != NOTHING
    lost = look(pose, 1.0)[0] == 0
    # The right camera does not see what lies just left of the body.
    chest = slice(200, 240)
    left = np.array([lost[row, np.flatnonzero(seen[row])[0] - 1] for row in range(200, 240)])
    right = np.array([lost[row, np.flatnonzero(seen[row])[-1] + 2] for row in range(200, 240)])
    assert left.mean() > 0.9
    assert right.mean() < 0.5
    elsewhere = lost[:, :150]
    assert 0.001 < elsewhere.mean() < 0.01
    assert lost[chest].mean() > 2 * elsewhere.mean()
    assert (look(pose[:1], 3.0) == 0).mean() > 2 * lost.mean()


def test_readings_are_reproducible_and_the_room_belongs_to_the_environment(pose: np.ndarray) -> None:
    assert np.array_equal(look(pose[:2], 1.0), look(pose[:2], 1.0))
    assert not np.array_equal(look(pose[:1], 1.0), look(pose[:1], 1.0, key="A13"))
    rooms = [look(pose[:1], 0.0, environment=f"E{n:02d}")[0, 100, 320] for n in (1, 2)]
    assert rooms[0] != rooms[1]

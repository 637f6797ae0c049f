"""A whole recording of one subject and action: motion, what the sensors make of it, and contamination."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipose.models.randomness import numpy_rng
from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.sequence import POSE, Altered, Defect, RawSequence
from equipose.pipelines.simulator.config import SUBJECTS, SimulatorConfig, environment_of, provenance_of
from equipose.pipelines.simulator.contamination import Contamination, Episode, planned
from equipose.pipelines.simulator.corruption import antennas_turned, emptied, miscalibrated, noisy, usable
from equipose.pipelines.simulator.observe import Array, Readings, readings
from equipose.pipelines.simulator.people.actions import ACTIONS
from equipose.pipelines.simulator.people.motion import simulate_motion

PHASE = "wifi_phase"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What was recorded of a subject and action."""

    subject: str
    action: str
    pose: Array
    """[F, 17, 3] m."""
    readings: Readings
    """Sensor -> F frames, and `wifi_phase` where there is WiFi."""
    altered: tuple[Altered, ...] | None = None
    """The readings that contamination has changed; None without contamination."""


def record(
    subject: str,
    action: str,
    config: SimulatorConfig,
    sensors: Sequence[str] = DEFAULT_SENSORS,
    contamination: Contamination | None = None,
) -> Recording:
    """The recording of a subject and action; equal arguments give equal ones.

    Raises ValueError where contamination is to hit a sensor that is not recorded.
    """
    pose = simulate_motion(subject, action, config)
    found = readings(
        pose,
        environment=environment_of(subject),
        subject=subject,
        key=action,
        config=config,
        modalities=sensors,
    )
    clean = Recording(subject=subject, action=action, pose=pose, readings=found)
    if contamination is None:
        return clean
    contamination.require_recorded(tuple(sensors))
    if subject not in (contamination.subjects or (subject,)):
        return replace(clean, altered=())
    return _contaminated(clean, config, contamination)


def simulate_sequence(
    subject: str,
    action: str,
    config: SimulatorConfig,
    sensors: Sequence[str] = DEFAULT_SENSORS,
    contamination: Contamination | None = None,
) -> RawSequence:
    """A whole simulated recording of one subject and action, labelled as simulated."""
    made = record(subject, action, config, sensors, contamination)
    frames: dict[str, list[NDArray[np.generic] | Defect]] = {s: list(made.readings[s]) for s in sensors}
    frames[POSE] = list(made.pose.astype(np.float32))
    return RawSequence(
        environment=environment_of(subject),
        subject=subject,
        action=action,
        numbers=np.arange(1, config.frames + 1, dtype=np.int32),
        frames=frames,
        provenance=dict.fromkeys(frames, provenance_of(config, contamination)),
        altered=made.altered,
    )


def _contaminated(clean: Recording, config: SimulatorConfig, contamination: Contamination) -> Recording:
    """The recording with some readings changed.

    A change of an invalid reading, or to one, is left out: no mark of validity tells of contamination.
    """
    rng = partial(
        numpy_rng,
        config.seed,
        "simulator",
        "contamination",
        environment_of(clean.subject),
        clean.subject,
        clean.action,
    )
    pose, spoilt = clean.pose.copy(), {name: list(frames) for name, frames in clean.readings.items()}
    work = _Work(clean=clean, config=config, contamination=contamination, spoilt=spoilt, rng=rng, others={})
    altered: list[Altered] = []
    for episode in planned(contamination, len(pose), rng("plan")):
        if episode.kind == "label":
            pose[episode.start : episode.stop] = work.other(POSE).pose[episode.start : episode.stop]
            rows = range(episode.start, episode.stop)
            altered += [Altered(row + 1, POSE, "label", 1.0) for row in rows]
        else:
            altered += work.hit(episode)
    return replace(clean, pose=pose, readings=spoilt, altered=tuple(altered))


@dataclass(frozen=True, kw_only=True)
class _Work:
    """A recording that is being contaminated."""

    clean: Recording
    config: SimulatorConfig
    contamination: Contamination
    spoilt: Readings
    """As `clean.readings`; frames are replaced in it."""
    rng: Callable[..., np.random.Generator]
    others: dict[str, Recording]
    """Signal -> the recording that its readings are exchanged with, once it is needed."""

    def hit(self, episode: Episode) -> Iterator[Altered]:
        """Replace the readings of an episode; yields those that have changed."""
        sensor, kind = episode.sensor, episode.kind
        for row in range(episode.start, episode.stop):
            before = self.clean.readings[sensor][row]
            found, strength = self._reading(episode, row)
            after = found[sensor]
            if not (usable(before, sensor) and usable(after, sensor)) or _same(before, after):
                continue
            for name, frame in found.items():
                self.spoilt[name][row] = frame
            yield Altered(row + 1, sensor, kind, strength)

    def _reading(self, episode: Episode, row: int) -> tuple[dict[str, NDArray[Any]], float]:
        """The spoilt reading of a row, with its phase if it is WiFi's, and its strength."""
        kind, sensor = episode.kind, episode.sensor
        names = (sensor, PHASE) if sensor == "wifi" else (sensor,)
        if kind in ("frozen", "swap", "clock"):
            source, place, strength = self._elsewhere(episode, row)
            return {name: source[name][place] for name in names}, strength
        frames = {name: self.clean.readings[name][row] for name in names}
        if kind == "missing":
            zero = {name: np.zeros_like(frame) for name, frame in frames.items()}
            return zero | {sensor: emptied(frames[sensor], sensor)}, 1.0
        size = self.contamination.strength(kind, sensor)
        if kind == "offset":
            frames[sensor] = miscalibrated(frames[sensor], sensor, size, self._draw(sensor, kind, 0))
            if sensor == "wifi":
                frames[PHASE] = antennas_turned(frames[PHASE], self._draw(sensor, kind, 0))
            return frames, size
        frames[sensor] = noisy(frames[sensor], sensor, size, self._draw(sensor, kind, row + 1))
        return frames, size

    def _elsewhere(self, episode: Episode, row: int) -> tuple[Readings, int, float]:
        """The readings, the row in them, and the strength of a reading that is taken from elsewhere."""
        last = len(self.clean.pose) - 1
        if episode.kind == "frozen":
            # What the sensor gave last, spoilt or not: a stuck sensor repeats itself to the bit.
            place = max(episode.start - 1, 0)
            return self.spoilt, place, float(row - place)
        if episode.kind == "clock":
            place = row + episode.direction * self.contamination.clock
            if not 0 <= place <= last:
                place = row - episode.direction * self.contamination.clock
            place = min(max(place, 0), last)
            return self.clean.readings, place, float(place - row)
        return self.other(episode.sensor).readings, row, 1.0

    def other(self, signal: str) -> Recording:
        """Another recording of the same room, without contamination."""
        if signal not in self.others:
            mine = self.clean.subject, self.clean.action
            room = environment_of(mine[0])
            people = [subject for subject in SUBJECTS if environment_of(subject) == room]
            choices = [(s, a) for s in people for a in ACTIONS if (s, a) != mine]
            subject, action = choices[int(self.rng("other", signal).integers(len(choices)))]
            sensors = () if signal == POSE else (signal,)
            self.others[signal] = record(subject, action, self.config, sensors)
        return self.others[signal]

    def _draw(self, sensor: str, kind: str, number: int) -> np.random.Generator:
        return self.rng(sensor, kind, number)


def _same(first: NDArray[Any], second: NDArray[Any]) -> bool:
    return first.shape == second.shape and first.tobytes() == second.tobytes()

"""MARS on disk: real radar and real Kinect motion of rehabilitation movements; other sensors simulated.

An and Ogras, "MARS: mmWave-based Assistive Rehabilitation System for Smart Healthcare" (2021). Layout:
`synced_data/wooutlier/subject1/timesplit/{kinect,radar}_data_{train,validate,test}.csv`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from equipose.models.sensors import DEFAULT_SENSORS
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained_in
from equipose.pipelines.readers.contract import check_key
from equipose.pipelines.readers.mars_files import MarsPart, read_part
from equipose.pipelines.readers.movements import MOVEMENTS
from equipose.pipelines.sequence import Defect, RawSequence, SequenceKey
from equipose.pipelines.simulator import SimulatorConfig, observe, provenance_of, settings_of

Array = NDArray[np.float64]

TIME_PARTS: tuple[str, ...] = ("train", "validate", "test")
"""Consecutive times of every movement, in this order; any of them may be absent."""

ENVIRONMENT = "E01"
"""MARS was recorded in one room."""

REACH = 20.0
"""Metres; no Kinect sees farther, so poses beyond (or NaN) are not shown to the simulator."""

_SUBJECT = re.compile(r"subject[0-9]{1,2}").fullmatch

_REMEDY = "give the folder that holds synced_data/wooutlier/subject1/timesplit/kinect_data_test.csv"


@dataclass(frozen=True, kw_only=True)
class MarsReader:
    """Reads MARS; each movement of each time part is a sequence, subject 1 is `S01`, movement 1 `A01`."""

    default_split: ClassVar[tuple[str, str]] = ("MARS", "time")

    simulator: SimulatorConfig = field(default_factory=SimulatorConfig)
    """Settings for the sensors that MARS lacks."""
    wanted: tuple[str, ...] = DEFAULT_SENSORS
    """Sensors of the store; all but the radar are simulated from the real motion."""
    follow_links: tuple[Path, ...] = ()
    """Folders outside the root that its symbolic links may lead into."""

    def sequences(self, root: str | Path) -> list[SequenceKey]:
        """A key per subject, movement and time part; reads every file, so that bad ones are found early."""
        keys = [
            SequenceKey(ENVIRONMENT, subject, f"A{movement + 1:02d}", part)
            for subject, folder in self._folders(root).items()
            for part in parts_of(folder)
            for movement in range(len(read_part(folder, part).cuts.starts))
        ]
        return sorted(keys)

    def read(self, root: str | Path, key: SequenceKey) -> RawSequence:
        """One movement in one time part; its frame numbers continue those of the earlier parts."""
        check_key(key)
        folder = self._folders(root).get(key.subject)
        if folder is None or key.part not in parts_of(folder):
            raise DataError.about(root, field=f"{key.subject} {key.part}", value="absent", remedy=_REMEDY)
        movement = int(key.action[1:]) - 1
        part = read_part(folder, key.part)
        rows = part.rows(movement)
        first = 1 + _frames_before(folder, key.part, movement)
        simulated = [m for m in self.wanted if m != "mmwave" or part.radar is None]
        frames = self._simulate(part.pose[rows], key, first, simulated) | {"pose": list(part.pose[rows])}
        label = provenance_of(self.simulator)
        if part.radar is not None and "mmwave" in self.wanted:
            frames["mmwave"] = list(part.radar[rows])
        return RawSequence(
            **key._asdict(),
            numbers=np.arange(first, first + rows.stop - rows.start, dtype=np.int32),
            frames=frames,
            provenance={name: label if name in simulated else "real" for name in frames},
        )

    def _folders(self, root: str | Path) -> dict[str, Path]:
        return subject_folders(Path(root), self.follow_links)

    def _simulate(self, pose: Array, key: SequenceKey, first: int, names: list[str]) -> dict[str, list[Any]]:
        """What the missing sensors would have seen of the real motion [F, 17, 3]; defects where it is NaN."""
        known = np.abs(pose).max(axis=(1, 2)) < REACH
        if not known.any():
            return {name: [_unseen(name, first + f) for f in range(len(pose))] for name in names}
        last_known = np.maximum.accumulate(np.where(known, np.arange(len(pose)), np.argmax(known)))
        seen = observe(
            pose[last_known],
            environment=key.environment,
            subject=key.subject,
            key=f"MARS/{key.action}/{key.part}",
            config=self.simulator,
            modalities=names,
        )
        return {
            name: [frame if known[f] else _unseen(name, first + f) for f, frame in enumerate(frames)]
            for name, frames in seen.items()
        }

    def state(self, root: str | Path, key: SequenceKey) -> str:
        """Names, sizes and times of the subject's files, as a digest: later parts depend on earlier ones."""
        found = ((path.name, path.stat()) for path in sorted(_files(self._folders(root)[key.subject])))
        stamps = [(name, about.st_size, about.st_mtime_ns) for name, about in found]
        return hashlib.sha256(repr(stamps).encode()).hexdigest()[:32]

    def notes(self, root: str | Path) -> tuple[str, ...]:
        """Which recordings have no radar, and where movements could not be separated with certainty."""
        found: list[str] = []
        for subject, folder in self._folders(root).items():
            for part in parts_of(folder):
                found += _notes(f"{subject} {part}", read_part(folder, part))
        return tuple(found)

    def sensors(self, root: str | Path) -> tuple[str, ...]:
        """Those that are wanted."""
        return self.wanted

    def settings(self, root: str | Path) -> dict[str, Any]:
        """Version and settings of the simulator, and the time parts, on which frame numbers depend."""
        parts = {subject: parts_of(folder) for subject, folder in self._folders(root).items()}
        simulator = {"simulator": provenance_of(self.simulator), "config": settings_of(self.simulator)}
        return {**simulator, "parts": parts}


def _unseen(modality: str, frame: int) -> Defect:
    detail = "no Kinect pose to simulate from"
    return Defect(modality=modality, frame=frame, reason="missing", detail=detail)


def subject_folders(root: Path, linked: tuple[Path, ...] = ()) -> dict[str, Path]:
    """`S01`.. -> its `timesplit` folder; DataError where there is none. `linked`: where links may lead."""
    for base in (root / "synced_data" / "wooutlier", root / "wooutlier", root):
        if base.is_dir():
            usable = [
                p for p in sorted(base.glob("subject*/timesplit")) if _SUBJECT(p.parent.name) and parts_of(p)
            ]
            if usable:
                return _by_subject(usable, (root, *linked))
    value = "without subjects" if root.is_dir() else "a file" if root.exists() else "absent"
    raise DataError.about(root, field="MARS root", value=value, remedy=_REMEDY)


def _by_subject(folders: list[Path], roots: tuple[Path, ...]) -> dict[str, Path]:
    """`S01`.. -> its folder; DataError for two folders of one subject, and for links out of the root."""
    found: dict[str, Path] = {}
    for folder in folders:
        subject = f"S{int(folder.parent.name.removeprefix('subject')):02d}"
        if subject in found:
            value, remedy = f"also {found[subject].parent.name}", "keep one of the two folders"
            raise DataError.about(folder.parent, field=f"folder of {subject}", value=value, remedy=remedy)
        for path in (folder, *_files(folder)):
            if not contained_in(path, roots):
                remedy = (
                    "symbolic links may not leave the root; put the data itself there, or name the folder "
                    "that they lead into: --follow-links FOLDER"
                )
                raise DataError.about(path, field="link", value=f"leaving {roots[0]}", remedy=remedy)
        found[subject] = folder
    return dict(sorted(found.items()))


def _files(folder: Path) -> list[Path]:
    return list(folder.glob("*_data_*.csv"))


def parts_of(folder: Path) -> list[str]:
    """The time parts with a Kinect table, in the order of time."""
    return [part for part in TIME_PARTS if (folder / f"kinect_data_{part}.csv").is_file()]


def _frames_before(folder: Path, part: str, movement: int) -> int:
    earlier = [p for p in parts_of(folder) if TIME_PARTS.index(p) < TIME_PARTS.index(part)]
    slices = [read_part(folder, p).rows(movement) for p in earlier]
    return sum(s.stop - s.start for s in slices)


def _notes(name: str, part: MarsPart) -> list[str]:
    notes = [] if part.radar is not None else [f"{name} has no radar: mmwave is simulated from its motion"]
    if not part.cuts.complete:
        notes.append(
            f"{name} falls into {len(part.cuts.starts)} movements by its {part.cuts.rule}, not "
            f"{len(MOVEMENTS)}: they are numbered in order, and A01.. may not be MARS's movements"
        )
    return notes

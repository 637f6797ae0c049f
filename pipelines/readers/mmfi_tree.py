"""The folders of an MM-Fi tree: where sequences lie, which files are frames, what is there but not read."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import contained_in
from equipose.pipelines.readers.contract import check_key, name_of
from equipose.pipelines.sequence import Defect, SequenceKey
from equipose.pipelines.simulator import SUBJECTS, environment_of

TRUTH = "ground_truth.npy"
_FRAME = re.compile(r"frame([0-9]{3}|[1-9][0-9]{3,5})").fullmatch
"""Three digits, more from frame 1000 on."""

LAYOUT = "give the folder that holds E01/S01/A01/..., as MM-Fi unpacks"


@dataclass(frozen=True, kw_only=True)
class SensorFolder:
    """The folder of a sensor in a sequence, and the names of its frames."""

    name: str
    ending: str

    def file(self, number: int) -> str:
        """Name of a frame's file."""
        return f"frame{number:03d}{self.ending}"

    def number(self, name: str) -> int | None:
        """Number of the frame with this file name, 0 for `frame000`; None for any other name."""
        match = _FRAME(name.removesuffix(self.ending))
        return int(match[1]) if match and name.endswith(self.ending) else None

    @property
    def expected(self) -> str:
        """What its files are called."""
        return f"{self.file(1)}, {self.file(2)}, ..."


@dataclass(frozen=True, kw_only=True)
class Roots:
    """The root of a tree, and the folders outside it that its symbolic links may lead into."""

    base: Path
    linked: tuple[Path, ...] = ()

    def hold(self, path: Path) -> bool:
        """Whether a path, with every link followed, lies in one of them."""
        return contained_in(path, (self.base, *self.linked))

    def left_by(self, entry: os.DirEntry[str]) -> bool:
        """Whether a directory entry is a symbolic link that leads out of all of them."""
        return entry.is_symlink() and not self.hold(Path(entry.path))


def checked_root(root: Path) -> Path:
    """The root, if it is a folder."""
    if not root.is_dir():
        found = "a file" if root.exists() else "absent"
        raise DataError.about(root, field="MM-Fi root", value=found, remedy=LAYOUT)
    return root


def sequence_folders(roots: Roots, *, any_room: bool) -> dict[SequenceKey, Path]:
    """Key -> folder of every sequence; DataError if there is none, or if two folders claim one.

    A subject without a room above it, as in archives of single subjects, is in the room of its number.
    `any_room` accepts the subjects of MM-Fi in rooms where MM-Fi did not record them.
    """
    subjects = [
        (room.name, subject)
        for room in _folders(roots.base, r"E\d\d", roots)
        for subject in _folders(room, r"S\d\d", roots)
    ]
    for room, subject in subjects if not any_room else ():
        _check_room(room, subject)
    subjects += [(_room_of(subject), subject) for subject in _folders(roots.base, r"S\d\d", roots)]
    found: dict[SequenceKey, Path] = {}
    for room, subject in subjects:
        for action in _folders(subject, r"A\d\d", roots):
            key = SequenceKey(environment=room, subject=subject.name, action=action.name)
            if key in found:
                remedy = "keep one of the two folders"
                raise DataError.about(action, field=name_of(key), value=f"also {found[key]}", remedy=remedy)
            found[key] = action
    if not found:
        raise _not_mmfi(roots.base)
    return dict(sorted(found.items()))


def folder_of(key: SequenceKey, roots: Roots) -> Path:
    """The folder of one sequence, below its room or without one; DataError where there is none."""
    within = roots.base / name_of(check_key(key))
    alone = roots.base / key.subject / key.action
    folder = within if within.is_dir() or not alone.is_dir() else alone
    if not folder.is_dir() or not roots.hold(folder):
        raise DataError.about(folder, field="folder", value="absent or outside the root", remedy=LAYOUT)
    return folder


def _check_room(room: str, subject: Path) -> None:
    if subject.name in SUBJECTS and (home := environment_of(subject.name)) != room:
        remedy = (
            f"MM-Fi recorded {subject.name} in {home}: move the folder there; for recordings of your own, "
        )
        remedy += "number subjects from S41, or prepare with --any-room"
        raise DataError.about(subject, field="room", value=room, remedy=remedy)


def _room_of(subject: Path) -> str:
    if subject.name not in SUBJECTS:
        remedy = "MM-Fi has S01..S40; put it into the folder of its room, such as E01"
        raise DataError.about(subject, field="room", value="unknown", remedy=remedy)
    return environment_of(subject.name)


def _not_mmfi(root: Path) -> DataError:
    names = sorted(os.listdir(root))
    found = f"{len(names)} entries ({', '.join(names[:4])}), no E../S../A.. folders" if names else "empty"
    return DataError.about(root, field="MM-Fi root", value=found, remedy=LAYOUT)


def _folders(parent: Path, pattern: str, roots: Roots) -> Iterator[Path]:
    try:
        entries = [entry for entry in os.scandir(parent) if re.fullmatch(pattern, entry.name, re.ASCII)]
    except OSError as error:
        raise DataError(f"{parent}: folder is {error.strerror}; make it readable") from error
    for entry in entries:
        if roots.left_by(entry):
            remedy = (
                "symbolic links may not leave the root; put the data itself there, or name the folder that "
            )
            remedy += "they lead into: --follow-links FOLDER"
            raise DataError.about(entry.path, field="link", value=os.readlink(entry.path), remedy=remedy)
        if not entry.is_dir():
            remedy = f"remove the file; {LAYOUT}"
            raise DataError.about(entry.path, field="folder", value="a file", remedy=remedy)
        yield Path(entry.path)


def list_frames(
    folder: Path, sensor: str, kind: SensorFolder, roots: Roots
) -> dict[int, Path | Defect] | Defect:
    """Frame number -> file, number 0 included; or the defect of the whole sensor."""

    def flawed(reason: str, detail: str) -> Defect:
        return Defect(modality=sensor, frame=None, reason=reason, detail=detail)

    path = folder / kind.name
    if not path.exists():
        return flawed("missing", f"no folder {path}")
    if not path.is_dir() or not roots.hold(path):
        return flawed("unreadable", f"{path} is not a folder inside the root{_follow(path)}")
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        return flawed("unreadable", f"{path}: {error.strerror}")
    frames = {
        number: _linked(entry, sensor, number) if roots.left_by(entry) else Path(entry.path)
        for entry in entries
        if (number := kind.number(entry.name)) is not None
    }
    others = [entry.name for entry in entries if not entry.name.startswith(".")]
    if not frames and others:
        held = f"{len(others)} other entries such as {others[0]}"
        return flawed("missing", f"{path} holds {held}, expected {kind.expected}")
    return frames


def _follow(path: Path) -> str:
    return "; name the folder that its link leads into: --follow-links FOLDER" if path.is_symlink() else ""


def _linked(entry: os.DirEntry[str], sensor: str, number: int) -> Defect:
    detail = f"{entry.path} leaves the root{_follow(Path(entry.path))}"
    return Defect(modality=sensor, frame=number, reason="unreadable", detail=detail)


def unread(folders: Mapping[SequenceKey, Path], kinds: Mapping[str, SensorFolder], roots: Roots) -> list[str]:
    """One sentence for every place that holds entries which no reader looks at: how many, an example."""
    found: dict[str, list[str]] = {}

    def look(folder: Path, expected: str, known: Callable[[str], object]) -> None:
        if roots.hold(folder):
            others = [name for name in _visible(folder) if not known(name)]
            found.setdefault(expected, []).extend(f"{folder}/{name}" for name in others)

    above = {up for path in folders.values() for up in (path.parent, path.parent.parent)} | {roots.base}
    for parent in sorted(up for up in above if up == roots.base or roots.base in up.parents):
        levels = "ES" if parent == roots.base else "SA"
        look(parent, LAYOUT, re.compile(rf"[{levels}]\d\d", re.ASCII).fullmatch)
    names = {kind.name for kind in kinds.values()} | {TRUTH}
    for folder in folders.values():
        look(folder, f"expected {', '.join(sorted(names))}", names.__contains__)
        for name in dict.fromkeys(kind.name for kind in kinds.values()):
            here = [kind for kind in kinds.values() if kind.name == name]
            files = " or ".join(kind.expected for kind in here)
            look(folder / name, f"expected {name}/{files}", partial(_frame_of, here))
    return [_told(paths, expected) for expected, paths in found.items() if paths]


def _frame_of(kinds: list[SensorFolder], name: str) -> bool:
    return any(kind.number(name) for kind in kinds)


def _told(paths: list[str], expected: str) -> str:
    many = "1 entry is" if len(paths) == 1 else f"{len(paths):,} entries are"
    named = {Path(path).name: path for path in reversed(paths)}
    return f"{many} there but not read, such as {', '.join(sorted(named.values())[:3])}; {expected}"


def _visible(folder: Path) -> list[str]:
    """Entries of a folder that are not hidden; none of a folder that cannot be listed."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return []


def state_of(folder: Path, kinds: Mapping[str, SensorFolder], roots: Roots) -> str:
    """Digest of names, sizes and times of everything that a sequence is read from."""
    digest = hashlib.sha256()
    for path in (folder, *(folder / kind.name for kind in kinds.values())):
        try:
            if not roots.hold(path):
                raise OSError(0, "outside the root")
            lines = sorted(f"{path.name}/{_stamp(entry, roots)}\n" for entry in os.scandir(path))
        except OSError as error:
            lines = [f"{path.name}: {error.strerror}\n"]
        digest.update("".join(lines).encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _stamp(entry: os.DirEntry[str], roots: Roots) -> str:
    """Name, and for a file size and time of change; a folder's time says nothing about its files."""
    try:
        about = entry.stat()
    except OSError as error:
        return f"{entry.name} {error.strerror}"
    if entry.is_dir():
        return f"{entry.name} folder"
    return f"{entry.name} {about.st_size} {about.st_mtime_ns} {roots.left_by(entry)}"

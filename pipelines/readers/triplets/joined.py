"""Several sources of triplets in one store, such as Human3.6M and MPI-INF-3DHP, to train on both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers import reader_of
from equipose.pipelines.readers.contract import Reader, Traceable
from equipose.pipelines.sequence import RawSequence, SequenceKey

JOINED = "joined"
"""Source name of such a store."""


class JoinedRoots(dict[str, Any]):
    """Source name -> its root; remembers which source has which sequence, once they have been listed.

    It travels with its list to processes that read, so that none of them searches the folders again.
    """

    owners: dict[SequenceKey, str] | None = None


@dataclass(frozen=True, kw_only=True)
class JoinedReader:
    """Reads what several readers read; its root holds one root for each, under the same name.

    Sequences keep their keys, so no two sources may have one of the same environment, subject, action, part
    and camera.
    """

    readers: Mapping[str, Reader]
    """Source name -> its reader; not the readers' own names, so that one reader may read two roots."""
    default_split: ClassVar[tuple[str, str]] = ("H36M+3DHP", "subject")

    def sequences(self, root: JoinedRoots) -> list[SequenceKey]:
        """Those of all sources now; DataError names a key that two of them have."""
        root.owners = None
        return sorted(self._owners(root))

    def read(self, root: JoinedRoots, key: SequenceKey) -> RawSequence:
        """The sequence from the source that has it."""
        name = self._owners(root)[key]
        return self.readers[name].read(root[name], key)

    def state(self, root: JoinedRoots, key: SequenceKey) -> str:
        """What the reader of its source says; `0` for one whose sequences never change."""
        name = self._owners(root)[key]
        reader = self.readers[name]
        return reader.state(root[name], key) if isinstance(reader, Traceable) else "0"

    def notes(self, root: JoinedRoots) -> tuple[str, ...]:
        """The remarks of all readers, each after the name of its source."""
        return tuple(
            f"{name}: {note}" for name in self.readers for note in self.readers[name].notes(root[name])
        )

    def sensors(self, root: JoinedRoots) -> tuple[str, ...]:
        """Those that every source has."""
        held = [reader.sensors(root[name]) for name, reader in self.readers.items()]
        return tuple(sensor for sensor in held[0] if all(sensor in others for others in held))

    def settings(self, root: JoinedRoots) -> dict[str, Any]:
        """Of every source."""
        return {name: reader.settings(root[name]) for name, reader in self.readers.items()}

    def _owners(self, root: JoinedRoots) -> dict[SequenceKey, str]:
        if root.owners is not None:
            return root.owners
        owners: dict[SequenceKey, str] = {}
        for name, reader in self.readers.items():
            for key in reader.sequences(root[name]):
                if key in owners:
                    raise DataError(
                        f"{key} is in {owners[key]} and in {name}; a joined store cannot tell them apart"
                    )
                owners[key] = name
        root.owners = owners
        return owners


def joined_sources(
    first: Mapping[str, tuple[Reader, Any]], also: Sequence[str]
) -> tuple[JoinedReader, JoinedRoots]:
    """The reader and the root of some sources and of further ones, given as `name=folder`.

    first: source name -> its reader and root. Raises ValueError for one that is no such pair, that is
    unknown, or that is there twice.
    """
    readers = {name: reader for name, (reader, _) in first.items()}
    roots = JoinedRoots({name: root for name, (_, root) in first.items()})
    for text in also:
        name, found, folder = text.partition("=")
        if not (found and folder):
            raise ValueError(f"--also {text}: give source=folder, such as mpi_inf_3dhp=/data/3dhp")
        if name in readers:
            raise ValueError(f"--also {text}: {name} is there already; give each source once")
        readers[name], roots[name] = reader_of(name), Path(folder)
    return JoinedReader(readers=readers), roots

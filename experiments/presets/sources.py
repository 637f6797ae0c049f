"""From `--data` and `--data-root`, or `--store`, to a prepared store: made once and reused, or given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from equipose.experiments.presets.names import DataName
from equipose.experiments.presets.sizes import SimulatedSelection
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.locks import locked
from equipose.pipelines.files.path_safety import check_name
from equipose.pipelines.prepare import prepare
from equipose.pipelines.protocols import select, splits
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SIMULATOR_VERSION, SimulatorConfig
from equipose.pipelines.store import FORMAT_VERSION, Store, open_store

SUBJECTS, TIME_PARTS = ("P1", "S1"), ("MARS", "time")
"""Default protocol and split of data that is split by subjects, and of data that comes in time parts."""


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where the frames of a job come from."""

    kind: str
    """`simulated`, `mars` or `mmfi`; of a given store what its header says."""
    root: Path | None = None
    """Absolute folder of the raw files of real data."""
    store: str | None = None
    """Path or URI of a prepared store, instead of all else."""

    @property
    def real(self) -> bool:
        """Whether there are so many frames that presets thin them."""
        return self.kind != "simulated"

    def default_split(self) -> tuple[str, str]:
        """Protocol and split where none is asked for."""
        timed = self.kind == "mars" if self.store is None else in_time_parts(open_store(self.store))
        return TIME_PARTS if timed else SUBJECTS


def in_time_parts(store: Store) -> bool:
    """Whether a store's sequences are parts of recordings, which only the protocol MARS splits."""
    return any(key.part for key in store.keys)


def chosen_source(
    data: DataName | None, root: Path | None, store: str | None, default: DataName = "simulated"
) -> DataSource:
    """The source that the options name; the kind of data of a given store is read from its header.

    Raises ValueError for options that contradict each other, DataError for a store that cannot be opened.
    """
    if store is None:
        return DataSource(kind=data or default, root=root.resolve() if root else None)
    if root is not None:
        raise ValueError(f"--store {store} takes the place of raw data; leave out --data-root {root}")
    kind = str(open_store(store).header["source"])
    check_name(kind, f"{store}: source")
    if data not in (None, kind):
        raise ValueError(f"--store {store} holds {kind} data; leave out --data {data}")
    return DataSource(kind=kind, store=store if "://" in store else str(Path(store).resolve()))


def check_kind(kind: str, store: str | None) -> None:
    """Raise ValueError for data of an unknown kind, unless it is that of a store."""
    known = get_args(DataName)
    if store is None and kind not in known:
        raise ValueError(f"data is {kind!r}; use {', '.join(map(repr, known[:-1]))} or {known[-1]!r}")


def check_source(source: DataSource, wanted: Iterable[tuple[str, str]] = ()) -> None:
    """Raise ValueError unless the data can be had and has every (protocol, split) that is wanted.

    Raw files are not read yet, so theirs is only checked for its name; a given store must have the frames.
    """
    if source.store is None:
        check_root(source)
        for protocol, split in wanted if source.kind != "mars" else ():
            splits(protocol, split)
        return
    store = open_store(source.store)
    for protocol, split in wanted:
        try:
            select(store.index, protocol, split)
        except ValueError as error:
            raise DataError(f"--store {source.store}: {error}") from error


def check_root(source: DataSource) -> None:
    """Raise ValueError when real data is asked for without its folder, or simulated data with one."""
    data, root = source.kind, source.root
    if data == "simulated" and root is not None:
        raise ValueError(
            f"--data simulated reads no files, but --data-root is {root}; add --data mmfi or --data mars"
        )
    if data != "simulated" and (root is None or not root.is_dir()):
        found = "missing" if root is None else f"{root}, which is not a folder"
        raise ValueError(
            f"--data {data} needs --data-root, the folder of the raw files; it is {found}. "
            "Data that is prepared already is given as --store"
        )


def ensure_store(
    source: DataSource,
    out: Path,
    simulated: SimulatedSelection,
    progress: Callable[[int, int], None] | None = None,
) -> str:
    """Path or URI of the store of a source: the given one, or one prepared now if it does not exist yet."""
    path = store_path(source, out, simulated)
    if source.store is not None:
        open_store(path)
        return path
    root: Any = source.root
    if source.kind == "simulated":
        root = SimulatedSource(
            subjects=simulated.subjects,
            actions=simulated.actions,
            config=SimulatorConfig(frames=simulated.frames),
        )
    return str(prepared_store(source.kind, root, Path(path), progress))


def store_path(source: DataSource, out: Path, simulated: SimulatedSelection) -> str:
    """Where the store of a source is or will be."""
    if source.store is not None:
        return source.store
    check_root(source)
    content: list[Any] = [
        FORMAT_VERSION,
        SIMULATOR_VERSION,
        simulated.subjects,
        simulated.actions,
        simulated.frames,
    ]
    if source.root is not None:
        content = [FORMAT_VERSION, str(source.root.resolve())]
    return str(out / "stores" / f"{source.kind}-{_digest(content)}")


def prepared_store(source: str, root: Any, path: Path, progress: Callable[[int, int], None] | None) -> Path:
    """Path of a store, prepared now if it does not exist yet.

    Of two jobs that need it at the same time, the second waits and finds it ready.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent / f".{path.name}.lock"):
        prepare(source, root, path, progress=progress)
    return path


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]

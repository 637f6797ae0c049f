"""From `--data` and `--data-root`, or `--store`, to a prepared store: made once and reused, or given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipose.experiments.presets.sizes import SimulatedSelection
from equipose.models.sensors import DEFAULT_SENSORS, in_order
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.locks import locked
from equipose.pipelines.files.path_safety import check_name
from equipose.pipelines.prepare import prepare
from equipose.pipelines.protocols import PROTOCOLS, Task, division_of, is_task, select, splits
from equipose.pipelines.readers import READERS, Reader, configured, reader_of
from equipose.pipelines.readers.simulated import SimulatedSource
from equipose.pipelines.simulator import SIMULATOR_VERSION, Contamination, SimulatorConfig, drawn_rooms
from equipose.pipelines.store import FORMAT_VERSION, open_store


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where the frames of a job come from."""

    kind: str
    """`simulated`, `mars`, `mmfi` or an installed reader's name; of a given store what its header says."""
    root: Path | None = None
    """Absolute folder of the raw files of real data."""
    store: str | None = None
    """Path or URI of a prepared store, instead of all else."""
    sensors: tuple[str, ...] = ()
    """Those asked for; a store that is prepared for the job holds them besides the usual ones."""

    @property
    def real(self) -> bool:
        """Whether there are so many frames that presets thin them."""
        return self.kind != "simulated"

    def default_split(self) -> tuple[str, str]:
        """Protocol and split where none is asked for."""
        if self.kind in READERS:
            return READERS[self.kind].default_split
        assert self.store is not None
        timed = any(key.part for key in open_store(self.store).keys)
        return READERS["mars" if timed else "mmfi"].default_split

    def reader(self) -> Reader:
        """The reader of raw data, set to give the sensors that are asked for."""
        own = reader_of(self.kind)
        if self.kind == "simulated" or set(self.sensors) <= set(own.sensors(self.root)):
            return own
        return configured(self.kind, sensors=in_order({*DEFAULT_SENSORS, *self.sensors}))

    def held(self) -> tuple[str, ...]:
        """Sensors that its store holds, or will hold."""
        if self.store:
            return open_store(self.store).signals.sensors
        if self.kind == "simulated":
            return in_order({*DEFAULT_SENSORS, *self.sensors})
        return self.reader().sensors(self.root)

    def model_sensors(self) -> tuple[str, ...]:
        """The sensors asked for; those of the data where it lacks a usual one; else none: the preset's."""
        if self.sensors:
            return self.sensors
        held = self.held()
        return () if set(DEFAULT_SENSORS) <= set(held) else held


def chosen_source(
    data: str | None,
    root: Path | None,
    store: str | None,
    sensors: tuple[str, ...] = (),
    default: str = "simulated",
) -> DataSource:
    """The source that the options name; the kind of data of a given store is read from its header.

    Raises ValueError for options that contradict each other, DataError for a store that cannot be opened.
    """
    if store is None:
        kind = data or default
        check_kind(kind, store)
        return DataSource(kind=kind, root=root.resolve() if root else None, sensors=sensors)
    if root is not None:
        raise ValueError(f"--store {store} takes the place of raw data; leave out --data-root {root}")
    kind = str(open_store(store).header["source"])
    check_name(kind, f"{store}: source")
    if data not in (None, kind):
        raise ValueError(f"--store {store} holds {kind} data; leave out --data {data}")
    path = store if "://" in store else str(Path(store).resolve())
    return DataSource(kind=kind, store=path, sensors=sensors)


def check_kind(kind: str, store: str | None) -> None:
    """Raise ValueError for data of an unknown kind, unless it is that of a store."""
    if store is None and kind not in READERS:
        *known, last = map(repr, READERS)
        raise ValueError(f"data is {kind!r}; use {', '.join(known)} or {last}")


def check_source(source: DataSource, wanted: Iterable[tuple[str, str]] = ()) -> None:
    """Raise ValueError unless the data can be had and has every (protocol, split) that is wanted.

    Raw files are not read yet, so theirs is only checked for its name; a given store must have the frames.
    """
    if source.store is None:
        check_root(source)
        for protocol, split in wanted:
            if is_task(split):
                Task.of(split)
            elif protocol in PROTOCOLS:
                splits(protocol, split)
            division_of(protocol)
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
            config=SimulatorConfig(frames=simulated.frames, rooms=drawn_rooms(0, simulated.rooms)),
            sensors=source.held(),
            contamination=_contamination(simulated),
        )
    return str(prepared_store(source.kind, root, Path(path), progress, source.reader()))


def _contamination(simulated: SimulatedSelection) -> Contamination | None:
    """What of a selection is spoilt: readings of the people on whom S2 trains."""
    if not simulated.contamination:
        return None
    trained = {subject for subject, _ in splits("P3", "S2")["train"]}
    return Contamination(
        rate=simulated.contamination, subjects=tuple(sorted(trained & {*simulated.subjects}))
    )


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
    elif simulated.rooms or simulated.contamination:
        content += [simulated.rooms, simulated.contamination]
    if (held := source.held()) != DEFAULT_SENSORS:
        content.append(held)
    return str(out / "stores" / f"{source.kind}-{_digest(content)}")


def simulated_digest(simulated: SimulatedSelection, *more: Any) -> str:
    """Ten hex digits that name a store of simulated recordings."""
    shown = (simulated.subjects, simulated.actions, simulated.frames)
    return _digest([FORMAT_VERSION, SIMULATOR_VERSION, *shown, *more])


def prepared_store(
    source: str,
    root: Any,
    path: Path,
    progress: Callable[[int, int], None] | None,
    reader: Reader | None = None,
) -> Path:
    """Path of a store, prepared now if it does not exist yet. `reader`: None is the source's own.

    Of two jobs that need it at the same time, the second waits and finds it ready.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent / f".{path.name}.lock"):
        prepare(source, root, path, reader=reader, progress=progress)
    return path


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:10]

"""From raw data to a store: every sequence of a source is read, cleaned and written.

Each sequence is written atomically, so an interrupted preparation continues where it stopped when it is
called again; a finished store stays unchanged, or is extended if the source has
grown. Sequences are independent: `orchestrator.cluster.parallel_prepare` reads them in parallel on Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from equipose.models.sensors import in_order
from equipose.pipelines.cleaning import assemble
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers import Reader, name_of, reader_of
from equipose.pipelines.store import SequenceKey, Store, StoreHeader, StoreWriter
from equipose.pipelines.store.signals import StoredSignals

Progress = Callable[[int, int], None]
"""Called with (sequences done, sequences in all)."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process needs to turn one key into a stored sequence."""

    reader: Reader
    root: Any
    out: Path
    header: StoreHeader

    @property
    def sensors(self) -> tuple[str, ...]:
        """That the store holds."""
        return self.header.signals.sensors


Runner = Callable[[Job, list[SequenceKey]], Iterator[tuple[SequenceKey, int]]]
"""Prepares the sequences of a job, in any order and process; yields (key, frames) as each is done."""


def one_by_one(job: Job, keys: list[SequenceKey]) -> Iterator[tuple[SequenceKey, int]]:
    """The plain `Runner`: every sequence in this process."""
    for key in keys:
        yield key, prepare_sequence(job, key)


def prepare(
    source: str,
    root: Any,
    out: str | PathLike[str],
    *,
    reader: Reader | None = None,
    subjects: tuple[str, ...] = (),
    actions: tuple[str, ...] = (),
    run: Runner = one_by_one,
    progress: Progress | None = None,
) -> Store:
    """Prepare the store `out` from the `root` of a `source` (`mmfi`, `mars`, `simulated`) and open it.

    `root` is a folder, or a `SimulatedSource`. `reader` replaces the source's own, e.g. with other settings.
    `subjects` and `actions` keep only those. `run` decides where sequences are read. `progress` is called
    after every sequence. What was wrong with the data is in the store's `defects` and `report`.

    Raises `DataError` for a root that cannot be used, and for an `out` that holds another preparation.

    >>> import tempfile
    >>> from equipose.pipelines.readers import SimulatedSource
    >>> from equipose.pipelines.simulator import SimulatorConfig
    >>> source = SimulatedSource(subjects=("S01",), actions=("A02", "A13"), config=SimulatorConfig(frames=3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = prepare("simulated", source, folder)
    >>> len(store), store.provenance["lidar"]
    (6, {'simulated:1': 2})
    >>> store.index["valid_pose"].sum(), len(store.defects)
    (6, 0)
    """
    chosen = reader or reader_of(source)
    settings = chosen.settings(root)
    keys = _wanted(chosen.sequences(root), subjects, actions, root)
    signals = StoredSignals.of(in_order(chosen.sensors(root)))
    header = StoreHeader(source=source, signals=signals, settings=settings)
    job = Job(reader=chosen, root=root, out=Path(out), header=header)
    written = StoreWriter(job.out, job.header).written()
    todo = [key for key in keys if key not in written]
    report = progress or (lambda done, total: None)
    report(len(keys) - len(todo), len(keys))
    empty: list[str] = []
    for done, (key, frames) in enumerate(run(job, todo), len(keys) - len(todo) + 1):
        empty += [] if frames else [name_of(key)]
        report(done, len(keys))
    writer = StoreWriter(job.out, job.header)
    assert {name_of(key) for key in set(keys) - writer.written()} == set(empty), "a sequence was lost"
    notes = [*chosen.notes(root), *(f"{name} holds no frame and was left out" for name in sorted(empty))]
    return writer.finish({"source": source, "notes": notes})


def _wanted(
    keys: list[SequenceKey], subjects: tuple[str, ...], actions: tuple[str, ...], root: Any
) -> list[SequenceKey]:
    wanted = [
        k for k in keys if k.subject in (subjects or {k.subject}) and k.action in (actions or {k.action})
    ]
    if not wanted:
        there = sorted({k.subject for k in keys}), sorted({k.action for k in keys})
        remedy = f"it has subjects {', '.join(there[0])} and actions {', '.join(there[1])}"
        raise DataError.about(root, field="choice", value=f"{subjects} x {actions}, nothing", remedy=remedy)
    return wanted


def prepare_sequence(job: Job, key: SequenceKey) -> int:
    """Read, clean and write one sequence; returns its number of frames, 0 if there was nothing to write."""
    sequence = assemble(job.reader.read(job.root, key), job.sensors)
    if len(sequence):
        StoreWriter(job.out, job.header).write(sequence)
    return len(sequence)

"""From raw data to a store: every sequence of a source is read, cleaned and written.

Each sequence is written atomically, so an interrupted preparation continues where it stopped when it is
called again. A finished store follows its source: sequences whose files have changed are read again, those
that have vanished are dropped, new ones are added; otherwise it stays unchanged. Sequences are independent:
`orchestrator.cluster.parallel_prepare` reads them in parallel on Ray.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from equipose.models.sensors import in_order
from equipose.pipelines.cleaning import assemble
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers import Reader, Traceable, name_of, reader_of
from equipose.pipelines.sensor_validity import require_poses
from equipose.pipelines.store import SequenceKey, Store, StoreHeader, StoreWriter
from equipose.pipelines.store.signals import StoredSignals
from equipose.pipelines.store.truth import join_parts, write_part

Progress = Callable[[int, int], None]
"""Called with (sequences done, sequences in all)."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process needs to turn one key into a stored sequence."""

    reader: Reader
    root: Any
    out: Path
    header: StoreHeader
    states: Mapping[SequenceKey, str] = field(default_factory=dict)
    """Of what each sequence is read from, see `Traceable`; empty for a source that never changes."""

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
    strict: Collection[str] = (),
    run: Runner = one_by_one,
    progress: Progress | None = None,
) -> Store:
    """Prepare the store `out` from the `root` of a `source` (`mmfi`, `mars`, `simulated`) and open it.

    `root` is a folder, or a `SimulatedSource`. `reader` replaces the source's own, e.g. with other settings.
    `subjects` and `actions` keep only those. `strict` names sensors whose frames must change: those that do
    not are invalid (`equipose.pipelines.strict`). `run` decides where sequences are read. `progress` is
    called after every sequence. What was wrong with the data is in the store's `defects` and `report`.

    Raises `DataError` for a root that cannot be used, for an `out` that holds another preparation, and where
    no frame has a valid pose.

    >>> import tempfile
    >>> from equipose.pipelines.readers import SimulatedSource
    >>> from equipose.pipelines.simulator import SimulatorConfig
    >>> source = SimulatedSource(subjects=("S01",), actions=("A02", "A13"), config=SimulatorConfig(frames=3))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = prepare("simulated", source, folder)
    >>> len(store), store.provenance["lidar"]
    (6, {'simulated:2': 2})
    >>> store.index["valid_pose"].sum(), len(store.defects)
    (6, 0)
    """
    chosen = reader or reader_of(source)
    there = chosen.sequences(root)
    keys = _wanted(there, subjects, actions, root)
    states = {key: chosen.state(root, key) for key in keys} if isinstance(chosen, Traceable) else {}
    signals = StoredSignals.of(in_order(chosen.sensors(root)))
    settings = chosen.settings(root) | _strict(strict, signals)
    header = StoreHeader(source=source, signals=signals, settings=settings)
    job = Job(reader=chosen, root=root, out=Path(out), header=header, states=states)
    writer = StoreWriter(job.out, header)
    gone = set(writer.written()) - set(there) if isinstance(chosen, Traceable) else set()
    writer.discard(lambda key, state: key in gone or states.get(key, state) != state)
    written = writer.written()
    todo = [key for key in keys if written.get(key) != states.get(key, "")]
    empty = _read_all(job, todo, run, progress or (lambda done, total: None), len(keys))
    writer = StoreWriter(job.out, header)
    assert set(todo) - set(writer.written()) <= empty, "a sequence was lost"
    left_out = [f"{name_of(key)} holds no frame and was left out" for key in sorted(empty)]
    report = {"source": source, "notes": [*chosen.notes(root), *left_out]}
    if changes := _changes(set(todo) & set(written), gone & set(written), set(todo) - set(written) - empty):
        report["changes"] = changes
    elif kept := writer.report.get("changes"):
        report["changes"] = kept
    if not set(writer.written()) - gone - empty:
        raise _nothing(root, report["notes"])
    join_parts(job.out, drop=gone | empty)
    store = writer.finish(report, drop=gone | empty)
    require_poses(store.index, store.defects, str(out))
    return store


def _read_all(
    job: Job, todo: list[SequenceKey], run: Runner, progress: Progress, total: int
) -> set[SequenceKey]:
    """Prepare the sequences of a job; returns those that hold no frame."""
    ready = total - len(todo)
    progress(ready, total)
    empty: set[SequenceKey] = set()
    for done, (key, frames) in enumerate(run(job, todo), ready + 1):
        empty |= set() if frames else {key}
        progress(done, total)
    return empty


def _changes(again: set[SequenceKey], gone: set[SequenceKey], new: set[SequenceKey]) -> list[str]:
    """What a preparation has changed in a store that had sequences; none for a new one."""
    if not again and not gone:
        return []
    named = (("read again", again), ("dropped, no longer there", gone), ("added", new))
    return [f"{len(keys)} {what}, such as {name_of(min(keys))}" for what, keys in named if keys]


def _strict(names: Collection[str], signals: StoredSignals) -> dict[str, list[str]]:
    """The setting, which stores without it do not have."""
    unknown = sorted(set(names) - set(signals.sensors))
    if unknown:
        raise ValueError(f"strict names {unknown}; the store holds {list(signals.sensors)}")
    return {"strict": list(in_order(names))} if names else {}


def _nothing(root: Any, notes: Sequence[str]) -> DataError:
    why = "; ".join(notes[:3])
    return DataError.about(
        root, field="sequences", value=f"without a single frame ({why})", remedy="correct names and layout"
    )


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
    raw = job.reader.read(job.root, key)
    sequence = assemble(raw, job.sensors, job.header.settings.get("strict", ()))
    if len(sequence):
        write_part(job.out, key, raw.altered)
        StoreWriter(job.out, job.header).write(sequence, job.states.get(key, ""))
    return len(sequence)

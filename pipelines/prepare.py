"""From raw data to a store: every sequence of a source read, cleaned and written, in parallel if it pays.

Each sequence is written atomically, so a preparation that was interrupted goes on where it stopped when
it is called again; a finished store is left as it is, or grows if the source has.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from equipose.orchestrator.cluster.local_ray import start_local_ray
from equipose.pipelines.cleaning import assemble
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.readers import Reader, name_of, reader_of
from equipose.pipelines.store import SequenceKey, Store, StoreHeader, StoreWriter

RAY_FROM = {"running": 16, "stopped": 128}
"""Sequences left to read from which `parallel=True` uses Ray, where one is running and where it has to be
started first, which takes as long as reading dozens. A number given to `parallel` is always obeyed."""

RAY_MEMORY = 256 * 2**20
"""Bytes of Ray's object store when it is started here; only keys travel through it."""

Progress = Callable[[int, int], None]
"""Called with (sequences done, sequences in all)."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a process needs to turn one key into a stored sequence."""

    reader: Reader
    root: Any
    out: Path
    header: StoreHeader


def prepare(
    source: str,
    root: Any,
    out: str | PathLike[str],
    *,
    reader: Reader | None = None,
    subjects: tuple[str, ...] = (),
    actions: tuple[str, ...] = (),
    parallel: bool | int = False,
    progress: Progress | None = None,
) -> Store:
    """Prepare the store `out` from the `root` of a `source` (`mmfi`, `mars`, `simulated`) and open it.

    `root` is a folder, or a `SimulatedSource`. `reader` replaces the source's own, e.g. to set dials.
    `subjects` and `actions` keep only those. `parallel`: True lets Ray read sequences side by side when
    there are enough of them (`RAY_FROM`); a number is the number of processes. `progress` is called after
    every sequence. What was wrong with the data is in the store's `defects` and `report`.

    Raises `DataError` for a root that cannot be used, and for an `out` that holds another preparation.
    """
    chosen = reader or reader_of(source)
    settings = chosen.settings(root)
    keys = _wanted(chosen.sequences(root), subjects, actions, root)
    job = Job(reader=chosen, root=root, out=Path(out), header=StoreHeader(source=source, settings=settings))
    written = StoreWriter(job.out, job.header).written()
    todo = [key for key in keys if key not in written]
    report = progress or (lambda done, total: None)
    report(len(keys) - len(todo), len(keys))
    empty: list[str] = []
    for done, (key, frames) in enumerate(_run(job, todo, parallel), len(keys) - len(todo) + 1):
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
    sequence = assemble(job.reader.read(job.root, key))
    if len(sequence):
        StoreWriter(job.out, job.header).write(sequence)
    return len(sequence)


def _run(job: Job, keys: list[SequenceKey], parallel: bool | int) -> Iterator[tuple[SequenceKey, int]]:
    """(key, frames) of every sequence as it is done."""
    if len(keys) > 1 and (_pays(len(keys)) if parallel is True else parallel > 1):
        yield from _run_on_ray(job, keys, 0 if parallel is True else int(parallel))
    else:
        for key in keys:
            yield key, prepare_sequence(job, key)


def _pays(sequences: int) -> bool:
    ray = sys.modules.get("ray")
    return sequences >= RAY_FROM["running" if ray is not None and ray.is_initialized() else "stopped"]


def _run_on_ray(job: Job, keys: list[SequenceKey], processes: int) -> Iterator[tuple[SequenceKey, int]]:
    """As `_run`, on a running Ray or one started (and stopped) here; `processes` 0 means all CPUs.

    On a cluster, `root` and `out` must be on a file system that every node sees.
    """
    import ray

    started = not ray.is_initialized()
    if started:
        start_local_ray(include_dashboard=False, log_to_driver=False, object_store_memory=RAY_MEMORY)
    width = processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
    shared, task = ray.put(job), ray.remote(num_cpus=1)(prepare_sequence)
    waiting = iter(keys)
    running = {task.remote(shared, key): key for key in islice(waiting, width)}
    try:
        while running:
            (done,), _ = ray.wait(list(running), num_returns=1)
            frames = ray.get(done)
            running |= {task.remote(shared, key): key for key in islice(waiting, 1)}
            yield running.pop(done), frames
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    finally:
        # Not cancelled: Ray 2.60 ends the driver when a task that it cancels completes at that moment.
        if started:
            ray.shutdown()
        elif running:
            ray.wait(list(running), num_returns=len(running))

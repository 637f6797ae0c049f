"""The finished sequences of a store that is being written: one file each, named by key and source state.

The state says what a sequence was read from (see `readers.contract.Traceable`), so a preparation that goes on
after its raw files have changed knows which parts are out of date without reading them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from equipose.pipelines.files.bounded_json import parse_json
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import SequenceKey
from equipose.pipelines.store.checks import check_sequence, read_frames
from equipose.pipelines.store.folder import StoreFolder
from equipose.pipelines.store.format import PARTS, content_digest, from_record_batch
from equipose.pipelines.store.index import defect_frame
from equipose.pipelines.store.signals import StoredSignals

ABOUT = b"equipose"
"""Key of a part's metadata."""

_STATE = re.compile(r"[0-9a-z]{0,64}")


def part_name(key: SequenceKey, state: str) -> str:
    """Such as `E01_S01_A01.5f0c.arrow`, without the middle where the state is empty."""
    if not _STATE.fullmatch(state):
        remedy = "use up to 64 lower-case letters and digits"
        raise DataError.about(f"sequence {tuple(key)}", field="state", value=repr(state), remedy=remedy)
    return ".".join(filter(None, (key.stem, state, "arrow")))


def key_of(path: Path) -> SequenceKey:
    """The key in the name of a part; DataError for a name that no part has."""
    try:
        return SequenceKey.from_stem(path.name.split(".")[0])
    except ValueError:
        remedy = f"names are like E01_S01_A01.arrow; remove it from {PARTS}/"
        raise DataError.about(path, field="name", value=repr(path.name), remedy=remedy) from None


def state_of(path: Path) -> str:
    """The state in the name of a part."""
    return ".".join(path.name.split(".")[1:-1])


def read_part(path: Path, signals: StoredSignals) -> tuple[pa.RecordBatch, dict[str, Any]]:
    """The record batch of a part and what describes it, its state included."""
    try:
        buffer = StoreFolder(path.parent).buffer(path.name)
        table = read_frames(buffer, None, str(path), signals)
        about = parse_json((table.schema.metadata or {})[ABOUT])
        check_sequence(about, str(path), signals)
        if SequenceKey(*about["key"]) != key_of(path) or [about["frames"]] != [
            b.num_rows for b in table.to_batches()
        ]:
            raise ValueError(f"it holds {about['frames']} frames of {about['key']}")
        defect_frame([about])
        return table.to_batches()[0], {**about, "state": state_of(path)}
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError, KeyError, TypeError, ValueError) as error:
        raise DataError.about(
            file=path, field="sequence", value=f"unreadable ({error})", remedy="delete it and prepare again"
        ) from error


def checked_part(path: Path, signals: StoredSignals) -> pa.RecordBatch:
    """The record batch of a part whose content still has the digest it was written with."""
    batch, about = read_part(path, signals)
    found = content_digest(from_record_batch(batch, about, signals))
    if found != about["digest"]:
        raise DataError.about(
            file=path, field="content", value=f"{found[:12]}, written as {about['digest'][:12]}",
            remedy="the file is damaged: delete it and prepare again",
        )  # fmt: skip
    return batch.cast(signals.schema)

"""The truth about contaminated readings, beside a store: for judging what claims to detect them.

Preparation writes it into a file of its own, `contamination.parquet`, that the manifest does not name: a
store is the same with it and without it, and nothing that opens a store, makes batches or trains reads it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa

from equipose.pipelines.files.atomic import atomic
from equipose.pipelines.sequence import Altered, SequenceKey
from equipose.pipelines.store.checks import read_parquet
from equipose.pipelines.store.folder import StoreFolder
from equipose.pipelines.store.format import PARTS
from equipose.pipelines.store.index import KEY_NAMES
from equipose.pipelines.store.reader import Store

TRUTH = "contamination.parquet"
KEYS = (*KEY_NAMES, "number")
SCHEMA = {
    **dict.fromkeys(KEY_NAMES, pl.String),
    "number": pl.Int32,
    "sensor": pl.String,
    "kind": pl.String,
    "strength": pl.Float64,
}
"""Columns of the file; `strength` as in `Altered`."""
MOST_ROWS = 2**24
_ENDING = ".altered.parquet"


def write_part(root: Path, key: SequenceKey, altered: Sequence[Altered] | None) -> None:
    """Keep what was changed in a sequence until `join_parts`; call it before the sequence is written.

    `altered` None: its source says nothing, so what is known of an earlier reading of it no longer holds.
    """
    if altered is None and not (root / TRUTH).exists():
        return
    rows = [(*key, *entry) for entry in altered or ()]
    with atomic(root / PARTS / f"{key.stem}{_ENDING}") as stream:
        pl.DataFrame(rows, schema=SCHEMA, orient="row").write_parquet(stream)


def join_parts(root: Path, drop: Collection[SequenceKey] = ()) -> None:
    """Write the truth of the sequences that were read, and of those of an earlier preparation but `drop`.

    Call it before the store is finished, which removes the parts.
    """
    parts = {path.name.removesuffix(_ENDING): path for path in (root / PARTS).glob(f"[!.]*{_ENDING}")}
    old = _table(StoreFolder(root), root) if (root / TRUTH).exists() else None
    if not parts and (old is None or not drop):
        return
    gone = {key.stem for key in drop}
    found = [_table(StoreFolder(path.parent), path.parent, path.name) for path in parts.values()]
    stem = pl.concat_str(KEY_NAMES, separator="_").str.strip_chars_end("_")
    kept = [] if old is None else [old.filter(~stem.is_in(sorted({*parts, *gone})))]
    table = pl.concat([*kept, *found]).filter(~stem.is_in(sorted(gone))).sort(*KEYS)
    with atomic(root / TRUTH) as stream:
        table.write_parquet(stream)


def read_contamination(store: Store) -> pl.DataFrame | None:
    """The contaminated readings of a store, in the order of its rows; None where it has no such record.

    Columns: `row` of the store's index, `environment`, `subject`, `action`, `part`, `number`, `sensor` (or
    `pose`), `kind`, `strength`. A store that was contaminated but by chance nowhere gives no rows. For
    judging detectors only: nothing may learn from it. Raises DataError for a damaged file.
    """
    folder = store.folder
    if not folder.exists(TRUTH):
        return None
    found = _table(folder, store.path)
    return store.index.select("row", *KEYS).join(found, on=KEYS, how="inner").sort("row")


def _table(folder: StoreFolder, where: str | os.PathLike[str], name: str = TRUTH) -> pl.DataFrame:
    buffer: pa.Buffer = folder.buffer(name)
    return read_parquet(buffer, "contamination", SCHEMA, range(MOST_ROWS), f"{where}/{name}")

"""What contamination has changed in a recording of a tree: a hidden file in its folder, which no reader takes
for a sensor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from equipose.pipelines.files.bounded_json import parse_json
from equipose.pipelines.files.bounded_read import UnreadableFileError, read_bytes
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.sequence import Altered

FILE = ".contamination.json"
MAX_BYTES = 16 * 2**20


def write_truth(folder: Path, altered: Sequence[Altered]) -> None:
    """Write the changed readings of the recording in a folder."""
    (folder / FILE).write_text(json.dumps([list(entry) for entry in altered]) + "\n")


def read_truth(folder: Path) -> tuple[Altered, ...] | None:
    """The changed readings of the recording in a folder; None where nothing says so.

    Raises DataError for a file that holds something else.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        rows = [Altered(*row) for row in parse_json(read_bytes(path, MAX_BYTES))]
        return tuple(Altered(int(r.number), str(r.sensor), str(r.kind), float(r.strength)) for r in rows)
    except (UnreadableFileError, TypeError, ValueError) as error:
        raise DataError.about(
            path, field="contamination", value=f"unreadable ({error})", remedy="simulate the recording again"
        ) from error

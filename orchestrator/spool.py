"""The outbox of a run: everything it logs goes to disk first, and from there to the tracking server.

One file of JSON lines per run, `<run_id>.jsonl`, in one spool directory. A record is a dict with `kind`:
`metric` (key, value, step, time in ms), `param`, `tag` (key, value), `artifact` (file, name), `status`.
The spool directory must be on storage that the run's next attempt and the driver can read.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Record = dict[str, Any]

MAX_BATCH = 1000
"""MLflow takes at most 1000 metrics in one request."""


def parse_lines(content: bytes) -> tuple[list[Record], int]:
    """The records of an outbox file, and the number of bytes that hold whole records.

    A process that is killed while writing leaves half a line at the end; it is not a record.
    """
    whole = content.rpartition(b"\n")[0]
    records = [json.loads(line) for line in whole.splitlines()]
    return records, len(whole) + 1 if whole else 0


def leading_group(records: list[Record], start: int) -> list[Record]:
    """What one request can carry from `start` on: a stretch of metrics, or one record of another kind."""
    stop = start
    while stop < min(len(records), start + MAX_BATCH) and records[stop]["kind"] == "metric":
        stop += 1
    return records[start : max(stop, start + 1)]


class OutboxInUseError(RuntimeError):
    """Another process writes or delivers this run's outbox."""


class Outbox:
    """Append-only file of one run's records, locked against a second user."""

    def __init__(self, spool: Path, run_id: str) -> None:
        """Open or create; raises `OutboxInUseError` when another process has it open."""
        self.run_id = run_id
        self.path = Path(spool) / f"{run_id}.jsonl"
        self.files = Path(spool) / f"{run_id}.files"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = self.path.open("a+b")
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._handle.close()
            raise OutboxInUseError(
                f"{self.path} is in use by another process; a run has one logger at a time"
            ) from error

    def recover(self) -> list[Record]:
        """Records that an earlier attempt left, after cutting off a half-written last line."""
        self._handle.seek(0)
        records, whole = parse_lines(self._handle.read())
        self._handle.truncate(whole)
        return records

    def append(self, records: Iterable[Record]) -> None:
        """Write records; on return they are on the disk."""
        lines = "".join(json.dumps(record) + "\n" for record in records)
        self._handle.write(lines.encode())
        self._handle.flush()
        os.fsync(self._handle.fileno())

    def keep_file(self, content: Path | bytes, number: int) -> Path:
        """Copy an artifact next to the outbox, where it waits for delivery."""
        self.files.mkdir(exist_ok=True)
        target = self.files / str(number)
        if isinstance(content, bytes):
            target.write_bytes(content)
        else:
            shutil.copyfile(content, target)
        return target

    def reject(self, records: list[Record], reason: str) -> Path:
        """Put aside what the server refuses, so that it is neither lost nor tried for ever."""
        path = self.path.with_suffix(".rejected.jsonl")
        with path.open("a") as handle:
            handle.writelines(json.dumps(record | {"reason": reason}) + "\n" for record in records)
        return path

    def close(self, *, delivered: bool) -> None:
        """Release the outbox; remove it when everything in it has been delivered."""
        if delivered:
            self.path.unlink(missing_ok=True)
            shutil.rmtree(self.files, ignore_errors=True)
        self._handle.close()

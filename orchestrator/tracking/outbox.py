"""The outbox of a run: what it logs is written to disk first and sent to the tracking server from there.

One file of JSON lines per run, `<run_id>.jsonl`, in one folder. A record is a dict with `kind`:
`metric` (key, value, step, time in ms), `tag` (key, value), `artifact` (file, name), `status`.
The folder must be on storage that the run's next attempt and the driver can read.

Why not send what the server lacks from the checkpoints, whose history holds every metric of training?
`delivery` already sends only what the server lacks, but the history cannot be the source:

- It has no tags, artifacts, status or times, no test numbers or costs, and nothing of a run without a
  checkpoint: a job's own run, or one that fails in its first epoch. Of a smoke sweep's 668 points 603 are in
  checkpoints; the 65 of the sweep's run and all 18 artifacts are not. The outbox is needed for those, and
  metrics add about 30 of its 550 lines (with `delivery` and `run_logger`).
- A point is on disk before its checkpoint. The last epoch of a run that fails while it writes a checkpoint,
  such as on a full disk, is in the outbox alone.
- To show a living run's epochs, the driver would load whole checkpoints, weights and optimizer included
  (0.2 s each in a smoke sweep), of every trial every two seconds. The outbox appends a line.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import Any

from equipose.pipelines.files.bounded_json import parse_json
from equipose.pipelines.files.errors import DataError
from equipose.pipelines.files.path_safety import check_artifact_name, check_name

Record = dict[str, Any]

MAX_BATCH = 1000
"""MLflow takes at most 1000 metrics in one request."""


def parse_lines(content: bytes) -> tuple[list[Record], int]:
    """The records of an outbox file, and the number of bytes that hold whole records.

    A process that is killed while writing leaves half a line at the end, which is not a record.
    """
    whole = content.rpartition(b"\n")[0]
    records = [check_record(parse_json(line, nan=True)) for line in whole.split(b"\n")] if whole else []
    return records, len(whole) + 1 if whole else 0


FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "metric": {"key": str, "value": (int, float), "step": int, "time": int},
    "tag": {"key": str, "value": str},
    "artifact": {"file": str, "name": str},
    "status": {"value": str},
}
"""Kind of record -> its fields and their types."""


def check_record(record: Any) -> Record:
    """The record, if its kind and fields are known; ValueError for anything else."""
    kind = record.get("kind") if isinstance(record, dict) else None
    fields = FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None or any(not isinstance(record.get(name), types) for name, types in fields.items()):
        raise ValueError(f"{str(record)[:80]} is not a record of a run")
    if kind == "status" and record["value"] != "RUNNING" and not isinstance(record.get("time"), int):
        raise ValueError(f"{str(record)[:80]} is an end without a time")
    if kind == "artifact":
        check_artifact_name(record["name"])
    return dict(record)


def leading_group(records: list[Record], start: int) -> list[Record]:
    """What one request can carry from `start` on: consecutive metrics, or one record of another kind."""
    stop = start
    while stop < min(len(records), start + MAX_BATCH) and records[stop]["kind"] == "metric":
        stop += 1
    return records[start : max(stop, start + 1)]


def _open_unlinked(path: str, flags: int) -> int:
    """Open a file, unless it is a link: an outbox is also truncated and deleted."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


class OutboxInUseError(RuntimeError):
    """Another process writes or delivers the outbox of this run."""


class Outbox:
    """Append-only file of one run's records, locked against a second user."""

    def __init__(self, folder: Path, run_id: str, patience: float = 0.0) -> None:
        """Open or create; raises `OutboxInUseError` when another process holds it longer than `patience` s.

        Raises ValueError for a run id that is not a file name: a foreign server may have made it up.
        """
        self.run_id = check_name(run_id, "run id")
        self.path = Path(folder) / f"{run_id}.jsonl"
        self.files = Path(folder) / f"{run_id}.files"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + patience
        while (handle := self._opened()) is None:
            if time.monotonic() >= deadline:
                raise OutboxInUseError(
                    f"{self.path} is in use by another process; a run has one logger at a time"
                )
            time.sleep(0.1)
        self._handle = handle

    def _opened(self) -> FileIO | None:
        """The file, locked; None while another process holds it."""
        # Unbuffered: what a full disk refuses must not be flushed later, in the middle of a line.
        handle = open(self.path, "a+b", buffering=0, opener=_open_unlinked)  # noqa: SIM115 - kept open
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return None
        if self._is_current(handle):
            return handle
        handle.close()
        return self._opened()

    def _is_current(self, handle: FileIO) -> bool:
        """False for a file that its last owner has delivered and removed."""
        try:
            return os.path.samestat(os.fstat(handle.fileno()), self.path.stat())
        except FileNotFoundError:
            return False

    def recover(self) -> list[Record]:
        """Records that an earlier attempt left; a half-written last line is cut off."""
        self._handle.seek(0)
        try:
            records, whole = parse_lines(self._handle.read())
        except ValueError as error:
            raise DataError(f"{self.path}: the outbox is damaged ({error}); move it away") from error
        self._handle.truncate(whole)
        return records

    def append(self, records: Iterable[Record]) -> None:
        """Write records; on return they are on disk. When it is full (OSError), none of them is."""
        left = memoryview("".join(json.dumps(record) + "\n" for record in records).encode())
        size = os.fstat(self._handle.fileno()).st_size
        try:
            while left:
                left = left[self._handle.write(left) :]
            os.fsync(self._handle.fileno())
        except BaseException as error:
            self._handle.truncate(size)
            if isinstance(error, OSError):
                raise OSError(error.errno, error.strerror, str(self.path)) from error
            raise

    def kept_file(self, record: Record) -> Path:
        """Where an artifact's file waits: always beside the outbox, whatever path the record gives."""
        return self.files / Path(record["file"]).name

    def keep_file(self, content: Path | bytes, number: int) -> Path:
        """Copy an artifact next to the outbox, until it is delivered; a copy that fails is removed."""
        self.files.mkdir(exist_ok=True)
        target = self.files / str(number)
        try:
            if isinstance(content, bytes):
                target.write_bytes(content)
            else:
                shutil.copyfile(content, target)
        except OSError:
            target.unlink(missing_ok=True)
            raise
        return target

    def reject(self, records: list[Record], reason: str) -> Path:
        """Set aside what the server refuses, so that it is neither lost nor retried for ever."""
        path = self.path.with_suffix(".rejected.jsonl")
        with path.open("a") as handle:
            handle.writelines(json.dumps(record | {"reason": reason}) + "\n" for record in records)
        return path

    def close(self, *, delivered: bool) -> None:
        """Release the outbox, and remove it when everything in it has been delivered."""
        if delivered:
            self.path.unlink(missing_ok=True)
            shutil.rmtree(self.files, ignore_errors=True)
        self._handle.close()

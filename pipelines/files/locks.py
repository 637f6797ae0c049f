"""One process at a time: locks on files, which the system takes back from whoever is killed."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def locked(path: Path, refusal: str | None = None) -> Iterator[None]:
    """Keep a file, made if it is not there, for this process during the block.

    Where another process has it: wait for that, or raise ValueError with `refusal`, if one is given.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (fcntl.LOCK_NB if refusal else 0))
        except BlockingIOError:
            raise ValueError(refusal) from None
        yield

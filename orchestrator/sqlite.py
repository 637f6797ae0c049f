"""SQLite databases whose tables other libraries create: the file exists with all of them, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def whole_database(database: Path, make_tables: Callable[[str], None]) -> str:
    """SQLAlchemy URL of a SQLite file; where there is none, `make_tables` creates its tables first.

    Libraries create tables one by one and skip those that exist. One that is stopped between a table and its
    index never creates the index: Optuna, for example, would then add a second study of the same name, and
    the sweep could not be resumed. So the tables are created in a temporary file, which is then renamed.

    make_tables: takes a URL and must close what it opens. Only one process may create a database at a time;
    the temporary files of a killed one are removed.
    """
    if not database.exists():
        partial = database.with_name(f".{database.name}.partial")
        for remains in (partial, partial.with_name(f"{partial.name}-journal")):
            remains.unlink(missing_ok=True)
        with _written_through_later(partial):
            make_tables(sqlite_url(partial))
        partial.replace(database)
    return sqlite_url(database)


@contextmanager
def _written_through_later(database: Path) -> Iterator[None]:
    """SQLAlchemy does not wait for the disk at one file, which is written through at the end of the block.

    Otherwise SQLite waits at every one of a hundred statements. A file that is half there has no name yet.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def relax(connection: Any, _record: object) -> None:
        files = {Path(row[2]).resolve() for row in connection.execute("PRAGMA database_list")}
        if database.resolve() in files:
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)
    if database.exists():
        with database.open("rb+") as file:
            os.fsync(file.fileno())


def sqlite_url(database: Path) -> str:
    """SQLAlchemy URL of a SQLite file."""
    return f"sqlite:///{database}"

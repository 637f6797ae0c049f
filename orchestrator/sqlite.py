"""SQLite databases whose tables other libraries make: a file is there with all of them, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def whole_database(database: Path, make_tables: Callable[[str], None]) -> str:
    """SQLAlchemy URL of a SQLite file, in which `make_tables` has made all it makes if there was none.

    Libraries make tables one by one and skip those they find. Where one was stopped between a table and its
    index, it would never make the index: Optuna, say, would add a second study of the same name, and no
    sweep could go on. So the tables are made in a file beside it, which takes its place.

    `make_tables` gets a URL and must close what it opens. A database has one maker at a time; what a killed
    one left is removed here.
    """
    if not database.exists():
        partial = database.with_name(f".{database.name}.partial")
        for remains in (partial, partial.with_name(f"{partial.name}-journal")):
            remains.unlink(missing_ok=True)
        make_tables(sqlite_url(partial))
        partial.replace(database)
    return sqlite_url(database)


def sqlite_url(database: Path) -> str:
    """SQLAlchemy URL of a SQLite file."""
    return f"sqlite:///{database}"

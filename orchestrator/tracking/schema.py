"""Which MLflow wrote a tracking database: MLflow itself does not tell an older one from a newer one."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sqlite3
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

_REVISION = re.compile(r"^(revision|down_revision)\b[^=\n]*=\s*[\"'](\w+)[\"']", re.MULTILINE)


@cache
def _revisions() -> tuple[frozenset[str], frozenset[str]]:
    """Versions of the tables that the installed MLflow knows, and the newest of them."""
    spec = importlib.util.find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    known: dict[str, set[str]] = {"revision": set(), "down_revision": set()}
    for path in (Path(spec.origin).parent / "store" / "db_migrations" / "versions").glob("*.py"):
        for name, value in _REVISION.findall(path.read_text()):
            known[name].add(value)
    return frozenset(known["revision"]), frozenset(known["revision"] - known["down_revision"])


def age_of(database: Path) -> Literal["current", "older", "newer"]:
    """Whether the tables of an SQLite file are those of the installed MLflow.

    A file without MLflow's tables counts as current. Raises `sqlite3.DatabaseError` for one that is damaged.
    """
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as opened:
        if not opened.execute("select 1 from sqlite_master where name = 'alembic_version'").fetchone():
            return "current"
        found = {row[0] for row in opened.execute("select version_num from alembic_version")}
    known, newest = _revisions()
    if not found <= known:
        return "newer"
    return "current" if not found or found & newest else "older"


def about_age(database: Path, age: str) -> tuple[str, str]:
    """What to say about a database that is not current, and the remedy."""
    if age == "newer":
        return (
            f"{database} was written by a newer MLflow than the installed {version('mlflow')}",
            "install that one (pip install --upgrade mlflow), or choose another --out; "
            "`mlflow db upgrade` does not help, it cannot go back",
        )
    return (
        f"{database} was written by an older MLflow than the installed {version('mlflow')}",
        f"copy it to a safe place, then run: mlflow db upgrade sqlite:///{database}",
    )

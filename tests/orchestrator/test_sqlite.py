"""Creating a database may be stopped at any statement; the next attempt completes it."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine

from equipose.models.build import ModelConfig
from equipose.orchestrator.cluster.capacity import Resources
from equipose.orchestrator.sqlite import whole_database
from equipose.orchestrator.sweep.config import SearchSpace, SweepConfig
from equipose.orchestrator.sweep.search import open_study
from equipose.orchestrator.tracking.server_process import ServerFiles, create_database
from equipose.orchestrator.training.config import DataConfig, TrainConfig


class Stopped(BaseException):
    """Stands for Ctrl-C."""


@contextlib.contextmanager
def stopped_at(number: int) -> Iterator[list[str]]:
    """Stop at an SQL statement (1 is the first; 0 never); the statements that were seen."""
    seen: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)
        if len(seen) == number:
            raise Stopped

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", count)


def schema(database: Path) -> list[tuple[str, ...]]:
    """Kind, name and definition of all tables and indices."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute("select type, name, sql from sqlite_master order by 1, 2").fetchall()


@pytest.fixture
def sweep() -> SweepConfig:
    base = TrainConfig(data=DataConfig(store="none"), model=ModelConfig(preset="tiny"), epochs=2)
    space = SearchSpace(window=(0, 2))
    return SweepConfig(name="search", base=base, paper_window=1, space=space, trials=8, resources=Resources())


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_study_stopped_anywhere_while_it_is_made_goes_on(
    sweep: SweepConfig, tmp_path: Path, every: int
) -> None:
    whole = tmp_path / "whole.db"
    with stopped_at(0) as seen:
        open_study(sweep, whole)
    assert len(seen) > 100
    indices = [number for number, statement in enumerate(seen, 1) if "INDEX" in statement]
    assert indices
    for number in sorted({*indices, *range(1, len(seen) + 1, 9)})[::every]:
        database = tmp_path / f"{number}.db"
        with pytest.raises(Stopped), stopped_at(number):
            open_study(sweep, database)
        study = open_study(sweep, database)
        queued = [trial.system_attrs["fixed_params"] for trial in study.trials]
        assert queued == sweep.enqueued(), seen[number - 1]
        assert schema(database) == schema(whole), seen[number - 1]
    assert not list(tmp_path.glob(".*"))


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from equipose.orchestrator.tracking.server_process import ServerFiles, create_database

seen = []

def count(*_):
    seen.append(1)
    if len(seen) == 300:
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "before_cursor_execute", count)
create_database(ServerFiles(Path(sys.argv[1])))
"""


def test_a_tracking_database_whose_creator_was_killed_is_created_again(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], stderr=subprocess.DEVNULL)
    assert killed.returncode == -signal.SIGKILL
    assert not files.database.exists()
    assert list(tmp_path.glob(".*"))
    create_database(files)
    assert any(name == "runs" for _, name, _ in schema(files.database))
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_what_is_there_is_left_alone(tmp_path: Path) -> None:
    database = tmp_path / "a.db"
    database.write_bytes(b"kept")
    assert whole_database(database, lambda url: pytest.fail("made again")) == f"sqlite:///{database}"
    assert database.read_bytes() == b"kept"


def test_what_a_killed_maker_left_is_not_used(tmp_path: Path) -> None:
    for name in (".a.db.partial", ".a.db.partial-journal"):
        (tmp_path / name).write_bytes(b"half")

    def make(url: str) -> None:
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute("create table t (x)")

    whole_database(tmp_path / "a.db", make)
    assert [name for _, name, _ in schema(tmp_path / "a.db")] == ["t"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


def synchronous(url: str) -> int:
    """0 where a connection does not wait for the disk, 2 where it does at every statement."""
    engine = create_engine(url)
    with engine.connect() as connection:
        found = int(connection.exec_driver_sql("PRAGMA synchronous").scalar_one())
    engine.dispose()
    return found


def test_only_a_database_in_the_making_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    seen: list[int] = []

    def make(url: str) -> None:
        (tmp_path / ".a.db.partial").touch()
        seen.extend(map(synchronous, (url, other)))

    url = whole_database(tmp_path / "a.db", make)
    assert seen == [0, 2]
    assert synchronous(url) == 2

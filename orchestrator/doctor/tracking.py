"""Whether a job can log to MLflow: to the user's tracking server, or to a local one in the results folder."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import urllib.error
import urllib.request
from pathlib import Path

from equipose.orchestrator.cluster.machine import existing_folder
from equipose.orchestrator.doctor.checks import Check
from equipose.orchestrator.tracking.schema import about_age, age_of

SECONDS = 5.0


def check_tracking(out: Path) -> Check:
    """Check the server of MLFLOW_TRACKING_URI, or the database that a local server would open in `out`."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    return _server(uri) if uri else _database(out)


def _server(uri: str) -> Check:
    if not uri.startswith(("http://", "https://")):
        return Check(
            name="MLflow",
            status="problem",
            found=f"MLFLOW_TRACKING_URI is {uri!r}, which many workers would write to at once",
            remedy=f"start a server over it (mlflow server --backend-store-uri {uri}) or unset the variable",
        )
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/version", timeout=SECONDS) as reply:
            version = reply.read(40).decode(errors="replace").strip()
    except (OSError, ValueError) as error:  # URLError is an OSError
        return Check(
            name="MLflow",
            status="problem",
            found=f"{uri} does not answer ({error})",
            remedy="start it, correct MLFLOW_TRACKING_URI, or unset it to get a local server",
        )
    return Check(name="MLflow", status="ok", found=f"{uri} answers, version {version}")


def _database(out: Path) -> Check:
    path = out / "mlflow.db"
    if not path.exists():
        writable = os.access(existing_folder(out), os.W_OK)
        return Check(
            name="MLflow",
            status="ok" if writable else "problem",
            found=f"a local server over {path}, "
            + ("to be created" if writable else "which cannot be created"),
            remedy="" if writable else "give --out a folder that you can write to",
        )
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            database.execute("select count(*) from experiments").fetchone()
        writable = os.access(path, os.W_OK)
        age = age_of(path)
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            return _unreadable(path, error)
        writable, age = True, "current"  # a job is writing to it now
    except sqlite3.DatabaseError as error:
        return _unreadable(path, error)
    if not writable:
        remedy = "make it writable, or choose another --out"
        return Check(name="MLflow", status="problem", found=f"{path} is read-only", remedy=remedy)
    if age != "current":
        found, remedy = about_age(path, age)
        return Check(name="MLflow", status="problem", found=found, remedy=remedy)
    return Check(name="MLflow", status="ok", found=f"a local server over {path}")


def _unreadable(path: Path, error: sqlite3.Error) -> Check:
    remedy = "move it away, or choose another --out"
    return Check(name="MLflow", status="problem", found=f"{path} cannot be read ({error})", remedy=remedy)

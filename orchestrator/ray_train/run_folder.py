"""The folder of a Ray Train run, cleared of what killed processes have left in it before it continues."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

from equipose.orchestrator.checkpoints.layout import PREFIX

logger = logging.getLogger(__name__)

LIST = "checkpoint_manager_snapshot.json"
"""Ray Train's list of a run's checkpoints. It is written in place, so a kill may leave half of it."""
SCRATCH = ".equipose-"
"""Start of the names of folders that hold a checkpoint until Ray Train has copied it."""


def listed(folder: Path) -> list[str] | None:
    """Names of the checkpoints in Ray Train's list; None without a list that Ray Train would accept."""
    try:
        content = json.loads((folder / LIST).read_bytes())
        names = [str(result["checkpoint_dir_name"]) for result in content["checkpoint_results"]]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return names if all((folder / name).is_dir() for name in names) else None


def tidy(folder: Path) -> None:
    """Prepare the folder of an interrupted run for the next attempt; no other process may work on the run.

    Removes what killed workers have left half done, and a list that Ray Train would refuse: the workers then
    find the checkpoints themselves.
    """
    clear_scratch(folder)
    names = listed(folder)
    if names is not None:
        for path in folder.glob(f"{PREFIX}*"):
            if path.is_dir() and path.name not in names:
                shutil.rmtree(path, ignore_errors=True)
    elif (folder / LIST).exists():
        logger.warning("%s: damaged, so it is rebuilt from the checkpoints beside it", folder / LIST)
        (folder / LIST).unlink()


def clear_scratch(folder: Path) -> None:
    """Remove checkpoints that Ray Train never copied, because their writer was killed."""
    for scratch in folder.glob(f"{SCRATCH}*"):
        shutil.rmtree(scratch, ignore_errors=True)

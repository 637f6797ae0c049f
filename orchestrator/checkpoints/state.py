"""Complete training states on disk: written atomically, read with `weights_only=True`."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path
from typing import Any

import torch

from equipose.orchestrator.checkpoints.safety import check_container, check_state
from equipose.orchestrator.training.config import TrainConfig, from_json, to_json
from equipose.orchestrator.training.state import Training
from equipose.pipelines.files.atomic import atomic, remove_leftovers
from equipose.pipelines.files.errors import DataError

FILE = "state.pt"
FORMAT = 5

DAMAGE = (
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    AssertionError,
    OverflowError,
    MemoryError,
    struct.error,
)
"""What torch raises for damaged files (found by flipping bytes)."""


def save(training: Training, config: TrainConfig, directory: Path, extra: dict[str, Any]) -> None:
    """Write everything a resumed run needs into `directory`, which has one writer at a time.

    extra: plain values to keep beside it, see `run_facts`. Raises OSError when the disk is full; an earlier
    checkpoint in the folder stays, and nothing else is left behind.
    """
    state = {
        "format": FORMAT,
        "config": to_json(config),
        "extra": extra,
        "epoch": training.epoch,
        "best_mpjpe_mm": training.best_mpjpe_mm,
        "best_epoch": training.best_epoch,
        "history": training.history,
        "contributions": training.contributions,
        "model": training.model.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "method": training.method.state_dict(),
    }
    if training.backward.scale is not None:
        state["loss_scale"] = training.backward.scale.state_dict()
    _write(state, directory / FILE)


def save_for_use(state: dict[str, Any], directory: Path) -> None:
    """Write a loaded state without what only further training needs, which is most of it.

    `load_model` takes the result; it cannot be trained further.
    """
    _write({**state, "optimizer": {}, "method": {}}, directory / FILE)


def _write(state: dict[str, Any], target: Path) -> None:
    remove_leftovers(target)
    try:
        with atomic(target) as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:
        # torch reports a wrong position in the file; the system's own error is its context, without a name.
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        raise OSError(cause.errno, cause.strerror, str(target)) from error


def load(directory: Path | str) -> dict[str, Any]:
    """Read a state written by `save`; never unpickles code.

    Raises DataError when the file is absent, damaged or of another format.
    """
    path = Path(directory) / FILE
    if not path.is_file():
        raise DataError(f"{path}: no checkpoint here; give the folder that holds {FILE}")
    check_container(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGE as error:
        raise DataError(f"{path}: the checkpoint is damaged ({error}); use an older one") from error
    except pickle.UnpicklingError as error:
        # torch's own message advises loading it without the restriction.
        raise DataError(
            f"{path}: the checkpoint is damaged or holds more than weights and plain values, which Equipose "
            "never writes; use another one"
        ) from error
    found = state.get("format") if isinstance(state, dict) else None
    if found != FORMAT:
        raise DataError(
            f"{path}: checkpoint format {found!r}, expected {FORMAT}; train again, or use the version that "
            "wrote it (up to format 4, running statistics of batch normalisation lagged behind the weights)"
        )
    check_state(state, path)
    return state


def other_settings(state: dict[str, Any], config: TrainConfig) -> list[str]:
    """Fields of `config` that differ from those a loaded state was trained with, besides `epochs`."""
    wanted, found = to_json(config), to_json(from_json(state["config"]))
    names = (wanted.keys() | found.keys()) - {"epochs"}
    return sorted(name for name in names if wanted.get(name) != found.get(name))


def restore(training: Training, state: dict[str, Any], config: TrainConfig) -> None:
    """Put a loaded state into a freshly built run.

    Raises ValueError when the state belongs to another config; more epochs are allowed.
    """
    differing = other_settings(state, config)
    if differing:
        raise ValueError(
            f"the checkpoint was written with other settings for {differing}; "
            "resume with the same config or start a new run"
        )
    training.model.load_state_dict(state["model"])
    training.optimizer.load_state_dict(state["optimizer"])
    training.method.load_state_dict(state["method"])
    if training.backward.scale is not None:
        training.backward.scale.load_state_dict(state["loss_scale"])
    training.contributions = state["contributions"]
    training.epoch = state["epoch"]
    training.best_mpjpe_mm = state["best_mpjpe_mm"]
    training.best_epoch = state["best_epoch"]
    training.history = state["history"]

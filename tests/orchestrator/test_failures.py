"""What people read when runs fail: one line, the remedy where memory was the cause, equal causes once."""

from __future__ import annotations

import pickle

import pytest
import torch
from ray.exceptions import (
    ActorDiedError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    WorkerCrashedError,
)
from ray.train import ControllerError, WorkerGroupError

from equipose.balancing.shapley.statistics import DivergedError
from equipose.orchestrator.failures import (
    FailedRunsError,
    FailedTrainingError,
    failed_training,
    is_lasting,
    reason,
)

RAY_SAYS = (
    "1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 127.0.0.1) was "
    "3.81GB used / 4.00GB limit (0.95)\nOOM kill reason: ...\nRefer to the documentation on how to address"
)
FULL = "memory ran out (3.81GB used / 4.00GB limit): "
MEMORY = OutOfMemoryError(RAY_SAYS)


def in_task(cause: Exception) -> Exception:
    """As `ray.get` raises what a task has raised."""
    text = f"Traceback ...\n  File x\n{type(cause).__name__}: {cause}"
    found = RayTaskError("f", text, cause).as_instanceof_cause()
    assert isinstance(found, Exception)
    return found


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (MEMORY, FULL),
        (in_task(MEMORY), FULL),
        (ControllerError(MEMORY), FULL),
        (failed_training("r", "/out", WorkerGroupError("x", {0: MEMORY})), FULL),
        (in_task(failed_training("r", "/out", WorkerGroupError("x", {1: MEMORY}))), FULL),
        (torch.OutOfMemoryError("CUDA out of memory"), "memory ran out: "),
        (MemoryError(), "memory ran out: "),
        (RuntimeError(f"Failure # 1 (occurred at noon)\n{RAY_SAYS}"), FULL),
    ],
)
def test_lack_of_memory_is_one_line_with_settings_to_change(error: Exception, start: str) -> None:
    found = reason(error)
    assert found.startswith(start)
    for remedy in ("EQUIPOSE_CONCURRENT=1", "data.batch.batch_size", "--workers", "--plan"):
        assert remedy in found
    assert "\n" not in found


def test_a_dead_process_may_have_died_for_lack_of_memory() -> None:
    for error in (WorkerCrashedError(), ActorDiedError()):
        assert reason(error).startswith("its process died")
        assert "EQUIPOSE_CONCURRENT" in reason(error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("first\n  then this  \n"), "then this"),
        (KeyError(), "KeyError"),
        (in_task(KeyError("rgb")), "KeyError: 'rgb'"),
        (in_task(FailedTrainingError("as it is")), "as it is"),
        (RayError("Traceback\nZeroDivisionError: x"), "ZeroDivisionError: x"),
    ],
)
def test_anything_else_is_its_last_line(error: Exception, said: str) -> None:
    assert reason(error) == said


def test_what_comes_again_is_told_from_what_may_be_over() -> None:
    assert all(
        map(is_lasting, (ValueError(), DivergedError(), KeyError(), AssertionError(), ZeroDivisionError()))
    )
    assert not any(
        map(is_lasting, (OSError(), RuntimeError(), MemoryError(), MEMORY, torch.OutOfMemoryError()))
    )


def test_the_lasting_error_of_a_rank_is_the_cause_and_survives_pickling() -> None:
    failures = {0: RuntimeError("peer closed"), 1: DivergedError("holds NaN")}
    failed = failed_training("awc", "/out/awc", WorkerGroupError("x", failures))
    again = pickle.loads(pickle.dumps(failed))
    assert isinstance(again.cause, DivergedError)
    assert again.lasting
    assert str(again) == str(failed)
    assert "run awc failed (holds NaN). Its checkpoints are kept in /out/awc" in str(failed)


def test_a_controller_that_died_is_worth_another_try() -> None:
    assert not failed_training("r", "/out", ActorDiedError()).lasting
    assert not failed_training("r", "/out", ControllerError(OSError("gone"))).lasting
    assert failed_training("r", "/out", ControllerError(ValueError("bad"))).lasting
    assert failed_training("r", "/out", WorkerGroupError("x", {0: ActorDiedError()})).lasting


def test_runs_that_failed_alike_are_listed_together() -> None:
    errors: dict[str, Exception] = {f"c{i}": MEMORY for i in range(5)} | {"d": in_task(ValueError("bad"))}
    message = str(FailedRunsError(errors))
    assert message.startswith("6 runs failed (c0, c1, c2 and 2 more: memory ran out (3.81GB used")
    assert "; d: ValueError: bad). The others are kept: fix the cause" in message
    assert message.count("EQUIPOSE_CONCURRENT") == 1

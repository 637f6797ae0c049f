"""Recurring work continues after an error, and ends with its block."""

from __future__ import annotations

import threading

import pytest

from equipose.orchestrator.sweep.periodic import periodically


def test_work_goes_on_after_an_error_until_the_block_ends(caplog: pytest.LogCaptureFixture) -> None:
    calls: list[int] = []
    enough = threading.Event()

    def work() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise OSError("away")
        if len(calls) == 3:
            enough.set()

    with periodically("look", work, 0.01):
        assert enough.wait(10)
    assert not any(thread.name == "look" for thread in threading.enumerate())
    assert "look failed; again in 0.01 s" in caplog.text


def test_an_error_of_the_block_is_its_own() -> None:
    with pytest.raises(ValueError, match="mine"), periodically("look", lambda: None, 60.0):
        raise ValueError("mine")
    assert not any(thread.name == "look" for thread in threading.enumerate())

"""Workers that end when the Ray node they belong to is gone."""

from __future__ import annotations

import os
import threading
import time

PERIOD = 1.0
NAME = "orphan-watch"


def end_with_parent() -> None:
    """Let this process end, at once and without clean-up, when the one that started it is gone.

    A worker's parent is its node's raylet. When that is killed, Ray gives the node up and starts the work
    elsewhere, while a worker in the middle of a report may wait for an answer for ever (seen with Ray 2.60),
    holding memory and its run's outbox.
    """
    parent = os.getppid()
    watched = any(thread.name == NAME for thread in threading.enumerate())
    if parent > 1 and not watched:
        threading.Thread(target=_watch, args=(parent,), name=NAME, daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PERIOD)
    os._exit(1)

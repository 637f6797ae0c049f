"""Workers that end when their Ray node is gone."""

from __future__ import annotations

import os
import threading
import time

PERIOD = 1.0
NAME = "orphan-watch"


def end_with_parent() -> None:
    """End this process, at once and without clean-up, when its parent is gone.

    The parent of a worker is the raylet of its node. When that is killed, Ray restarts the work elsewhere,
    but a worker in the middle of a report may wait for an answer forever (seen with Ray 2.60), holding memory
    and the outbox of its run.
    """
    parent = os.getppid()
    watched = any(thread.name == NAME for thread in threading.enumerate())
    if parent > 1 and not watched:
        threading.Thread(target=_watch, args=(parent,), name=NAME, daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PERIOD)
    os._exit(1)

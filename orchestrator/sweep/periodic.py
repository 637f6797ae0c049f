"""Recurring work in the driver while a long block runs."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def periodically(name: str, work: Callable[[], object], pause: float) -> Iterator[None]:
    """Run `work` every `pause` seconds in a thread while the block runs.

    An error is logged, and the work is tried again after the next pause. The end of the block waits for work
    that is running, for at most two pauses.
    """
    ended = threading.Event()

    def body() -> None:
        while not ended.wait(pause):
            try:
                work()
            except Exception:  # it may be over by the next time
                logger.warning("%s failed; again in %g s", name, pause, exc_info=True)

    thread = threading.Thread(target=body, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(2 * pause)

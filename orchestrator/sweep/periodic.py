"""Small recurring work in the driver while something long goes on."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def periodically(name: str, work: Callable[[], object], pause: float) -> Iterator[None]:
    """A thread that does `work` every `pause` seconds while the block lasts.

    What goes wrong is logged, and tried again in its turn. At the end, work that is under way is waited for,
    for at most two pauses.
    """
    ended = threading.Event()

    def body() -> None:
        while not ended.wait(pause):
            try:
                work()
            except Exception:  # whatever it was may be over by the next time
                logger.warning("%s: once more in %g s", name, pause, exc_info=True)

    thread = threading.Thread(target=body, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(2 * pause)

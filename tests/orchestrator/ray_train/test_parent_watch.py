"""A process whose parent is killed ends too; one whose parent lives continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from equipose.orchestrator.host import alive

CHILD = """
import time
from equipose.orchestrator.ray_train.parent_watch import end_with_parent
end_with_parent()
print("watching", flush=True)
time.sleep(60)
"""
PARENT = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}])
print(child.pid, flush=True)
child.wait()
"""


def test_it_ends_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "watching\n"
    time.sleep(1.2)
    assert alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = alive(child)
    if left:
        os.kill(child, signal.SIGKILL)
    assert not left

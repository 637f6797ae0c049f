"""A running Ray with another token or version: nothing starts, one line says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.system, pytest.mark.timeout(300)]

CLUSTER = """
import ray
from equipose.orchestrator.cluster.session import SessionConfig, ray_session
with ray_session(SessionConfig(num_cpus=1)):
    print(ray.get_runtime_context().gcs_address, flush=True)
    input()
"""
JOB = """
import sys
import ray
from equipose.experiments.cli import guarded
from equipose.orchestrator.cluster.session import SessionConfig, ray_session

def job():
    with ray_session(SessionConfig(address=sys.argv[1])):
        print("joined, though it must not be")

ray.__version__ = sys.argv[2] or ray.__version__
guarded(job)
"""
TOKENS = ["a" * 64, "b" * 64]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address of a foreign Ray, with the first token."""
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKENS[0]}
    environment.pop("RAY_ADDRESS", None)
    process = subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    yield process.stdout.readline().strip()
    process.communicate("\n", timeout=60)
    assert process.returncode == 0


def join(address: str, *, token: str, version: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
    command = [sys.executable, "-c", JOB, address, version]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize(
    ("token", "version", "message"),
    [
        (
            TOKENS[1],
            "",
            "does not accept our token; set RAY_AUTH_MODE=token and put",
        ),
        (TOKENS[0], "2.1.0", "here are Ray 2.1.0 and Python"),
    ],
)
def test_what_cannot_be_joined_is_one_line(address: str, token: str, version: str, message: str) -> None:
    job = join(address, token=token, version=version)
    assert job.returncode == 2, job.stderr
    assert job.stdout == ""
    assert message in job.stderr.splitlines()[-1]
    assert "Traceback" not in job.stderr

"""Ray for the length of a block, and for nobody longer."""

from __future__ import annotations

from typing import Any

import pytest
import ray

from orchestrator import session
from orchestrator.session import LOOPBACK, QUIET, SessionConfig, ray_session


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"num_cpus": 0}, "num_cpus must be at least 1"), ({"object_store_mb": 10}, "at least 80, got 10")],
)
def test_impossible_sessions_are_refused(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SessionConfig(**fields)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What `ray.init` and `ray.shutdown` would have been asked."""
    seen: list[Any] = []
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    for key in QUIET:
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setattr(session.ray, "init", lambda **options: seen.append(options))
    monkeypatch.setattr(session.ray, "shutdown", lambda: seen.append("shutdown"))
    monkeypatch.setattr(session.ray, "is_initialized", lambda: False)
    return seen


def test_local_ray_stays_on_loopback_and_stops(calls: list[Any]) -> None:
    with pytest.raises(KeyError), ray_session(SessionConfig(num_cpus=1)):
        raise KeyError
    options, end = calls
    assert end == "shutdown", "also when the block fails"
    assert (options["num_cpus"], options["_node_ip_address"]) == (1, LOOPBACK)
    assert options["dashboard_host"] == "127.0.0.1"


def test_a_running_cluster_is_joined(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "7")
    with ray_session():
        pass
    assert calls[0]["address"] == "10.0.0.1:6379"
    assert calls[0]["runtime_env"]["env_vars"]["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] == "7", "the user's wins"


def test_whoever_started_ray_stops_it(calls: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session.ray, "is_initialized", lambda: True)
    with ray_session():
        assert ray.is_initialized()
    assert calls == []

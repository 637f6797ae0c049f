"""The few requests that training processes make to MLflow, without MLflow's library.

Importing the library takes half a second of CPU per process, seconds where eight trials start at once on two
cores: more than all the rest of what logging costs a small run. Names and meanings are those of
`MlflowClient`; `training_client` hands everything but plain HTTP to the library.
"""

from __future__ import annotations

import json
import math
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlparse

from orchestrator.mlflow_client import ENVIRONMENT, bypass_proxy, client

API = "/api/2.0/mlflow/"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/"
LIBRARY_ONLY = ("MLFLOW_TRACKING_", "MLFLOW_WORKSPACE")
"""Starts of variables (credentials, certificates, plugins) that the library understands and this does not."""


class AnswerError(OSError):
    """The server has answered with an error."""

    def __init__(self, status: int, error_code: str | None, message: str) -> None:
        """status: of HTTP. error_code: MLflow's name for it, None where an upload has failed."""
        super().__init__(f"{error_code or status}: {message}")
        self.status, self.error_code = status, error_code


class Metric(NamedTuple):
    """One point: time in ms, step = epoch."""

    key: str
    value: float
    timestamp: int
    step: int


class Param(NamedTuple):
    """One parameter."""

    key: str
    value: str


class Experiment(NamedTuple):
    """An experiment's identity and state."""

    experiment_id: str
    lifecycle_stage: str


class RunInfo(NamedTuple):
    """Identity and state of a run."""

    run_id: str
    status: str
    artifact_uri: str


class RunData(NamedTuple):
    """Latest metrics, and tags."""

    metrics: dict[str, float]
    tags: dict[str, str]


class TrackedRun(NamedTuple):
    """A run as the server has it."""

    info: RunInfo
    data: RunData


def is_plain(uri: str) -> bool:
    """Whether a server is reached by plain HTTP, without credentials, certificates or plugins."""
    special = any(n.startswith(LIBRARY_ONLY) and n != "MLFLOW_TRACKING_URI" for n in os.environ)
    login = "@" in uri or (Path.home() / ".mlflow" / "credentials").exists()
    return uri.startswith("http://") and not special and not login


def training_client(uri: str) -> HttpClient | LibraryClient:
    """A client for processes that should not have to import MLflow; they still do where it is needed."""
    return HttpClient(uri) if is_plain(uri) else LibraryClient(uri)


class LibraryClient:
    """`MlflowClient` for callers that build points and parameters without the library."""

    def __init__(self, uri: str) -> None:
        self._client = client(uri)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def log_batch(self, run_id: str, metrics: Sequence[Metric] = (), params: Sequence[Param] = ()) -> None:
        """Points and parameters in one request."""
        from mlflow import entities

        points = [entities.Metric(*metric) for metric in metrics]
        self._client.log_batch(run_id, points, [entities.Param(*param) for param in params])


class HttpClient:
    """Plain requests, each tried once; raises `AnswerError`, or another `OSError` when nothing answers."""

    def __init__(self, uri: str) -> None:
        bypass_proxy(uri)
        self._uri = uri.rstrip("/")
        name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
        self._timeout = float(os.environ.get(name, ENVIRONMENT[name]))

    def get_run(self, run_id: str) -> TrackedRun:
        """Its state, tags and latest metrics."""
        return _run(self._get("runs/get", "run", run_id=run_id))

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Every point of a metric."""
        found = self._get("metrics/get-history", None, run_id=run_id, metric_key=key).get("metrics", [])
        return [Metric(key, float(m["value"]), int(m["timestamp"]), int(m.get("step", 0))) for m in found]

    def search_runs(
        self, experiment_ids: Sequence[str], filter_string: str, max_results: int = 100
    ) -> list[TrackedRun]:
        """The runs that match, at most `max_results`."""
        body = {"experiment_ids": list(experiment_ids), "filter": filter_string, "max_results": max_results}
        return [_run(run) for run in self._post("runs/search", body).get("runs", [])]

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """None where there is none."""
        try:
            found = self._get("experiments/get-by-name", "experiment", experiment_name=name)
        except AnswerError as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return Experiment(found["experiment_id"], found["lifecycle_stage"])

    def create_experiment(self, name: str, tags: Mapping[str, str]) -> str:
        """Its id."""
        answer = self._post("experiments/create", {"name": name, "tags": _tags(tags)})
        return str(_field(answer, "experiment_id"))

    def restore_experiment(self, experiment_id: str) -> None:
        """Revive a deleted one."""
        self._post("experiments/restore", {"experiment_id": experiment_id})

    def create_run(self, experiment_id: str, *, tags: Mapping[str, str], run_name: str) -> TrackedRun:
        """A new run, which begins now."""
        now = int(time.time() * 1000)
        body = {"experiment_id": experiment_id, "run_name": run_name, "start_time": now, "tags": _tags(tags)}
        return _run(_field(self._post("runs/create", body | {"user_id": "unknown"}), "run"))

    def log_batch(self, run_id: str, metrics: Sequence[Metric] = (), params: Sequence[Param] = ()) -> None:
        """Points and parameters in one request."""
        points = [metric._asdict() | {"value": _number(metric.value)} for metric in metrics]
        values = [param._asdict() for param in params]
        self._post("runs/log-batch", {"run_id": run_id, "metrics": points, "params": values})

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """The latest value counts."""
        self._post("runs/set-tag", {"run_id": run_id, "key": key, "value": value})

    def update_run(self, run_id: str, status: str) -> None:
        """Change the status and nothing else."""
        self._post("runs/update", {"run_id": run_id, "status": status})

    def set_terminated(self, run_id: str, status: str, end_time: int | None = None) -> None:
        """End a run, at `end_time` (ms) or now."""
        ended = end_time or int(time.time() * 1000)
        self._post("runs/update", {"run_id": run_id, "status": status, "end_time": ended})

    def log_artifact(self, run_id: str, local_path: str, artifact_path: str | None = None) -> None:
        """Upload a file under its own name; through the library where the server does not keep artifacts."""
        place = urlparse(self.get_run(run_id).info.artifact_uri)
        if place.scheme != "mlflow-artifacts" or place.netloc:
            client(self._uri).log_artifact(run_id, local_path, artifact_path)
            return
        path = "/".join(filter(None, [place.path.strip("/"), artifact_path, Path(local_path).name]))
        content = Path(local_path).read_bytes()
        try:
            self._send("PUT", ARTIFACTS + quote(path), content, "application/octet-stream")
        except AnswerError as error:
            raise AnswerError(error.status, None, str(error)) from error

    def _get(self, path: str, field: str | None, **query: str) -> Any:
        """The answer, or one field of it."""
        answer = _answer(self._send("GET", f"{API}{path}?{urlencode(query)}"))
        return answer if field is None else _field(answer, field)

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return _answer(self._send("POST", API + path, json.dumps(body).encode()))

    def _send(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> bytes:
        headers = {"Content-Type": kind} if body is not None else {}
        request = urllib.request.Request(self._uri + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as reply:
                return bytes(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                raise _error(error.code, error.read()) from error
        except HTTPException as error:
            raise ConnectionError(f"{self._uri} broke off its answer: {error!r}") from error


def _error(status: int, content: bytes) -> AnswerError:
    """What an answer that is not 200 says; what is not MLflow's counts as a fault that may pass."""
    try:
        said = json.loads(content)
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    text = said.get("message") or content[:500].decode(errors="replace")
    return AnswerError(status, str(said.get("error_code") or "INTERNAL_ERROR"), f"{text} (HTTP {status})")


def _answer(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ConnectionError(f"no MLflow answered, but something that says {content[:80]!r}")
    return found


def _field(answer: Mapping[str, Any], name: str) -> Any:
    if name not in answer:
        raise ConnectionError(f"no MLflow answered, but something without {name!r}: {str(answer)[:80]}")
    return answer[name]


def _run(found: Mapping[str, Any]) -> TrackedRun:
    info, data = found["info"], found.get("data", {})
    metrics = {item["key"]: float(item["value"]) for item in data.get("metrics", [])}
    tags = {item["key"]: item["value"] for item in data.get("tags", [])}
    about = RunInfo(info["run_id"], info["status"], info.get("artifact_uri", ""))
    return TrackedRun(about, RunData(metrics, tags))


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def _number(value: float) -> float | str:
    """As JSON can say it, the way protocol buffers do."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"

"""A model in MLflow's format: no pickles, no optimiser, and the poses of `load_model`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipose.models.batch import Batch
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.trained_model import TrainedModel, load_model
from equipose.orchestrator.export.signature import MASK
from equipose.orchestrator.host import free_port
from equipose.orchestrator.logged_model.save import save_mlflow_model
from equipose.pipelines.store import Store

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # MLflow warns of its own modules

TOLERANCE = 1e-5
"""m."""


@pytest.fixture(scope="module")
def trained(trained_run: Path) -> TrainedModel:
    return load_model(trained_run)


@pytest.fixture(scope="module")
def saved(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mlflow") / "model"
    save_mlflow_model(trained, folder)
    return folder


@pytest.fixture(scope="module")
def batch(trained: TrainedModel, small_store: Store) -> Batch:
    (batch,) = trained.batches(small_store.index["row"].to_numpy()[:3]).in_order()
    batch.present[-1, 0] = False
    return batch


def arrays(batch: Batch) -> dict[str, np.ndarray]:
    """Named inputs; what is absent is NaN."""
    values = {name: inputs.numpy().copy() for name, inputs in batch.inputs.items()}
    for m, name in enumerate(batch.inputs):
        values[name][~batch.present[:, m].numpy()] = np.nan
    return values | {name + MASK: mask.numpy() for name, mask in batch.masks.items()}


def poses(trained: TrainedModel, batch: Batch) -> np.ndarray:
    with torch.no_grad():
        return trained.model(batch).pose.numpy()


def test_the_folder_holds_no_pickle_and_no_optimiser(trained: TrainedModel, saved: Path) -> None:
    suffixes = {path.suffix for path in saved.rglob("*") if path.is_file()}
    assert not suffixes & {".pkl", ".pickle", ".joblib"}
    (kept,) = saved.rglob(checkpoints.FILE)
    assert checkpoints.load(kept.parent)["optimizer"] == {}
    assert kept.stat().st_size < 0.6 * (trained.checkpoint / checkpoints.FILE).stat().st_size


@pytest.mark.system
def test_a_loaded_model_gives_the_poses(trained: TrainedModel, saved: Path, batch: Batch) -> None:
    import mlflow.pyfunc

    loaded = mlflow.pyfunc.load_model(str(saved))
    np.testing.assert_allclose(loaded.predict(arrays(batch)), poses(trained, batch), atol=TOLERANCE, rtol=0)
    names = [item.name for item in loaded.metadata.signature.inputs.inputs]
    assert names == ["rgb", "lidar", "lidar_mask", "mmwave", "mmwave_mask", "wifi"]
    assert loaded.metadata.metadata["data"]["provenance"] == "simulated data"
    assert loaded.predict(loaded.input_example).shape == (1, 17, 3)


@pytest.mark.system
@pytest.mark.slow
def test_a_served_model_gives_the_poses(
    trained: TrainedModel, saved: Path, batch: Batch, tmp_path: Path
) -> None:
    port = free_port("127.0.0.1")
    address = f"http://127.0.0.1:{port}"
    activated = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # MLflow starts `uvicorn` by its name
    serve = ["-m", "mlflow", "models", "serve", "-m", str(saved), "--env-manager", "local"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, *serve, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"],
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"PATH": activated},
        )
        try:
            wait_for(address, server, tmp_path / "log")
            answer = asked(address, arrays(batch))
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
                server.wait(30)
    np.testing.assert_allclose(answer, poses(trained, batch), atol=TOLERANCE, rtol=0)


def wait_for(address: str, server: subprocess.Popen[Any], log: Path) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"the server did not answer; exit status {server.poll()}: {log.read_text()[-2000:]}")


def asked(address: str, values: dict[str, np.ndarray]) -> np.ndarray:
    """What a server answers; NaN travels as null."""
    plain = {name: with_null(value.tolist()) for name, value in values.items()}
    body = json.dumps({"inputs": plain}, allow_nan=False).encode()
    request = urllib.request.Request(
        f"{address}/invocations", body, {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return np.array(json.loads(response.read())["predictions"])


def with_null(value: Any) -> Any:
    if isinstance(value, list):
        return [with_null(item) for item in value]
    return None if isinstance(value, float) and value != value else value

"""Exported files give the model's poses for any number of frames, and say what they take."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from equipose.models.batch import Batch
from equipose.models.skeleton import JOINTS
from equipose.orchestrator.checkpoints import state as checkpoints
from equipose.orchestrator.checkpoints.trained_model import TrainedModel
from equipose.orchestrator.export.write import export_model
from equipose.pipelines.files.atomic import checksum

Batches = Callable[[int], Batch]
Values = Callable[[Batch], dict[str, Tensor]]

TOLERANCE = 1e-4
"""m."""


@pytest.fixture(scope="module")
def programs(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "torch"
    export_model(trained, folder, format="torch")
    return folder


@pytest.fixture(scope="module")
def onnx_files(trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    folder = tmp_path_factory.mktemp("exported") / "onnx"
    export_model(trained, folder, format="onnx")
    return folder


def run_onnx(path: Path, values: dict[str, Tensor]) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = {item.name: values[item.name].numpy() for item in session.get_inputs()}
    (found,) = session.run(None, wanted)
    return np.asarray(found)


def expected_poses(trained: TrainedModel, batch: Batch) -> np.ndarray:
    with torch.no_grad():
        return trained.model(batch).pose.numpy()


@pytest.mark.parametrize("count", [1, 5])
def test_a_program_gives_the_models_poses(
    count: int, trained: TrainedModel, programs: Path, batch_of: Batches, values_of: Values
) -> None:
    batch = batch_of(count)
    found = torch.export.load(programs / "model.pt2").module()(values_of(batch))
    np.testing.assert_allclose(found.detach().numpy(), expected_poses(trained, batch), atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("count", [1, 5])
def test_an_onnx_file_gives_the_models_poses(
    count: int, trained: TrainedModel, onnx_files: Path, batch_of: Batches, values_of: Values
) -> None:
    batch = batch_of(count)
    found = run_onnx(onnx_files / "model.onnx", values_of(batch))
    np.testing.assert_allclose(found, expected_poses(trained, batch), atol=TOLERANCE, rtol=0)


def test_encoders_give_the_models_features(
    trained: TrainedModel, onnx_files: Path, programs: Path, batch_of: Batches, values_of: Values
) -> None:
    batch = batch_of(5)
    with torch.no_grad():
        expected = trained.model.encode(batch).numpy()
    for m, name in enumerate(trained.sensors):
        values = values_of(batch)
        found = run_onnx(onnx_files / f"encoder-{name}.onnx", values)
        np.testing.assert_allclose(found, expected[:, m], atol=TOLERANCE, rtol=1e-4)
        own = {key: value for key, value in values.items() if key in (name, f"{name}_mask")}
        traced = torch.export.load(programs / f"encoder-{name}.pt2").module()(own)
        np.testing.assert_allclose(traced.detach().numpy(), expected[:, m], atol=TOLERANCE, rtol=1e-4)


def test_an_onnx_file_names_inputs_and_holds_no_path_of_this_machine(onnx_files: Path) -> None:
    import onnx

    content = onnx.load(onnx_files / "model.onnx")
    described = json.loads((onnx_files / "model.json").read_text())
    assert [item.name for item in content.graph.input] == [item["name"] for item in described["inputs"]]
    assert [item.name for item in content.graph.output] == ["pose"]
    assert content.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert b"site-packages" not in (onnx_files / "model.onnx").read_bytes()


def test_the_description_says_what_comes_in_and_where_it_is_from(
    trained: TrainedModel, programs: Path
) -> None:
    facts = json.loads((programs / "model.json").read_text())
    assert facts["sensors"] == ["rgb", "lidar", "mmwave", "wifi"]
    inputs = {item["name"]: item for item in facts["inputs"]}
    assert list(inputs) == ["rgb", "lidar", "lidar_mask", "mmwave", "mmwave_mask", "wifi"]
    assert inputs["lidar"]["shape"] == ["batch", 16, 3]
    assert inputs["lidar_mask"]["dtype"] == "bool"
    assert inputs["rgb"]["unit"] == "pixel"
    assert facts["outputs"][0]["joints"] == list(JOINTS)
    assert facts["normalisation"]["included"] is True
    assert facts["normalisation"]["rgb"]["centre"] == list(trained.normalisation["rgb"].centre)
    assert facts["data"] == {"provenance": "simulated data", "fingerprint": trained.extra["fingerprint"]}
    assert facts["checkpoint"]["sha256"] == checksum(trained.checkpoint / checkpoints.FILE)["sha256"]
    for file in (facts["model"], *facts["encoders"].values()):
        assert checksum(programs / file["file"])["sha256"] == file["sha256"]


def test_a_model_without_a_sensor_takes_the_others_only(
    trained: TrainedModel, tmp_path: Path, batch_of: Batches, values_of: Values
) -> None:
    written = export_model(trained, tmp_path, format="torch", sensors=("wifi", "rgb"))
    assert [path.name for path in written] == [
        "model.pt2", "encoder-rgb.pt2", "encoder-wifi.pt2", "model.json",
    ]  # fmt: skip
    batch = batch_of(5)
    values = {name: value for name, value in values_of(batch).items() if name in ("rgb", "wifi")}
    found = torch.export.load(tmp_path / "model.pt2").module()(values)
    batch.present[:, [1, 2]] = False
    np.testing.assert_allclose(found.detach().numpy(), expected_poses(trained, batch), atol=TOLERANCE, rtol=0)


def test_what_cannot_be_is_refused(trained: TrainedModel, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sensors=\['depth'\]: the model has"):
        export_model(trained, tmp_path, sensors=("depth",))
    with pytest.raises(ValueError, match="format='h5' is unknown; use one of"):
        export_model(trained, tmp_path, format="h5")  # type: ignore[arg-type]

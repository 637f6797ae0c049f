"""ONNX: what is missing is named in one line, and the same points are chosen as in PyTorch."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from equipose.models.encoders.points import farthest_points, nearest
from equipose.orchestrator.export import onnx_files
from equipose.orchestrator.export.onnx_files import check_packages, distances, write_onnx
from equipose.orchestrator.export.programs import ExportError, program_of


class Choice(nn.Module):
    """Farthest points and their neighbours."""

    def forward(self, values: dict[str, Tensor]) -> Tensor:
        chosen = farthest_points(values["xyz"], values["mask"], 8)
        centres = values["xyz"].gather(1, chosen[..., None].expand(-1, -1, 3))
        return torch.cat([chosen[..., None], nearest(centres, values["xyz"], values["mask"], 4)], -1)


def clouds(count: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    xyz = torch.randn(count, 24, 3, generator=generator)
    mask = torch.arange(24) < torch.randint(4, 25, (count, 1), generator=generator)
    return {"xyz": xyz, "mask": mask}


def test_the_same_points_are_chosen(tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    write_onnx(program_of(Choice(), clouds(2)), ["xyz", "mask"], "chosen", tmp_path / "choice.onnx")
    session = runtime.InferenceSession(str(tmp_path / "choice.onnx"), providers=["CPUExecutionProvider"])
    values = clouds(500)
    (found,) = session.run(None, {name: value.numpy() for name, value in values.items()})
    np.testing.assert_array_equal(found, Choice()(values).numpy())


def test_distances_are_those_of_torch() -> None:
    first, second = clouds(3)["xyz"][:, :5], clouds(3)["xyz"]
    expected = torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")
    torch.testing.assert_close(distances(first, second), expected)
    with pytest.raises(ExportError, match=r"aten\.cdist with p=1\.0"):
        distances(first, second, p=1.0)


class Unknown(nn.Module):
    """An operation that ONNX does not have."""

    def forward(self, values: dict[str, Tensor]) -> Tensor:
        return torch.special.bessel_j0(values["x"])


def test_an_operator_that_onnx_lacks_is_named_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    program = program_of(Unknown(), {"x": torch.rand(2, 3)})
    with pytest.raises(
        ExportError, match=r"model\.onnx .*: ONNX has no operator for (aten\.special|prims\.)_?bessel_j0"
    ):
        write_onnx(program, ["x"], "y", tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


class Stubborn(nn.Module):
    """Cannot be traced: what it does depends on the values."""

    def forward(self, values: dict[str, Tensor]) -> Tensor:
        return values["x"] if values["x"].sum() > 0 else -values["x"]


def test_what_cannot_be_traced_is_one_line() -> None:
    with pytest.raises(ExportError, match="Stubborn cannot be traced") as caught:
        program_of(Stubborn(), {"x": torch.rand(2, 3)})
    assert "\n" not in str(caught.value)


def test_missing_packages_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_files, "NEEDED", ("onnx_that_nobody_has",))
    with pytest.raises(ValueError, match=r"\['onnx_that_nobody_has'\].*pip install 'equipose\[onnx\]'"):
        check_packages()
    assert "onnx_that_nobody_has" not in sys.modules

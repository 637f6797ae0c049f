"""Exporting a trained model: a file for the whole model, one per encoder, and their description."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from torch import nn
from torch.export import ExportedProgram

from equipose.orchestrator.checkpoints.trained_model import TrainedModel
from equipose.orchestrator.export.description import FEATURES, POSE, described
from equipose.orchestrator.export.networks import EncoderNetwork, PoseNetwork
from equipose.orchestrator.export.onnx_files import check_packages, write_onnx
from equipose.orchestrator.export.programs import program_of, write_program
from equipose.orchestrator.export.signature import chosen_sensors, example, inputs_of
from equipose.pipelines.files.atomic import checksum, write_json

FormatName = Literal["onnx", "torch"]
DESCRIPTION = "model.json"
ROWS = 2
"""Of the values that a network is traced with."""


@dataclass(frozen=True, kw_only=True)
class Format:
    """How a program becomes a file."""

    suffix: str
    write: Callable[[ExportedProgram, Sequence[str], str, Path], None]
    check: Callable[[], None] = lambda: None
    """Raises ValueError where something is missing, before the work begins."""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "onnx": Format(suffix=".onnx", write=write_onnx, check=check_packages),
        "torch": Format(suffix=".pt2", write=write_program),
    }
)
"""Name -> format."""


def export_model(
    trained: TrainedModel, out: Path, *, format: FormatName = "torch", sensors: Sequence[str] = ()
) -> tuple[Path, ...]:
    """Write a model as `out/model.*`, its encoders as `out/encoder-<sensor>.*`, and `out/model.json`.

    sensors: those that the model takes, by default all of its own; without one it behaves as in frames that
    lack the sensor. Files of the same names are replaced, the description last. Raises ValueError for an
    unknown format or sensor, `ExportError` where the format lacks an operation.
    """
    if format not in FORMATS:
        raise ValueError(f"format={format!r} is unknown; use one of {list(FORMATS)}")
    FORMATS[format].check()
    names = chosen_sensors(trained, sensors)
    out.mkdir(parents=True, exist_ok=True)
    (out / DESCRIPTION).unlink(missing_ok=True)
    whole = _written(trained, PoseNetwork(trained.fusion_model, names), names, "model", POSE, out, format)
    parts = {
        name: _written(
            trained,
            EncoderNetwork(trained.fusion_model, name),
            (name,),
            f"encoder-{name}",
            FEATURES,
            out,
            format,
        )
        for name in names
    }
    facts: dict[str, Any] = {
        "format": format,
        "model": _file(whole),
        "encoders": {name: _file(path) for name, path in parts.items()},
        **described(trained, names),
    }
    write_json(out / DESCRIPTION, facts)
    return (whole, *parts.values(), out / DESCRIPTION)


def _written(
    trained: TrainedModel,
    network: nn.Module,
    sensors: Sequence[str],
    stem: str,
    output: str,
    out: Path,
    format: FormatName,
) -> Path:
    """The file of one network."""
    values = example(trained, inputs_of(trained, sensors), ROWS)
    path = out / f"{stem}{FORMATS[format].suffix}"
    FORMATS[format].write(program_of(network, values), list(values), output, path)
    return path


def _file(path: Path) -> dict[str, Any]:
    return {"file": path.name, **checksum(path)}

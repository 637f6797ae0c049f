"""`equipose export`: a trained model as files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tyro.conf import Positional


def export(
    checkpoint: Positional[Path],
    /,
    out: Path = Path("exported"),
    format: Literal["onnx", "torch"] = "torch",
    sensors: tuple[str, ...] = (),
) -> None:
    """Write a trained model and each of its encoders as ONNX or `torch.export` files.

    Any number of frames at once, inputs named after the sensors, poses in metres; `model.json` says the rest.

    Args:
        checkpoint: Folder of a run, of which the best checkpoint is taken, or of one checkpoint.
        out: Folder to write; files of the same names in it are replaced.
        format: `torch` (`.pt2`, no further packages) or `onnx` (`pip install 'equipose[onnx]'`).
        sensors: Inputs of the exported model, e.g. `rgb lidar`; by default all sensors of the model.
    """
    from equipose.orchestrator.checkpoints.trained_model import load_model
    from equipose.orchestrator.export.write import export_model

    for path in export_model(load_model(checkpoint), out, format=format, sensors=sensors):
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")

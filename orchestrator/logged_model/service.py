"""What MLflow runs of a logged model: named arrays to poses, by a checkpoint's weights and plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import mlflow.pyfunc
import numpy as np
import torch

from equipose.orchestrator.checkpoints.trained_model import load_model
from equipose.orchestrator.export.networks import PoseNetwork

CHECKPOINT = "checkpoint"
"""Name of the only artifact of a logged model, a checkpoint's folder."""


class PoseService(mlflow.pyfunc.PythonModel):
    """Arrays named as in `export.signature.inputs_of` to poses [B, 17, 3], metres.

    A sensor with a NaN in a frame (`null` in JSON) counts as absent there.
    """

    def load_context(self, context: Any) -> None:
        """Read the checkpoint; no code in it is run."""
        trained = load_model(context.artifacts[CHECKPOINT])
        self.network = PoseNetwork(trained.fusion_model, trained.sensors)

    # MLflow has no hint for a dict of arrays; with this one it leaves all checks to the model's signature.
    def predict(
        self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> np.ndarray:
        """Poses of a dict of arrays; context and params are not used."""
        given = cast(Mapping[str, np.ndarray], model_input)
        values = {name: torch.from_numpy(np.array(value)) for name, value in given.items()}
        with torch.no_grad():
            poses: torch.Tensor = self.network(values)
        return poses.numpy()
